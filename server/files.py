"""Sending a job's files: ranges, strong validators, and no way for one to act as a page."""

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import BinaryIO
from urllib.parse import quote

from flask import Request, Response, send_file

from server.answers import without_body
from server.conditions import Part, Version, is_unchanged, wanted_part
from server.errors import ResultsGone

_INLINE = ("image/png", "application/json", "text/plain")
"""Types that a browser shows; all else it offers to save."""
_PIECE = 1 << 18


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

    Raises
    ------
    PreconditionFailed, RangeNotSatisfiable
        It is not what the client wants, or has not the bytes that it wants.
    """
    version = Version(etag, modified)
    unchanged = is_unchanged(incoming.headers, version)
    try:
        response = without_body(304) if unchanged else _content(incoming, path, type_, version)
    except FileNotFoundError as error:
        raise ResultsGone("This file was removed from the server.") from error
    shown = "inline" if type_.partition(";")[0] in _INLINE else "attachment"
    response.headers["Content-Disposition"] = f'{shown}; filename="{quote(name)}"'
    # A result never changes, but it can be removed: caches ask again, and get 304.
    response.headers["Cache-Control"] = "private, no-cache"
    response.headers["Accept-Ranges"] = "bytes"
    response.set_etag(etag)
    response.last_modified = modified
    return response


def _content(incoming: Request, path: Path, type_: str, version: Version) -> Response:
    size = path.stat().st_size
    # A range means something to GET alone.
    is_get = incoming.method == "GET"
    part = wanted_part(incoming.headers, version, size) if is_get else None
    if part is None:
        return send_file(path, mimetype=type_, conditional=False, etag=False)
    file = path.open("rb")
    response = Response(_pieces(file, part), 206, content_type=type_, direct_passthrough=True)
    response.call_on_close(file.close)
    response.content_length = part.end - part.first
    response.headers["Content-Range"] = f"bytes {part.first}-{part.end - 1}/{size}"
    return response


def _pieces(file: BinaryIO, part: Part) -> Iterator[bytes]:
    file.seek(part.first)
    left = part.end - part.first
    while left > 0 and (piece := file.read(min(left, _PIECE))):
        left -= len(piece)
        yield piece
