"""Standard deviations of cells against a plain twin, and what must raise them."""

import math
from collections.abc import Callable
from functools import partial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.geometry import uncertainty
from core.geometry.uncertainty import deviation, height_deviation, wary_deviation

SHAPE = (24, 26)


def layer(value: float) -> np.ndarray:
    return np.full(SHAPE, value, np.float32)


def deviations(
    height: np.ndarray,
    sigma: float = 0.1,
    score: float = 1.0,
    count: float | np.ndarray = 7.0,
    cell: float = 1,
    kind: Callable[..., np.ndarray] = deviation,
) -> np.ndarray:
    counts = np.broadcast_to(np.asarray(count, np.float32), SHAPE)
    return kind(np.asarray(height, np.float32), layer(sigma), layer(score), counts, cell)


wary = partial(deviations, kind=wary_deviation)


def around(i: int, j: int, radius: int, step: int) -> tuple[np.ndarray, np.ndarray]:
    reach = np.arange(-radius, radius + 1, step)
    rows, cols = (part.ravel() for part in np.meshgrid(i + reach, j + reach, indexing="ij"))
    inside = (rows >= 0) & (rows < SHAPE[0]) & (cols >= 0) & (cols < SHAPE[1])
    return rows[inside], cols[inside]


def slow_plane(
    height: np.ndarray,
    i: int,
    j: int,
    window: tuple[int, int],
    apart: float = math.inf,
    rise: float = 0.0,
) -> tuple[float, float]:
    """Distance from a plane and its slope, from the cells' covariances."""
    rows, cols = around(i, j, *window)
    values = height[rows, cols].astype(float)
    known = np.isfinite(values)
    known[known] = np.abs(values[known] - height[i, j]) <= (
        apart + rise * np.hypot(rows - i, cols - j)[known]
    )
    table = np.stack([rows[known], cols[known], values[known]])
    spread = np.cov(table, bias=True).reshape(3, 3)
    places = spread[:2, :2] + uncertainty.FLOOR * np.eye(2)
    slope = np.linalg.solve(places, spread[:2, 2])
    return float(np.sqrt(max(spread[2, 2] - slope @ spread[:2, 2], 0))), float(np.hypot(*slope))


def slow_deviation(
    height: np.ndarray, sigma: float, score: float, count: np.ndarray, cell: float, i: int, j: int
) -> float:
    surface = uncertainty.STEP_M, uncertainty.STEEPEST * cell
    near, _ = slow_plane(height, i, j, uncertainty.NEAR, *surface)
    far, _ = slow_plane(height, i, j, uncertainty.FAR, *surface)
    most = float(count[around(i, j, *uncertainty.FAR)].max())
    side = max(most / uncertainty.USUAL_POINTS, 1) ** 0.5
    result = uncertainty.SCALE * sigma * most / float(count[i, j])
    for away, weight, power, largest, shrink in (
        (near, uncertainty.NEAR_WEIGHT, uncertainty.NEAR_POWER, uncertainty.NEAR_LARGEST, 0.5),
        (far, uncertainty.FAR_WEIGHT, uncertainty.FAR_POWER, uncertainty.FAR_LARGEST, 1.0),
    ):
        ratio = weight * away / sigma / side ** (shrink * uncertainty.SIDE_POWER)
        result *= (1 + (ratio / (1 + ratio / largest)) ** 2) ** power
    return result * (1 + (1 - score) / uncertainty.SCORE) ** uncertainty.SCORE_POWER


def slow_wary(
    height: np.ndarray, sigma: float, score: float, count: np.ndarray, cell: float, i: int, j: int
) -> float:
    near, _ = slow_plane(height, i, j, uncertainty.NEAR)
    far, incline = slow_plane(height, i, j, uncertainty.FAR)
    factor = (1 + (incline / cell / uncertainty.WARY_STEEP) ** 2) * uncertainty.USUAL_POINTS
    factor /= max(float(count[i, j]), uncertainty.USUAL_POINTS)
    away = [factor * near, factor * far]
    ratios = [part / (sigma + part / uncertainty.WARY_LARGEST) for part in away]
    powers = uncertainty.WARY_NEAR_POWER, uncertainty.WARY_FAR_POWER
    result = uncertainty.WARY_SCALE * sigma
    result *= (1 + (1 - score) / uncertainty.WARY_SCORE) ** uncertainty.WARY_POWER
    for ratio, power in zip(ratios, powers, strict=True):
        result *= (1 + ratio**2) ** power
    return float(result)


@pytest.mark.parametrize(
    ("kind", "slow"), [(deviation, slow_deviation), (wary_deviation, slow_wary)]
)
@settings(deadline=None, max_examples=40)
@given(seed=st.integers(0, 10_000), cell=st.sampled_from([0.5, 1.0, 3.0]))
def test_cells_are_those_of_the_plain_definition(
    kind: Callable[..., np.ndarray], slow: Callable[..., float], seed: int, cell: float
) -> None:
    rng = np.random.default_rng(seed)
    rows, cols = np.mgrid[: SHAPE[0], : SHAPE[1]]
    south, east = rng.normal(0, 0.5, 2)
    height = south * rows + east * cols + rng.normal(0, 0.3, SHAPE) + 9 * (cols > 12)
    height[rng.random(SHAPE) < 0.1] = np.nan
    height = height.astype(np.float32)
    sigma, score = rng.uniform(0.02, 0.5), rng.uniform(-0.2, 1)
    count = rng.integers(1, 20, SHAPE).astype(np.float32)
    found = deviations(height, sigma, score, count, cell, kind)
    for i, j in np.ndindex(SHAPE):
        if np.isnan(height[i, j]):
            assert np.isnan(found[i, j])
            continue
        wanted = slow(height, sigma, max(score, 0), count, cell, i, j)
        assert found[i, j] == pytest.approx(wanted, rel=2e-3)


def test_a_plane_is_as_certain_as_its_matches_and_a_steep_one_a_little_less() -> None:
    rows, cols = np.mgrid[: SHAPE[0], : SHAPE[1]]
    level = deviations(layer(100.0))
    gentle = deviations(100 + 0.03 * rows - 0.04 * cols)
    steep = deviations(100 + 0.3 * rows - 0.4 * cols)
    assert level == pytest.approx(uncertainty.SCALE * 0.1)
    assert gentle[5:-5, 5:-5] == pytest.approx(level[5:-5, 5:-5], rel=0.02)
    assert (steep > 1.1 * level).all()
    assert (steep < 1.4 * level).all()


def test_pairs_are_weighed_on_a_plane_however_steep_by_their_matches() -> None:
    rows, cols = np.mgrid[: SHAPE[0], : SHAPE[1]]
    level, steep = wary(layer(100.0)), wary(100 + 0.3 * rows - 0.4 * cols)
    assert level == pytest.approx(uncertainty.WARY_SCALE * 0.1)
    assert steep[5:-5, 5:-5] == pytest.approx(level[5:-5, 5:-5], rel=0.05)


def test_bad_correlation_and_rough_ground_make_heights_less_certain() -> None:
    rough = np.random.default_rng(0).normal(0, 0.2, SHAPE)
    level = deviations(layer(0.0))
    assert (deviations(layer(0.0), score=0.7) > 1.5 * level).all()
    assert np.median(deviations(rough)) > 1.5 * level[0, 0]


def test_a_roof_and_the_ground_beside_it_are_as_certain_as_each_is_even() -> None:
    cols = np.arange(SHAPE[1])
    found = deviations(np.where(cols < 13, 10.0, 0.0) * np.ones(SHAPE))
    assert found == pytest.approx(uncertainty.SCALE * 0.1)


def test_a_cell_that_kept_half_of_its_points_is_half_as_certain() -> None:
    count = layer(8.0)
    count[12, 13] = 4.0
    found = deviations(layer(0.0), count=count) / (uncertainty.SCALE * 0.1)
    wanted = layer(1.0)
    wanted[12, 13] = 2.0
    assert found == pytest.approx(wanted)


def test_pairs_are_weighed_as_if_a_wall_were_uncertain_as_far_as_four_cells() -> None:
    cols = np.arange(SHAPE[1])
    found = wary(np.where(cols < 13, 10.0, 0.0) * np.ones(SHAPE))[12]
    level = uncertainty.WARY_SCALE * 0.1
    assert found[[5, 6, 7, 8, 17, 18, 19]] == pytest.approx(level)
    assert (found[9:17] > 2 * level).all()
    assert found[12] == found[13] == found.max()


def test_pairs_are_weighed_alike_in_larger_cells() -> None:
    """A window has twice the side, smooth ground four times the departure, a cell four points."""
    rows, cols = np.mgrid[-12:12, -13:13]
    bowl = rows**2 + cols**2
    small = wary(0.02 * bowl, count=7, cell=0.5)
    large = wary(0.08 * bowl, count=28, cell=1.0)
    assert large[12, 13] == pytest.approx(small[12, 13], rel=0.02)


def test_a_height_is_as_uncertain_as_a_match_through_the_base_and_never_certain() -> None:
    # Noise of a pixel in both images makes that of the disparity the square root of two.
    assert height_deviation(0.5, 2.0) == pytest.approx(0.5 * np.sqrt(2), rel=0.01)
    assert height_deviation(0.0, 2.0) == pytest.approx(uncertainty.LEAST_MATCH_PX * np.sqrt(2))
    assert height_deviation(np.array([0.1, np.nan]), 1.0).shape == (2,)
