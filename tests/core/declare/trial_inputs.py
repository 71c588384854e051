"""A declaration to try requests on, and what is wrong with them."""

import json
from datetime import date
from typing import Annotated

import pytest
from hypothesis import strategies as st
from pydantic import Field

from core import declare
from core.declare import (
    Area,
    Choice,
    Group,
    Odd,
    Outputs,
    Parameters,
    Pipeline,
    Source,
    SourcePolicy,
    TextOrNumber,
    Unit,
    ValueProduct,
    Whole,
)
from core.errors import Inconsistent, Problem, Refused


class Colour(Choice):
    RED = "red", "As blood."
    BLUE = "blue", "As the sky."


class Inputs(Parameters):
    window: Annotated[int, Unit("{pixel}"), Group("A"), Odd(), Field(ge=5, le=65)] = 15
    """Side."""
    share: Annotated[float, Unit("1"), Group("A"), Field(gt=0, le=1)] = 0.5
    """Share."""
    colour: Annotated[Colour, Group("A")] = Colour.RED
    """Colour."""
    on: Annotated[bool, Group("A")] = True
    """Whether."""
    day: Annotated[date | None, Group("A")] = None
    """Day."""
    days: Annotated[tuple[date, ...], Group("A"), Field(max_length=3)] = ()
    """Days."""
    image: Annotated[Source | None, Group("A")] = None
    """Image."""
    images: Annotated[tuple[Source, ...], Group("A")] = ()
    """Images."""
    area: Annotated[Area | None, Group("A")] = None
    """Area."""
    mixed: Annotated[TextOrNumber | None, Group("A")] = None
    """Mixed."""
    numbers: Annotated[
        Annotated[tuple[Annotated[int, Field(ge=0, le=9)], ...], Field(min_length=2)] | None,
        Whole(),
        Group("A"),
    ] = None
    """Numbers."""


class Made(Outputs):
    answer: Annotated[str, ValueProduct()]
    """Answer."""


def rules(given):
    if given.get("colour") == "blue" and given.get("on") is False:
        yield Problem(
            Inconsistent.code, "/inputs/colour", "blue", "red", "colour: not blue and off"
        )


PIPELINE = Pipeline(
    id="test",
    title="Test",
    text="A test.",
    version="1.2.0",
    keywords=(),
    parameters=Inputs,
    outputs=Made,
    run="nowhere:run",
    rules=rules,
)
POLICY = SourcePolicy(roots=("/data",), networks=("127.0.0.0/8",), max_scenes=2)


def validate(document, policy=POLICY):
    return declare.validate(PIPELINE, json.dumps(document), policy)


def given_inputs(**inputs):
    return validate({"inputs": inputs})


def problems(document, policy=POLICY):
    raw = document if isinstance(document, str | bytes) else json.dumps(document)
    with pytest.raises(Refused) as refused:
        declare.validate(PIPELINE, raw, policy)
    return {problem.pointer: problem for problem in refused.value.problems}


def codes(document, policy=POLICY):
    return {pointer: problem.code for pointer, problem in problems(document, policy).items()}


SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from(["red", "2020-01-01", "upload:1", "value", "Polygon", 15, 0.5])
)
KEYS = st.sampled_from([
    *Inputs.model_fields, "value", "href", "type", "bbox", "coordinates", "crs", "format",
    "mediaType", "inputs", "outputs", "answer", "transmissionMode",
]) | st.text(max_size=3)  # fmt: skip
ANYTHING = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=5),
    max_leaves=12,
)
REQUESTS = st.fixed_dictionaries(
    {"inputs": st.dictionaries(KEYS, ANYTHING, max_size=6), "outputs": ANYTHING}
)
