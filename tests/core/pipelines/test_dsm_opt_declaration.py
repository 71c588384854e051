import json

import pytest

from core import declare
from core.declare import SourcePolicy
from core.declare.pipeline import lacks
from core.errors import Refused
from core.pipelines.dsm_opt.declaration import DSM_OPT, Adjust, DsmOptOutputs
from core.pipelines.dsm_opt.rules import CROP

DELIVERY = {"images": [{"href": "upload:1"}]}
WHOLE_CROP = dict.fromkeys(CROP, 100)
BOX = {"bbox": [55.64, -21.24, 55.66, -21.22]}

ORIGINAL = {
    "crop start X": "crop_column",
    "crop start Y": "crop_row",
    "crop size X": "crop_columns",
    "crop size Y": "crop_rows",
    "matching window size": "window",
    "scale": "regularisation",
    "generate orthoimage": "orthoimages",
    "output resolution factor": "resolution_factor",
}


def validated(**inputs):
    return declare.validate(DSM_OPT, json.dumps({"inputs": inputs}), SourcePolicy())


def codes(**inputs):
    with pytest.raises(Refused) as refused:
        validated(**inputs)
    return {problem.pointer: problem.code for problem in refused.value.problems}


def test_nothing_is_missing_in_the_declaration():
    assert lacks(DSM_OPT) == []


def test_the_delivery_alone_is_enough():
    found = validated(**DELIVERY).parameters
    assert found.adjustment is Adjust.SHIFT
    assert found.pairs == ()
    assert (found.window, found.regularisation, found.resolution_factor) == (2, 0.02, 2.0)


def test_one_delivery_need_not_stand_in_a_list():
    assert validated(images=DELIVERY["images"][0]) == validated(**DELIVERY)


def test_nothing_given_names_the_images():
    assert codes() == {"/inputs/images": "missing-input"}


@pytest.mark.parametrize(("original", "name"), ORIGINAL.items())
def test_each_parameter_of_the_original_has_its_counterpart_which_says_so(original, name):
    entry = next(entry for entry in DSM_OPT.input_list if entry.id == name)
    assert f"original's {original}" in entry.text


def test_pairs_are_written_with_a_hyphen_between_two_numbers():
    assert validated(**DELIVERY, pairs=["1-2", "3-1"]).parameters.pairs == ("1-2", "3-1")
    assert codes(**DELIVERY, pairs=["1-2", "1,3"]) == {"/inputs/pairs/1": "out-of-range"}
    assert codes(**DELIVERY, pairs=[12]) == {"/inputs/pairs/0": "wrong-type"}


def test_one_image_twice_is_no_pair():
    assert codes(**DELIVERY, pairs=["1-2", "2-2"]) == {"/inputs/pairs/1": "inconsistent-inputs"}


def test_a_pair_may_not_be_given_both_ways_round():
    assert codes(**DELIVERY, pairs=["1-2", "2-1"]) == {"/inputs/pairs/1": "inconsistent-inputs"}


def test_pairs_that_are_given_are_counted_before_any_file_is_opened():
    assert DSM_OPT.pairs({**DELIVERY, "pairs": ["1-2", "1-3"]}) == 2
    assert DSM_OPT.pairs({**DELIVERY, "pairs": "1-2"}) == 1
    assert DSM_OPT.pairs(DELIVERY) == 0


@pytest.mark.parametrize("left_out", CROP)
def test_a_crop_needs_all_four_numbers(left_out):
    part = {name: size for name, size in WHOLE_CROP.items() if name != left_out}
    assert codes(**DELIVERY, **part) == {f"/inputs/{left_out}": "missing-input"}


def test_an_area_and_a_crop_exclude_each_other():
    assert codes(**DELIVERY, **WHOLE_CROP, aoi=BOX) == {"/inputs/aoi": "inconsistent-inputs"}


def test_a_reference_image_goes_with_a_crop_only():
    assert codes(**DELIVERY, reference="1") == {"/inputs/reference": "inconsistent-inputs"}
    assert validated(**DELIVERY, reference="1", **WHOLE_CROP).parameters.reference == "1"


def test_the_lowest_height_has_to_be_below_the_highest():
    found = codes(**DELIVERY, minimum_height=200, maximum_height=200)
    assert found == {"/inputs/minimum_height": "inconsistent-inputs"}


def test_the_datum_of_a_model_that_is_not_given_is_a_mistake():
    assert codes(**DELIVERY, dem_datum="egm96") == {"/inputs/dem_datum": "inconsistent-inputs"}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("datum", "sea"),
        ("output_crs", "4326"),
        ("window", 8),
        ("regularisation", 0),
        ("resolution", 0.05),
        ("resolution_factor", 0.5),
        ("crop_rows", 63),
        ("crop_row", -1),
        ("minimum_score", 1.5),
        ("adjustment", "bundle"),
    ],
)
def test_a_value_outside_its_range_is_told_by_name(name, value):
    assert codes(**DELIVERY, **{**WHOLE_CROP, name: value}) == {f"/inputs/{name}": "out-of-range"}


def test_outputs_that_were_not_asked_for_may_be_absent():
    optional = {output.id for output in DSM_OPT.output_list if output.optional}
    assert optional == {"dsm_filled", "orthoimages", "ortho_best", "point_cloud"}
    assert DsmOptOutputs.model_fields["dsm_filled"].default is None
