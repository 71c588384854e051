"""The filled surface: water stands level at its shore, and no window tells where it was read."""

import pickle
from dataclasses import dataclass

import numpy as np
import pytest
from affine import Affine
from shapely import Point, Polygon, box

from core.grid import Grid
from core.pipelines.dsm_opt.filling import FilledSurface, waters_of
from core.simulate.stereo.making import CALM, make_stereo
from core.tiling import Window, tiles

GRID = Grid((300, 400), Affine(2, 0, 500000, 0, -2, 4800000), "EPSG:32631")


@dataclass
class Heights:
    values: np.ndarray

    def read(self, name: str, window: Window) -> np.ndarray:
        assert name == "height"
        assert window & Window(0, 0, *self.values.shape) == window
        return self.values[window.slices].copy()


def lake() -> tuple[Heights, Polygon]:
    """A round lake at 100 m in rising ground, unmeasured, trees over a third of the shore."""
    lot = np.random.default_rng(0)
    x, y = GRID.centres()
    middle = (500400.0, 4799700.0)
    distance = np.hypot(x - middle[0], y - middle[1])
    height = 100 + 0.1 * np.maximum(distance - 120, 0) + lot.normal(0, 0.2, GRID.shape)
    height[(distance > 120) & (lot.random(GRID.shape) < 0.33)] += 12.0
    height[distance < 120] = np.nan
    return Heights(height.astype(np.float32)), Point(middle).buffer(120)


def test_water_gets_the_height_of_its_shore_and_not_that_of_trees() -> None:
    heights, outline = lake()
    (water,) = waters_of(heights, GRID, [outline])
    assert water.height == pytest.approx(100.1, abs=0.4)
    found = FilledSurface(heights, GRID, (water,)).read(GRID.window)
    x, y = GRID.centres()
    wet = np.hypot(x - 500400, y - 4799700) < 118
    assert set(np.unique(found[wet])) == {np.float32(water.height)}
    dry = np.hypot(x - 500400, y - 4799700) > 122
    np.testing.assert_array_equal(found[dry], heights.values[dry])


def test_what_was_measured_on_water_is_levelled_too() -> None:
    heights, outline = lake()
    heights.values[140:160, 190:210] = 250.0
    waters = waters_of(heights, GRID, [outline])
    assert FilledSurface(heights, GRID, waters).read(GRID.window)[150, 200] == waters[0].height


def test_water_without_a_measured_shore_stays_as_it_is() -> None:
    heights, outline = lake()
    far = box(600000, 4700000, 600100, 4700100)
    nowhere = Heights(np.full(GRID.shape, np.nan, np.float32))
    assert waters_of(heights, GRID, [far]) == ()
    assert waters_of(nowhere, GRID, [outline]) == ()


def test_every_window_of_the_filled_surface_is_that_of_the_whole() -> None:
    heights, outline = lake()
    holes = np.random.default_rng(1).random(GRID.shape) < 0.1
    heights.values[holes] = np.nan
    waters = waters_of(heights, GRID, [outline])
    surface = pickle.loads(pickle.dumps(FilledSurface(heights, GRID, waters)))
    whole = surface.read(GRID.window)
    for tile in tiles(GRID.shape, 130):
        np.testing.assert_array_equal(surface.read(tile.core), whole[tile.core.slices])


def test_the_pond_of_a_simulated_plain_stands_where_it_stands() -> None:
    stereo = make_stereo("plain", "pair", shape=(320, 320), seed=3, disturbances=CALM)
    truth = stereo.truth(stereo.grid(1.0))
    wet = (truth.cover & 1) > 0
    rows, cols = np.nonzero(wet)
    assert rows.size > 100
    centre = truth.grid.xy(rows.mean(), cols.mean())
    outline = Point(centre).buffer(np.sqrt(rows.size / np.pi) * 1.1)
    height = truth.height.astype(np.float32)
    height[wet] = np.nan
    (water,) = waters_of(Heights(height), truth.grid, [outline])
    # The outline is not drawn to the metre, and the shore rises.
    assert water.height == pytest.approx(truth.height[wet].mean(), abs=0.8)
