"""Gridding against a plain twin, and what it must do to slopes, walls, noise and gaps."""

from dataclasses import fields

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.geometry import gridding
from core.geometry.gridding import Cells, Points, gridded

LAYERS = [field.name for field in fields(Cells)][:5]
ORIGIN = (500_000.0, 4_000_000.0)


def points(
    x: np.ndarray, y: np.ndarray, height: np.ndarray, sigma: float | np.ndarray = 0.1
) -> Points:
    """Points so far east and south of the corner."""
    every = np.ones(x.size)
    return Points(
        ORIGIN[0] + x.ravel(),
        ORIGIN[1] - y.ravel(),
        np.asarray(height, float).ravel(),
        sigma * every,
        0.2 * every,
        0.9 * every,
    )


def lattice(size: float, spacing: float, turn: float = 0.3) -> tuple[np.ndarray, np.ndarray]:
    """Points of a turned lattice that covers a square and a little more."""
    steps = np.arange(-2 * size, 2 * size, spacing)
    u, v = np.meshgrid(steps, steps)
    x, y = u * np.cos(turn) - v * np.sin(turn), u * np.sin(turn) + v * np.cos(turn)
    near = (abs(x - size / 2) < size / 2 + 2) & (abs(y - size / 2) < size / 2 + 2)
    return x[near], y[near]


def centres(shape: tuple[int, int], cell: float) -> tuple[np.ndarray, np.ndarray]:
    rows, cols = np.mgrid[: shape[0], : shape[1]]
    return (cols + 0.5) * cell, (rows + 0.5) * cell


def slow_plane(
    places: np.ndarray, height: np.ndarray, weight: np.ndarray, floor: float
) -> tuple[float, np.ndarray]:
    """Height at the centre and slope of the plane through points, held level by `floor`."""
    weight = weight / weight.sum()
    middle, level = places @ weight, height @ weight
    spread = (places - middle[:, None]) * weight @ (places - middle[:, None]).T
    both = (places - middle[:, None]) * weight @ (height - level)
    slope = np.linalg.solve(spread + floor * np.eye(2), both)
    return float(level - slope @ middle), slope


def slow_cell(given: Points, x: float, y: float, cell: float) -> tuple[float, ...] | None:
    """One cell by the definitions."""
    matrix = np.array(given)
    matrix = matrix[:, np.isfinite(matrix).all(axis=0)]
    places = (matrix[:2] - np.array([[x], [y]])) / cell
    away = np.hypot(*places)
    around = (abs(places) < 1.5).all(axis=0)
    order = np.argsort(away, kind="stable")
    order = order[away[order] <= gridding.REACH]
    if not order.size or away[order[0]] > gridding.NEAREST:
        return None
    even = np.ones(around.sum())
    _, slope = slow_plane(places[:, around], matrix[2, around], even, gridding.FLOOR)
    if np.hypot(*slope) > gridding.STEEPEST * cell:
        slope = np.zeros(2)
    places, away = places[:, order], away[order]
    height, sigma, error, score = matrix[2:, order]
    least = np.maximum(sigma, gridding.LEAST_SIGMA_M)
    weight = np.exp(-(away**2) / (2 * gridding.WIDTH**2)) / least**2
    apart = cell * np.hypot(*(places[:, :, None] - places[:, None, :]))
    allowed = gridding.STEP_M + gridding.STEEP * apart
    allowed += gridding.NOISE * np.hypot(sigma[:, None], sigma)
    surfaces = []
    for levels in (height, height - slope @ places):
        alike = abs(levels[:, None] - levels) <= allowed
        support = (alike @ weight)[: gridding.SEEDS]
        surfaces.append((support.max(), levels, alike[support.argmax()]))
    _, height, same = surfaces[int(surfaces[1][0] > surfaces[0][0] * (1 - 1e-12))]
    level, _ = slow_plane(places[:, same], height[same], weight[same], gridding.STIFFNESS**2)
    weight = weight[same] / weight[same].sum()
    return (
        level,
        np.sqrt(weight @ sigma[same] ** 2),
        error[same] @ weight,
        score[same] @ weight,
        same.sum(),
    )


@settings(deadline=None)
@given(seed=st.integers(0, 10_000), cell=st.sampled_from([0.5, 1.0, 2.3]))
def test_cells_are_those_of_the_plain_definition(seed: int, cell: float) -> None:
    rng = np.random.default_rng(seed)
    shape, number = (4, 5), int(rng.integers(0, 90))
    x, y = (rng.uniform(-cell, (side + 1) * cell, number) for side in (5, 4))
    height = rng.choice([100.0, 107.0], number) + 0.4 * x + rng.normal(0, 0.2, number)
    given = points(x, y, height, rng.uniform(0.01, 0.5, number))
    given.height[rng.random(number) < 0.1] = np.nan
    given.sigma[rng.random(number) < 0.1] = np.nan
    found = gridded(given, ORIGIN, cell, shape)
    for i, j in np.ndindex(shape):
        x_here, y_here = ORIGIN[0] + (j + 0.5) * cell, ORIGIN[1] - (i + 0.5) * cell
        wanted = slow_cell(given, x_here, y_here, cell)
        if wanted is None:
            assert found.count[i, j] == 0
            assert all(np.isnan(getattr(found, name)[i, j]) for name in LAYERS[:4])
        else:
            told = [getattr(found, name)[i, j] for name in LAYERS]
            assert told == pytest.approx(wanted, abs=2e-4)


@pytest.mark.parametrize("cell", [0.5, 1.0, 3.0])
def test_a_slope_keeps_its_height_at_every_centre(cell: float) -> None:
    x, y = lattice(20, 0.5)
    shape = (int(20 / cell), int(20 / cell))
    found = gridded(points(x, y, 300 + 0.5 * x - 0.25 * y), ORIGIN, cell, shape)
    east, south = centres(shape, cell)
    error = found.height - (300 + 0.5 * east - 0.25 * south)
    # The slope of the points around is held to level a little.
    assert np.abs(error).max() < 0.02 * cell


def test_a_wall_stands_between_the_cells_on_its_sides() -> None:
    x, y = lattice(20, 0.5)
    found = gridded(points(x, y, np.where(x < 10, 110.0, 100.0)), ORIGIN, 1.0, (20, 20))
    east, _ = centres((20, 20), 1.0)
    assert found.height == pytest.approx(np.where(east < 10, 110.0, 100.0), abs=1e-3)


def test_a_lost_point_hardly_moves_a_cell() -> None:
    x, y = lattice(20, 0.5)
    height = np.full(x.size, 100.0)
    height[::17] += 8
    found = gridded(points(x, y, height), ORIGIN, 1.0, (20, 20))
    # It turns the slope of the points around, which the others then make good.
    assert found.height == pytest.approx(100, abs=0.08)


def test_larger_cells_have_less_noise() -> None:
    x, y = lattice(60, 0.5)
    height = np.random.default_rng(3).normal(100, 0.3, x.size)
    noise = []
    for cell in (0.5, 1.0, 2.0):
        shape = (int(60 / cell), int(60 / cell))
        noise.append(float(gridded(points(x, y, height, 0.3), ORIGIN, cell, shape).height.std()))
    assert noise[1] < 0.6 * noise[0]
    assert noise[2] < 0.6 * noise[1]


def test_a_cell_has_a_height_only_if_a_point_is_as_near_as_its_side() -> None:
    found = gridded(points(np.array([2.5]), np.array([2.5]), np.array([7.0])), ORIGIN, 1.0, (5, 5))
    wanted = np.zeros((5, 5), bool)
    wanted[1:4, 2] = wanted[2, 1:4] = True
    assert (np.isfinite(found.height) == wanted).all()
    assert (found.height[wanted] == 7).all()
    assert (found.count == wanted).all()


def test_a_part_of_the_grid_has_the_cells_of_the_whole() -> None:
    x, y = lattice(20, 0.5)
    rng = np.random.default_rng(5)
    given = points(x, y, np.where(x + y < 22, 110, 100) + rng.normal(0, 0.1, x.size))
    whole = gridded(given, ORIGIN, 1.0, (20, 20))
    part = gridded(given, (ORIGIN[0] + 6, ORIGIN[1] - 3), 1.0, (9, 8))
    for name in LAYERS:
        assert getattr(whole, name)[3:12, 6:14] == pytest.approx(getattr(part, name), abs=1e-3)


def test_no_point_makes_no_cell_and_a_side_must_be_positive() -> None:
    none = points(np.empty(0), np.empty(0), np.empty(0))
    found = gridded(none, ORIGIN, 1.0, (3, 4))
    assert found.height.shape == (3, 4)
    assert np.isnan(found.height).all()
    with pytest.raises(ValueError, match="side of 0"):
        gridded(none, ORIGIN, 0.0, (3, 4))
