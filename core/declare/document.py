"""Reading a JSON document from a stranger: nothing in it may crash, or be lost, further on.

``json.loads`` alone recurses on nesting, refuses a 5000-digit number with an error of its own,
turns 1e999 into infinity, takes NaN, keeps the last of two equal keys, and passes lone surrogates
and NUL, which databases refuse.  Here each of these is a problem with its place.
"""

import json
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

from core.errors import DuplicateKey, MalformedRequest, OutOfRange, Problem, Refused, shortened

MAX_DEPTH = 64
MAX_DIGITS = 4300
"""Python's own limit on turning digits into an integer."""

_EXACT = 2.0**53
_BRACKETS = re.compile(r'\\.|["\[\]{}]', re.DOTALL)
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")

Path = tuple[str | int, ...]


class Reading(NamedTuple):
    """A document and what is wrong with it; where something is, a harmless value stands instead."""

    value: Any
    problems: tuple[Problem, ...]


def pointer(path: Path) -> str:
    """The RFC 6901 pointer of a place in a document.

    >>> pointer(("inputs", "a/b", 0))
    '/inputs/a~1b/0'
    """
    return "".join(f"/{_escaped(token)}" for token in path)


def _escaped(token: str | int) -> str:
    text = token if isinstance(token, str) else str(token)
    return printable(text).replace("~", "~0").replace("/", "~1")


def printable(text: str) -> str:
    """The text with what no database and no answer can hold replaced."""
    return _UNSTORABLE.sub("\ufffd", text)


def said(value: Any) -> str:
    """A value as JSON for a message, cut where it is long."""
    shown = shortened(value)
    cut = isinstance(shown, str) and not isinstance(value, str)
    return str(shown) if cut else json.dumps(shown, ensure_ascii=False)


def read(raw: bytes | str) -> Reading:
    """The document in `raw`.

    Raises
    ------
    Refused
        The whole cannot be read: no UTF-8, no JSON, nested too deep.
    """
    text = _text(raw)
    _refuse_depth(text)
    try:
        value = json.loads(
            text,
            parse_int=_integer,
            parse_float=_real,
            parse_constant=_Bad,
            object_pairs_hook=_Object,
        )
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise _refusal(f"The request is no JSON document: {error.msg} at {where}.") from None
    problems: list[Problem] = []
    return Reading(_checked(value, (), problems), tuple(problems))


def _text(raw: bytes | str) -> str:
    if isinstance(raw, str):
        return raw
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise _refusal(f"The request is not UTF-8: byte {error.start} is invalid.") from None


def _refuse_depth(text: str) -> None:
    depth = 0
    inside = False
    for match in _BRACKETS.finditer(text):
        sign = match.group()
        if sign == '"':
            inside = not inside
        elif not inside and sign in "[{":
            depth += 1
            if depth > MAX_DEPTH:
                raise _refusal(f"The request is nested deeper than {MAX_DEPTH} levels.")
        elif not inside and sign in "]}":
            depth -= 1


def _refusal(message: str) -> Refused:
    allowed = f"a JSON object in UTF-8, nested at most {MAX_DEPTH} deep"
    return Refused([Problem(MalformedRequest.code, "", None, allowed, message)])


@dataclass(frozen=True)
class _Bad:
    """A number that cannot be used, as it was written."""

    text: str


class _Object:
    """The members of an object in order, equal keys included."""

    def __init__(self, members: list[tuple[str, Any]]) -> None:
        self.members = members


def _integer(digits: str) -> int | _Bad:
    if len(digits) > MAX_DIGITS:
        return _Bad(digits)
    value = int(digits)
    try:
        float(value)
    except OverflowError:
        return _Bad(digits)
    return value


def _real(digits: str) -> int | float | _Bad:
    value = float(digits) if len(digits) <= MAX_DIGITS else math.inf
    if not math.isfinite(value):
        return _Bad(digits)
    # JSON knows one kind of number: 15.0 is a whole number there, and so it is here.
    return int(value) if value.is_integer() and abs(value) <= _EXACT else value


def _checked(value: Any, path: Path, problems: list[Problem]) -> Any:
    if isinstance(value, _Object):
        return dict(_members(value, path, problems))
    if isinstance(value, list):
        return [_checked(item, (*path, index), problems) for index, item in enumerate(value)]
    if isinstance(value, _Bad):
        problems.append(_bad_number(value, path))
        return 0
    if isinstance(value, str):
        return _storable(value, path, problems)
    return value


def _members(value: _Object, path: Path, problems: list[Problem]) -> Iterator[tuple[str, Any]]:
    seen: set[str] = set()
    for name, member in value.members:
        here = (*path, name)
        if name in seen:
            message = f"The key {printable(name)!r} stands twice in one object."
            problems.append(
                Problem(DuplicateKey.code, pointer(here), None, "each key once", message)
            )
            continue
        seen.add(name)
        yield _storable(name, here, problems), _checked(member, here, problems)


def _bad_number(value: _Bad, path: Path) -> Problem:
    shown = value.text if len(value.text) <= 40 else f"a number of {len(value.text)} digits"
    where = pointer(path)
    message = f"{where or 'The request'} is {shown}, which is no finite number of double precision."
    return Problem(OutOfRange.code, where, shown, "a finite number below 1.8e308", message)


def _storable(text: str, path: Path, problems: list[Problem]) -> str:
    found = _UNSTORABLE.search(text)
    if found is None:
        return text
    name = "NUL" if found.group() == "\x00" else "half of a surrogate pair"
    where = pointer(path)
    message = f"{where or 'The request'} holds a character that no text may hold: {name}."
    allowed = "text without NUL and without lone surrogates"
    clean = printable(text)
    problems.append(Problem(MalformedRequest.code, where, clean[:200], allowed, message))
    return clean
