"""A bound holds for pydantic, which checks requests, and in JSON Schema, which clients read."""

import base64
import copy
import json

import jsonschema
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from core import declare
from core.declare import SourcePolicy
from core.errors import Refused
from core.pipelines import PIPELINES

POLICY = SourcePolicy(max_scenes=10**6, max_pairs=10**9)
ENTRIES = [(p, entry) for p in PIPELINES.values() for entry in p.input_list]
IDS = [f"{p.id}-{entry.id}" for p, entry in ENTRIES]

SAID_IN_WORDS = ("source-refused", "inconsistent-inputs", "too-large")
"""Codes of problems that no JSON Schema can tell."""

FORMATS = copy.deepcopy(jsonschema.Draft202012Validator.FORMAT_CHECKER)


@FORMATS.checks("byte", raises=ValueError)
def is_base64(value):
    """OpenAPI's name for bytes that are written as base64."""
    return not isinstance(value, str) or base64.b64decode(value, validate=True) is not None


def refused_by_us(pipeline, entry, value):
    """Whether a value is refused for what its schema could say."""
    given_inputs = {e.id: e.example for e in pipeline.input_list if e.required} | {entry.id: value}
    try:
        declare.validate(pipeline, json.dumps({"inputs": given_inputs}), POLICY)
    except Refused as refused:
        place = f"/inputs/{entry.id}"
        return any(
            (problem.pointer + "/").startswith(place + "/")
            and problem.code not in SAID_IN_WORDS
            and "even number" not in problem.message
            for problem in refused.problems
        )
    return False


def request_schema(entry):
    if entry.kind == "binary":
        text = {"type": "string", "format": "byte", "maxLength": 1 << 23}
        return {"anyOf": [text, {"type": "object"}]}
    return entry.request_schema


@pytest.fixture(scope="module")
def refused_by_schema(json_schema):
    def refused(entry, value):
        validator = jsonschema.Draft202012Validator(
            json_schema(request_schema(entry)),
            format_checker=FORMATS,
        )
        return not validator.is_valid(value)

    return refused


def at_the_bounds(schema):
    """Values on either side of every bound that a schema states, and some of every other type."""
    yield from ([], {}, "", "x", 0, 1, -1, 0.5, 15.0, True, False, [1, 2], {"href": "upload:1"})
    yield from ("SUkqAA==", "SUkqAA", "SUk*AA==")
    yield from ("2020-01-01", "2020-02-30", "20200101", "86400", {"href": ""}, {"href": 5})
    for branch in [*schema.get("anyOf", []), *schema.get("oneOf", []), *schema.get("allOf", [])]:
        yield from at_the_bounds(branch)
    for value in schema.get("enum", []):
        yield from (value, f"{value} ", str(value).upper())
    for bound in ("minimum", "maximum"):
        if bound in schema:
            at = schema[bound]
            yield from (at, at - 1, at + 1, at - 0.25, at + 0.25, float(at), -at)
    if "maxLength" in schema and schema["maxLength"] < 10**5:
        most = schema["maxLength"]
        yield from ("a" * most, "a" * (most + 1), "é" * most)
    if "items" in schema:
        yield from lists_at_the_bounds(schema)
    for name in schema.get("properties", {}):
        yield from objects_at_the_bounds(schema, name)


def lists_at_the_bounds(schema):
    items = list(at_the_bounds(schema["items"]))
    yield from ([item] for item in items)
    most = min(schema.get("maxItems", 3), 1001)
    for length in {schema.get("minItems", 0), most, most + 1, max(most - 1, 0)}:
        for item in items[:20]:
            yield [item] * length


def objects_at_the_bounds(schema, name):
    example = {"href": "upload:1", "bbox": [1, 2, 3, 4], "value": "x"}
    whole = {key: example.get(key, "x") for key in schema.get("required", [])}
    if "coordinates" in whole:
        whole = {"type": "Polygon", "coordinates": [[[0, 0], [1, 0], [1, 1], [0, 0]]]}
    yield whole
    yield {key: value for key, value in whole.items() if key != name}
    yield {**whole, "unknown": 1}
    for value in list(at_the_bounds(schema["properties"][name]))[:200]:
        yield {**whole, name: value}


def is_area_off_limits(entry, value):
    """Whether an area breaks one of the rules that are said in words: its order, the Earth."""
    return entry.kind == "area" and isinstance(value, dict)


@pytest.mark.parametrize(("pipeline", "entry"), ENTRIES, ids=IDS)
def test_what_one_world_refuses_the_other_refuses_too(pipeline, entry, refused_by_schema):
    tried = 0
    for value in at_the_bounds(entry.request_schema):
        if isinstance(value, dict) and "value" in value and entry.kind != "object":
            continue  # A qualified value, which the schema of the value does not describe.
        ours, theirs = refused_by_us(pipeline, entry, value), refused_by_schema(entry, value)
        if is_area_off_limits(entry, value) and not theirs:
            continue
        if entry.kind == "binary" and isinstance(value, dict):
            continue
        assert ours == theirs, f"{value!r}: we {ours}, schema {theirs}"
        tried += 1
    assert tried > 10


json_values = st.recursive(
    st.booleans()
    | st.integers(-(10**6), 10**6)
    | st.floats(-1e6, 1e6)
    | st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=5)
    | st.sampled_from(["2020-01-01", "general", "m", "raw", "all", "both"]),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["href", "type", "bbox", "crs", "coordinates", "title"]),
            inner,
            max_size=3,
        )
    ),
    max_leaves=6,
)


@given(st.sampled_from(ENTRIES), json_values)
def test_the_worlds_agree_on_any_value(refused_by_schema, pair, value):
    pipeline, entry = pair
    assume(entry.kind not in ("binary", "area"))
    assert refused_by_us(pipeline, entry, value) == refused_by_schema(entry, value)


@pytest.mark.parametrize(
    "area",
    [
        {"bbox": [1, 2, 3, 4]},
        {"bbox": [1, 2, 3, 4], "crs": declare.CRS84},
        {"type": "Polygon", "coordinates": [[[0, 0], [1, 0], [1, 1], [0, 0]]]},
    ],
)
def test_an_area_is_taken_by_both(area, refused_by_schema):
    pipeline, entry = next(pair for pair in ENTRIES if pair[1].kind == "area")
    assert not refused_by_us(pipeline, entry, area)
    assert not refused_by_schema(entry, area)
