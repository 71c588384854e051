import heapq

import numpy as np
import pytest
from numpy.typing import NDArray

from core.change.flow import (
    STEPS,
    above_channels,
    accumulation,
    channels,
    directions,
    enlarged,
    filled,
    thinned,
    thinning,
)
from core.tiling import Window, whole


def terrain(seed: int = 1, shape: tuple[int, int] = (60, 70)) -> NDArray[np.float32]:
    rng = np.random.default_rng(seed)
    height = rng.integers(0, 40, shape).astype(np.float32)
    height[20:30, 30:45] = 7
    height[rng.random(shape) < 0.02] = np.nan
    return height


def slow_filled(height: NDArray[np.float32]) -> NDArray[np.float64]:
    """Lower from infinity until nothing changes (Planchon and Darboux): without the least rises."""
    rows, cols = height.shape
    wide = np.pad(height.astype(float), 1, constant_values=np.nan)
    out = np.where(np.isnan(height), np.nan, np.inf)
    for i in range(rows):
        for j in range(cols):
            if np.isnan(wide[i : i + 3, j : j + 3]).any():
                out[i, j] = height[i, j]
    changed = True
    while changed:
        before = out.copy()
        around = np.pad(out, 1, constant_values=np.inf)
        lowest = np.nanmin(
            [around[1 + r : 1 + r + rows, 1 + c : 1 + c + cols] for r, c in STEPS.values()], axis=0
        )
        out = np.fmin(out, np.maximum(height, lowest))
        out[np.isnan(height)] = np.nan
        changed = not np.array_equal(before, out, equal_nan=True)
    return out


def slow_accumulation(codes: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Walk down from every cell."""
    count = np.zeros(codes.shape)
    for start in np.ndindex(codes.shape):
        at = start
        while True:
            count[at] += 1
            if codes[at] == 0:
                break
            step = STEPS[int(codes[at])]
            at = (at[0] + step[0], at[1] + step[1])
    return count


def test_depressions_are_filled_to_their_lowest_rim() -> None:
    height = terrain()
    found, expected = filled(height), slow_filled(height)
    assert (np.isnan(found) == np.isnan(height)).all()
    assert np.nanmax(np.abs(found - expected)) < 1e-9
    assert np.nanmax(expected - height) > 5


def test_water_runs_off_from_everywhere() -> None:
    height = terrain(2)
    codes = directions(filled(height))
    wide = np.pad(height, 1, constant_values=np.nan)
    for i, j in zip(*np.nonzero(codes == 0), strict=True):
        assert np.isnan(wide[i : i + 3, j : j + 3]).any()
    # Each cell's water leaves, and none runs in a circle.
    assert accumulation(codes)[codes == 0].sum() == height.size


def test_a_bowl_becomes_level_and_a_cone_is_left_alone() -> None:
    row, col = np.mgrid[-20:21, -20:21].astype(float)
    cone = 100 - np.hypot(row, col)
    assert (filled(cone) == cone).all()
    level = filled(-cone)
    inner = np.hypot(row, col) < 19
    assert np.abs(level[inner] - level[0, 20]).max() < 1e-9


def test_a_plane_drains_down_its_slope_in_all_eight_directions() -> None:
    row, col = np.mgrid[:9, :9].astype(float)
    for code, (down, right) in STEPS.items():
        codes = directions(-(down * row + right * col))
        assert (codes[1:-1, 1:-1] == code).all()
    count = accumulation(directions(-col))
    assert (count == np.arange(1, 10)[None, :]).all()


def test_a_valley_gathers_both_its_sides() -> None:
    row, col = np.mgrid[:50, :41].astype(float)
    height = 2 * np.abs(col - 20) + 0.1 * (49 - row)
    codes = directions(filled(height))
    count = accumulation(codes)
    assert (count[:, 20] == 41 * np.arange(1, 51)).all()
    stream = channels(count, 10.0, 10 * 41 * 100.0)
    assert stream.sum() == 41
    assert stream[9:, 20].all()
    above = above_channels(height, codes, stream)
    assert above[30, 10] == pytest.approx(20.0)
    # Above the channel's head, water of the first rows is measured from that head.
    assert above[3, 18] == pytest.approx(4.0 + 0.6)


def test_accumulation_is_what_walking_down_from_every_cell_counts() -> None:
    for seed in range(3):
        codes = directions(filled(terrain(seed)))
        assert (accumulation(codes) == slow_accumulation(codes)).all()


def test_directions_are_those_of_the_steepest_neighbour() -> None:
    height = filled(terrain(3, (30, 30)))
    wide = np.pad(height, 1, constant_values=np.nan)
    for (i, j), code in np.ndenumerate(directions(height)):
        drops = {
            key: (height[i, j] - wide[1 + i + r, 1 + j + c]) / np.hypot(r, c)
            for key, (r, c) in STEPS.items()
        }
        lower = {key: drop for key, drop in drops.items() if drop > 0}
        assert code == (max(lower, key=lower.__getitem__) if lower else 0)


def test_the_order_of_cells_of_one_height_is_that_of_a_plain_queue() -> None:
    height = np.round(terrain(5, (40, 40)) / 10)
    out, reached = height.astype(float), np.isnan(height)
    queue: list[tuple[float, int, int, int]] = []
    came = 0
    wide = np.pad(out, 1, constant_values=np.nan)
    for i, j in np.ndindex(out.shape):
        if not reached[i, j] and np.isnan(wide[i : i + 3, j : j + 3]).any():
            reached[i, j] = True
            heapq.heappush(queue, (out[i, j], came, i, j))
            came += 1
    while queue:
        above, _, row, col = heapq.heappop(queue)
        for i in range(max(row - 1, 0), min(row + 2, 40)):
            for j in range(max(col - 1, 0), min(col + 2, 40)):
                if not reached[i, j]:
                    reached[i, j] = True
                    out[i, j] = max(out[i, j], np.nextafter(above, np.inf))
                    heapq.heappush(queue, (out[i, j], came, i, j))
                    came += 1
    assert np.array_equal(filled(height), out, equal_nan=True)


def test_a_large_terrain_is_thinned_to_means_of_blocks() -> None:
    assert thinning((4000, 4000)) == 1
    assert thinning((4001, 4000)) == 2
    height = np.arange(35.0).reshape(5, 7)
    height[0, 0] = np.nan
    found = thinned(height, 2)
    assert found.shape == (3, 4)
    assert found[0, 0] == pytest.approx((1 + 7 + 8) / 3)
    assert found[2, 3] == 34
    assert np.isnan(thinned(np.full((2, 2), np.nan), 2)).all()


def test_thinning_a_tile_of_whole_blocks_gives_the_blocks_of_the_whole() -> None:
    height = terrain(7, (90, 77))
    part = thinned(height[30:60, 33:66], 3)
    assert np.array_equal(part, thinned(height, 3)[10:20, 11:22], equal_nan=True)


def test_each_pixel_gets_what_its_block_has() -> None:
    blocks = np.arange(12).reshape(3, 4)
    full = enlarged(blocks, 3, whole((8, 11)))
    assert full.shape == (8, 11)
    assert full[0, 0] == 0
    assert full[2, 3] == 1
    assert full[7, 10] == 11
    window = Window(2, 5, 4, 6)
    assert np.array_equal(enlarged(blocks, 3, window), full[window.slices])


def test_a_terrain_without_heights_has_no_paths() -> None:
    nothing = np.full((4, 5), np.nan)
    assert np.isnan(filled(nothing)).all()
    assert (directions(filled(nothing)) == 0).all()
    assert filled(np.zeros((0, 3))).shape == (0, 3)
