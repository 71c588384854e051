from functools import reduce
from operator import add

import numpy as np
import pytest

from core.change.scene import Date, Layers
from core.change.statistics import Statistics, histogram, sampling, statistics
from core.roles import Role
from core.tiling import tiles, whole

SHAPE = (610, 520)


def layers(seed: int = 1, anchor: tuple[int, int] = (-1234, 777)) -> Layers:
    rng = np.random.default_rng(seed)
    bands = [
        {role: rng.integers(0, 9000, SHAPE).astype(np.uint16) for role in (Role.RED, Role.NIR)}
        for _ in range(2)
    ]
    return Layers(bands[0], bands[1], rng.random(SHAPE) < 0.8, None, 10.0, anchor, {})


def same(one: Statistics, other: Statistics) -> bool:
    return (
        np.array_equal(one.places, other.places)
        and all(np.array_equal(one.sample[key], other.sample[key]) for key in one.sample)
        and all(
            np.array_equal(part.counts, other.numbers[key].counts)
            and part.first == other.numbers[key].first
            for key, part in one.numbers.items()
        )
    )


@pytest.mark.parametrize("side", [256, 500])
def test_tiles_add_up_to_the_whole_in_any_order(side: int) -> None:
    scene = layers()
    full = statistics(scene, 0.25)
    parts = [
        statistics(scene.part(tile.padded), 0.25, tile.core.inside(tile.padded))
        for tile in tiles(SHAPE, side, halo=9)
    ]
    assert same(reduce(add, parts), full)
    assert same(reduce(add, parts[::-1]), full)


def test_the_sample_of_a_crop_is_the_part_of_the_scenes_that_lies_in_it() -> None:
    scene = layers()
    full = statistics(scene, 0.125)
    window = next(iter(tiles(SHAPE, 300))).core.shift(37, 41)
    part = statistics(scene.part(window), 0.125)
    row, col = full.places[0] - scene.anchor[0], full.places[1] - scene.anchor[1]
    inside = (row >= 37) & (row < 337) & (col >= 41) & (col < 341)
    assert (part.places == full.places[:, inside]).all()
    assert (part.sample[Date.AFTER, Role.RED] == full.sample[Date.AFTER, Role.RED][inside]).all()


def test_the_sample_is_of_the_size_asked_for_and_spread_evenly() -> None:
    scene = layers()
    full = statistics(scene, 0.25)
    count = full.places.shape[1]
    expected = 0.25 * scene.known.sum()
    assert abs(count - expected) < 4 * np.sqrt(expected)
    quarters = np.histogram2d(*full.places, bins=4)[0]
    assert np.abs(quarters - count / 16).max() < 5 * np.sqrt(count / 16)


def test_the_sample_knows_its_values() -> None:
    scene = layers()
    full = statistics(scene, 0.01)
    row, col = full.places[0] - scene.anchor[0], full.places[1] - scene.anchor[1]
    assert (
        full.sample[Date.BEFORE, Role.NIR] == scene.bands(Date.BEFORE)[Role.NIR][row, col]
    ).all()
    assert scene.known[row, col].all()
    assert full.pixels == scene.known.sum()


def test_sampling_halves_until_there_are_few_enough() -> None:
    assert sampling(1000, 1000) == 1.0
    assert sampling(1001, 1000) == 0.5
    assert 100_000 < 10**8 * sampling(10**8) <= 200_000


def test_median_deviation_and_quantiles_are_those_of_the_values() -> None:
    values = np.random.default_rng(3).normal(5, 2, 9999)
    found = histogram(values, 0.001)
    assert found.median == pytest.approx(np.median(values), abs=0.001)
    deviation = 1.4826 * np.median(np.abs(values - np.median(values)))
    assert found.deviation == pytest.approx(deviation, abs=0.002)
    assert found.quantile(0.9) == pytest.approx(np.quantile(values, 0.9), abs=0.002)
    whole_numbers = np.random.default_rng(4).integers(-50, 70, 1001)
    assert histogram(whole_numbers).median == np.median(whole_numbers)


def test_stored_numbers_are_counted_like_any_values() -> None:
    values = np.random.default_rng(6).integers(300, 9000, 5000).astype(np.uint16)
    found, expected = histogram(values), histogram(values.astype(np.float64))
    assert found.first == expected.first == values.min()
    assert np.array_equal(found.counts, expected.counts)
    assert histogram(values[:0]).total == 0


def test_histograms_of_parts_add_up_and_outliers_do_not_grow_them() -> None:
    values = np.random.default_rng(5).normal(0, 1, 1000)
    both = histogram(values[:300], 0.01) + histogram(values[300:], 0.01)
    full = histogram(values, 0.01)
    assert both.first == full.first
    assert (both.counts == full.counts).all()
    assert histogram(np.array([1e30, np.nan, -1e30])).counts.size < 3_000_000
    with pytest.raises(ValueError, match="different steps"):
        histogram(values, 0.01) + histogram(values, 0.02)


def test_nothing_has_no_median_and_adds_nothing() -> None:
    nothing = histogram(np.full(4, np.nan))
    assert np.isnan(nothing.median)
    assert np.isnan(nothing.deviation)
    assert (nothing + histogram(np.array([7.0]))).median == 7
    scene = layers()
    dark = Layers(scene.after, scene.before, np.zeros(SHAPE, bool), None, 10.0, (0, 0), {})
    assert statistics(dark, 1.0, whole(SHAPE)).pixels == 0
