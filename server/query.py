"""Parameters in the query of an address, checked."""

import re
from collections.abc import Collection, Mapping
from datetime import UTC, datetime, time

from werkzeug.datastructures import MultiDict

from server.errors import BadQuery

_NAME = re.compile(r"[A-Za-z0-9._-]{1,128}")


def whole_number(query: Mapping[str, str], name: str, *, low: int, high: int, default: int) -> int:
    """A whole number from `low` on; more than `high` counts as `high`, as OGC API wants it.

    Examples
    --------
    >>> whole_number({"limit": "2000"}, "limit", low=1, high=1000, default=20)
    1000
    """
    text = query.get(name)
    if text is None:
        return default
    number = -1
    if text.isascii() and text.isdigit():
        digits = text.lstrip("0") or "0"
        # Python does not read a number of thousands of digits.
        number = int(digits) if len(digits) <= len(str(high)) else high
    if number < low:
        raise BadQuery(
            f"The query parameter {name} is {text[:40]!r}; it has to be a whole number from {low}.",
            value=text[:40],
            allowed=f"a whole number from {low}",
        )
    return min(number, high)


def joined(query: MultiDict[str, str]) -> dict[str, str]:
    """A query whose lists are all written with commas: ``a=1&a=2`` and ``a=1,2`` are the same.

    Examples
    --------
    >>> joined(MultiDict([("status", "failed"), ("limit", "5"), ("status", "running")]))
    {'status': 'failed,running', 'limit': '5'}
    """
    return {name: ",".join(values) for name, values in query.lists()}


def words[Word: str](
    query: Mapping[str, str], name: str, allowed: Collection[Word]
) -> tuple[Word, ...]:
    """A comma-separated list of words, each one of `allowed`."""
    given = [word for word in query.get(name, "").split(",") if word]
    known = {str(word): word for word in allowed}
    for word in given:
        if word not in known:
            raise BadQuery(
                f"The query parameter {name} has {word[:40]!r}; it can be "
                f"{', '.join(sorted(allowed))}.",
                value=word[:40],
                allowed=", ".join(sorted(allowed)),
            )
    return tuple(known[word] for word in given)


def names(query: Mapping[str, str], name: str) -> tuple[str, ...]:
    """A comma-separated list of names; what can be no name is kept from the database.

    Examples
    --------
    >>> names({"processID": "echo,mpic-opt"}, "processID")
    ('echo', 'mpic-opt')
    """
    given = tuple(part for part in query.get(name, "").split(",") if part)
    for part in given:
        if not _NAME.fullmatch(part):
            raise BadQuery(
                f"The query parameter {name} has {part[:40]!r}, which is no name.",
                value=part[:40],
                allowed="letters, digits, and . _ -",
            )
    return given


def interval(query: Mapping[str, str], name: str) -> tuple[datetime | None, datetime | None]:
    """An instant, or an interval ``START/END`` open where it says ``..``; dates are whole days.

    Examples
    --------
    >>> interval({"datetime": "2026-01-01T00:00:00Z/.."}, "datetime")
    (datetime.datetime(2026, 1, 1, 0, 0, tzinfo=datetime.timezone.utc), None)
    """
    text = query.get(name)
    if text is None:
        return None, None
    start, slash, end = text.partition("/")
    first = _moment(start, text, name, time.min)
    last = _moment(end if slash else start, text, name, time.max)
    if first is None and last is None:
        raise _bad_time(text, name)
    return first, last


def _moment(part: str, text: str, name: str, at: time) -> datetime | None:
    if part in ("", ".."):
        return None
    try:
        # "+" in a query that was not escaped arrives as a space.
        found = datetime.fromisoformat(part.replace(" ", "+"))
        if "T" not in part.upper():
            found = datetime.combine(found.date(), at)
        return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
    except (ValueError, OverflowError):
        # The first and last hours of the calendar lie outside it in other time zones.
        raise _bad_time(text, name) from None


def _bad_time(text: str, name: str) -> BadQuery:
    return BadQuery(
        f"The query parameter {name} is {text[:80]!r}; it has to be a time of RFC 3339, or an "
        "interval START/END with .. for an open end.",
        value=text[:80],
    )
