import numpy as np
import pytest
from scipy import ndimage

from core.matching.arrays import Layer
from core.matching.coregistration import global_shift
from core.matching.trend import robust_plane


def test_a_plane_is_found_under_outliers_on_one_side() -> None:
    rng = np.random.default_rng(1)
    x, y = rng.uniform(-1, 1, (2, 5000))
    values = 0.4 + 0.3 * x - 0.2 * y + rng.normal(0, 0.05, x.size)
    values[:1200] += rng.uniform(2, 8, 1200)
    plane = robust_plane(x, y, values)
    assert plane.constant == pytest.approx(0.4, abs=0.01)
    assert plane.x_slope == pytest.approx(0.3, abs=0.01)
    assert plane.y_slope == pytest.approx(-0.2, abs=0.01)


def windows(rows: int, cols: int, seeds: range) -> list[tuple[Layer, Layer]]:
    pairs = []
    for seed in seeds:
        noise = np.random.default_rng(seed).normal(size=(256, 256))
        image = (1000 + 900 * ndimage.gaussian_filter(noise, 1.2)).astype(np.float32)
        weights = np.ones_like(image)
        secondary = np.roll(image, (rows, cols), (0, 1))
        pairs.append((Layer(image, weights), Layer(secondary, weights)))
    return pairs


@pytest.mark.parametrize("shift", [(0, 0), (17, -23), (-60, 41)])
def test_whole_images_find_their_shift(shift: tuple[int, int]) -> None:
    found = global_shift(windows(*shift, range(6)), 1.0)
    assert (found.rows, found.cols) == shift
    assert found.found


def test_one_window_is_enough_where_it_is_clear() -> None:
    found = global_shift(windows(9, -3, range(1)), 1.0)
    assert (found.rows, found.cols) == (9, -3)


def test_ground_that_stayed_outweighs_ground_that_changed() -> None:
    same, other = windows(7, 5, range(4)), windows(0, 0, range(40, 44))
    mixed = [*same, *((a[0], b[1]) for a, b in zip(same, other, strict=True))]
    found = global_shift(mixed, 1.0)
    assert (found.rows, found.cols) == (7, 5)


@pytest.mark.parametrize("count", [1, 4, 12])
def test_unrelated_images_give_no_shift(count: int) -> None:
    first, other = windows(0, 0, range(count)), windows(0, 0, range(100, 100 + count))
    unrelated = [(a[0], b[1]) for a, b in zip(first, other, strict=True)]
    found = global_shift(unrelated, 1.0)
    assert not found.found
    assert (found.rows, found.cols) == (0, 0)
