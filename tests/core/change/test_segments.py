from collections.abc import Iterator
from functools import cache

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage

from core.change.segments import ROUNDS, Segmentation, Segments, segments
from core.change.superpixels import UNIT, patches
from core.tiling import tiles

ANCHOR = (-4417, 901)


@cache
def image(
    seed: int = 1, shape: tuple[int, int] = (560, 530)
) -> tuple[NDArray[np.int16], NDArray[np.bool_]]:
    rng = np.random.default_rng(seed)
    field = [ndimage.gaussian_filter(rng.normal(size=shape), 4) * 14 for _ in range(3)]
    bright = ndimage.gaussian_filter(rng.normal(size=shape), 6) > 0.06
    field[0] += 4 * bright
    stack = np.stack(field, axis=-1) + rng.normal(0, 0.3, (*shape, 3))
    known = ndimage.gaussian_filter(rng.normal(size=shape), 9) > -0.03
    return np.rint(UNIT * stack).astype(np.int16), known


@cache
def scene(cell: int = 4) -> Segments:
    return segments(*image(), ANCHOR, Segmentation(cell_px=cell))


def named(found: Segments) -> NDArray[np.int64]:
    """The name of the segment of each pixel; -1 where there is none."""
    return np.append(found.ids, -1)[found.labels]


def test_tiles_of_any_size_give_the_segments_of_the_whole_by_name() -> None:
    pixels, known = image()
    options = Segmentation()
    full = named(scene())
    for side in (256, 500):
        for tile in tiles(known.shape, side, options.halo):
            corner = (ANCHOR[0] + tile.padded.row, ANCHOR[1] + tile.padded.col)
            cut = tile.padded.slices
            part = segments(pixels[cut], known[cut], corner, options)
            assert np.array_equal(named(part)[tile.core_in_padded], full[tile.core.slices])


def test_a_crop_by_37_pixels_has_the_same_segments_beyond_its_halo() -> None:
    pixels, known = image()
    options = Segmentation()
    part = segments(pixels[37:, 37:], known[37:, 37:], (ANCHOR[0] + 37, ANCHOR[1] + 37), options)
    same = named(part) == named(scene())[37:, 37:]
    assert same[options.halo :, options.halo :].all()
    # The halo is the worst that can be: nearly all is settled much nearer to the border.
    assert same[60:, 60:].mean() > 0.999


def borders(labels: NDArray[np.int64]) -> Iterator[NDArray[np.float64]]:
    """How often the line before each row, and before each column, is a border of segments."""
    for axis in (0, 1):
        yield (np.diff(labels, axis=axis) != 0).mean(axis=1 - axis)


def test_borders_are_no_more_frequent_on_the_lines_of_tiles_or_cells() -> None:
    for step in (4, 5, 8, 64):
        for often in borders(named(scene())):
            phases = [often[k::step].mean() for k in range(step)]
            spread = often.std() / np.sqrt(len(often[::step]))
            assert max(phases) < 1.1 * often.mean() + 3 * spread


def test_segments_are_joined_and_bounded_and_few_are_small() -> None:
    found, options = scene(), Segmentation()
    for number, box in enumerate(ndimage.find_objects(found.labels + 1)):
        assert ndimage.label(found.labels[box] == number)[1] == 1
        assert max(found.labels[box].shape) <= options.extent
    sizes = np.bincount(found.labels[found.labels >= 0])
    assert sizes[sizes < options.least_px].sum() < 0.01 * sizes.sum()
    assert ((found.labels < 0) == ~image()[1]).all()


def test_a_segment_is_named_by_its_first_pixel() -> None:
    found = scene()
    _, first = np.unique(found.labels[found.labels >= 0], return_index=True)
    row, col = (part[found.labels >= 0][first] for part in np.indices(found.labels.shape))
    assert np.array_equal(found.ids, (row + ANCHOR[0]) * 2**32 + col + ANCHOR[1])


def test_a_larger_scale_makes_fewer_segments_and_a_scale_of_nought_joins_only_the_small() -> None:
    pixels, known = (part[:200, :200] for part in image())
    counts = [
        segments(pixels, known, ANCHOR, Segmentation(scale=scale)).count for scale in (0, 1, 2, 4)
    ]
    assert counts[0] > counts[1] > counts[2] > counts[3]
    alone = segments(pixels, known, ANCHOR, Segmentation(scale=0, colour=1, least_px=1))
    assert alone.count == patches(pixels, known, ANCHOR, 4).max() + 1


def test_a_bright_spot_becomes_segments_of_its_own() -> None:
    rng = np.random.default_rng(5)
    row, col = np.mgrid[:120, :120]
    spot = (np.abs(row - 60) < 4) & (np.abs(col - 55) < 9)
    pixels = np.rint(UNIT * rng.normal(0, 0.3, (120, 120, 2))).astype(np.int16)
    pixels[spot] += 5 * UNIT
    found = segments(pixels, np.ones((120, 120), bool), ANCHOR, Segmentation())
    own = np.unique(found.labels[spot])
    assert spot[np.isin(found.labels, own)].mean() > 0.97
    assert len(own) <= 6


def slow_cost(
    pixels: NDArray[np.int16], one: NDArray[np.bool_], other: NDArray[np.bool_], o: Segmentation
) -> float:
    """The criterion from the pixels of two segments."""

    def terms(of: NDArray[np.bool_]) -> tuple[float, float, float]:
        size = of.sum()
        wide = np.pad(of, 1)
        border = sum(
            (wide[1:-1, 1:-1] & ~np.roll(wide, step, axis)[1:-1, 1:-1]).sum()
            for step in (-1, 1)
            for axis in (0, 1)
        )
        box = sum(np.ptp(place) + 1 for place in np.nonzero(of))
        spread = size * (pixels[of] / UNIT).std(axis=0).mean()
        return spread, np.sqrt(size) * border, size * border / (2 * box)

    both, a, b = terms(one | other), terms(one), terms(other)
    colour, short, plain = (x - y - z for x, y, z in zip(both, a, b, strict=True))
    return o.colour * colour + (1 - o.colour) * (
        o.compactness * short + (1 - o.compactness) * plain
    )


def slow_round(
    pixels: NDArray[np.int16], labels: NDArray[np.int64], o: Segmentation
) -> NDArray[np.int64]:
    """Join each two that are each other's best; labels are first pixels."""
    pairs = {
        tuple(sorted(pair))
        for a, b in ((labels[:, 1:], labels[:, :-1]), (labels[1:], labels[:-1]))
        for pair in zip(a.ravel().tolist(), b.ravel().tolist(), strict=True)
        if pair[0] != pair[1] and min(pair) >= 0
    }
    costs = {}
    for a, b in pairs:
        one, other = labels == a, labels == b
        if max(np.ptp(place) + 1 for place in np.nonzero(one | other)) > o.extent:
            continue
        cost = slow_cost(pixels, one, other, o)
        small = min(one.sum(), other.sum()) < o.least_px
        if small or cost < o.scale**2:
            costs[a, b] = (not small, cost)
    best: dict[int, tuple[int, int]] = {}
    for pair in sorted(costs, key=costs.__getitem__):
        for number in pair:
            best.setdefault(number, pair)
    out = labels.copy()
    for a, b in costs:
        if best[a] == best[b] == (a, b):
            out[labels == b] = a
    return out


def test_rounds_join_what_the_plain_criterion_joins() -> None:
    pixels, known = (part[200:236, 300:340] for part in image())
    options = Segmentation(scale=1.5, compactness=0.3, colour=0.8)
    labels = patches(pixels, known, ANCHOR, options.cell_px).astype(np.int64)
    before = labels.max() + 1
    for _ in range(ROUNDS):
        labels = slow_round(pixels, labels, options)
    found = segments(pixels, known, ANCHOR, options)
    expected = np.unique(labels, return_inverse=True)[1].reshape(labels.shape)
    assert found.count < 0.7 * before
    assert np.array_equal(found.labels, expected - (labels.min() < 0))


def test_touching_segments_are_listed_once_with_the_sides_they_share() -> None:
    found = scene()
    sides: dict[tuple[int, int], int] = {}
    for a, b in (
        (found.labels[:, 1:], found.labels[:, :-1]),
        (found.labels[1:], found.labels[:-1]),
    ):
        for pair in np.sort(np.stack([a.ravel(), b.ravel()]), axis=0).T.tolist():
            if pair[0] != pair[1] and pair[0] >= 0:
                sides[pair[0], pair[1]] = sides.get((pair[0], pair[1]), 0) + 1
    listed = zip(*(part.tolist() for part in found.touching), strict=True)
    assert {(one, other): shared for one, other, shared in listed} == sides
    assert len(found.touching.one) == len(sides)


def test_level_ground_is_joined_everywhere_at_once() -> None:
    pixels, known = np.zeros((200, 200, 2), np.int16), np.ones((200, 200), bool)
    before = patches(pixels, known, ANCHOR, 4).max() + 1
    found = segments(pixels, known, ANCHOR, Segmentation())
    assert found.count < 0.5 * before
    # And not in the order of the rows: upper and lower halves have as many.
    halves = [np.unique(half).size for half in np.split(found.labels, 2)]
    assert abs(halves[0] - halves[1]) < 0.1 * halves[0]


@pytest.mark.parametrize("shape", [(1, 1), (3, 50), (20, 20)])
def test_small_and_empty_images_are_divided_too(shape: tuple[int, int]) -> None:
    pixels = np.zeros((*shape, 1), np.int16)
    found = segments(pixels, np.ones(shape, bool), ANCHOR, Segmentation())
    assert found.labels.min() == 0
    assert found.labels.max() == found.count - 1
    nothing = segments(pixels, np.zeros(shape, bool), ANCHOR, Segmentation())
    assert nothing.count == 0
    assert (nothing.labels == -1).all()
