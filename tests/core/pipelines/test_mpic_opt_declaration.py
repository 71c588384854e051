import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core import declare
from core.declare import SourcePolicy
from core.declare.words import number
from core.errors import Refused
from core.pipelines import PIPELINES
from core.pipelines.mpic_opt.declaration import PRESETS, MpicOptParameters, Preset, complete

SERVICE = PIPELINES["mpic-opt"]
PAIR = {"reference": {"href": "upload:1"}, "secondary": {"href": "upload:2"}}
SCENES = [{"href": f"upload:{number}"} for number in range(4)]


def validated(**inputs):
    return declare.validate(SERVICE, json.dumps({"inputs": inputs}), SourcePolicy())


def codes(**inputs):
    with pytest.raises(Refused) as refused:
        validated(**inputs)
    return {problem.pointer: problem.code for problem in refused.value.problems}


def test_two_images_are_enough():
    found = validated(**PAIR)
    assert found.parameters.preset is Preset.GENERAL
    assert found.parameters.window == PRESETS["general"]["window"]
    assert found.document["inputs"]["deramp"] is PRESETS["general"]["deramp"]


@pytest.mark.parametrize("preset", PRESETS)
def test_a_preset_decides_what_is_left_out_and_the_request_stores_it(preset):
    found = validated(**PAIR, preset=preset)
    stored = {name: found.document["inputs"][name] for name in PRESETS[preset]}
    assert stored == PRESETS[preset]


def test_an_input_that_is_given_overrides_the_preset():
    found = validated(**PAIR, preset="glacier", window=9, deramp=True)
    assert found.parameters.window == 9
    assert found.parameters.deramp is True
    assert found.parameters.search_range == PRESETS["glacier"]["search_range"]


@pytest.mark.parametrize("preset", Preset)
def test_what_a_preset_decides_is_what_could_have_been_given(preset):
    completed = complete(MpicOptParameters(preset=preset))
    assert MpicOptParameters.model_validate(completed.model_dump()) == completed
    assert None not in [getattr(completed, name) for name in PRESETS[preset.value]]
    again = validated(**PAIR, preset=preset.value, **PRESETS[preset.value])
    assert again == validated(**PAIR, preset=preset.value)


def test_the_description_tabulates_every_value_of_every_preset():
    entries = {entry.id: entry for entry in SERVICE.input_list}
    for preset, values in PRESETS.items():
        told = next(v.text for v in entries["preset"].values if v.value == preset)
        for name, value in values.items():
            assert f"{preset} {number(value)}" in entries[name].text
            if not isinstance(value, bool):
                assert number(value) in told
            assert name in entries["preset"].text


def test_nothing_given_names_both_images():
    assert codes() == {"/inputs/reference": "missing-input", "/inputs/secondary": "missing-input"}


def test_one_image_of_a_pair_is_not_enough():
    assert codes(reference=PAIR["reference"]) == {"/inputs/secondary": "missing-input"}


def test_a_pair_and_scenes_exclude_each_other():
    assert codes(**PAIR, scenes=SCENES) == {
        "/inputs/reference": "inconsistent-inputs",
        "/inputs/secondary": "inconsistent-inputs",
    }


def test_one_scene_is_no_pair():
    assert codes(scenes=SCENES[:1]) == {"/inputs/scenes": "inconsistent-inputs"}
    assert codes(scenes=[]) == {"/inputs/scenes": "inconsistent-inputs"}


def test_dates_are_as_many_as_scenes():
    assert codes(scenes=SCENES, dates=["2020-01-01"]) == {"/inputs/dates": "inconsistent-inputs"}
    assert codes(**PAIR, dates=["2020-01-01"]) == {"/inputs/dates": "inconsistent-inputs"}
    dates = [f"2020-01-0{day}" for day in range(1, 5)]
    assert len(validated(scenes=SCENES, dates=dates).parameters.dates) == 4


def test_the_dates_of_a_pair_do_not_go_with_scenes():
    assert codes(scenes=SCENES, reference_date="2020-01-01") == {
        "/inputs/reference_date": "inconsistent-inputs"
    }


def test_a_split_needs_its_date_and_a_date_its_split():
    assert codes(scenes=SCENES, pairing="split_date") == {"/inputs/split_date": "missing-input"}
    assert codes(scenes=SCENES, split_date="2020-01-01") == {
        "/inputs/split_date": "inconsistent-inputs"
    }


def test_the_pair_range_is_in_order():
    assert codes(scenes=SCENES, pair_minimum=9) == {"/inputs/pair_minimum": "inconsistent-inputs"}
    assert codes(scenes=SCENES, pair_minimum=3, pair_maximum=2) == {
        "/inputs/pair_minimum": "inconsistent-inputs"
    }


def test_a_user_mask_needs_a_mask():
    assert codes(**PAIR, cloud_mask="user") == {"/inputs/mask": "missing-input"}


@pytest.mark.parametrize("name", ["window", "outlier_window", "smoothing_window"])
def test_windows_are_odd(name):
    assert codes(**PAIR, **{name: 8}) == {f"/inputs/{name}": "out-of-range"}
    assert getattr(validated(**PAIR, **{name: 7}).parameters, name) == 7


def test_the_outlier_filter_can_be_switched_off():
    assert validated(**PAIR, outlier_window=0).parameters.outlier_window == 0


@pytest.mark.parametrize(
    ("inputs", "pairs"),
    [
        ({"pairing": "all"}, 6),
        ({"pairing": "all", "direction": "both"}, 12),
        ({}, 6),
        ({"pair_maximum": 1}, 3),
        ({"pair_minimum": 2, "pair_maximum": 2, "direction": "both"}, 4),
        ({"pair_minimum": 4}, 0),
        ({"pair_range_unit": "days"}, 0),
        ({"pairing": "split_date"}, 0),
    ],
)
def test_pairs_are_counted_as_far_as_the_request_tells(inputs, pairs):
    assert SERVICE.pairs({"scenes": SCENES, **inputs}) == pairs


def test_too_many_pairs_are_refused_before_there_is_a_job():
    assert codes(scenes=[{"href": f"upload:{n}"} for n in range(30)], pairing="all") == {
        "/inputs": "too-large"
    }


anything = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text(max_size=5)
    | st.sampled_from(["all", "both", "split_date", "days", "user", "consecutive"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=4,
)


@given(st.dictionaries(st.sampled_from(list(MpicOptParameters.model_fields)), anything))
def test_the_rules_bear_any_input(inputs):
    for problem in SERVICE.rules(inputs):
        assert problem.pointer.removeprefix("/inputs/") in MpicOptParameters.model_fields
    assert SERVICE.pairs(inputs) >= 0
