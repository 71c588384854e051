import itertools

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from scipy import ndimage

from core.change.inventory.objects import objects
from core.change.inventory.outlines import edge_length, outlines
from core.change.inventory.runs import Runs, complement, components, joined, runs_of
from core.tiling import Window, tiles, whole

EIGHT = np.ones((3, 3))
FOUR = ndimage.generate_binary_structure(2, 1)


def pattern(text):
    return np.array([[c == "#" for c in line] for line in text.split()])


def noise(seed, shape, density=0.5, smooth=0.0):
    values = np.random.default_rng(seed).standard_normal(shape)
    if smooth:
        values = ndimage.gaussian_filter(values, smooth)
    return values > np.quantile(values, 1 - density)


def all_runs(mask, side=None):
    if side is None:
        return joined([runs_of(mask, whole(mask.shape))])
    parts = [runs_of(mask[t.core.slices], t.core) for t in tiles(mask.shape, side)]
    return joined(reversed(parts))


def found(mask, side=None, **options):
    return objects(all_runs(mask, side), mask.shape, **options)


def painted(objects_, shape):
    labels = np.zeros(shape, int)
    for number, (window, mask) in enumerate(objects_, 1):
        view = labels[window.slices]
        assert not view[mask].any()
        view[mask] = number
    return labels


def canonical(labels):
    """Numbered from 1 in the order of first pixels."""
    values, first = np.unique(labels[labels > 0], return_index=True)
    table = np.zeros(labels.max() + 1, int)
    table[values[np.argsort(first)]] = np.arange(1, values.size + 1)
    return table[labels]


masks = arrays.arrays(bool, st.tuples(st.integers(1, 12), st.integers(1, 12)))


@given(masks, st.integers(1, 5))
@settings(deadline=None, max_examples=150)
def test_runs_of_tiles_in_any_order_are_those_of_the_whole(mask, side):
    one, other = all_runs(mask), all_runs(mask, side)
    for name in ("row", "first", "end"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name))
    assert one.pixels == mask.sum()
    np.testing.assert_array_equal(one.mask(whole(mask.shape)), mask)
    rest = complement(one, mask.shape)
    np.testing.assert_array_equal(rest.mask(whole(mask.shape)), ~mask)
    part = Window(1, 2, 5, 4)
    padded = np.pad(mask, 8)
    np.testing.assert_array_equal(one.mask(part), padded[9:14, 10:14])


@given(masks, st.booleans())
@settings(deadline=None, max_examples=150)
def test_components_of_runs_are_those_of_pixels(mask, diagonal):
    runs = all_runs(mask)
    numbers = components(runs, mask.shape[0], diagonal=diagonal)
    labels = np.zeros(mask.shape, int)
    for row, first, end, number in zip(runs.row, runs.first, runs.end, numbers, strict=True):
        labels[row, first:end] = number + 1
    truth, _ = ndimage.label(mask, EIGHT if diagonal else FOUR)
    np.testing.assert_array_equal(labels, canonical(truth))


@pytest.mark.parametrize("smooth", [0.0, 2.0, 8.0])
@pytest.mark.parametrize("diagonal", [True, False])
def test_objects_are_the_same_whatever_the_tiles(smooth, diagonal):
    mask = noise(3, (300, 421), 0.4, smooth)
    options = {"hole_px": 9, "least_px": 5, "diagonal": diagonal}
    truth = painted(found(mask, **options), mask.shape)
    for side in (37, 64, 256):
        np.testing.assert_array_equal(painted(found(mask, side, **options), mask.shape), truth)
    # The obvious way.
    holes, count = ndimage.label(~mask, FOUR if diagonal else EIGHT)
    sizes = np.bincount(holes.ravel(), minlength=count + 1)
    border = set(np.unique(np.concatenate([holes[[0, -1]].ravel(), holes[:, [0, -1]].ravel()])))
    small = [k for k in range(1, count + 1) if sizes[k] <= 9 and k not in border]
    full = mask | np.isin(holes, small)
    labels, _ = ndimage.label(full, EIGHT if diagonal else FOUR)
    large = np.bincount(labels.ravel()) >= 5
    np.testing.assert_array_equal(truth, canonical(np.where(large[labels], labels, 0)))


def test_windows_and_counts_of_objects():
    mask = pattern("..##.... .#.#..#. .###..#. ........ #......#")
    result = found(mask, hole_px=1)
    assert result.pixels.tolist() == [8, 2, 1, 1]
    assert result.windows.tolist() == [[0, 1, 3, 3], [1, 6, 2, 1], [4, 0, 1, 1], [4, 7, 1, 1]]
    windows = [window for window, _ in found(mask, least_px=2)]
    assert windows == [Window(0, 1, 3, 3), Window(1, 6, 2, 1)]


def test_an_object_too_large_for_its_window_is_cut_along_the_lattice():
    mask = noise(4, (90, 110), 0.6, 3.0)
    mask[:, :2] = False
    plain = painted(found(mask), mask.shape)
    sizes = [w[2:].max() for w in found(mask).windows]
    assert max(sizes) > 32 > min(sizes)
    anchor = (1005, 20_011)
    options = {"largest": 32, "anchor": anchor}
    cut = found(mask, 37, **options)
    labels = painted(cut, mask.shape)
    np.testing.assert_array_equal(labels > 0, mask)
    assert cut.windows[:, 2:].max() <= 32
    rows, cols = np.mgrid[: mask.shape[0], : mask.shape[1]]
    blocks = (rows + anchor[0]) // 32 * 10_000 + (cols + anchor[1]) // 32
    expected = np.zeros(mask.shape, int)
    for number, size in enumerate(sizes, 1):
        whole_ = plain == number
        for block in np.unique(blocks[whole_]) if size > 32 else (None,):
            inside = whole_ if block is None else whole_ & (blocks == block)
            parts = ndimage.label(inside, EIGHT)[0]
            expected[inside] = parts[inside] + expected.max()
    np.testing.assert_array_equal(labels, canonical(expected))
    assert 0 < cut.cut.sum() < len(cut)
    assert not found(mask).cut.any()


def test_an_empty_and_a_full_mask():
    empty = found(np.zeros((5, 6), bool), hole_px=4)
    assert (len(empty), list(empty)) == (0, [])
    full = found(np.ones((5, 6), bool), hole_px=4)
    assert full.pixels.tolist() == [30]
    assert joined([]).pixels == 0
    assert isinstance(joined([]), Runs)


def polygons(mask):
    return [
        shapely.Polygon(part.outer[:, ::-1], [hole[:, ::-1] for hole in part.holes])
        for part in outlines(mask)
    ]


def check_outlines(mask):
    shapes = polygons(mask)
    assert all(shape.is_valid for shape in shapes)
    several = shapely.MultiPolygon(shapes)
    assert several.is_valid
    assert several.area == mask.sum()
    assert several.length == edge_length(mask)
    rows, cols = np.mgrid[: mask.shape[0], : mask.shape[1]]
    inside = np.zeros(mask.shape, int)
    for shape in shapes:
        inside += shapely.contains_xy(shape, cols + 0.5, rows + 0.5)
    np.testing.assert_array_equal(inside, mask)
    _, count = ndimage.label(mask, FOUR)
    assert len(shapes) == count
    for part in outlines(mask):
        for ring in (part.outer, *part.holes):
            # Each side is straight, and each corner a turn of a quarter.
            steps = np.sign(np.roll(ring, -1, axis=0) - ring)
            assert (np.abs(steps).sum(axis=1) == 1).all()
            assert (steps * np.roll(steps, 1, axis=0) == 0).all()
            assert len(np.unique(ring, axis=0)) == len(ring)


@given(masks)
@settings(deadline=None, max_examples=300)
def test_outlines_are_exact_and_valid(mask):
    check_outlines(mask)


def test_outlines_of_all_masks_of_three_by_four():
    for bits in itertools.product((False, True), repeat=12):
        check_outlines(np.array(bits).reshape(3, 4))


def test_outlines_that_touch_themselves_become_holes():
    # The two gaps touch at a corner: as one ring they would come to a point twice.
    mask = pattern("####. #..#. #.##. ##.#. .####")
    (shape,) = polygons(mask)
    assert [shapely.Polygon(ring).area for ring in shape.interiors] == [1, 3]
    ring = pattern(".#. #.# .#.")
    assert [shape.area for shape in polygons(ring)] == [1, 1, 1, 1]
    # A gap that is open to the outside at a corner touches the outer ring there.
    (shape,) = polygons(pattern("#### #..# #.## ##.#"))
    assert (shape.area, shape.is_valid, len(shape.interiors)) == (12, True, 1)


def test_a_large_outline_is_exact():
    check_outlines(noise(5, (120, 150), 0.5, 1.0))
