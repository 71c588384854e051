"""XML as nested values, for the metadata of deliveries."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple
from xml.sax.saxutils import escape, quoteattr


class Element(NamedTuple):
    """A tag with its attributes and either text or further elements."""

    name: str
    content: "str | Sequence[Element]" = ""
    attributes: tuple[tuple[str, str], ...] = ()


def element(name: str, *content: "Element | str | float", **attributes: str) -> Element:
    """A tag that holds elements, or one number or text."""
    given = tuple(attributes.items())
    if len(content) == 1 and not isinstance(content[0], Element):
        value = content[0]
        return Element(name, value if isinstance(value, str) else repr(value), given)
    return Element(name, [part for part in content if isinstance(part, Element)], given)


def linked(name: str, href: str) -> Element:
    """A tag that only points at a file."""
    return Element(name, "", (("href", href),))


def write_xml(path: Path, root: Element) -> Path:
    """Write a document with two spaces per level."""
    head = '<?xml version="1.0" encoding="UTF-8" standalone="no"?>\n'
    path.write_text(head + _rendered(root, ""), encoding="utf-8")
    return path


def _rendered(part: Element, indent: str) -> str:
    given = "".join(f" {name}={quoteattr(value)}" for name, value in part.attributes)
    if isinstance(part.content, str):
        if not part.content:
            return f"{indent}<{part.name}{given}/>\n"
        return f"{indent}<{part.name}{given}>{escape(part.content)}</{part.name}>\n"
    inner = "".join(_rendered(child, indent + "  ") for child in part.content)
    return f"{indent}<{part.name}{given}>\n{inner}{indent}</{part.name}>\n"
