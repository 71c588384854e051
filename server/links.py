"""Every absolute link of this server comes from here."""

from collections.abc import Iterator, Mapping
from urllib.parse import quote, urlencode, urlsplit

from flask import current_app

Link = dict[str, str]

OGC_REL = "http://www.opengis.net/def/rel/ogc/1.0/"
JSON = "application/json"
HTML = "text/html"


def absolute(path: str, query: Mapping[str, object] | None = None) -> str:
    """The absolute link to a path of this server (``/jobs``), quoted where it must be."""
    base: str = current_app.config["BASE_URL"]
    link = base + quote(path, safe="/:@!$&'()*+,;=~")
    return f"{link}?{urlencode(query, doseq=True)}" if query else link


def in_header(address: str) -> str:
    r"""An address as a header may carry it: what could end it there is quoted, the rest stays.

    Examples
    --------
    >>> in_header('https://example.org/a%20b>; rel="x"\n?c=ü')
    'https://example.org/a%20b%3E;%20rel=%22x%22%0A?c=%C3%BC'
    """
    return quote(address, safe="%/:?#[]@!$&'()*+,;=~", errors="replace")


def on_page(path: str, query: Mapping[str, object] | None = None) -> str:
    """The same link without scheme and host, for pages: they hold under each name of the server."""
    parts = urlsplit(absolute(path, query))
    return f"{parts.path or '/'}?{parts.query}" if parts.query else parts.path or "/"


def link(
    path: str, rel: str, type_: str, title: str, query: Mapping[str, object] | None = None
) -> Link:
    """A link object as OGC API writes it."""
    return {"href": absolute(path, query), "rel": rel, "type": type_, "title": title}


def representations(path: str, title: str, query: Mapping[str, object] | None = None) -> list[Link]:
    """The links from a JSON document to itself and to its page."""
    return [
        link(path, "self", JSON, title, query),
        link(path, "alternate", HTML, f"{title} (page)", {**(query or {}), "f": "html"}),
    ]


def starts(*, limit: int, offset: int, total: int) -> dict[str, int]:
    """Where the pages of a list before and after one begin: "prev" and "next", where there are any.

    Examples
    --------
    >>> starts(limit=5, offset=5, total=11), starts(limit=5, offset=100, total=11)
    ({'prev': 0, 'next': 10}, {'prev': 6})
    """
    end = min(offset, total)
    found = {"prev": max(0, end - limit)} if end > 0 else {}
    if offset + limit < total:
        found["next"] = offset + limit
    return found


def pages(
    path: str, title: str, query: Mapping[str, object], *, limit: int, offset: int, total: int
) -> Iterator[Link]:
    """The links from one page of a list to those before and after it, its filters kept."""
    for rel, start in starts(limit=limit, offset=offset, total=total).items():
        yield link(path, rel, JSON, title, {**query, "limit": limit, "offset": start})


def page_in_header(path: str, query: Mapping[str, object] | None = None) -> str:
    """The Link header from a JSON document that has no place for links to its page."""
    address = absolute(path, {**(query or {}), "f": "html"})
    return f'<{address}>; rel="alternate"; type="{HTML}"'
