"""What is refused before a view sees it, and the headers that every answer carries."""

import ipaddress
from collections.abc import Iterable
from urllib.parse import urlsplit

from flask import Flask, Request, Response, request

from server.errors import CrossSite, Misdirected

_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})

PAGE_POLICY = (
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
"""Of pages: nothing from any other host, nothing inline."""

DATA_POLICY = "default-src 'none'; frame-ancestors 'none'; sandbox"
"""Of everything else: a result that a browser takes for a page can run and load nothing."""


def host_name(value: str) -> str:
    """The name in a Host header or an authority, lower case, without port and brackets.

    Examples
    --------
    >>> host_name("LocalHost:5000"), host_name("[::1]:80"), host_name("::1"), host_name("a b")
    ('localhost', '::1', '::1', '')
    """
    try:
        return str(ipaddress.ip_address(value))
    except ValueError:
        pass
    try:
        parts = urlsplit(f"//{value}")
        if parts.netloc != value or parts.username is not None or any(map(str.isspace, value)):
            return ""
        return (parts.hostname or "").rstrip(".")
    except ValueError:
        return ""


def is_loopback(host: str) -> bool:
    """Whether an address to listen on is reached from this machine alone."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def check_host(incoming: Request, names: Iterable[str]) -> None:
    """Refuse a request that was meant for another name: it came by a rebound DNS entry."""
    given = incoming.headers.get("Host", "")
    if host_name(given) not in names:
        raise Misdirected(
            f"This server does not answer to the name {given[:100]!r}; "
            "the operator can add it to allowed_hosts.",
            value=given,
        )


def check_site(incoming: Request, base: str) -> None:
    """Refuse a change that a page of another site asks for; programs send none of these headers.

    `base` is the address clients know the server by: behind a proxy Host may be another name.
    """
    if incoming.method in _SAFE_METHODS:
        return
    site = incoming.headers.get("Sec-Fetch-Site", "none").lower()
    origin = incoming.headers.get("Origin")
    own = (incoming.headers.get("Host", ""), urlsplit(base).netloc)
    foreign = origin is not None and _authority(origin) not in own
    if site not in ("none", "same-origin") or foreign:
        raise CrossSite("Pages of other sites cannot change anything on this server.")


def _authority(origin: str) -> str | None:
    """Host and port of an origin; None if it is no address."""
    try:
        return urlsplit(origin).netloc
    except ValueError:
        return None


def install(app: Flask, names: frozenset[str]) -> None:
    """Check each request to `app`, known by `names`, and complete each answer."""

    def before() -> None:
        check_host(request, names)
        check_site(request, app.config["BASE_URL"])

    def after(response: Response) -> Response:
        page = response.mimetype == "text/html" and not response.headers.get("Content-Disposition")
        response.headers.setdefault("Content-Security-Policy", PAGE_POLICY if page else DATA_POLICY)
        response.headers["X-Content-Type-Options"] = "nosniff"
        response.headers["Referrer-Policy"] = "same-origin"
        response.headers.setdefault("Cross-Origin-Resource-Policy", "same-origin")
        response.vary.update(("Accept", "Authorization"))
        return response

    app.before_request(before)
    app.after_request(after)
