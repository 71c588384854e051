import math
from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage

from core.change.scene import Sun
from core.change.terrain import (
    HALO,
    curvature,
    incidence,
    position,
    shadow,
    shadow_reach,
    slope,
    smooth,
)
from core.tiling import Window, tiles, whole

PIXEL = 10.0
SUN = Sun(150.0, 35.0)


def hills(seed: int = 1, shape: tuple[int, int] = (110, 120)) -> NDArray[np.float32]:
    rng = np.random.default_rng(seed)
    height = 900 + 2500 * ndimage.gaussian_filter(rng.normal(size=shape), 6)
    height[rng.random(shape) < 0.002] = np.nan
    return height.astype(np.float32)


def plane(north: float, east: float, shape: tuple[int, int] = (9, 11)) -> NDArray[np.float32]:
    """A plane that rises by so much per metre towards north and east."""
    row, col = np.mgrid[: shape[0], : shape[1]]
    return (500 - north * PIXEL * row + east * PIXEL * col).astype(np.float32)


INNER = Window(1, 1, 7, 9)


@pytest.mark.parametrize(("north", "east"), [(-0.5, 0.0), (0.3, 0.0), (0.0, 1.0), (0.25, -0.7)])
def test_a_plane_has_its_slope_and_falls_away_from_where_it_rises(
    north: float, east: float
) -> None:
    found = slope(plane(north, east), PIXEL, INNER)
    steep = math.hypot(north, east)
    assert np.allclose(found.slope_deg, math.degrees(math.atan(steep)), atol=1e-3)
    assert np.allclose(found.north, -north / steep, atol=1e-5)
    assert np.allclose(found.east, -east / steep, atol=1e-5)
    bent = curvature(plane(north, east), PIXEL, INNER)
    assert np.abs(bent).max() < 1e-5


def test_a_cone_falls_outwards_everywhere_and_diverges_like_one_over_the_radius() -> None:
    row, col = np.mgrid[-40:41, -40:41] * PIXEL
    radius = np.hypot(row, col)
    cone = (2000 - 0.6 * radius).astype(np.float32)
    area = whole(cone.shape)
    found, bent = slope(cone, PIXEL, area), curvature(cone, PIXEL, area)
    ring = (radius > 150) & (radius < 350)
    assert np.allclose(found.slope_deg[ring], math.degrees(math.atan(0.6)), atol=0.3)
    assert np.allclose(found.north[ring], -row[ring] / radius[ring], atol=0.01)
    assert np.allclose(found.east[ring], col[ring] / radius[ring], atol=0.01)
    assert np.allclose(bent.plan[ring], 0.6 / radius[ring], rtol=0.05)
    assert np.abs(bent.profile[ring]).max() < 1e-4


def test_a_hollow_is_concave_across_and_a_slope_that_steepens_convex_along() -> None:
    row, col = np.mgrid[:9, -5:6] * PIXEL
    hollow = (500 - 0.5 * row + 0.002 * col**2).astype(np.float32)
    assert np.allclose(curvature(hollow, PIXEL, whole((9, 11))).plan[4, 5], -0.004, atol=1e-5)
    steepens = (500 - 0.2 * row - 0.003 * row**2).astype(np.float32)
    found = curvature(steepens, PIXEL, whole((9, 11)))
    assert found.profile[4, 5] == pytest.approx(0.006, abs=1e-5)
    assert found.plan[4, 5] == pytest.approx(0, abs=1e-6)


def test_level_ground_has_neither_aspect_nor_curvature_and_sees_the_sun_at_its_height() -> None:
    level = np.full((9, 11), 7, np.float32)
    assert (np.stack(slope(level, PIXEL, INNER)) == 0).all()
    assert (np.stack(curvature(level, PIXEL, INNER)) == 0).all()
    assert np.allclose(incidence(level, PIXEL, SUN, INNER), math.sin(math.radians(35)))
    assert not shadow(level, PIXEL, SUN, INNER, 5).any()


def test_a_slope_square_to_the_sun_is_lit_most_and_one_averted_not_at_all() -> None:
    steep = math.tan(math.radians(90 - SUN.elevation_deg))
    azimuth = math.radians(SUN.azimuth_deg)
    facing = plane(-steep * math.cos(azimuth), -steep * math.sin(azimuth))
    averted = plane(steep * math.cos(azimuth), steep * math.sin(azimuth))
    assert np.allclose(incidence(facing, PIXEL, SUN, INNER), 1, atol=1e-5)
    expected = math.cos(math.radians(180 - 2 * SUN.elevation_deg))
    assert np.allclose(incidence(averted, PIXEL, SUN, INNER), expected, atol=1e-5)


def slow_shadow(height: NDArray[np.float32], sun: Sun, reach: int) -> NDArray[np.bool_]:
    """Every step of every line, with nothing left out."""
    azimuth = math.radians(sun.azimuth_deg)
    down, right = -math.cos(azimuth), math.sin(azimuth)
    fast = max(abs(down), abs(right))
    out = np.zeros(height.shape, bool)
    for row, col in np.ndindex(height.shape):
        for n in range(1, reach + 1):
            i, j = row + round(n * down / fast, 6), col + round(n * right / fast, 6)
            line = height[row, col] + n * PIXEL / fast * math.tan(math.radians(sun.elevation_deg))
            if abs(down) >= abs(right):
                i = round(i)
                low, part = math.floor(j), j - math.floor(j)
                cells = [(i, low), (i, min(low + 1, height.shape[1] - 1))]
            else:
                j = round(j)
                low, part = math.floor(i), i - math.floor(i)
                cells = [(low, j), (min(low + 1, height.shape[0] - 1), j)]
            if not all(0 <= r < height.shape[0] and 0 <= c < height.shape[1] for r, c in cells):
                break
            one, other = (float(height[cell]) for cell in cells)
            out[row, col] |= one + part * (other - one) > line
    return out


@pytest.mark.parametrize("azimuth", [0.0, 37.0, 135.0, 180.0, 251.0, 300.0])
def test_a_shadow_is_where_a_line_to_the_sun_meets_the_ground(azimuth: float) -> None:
    height = hills(2, (60, 66))
    sun = Sun(azimuth, 22.0)
    found = shadow(height, PIXEL, sun, whole(height.shape), 25)
    expected = slow_shadow(height, sun, 25)
    assert 0.02 < expected.mean() < 0.8
    # On lines that graze the ground the last bit decides.
    assert (found != expected).sum() <= 2


def test_a_wall_throws_a_shadow_of_its_height_over_the_tangent_away_from_the_sun() -> None:
    height = np.zeros((60, 60), np.float32)
    height[:, 40] = 100
    found = shadow(height, PIXEL, Sun(90.0, 45.0), whole(height.shape), 30)
    assert found[30, 30:40].all()
    assert not found[30, :30].any()
    assert not found[30, 40:].any()
    near = shadow(height, PIXEL, Sun(90.0, 45.0), whole(height.shape), 4)
    assert near[30, 36:40].all()
    assert not near[30, :36].any()


def test_a_cell_on_a_spur_lies_above_its_surroundings() -> None:
    row, _ = np.mgrid[-20:21, -20:21]
    ridge = (100 - 5 * np.abs(row)).astype(np.float32)
    found = position(ridge, 11, whole(ridge.shape))
    assert found.above[20, 20] == pytest.approx(5 * 30 / 11, abs=0.01)
    assert found.above[10, 20] == pytest.approx(0, abs=1e-4)
    assert found.relief[10, 20] == pytest.approx(5 * np.arange(11).std(), abs=0.01)


def test_smoothing_takes_the_mean_of_the_known_heights() -> None:
    height = plane(0.4, 0.2)
    assert np.allclose(smooth(height, 3)[1:-1, 1:-1], height[1:-1, 1:-1], atol=1 / 16)
    height[4, 4] = np.nan
    assert np.isnan(smooth(height, 3)[4, 4])
    assert np.isfinite(smooth(height, 3)[4, 5])


def test_where_there_is_no_height_nothing_is_known_and_its_neighbours_are() -> None:
    height = plane(0.5, 0.0)
    height[4, 5] = np.nan
    area = whole(height.shape)
    for layer in (
        *slope(height, PIXEL, area),
        *curvature(height, PIXEL, area),
        *position(height, 3, area),
        incidence(height, PIXEL, SUN, area),
    ):
        assert np.isnan(layer).sum() == 1
        assert np.isnan(layer[4, 5])
    assert not shadow(np.full((5, 5), np.nan, np.float32), PIXEL, SUN, whole((5, 5)), 3).any()


@pytest.mark.parametrize("side", [256, 500])
def test_tiles_give_the_bits_of_the_whole(side: int) -> None:
    height = hills(3, (520, 530))
    reach = 40
    layers: list[tuple[int, Callable[[NDArray[np.float32], Window], object]]] = [
        (HALO, lambda part, core: slope(part, PIXEL, core)),
        (HALO, lambda part, core: curvature(part, PIXEL, core)),
        (HALO, lambda part, core: incidence(part, PIXEL, SUN, core)),
        (20, lambda part, core: position(part, 41, core)),
        (2 + HALO, lambda part, core: curvature(smooth(part, 5), PIXEL, core)),
        (reach + 1, lambda part, core: shadow(part, PIXEL, Sun(251.0, 20.0), core, reach)),
        (reach + 1, lambda part, core: shadow(part, PIXEL, Sun(10.0, 20.0), core, reach)),
    ]
    for halo, layer in layers:
        full = np.asarray(layer(height, whole(height.shape)))
        for tile in tiles(height.shape, side, halo):
            found = np.asarray(layer(height[tile.padded.slices], tile.core.inside(tile.padded)))
            assert np.array_equal(found, full[..., *tile.core.slices], equal_nan=True)


def test_the_reach_of_shadows_is_a_kilometre_and_bounded_in_cells() -> None:
    assert [shadow_reach(size) for size in (30.0, 10.0, 0.5)] == [34, 100, 100]
