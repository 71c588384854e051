"""Which images DSM-OPT uses and which outputs it makes, on simulated scenes."""

import numpy as np
import pytest
import rasterio

from core.reasons import Reason
from core.simulate.stereo.bundle import multispectral, panchromatic
from core.simulate.stereo.dimap import write_dimap
from core.simulate.stereo.making import make_stereo

FINE = {"resolution": 0.5}


@pytest.fixture(scope="module")
def triplet(place):
    return place(make_stereo("city", "triplet", shape=(192, 192), seed=47))


def test_only_the_pairs_that_are_named_are_matched(triplet):
    every, one = triplet(), triplet(pairs=["1-3"])
    assert [pair["key"] for pair in every.document["pairs"]] == ["1-2", "1-3", "2-3"]
    assert [pair["key"] for pair in one.document["pairs"]] == ["1-3"]
    assert every.raster("contributing_pairs").max() == 3
    assert one.raster("contributing_pairs").max() == 1


def test_outputs_are_made_on_request_alone(city):
    usual = city(**FINE).outputs
    assert usual.orthoimages == ()
    assert usual.ortho_best is None
    assert usual.point_cloud is None
    asked = city.illustrated(**FINE, orthoimages=True, point_cloud=True)
    assert len(asked.outputs.orthoimages) == 2
    with rasterio.open(asked.folder / asked.outputs.ortho_best.path) as file:
        assert (file.read(1)[np.isfinite(asked.dsm)] > 0).mean() > 0.95
    assert (asked.folder / asked.outputs.point_cloud.path).stat().st_size > 100_000
    assert np.array_equal(asked.dsm, city(**FINE).dsm, equal_nan=True)


@pytest.fixture(scope="module")
def delivery(place):
    """A cloudy bundle."""
    stereo = make_stereo("plain", shape=(256, 256), seed=49)

    def write(folder):
        kinds = (panchromatic, multispectral)
        return (write_dimap(folder, stereo.views, kinds=kinds).parent,)

    return place(stereo, write)


def test_pixels_under_the_deliverys_own_cloud_mask_are_left_out(delivery):
    masked, used = delivery(), delivery(product_mask=False)
    assert used.cells(Reason.CLOUD_MASK) == 0
    assert masked.cells(Reason.CLOUD_MASK) > 50
    # Only one image has the cloud: what was matched there by chance is left out without it too.
    assert used.cells(Reason.LOW_SCORE) > 50
    assert np.isfinite(masked.dsm).sum() < np.isfinite(used.dsm).sum() + 50


def test_multispectral_images_are_orthorectified_on_request(delivery):
    result = delivery(colour_orthoimages=True)
    assert len(result.outputs.orthoimages) == 2
    for made in result.outputs.orthoimages:
        with rasterio.open(result.folder / made.path) as file:
            assert file.count == 4
    assert delivery().outputs.orthoimages == ()
