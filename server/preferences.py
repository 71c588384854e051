"""What a client would like to have: media type (RFC 9110) and the way of execution (RFC 7240)."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from flask import Request

from server.errors import BadQuery

LONGEST_WAIT_S = 20.0
"""A longer ``wait`` is cut to this: proxies and browsers give up not much later."""

Format = Literal["json", "html"]

_WORD = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_PAIR = re.compile(rf'\s*({_WORD})\s*(?:=\s*({_WORD}|"(?:[^"\\]|\\.)*"))?\s*')
_SEPARATOR = re.compile(r'(?:[^,"]|"(?:[^"\\]|\\.)*")+')


@dataclass(frozen=True)
class Preferences:
    """The preferences of RFC 7240 that matter for an execution.

    Parameters
    ----------
    respond_async
        The client wants an answer at once and comes back for the results.
    wait_s
        Seconds the client is ready to wait, at most `LONGEST_WAIT_S`; None where it did not say.
    """

    respond_async: bool = False
    wait_s: float | None = None


def preferences(headers: Iterable[str]) -> Preferences:
    """Read all ``Prefer`` headers of a request; what is unknown or malformed is ignored.

    Examples
    --------
    >>> preferences(["return=representation", "Respond-Async; x=1, wait=10"])
    Preferences(respond_async=True, wait_s=10.0)
    >>> preferences(["wait=soon", "respond-sync"])
    Preferences(respond_async=False, wait_s=None)
    """
    found: dict[str, str] = {}
    for element in (part for header in headers for part in _SEPARATOR.findall(header)):
        match = _PAIR.match(element)
        if match:
            # RFC 7240, section 2: of a preference given twice the first counts.
            found.setdefault(match[1].lower(), (match[2] or "").strip('"'))
    wait = found.get("wait", "")
    return Preferences(
        respond_async="respond-async" in found,
        wait_s=min(float(wait), LONGEST_WAIT_S) if re.fullmatch(r"[0-9]{1,9}", wait) else None,
    )


def wanted_format(request: Request) -> Format:
    """JSON, or HTML where the client prefers it: browsers do, other programs get JSON.

    Raises
    ------
    BadQuery
        The query says ``f=`` something else.
    """
    asked = request.args.get("f")
    if asked in ("json", "html"):
        return "html" if asked == "html" else "json"
    if asked is not None:
        raise BadQuery(
            f"The query parameter f is {asked[:40]!r}; it can be json or html.",
            value=asked,
            allowed="json, html",
        )
    best = request.accept_mimetypes.best_match(["application/json", "text/html"])
    return "html" if best == "text/html" else "json"


def wants_problem_json(request: Request) -> bool:
    """Whether an error is rather to be sent as ``application/problem+json``."""
    offered = ["application/json", "application/problem+json"]
    return request.accept_mimetypes.best_match(offered) == "application/problem+json"
