"""Inputs as a request gives them: unwrapped from their qualified form, their places remembered."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any

from core.declare.document import Path, pointer, said
from core.declare.listing import Input
from core.errors import OutOfRange, Problem, WrongType, shortened

MOST_PROBLEMS = 200
"""Problems that are told; what is wrong with a million values need not be worked out for each."""

_QUALIFIERS = frozenset({"value", "mediaType", "encoding", "schema", "format"})
_JSON = ("application/json", "text/plain", "application/geo+json")


@dataclass(frozen=True)
class Arguments:
    """The inputs of a request.

    Parameters
    ----------
    values
        Each as its model takes it: several occurrences as a list, qualified values unwrapped.
    moved
        Where a value really stands in the request, for those that were wrapped or unwrapped.
    problems
        What is wrong with the wrapping.
    """

    values: dict[str, Any]
    moved: dict[Path, Path]
    problems: tuple[Problem, ...]

    def place(self, tokens: Path) -> Path:
        """The path in the request document of a place in `values`."""
        for length in range(len(tokens), 0, -1):
            if tokens[:length] in self.moved:
                return (*self.moved[tokens[:length]], *tokens[length:])
        return ("inputs", *tokens)

    def value(self, tokens: Path) -> Any:
        """What stands at a place in `values`; None where there is nothing."""
        found: Any = self.values
        for token in tokens:
            try:
                found = found[token]
            except (KeyError, IndexError, TypeError):
                return None
        return found

    def occurrences(self, entry: Input) -> list[tuple[Path, Any]]:
        """The values of one input, each with its path in the request document."""
        if entry.id not in self.values:
            return []
        value = self.values[entry.id]
        if not entry.many:
            return [(self.place((entry.id,)), value)]
        items = value if isinstance(value, list) else []
        return [(self.place((entry.id, n)), item) for n, item in enumerate(items)]


def arguments(entries: tuple[Input, ...], inputs: Any) -> Arguments:
    """The arguments in the member ``inputs`` of a request, of whatever type it is."""
    if not isinstance(inputs, dict):
        return Arguments({}, {}, ())
    known = {entry.id: entry for entry in entries}
    result = Arguments(dict(inputs), {}, ())
    problems: list[Problem] = []
    for name, value in inputs.items():
        if value is not None and name in known:
            problems += _unwrap(known[name], value, result)
    problems += islice(_nulls(inputs, ("inputs",)), MOST_PROBLEMS + 1)
    return Arguments(result.values, result.moved, tuple(problems))


def _nulls(value: Any, path: Path) -> Iterator[Problem]:
    """Problems of the members that are null, at any depth."""
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from _nulls(inner, (*path, name)) if inner is not None else [_null(path, name)]
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            yield from _nulls(inner, (*path, number))


def _null(path: Path, name: str) -> Problem:
    where = pointer((*path, name))
    what = "input" if len(path) == 1 else "member"
    message = f"{where} is null, which is no value: leave the {what} out instead."
    return Problem(WrongType.code, where, None, "a value, or nothing at all", message)


def _unwrap(entry: Input, value: Any, result: Arguments) -> list[Problem]:
    here: Path = ("inputs", entry.id)
    if not entry.many:
        if not _is_qualified(entry, value):
            return []
        result.values[entry.id] = value["value"]
        result.moved[entry.id,] = (*here, "value")
        return _qualifier_problems(entry, value, here)
    items, alone = (value, False) if isinstance(value, list) else ([value], entry.min_occurs <= 1)
    if not (alone or isinstance(value, list)):
        return []
    problems: list[Problem] = []
    unwrapped = []
    for number, item in enumerate(items):
        place = here if alone else (*here, number)
        if _is_qualified(entry, item):
            problems += _qualifier_problems(entry, item, place)
            item, place = item["value"], (*place, "value")  # noqa: PLW2901
        unwrapped.append(item)
        result.moved[entry.id, number] = place
    result.values[entry.id] = unwrapped
    return problems


def _is_qualified(entry: Input, value: Any) -> bool:
    """Whether a value is wrapped: it has the look, and does not fit as it stands."""
    if not isinstance(value, dict) or "value" not in value or not value.keys() <= _QUALIFIERS:
        return False
    if entry.kind == "source":
        return False  # Files are given by reference only.
    return (
        entry.kind != "object" or value.keys() != {"value"} or not isinstance(value["value"], str)
    )


def _qualifier_problems(entry: Input, value: Mapping[str, Any], here: Path) -> list[Problem]:
    nested = value.get("format")
    levels = [(here, value)]
    if nested is not None and not isinstance(nested, dict):
        return [_not_text((*here, "format"), nested, "an object with mediaType and encoding")]
    if nested is not None:
        levels.append(((*here, "format"), nested))
    problems = []
    for path, level in levels:
        problems += _format_problems(entry, level, path)
    return problems


def _format_problems(entry: Input, level: Mapping[str, Any], path: Path) -> list[Problem]:
    permitted = (entry.schema["contentMediaType"],) if entry.kind == "binary" else _JSON
    encodings = ("base64",) if entry.kind == "binary" else ("utf-8", "UTF-8")
    problems = []
    for name, choices in (("mediaType", permitted), ("encoding", encodings)):
        found = level.get(name)
        if found is not None and not isinstance(found, str):
            problems.append(_not_text((*path, name), found, "a text"))
        elif found is not None and found.partition(";")[0].strip() not in choices:
            problems.append(_unfit((*path, name), found, choices))
    return problems


def _not_text(path: Path, value: Any, allowed: str) -> Problem:
    where = pointer(path)
    message = f"{where} is {said(value)}; it has to be {allowed}."
    return Problem(WrongType.code, where, shortened(value), allowed, message)


def _unfit(path: Path, value: str, choices: tuple[str, ...]) -> Problem:
    where = pointer(path)
    allowed = f"one of {', '.join(choices)}"
    message = f"{where} is {said(value)}; it has to be {allowed}."
    return Problem(OutOfRange.code, where, shortened(value), allowed, message)
