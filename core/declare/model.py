"""The models in which a service declares its parameters and outputs, and their fields' marks."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, GetJsonSchemaHandler
from pydantic_core import CoreSchema

STRICT = ConfigDict(
    frozen=True,
    strict=True,
    extra="forbid",
    validate_default=True,
    allow_inf_nan=False,
    use_attribute_docstrings=True,
)


class Parameters(BaseModel):
    """Inputs of a service: one field each, flat, with a docstring beneath that says what it does.

    Fields that take several values are tuples.  Rules that concern several fields are functions
    named in the :class:`Pipeline`, never model validators: those would change what strict JSON
    accepts, and would not run while a field is wrong.
    """

    model_config = STRICT


class Outputs(BaseModel):
    """Outputs of a service: one field each, annotated with a product, with a docstring beneath."""

    model_config = STRICT


class Choice(StrEnum):
    """A value out of a short list, each with the text that explains it.

    >>> class Side(Choice):
    ...     LEFT = "left", "Where the heart is."
    >>> Side.LEFT.text
    'Where the heart is.'
    """

    text: str

    def __new__(cls, value: str, text: str) -> Self:
        """A member that is its value and carries its text."""
        member = str.__new__(cls, value)
        member._value_ = value
        member.text = text
        return member


@dataclass(frozen=True)
class Unit:
    """Unit of a number after UCUM: ``m``, ``d``, ``{pixel}``, ``1`` for a pure number."""

    code: str


@dataclass(frozen=True)
class Group:
    """Heading under which forms and the manual show an input; no part of the request."""

    name: str


@dataclass(frozen=True)
class Advanced:
    """Marks an input that a first-time user need not see."""


@dataclass(frozen=True)
class Odd:
    """Marks a whole number that has to be odd, which JSON Schema cannot say.

    Parameters
    ----------
    zero
        Whether 0 is allowed too (for "off").
    """

    zero: bool = False

    @property
    def sentence(self) -> str:
        """The rule, for the input's text."""
        return "An odd number, or 0." if self.zero else "An odd number."

    def accepts(self, value: int) -> bool:
        """Whether the number is allowed."""
        return value % 2 == 1 or (self.zero and value == 0)


@dataclass(frozen=True)
class Whole:
    """Marks a tuple that is one value, an array, and not an input that occurs several times."""


@dataclass(frozen=True)
class DecidedBy:
    """Marks an input that another input decides where it is left out.

    Parameters
    ----------
    input
        Id of the input that decides.
    values
        What it decides: from each of its values to the value of this input.
    """

    input: str
    values: Mapping[str, Any]

    def __hash__(self) -> int:
        return hash((self.input, tuple(self.values)))


@dataclass(frozen=True)
class Kind:
    """Names what a value type of ours is (``area``, ``binary``, …) in its JSON schema."""

    name: str

    def __get_pydantic_json_schema__(
        self, core: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        return {**handler(core), KIND: self.name}


KIND = "x-kind"
"""Key under which a JSON schema made here carries the kind; taken out before anyone sees it."""
