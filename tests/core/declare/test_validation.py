"""Requests as a whole: everything that is wrong with one, and what is made of one that is right."""

import json
import subprocess
import sys
from enum import StrEnum

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core import declare
from core.declare import Choice, Pipeline, SourcePolicy
from core.declare.validation import MOST_PROBLEMS
from core.errors import OutOfRange, Refused


def test_defaults_are_applied_and_stored(trial):
    found = trial.validate({"inputs": {"window": 7}})
    assert found.parameters == trial.Inputs(window=7)
    assert found.outputs is None
    assert found.response is None
    assert found.document == {
        "process": "test",
        "version": "1.2.0",
        "inputs": {"window": 7, "share": 0.5, "colour": "red", "on": True},
    }


def test_everything_that_is_wrong_is_told_at_once_with_its_place(trial):
    found = trial.codes(
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


def test_a_problem_names_value_and_what_is_allowed(trial):
    problem = trial.problems({"inputs": {"window": 99}})["/inputs/window"]
    assert problem.value == 99
    assert problem.allowed == "a whole number from 5 to 65 pixels, an odd number"
    assert problem.message == f"/inputs/window is 99; it has to be {problem.allowed}."


def test_an_even_window_is_refused_with_the_two_nearest_odd_ones(trial):
    problem = trial.problems({"inputs": {"window": 16}})["/inputs/window"]
    assert problem.code == OutOfRange.code
    assert "15 or 17" in problem.message
    assert "15 or 17" in problem.allowed


def test_rules_run_although_fields_are_wrong(trial):
    found = trial.codes({"inputs": {"window": "x", "colour": "blue", "on": False}})
    assert found == {"/inputs/window": "wrong-type", "/inputs/colour": "inconsistent-inputs"}


def test_a_close_name_is_suggested(trial):
    assert (
        "Did you mean window?" in trial.problems({"inputs": {"windw": 5}})["/inputs/windw"].message
    )
    found = trial.problems({"inputs": {"image": {"hrf": "upload:1"}}})
    assert "Did you mean href?" in found["/inputs/image/hrf"].message
    assert (
        "Did you mean answer?"
        in trial.problems({"outputs": {"anwser": {}}})["/outputs/anwser"].message
    )


def test_a_value_of_the_wrong_type_gives_one_problem_also_where_several_types_are_right(trial):
    assert trial.codes({"inputs": {"mixed": [1]}}) == {"/inputs/mixed": "wrong-type"}
    assert trial.codes({"inputs": {"area": 5}}) == {"/inputs/area": "wrong-type"}
    assert trial.codes({"inputs": {"area": {}}}) == {"/inputs/area": "wrong-type"}


def test_a_wrong_item_does_not_make_its_list_too_short(trial):
    assert trial.codes({"inputs": {"numbers": ["a", "b"]}}) == {
        "/inputs/numbers/0": "wrong-type",
        "/inputs/numbers/1": "wrong-type",
    }


def test_a_key_that_looks_like_an_inner_mark_keeps_its_place(trial):
    found = trial.codes({"inputs": {"area": {"bbox": [1, 2, 3, 4], "<bbox>": 1}, "<bbox>": 2}})
    assert found == {"/inputs/area/<bbox>": "unknown-input", "/inputs/<bbox>": "unknown-input"}


class TestOutputs:
    def test_outputs_may_be_chosen(self, trial):
        found = trial.validate(
            {"inputs": {}, "outputs": {"answer": {"transmissionMode": "reference"}}}
        )
        assert found.outputs == ("answer",)
        assert found.document["outputs"] == {"answer": {"transmissionMode": "reference"}}

    @pytest.mark.parametrize("schema", ["https://example.org/a.json", {"type": "string"}])
    def test_a_schema_of_an_output_is_an_address_or_an_object(self, trial, schema):
        format_ = {"encoding": "utf-8", "schema": schema}
        asked = {"answer": {"format": format_}}
        assert trial.validate({"inputs": {}, "outputs": asked}).document["outputs"] == asked

    def test_no_outputs_named_means_all(self, trial):
        assert trial.validate({"inputs": {}, "outputs": {}}).outputs is None

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
    def test_what_cannot_be_done_with_an_output_is_refused(self, trial, outputs, where, code):
        assert trial.codes({"inputs": {}, "outputs": outputs}) == {where: code}


@pytest.mark.parametrize(
    ("inputs", "where"),
    [
        ({"image": {"href": "upload:1", "title": None}}, "/inputs/image/title"),
        ({"images": [{"href": "upload:1", "type": None}]}, "/inputs/images/0/type"),
        ({"window": {"value": 7, "mediaType": None}}, "/inputs/window/mediaType"),
    ],
)
def test_a_member_that_is_null_is_refused_with_advice(trial, inputs, where):
    found = trial.problems({"inputs": inputs})
    assert found.keys() == {where}
    assert found[where].code == "wrong-type"
    assert found[where].message.endswith("leave the member out instead.")


def test_of_many_nulls_the_first_are_told(trial):
    images = [{"href": "upload:1", "type": None}] * (MOST_PROBLEMS + 5)
    assert len(trial.problems({"inputs": {"images": images}})) == MOST_PROBLEMS + 1


def test_callbacks_are_refused_with_advice(trial):
    found = trial.problems({"inputs": {}, "subscriber": {"successUri": "https://example.org"}})
    assert "status" in found["/subscriber"].message


@pytest.mark.parametrize("document", [[], "text", 5, None, True])
def test_a_document_has_to_be_an_object(trial, document):
    assert trial.codes(json.dumps(document)) == {"": "malformed-request"}


@pytest.mark.parametrize("inputs", [[], "text", 5, None])
def test_inputs_have_to_be_an_object(trial, inputs):
    assert trial.codes({"inputs": inputs}) == {"/inputs": "wrong-type"}


def test_a_request_for_another_process_is_refused(trial):
    assert trial.codes({"inputs": {}, "process": "echo"}) == {"/process": "unknown-process"}


def test_a_replay_makes_the_same_request_and_tells_of_another_version(trial):
    first = trial.given_inputs(window=9, days=["2020-01-01"], area={"bbox": [1, 2, 3, 4]})
    assert trial.validate(first.document) == first
    older = trial.validate({**first.document, "version": "1.1.0"})
    assert older.parameters == first.parameters
    assert "1.1.0" in older.warnings[0]
    assert older.document["version"] == "1.2.0"


def test_what_the_reader_finds_is_told_together_with_what_the_model_finds(trial):
    raw = (
        r'{"inputs": {"window": NaN, "colour": "\u0000", "share": 2, "share": 3, "days": [1e999]}}'
    )
    assert trial.codes(raw) == {
        "/inputs/window": "out-of-range",
        "/inputs/colour": "malformed-request",
        "/inputs/share": "duplicate-key",
        "/inputs/days/0": "out-of-range",
    }


def test_the_command_line_goes_the_same_way(trial):
    found = declare.validate_inputs(trial.PIPELINE, {"window": 9}, trial.POLICY)
    assert found.parameters.window == 9
    with pytest.raises(Refused) as refused:
        declare.validate_inputs(
            trial.PIPELINE, {"share": float("nan"), "colour": "\udc80"}, trial.POLICY
        )
    assert [p.pointer for p in refused.value.problems] == ["/inputs/share", "/inputs/colour"]


def test_more_pairs_than_the_policy_allows_are_refused(trial):
    many = Pipeline(**{**vars(trial.PIPELINE), "pairs": lambda given: 3})
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
def test_of_very_many_problems_the_first_are_told(trial, document):
    found = trial.problems(document)
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


@given(data=st.data())
def test_any_request_is_taken_or_refused_and_what_is_taken_can_be_replayed(trial, data):
    raw = json.dumps(data.draw(trial.REQUESTS))
    try:
        found = declare.validate(trial.PIPELINE, raw, trial.POLICY)
    except Refused as refused:
        for problem in refused.problems:
            assert problem.message
            # What is told can be stored and sent.
            json.dumps(problem.as_dict(), allow_nan=False).encode()
            problem.pointer.encode()
    else:
        again = declare.validate(trial.PIPELINE, json.dumps(found.document), trial.POLICY)
        assert again.parameters == found.parameters


def test_choices_are_texts(trial):
    assert issubclass(Choice, StrEnum)
    assert trial.Colour("red") is trial.Colour.RED
