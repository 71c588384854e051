"""What an elevation model beside the images changes in the heights that are looked through."""

import numpy as np
import pytest
from affine import Affine

from core.pipelines.dsm_opt.ancillary import (
    DEM_PAD_M,
    elevation_of,
    narrowed_heights,
    searched_heights,
)
from core.pipelines.dsm_opt.area import target_of
from core.pipelines.dsm_opt.pairing import pairs_of


@pytest.fixture
def elevation(write, box):
    """A flat elevation model around the images."""

    def written(height: float, *, around: float = 0.01, west: float = 0.0) -> dict[str, str]:
        lon, lat = box["bbox"][0] + west, box["bbox"][1]
        size = around / 50
        transform = Affine(size, 0, lon - around, 0, -size, lat + around)
        values = np.full((100, 100), height, np.float32)
        return {"href": write(f"dem{height:g}", values, transform, "EPSG:4326").as_uri()}

    return written


def test_an_elevation_model_that_fits_is_not_worth_a_word(survey, plain_pair, elevation):
    before, after = survey(*plain_pair), survey(*plain_pair, dem=elevation(60.0))
    assert after["missing"] == before["missing"]


@pytest.mark.parametrize(
    ("height", "west", "words"),
    [
        (5000.0, 0.0, "lie outside of those that the images' models are made for"),
        (60.0, 1.0, "has no heights in the area"),
        (60.0, 0.01, "% of the area"),
    ],
)
def test_an_elevation_model_that_does_not_fit_is_told(
    survey, plain_pair, elevation, height, west, words
):
    notes = survey(*plain_pair, dem=elevation(height, west=west))["missing"]
    assert any(words in note for note in notes)


@pytest.fixture
def narrowed(stereo, opened, plain_pair, box):
    """The heights that are looked through in the small area with an elevation model."""

    def heights(dem: dict[str, str] | None = None) -> tuple[float, float]:
        parameters, context = stereo(*plain_pair, aoi=box, **({"dem": dem} if dem else {}))
        images = opened(*plain_pair)
        target = target_of(parameters, images, pairs_of(parameters, images))
        prior = elevation_of(parameters, target, context)
        return narrowed_heights(searched_heights(parameters, images), prior, target)

    return heights


def test_an_elevation_model_narrows_the_heights_to_its_own_and_a_pad(narrowed, elevation):
    whole = narrowed()
    low, high = narrowed(elevation(60.0, around=0.002))
    assert low == max(whole[0], 60 - DEM_PAD_M)
    assert high == min(whole[1], 60 + DEM_PAD_M)
    assert high - low < whole[1] - whole[0]


def test_an_elevation_model_that_is_wrong_by_a_hundred_metres_keeps_the_ground_in_the_search(
    narrowed, elevation
):
    # The simulated plain lies at about 60 m.
    for height in (-40.0, 160.0):
        low, high = narrowed(elevation(height))
        assert low < 60 - 100
        assert high > 60 + 100


@pytest.mark.parametrize(("height", "west"), [(60.0, 1.0), (60.0, 0.0101), (9000.0, 0.0)])
def test_an_elevation_model_that_knows_a_part_or_nonsense_narrows_nothing(
    narrowed, elevation, height, west
):
    assert narrowed(elevation(height, west=west)) == narrowed()
