"""The OpenAPI document as its page shows it: operations by tag, and schemas as trees of parts."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, groupby
from typing import Any

from core.declare.words import allowed, number

Schema = Mapping[str, Any]

Words = tuple[tuple[str, str], ...]
"""A phrase in pieces, each with the name of the schema that it links to, or ""."""

METHODS = ("get", "post", "delete")

_FORMATS = {
    "date-time": "a time (RFC 3339)",
    "uri": "an address",
    "binary": "a file",
    "byte": "base64 text",
}

_BRANCHES = {"oneOf": " or ", "anyOf": " or ", "allOf": " and "}


@dataclass(frozen=True)
class Part:
    """A property of an object, several that are alike, or one of the forms of a value.

    Parameters
    ----------
    names
        Names of the properties; none of a form.
    words
        What is allowed.
    parts
        What it consists of, where no schema with a name says it.
    """

    names: tuple[str, ...]
    words: Words
    text: str
    required: bool = False
    default: str = ""
    parts: tuple["Part", ...] = ()


@dataclass(frozen=True)
class Parameter:
    """A parameter of an operation; `schema` is a plain one, of what one field can hold."""

    name: str
    place: str
    text: str
    required: bool
    words: Words
    schema: Schema


@dataclass(frozen=True)
class Content:
    """A body of one or several media types; `field` is the one of a form that holds the file."""

    media: tuple[str, ...]
    words: Words
    field: str = ""
    example: str = ""


@dataclass(frozen=True)
class Answer:
    """What comes back with a status; `following` are operations to go on with, and why."""

    status: str
    text: str
    contents: tuple[Content, ...]
    headers: tuple[str, ...]
    following: Mapping[str, str]

    @property
    def is_error(self) -> bool:
        """Whether the request was not carried out."""
        return self.status >= "400"


@dataclass(frozen=True)
class Operation:
    """A method of a path; or a callback, whose path is where the address in a request stands."""

    id: str
    method: str
    path: str
    title: str
    text: str
    parameters: tuple[Parameter, ...]
    bodies: tuple[Content, ...]
    answers: tuple[Answer, ...]
    callbacks: tuple["Operation", ...]


@dataclass(frozen=True)
class Section:
    """The operations of a tag."""

    name: str
    text: str
    operations: tuple[Operation, ...]


def sections(document: Schema) -> list[Section]:
    """All operations of the document, by their first tag, in the order of the document."""
    found: dict[str, list[Operation]] = {tag["name"]: [] for tag in document["tags"]}
    for path, item in document["paths"].items():
        for method in METHODS:
            if method in item:
                operation = item[method]
                found[operation["tags"][0]].append(_operation(document, method, path, operation))
    return [
        Section(tag["name"], tag["description"], tuple(found[tag["name"]]))
        for tag in document["tags"]
    ]


def schemas(document: Schema) -> dict[str, Part]:
    """The schemas that have a name."""
    return {name: _part((), schema) for name, schema in document["components"]["schemas"].items()}


def headers(document: Schema) -> dict[str, Part]:
    """The headers of answers that have a name."""
    return {
        name: Part((), words(header["schema"]), header["description"])
        for name, header in document["components"].get("headers", {}).items()
    }


def words(schema: Schema) -> Words:
    """What a schema allows, in words; schemas with a name stand as their names.

    Examples
    --------
    >>> words({"type": "array", "items": {"$ref": "#/components/schemas/link"}})
    (('a list, each ', ''), ('link', 'link'))
    >>> words({"anyOf": [{"type": "boolean"}, {"type": "string", "format": "uri"}]})
    (('true or false', ''), (' or ', ''), ('an address', ''))
    """
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return ((name, name),)
    for key, between in _BRANCHES.items():
        if key in schema:
            # A branch that only marks the value says nothing to a reader.
            told = [words(branch) for branch in schema[key] if not branch.keys() <= {"format"}]
            return _joined(between, told)
    kind, inner = schema.get("type"), schema.get("additionalProperties")
    if kind == "array":
        count = _count(schema)
        return ((f"a list{count}, each ", ""), *words(schema.get("items", {})))
    if kind == "object":
        each = words(inner) if isinstance(inner, Mapping) else ()
        return (("an object, each member ", ""), *each) if each else (("an object", ""),)
    if "enum" not in schema and schema.get("format") in _FORMATS:
        return ((_FORMATS[schema["format"]], ""),)
    return ((allowed(schema), ""),)


def parts(schema: Schema) -> tuple[Part, ...]:
    """What a schema consists of: properties, and forms that have properties of their own.

    Examples
    --------
    >>> point = {"type": "object", "required": ["x", "y"],
    ...          "properties": {"x": {"type": "number"}, "y": {"type": "number"}}}
    >>> [(part.names, part.words, part.required) for part in parts(point)]
    [(('x', 'y'), (('a number', ''),), True)]
    """
    if "$ref" in schema:
        return ()
    if "properties" in schema:
        return _properties(schema)
    if "allOf" in schema:
        return tuple(chain.from_iterable(parts(branch) for branch in schema["allOf"]))
    if schema.get("type") == "array":
        return parts(schema.get("items", {}))
    forms = schema.get("oneOf") or schema.get("anyOf") or ()
    found: list[Part] = []
    for form in forms:
        made = _part((), form)
        # A value and a list of such values have their parts told once.
        if made.parts and all(made.parts != other.parts for other in found):
            found.append(made)
    return tuple(found)


def _properties(schema: Schema) -> tuple[Part, ...]:
    """One part for each run of properties that are the same but for their names."""
    required = schema.get("required", ())

    def likeness(entry: tuple[str, Schema]) -> tuple[bool, Schema]:
        return entry[0] in required, entry[1]

    return tuple(
        _part(tuple(name for name, _ in run), one, needed)
        for (needed, one), run in groupby(schema["properties"].items(), likeness)
    )


def _part(names: tuple[str, ...], schema: Schema, required: bool = False) -> Part:
    default = schema.get("default")
    return Part(
        names,
        words(schema),
        schema.get("description", ""),
        required,
        "" if default is None else number(default),
        parts(schema),
    )


def _operation(document: Schema, method: str, path: str, operation: Schema) -> Operation:
    bodies = operation.get("requestBody", {}).get("content", {})
    answers = operation["responses"].items()
    callbacks = operation.get("callbacks", {}).items()
    return Operation(
        operation.get("operationId", ""),
        method,
        path,
        operation["summary"],
        operation.get("description", ""),
        tuple(_parameter(_resolved(document, entry)) for entry in operation.get("parameters", ())),
        tuple(_body(media, content) for media, content in bodies.items()),
        tuple(_answer(status, _resolved(document, answer)) for status, answer in answers),
        tuple(
            _operation(document, method, address, called)
            for _, callback in callbacks
            for address, item in _resolved(document, callback).items()
            for method, called in item.items()
        ),
    )


def _resolved(document: Schema, part: Schema) -> Schema:
    if "$ref" not in part:
        return part
    _, *steps = part["$ref"].split("/")
    found = document
    for step in steps:
        found = found[step]
    return found


def _parameter(given: Schema) -> Parameter:
    schema = given["schema"]
    place, text = given["in"], given.get("description", "")
    return Parameter(
        given["name"], place, text, given.get("required", False), words(schema), schema
    )


def _body(media: str, content: Schema) -> Content:
    schema = content["schema"]
    field = next(iter(schema.get("properties", ())), "")
    told = ((f"a form with the field {field}", ""),) if field else words(schema)
    example = content.get("example")
    written = "" if example is None else json.dumps(example, ensure_ascii=False, indent=2)
    return Content((media,), told, field, written)


def _answer(status: str, answer: Schema) -> Answer:
    alike: dict[Words, list[str]] = {}
    for media, content in answer.get("content", {}).items():
        alike.setdefault(words(content["schema"]), []).append(media)
    contents = tuple(Content(tuple(media), told) for told, media in alike.items())
    following: dict[str, str] = {}
    for link in answer.get("links", {}).values():
        following.setdefault(link["operationId"], link.get("description", ""))
    return Answer(
        status, answer["description"], contents, tuple(answer.get("headers", ())), following
    )


def _joined(between: str, phrases: Sequence[Words]) -> Words:
    spaced: Iterable[Words] = chain.from_iterable((((between, ""),), told) for told in phrases)
    return tuple(chain.from_iterable(spaced))[1:]


def _count(schema: Schema) -> str:
    low, high = schema.get("minItems", 0), schema.get("maxItems")
    if high is not None:
        return f" of {high}" if low == high else f" of {low} to {high}"
    return f" of at least {low}" if low else ""
