"""The terrain under a rough surface."""

import numpy as np
import pytest

from core.matching.terrain import WIDEST, terrain

SIDE = 320
ROW, COL = np.mgrid[:SIDE, :SIDE].astype(np.float64)
SLOPE = 200.0 + 0.02 * ROW - 0.01 * COL
INNER = (slice(60, -60), slice(60, -60))


def with_house(side: int) -> tuple[np.ndarray, np.ndarray]:
    """The slope with a house of 20 m in the middle, and where it stands."""
    house = (abs(ROW - SIDE / 2) < side / 2) & (abs(COL - SIDE / 2) < side / 2)
    return SLOPE + 20.0 * house, house


def test_houses_leave_no_trace_in_the_terrain() -> None:
    heights, _ = with_house(WIDEST - 10)
    assert np.abs(terrain(heights, 0) - SLOPE)[INNER].max() < 0.5


def test_ground_and_roof_are_level_over_the_terrain_up_to_the_wall() -> None:
    """Over a surface that is only smoothed the ground beside the wall is metres lower."""
    heights, house = with_house(60)
    rest = (heights - terrain(heights, 0))[INNER]
    for part, level in ((house[INNER], 20.0), (~house[INNER], 0.0)):
        assert np.abs(rest[part] - level).max() < 0.3


def test_hills_wider_than_houses_belong_to_the_terrain() -> None:
    hill = 30.0 * np.exp(-((ROW - SIDE / 2) ** 2 + (COL - SIDE / 2) ** 2) / (2 * 70.0**2))
    kept = terrain(hill, 0)
    assert kept.max() > 0.5 * hill.max()
    assert (kept - hill).max() < 1.0


@pytest.mark.parametrize("level", [1, 2])
def test_a_coarser_lattice_has_the_same_terrain(level: int) -> None:
    heights, _ = with_house(64)
    step = 2**level
    coarse = terrain(heights[::step, ::step], level)
    assert np.abs(coarse - terrain(heights, 0)[::step, ::step]).max() < 0.05
