"""The neutral lists of inputs and outputs that command line, forms, manual and renderings read."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from functools import cache
from typing import Any, NamedTuple, cast, get_origin

from pydantic import TypeAdapter
from pydantic.fields import FieldInfo

from core.declare.dialect import Schema, lowered, resolved
from core.declare.model import (
    KIND,
    Advanced,
    Choice,
    DecidedBy,
    Group,
    Odd,
    Outputs,
    Parameters,
    Unit,
    Whole,
)
from core.declare.products import Product, RasterProduct, ValueProduct
from core.declare.words import number


class Bounds(NamedTuple):
    """Range of a number; None where it is open, the ends included unless said otherwise."""

    low: float | None = None
    high: float | None = None
    without_low: bool = False
    without_high: bool = False


class Value(NamedTuple):
    """One value of a choice."""

    value: str
    text: str


@dataclass(frozen=True)
class Input:
    """One input of a service, for whoever has to show it or ask for it.

    Parameters
    ----------
    id, title, text
        Name in requests, heading, explanation (units, odd numbers, presets included).
    unit
        UCUM code of a number, else "".
    kind
        ``integer``, ``number``, ``boolean``, ``text``, ``choice``, ``date``, ``source``, ``area``,
        and for echo alone ``array``, ``box``, ``object``, ``mixed``, ``binary``.
    bounds
        Of a number.
    default
        As JSON; None where there is none.
    values
        Of a choice.
    group, advanced
        Presentation.
    min_occurs, max_occurs
        How often the input may be given; max_occurs None: without limit.  `many` if more than once.
    schema
        JSON schema of one occurrence in the dialect of OpenAPI 3.0.
    example
        A value as JSON that is worth trying; None where the default says enough.
    odd, decided
        The marks of the field.
    """

    id: str
    title: str
    text: str
    unit: str
    kind: str
    bounds: Bounds
    default: Any
    values: tuple[Value, ...]
    group: str
    advanced: bool
    min_occurs: int
    max_occurs: int | None
    schema: Schema = field(hash=False)
    example: Any = None
    odd: Odd | None = None
    decided: DecidedBy | None = None

    @property
    def required(self) -> bool:
        """Whether every request has to give it."""
        return self.min_occurs > 0

    @property
    def many(self) -> bool:
        """Whether it may be given several times; its value is then a list."""
        return self.max_occurs != 1

    @property
    def request_schema(self) -> Schema:
        """JSON schema of the value in a request: a list where the input may occur several times."""
        if not self.many:
            return self.schema
        several: Schema = {"type": "array", "items": self.schema}
        if self.max_occurs is not None:
            several["maxItems"] = self.max_occurs
        if self.min_occurs:
            several["minItems"] = self.min_occurs
        # One alone need not be wrapped; no input of ours that occurs several times is an array.
        return {"anyOf": [self.schema, several]} if self.min_occurs <= 1 else several


@dataclass(frozen=True)
class Output:
    """One output of a service.

    Parameters
    ----------
    many
        Whether there is a file per pair or scene.
    optional
        Whether some parameters do not make it.
    schema
        JSON schema of the output in the dialect of OpenAPI 3.0.
    """

    id: str
    title: str
    text: str
    product: Product
    many: bool
    optional: bool
    schema: Schema = field(hash=False)

    @property
    def media_type(self) -> str:
        """Media type of the file, or of the value."""
        if self.binary:
            return str(self.schema.get("contentMediaType", "application/octet-stream"))
        if isinstance(self.product, ValueProduct):
            return "text/plain" if self.schema.get("type") == "string" else "application/json"
        return self.product.media_type

    @property
    def binary(self) -> bool:
        """Whether it is a value of bytes, which JSON documents hold as base64."""
        return isinstance(self.product, ValueProduct) and "contentEncoding" in self.schema

    @property
    def unit(self) -> str:
        """UCUM code of a raster's values, else ""."""
        return self.product.unit if isinstance(self.product, RasterProduct) else ""


@cache
def inputs(model: type[Parameters]) -> tuple[Input, ...]:
    """The inputs that a model declares, in its order."""
    schema = model.model_json_schema()
    definitions = schema.get("$defs", {})
    return tuple(
        _input(name, info, schema["properties"][name], definitions)
        for name, info in model.model_fields.items()
    )


@cache
def outputs(model: type[Outputs]) -> tuple[Output, ...]:
    """The outputs that a model declares, in its order."""
    return tuple(_output(name, info) for name, info in model.model_fields.items())


def _input(
    name: str, info: FieldInfo, schema: Mapping[str, Any], definitions: Mapping[str, Any]
) -> Input:
    whole = resolved(schema, definitions)
    repeated = "items" in whole and not _marks(info, Whole)
    item = resolved(whole["items"], definitions) if repeated else whole
    plain = lowered(item, definitions)
    plain.pop("description", None)
    odd, decided = _mark(info, Odd), _mark(info, DecidedBy)
    unit, group = _mark(info, Unit), _mark(info, Group)
    return Input(
        id=name,
        title=info.title or titled(name),
        text=_text(info, odd, decided),
        unit=unit.code if unit else "",
        kind=_kind(item),
        bounds=_bounds(plain),
        default=_default(info),
        values=_values(info.annotation),
        group=group.name if group else "",
        advanced=bool(_marks(info, Advanced)),
        min_occurs=max(whole.get("minItems", 0), 1)
        if info.is_required() and repeated
        else int(info.is_required()),
        max_occurs=whole.get("maxItems") if repeated else 1,
        schema=plain,
        example=info.examples[0] if info.examples else None,
        odd=odd,
        decided=decided,
    )


def _marks(info: FieldInfo, kind: type) -> list[Any]:
    return [mark for mark in info.metadata if isinstance(mark, kind)]


def _mark[T](info: FieldInfo, kind: type[T]) -> T | None:
    found = _marks(info, kind)
    return cast("T", found[0]) if found else None


def titled(name: str) -> str:
    """A heading made of a name: ``search_range`` and ``searchRange`` become "Search range".

    >>> titled("search_range"), titled("searchRange")
    ('Search range', 'Search range')
    """
    spaced = "".join(f" {letter.lower()}" if letter.isupper() else letter for letter in name)
    return spaced.replace("_", " ").strip().capitalize()


def _text(info: FieldInfo, odd: Odd | None, decided: DecidedBy | None) -> str:
    sentences = [" ".join((info.description or "").split())]
    if odd is not None:
        sentences.append(odd.sentence)
    if decided is not None:
        table = ", ".join(f"{key} {number(value)}" for key, value in decided.values.items())
        sentences.append(f"Left out, the {decided.input} decides: {table}.")
    return " ".join(sentence for sentence in sentences if sentence)


def _kind(schema: Mapping[str, Any]) -> str:
    if KIND in schema:
        return str(schema[KIND])
    if "enum" in schema:
        return "choice"
    if schema.get("format") == "date":
        return "date"
    kind = str(schema.get("type", ""))
    return "text" if kind == "string" else kind


def _bounds(schema: Mapping[str, Any]) -> Bounds:
    return Bounds(
        schema.get("minimum"),
        schema.get("maximum"),
        schema.get("exclusiveMinimum", False),
        schema.get("exclusiveMaximum", False),
    )


def _default(info: FieldInfo) -> Any:
    if info.is_required():
        return None
    default = info.get_default(call_default_factory=True, validated_data={})
    return TypeAdapter(Any).dump_python(default, mode="json")


def _values(annotation: Any) -> tuple[Value, ...]:
    """The values of the one choice that an annotation holds, if it holds any."""
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        return tuple(
            Value(str(member.value), member.text if isinstance(member, Choice) else "")
            for member in annotation
        )
    for argument in getattr(annotation, "__args__", ()):
        found = _values(argument)
        if found:
            return found
    return ()


def _output(name: str, info: FieldInfo) -> Output:
    product = next((mark for mark in info.metadata if isinstance(mark, Product)), None)
    if product is None:
        raise TypeError(f"output {name!r} lacks its product")
    many = get_origin(info.annotation) is tuple and not isinstance(product, ValueProduct)
    return Output(
        id=name,
        title=info.title or titled(name),
        text=" ".join((info.description or "").split()),
        product=product,
        many=many,
        optional=not info.is_required(),
        schema=_output_schema(info, product, many=many),
    )


def _output_schema(info: FieldInfo, product: Product, *, many: bool) -> Schema:
    if isinstance(product, ValueProduct):
        if product.schema is not None:
            return dict(product.schema)
        schema = _schema_of(info.annotation)
        return lowered(schema, schema.get("$defs", {}))
    one: Schema = {
        "type": "string",
        "contentEncoding": "binary",
        "contentMediaType": product.media_type,
    }
    return {"type": "array", "items": one} if many else one


def _schema_of(annotation: Any) -> Schema:
    return TypeAdapter(annotation).json_schema()
