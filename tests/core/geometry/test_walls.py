"""Walls put where images show them: a house whose place is known, drawn as two images see it."""

import numpy as np
import pytest
from scipy import ndimage

from core.geometry.rpc import Floats
from core.geometry.walls import BORDER, Placed, Walls, beside_walls, contrast, placed
from core.tiling import Window, whole

SIDE, TALL = 70, 12.0
LEANS = ((0.3, 0.1), (-0.25, 0.15))
"""Rows and columns by which the two images show a metre of height displaced."""


def house(grown: int = 0, moved: tuple[int, int] = (0, 0)) -> np.ndarray:
    surface = np.zeros((SIDE, SIDE), np.float32)
    down, right = moved
    surface[20 - grown + down : 45 + grown + down, 15 - grown + right : 50 + grown + right] = TALL
    return surface


def image(lean: tuple[float, float], roof: float = 400.0) -> np.ndarray:
    """Roof, the walls below it where they are seen, and ground with what lies on it."""
    lot = np.random.default_rng(5)
    picture = 200.0 + ndimage.gaussian_filter(lot.normal(0, 40, (SIDE, SIDE)), 1.0)
    rows, cols = np.indices((SIDE, SIDE))
    for height in np.linspace(0, TALL, 200):
        row, col = rows - lean[0] * height, cols - lean[1] * height
        stands = (row > 19.5) & (row < 44.5) & (col > 14.5) & (col < 49.5)
        picture[stands] = roof if height == TALL else 120.0
    return picture.astype(np.float32)


def contrasts(walls: Walls, pictures: list[np.ndarray]) -> Floats:
    seen = [
        contrast(
            walls, picture, walls.row + lean[0] * walls.upper, walls.col + lean[1] * walls.upper,
            np.eye(2),
        )
        for picture, lean in zip(pictures, LEANS, strict=True)
    ]  # fmt: skip
    return np.mean(seen, axis=0)


def put(surface: np.ndarray, pictures: list[np.ndarray], passes: int = 2) -> Placed:
    for _ in range(passes):
        walls = beside_walls(surface, whole(surface.shape), 0.5)
        found = placed(surface, walls, contrasts(walls, pictures))
        surface = found.height
    return found


def corners() -> np.ndarray:
    """Where two walls meet no edge is straight."""
    near = np.zeros((SIDE, SIDE), np.bool_)
    for row in (20, 45):
        for col in (15, 50):
            near[row - 5 : row + 5, col - 5 : col + 5] = True
    return near


@pytest.mark.parametrize(
    ("grown", "moved"),
    [(0, (0, 0)), (2, (0, 0)), (1, (0, 0)), (-1, (0, 0)), (0, (1, -1)), (0, (2, 0))],
)
def test_a_house_that_is_too_wide_too_narrow_or_beside_its_place_is_put_back(grown, moved) -> None:
    wrong = house(grown, moved)
    found = put(wrong, [image(lean) for lean in LEANS]).height
    before = (wrong != house()) & ~corners()
    assert before.any() or (grown, moved) == (0, (0, 0))
    np.testing.assert_array_equal(found[~corners()], house()[~corners()])


def test_what_is_clearly_roof_or_ground_is_in_no_doubt() -> None:
    doubtful = put(house(), [image(lean) for lean in LEANS]).doubtful
    inner = ndimage.binary_erosion(house() > 0)
    assert not doubtful[inner & ~corners()].any()
    assert not doubtful[house() == 0].any()


def test_where_nothing_is_seen_walls_stay_and_the_rim_is_in_doubt() -> None:
    grey = [np.full((SIDE, SIDE), 250.0, np.float32)] * 2
    missing = [np.full((SIDE, SIDE), np.nan, np.float32)] * 2
    rim = (house() > 0) & ~ndimage.binary_erosion(house() > 0)
    for pictures in (grey, missing):
        found = put(house(), pictures)
        np.testing.assert_array_equal(found.height, house())
        assert found.doubtful[rim & ~corners()].all()


@pytest.mark.parametrize("steepness", [0.5, 1.5, 4.0])
def test_a_steep_slope_is_no_wall(steepness) -> None:
    slope = (steepness * 0.5 * np.arange(40.0) * np.ones((40, 1))).astype(np.float32)
    # At the border half of the heights is missing.
    assert not beside_walls(slope, Window(4, 4, 32, 32), 0.5).row.size


def test_holes_are_no_walls_and_stay() -> None:
    wrong = house(2)
    wrong[30:33] = np.nan
    found = put(wrong, [image(lean) for lean in LEANS]).height
    np.testing.assert_array_equal(np.isnan(found), np.isnan(wrong))


def test_a_window_depends_on_its_border_alone() -> None:
    surface = house(1)
    everything = beside_walls(surface, whole(surface.shape), 0.5)
    core = Window(12, 8, 20, 30)
    wide = core.pad(BORDER)
    part = beside_walls(surface[wide.slices], core.inside(wide), 0.5)
    rows, cols = everything.row - core.row, everything.col - core.col
    inside = (rows >= 0) & (rows < core.height) & (cols >= 0) & (cols < core.width)
    assert inside.sum() > 50
    for all_of_it, of_part, first in zip(everything, part, (12, 8, 0, 0, 0, 0, 0), strict=True):
        np.testing.assert_array_equal(all_of_it[inside], of_part + first)
