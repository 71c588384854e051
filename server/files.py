"""Sending a job's files: ranges, strong validators, and no way for one to act as a page."""

from datetime import datetime
from pathlib import Path
from urllib.parse import quote

from flask import Request, Response, send_file

from server.errors import ResultsGone

_INLINE = ("image/png", "application/json", "text/plain")
"""Types that a browser shows; all else it offers to save."""


def inside(folder: Path, relative: str) -> Path:
    """The file of this name inside `folder`; links that lead out count as missing.

    Raises
    ------
    ResultsGone
        There is no such file (any more).
    """
    root = folder.resolve()
    path = (root / relative).resolve()
    if not path.is_relative_to(root) or not path.is_file():
        raise ResultsGone("This file was removed from the server.")
    return path


def send(
    incoming: Request,
    path: Path,
    *,
    type_: str,
    name: str,
    etag: str,
    modified: datetime | None = None,
) -> Response:
    """Answer a GET or HEAD with a file, whole or the range asked for.

    Parameters
    ----------
    type_, name
        Media type, and the name under which it is saved.
    etag
        The strong validator: the file's SHA-256.
    """
    # Several ranges at once would need a multipart answer; RFC 9110 lets a server send the whole.
    if "," in incoming.headers.get("Range", ""):
        incoming.environ.pop("HTTP_RANGE")
    try:
        response = send_file(
            path,
            mimetype=type_,
            conditional=True,
            etag=etag,
            last_modified=modified,
            max_age=None,
        )
    except FileNotFoundError as error:
        raise ResultsGone("This file was removed from the server.") from error
    shown = "inline" if type_.partition(";")[0] in _INLINE else "attachment"
    response.headers["Content-Disposition"] = f'{shown}; filename="{quote(name)}"'
    response.headers.pop("Expires", None)
    # A result never changes, but it can be removed: caches ask again, and get 304.
    response.headers["Cache-Control"] = "private, no-cache"
    response.headers["Accept-Ranges"] = "bytes"
    return response
