"""XML of products and masks: no DTD, no entities, no network, limited in size and depth.

Names are matched without their namespaces, which changed from one baseline to the next.
"""

from collections.abc import Iterator
from xml.etree.ElementTree import Element, ParseError, TreeBuilder

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import DefusedXMLParser

from core.errors import BadMetadata

MAX_BYTES = 32 << 20
"""A cloud mask of a whole tile has about 1 MB; only the datastrip's metadata, never read, more."""
MAX_DEPTH = 60


class _Shallow(TreeBuilder):
    """Builds a tree and gives up where it gets too deep."""

    depth = 0

    def start(self, tag: str, attrs: dict[str, str], /) -> Element:
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise RecursionError
        return super().start(tag, attrs)

    def end(self, tag: str, /) -> Element:
        self.depth -= 1
        return super().end(tag)


def parse(data: bytes, what: str, *, pointer: str = "") -> Element:
    """The root of an XML document.

    Parameters
    ----------
    data
        The document.
    what
        Its name, for messages.
    pointer
        Where the request names the product.

    Raises
    ------
    BadMetadata
        It is not well-formed, has a DTD or entities, or is too large or too deep.
    """
    if len(data) > MAX_BYTES:
        raise BadMetadata(f"{what} is larger than {MAX_BYTES >> 20} MiB.", pointer=pointer)
    parser = DefusedXMLParser(
        target=_Shallow(), forbid_dtd=True, forbid_entities=True, forbid_external=True
    )
    try:
        parser.feed(data)
        root: Element = parser.close()
    except DefusedXmlException as error:
        raise BadMetadata(
            f"{what} declares a document type or an entity, which metadata never need.",
            pointer=pointer,
        ) from error
    except RecursionError as error:
        raise BadMetadata(
            f"{what} is nested more than {MAX_DEPTH} deep.", pointer=pointer
        ) from error
    except (ParseError, ValueError, LookupError) as error:
        raise BadMetadata(f"{what} is not well-formed XML.", pointer=pointer) from error
    return root


def local(tag: str) -> str:
    """A tag without its namespace."""
    return tag.rpartition("}")[2]


def elements(root: Element, name: str) -> Iterator[Element]:
    """All elements of a local name, in the order of the document."""
    return (e for e in root.iter() if isinstance(e.tag, str) and local(e.tag) == name)


def texts(root: Element, name: str) -> list[str]:
    """The texts of all elements of a local name."""
    return [(element.text or "").strip() for element in elements(root, name)]


def text(root: Element, name: str) -> str:
    """The text of the first element of a local name that has one, else ""."""
    return next((found for found in texts(root, name) if found), "")
