import numpy as np
import pytest
from numpy.typing import NDArray

from core.change.windows import contrast, halo, in_steps, local, roughness
from core.tiling import tiles, whole

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
