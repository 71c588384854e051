from dataclasses import replace

import numpy as np
import pytest

from core.geometry.bias import Correction, corrected
from core.geometry.companion import companion_model
from core.geometry.rpc import Rpc

SHAPE = (3000, 2500)


@pytest.fixture
def fine(pushbroom) -> Rpc:
    return pushbroom(12.0, 70.0).rpc().moved(-18500, -13750)


def colour(fine: Rpc) -> Rpc:
    """Pixels four times as long, the first one elsewhere, rows counted from the other end."""
    coarse = fine.reduced(4.0).moved(3.0, -7.0)
    return replace(coarse, row_offset=700 - coarse.row_offset, row_scale=-coarse.row_scale)


def test_a_shift_is_the_same_distance_on_the_ground(fine) -> None:
    refined = fine.moved(2.4, -1.2)
    found = companion_model(fine, refined, colour(fine), (750, 625))
    lon, lat = 5.5 + np.linspace(-0.004, 0.004, 9), 43.3 + np.linspace(0.003, -0.003, 9)
    expected = colour(refined).project(lon, lat, 350.0)
    seen = found.project(lon, lat, 350.0)
    np.testing.assert_allclose(seen.row, expected.row, atol=1e-3)
    np.testing.assert_allclose(seen.col, expected.col, atol=1e-3)
    # It is not nothing.
    assert np.abs(colour(fine).project(lon, lat, 350.0).row - expected.row).min() > 0.5


def test_shear_and_stretch_are_carried_too(fine) -> None:
    refined = corrected(
        fine,
        Correction(0.5, -0.3, 0.4, -0.2, 0.3, 0.6, middle=(1500, 1250), half=(1500, 1250)),
    )
    found = companion_model(fine, refined, colour(fine), (750, 625))
    lon, lat = 5.5 + np.linspace(-0.004, 0.004, 9), 43.3 + np.linspace(0.003, -0.003, 9)
    expected = colour(refined).project(lon, lat, 380.0)
    seen = found.project(lon, lat, 380.0)
    np.testing.assert_allclose(seen.row, expected.row, atol=0.01)
    np.testing.assert_allclose(seen.col, expected.col, atol=0.01)


def test_a_model_that_was_not_refined_changes_nothing(fine) -> None:
    other = colour(fine)
    assert companion_model(fine, fine, other, (750, 625)) is other
