"""What the rasters of a surface model hold: the same cells in all of them."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from affine import Affine
from numpy.typing import NDArray

from core.grid import Grid
from core.pipelines.dsm_opt.area import Target
from core.pipelines.dsm_opt.filling import filled_surface
from core.pipelines.dsm_opt.model import PLANES, Model, Surface
from core.pipelines.dsm_opt.products import Layers
from core.reasons import Reason
from core.tiling import tiles

SHAPE = (40, 50)
GRID = Grid(SHAPE, Affine(1, 0, 700_000, 0, -1, 4_800_000), "EPSG:32631")
HOLE = (slice(10, 14), slice(20, 24))
BESIDE = (slice(0, 40), slice(45, 50))
BEYOND = 30


class HalfGeoid:
    """Heights are 50 m less, and known in the west alone."""

    system = "a geoid"

    def above(self, lon: Any, lat: Any, height: NDArray[np.floating]) -> NDArray[np.float64]:
        found = height.astype(np.float64) - 50
        found[:, BEYOND:] = np.nan
        return found


class Ellipsoid:
    system = None


def model(folder: Path, datum: object) -> Model:
    layers = {name: np.ones(SHAPE, dtype) for name, dtype in PLANES.items()}
    layers["height"] *= 300
    layers["reasons"] *= 0
    for part, reason in ((HOLE, Reason.OCCLUDED), (BESIDE, Reason.OUTSIDE)):
        layers["height"][part], layers["reasons"][part] = np.nan, np.uint16(reason)
        layers["pairs"][part] = 0
    surface = Surface.create(folder, SHAPE)
    surface.write(GRID.window, layers)
    target = Target(GRID, 64, None, None, (0.0, 0.0, 0.0, 0.0))
    return Model((), (), target, datum, surface, ())  # type: ignore[arg-type]


@pytest.mark.parametrize("datum", [Ellipsoid(), HalfGeoid()])
def test_a_cell_has_a_height_exactly_where_it_has_no_reason(tmp_path: Path, datum: object) -> None:
    layers = Layers(model(tmp_path, datum), None)
    height, reasons, pairs = (
        layers.read(name, GRID.window) for name in ("dsm", "reasons", "contributing_pairs")
    )
    assert np.array_equal(np.isnan(height), reasons != 0)
    assert np.array_equal(pairs == 0, reasons != 0)
    ends = isinstance(datum, HalfGeoid)
    assert np.isnan(height[:, BEYOND:45]).all() == ends
    assert height[0, 0] == (250 if ends else 300)


def test_what_lies_outside_is_not_filled_and_the_rest_is_marked(tmp_path: Path) -> None:
    made = model(tmp_path, Ellipsoid())
    layers = Layers(made, filled_surface(made.surface, GRID, None))
    filled, reasons = (layers.read(name, GRID.window) for name in ("dsm_filled", "reasons"))
    assert np.isnan(filled[BESIDE]).all()
    assert (reasons[BESIDE] == np.uint16(Reason.OUTSIDE)).all()
    np.testing.assert_allclose(filled[HOLE], 300)
    assert (reasons[HOLE] == np.uint16(Reason.OCCLUDED | Reason.FILLED)).all()
    assert np.isnan(layers.read("dsm", GRID.window)[HOLE]).all()


def test_windows_of_the_relief_fit_together(tmp_path: Path) -> None:
    made = model(tmp_path, Ellipsoid())
    rough = np.random.default_rng(2).normal(300, 2, SHAPE).astype(np.float32)
    made.surface.planes["height"].write(GRID.window, rough)
    layers = Layers(made, None)
    whole = layers.read("hillshade", GRID.window)
    for tile in tiles(SHAPE, 16):
        part = layers.read("hillshade", tile.core)
        assert np.array_equal(part, whole[tile.core.slices])
