import numpy as np
import shapely
from affine import Affine
from scipy import ndimage

from core.change import flow
from core.change.inventory.landslides import landslides
from core.change.inventory.measures import Fields
from core.change.inventory.objects import objects
from core.change.inventory.outlines import placed
from core.change.inventory.runs import joined, runs_of
from core.change.inventory.splitting import Splitting
from core.grid import Grid
from core.tiling import tiles

SHAPE = (260, 300)


def scene(seed=2):
    """Rough ground, and a mask that follows its slopes."""
    generator = np.random.default_rng(seed)
    height = sum(
        400 * ndimage.gaussian_filter(generator.standard_normal(SHAPE), s) * s**1.2
        for s in (3, 9, 27)
    ).astype(np.float32)
    likely = ndimage.gaussian_filter(generator.standard_normal(SHAPE), 2.5)
    likely = (likely - likely.min()) / np.ptp(likely)
    cells = flow.accumulation(flow.directions(flow.filled(height)))
    layers = {
        "known": generator.random(SHAPE) < 0.9995,
        "hidden": generator.random(SHAPE) < 0.001,
        "probability": likely.astype(np.float32),
        "uncertainty": (1 - likely).astype(np.float32),
        "height": height,
        "channel": flow.channels(cells, 10.0, 2e4),
    }
    return likely > np.quantile(likely, 0.85), layers


def reader(layers):
    fills = {"known": False, "hidden": False, "channel": False}
    wide = {
        name: np.pad(layer, 1, constant_values=fills.get(name, np.nan))
        for name, layer in layers.items()
    }
    return lambda window: Fields(**{k: v[window.shift(1, 1).slices] for k, v in wide.items()})


def inventory(mask, layers, side, **options):
    runs = joined(runs_of(mask[t.core.slices], t.core) for t in tiles(mask.shape, side))
    found = objects(runs, mask.shape, hole_px=8, least_px=9)
    return list(landslides(found, reader(layers), 10.0, least_px=9, **options))


def test_landslides_are_equal_in_bits_whatever_the_tiles():
    mask, layers = scene()
    whole = inventory(mask, layers, 1000, rule=Splitting())
    assert max(one.parts for one in whole) > 1
    assert [one.id for one in whole] == list(range(1, len(whole) + 1))
    for side in (64, 101):
        other = inventory(mask, layers, side, rule=Splitting())
        assert len(other) == len(whole)
        for a, b in zip(whole, other, strict=True):
            assert (a.id, a.window, a.parts) == (b.id, b.window, b.parts)
            np.testing.assert_array_equal(a.inside, b.inside)
            assert repr(a.measures) == repr(b.measures)
            for one, two in zip(a.outline, b.outline, strict=True):
                np.testing.assert_array_equal(one.outer, two.outer)


def test_parts_cover_their_objects_and_none_is_too_small():
    mask, layers = scene()
    split = inventory(mask, layers, 100, rule=Splitting())
    plain = inventory(mask, layers, 100)
    assert len(split) > len(plain)
    assert all(one.parts == 1 for one in plain)
    for found in (split, plain):
        covered = np.zeros(SHAPE, int)
        for one in found:
            covered[one.window.slices] += one.inside
        assert covered.max() == 1
        assert all(one.measures.pixels >= 9 for one in found)
    assert sum(o.measures.pixels for o in split) == sum(o.measures.pixels for o in plain)


def test_outlines_on_the_ground_have_the_area_and_the_perimeter_that_are_told():
    mask, layers = scene()
    grid = Grid(SHAPE, Affine(10, 0, 300_000, 0, -10, 5_000_000), "EPSG:32633")
    for one in inventory(mask, layers, 100, rule=Splitting()):
        shape = placed(one.outline, grid)
        assert shape.is_valid
        assert shape.area == one.measures.area_m2
        assert shape.length == one.measures.perimeter_m
        west, south, east, north = shape.bounds
        assert (east - west, north - south) == (10 * one.window.width, 10 * one.window.height)
        x, y = grid.xy(*(np.argwhere(one.inside)[0] + (one.window.row, one.window.col)))
        assert shape.contains(shapely.Point(x, y))


def test_objects_are_not_split_without_a_terrain():
    mask, layers = scene()
    bare = {name: layers[name] for name in ("known", "hidden", "probability")}
    found = inventory(mask, bare, 100, rule=Splitting())
    assert all(one.parts == 1 and np.isnan(one.measures.length_m) for one in found)
    assert all(0 < one.measures.probability < 1 for one in found)
