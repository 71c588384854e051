"""Conditional and range requests for a file, after RFC 9110, sections 13 and 14."""

import re
from datetime import UTC, datetime
from typing import NamedTuple

from werkzeug.datastructures import Headers
from werkzeug.http import parse_date, parse_etags

from server.errors import PreconditionFailed, RangeNotSatisfiable

_RANGE = re.compile(r"bytes=\s*([0-9]{0,18})-([0-9]{0,18})\s*", re.IGNORECASE)


class Version(NamedTuple):
    """What tells one state of a file from another: its strong validator, and when it was made."""

    etag: str
    modified: datetime | None


class Part(NamedTuple):
    """The bytes of a file from `first` up to, not including, `end`."""

    first: int
    end: int


def is_unchanged(headers: Headers, version: Version) -> bool:
    """Whether the client has this version of the file already; its copy is then good (304).

    Raises
    ------
    PreconditionFailed
        The client wants another version, or an older one.
    """
    _check_wanted(headers, version)
    if "If-None-Match" in headers:
        return parse_etags(headers["If-None-Match"]).contains_weak(version.etag)
    since = parse_date(headers.get("If-Modified-Since"))
    return since is not None and version.modified is not None and _whole(version.modified) <= since


def wanted_part(headers: Headers, version: Version, size: int) -> Part | None:
    """The one range that a GET asks for; None where the whole file is to be sent.

    That is so for several ranges, for units other than bytes, for what cannot be read as a range,
    and where the client has begun with another version of the file.

    Raises
    ------
    RangeNotSatisfiable
        The range begins behind the end of the file.
    """
    match = _RANGE.fullmatch(headers.get("Range", ""))
    if not match or not _may_go_on(headers, version):
        return None
    first, last = match.groups()
    if not first:
        part = Part(max(0, size - int(last)), size) if last else None
    elif last and int(last) < int(first):
        part = None
    else:
        part = Part(int(first), min(int(last) + 1, size) if last else size)
    if part is not None and part.first >= part.end:
        raise RangeNotSatisfiable(
            f"The file has {size} bytes.", value=size, allowed=f"0-{size - 1}"
        )
    return part


def _check_wanted(headers: Headers, version: Version) -> None:
    before = parse_date(headers.get("If-Unmodified-Since"))
    if "If-Match" in headers:
        wanted = parse_etags(headers["If-Match"]).contains(version.etag)
    else:
        made = version.modified
        wanted = before is None or made is None or _whole(made) <= before
    if not wanted:
        raise PreconditionFailed("The file is another version than the one that was asked for.")


def _may_go_on(headers: Headers, version: Version) -> bool:
    """Whether If-Range names this version; a weak validator names none."""
    given = headers.get("If-Range")
    if given is None:
        return True
    if given.startswith(('"', "W/")):
        return given.strip() == f'"{version.etag}"'
    return version.modified is not None and parse_date(given) == _whole(version.modified)


def _whole(time: datetime) -> datetime:
    """A time as HTTP dates have it, in whole seconds."""
    return time.astimezone(UTC).replace(microsecond=0)
