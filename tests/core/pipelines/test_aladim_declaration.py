"""What ALADIM takes, and what does not fit together."""

import json

import pytest

from core import declare
from core.declare import SourcePolicy
from core.declare.pipeline import lacks
from core.errors import Refused
from core.pipelines.aladim.choices import BandRole
from core.pipelines.aladim.declaration import ALADIM, AladimParameters
from core.roles import Role

IMAGE = {"after": [{"href": "upload:1"}]}
POLYGONS = {"href": "upload:2"}
CLASH = "inconsistent-inputs"

ORIGINAL = {
    "pre image": "before",
    "post image": "after",
    "shape files uri": "training",
    "multispectral band order": "bands",
    "ALADIM_IMAGE_NODATA": "nodata",
    "ALADIM_N_STRATA": "folds",
    "ALADIM_SEG_SCALE": "segment_scale",
    "ALADIM_SEG_COLOR_WEIGHT": "segment_colour_weight",
    "ALADIM_SEG_SHAPE_WEIGHT": "segment_compactness_weight",
    "ALADIM_SEG_MIN_SIZE": "minimum_segment",
    "ALADIM_SUN_AZIMUTH": "after_sun_azimuth",
    "ALADIM_SUN_ELEVATION": "after_sun_elevation",
    "ALADIM_POSITIVE_THRESHOLD": "positive_fraction",
    "ALADIM_USE_CLOUD_MASK": "mask_clouds",
    "use OSM classes": "exclude",
    "spectral index set": "indices",
    "DEM-derived attributes": "topography",
    "textural attributes": "texture",
    "morphometric attributes": "shapes",
}


def validated(**inputs):
    return declare.validate(ALADIM, json.dumps({"inputs": inputs}), SourcePolicy())


def codes(**inputs):
    with pytest.raises(Refused) as refused:
        validated(**inputs)
    return {problem.pointer: problem.code for problem in refused.value.problems}


def test_nothing_is_missing_in_the_declaration():
    assert lacks(ALADIM) == []


def test_an_image_after_is_enough():
    parameters = validated(**IMAGE).parameters
    assert isinstance(parameters, AladimParameters)
    assert parameters.before == ()


@pytest.mark.parametrize("name", sorted(set(ORIGINAL.values())))
def test_the_originals_inputs_have_counterparts(name):
    assert name in {entry.id for entry in ALADIM.input_list}


def test_bands_are_named_as_readers_of_products_name_them():
    assert {band.value for band in BandRole} == {role.value for role in Role} | {"other"}


@pytest.mark.parametrize(
    ("inputs", "expected"),
    [
        ({}, {"/inputs/after": "missing-input"}),
        (IMAGE | {"training_samples": POLYGONS}, {"/inputs/training_areas": "missing-input"}),
        (IMAGE | {"training_areas": POLYGONS}, {"/inputs/training_samples": "missing-input"}),
        (IMAGE | {"training": POLYGONS, "model": POLYGONS}, {"/inputs/model": CLASH}),
        (
            IMAGE | {"model": POLYGONS, "probability": POLYGONS},
            {"/inputs/probability": CLASH},
        ),
        (IMAGE | {"bands": ["red", "nir"]}, {"/inputs/bands": CLASH}),
        (IMAGE | {"bands": ["red", "green", "blue", "red"]}, {"/inputs/bands": CLASH}),
        (IMAGE | {"threshold_rule": "value"}, {"/inputs/threshold": "missing-input"}),
        (IMAGE | {"threshold": 0.5}, {"/inputs/threshold": CLASH}),
        (IMAGE | {"after_dates": ["2020-01-01", "2020-02-01"]},
         {"/inputs/after_dates": CLASH}),
        (IMAGE | {"after_sun_azimuth": 150.0},
         {"/inputs/after_sun_elevation": "missing-input"}),
    ],
)  # fmt: skip
def test_what_does_not_fit_together_is_told(inputs, expected):
    assert codes(**inputs) == expected


def test_an_earlier_probability_needs_no_image():
    assert validated(probability={"href": "upload:3"}).parameters.after == ()
