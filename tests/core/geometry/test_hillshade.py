import math

import numpy as np
import pytest

from core.geometry.hillshade import HALO, hillshade


def incline(towards_deg: float, slope: float, cell: float = 2.0) -> np.ndarray:
    """A plane that falls towards a direction."""
    a = math.radians(towards_deg)
    south, east = np.mgrid[:9, :9] * cell
    return 100 - slope * (east * math.sin(a) - south * math.cos(a))


def test_level_ground_is_as_bright_as_the_lamp_is_high() -> None:
    level = np.full((5, 6), 12.0)
    assert set(hillshade(level, 0.5).ravel()) == {1 + round(254 * math.sin(math.radians(45)))}
    assert set(hillshade(level, 0.5, altitude_deg=90).ravel()) == {255}
    assert set(hillshade(level, 0.5, altitude_deg=0).ravel()) == {1}


@pytest.mark.parametrize("azimuth", [0.0, 45.0, 90.0, 200.0, 315.0])
def test_a_slope_that_faces_the_lamp_is_brightest_and_one_that_turns_away_is_dark(azimuth) -> None:
    inner = np.s_[1:-1, 1:-1]
    # 45 degrees of slope under a lamp at 45 degrees.
    assert (hillshade(incline(azimuth, 1.0), 2.0, azimuth)[inner] == 255).all()
    assert (hillshade(incline(azimuth + 180, 1.0), 2.0, azimuth)[inner] == 1).all()
    across = hillshade(incline(azimuth + 90, 1.0), 2.0, azimuth)[inner]
    assert (across == 1 + round(254 * 0.5)).all()


def test_slopes_are_those_of_horn() -> None:
    lot = np.random.default_rng(0)
    height = lot.normal(size=(7, 8))
    found = hillshade(height, 3.0, 300.0, 40.0)
    window = height[2:5, 3:6]
    weights = np.array([[1, 2, 1]])
    east = (weights.T * (window[:, 2:] - window[:, :1])).sum() / 24
    south = (weights * (window[2:] - window[:1])).sum() / 24
    slope, aspect = math.atan(math.hypot(east, south)), math.atan2(-east, south)
    zenith, azimuth = math.radians(50), math.radians(300)
    # The formula of textbooks: aspect is where the ground falls to, clockwise from north.
    light = math.cos(zenith) * math.cos(slope) + math.sin(zenith) * math.sin(slope) * math.cos(
        azimuth - aspect
    )
    assert found[3, 4] == 1 + round(254 * light)


def test_a_hole_is_nothing_and_darkens_nothing_beside_it() -> None:
    level = np.full((9, 9), 50.0, np.float32)
    level[4, 4] = np.nan
    found = hillshade(level, 1.0)
    assert found[4, 4] == 0
    assert set(found[found > 0]) == {181}


def test_a_window_with_its_halo_is_shaded_as_in_the_whole() -> None:
    height = np.random.default_rng(1).normal(size=(40, 50))
    part = np.s_[10:30, 12:40]
    wide = np.s_[10 - HALO : 30 + HALO, 12 - HALO : 40 + HALO]
    found = hillshade(height[wide], 1.0)[HALO:-HALO, HALO:-HALO]
    np.testing.assert_array_equal(found, hillshade(height, 1.0)[part])
