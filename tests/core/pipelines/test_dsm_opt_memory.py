"""Memory follows what is worked on at a time: not the area, not the number of pairs."""

import tracemalloc
import weakref
from collections.abc import Callable

import numpy as np
import pytest
from scipy import ndimage

from core.grid import Grid
from core.matching.arrays import Layer
from core.pipelines.dsm_opt import tiles
from core.pipelines.dsm_opt.lattice import Level, Method, Search, matched
from core.pipelines.dsm_opt.sighting import Sighting, Stereopair, sighting
from core.simulate.stereo.making import UNBIASED, make_stereo

TRIED = 40
METHOD = Method(rows=96)


def images(rows: int) -> tuple[Layer, Layer]:
    """Two images, of which the right one sees the left one shifted by up to six columns."""
    noise = np.random.default_rng(7).normal(size=(rows, 160))
    texture = 100 * ndimage.gaussian_filter(noise, 1.2)
    row, col = np.indices(texture.shape)
    shifted = ndimage.map_coordinates(
        texture, [row, col + 6 * np.sin(row / 40) * np.cos(col / 30)], mode="mirror"
    )
    weights = np.ones(texture.shape, np.float32)
    return Layer(shifted.astype(np.float32), weights), Layer(texture.astype(np.float32), weights)


def matches(rows: int, method: Method) -> Level:
    flat = Search(np.zeros((rows, 160)), -TRIED // 2, TRIED)
    return matched(images(rows), flat, method)


def traced_peak(work: Callable[[], object]) -> int:
    """Bytes of arrays, beyond those that were there, at the most."""
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_matching_in_strips_finds_what_matching_at_once_does() -> None:
    at_once, strips = matches(500, Method()), matches(500, METHOD)
    assert at_once.kept.mean() > 0.8
    assert (at_once.kept == strips.kept).mean() > 0.999
    both = at_once.kept & strips.kept
    assert (np.abs(at_once.found.left - strips.found.left)[both] < 0.1).mean() > 0.999


def test_memory_of_matching_goes_with_the_rows_of_a_strip() -> None:
    volume = (500 - 96 - 2 * 48) * 160 * TRIED * 3
    peaks = [traced_peak(lambda m=method: matches(500, m)) for method in (Method(), METHOD)]
    assert peaks[0] - peaks[1] > 0.8 * volume


@pytest.fixture(scope="module")
def town(steps, tmp_path_factory):
    stereo = make_stereo("city", "triplet", shape=(200, 200), seed=45, disturbances=UNBIASED)
    return steps.made(stereo, tmp_path_factory.mktemp("town"))


def test_the_points_of_a_pair_go_before_the_next_pair_is_matched(town, monkeypatch) -> None:
    made, alive = [], []

    def watched(pair: Stereopair, part: Grid) -> Sighting | None:
        alive.append(sum(reference() is not None for reference in made))
        one = sighting(pair, part)
        assert one is not None
        made.extend(weakref.ref(values) for values in one.points)
        return one

    monkeypatch.setattr(tiles, "sighting", watched)
    result = tiles.make_tile(town.job, next(town.job.target.tiles()))
    assert np.isfinite(result.layers["height"]).mean() > 0.5
    assert (len(made), alive) == (18, [0, 0, 0])
