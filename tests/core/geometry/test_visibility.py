"""Visibility: shadows of walls whose length is known, a slow twin, and the simulator as judge."""

import math
from functools import cache

import numpy as np
import pytest
from affine import Affine
from hypothesis import given
from hypothesis import strategies as st
from rasterio.rpc import RPC
from scipy import ndimage

from core.geometry.rpc import Rpc
from core.geometry.visibility import Slant, halo, slant, visible
from core.grid import Grid
from core.simulate.stereo.making import CALM, Stereo, make_stereo
from core.simulate.stereo.truth import Truth
from core.tiling import Window, whole

CELL = 0.5


def leaning(rows: float, cols: float) -> Slant:
    """Lines of sight that lead so many metres south and east for each metre up, everywhere."""
    return Slant(np.full((2, 2), rows / CELL), np.full((2, 2), cols / CELL))


def seen(surface: np.ndarray, lines: Slant, tolerance: float = 0.0) -> np.ndarray:
    heights = surface.astype(np.float32)
    return visible(heights, whole(heights.shape), lines, CELL, tolerance)


def our_rpc(rpc: RPC) -> Rpc:
    return Rpc(
        rpc.line_off, rpc.samp_off, rpc.lat_off, rpc.long_off, rpc.height_off,
        rpc.line_scale, rpc.samp_scale, rpc.lat_scale, rpc.long_scale, rpc.height_scale,
        *(tuple(part) for part in (rpc.line_num_coeff, rpc.line_den_coeff,
                                   rpc.samp_num_coeff, rpc.samp_den_coeff)),
    )  # fmt: skip


@pytest.mark.parametrize("incidence_deg", [5.0, 12.0, 30.0, 50.0])
@pytest.mark.parametrize("height", [6.0, 20.0, 61.0])
@pytest.mark.parametrize("towards", [(1, 0), (-1, 0), (0, 1), (0, -1)])
def test_a_wall_hides_its_height_times_the_tangent_of_the_incidence(
    incidence_deg, height, towards
) -> None:
    tangent = math.tan(math.radians(incidence_deg))
    ground = np.zeros((301, 301))
    # The sensor stands behind the wall, seen from the ground in front of it.
    half = np.zeros_like(ground)
    half[150:] = height
    turns = {(1, 0): 0, (0, 1): 1, (-1, 0): 2, (0, -1): 3}[towards]
    scene = np.rot90(half, turns)
    found = seen(scene, leaning(*(tangent * part for part in towards)))
    column = np.rot90(found, -turns)[:, 150]
    assert column[150:].all()
    hidden = int(np.argmin(column[:150][::-1] == 0))
    assert column[: 150 - hidden].all()
    assert abs(hidden * CELL - height * tangent) <= CELL


def test_a_wall_is_seen_over_where_the_sensor_stands_on_its_other_side() -> None:
    step = np.where(np.arange(100) < 50, 0.0, 20.0) * np.ones((40, 1))
    assert not seen(step, leaning(0, 0.3)).all()
    assert seen(step, leaning(0, -0.3)).all()
    assert seen(step, leaning(0, 0)).all()


@pytest.mark.parametrize("azimuth_deg", [17.0, 45.0, 60.0, 161.0, 290.0])
def test_a_tower_throws_a_shadow_of_the_right_area_in_the_right_direction(azimuth_deg) -> None:
    tower = np.zeros((200, 200))
    tower[90:110, 90:110] = 30.0
    a, tangent = math.radians(azimuth_deg), 0.5
    found = seen(tower, leaning(-tangent * math.cos(a), tangent * math.sin(a)))
    hidden = np.argwhere(~found)
    # A square of side s swept along (dx, dy) covers s (|dx| + |dy|) more.
    length = 30.0 * tangent
    area = 10.0 * length * (abs(math.sin(a)) + abs(math.cos(a)))
    # The edges of walls are taken to stand a little farther out.
    assert 0.95 * area < len(hidden) * CELL**2 < 1.3 * area
    middle = hidden.mean(axis=0) - 99.5
    behind = math.degrees(math.atan2(-middle[1], middle[0])) % 360
    assert abs((behind - azimuth_deg + 180) % 360 - 180) < 6


def by_sampling(surface: np.ndarray, lines: Slant, margin: float) -> np.ndarray:
    """The slow twin on gentle ground: many points of each line of sight, above bilinear heights."""
    rows, cols = np.mgrid[: surface.shape[0], : surface.shape[1]].astype(np.float64)
    free = np.ones(surface.shape, np.bool_)
    for up in np.arange(0.01, np.ptp(surface) + 0.02, 0.01):
        # Rounded: a line along the border would be in and out by turns.
        place = (
            np.round(rows + up * lines.rows[0, 0], 9),
            np.round(cols + up * lines.cols[0, 0], 9),
        )
        below = ndimage.map_coordinates(surface, place, order=1, mode="constant", cval=-1e9)
        free &= below <= surface + up + margin
    return free


@given(seed=st.integers(0, 99), rows=st.floats(-1.2, 1.2), cols=st.floats(-1.2, 1.2))
def test_hills_hide_what_a_slow_search_along_the_lines_finds(seed, rows, cols) -> None:
    noise = np.random.default_rng(seed).normal(size=(40, 40))
    hills = ndimage.gaussian_filter(noise, 4.0)
    # As steep as may be without a wall, in any direction.
    hills *= 1.41 * CELL / max(np.abs(np.diff(hills, axis=axis)).max() for axis in (0, 1))
    lines = leaning(rows, cols)
    if np.abs(np.stack(lines)).max() < 0.2:
        return
    found = seen(hills, lines, 0.1)
    # Lines are compared with the surface once per cell, where it is not quite straight between.
    assert not (found & ~by_sampling(hills, lines, 0.35)).any()
    assert not (~found & by_sampling(hills, lines, 0.05)).any()


def test_a_slope_gentler_than_the_line_of_sight_hides_nothing_even_if_a_block_of_cells_would() -> (
    None
):
    incline = 0.9 * CELL * np.arange(80.0) * np.ones((30, 1))
    assert seen(incline, leaning(0, 1 / 1.0)).all()
    assert not seen(incline, leaning(0, 1 / 0.8))[:, :-1].any()


def test_noise_below_the_tolerance_hides_nothing() -> None:
    rough = np.random.default_rng(1).uniform(0, 0.29, (60, 60))
    assert seen(rough, leaning(0.6, 8.0), 0.3).all()
    assert not seen(rough, leaning(0.6, 8.0), 0.0).all()


def test_a_hole_hides_nothing_and_is_not_seen() -> None:
    step = np.where(np.arange(100) < 50, 0.0, 20.0) * np.ones((20, 1))
    lines = leaning(0, 0.4)
    whole_wall = seen(step, lines)
    step[5:10, 40:60] = np.nan
    found = seen(step, lines)
    np.testing.assert_array_equal(found[:5], whole_wall[:5])
    np.testing.assert_array_equal(found[10:], whole_wall[10:])
    assert not found[5:10, 40:60].any()
    # Behind the hole stands more of the roof, which hides what it can.
    assert found[5:10, :40].all()


def test_where_roof_may_be_ground_it_is_seen_only_from_its_own_side() -> None:
    house = np.zeros((60, 60), np.float32)
    house[20:40, 20:40] = 12.0
    lines = leaning(0.0, 0.4)
    plain = seen(house, lines)
    everywhere = np.ones(house.shape, np.bool_)
    careful = visible(house, whole(house.shape), lines, CELL, 0.0, doubtful=everywhere)
    # The sensor stands in the east: the western edge of the roof may be ground behind it.
    lost = plain & ~careful
    assert lost[21:39, 20].all()
    assert not lost[21:39, 21:].any()
    assert not (careful & ~plain).any()
    assert not lost[house == 0].any()
    # Only where there is a doubt.
    southern = np.zeros_like(everywhere)
    southern[30:] = True
    partly = visible(house, whole(house.shape), lines, CELL, 0.0, doubtful=southern)
    np.testing.assert_array_equal(plain & ~partly, lost & southern)


def test_a_window_with_its_halo_is_seen_as_in_the_whole() -> None:
    lot = np.random.default_rng(2)
    town = 40.0 * ndimage.zoom(lot.random((12, 12)), 20, order=0)
    lines = leaning(-0.31, 0.22)
    everything = seen(town, lines)
    core = Window(60, 100, 64, 80)
    around = halo(lines, float(np.ptp(town)))
    wide = core.pad(around) & whole(town.shape)
    part = town[wide.slices].astype(np.float32)
    found = visible(part, core.inside(wide), lines, CELL, 0.0)
    np.testing.assert_array_equal(found, everything[core.slices])
    assert not found.all()
    # Without it something is missed.
    bare = visible(town[core.slices].astype(np.float32), whole(core.shape), lines, CELL, 0.0)
    assert (bare & ~found).any()


def test_lines_of_sight_lead_to_the_sensor_in_the_grid(pushbroom) -> None:
    eye = pushbroom(20.0, 60.0)
    # UTM, 2.5 degrees of longitude from the middle of the zone: the grid is turned by 1.7 degrees.
    grid = Grid((400, 300), Affine(CELL, 0, 702700, 0, -CELL, 4797100), "EPSG:32631")
    lines = slant(eye.rpc(), grid, grid.window, 400.0)
    east, north, up = eye.sight(5.5, 43.3, 400.0)
    turn = math.radians(grid.convergence_deg)
    x = east * math.cos(turn) - north * math.sin(turn)
    y = east * math.sin(turn) + north * math.cos(turn)
    assert abs(grid.convergence_deg) > 1.5
    np.testing.assert_allclose(lines.cols * CELL, x / up, atol=1e-3)
    np.testing.assert_allclose(-lines.rows * CELL, y / up, atol=1e-3)


def test_cells_beyond_the_models_range_are_not_seen(pushbroom) -> None:
    grid = Grid((40, 40), Affine(CELL, 0, 302700, 0, -CELL, 4797100), "EPSG:32631")
    lines = slant(pushbroom(20.0, 60.0).rpc(), grid, grid.window, 400.0)
    assert not lines.known
    assert halo(lines, 100.0) == 1
    assert not seen(np.zeros((40, 40)), lines).any()


@cache
def city(cell: float) -> tuple[Stereo, Truth]:
    stereo = make_stereo("city", "pair", shape=(512, 512), seed=31, disturbances=CALM)
    return stereo, stereo.truth(stereo.grid(cell))


@pytest.mark.parametrize(("cell", "wrong"), [(0.5, 0.012), (1.0, 0.02)])
@pytest.mark.parametrize("number", [0, 1])
def test_in_a_city_what_exact_geometry_hides_is_found(number, cell, wrong) -> None:
    stereo, truth = city(cell)
    lines = slant(
        our_rpc(stereo.views[number].camera.true_rpc),
        truth.grid,
        truth.grid.window,
        float(np.median(truth.height)),
    )
    found = visible(truth.height.astype(np.float32), truth.grid.window, lines, cell)
    judged = truth.inside(8.0)[number]
    hidden, free = judged & ~truth.visible[number], judged & truth.visible[number]
    share = float((hidden & ~found).sum() / hidden.sum())
    falsely = float((free & ~found).sum() / free.sum())
    print(f"{cell} m, view {number}: {share:.4f} of hidden cells, {falsely:.4f} of free ones")  # noqa: T201
    assert hidden.sum() > 500
    assert share > 0.95
    assert falsely < wrong
