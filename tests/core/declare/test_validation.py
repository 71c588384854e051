import json
import subprocess
import sys
from datetime import date
from enum import StrEnum
from typing import Annotated

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field

from core import declare
from core.declare import (
    Area,
    BoxArea,
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
from core.declare.validation import MOST_PROBLEMS
from core.errors import Inconsistent, OutOfRange, Problem, Refused


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


def test_defaults_are_applied_and_stored():
    found = validate({"inputs": {"window": 7}})
    assert found.parameters == Inputs(window=7)
    assert found.outputs is None
    assert found.response is None
    assert found.document == {
        "process": "test",
        "version": "1.2.0",
        "inputs": {"window": 7, "share": 0.5, "colour": "red", "on": True},
    }


def test_everything_that_is_wrong_is_told_at_once_with_its_place():
    found = codes(
        {
            "inputs": {
                "window": 4,
                "share": "0.5",
                "colour": "green",
                "on": "yes",
                "day": "2020-02-30",
                "days": ["2020-01-01", 5],
                "image": {"href": "ftp://example.org/a.tif"},
                "images": [{"type": "image/tiff"}],
                "area": {"bbox": [1, 2, 3]},
                "numbers": [1, 10],
                "wndow": 5,
            },
            "outputs": {"anser": {}},
            "response": "cooked",
            "extra": 1,
        }
    )
    assert found == {
        "/inputs/window": "out-of-range",
        "/inputs/share": "wrong-type",
        "/inputs/colour": "out-of-range",
        "/inputs/on": "wrong-type",
        "/inputs/day": "wrong-type",
        "/inputs/days/1": "wrong-type",
        "/inputs/image/href": "source-refused",
        "/inputs/images/0/href": "missing-input",
        "/inputs/area/bbox": "out-of-range",
        "/inputs/numbers/1": "out-of-range",
        "/inputs/wndow": "unknown-input",
        "/outputs/anser": "unknown-output",
        "/response": "out-of-range",
        "/extra": "unknown-member",
    }


def test_a_problem_names_value_and_what_is_allowed():
    problem = problems({"inputs": {"window": 99}})["/inputs/window"]
    assert problem.value == 99
    assert problem.allowed == "a whole number from 5 to 65 pixels, an odd number"
    assert problem.message == f"/inputs/window is 99; it has to be {problem.allowed}."


def test_an_even_window_is_refused_with_the_two_nearest_odd_ones():
    problem = problems({"inputs": {"window": 16}})["/inputs/window"]
    assert problem.code == OutOfRange.code
    assert "15 or 17" in problem.message
    assert "15 or 17" in problem.allowed


def test_rules_run_although_fields_are_wrong():
    found = codes({"inputs": {"window": "x", "colour": "blue", "on": False}})
    assert found == {"/inputs/window": "wrong-type", "/inputs/colour": "inconsistent-inputs"}


def test_a_close_name_is_suggested():
    assert "Did you mean window?" in problems({"inputs": {"windw": 5}})["/inputs/windw"].message
    found = problems({"inputs": {"image": {"hrf": "upload:1"}}})
    assert "Did you mean href?" in found["/inputs/image/hrf"].message
    assert (
        "Did you mean answer?" in problems({"outputs": {"anwser": {}}})["/outputs/anwser"].message
    )


@pytest.mark.parametrize("value", ["15", 15.5, True, [15], {"v": 15}, None])
def test_nothing_is_taken_for_a_whole_number_that_is_none(value):
    assert codes({"inputs": {"window": value}}) == {"/inputs/window": "wrong-type"}


@pytest.mark.parametrize("value", [86400, "86400", "2020-1-1", "2020-01-01T00:00:00", "20200101"])
def test_nothing_is_taken_for_a_date_that_is_none(value):
    assert codes({"inputs": {"day": value}}) == {"/inputs/day": "wrong-type"}


def test_a_value_of_the_wrong_type_gives_one_problem_also_where_several_types_are_right():
    assert codes({"inputs": {"mixed": [1]}}) == {"/inputs/mixed": "wrong-type"}
    assert codes({"inputs": {"area": 5}}) == {"/inputs/area": "wrong-type"}
    assert codes({"inputs": {"area": {}}}) == {"/inputs/area": "wrong-type"}


def test_a_wrong_item_does_not_make_its_list_too_short():
    assert codes({"inputs": {"numbers": ["a", "b"]}}) == {
        "/inputs/numbers/0": "wrong-type",
        "/inputs/numbers/1": "wrong-type",
    }


def test_a_key_that_looks_like_an_inner_mark_keeps_its_place():
    found = codes({"inputs": {"area": {"bbox": [1, 2, 3, 4], "<bbox>": 1}, "<bbox>": 2}})
    assert found == {"/inputs/area/<bbox>": "unknown-input", "/inputs/<bbox>": "unknown-input"}


class TestQualifiedValues:
    def test_a_value_may_be_wrapped(self):
        found = given_inputs(
            window={"value": 7},
            day={"value": "2020-01-01", "mediaType": "text/plain"},
            days=[{"value": "2020-01-01"}, "2020-01-02"],
            area={"value": {"bbox": [1, 2, 3, 4]}, "format": {"mediaType": "application/json"}},
        ).parameters
        assert found.window == 7
        assert found.days == (date(2020, 1, 1), date(2020, 1, 2))
        assert found.area == BoxArea(bbox=(1, 2, 3, 4))

    def test_its_place_is_that_of_the_value_inside(self):
        found = codes({"inputs": {"window": {"value": 4}, "days": ["2020-01-01", {"value": 5}]}})
        assert found == {
            "/inputs/window/value": "out-of-range",
            "/inputs/days/1/value": "wrong-type",
        }

    def test_its_format_has_to_fit(self):
        found = codes(
            {
                "inputs": {
                    "window": {"value": 7, "mediaType": "image/tiff"},
                    "share": {"value": 0.5, "encoding": 5},
                    "day": {"value": "2020-01-01", "format": "text"},
                }
            }
        )
        assert found == {
            "/inputs/window/mediaType": "out-of-range",
            "/inputs/share/encoding": "wrong-type",
            "/inputs/day/format": "wrong-type",
        }

    def test_a_file_is_never_a_value(self):
        assert codes({"inputs": {"image": {"value": "AAAA"}}}) == {
            "/inputs/image/href": "missing-input",
            "/inputs/image/value": "unknown-input",
        }


def test_an_input_that_occurs_several_times_may_be_given_alone():
    assert given_inputs(days="2020-01-01").parameters.days == (date(2020, 1, 1),)
    assert codes({"inputs": {"days": "x"}}) == {"/inputs/days": "wrong-type"}


def test_the_number_of_occurrences_is_limited():
    assert codes({"inputs": {"days": ["2020-01-01"] * 4}}) == {"/inputs/days": "out-of-range"}


def test_more_scenes_than_the_policy_allows_are_refused():
    images = [{"href": "upload:1"}] * 3
    assert codes({"inputs": {"images": images}}) == {"/inputs/images": "too-large"}


class TestAreas:
    @pytest.mark.parametrize(
        ("area", "where"),
        [
            ({"bbox": [3, 2, 1, 4]}, "/inputs/area/bbox"),
            ({"bbox": [1, 4, 3, 2]}, "/inputs/area/bbox"),
            ({"bbox": [1, 2, 1, 4]}, "/inputs/area/bbox"),
            ({"bbox": [100, 2, 181, 4]}, "/inputs/area/bbox"),
            ({"bbox": [1, 2, 3, 91]}, "/inputs/area/bbox"),
            ({"bbox": [1, 2, 3, 4, 5, 6]}, "/inputs/area/bbox"),
            ({"bbox": [1, 2, 3, "4"]}, "/inputs/area/bbox/3"),
            ({"bbox": [1, 2, 3, 4], "crs": "EPSG:32633"}, "/inputs/area/crs"),
            (
                {"bbox": [1, 2, 3, 4], "crs": "http://www.opengis.net/def/crs/EPSG/0/4326"},
                "/inputs/area/crs",
            ),
            (
                {"type": "Polygon", "coordinates": [[[0, 0], [1, 0], [1, 1], [0, 1]]]},
                "/inputs/area/coordinates/0",
            ),
            (
                {"type": "Polygon", "coordinates": [[[0, 0], [1, 0], [1, 95], [0, 0]]]},
                "/inputs/area/coordinates/0/2",
            ),
            ({"type": "Polygon", "coordinates": [[[0, 0], [1, 0]]]}, "/inputs/area/coordinates/0"),
            ({"type": "Point", "coordinates": [0, 0]}, "/inputs/area/type"),
        ],
    )
    def test_an_area_that_is_none_is_refused_at_its_place(self, area, where):
        assert where in problems({"inputs": {"area": area}})

    def test_a_box_in_a_projected_system_may_have_any_numbers(self):
        crs = "http://www.opengis.net/def/crs/EPSG/0/32633"
        found = given_inputs(area={"bbox": [4e5, 5.7e6, 4.1e5, 5.8e6], "crs": crs}).parameters.area
        assert found.crs == crs
        assert found.rings[0][0] == (4e5, 5.7e6)

    def test_a_polygon_keeps_its_rings(self):
        ring = [[0, 0], [2, 0], [2, 2], [0, 0]]
        area = given_inputs(area={"type": "Polygon", "coordinates": [ring]}).parameters.area
        assert area.rings == (((0, 0), (2, 0), (2, 2), (0, 0)),)
        assert area.crs == declare.CRS84


class TestSources:
    @pytest.mark.parametrize(
        "href",
        [
            "https://example.org/a.tif",
            "https://127.0.0.1:8080/a.tif?token=x",
            "https://8.8.8.8/a.tif",
            "upload:3f2a-77",
            "job:3f2a-77/displacement_east",
            "job:3f2a-77/displacement_east/20160529_20160608",
            "file:///data/a.tif",
            "file:///data/sub/a%20b.tif",
            "file://localhost/data/a.tif",
        ],
    )
    def test_a_reference_that_the_policy_allows_is_taken(self, href):
        assert (
            given_inputs(image={"href": href, "type": "image/tiff"}).parameters.image.href == href
        )

    @pytest.mark.parametrize(
        "href",
        [
            "file:///etc/passwd",
            "file:///data/../etc/passwd",
            "file:///data/%2e%2e/etc/passwd",
            "file:///database/a.tif",
            "file://host/data/a.tif",
            "file:data/a.tif",
            "/data/a.tif",
            "a.tif",
            "http://example.org/a.tif",
            "https://169.254.169.254/latest",
            "https://10.0.0.1/a.tif",
            "https://[::1]/a.tif",
            "https://[::ffff:169.254.169.254]/a.tif",
            "https://0.0.0.0/",
            "https://224.0.0.1/",
            "https:///a.tif",
            "https://[zz]/a.tif",
            "https://example.org:99999/a.tif",
            "s3://bucket/a.tif",
            "/vsicurl/https://example.org/a.tif",
            "upload:../x",
            "upload:",
            "job:1",
            "job:1/a/b/c",
            "https://example.org/a b.tif",
            "https://example.org/a\n.tif",
        ],
    )
    def test_any_other_reference_is_refused_at_its_href(self, href):
        assert codes({"inputs": {"image": {"href": href}}}) == {
            "/inputs/image/href": "source-refused"
        }

    def test_without_roots_no_file_is_read_by_path(self):
        document = {"inputs": {"image": {"href": "file:///data/a.tif"}}}
        assert codes(document, SourcePolicy()) == {"/inputs/image/href": "source-refused"}

    def test_credentials_and_queries_are_not_repeated(self):
        href = "https://me:secret@10.0.0.1/a.tif?token=secret"
        (problem,) = problems({"inputs": {"image": {"href": href}}}).values()
        assert "secret" not in json.dumps(problem.as_dict())


class TestOutputs:
    def test_outputs_may_be_chosen(self):
        found = validate({"inputs": {}, "outputs": {"answer": {"transmissionMode": "reference"}}})
        assert found.outputs == ("answer",)
        assert found.document["outputs"] == {"answer": {"transmissionMode": "reference"}}

    @pytest.mark.parametrize("schema", ["https://example.org/a.json", {"type": "string"}])
    def test_a_schema_of_an_output_is_an_address_or_an_object(self, schema):
        format_ = {"encoding": "utf-8", "schema": schema}
        asked = {"answer": {"format": format_}}
        assert validate({"inputs": {}, "outputs": asked}).document["outputs"] == asked

    def test_no_outputs_named_means_all(self):
        assert validate({"inputs": {}, "outputs": {}}).outputs is None

    @pytest.mark.parametrize(
        ("outputs", "where", "code"),
        [
            ([], "/outputs", "wrong-type"),
            ({"answer": None}, "/outputs/answer", "wrong-type"),
            (
                {"answer": {"transmissionMode": "value"}},
                "/outputs/answer/transmissionMode",
                "out-of-range",
            ),
            ({"answer": {"transmissionMode": 1}}, "/outputs/answer/transmissionMode", "wrong-type"),
            ({"answer": {"mode": "value"}}, "/outputs/answer/mode", "unknown-member"),
            ({"answer": {"format": "x"}}, "/outputs/answer/format", "wrong-type"),
            (
                {"answer": {"format": {"mediaType": "image/png"}}},
                "/outputs/answer/format/mediaType",
                "out-of-range",
            ),
            (
                {"answer": {"format": {"encoding": None}}},
                "/outputs/answer/format/encoding",
                "wrong-type",
            ),
            (
                {"answer": {"format": {"schema": [5]}}},
                "/outputs/answer/format/schema",
                "wrong-type",
            ),
        ],
    )
    def test_what_cannot_be_done_with_an_output_is_refused(self, outputs, where, code):
        assert codes({"inputs": {}, "outputs": outputs}) == {where: code}


@pytest.mark.parametrize(
    ("inputs", "where"),
    [
        ({"image": {"href": "upload:1", "title": None}}, "/inputs/image/title"),
        ({"images": [{"href": "upload:1", "type": None}]}, "/inputs/images/0/type"),
        ({"window": {"value": 7, "mediaType": None}}, "/inputs/window/mediaType"),
    ],
)
def test_a_member_that_is_null_is_refused_with_advice(inputs, where):
    found = problems({"inputs": inputs})
    assert found.keys() == {where}
    assert found[where].code == "wrong-type"
    assert found[where].message.endswith("leave the member out instead.")


def test_of_many_nulls_the_first_are_told():
    images = [{"href": "upload:1", "type": None}] * (MOST_PROBLEMS + 5)
    assert len(problems({"inputs": {"images": images}})) == MOST_PROBLEMS + 1


def test_callbacks_are_refused_with_advice():
    found = problems({"inputs": {}, "subscriber": {"successUri": "https://example.org"}})
    assert "status" in found["/subscriber"].message


@pytest.mark.parametrize("document", [[], "text", 5, None, True])
def test_a_document_has_to_be_an_object(document):
    assert codes(json.dumps(document)) == {"": "malformed-request"}


@pytest.mark.parametrize("inputs", [[], "text", 5, None])
def test_inputs_have_to_be_an_object(inputs):
    assert codes({"inputs": inputs}) == {"/inputs": "wrong-type"}


def test_a_request_for_another_process_is_refused():
    assert codes({"inputs": {}, "process": "echo"}) == {"/process": "unknown-process"}


def test_a_replay_makes_the_same_request_and_tells_of_another_version():
    first = given_inputs(window=9, days=["2020-01-01"], area={"bbox": [1, 2, 3, 4]})
    assert validate(first.document) == first
    older = validate({**first.document, "version": "1.1.0"})
    assert older.parameters == first.parameters
    assert "1.1.0" in older.warnings[0]
    assert older.document["version"] == "1.2.0"


def test_what_the_reader_finds_is_told_together_with_what_the_model_finds():
    raw = (
        r'{"inputs": {"window": NaN, "colour": "\u0000", "share": 2, "share": 3, "days": [1e999]}}'
    )
    assert codes(raw) == {
        "/inputs/window": "out-of-range",
        "/inputs/colour": "malformed-request",
        "/inputs/share": "duplicate-key",
        "/inputs/days/0": "out-of-range",
    }


def test_the_command_line_goes_the_same_way():
    found = declare.validate_inputs(PIPELINE, {"window": 9}, POLICY)
    assert found.parameters.window == 9
    with pytest.raises(Refused) as refused:
        declare.validate_inputs(PIPELINE, {"share": float("nan"), "colour": "\udc80"}, POLICY)
    assert [p.pointer for p in refused.value.problems] == ["/inputs/share", "/inputs/colour"]


def test_more_pairs_than_the_policy_allows_are_refused():
    many = Pipeline(**{**vars(PIPELINE), "pairs": lambda given: 3})
    with pytest.raises(Refused) as refused:
        declare.validate(many, '{"inputs": {}}', SourcePolicy(max_pairs=2))
    assert [p.code for p in refused.value.problems] == ["too-large"]


@pytest.mark.parametrize(
    "document",
    [
        {"inputs": {f"window{n}": 1 for n in range(20000)}},
        {"inputs": {"days": ["x"] * 20000}},
        {"inputs": {"days": [None] * 20000}},
        {"inputs": {"images": [{"value": 1}] * 20000}},
        {"inputs": {f"window{n}": None for n in range(20000)}},
        {"outputs": {f"answer{n}": {} for n in range(20000)}},
        {f"inputs{n}": {} for n in range(20000)},
    ],
)
def test_of_very_many_problems_the_first_are_told(document):
    found = problems(document)
    assert len(found) == MOST_PROBLEMS + 1
    assert "only the first" in found[""].message


def test_the_package_of_the_declaration_loads_no_numerics():
    code = (
        "import sys, core.pipelines, processes.openapi\n"
        "heavy = {'numba', 'scipy', 'rasterio', 'laspy', 'numpy', 'pyproj', 'flask', 'pygeoapi'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"


scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from(["red", "2020-01-01", "upload:1", "value", "Polygon", 15, 0.5])
)
keys = st.sampled_from([
    *Inputs.model_fields, "value", "href", "type", "bbox", "coordinates", "crs", "format",
    "mediaType", "inputs", "outputs", "answer", "transmissionMode",
]) | st.text(max_size=3)  # fmt: skip
anything = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(keys, inner, max_size=5),
    max_leaves=12,
)


@given(st.dictionaries(keys, anything, max_size=6), anything)
def test_any_request_is_taken_or_refused_and_what_is_taken_can_be_replayed(inputs, outputs):
    raw = json.dumps({"inputs": inputs, "outputs": outputs})
    try:
        found = declare.validate(PIPELINE, raw, POLICY)
    except Refused as refused:
        for problem in refused.problems:
            assert problem.message
            # What is told can be stored and sent.
            json.dumps(problem.as_dict(), allow_nan=False).encode()
            problem.pointer.encode()
    else:
        again = declare.validate(PIPELINE, json.dumps(found.document), POLICY)
        assert again.parameters == found.parameters


def test_choices_are_texts():
    assert issubclass(Choice, StrEnum)
    assert Colour("red") is Colour.RED
