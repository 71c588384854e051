"""Simulated views to be delivered in every form, and real samples."""

from functools import cache

import numpy as np
import pytest

from core.io.products.stereo import open_views, opened_view
from core.simulate.stereo.making import Disturbances, Stereo, make_stereo

SHAPE = (96, 120)


@cache
def made(count: str) -> Stereo:
    return make_stereo("city", count, shape=SHAPE, seed=3, disturbances=Disturbances())


@pytest.fixture
def pair():
    """Two simulated views of a city."""
    return made("pair").views


@pytest.fixture
def triplet():
    """Three simulated views of a city."""
    return made("triplet").views


@pytest.fixture
def samples(shared_data):
    """The folder of real stereo images and models."""
    return shared_data / "stereo"


@pytest.fixture
def opened(tmp_path):
    """Opens what was given as images of a request."""

    def views(paths, **options):
        pointers = [f"/inputs/images/{number}" for number in range(len(paths))]
        return open_views(paths, scratch=tmp_path / "scratch", pointers=pointers, **options)

    return views


@pytest.fixture
def holds():
    """Check that an opened view has the model and the pixels of a simulated one."""

    def check(found, view, pixels=None):
        rpc, true = found.rpc, view.camera.rpc
        assert (rpc.row_offset, rpc.col_offset) == (true.line_off, true.samp_off)
        assert (rpc.row_scale, rpc.col_scale) == (true.line_scale, true.samp_scale)
        assert (rpc.lat_offset, rpc.lon_offset) == (true.lat_off, true.long_off)
        assert (rpc.height_offset, rpc.height_scale) == (true.height_off, true.height_scale)
        assert list(rpc.row_numerator) == true.line_num_coeff
        assert list(rpc.row_denominator) == true.line_den_coeff
        assert list(rpc.col_numerator) == true.samp_num_coeff
        assert list(rpc.col_denominator) == true.samp_den_coeff
        expected = view.image[None] if pixels is None else pixels
        with opened_view(found) as dataset:
            np.testing.assert_array_equal(dataset.read(), expected)
        assert found.shape == expected.shape[1:]

    return check
