"""Answers in JSON or as a page, and the checks that several views begin with."""

import json
import shutil
from collections.abc import Mapping
from datetime import UTC, datetime

from flask import Response, render_template, request

from server import incoming
from server.errors import BadRequest, BodyTooLarge, ServerFull, UnsupportedMediaType
from server.preferences import wanted_format
from server.services import services

_BODY_S = 20.0
"""Seconds in which the body of a request document has to arrive."""


def as_json(
    document: object,
    status: int = 200,
    *,
    headers: Mapping[str, str] | None = None,
    type_: str = "application/json",
) -> Response:
    """A JSON answer, with no escaping beyond JSON's own."""
    body = json.dumps(document, ensure_ascii=False, allow_nan=False)
    response = Response(body, status=status, content_type=type_)
    response.headers["Cache-Control"] = "no-store"
    response.headers.update(headers or {})
    return response


def without_body(status: int = 204) -> Response:
    """An answer that has no body, and so no type of one."""
    response = Response(status=status)
    del response.headers["Content-Type"]
    return response


def as_page(template: str, **values: object) -> Response:
    """A page for a browser."""
    response = Response(render_template(template, **values), mimetype="text/html")
    response.headers["Cache-Control"] = "no-store"
    return response


def is_page_wanted() -> bool:
    """Whether the client of the present request prefers a page to JSON."""
    return wanted_format(request) == "html"


def moment(value: datetime) -> str:
    """A time as OGC API writes it, in UTC.

    Examples
    --------
    >>> moment(datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC))
    '2026-01-02T03:04:05.678Z'
    """
    return value.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def require_json() -> bytes:
    """The body of the present request, which has to be declared as ``application/json``.

    A page of any other site can send ``text/plain`` without asking first, JSON it cannot.
    """
    charset = request.mimetype_params.get("charset", "utf-8").lower()
    unreadable = request.content_encoding or charset not in ("utf-8", "utf8", "us-ascii")
    if request.mimetype != "application/json" or unreadable:
        raise UnsupportedMediaType(
            "The body has to be sent as Content-Type: application/json, in UTF-8 and not packed.",
            value=request.headers.get("Content-Type", "")[:100],
            allowed="application/json",
        )
    limit = services().settings.body_limit
    # A longer body without a Content-Length would be cut at the limit, without a word.
    request.max_content_length = limit + 1
    with incoming.within(request.environ, _BODY_S):
        body = request.get_data(cache=False)
    if len(body) > limit:
        raise BodyTooLarge(
            f"The request is larger than the {limit} bytes that this server takes.",
            allowed=f"at most {limit} bytes",
        )
    if len(body) < (request.content_length or 0):
        raise BadRequest(f"The body did not arrive within {_BODY_S:.0f} s, or it broke off.")
    return body


def require_space() -> None:
    """Refuse new work while the disk of the data is nearly full."""
    settings = services().settings
    if shutil.disk_usage(settings.data).free < settings.free_space_min:
        raise ServerFull(
            "The server is short of disk space and takes no new jobs and files until there is more."
        )
