"""Compiles the kernels of all services once, so that no job waits for it."""

import numpy as np

from core.geometry.epipolar import EpipolarFrame
from core.geometry.filling import filled
from core.geometry.fusion import fused
from core.geometry.gridding import Points, gridded
from core.geometry.rpc import Rpc
from core.geometry.triangulation import intersect
from core.geometry.viewing import common_ground, footprint, line_of_sight
from core.geometry.visibility import Slant, visible
from core.geometry.walls import beside_walls, contrast, placed
from core.io.border import BorderZeros
from core.matching.arrays import Field, Layer
from core.matching.dense import match
from core.matching.disparity import finished
from core.matching.filtering import median_of_valid, outliers
from core.matching.options import Matching
from core.matching.semiglobal import consistent
from core.matching.semiglobal import match as match_rows
from core.matching.tiepoints import TieImage, tie_points
from core.tiling import Window

SIDE = 96
"""Pixels of a scene that reaches every kernel."""


def warm() -> None:
    """Run every kernel on a small scene: numba compiles it and keeps it in its cache folder."""
    values = np.random.default_rng(0).normal(size=(SIDE, SIDE)).astype(np.float32)
    layer = Layer(values, np.ones_like(values))
    found = match(layer, layer, Window(0, 0, SIDE, SIDE), Matching(texture_floor=0.01))
    field = Field(*(np.ascontiguousarray(part) for part in found.field))
    outliers(field, np.isfinite(field.rows), 9, 5.0)
    median_of_valid(field.rows, 2)
    rows = match_rows(layer, layer, -3, 8)
    consistent(rows.left, rows.right)
    finished(layer, layer, rows.left)
    _warm_reading()
    _warm_geometry(layer)


def _warm_reading() -> None:
    zero = np.zeros((SIDE, SIDE), np.bool_)
    margin = BorderZeros(zero.shape)
    margin.feed(zero)
    margin.mask(zero)


def _warm_geometry(layer: Layer) -> None:
    rest = (0.0,) * 16
    one = (1.0, 0.0, 0.0, 0.0, *rest)
    right, down, leaning = ((0.0, *slopes, *rest) for slopes in ((1, 0, 0), (0, -1, 0), (1, 0, 1)))
    scales = (1e3, 1e3, 0.01, 0.01, 500.0)
    first, second = (
        Rpc(0.0, 0.0, 45.0, 5.0, 0.0, *scales, down, one, cols, one) for cols in (right, leaning)
    )
    intersect([first, second], [0.0, 0.0], [0.0, 0.0])
    line_of_sight(first, 5.0, 45.0, 0.0)
    common_ground([footprint(rpc, (SIDE, SIDE), 0.0) for rpc in (first, second)])
    upright = Slant(np.zeros((2, 2)), np.zeros((2, 2)))
    filled(layer.values, 1.0)
    places = np.linspace(0.5, SIDE - 0.5, SIDE)
    cells = gridded(Points(*[places] * 6), (0.0, float(SIDE)), 1.0, (SIDE, SIDE))
    fused([cells, cells])
    whole = Window(0, 0, SIDE, SIDE)
    visible(layer.values, whole, upright, 1.0)
    walls = beside_walls(layer.values, whole, 1.0)
    seen = np.zeros(walls.row.size)
    placed(layer.values, walls, contrast(walls, layer.values, seen, seen, np.eye(2)))
    nothing = np.zeros(layer.values.shape, np.float32)
    EpipolarFrame(first, second, (0.0, 0.0), (0.0, 1.0), nothing.shape).intersect(
        nothing.astype(np.float64), nothing
    )
    tie_points([TieImage(layer, rpc) for rpc in (first, second)], (-10.0, 10.0))
