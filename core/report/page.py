"""Pages for reading: HTML without scripts, that can be printed, with pictures beside it."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from html import escape
from urllib.parse import quote

STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; color: #222; background: #fff; margin: 0 auto;
  padding: 1rem; max-width: 60rem; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.15rem; margin-top: 2rem; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: .25rem .75rem .25rem 0; text-align: left; vertical-align: top;
  border-bottom: 1px solid #ddd; }
td.number, th.number { text-align: right; }
p, li, figcaption, td:not(.number) { overflow-wrap: anywhere; }
td.name { min-width: 9.5rem; }
.wide { overflow-x: auto; margin: 1rem 0; }
.pictures { display: grid; grid-template-columns: repeat(auto-fill, minmax(16rem, 1fr));
  gap: 1rem; }
figure { margin: 0; } img { width: 100%; height: auto; } figcaption { font-size: .9rem; }
.summary { font-size: 1.1rem; }
@media print { body { max-width: none; font-size: 10pt; } h2, h3 { break-after: avoid; }
  figure, tr { break-inside: avoid; } .wide { overflow: visible; } }
"""

SHORT = 10
"""Signs of a text that stays on one line, at most."""


def document(title: str, parts: Iterable[str]) -> str:
    """A page of parts in HTML."""
    body = "\n".join(parts)
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>{STYLE}</style>\n</head>\n"
        f"<body>\n{body}\n</body>\n</html>\n"
    )


def gallery(pictures: Sequence[tuple[str, str]], previews: Mapping[str, str]) -> Iterator[str]:
    """Pictures that lead to the files beside the page.

    Parameters
    ----------
    pictures
        Paths relative to the page, and titles.
    previews
        Small versions by these paths, as ``data:`` addresses: they are seen where the page was
        downloaded alone.
    """
    if not pictures:
        return
    yield '<div class="pictures">'
    for path, title in pictures:
        name = escape(title, quote=True)
        place = escape(quote(path), quote=True)
        shown = escape(previews.get(path, ""), quote=True) or place
        yield (
            f'<figure><a href="{place}"><img src="{shown}" alt="{name}" loading="lazy"></a>'
            f"<figcaption>{name}</figcaption></figure>"
        )
    yield "</div>"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    """A table; columns of numbers are aligned to the right."""
    body = [tuple(row) for row in rows]
    numeric = [all(_is_number(row[n]) for row in body) for n in range(len(head))]
    long = [any(len(row[n]) > SHORT for row in body) for n in range(len(head))]
    kinds = [
        ' class="number"' if one else ' class="name"' if other else ""
        for one, other in zip(numeric, long, strict=True)
    ]
    yield '<div class="wide"><table><thead><tr>'
    yield "".join(f"<th{kind}>{escape(text)}</th>" for kind, text in zip(kinds, head, strict=True))
    yield "</tr></thead><tbody>"
    for row in body:
        cells = zip(kinds, row, strict=True)
        yield "<tr>" + "".join(f"<td{kind}>{escape(text)}</td>" for kind, text in cells) + "</tr>"
    yield "</tbody></table></div>"


def listed(title: str, notes: Sequence[str]) -> Iterator[str]:
    """Sentences under a heading; nothing where there are none."""
    if notes:
        yield f"<h2>{escape(title)}</h2><ul>"
        yield from (f"<li>{escape(note)}</li>" for note in notes)
        yield "</ul>"


def _is_number(text: str) -> bool:
    try:
        float(text.rstrip("%") or "0")
    except ValueError:
        return False
    return True


def decimals(value: float | None) -> str:
    """A number with two decimals; nothing where it is not known."""
    return "" if value is None else f"{value:.2f}"


def amount(number: int, thing: str) -> str:
    """A number of things in words."""
    return f"{number} {thing}{'' if number == 1 else 's'}"
