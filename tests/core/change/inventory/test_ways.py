import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from core.change.inventory.measures import Fields, measures
from core.change.inventory.splitting import Splitting, _parts, split
from core.change.inventory.ways import path, routes
from core.tiling import Window

EIGHT = np.ones((3, 3))
SHAPE = (120, 120)
ROW, COL = np.mgrid[: SHAPE[0], : SHAPE[1]].astype(float)


def plane(slope_deg, aspect_deg, pixel_m=10.0):
    """Ground that falls towards an azimuth, clockwise from up."""
    azimuth = math.radians(aspect_deg)
    down = -ROW * math.cos(azimuth) + COL * math.sin(azimuth)
    return 2000.0 - math.tan(math.radians(slope_deg)) * pixel_m * down


def band(start, azimuth_deg, length, width):
    """Pixels of a rectangle that goes from a point (row, col) so far in a direction."""
    azimuth = math.radians(azimuth_deg)
    row, col = ROW - start[0], COL - start[1]
    along = -row * math.cos(azimuth) + col * math.sin(azimuth)
    across = row * math.sin(azimuth) + col * math.cos(azimuth)
    return (along >= 0) & (along <= length) & (np.abs(across) <= width / 2)


def told(inside, height=None, pixel_m=10.0, **layers):
    rows, cols = np.flatnonzero(inside.any(axis=1)), np.flatnonzero(inside.any(axis=0))
    window = Window(rows[0], cols[0], rows[-1] - rows[0] + 1, cols[-1] - cols[0] + 1)
    wide = window.pad(1).shift(1, 1).slices
    layers = {"known": np.ones(SHAPE, bool), "hidden": np.zeros(SHAPE, bool)} | layers
    fills = {"known": False, "hidden": False, "channel": False}
    if height is not None:
        layers["height"] = height.astype(np.float32)
    cut = {
        name: np.pad(layer, 1, constant_values=fills.get(name, np.nan))[wide]
        for name, layer in layers.items()
    }
    return measures(inside[window.slices], Fields(**cut), window, pixel_m)


def slow_routes(inside, height):
    """Water rises from the lowest pixel; each pixel drains to the steepest lower neighbour."""
    cells = [tuple(cell) for cell in np.argwhere(inside)]
    level = {min(cells, key=lambda c: (height[c], c)): None}
    outlet = next(iter(level))
    level[outlet] = height[outlet]
    done = set()
    while len(done) < len(level):
        cell = min(level.keys() - done, key=lambda c: (level[c], c))
        done.add(cell)
        for near in cells:
            apart = max(abs(near[0] - cell[0]), abs(near[1] - cell[1]))
            if apart == 1 and near not in level:
                level[near] = max(height[near], np.nextafter(level[cell], np.inf))
    receiver = {}
    for cell in cells:
        drops = []
        for near in cells:
            apart = math.dist(cell, near)
            if 0 < apart < 1.5:
                drops.append(((level[cell] - level[near]) / apart, near))
        steepest = max((drop for drop, _ in drops), default=0.0)
        receiver[cell] = (
            next(near for drop, near in drops if drop == steepest) if steepest > 0 else cell
        )
    return receiver


@given(st.integers(0, 10_000), st.booleans())
@settings(deadline=None, max_examples=60)
def test_routes_are_those_of_the_obvious_way(seed, level):
    generator = np.random.default_rng(seed)
    inside, _ = ndimage.label(generator.random((7, 8)) < 0.6, EIGHT)
    inside = inside == 1
    # Whole numbers, so that there are pits and flats.
    height = np.floor(generator.random(inside.shape) * (4 if level else 100))
    receiver = routes(inside, height).receiver.reshape(inside.shape)
    for cell, below in slow_routes(inside, height).items():
        assert divmod(receiver[cell], 8) == below
    assert (receiver[~inside] == -1).all()


@given(st.integers(0, 10_000))
@settings(deadline=None, max_examples=60)
def test_every_way_ends_at_the_lowest_pixel(seed):
    generator = np.random.default_rng(seed)
    likely = ndimage.gaussian_filter(generator.random((40, 40)), 2)
    inside, _ = ndimage.label(likely > np.quantile(likely, 0.6), EIGHT)
    inside = inside == 1
    height = ndimage.gaussian_filter(generator.random((40, 40)), 1)
    found = routes(inside, height)
    lowest = found.cells[0]
    assert height.flat[lowest] == height[inside].min()
    assert sorted(found.cells) == list(np.flatnonzero(inside))
    way = path(found.receiver, int(found.cells[-1]))
    assert way[-1] == lowest
    assert inside.flat[way].all()
    assert np.abs(np.diff(np.column_stack(divmod(way, 40)), axis=0)).max() == 1


@pytest.mark.parametrize("aspect", [0, 30, 45, 90, 157.5, 200, 270, 337])
@pytest.mark.parametrize(("length", "width"), [(12, 4), (40, 8), (60, 25)])
def test_a_straight_slide_on_a_plane_has_the_measures_of_its_rectangle(aspect, length, width):
    start = (60 + 30 * math.cos(math.radians(aspect)), 60 - 30 * math.sin(math.radians(aspect)))
    inside = band(start, aspect, length, width)
    found = told(inside, plane(30, aspect))
    assert found.aspect_deg == pytest.approx(aspect, abs=0.01)
    assert found.slope_deg == pytest.approx(30, abs=0.01)
    assert found.slope_most_deg == pytest.approx(30, abs=0.05)
    drop = 10 * length * math.tan(math.radians(30))
    assert found.drop_m == pytest.approx(drop, abs=2 * 10 * math.tan(math.radians(30)))
    # The lowest and the highest pixel may lie at opposite corners.
    assert found.travel_m <= 10 * math.hypot(length, width) + 15
    assert found.length_m >= found.travel_m * 0.95
    assert found.width_m == pytest.approx(found.area_m2 / found.length_m)


def test_four_of_five_drawn_slides_have_the_length_drop_and_reach_angle_of_their_axes():
    generator = np.random.default_rng(4)
    lengths, drops, reaches = [], [], []
    for _ in range(100):
        aspect, length = generator.uniform(0, 360), generator.uniform(8, 60)
        slope, width = generator.uniform(15, 40), max(3, length / generator.uniform(2, 6))
        start = (60 + length / 2 * math.cos(math.radians(aspect)),
                 60 - length / 2 * math.sin(math.radians(aspect)))  # fmt: skip
        rough = ndimage.gaussian_filter(generator.standard_normal(SHAPE), 2) * 10
        found = told(band(start, aspect, length, width), plane(slope, aspect) + rough)
        drop = 10 * length * math.tan(math.radians(slope))
        lengths.append(abs(found.length_m / 10 - length) <= max(2, 0.15 * length))
        drops.append(abs(found.drop_m - drop) <= max(0.15 * drop, drop / length * 2))
        reaches.append(abs(found.reach_deg - slope) <= 0.15 * slope)
    assert np.mean(lengths) >= 0.8
    assert np.mean(drops) >= 0.9
    assert np.mean(reaches) >= 0.9


def test_a_slide_around_a_bend_is_measured_along_it():
    # A valley that runs down, then turns to the right.
    inside = band((10, 20), 180, 60, 5) | band((70, 18), 90, 60, 5)
    along = np.where(ROW < 70, ROW, 70 + COL - 20)
    off = np.where(ROW < 70, np.abs(COL - 20), np.abs(ROW - 70))
    found = told(inside, 1000 - 4 * along + 3 * off)
    assert found.length_m / 10 == pytest.approx(60 + 58, rel=0.05)
    assert found.travel_m / 10 == pytest.approx(math.hypot(60, 58), rel=0.05)
    drop = 4 * (60 + 58)
    assert found.drop_m == pytest.approx(drop, rel=0.05)
    assert found.reach_deg == pytest.approx(math.degrees(math.atan2(found.drop_m, found.travel_m)))
    assert found.crown[0] == 10
    assert found.toe[1] >= 77


def test_without_heights_there_is_no_way():
    inside = band((60, 60), 90, 20, 5)
    height = plane(30, 90)
    height[60, 65] = np.nan
    for found in (told(inside), told(inside, height)):
        assert (found.crown, found.toe) == (None, None)
        unknown = (found.length_m, found.width_m, found.drop_m, found.travel_m, found.reach_deg)
        assert np.isnan(unknown).all()
    assert np.isnan(told(inside).slope_deg)
    assert told(inside, height).slope_deg == pytest.approx(30, abs=0.6)


def test_a_single_pixel_has_a_length_and_no_reach_angle():
    inside = np.zeros(SHAPE, bool)
    inside[50, 50] = True
    found = told(inside, plane(30, 90))
    assert (found.pixels, found.area_m2, found.perimeter_m) == (1, 100, 40)
    assert (found.length_m, found.width_m, found.drop_m, found.travel_m) == (10, 10, 0, 0)
    assert math.isnan(found.reach_deg)


def test_means_and_flags_are_those_of_the_pixels():
    inside = band((60, 60), 90, 20, 5)
    layer = np.random.default_rng(1).random(SHAPE).astype(np.float32)
    layer[60, 61] = np.nan
    found = told(inside, probability=layer, uncertainty=layer / 2, change=-layer)
    assert found.probability == pytest.approx(np.nanmean(layer[inside]))
    assert found.probability_most == np.nanmax(layer[inside])
    assert found.uncertainty == pytest.approx(np.nanmean(layer[inside]) / 2)
    assert found.change == pytest.approx(-np.nanmean(layer[inside]))
    assert (found.cloud, found.channel, found.edge) == (False, False, False)
    cloud, channel, known = np.zeros(SHAPE, bool), np.zeros(SHAPE, bool), np.ones(SHAPE, bool)
    # Beside it, in it, and two pixels off.
    cloud[63, 70], channel[60, 70], known[64, 70] = True, True, False
    found = told(inside, hidden=cloud, channel=channel, known=known)
    assert (found.cloud, found.channel, found.edge) == (True, True, False)
    known[57, 70] = False
    assert told(inside, known=known).edge
    border = np.zeros(SHAPE, bool)
    border[0, 5:9] = True
    assert told(border).edge
    assert told(border).perimeter_m == 100


def valley(steepness=0.6, fall=0.15):
    """Two slopes that meet in a channel, which runs down along column 60."""
    return 10 * (steepness * np.abs(COL - 60) - fall * ROW) + 1000.0


CHANNEL = (COL == 60) & (ROW > 10)


def slide(generator, side, row):
    """A slide from one side of the valley that ends in the channel."""
    length, width = generator.uniform(12, 35), generator.uniform(4, 9)
    azimuth = -side * (90 + generator.uniform(-25, 25))
    start = (row - math.cos(math.radians(180 - azimuth)) * length, 60 + side * length * 0.95)
    return band(start, azimuth, length + 1, width)


def pieces(mask, height, channel=CHANNEL, rule=None):
    labels = np.zeros(mask.shape, int)
    parts, count = ndimage.label(mask, EIGHT)
    for number in range(1, count + 1):
        found = split(parts == number, height, channel, 10.0, rule)
        labels[found > 0] = found[found > 0] + labels.max()
    return labels


def test_of_fifty_pairs_that_meet_in_a_channel_most_are_split_and_few_single_slides_are():
    generator = np.random.default_rng(7)
    split_pairs = pairs = cut = singles = 0
    while pairs < 50:
        height = valley(generator.uniform(0.4, 0.8), generator.uniform(0.05, 0.25))
        height = height + ndimage.gaussian_filter(generator.standard_normal(SHAPE), 3) * 12
        row = generator.uniform(50, 80)
        one = slide(generator, 1, row)
        other = slide(generator, generator.choice([-1, 1]), row + generator.uniform(-4, 4)) & ~one
        singles += 1
        cut += pieces(one, height).max() > 1
        if ndimage.label(one | other, EIGHT)[1] > 1 or other.sum() < 0.7 * one.sum():
            continue
        if (ndimage.binary_dilation(one, EIGHT) & other).sum() > 12:
            continue
        pairs += 1
        labels = pieces(one | other, height)
        split_pairs += np.bincount(labels[one]).argmax() != np.bincount(labels[other]).argmax()
    assert split_pairs >= 40
    assert cut <= 0.1 * singles


def test_a_slide_that_runs_out_along_a_channel_stays_whole():
    scar = band((20, 85), -105, 26, 8)
    track = band((25, 60), 180, 60, 5)
    labels = pieces(scar | track, valley())
    assert labels.max() == 1
    assert (labels > 0).sum() == (scar | track).sum()


def test_two_slides_on_a_slope_without_a_channel_are_not_split():
    mask = band((20, 50), 160, 40, 6) | band((20, 75), 200, 40, 6)
    height = 1000 - 6 * ROW
    assert pieces(mask, height, np.zeros(SHAPE, bool)).max() == 1
    assert pieces(mask, height + 3 * np.abs(COL - 62), (COL == 62) & (ROW > 10)).max() == 2


def slow_parts(inside, height, near, rule):
    """Sets of pixels that grow from above downwards and meet."""
    groups, slide, count = [], {}, 0
    cells = sorted((tuple(c) for c in np.argwhere(inside)), key=lambda c: (-height[c], c))
    for cell in cells:
        mine = {cell}
        around = [(cell[0] + i, cell[1] + j) for i in (-1, 0, 1) for j in (-1, 0, 1) if i or j]
        there = [near_ for near_ in around if near_ in slide]
        rises = [(height[c] - height[cell]) / math.dist(c, cell) for c in there]
        group = (height[cell], mine)
        counted = 1
        for neighbour in there:
            other = next((g for g in groups if neighbour in g[1]), None)
            if other is None or other[1] is group[1]:
                continue
            groups.remove(other)
            lower, upper = sorted((group, other), key=lambda g: g[0])
            sizes = [sum(g[2:]) if len(g) > 2 else counted for g in (lower, upper)]
            drops = [g[0] - height[cell] for g in (lower, upper)]
            own = (
                near[cell]
                and min(sizes) >= rule.least_px
                and sizes[0] >= rule.area_share * sizes[1]
                and drops[0] > 0
                and drops[0] >= rule.drop_share * drops[1]
            )
            if own:
                count += 1
                for c in lower[1]:
                    if c != cell and slide[c] == 0:
                        slide[c] = count
            total = sizes[1] + (0 if own else sizes[0])
            group = (upper[0], lower[1] | upper[1], total)
            counted = total
        groups.append((group[0], group[1], counted))
        slide[cell] = slide[there[int(np.argmax(rises))]] if rises and max(rises) > 0 else 0
    return slide


@given(st.integers(0, 10_000))
@settings(deadline=None, max_examples=80)
def test_parts_are_those_of_the_obvious_way(seed):
    generator = np.random.default_rng(seed)
    shape = (14, 15)
    inside, _ = ndimage.label(generator.random(shape) < 0.75, EIGHT)
    inside = inside == 1
    # No two pixels are equally high, so that the order in which they meet is plain.
    height = ndimage.gaussian_filter(generator.standard_normal(shape), 1.5)
    near = generator.random(shape) < 0.7
    rule = Splitting(least_px=3, area_share=0.1, drop_share=0.2)
    cells = np.flatnonzero(inside)
    order = cells[np.argsort(-height.flat[cells], kind="stable")]
    found = _parts(order, height, inside, near, (3, 0.1, 0.2))
    for cell, number in slow_parts(inside, height, near, rule).items():
        assert found[cell] == number


def test_small_branches_are_not_split_off():
    mask = band((40, 90), -90, 30, 8) | band((40, 50), 90, 10, 3)
    assert pieces(mask, valley(), rule=Splitting(least_px=8)).max() == 2
    assert pieces(mask, valley(), rule=Splitting(least_px=60)).max() == 1


def test_parts_are_whole_and_numbered_by_their_first_pixels():
    mask = band((40, 90), -90, 30, 6) | band((46, 30), 90, 30, 6)
    found = split(mask, valley(), CHANNEL, 10.0)
    np.testing.assert_array_equal(found > 0, mask)
    firsts = [int(np.flatnonzero(found.ravel() == k)[0]) for k in range(1, found.max() + 1)]
    assert firsts == sorted(firsts)
    assert len(firsts) == 2
    for number in (1, 2):
        assert ndimage.label(found == number, EIGHT)[1] == 1
