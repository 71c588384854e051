"""The one entrance of requests: everything wrong with one is told at once, before a job exists."""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from itertools import islice
from typing import Any, cast

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from core.declare.checks import count_problems, value_problems
from core.declare.document import Path, pointer, read, said
from core.declare.given import MOST_PROBLEMS, Arguments, arguments
from core.declare.listing import Input
from core.declare.model import Parameters
from core.declare.pipeline import Pipeline
from core.declare.request import members, selection
from core.declare.values import SourcePolicy
from core.declare.words import allowed, unit
from core.errors import (
    MalformedRequest,
    MissingInput,
    OptiGroundError,
    OutOfRange,
    Problem,
    Refused,
    TooLarge,
    UnknownInput,
    WrongType,
    shortened,
)


@dataclass(frozen=True)
class Validated:
    """A request that can become a job.

    Parameters
    ----------
    parameters
        All inputs, defaults filled in, what a preset decides too.
    outputs
        The outputs asked for; None: all.
    response
        ``raw`` or ``document`` where the request says so.
    document
        The request as it can be sent again: process, version, all inputs, and what was given of
        outputs and response.
    warnings
        What the user should know, such as a replay under another version.
    subscriber
        Who is to be told: an address by ``successUri``, ``inProgressUri``, ``failedUri``.
    """

    parameters: Parameters
    outputs: tuple[str, ...] | None
    response: str | None
    document: dict[str, Any]
    warnings: tuple[str, ...] = ()
    subscriber: Mapping[str, str] = field(default_factory=dict)


def validate(
    pipeline: Pipeline, raw: bytes | str, policy: SourcePolicy, *, callbacks: bool = False
) -> Validated:
    """The request in an execute document, ``{"inputs": {…}, "outputs": {…}, "response": …}``.

    Parameters
    ----------
    callbacks
        Whether the document may name a ``subscriber``.

    Raises
    ------
    Refused
        With all problems, each with its RFC 6901 pointer, value and what is allowed.
    """
    reading = read(raw)
    wrong_members = members(pipeline, reading.value, policy if callbacks else None)
    problems = [*reading.problems, *islice(wrong_members, MOST_PROBLEMS + 1)]
    document = reading.value if isinstance(reading.value, dict) else {}
    given = arguments(pipeline.input_list, document.get("inputs", {}))
    parameters, wrong = _parameters(pipeline, given)
    problems += [*given.problems, *wrong, *_checks(pipeline, given, policy)]
    problems = _once(problems)
    if problems or parameters is None:
        raise Refused(_told(problems))
    return _validated(pipeline, parameters, document)


def validate_inputs(
    pipeline: Pipeline, inputs: Mapping[str, Any], policy: SourcePolicy
) -> Validated:
    """The same for inputs that are values already, as on the command line."""
    return validate(pipeline, json.dumps({"inputs": dict(inputs)}), policy)


def _validated(pipeline: Pipeline, parameters: Parameters, document: dict[str, Any]) -> Validated:
    complete = pipeline.complete(parameters)
    stored: dict[str, Any] = {
        "process": pipeline.id,
        "version": pipeline.version,
        "inputs": _replayable(complete),
        **{name: document[name] for name in ("outputs", "response") if name in document},
    }
    asked = document.get("version", pipeline.version)
    warnings = [] if asked == pipeline.version else [_other_version(pipeline, asked)]
    chosen = selection(pipeline, document)
    subscriber = document.get("subscriber", {})
    response = document.get("response")
    return Validated(complete, chosen, response, stored, tuple(warnings), subscriber)


def _other_version(pipeline: Pipeline, asked: object) -> str:
    return (
        f"The request was made with version {asked} of {pipeline.id}; this is version "
        f"{pipeline.version}, whose results may differ."
    )


def _replayable(parameters: Parameters) -> dict[str, Any]:
    values = parameters.model_dump(mode="json", exclude_none=True)
    # An input that occurs no times is left out, as it was in the request.
    fields = type(parameters).model_fields
    return {name: v for name, v in values.items() if v != [] or fields[name].default != ()}


def _parameters(pipeline: Pipeline, given: Arguments) -> tuple[Parameters | None, list[Problem]]:
    try:
        return pipeline.parameters.model_validate_json(json.dumps(given.values)), []
    except ValidationError as error:
        details = _without_echoes(error.errors(include_url=False, include_context=False))
        told = islice(details, MOST_PROBLEMS + 1)
        return None, [_problem(pipeline.input_list, given, detail) for detail in told]


def _without_echoes(details: list[ErrorDetails]) -> Iterator[ErrorDetails]:
    """The errors without "too short" for a list whose own items are wrong."""
    places = (detail["loc"] for detail in details)
    above = {place[:length] for place in places for length in range(len(place))}
    for detail in details:
        if detail["loc"] not in above or detail["type"] not in ("too_short", "too_long"):
            yield detail


_CODES: dict[str, type[OptiGroundError]] = {
    "missing": MissingInput,
    "extra_forbidden": UnknownInput,
    "enum": OutOfRange,
    "literal_error": OutOfRange,
    "greater_than": OutOfRange,
    "greater_than_equal": OutOfRange,
    "less_than": OutOfRange,
    "less_than_equal": OutOfRange,
    "finite_number": OutOfRange,
    "too_short": OutOfRange,
    "too_long": OutOfRange,
    "string_too_short": OutOfRange,
    "string_too_long": OutOfRange,
    "string_pattern_mismatch": OutOfRange,
}
"""Our error for pydantic's; any other is a value of the wrong type."""


def _problem(entries: tuple[Input, ...], given: Arguments, detail: ErrorDetails) -> Problem:
    kind, place = detail["type"], detail["loc"]
    tokens = _without_tags(place, keep_last=kind == "extra_forbidden")
    if kind == "missing" and isinstance(tokens[-1], int):
        kind, tokens = (
            "too_short",
            tokens[:-1],
        )  # A fixed number of items, and this one is not there.
    code = _CODES.get(kind, WrongType)
    path = given.place(tokens)
    where = pointer(path)
    value = given.value(tokens)
    if code is WrongType and isinstance(value, str) and _schema_at(entries, tokens).get("enum"):
        code = OutOfRange
    if kind == "extra_forbidden":
        return _unknown(entries, tokens, where)
    permitted = _permitted(entries, tokens)
    if kind == "missing":
        return Problem(code.code, where, None, permitted, f"{where} is missing: give {permitted}.")
    shown = shortened(value)
    message = f"{where} is {said(value)}; it has to be {permitted}."
    return Problem(code.code, where, shown, permitted, message)


def _without_tags(place: Iterable[str | int], *, keep_last: bool) -> Path:
    tokens = tuple(place)
    last = len(tokens) - 1
    return tuple(
        token
        for index, token in enumerate(tokens)
        if not _is_tag(token) or (keep_last and index == last)
    )


def _is_tag(token: str | int) -> bool:
    return isinstance(token, str) and token.startswith("<") and token.endswith(">")


def _unknown(entries: tuple[Input, ...], tokens: Path, where: str) -> Problem:
    name = str(tokens[-1])
    if len(tokens) == 1:
        known = [entry.id for entry in entries]
        owner = "no input"
    else:
        known = list(_members(_schema_at(entries, tokens[:-1])))
        owner = "no member"
    close = get_close_matches(name, known, n=1)
    hint = f" Did you mean {close[0]}?" if close else ""
    message = f"{where}: there is {owner} of this name.{hint}"
    return Problem(UnknownInput.code, where, None, f"one of {', '.join(known)}", message)


def _permitted(entries: tuple[Input, ...], tokens: Path) -> str:
    entry = next((entry for entry in entries if entry.id == tokens[0]), None)
    words = allowed(_schema_at(entries, tokens))
    if entry is None or len(tokens) > 1 + entry.many:
        return words
    words += f" {unit(entry.unit)}" if unit(entry.unit) else ""
    return f"{words}, {entry.odd.sentence.lower().rstrip('.')}" if entry.odd else words


def _schema_at(entries: tuple[Input, ...], tokens: Path) -> Mapping[str, Any]:
    entry = next((entry for entry in entries if entry.id == tokens[0]), None)
    if entry is None:
        return {}
    schema: Mapping[str, Any] = entry.request_schema
    for token in tokens[1:]:
        schema = _beneath(schema, token)
    return schema


def _beneath(schema: Mapping[str, Any], token: str | int) -> Mapping[str, Any]:
    if isinstance(token, int) and "items" in schema:
        return cast("Mapping[str, Any]", schema["items"])
    if isinstance(token, str) and token in schema.get("properties", {}):
        return cast("Mapping[str, Any]", schema["properties"][token])
    for branch in _branches(schema):
        if below := _beneath(branch, token):
            return below
    return {}


def _branches(schema: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return [b for key in ("oneOf", "anyOf", "allOf") for b in schema.get(key, [])]


def _members(schema: Mapping[str, Any]) -> Iterator[str]:
    yield from schema.get("properties", {})
    for branch in _branches(schema):
        yield from _members(branch)


def _checks(pipeline: Pipeline, given: Arguments, policy: SourcePolicy) -> Iterator[Problem]:
    for entry in pipeline.input_list:
        places = given.occurrences(entry)
        yield from count_problems(entry, len(places), policy)
        for place in places[: MOST_PROBLEMS + 1]:
            yield from value_problems(entry, place, policy)
    yield from pipeline.rules(given.values)
    pairs = pipeline.pairs(given.values)
    if pairs > policy.max_pairs:
        allowed = f"at most {policy.max_pairs} pairs"
        message = f"The request makes {pairs} pairs; this server takes {allowed} in one job."
        yield Problem(TooLarge.code, "/inputs", pairs, allowed, message)


def _once(problems: Iterable[Problem]) -> list[Problem]:
    """The first problem of each place: what follows is said about a value known to be wrong."""
    first: dict[str, Problem] = {}
    for problem in problems:
        first.setdefault(problem.pointer, problem)
    return list(first.values())


def _told(problems: list[Problem]) -> list[Problem]:
    """As many problems as anyone will read, and that there are more."""
    if len(problems) <= MOST_PROBLEMS:
        return problems
    message = f"More than {MOST_PROBLEMS} things are wrong; only the first are listed."
    more = Problem(MalformedRequest.code, "", None, "", message)
    return [*problems[:MOST_PROBLEMS], more]
