import numpy as np
import pytest
from numpy.typing import NDArray

from core.change.windows import GRAIN_STEP, contrast, grain, halo, in_steps, local, roughness
from core.tiling import Window, tiles, whole

SHAPE = (83, 97)
STEP = 0.01


def scene(
    seed: int = 1, shape: tuple[int, int] = SHAPE
) -> tuple[NDArray[np.int32], NDArray[np.bool_]]:
    rng = np.random.default_rng(seed)
    return in_steps(rng.normal(3, 2, shape), STEP), rng.random(shape) < 0.85


def around(array: NDArray[np.generic], i: int, j: int, radius: int) -> NDArray[np.generic]:
    return array[max(i - radius, 0) : i + radius + 1, max(j - radius, 0) : j + radius + 1]


@pytest.mark.parametrize("side", [3, 7, 31])
def test_means_and_deviations_are_those_of_the_pixels_in_the_window(side: int) -> None:
    values, known = scene()
    found = local(values, known, side, STEP, whole(SHAPE))
    for i, j in [(0, 0), (40, 50), (82, 96), (5, 90), (13, 2)]:
        inside = around(values, i, j, side // 2)[around(known, i, j, side // 2)]
        if known[i, j]:
            assert found.mean[i, j] == pytest.approx(STEP * inside.mean(), rel=1e-6)
            assert found.deviation[i, j] == pytest.approx(STEP * inside.std(), rel=1e-5, abs=1e-6)
    assert (found.mean[~known] == 0).all()


def test_roughness_is_the_mean_difference_of_known_neighbours() -> None:
    values, known = scene(2)
    side = 5
    found = roughness(values, known, side, STEP, whole(SHAPE))
    for i, j in [(0, 0), (40, 50), (81, 95), (82, 96), (17, 0)]:
        steps = []
        for r in range(max(i - 2, 0), min(i + 3, SHAPE[0])):
            for c in range(max(j - 2, 0), min(j + 3, SHAPE[1])):
                for down, right in ((0, 1), (1, 0)):
                    there = r + down < SHAPE[0] and c + right < SHAPE[1]
                    if there and known[r, c] and known[r + down, c + right]:
                        steps.append(abs(int(values[r, c]) - int(values[r + down, c + right])))
        if known[i, j]:
            assert found[i, j] == pytest.approx(STEP * np.mean(steps), rel=1e-6)


@pytest.mark.parametrize("side", [256, 500])
def test_tiles_give_the_bits_of_the_whole(side: int) -> None:
    shape = (530, 545)
    values, known = scene(3, shape)
    for window in (7, 15, 31):
        full = local(values, known, window, STEP, whole(shape))
        rough = roughness(values, known, window, STEP, whole(shape))
        for tile in tiles(shape, side, halo([window])):
            part, seen = values[tile.padded.slices], known[tile.padded.slices]
            core = tile.core.inside(tile.padded)
            found = local(part, seen, window, STEP, core)
            assert np.array_equal(found.mean, full.mean[tile.core.slices])
            assert np.array_equal(found.deviation, full.deviation[tile.core.slices])
            assert np.array_equal(
                roughness(part, seen, window, STEP, core), rough[tile.core.slices]
            )


def test_a_level_field_has_no_deviation_contrast_or_roughness_however_bright() -> None:
    values = in_steps(np.full((60, 60), 65535.0), 0.25)
    known = np.ones((60, 60), bool)
    found = local(values, known, 31, 0.25, whole((60, 60)))
    assert (found.deviation == 0).all()
    assert (found.mean == np.float32(65535)).all()
    assert (contrast(values, found, 0.25, whole((60, 60))) == 0).all()
    assert (roughness(values, known, 31, 0.25, whole((60, 60))) == 0).all()


def test_a_bright_pixel_stands_out_by_its_excess() -> None:
    values = np.zeros((21, 21), np.int32)
    values[10, 10] = 490
    known = np.ones((21, 21), bool)
    found = local(values, known, 7, 1.0, whole((21, 21)))
    assert contrast(values, found, 1.0, whole((21, 21)))[10, 10] == 480
    assert contrast(values, found, 1.0, whole((21, 21)))[10, 13] == -10
    assert contrast(values, found, 1.0, whole((21, 21)))[10, 14] == 0


def slope_to(degrees: float, shape: tuple[int, int]) -> list[NDArray[np.int32]]:
    """Rows and columns of a slope that leads so many degrees clockwise from up."""
    angle = np.radians(degrees)
    return [in_steps(np.full(shape, v), GRAIN_STEP) for v in (-np.cos(angle), np.sin(angle))]


@pytest.mark.parametrize("degrees", [0.0, 30.0, 90.0, 135.0, 250.0])
def test_streaks_down_the_slope_are_told_from_steps_across(degrees: float) -> None:
    shape = (60, 64)
    angle = np.radians(degrees)
    row, col = np.indices(shape)
    along = -np.cos(angle) * row + np.sin(angle) * col
    across = np.sin(angle) * row + np.cos(angle) * col
    known, core = np.ones(shape, bool), Window(10, 10, 40, 44)
    streaks, steps = (in_steps(np.sin(v / 2), 1e-4) for v in (across, along))
    slope = slope_to(degrees, shape)
    assert grain(streaks, known, *slope, 15, core).max() < -0.95
    assert grain(steps, known, *slope, 15, core).min() > 0.95
    level = slope_to(0, shape)[1]
    assert (grain(steps, known, level, level, 15, core) == 0).all()


def test_grain_is_the_ratio_of_the_sums_over_the_window_and_the_same_in_tiles() -> None:
    values, known = scene(7)
    rng = np.random.default_rng(8)
    down, right = (rng.integers(-64, 65, SHAPE).astype(np.int32) for _ in range(2))
    full = grain(values, known, down, right, 9, whole(SHAPE))
    for i, j in [(0, 0), (40, 50), (82, 96), (17, 3)]:
        one, other = 0, 0
        for r in range(max(i - 4, 1), min(i + 5, SHAPE[0] - 1)):
            for c in range(max(j - 4, 1), min(j + 5, SHAPE[1] - 1)):
                if known[[r - 1, r + 1, r, r], [c, c, c - 1, c + 1]].all():
                    rise, run = (
                        int(values[r + 1, c]) - int(values[r - 1, c]),
                        int(values[r, c + 1]) - int(values[r, c - 1]),
                    )
                    one += (rise * int(down[r, c]) + run * int(right[r, c])) ** 2
                    other += (run * int(down[r, c]) - rise * int(right[r, c])) ** 2
        if known[i, j]:
            assert full[i, j] == pytest.approx((one - other) / (one + other), abs=1e-6)
    for tile in tiles(SHAPE, 30, halo([9])):
        cut = tile.padded.slices
        core = tile.core.inside(tile.padded)
        part = grain(values[cut], known[cut], down[cut], right[cut], 9, core)
        assert np.array_equal(part, full[tile.core.slices])


def test_extreme_values_do_not_overflow() -> None:
    shape = (120, 120)
    values = in_steps(np.where(np.indices(shape).sum(axis=0) % 2, 1e9, -1e9), 1.0)
    known = np.ones(shape, bool)
    found = local(values, known, 101, 1.0, whole(shape))
    assert found.deviation[60, 60] == pytest.approx(2**18, rel=1e-3)


def test_what_has_no_value_is_nought_steps() -> None:
    assert in_steps(np.array([[np.nan, 0.25, -0.74]]), 0.5).tolist() == [[0, 0, -1]]


@pytest.mark.parametrize("side", [0, 4, 103])
def test_windows_are_odd_and_bounded(side: int) -> None:
    with pytest.raises(ValueError, match="odd and at most"):
        local(*scene(), side, STEP, whole(SHAPE))
