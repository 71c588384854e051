"""Compiles the kernels of all services once, so that no job waits for it."""

import numpy as np

from core.change import features, flow
from core.change.inventory.landslides import landslides
from core.change.inventory.measures import Fields
from core.change.inventory.objects import objects
from core.change.inventory.runs import joined, runs_of
from core.change.inventory.splitting import Splitting
from core.change.learning.calibration import Calibration, probability
from core.change.learning.trees import EDGES, LEAF, Link, Trees, binned, packed, raw
from core.change.quantities import constants
from core.change.scene import Date, Drainage, Layers, Sun
from core.change.schema import Choice
from core.change.statistics import statistics
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
from core.matching.arrays import Field, Floats, Layer
from core.matching.dense import match
from core.matching.disparity import finished
from core.matching.filtering import median_of_valid, outliers
from core.matching.options import Matching
from core.matching.semiglobal import consistent
from core.matching.semiglobal import match as match_rows
from core.matching.tiepoints import TieImage, tie_points
from core.roles import Role
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
    _warm_change(values)
    _warm_learning(values)


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


def _warm_change(values: Floats) -> None:
    """A hillside of noise: its features, its drainage, and what is bright on it as landslides."""
    numbers = (2000 + 200 * values).astype(np.uint16)
    bands = dict.fromkeys((Role.BLUE, Role.GREEN, Role.RED, Role.NIR), numbers)
    known = np.ones(values.shape, np.bool_)
    height = (values - np.arange(SIDE, dtype=np.float32)[:, None]).astype(np.float32)
    codes = flow.directions(flow.filled(height))
    cells = flow.accumulation(codes)
    channel = flow.channels(cells, 1.0, 50.0)
    drainage = Drainage(
        cells.astype(np.float32), flow.above_channels(height, codes, channel).astype(np.float32)
    )
    suns = {Date.AFTER: Sun(160.0, 40.0)}
    layers = Layers(bands, bands, known, height, 10.0, (0, 0), suns, drainage)
    schema = features.schema(layers, Choice())
    whole = Window(0, 0, SIDE, SIDE)
    features.stack(layers, schema, constants(statistics(layers, 1.0)), whole)

    def around(window: Window) -> Fields:
        rows, cols = (
            np.clip(np.arange(first, first + count), 0, SIDE - 1)
            for first, count in zip((window.row, window.col), window.shape, strict=True)
        )
        place = np.ix_(rows, cols)
        return Fields(known[place], ~known[place], height=height[place], channel=channel[place])

    bright = objects(joined([runs_of(values > 0, whole)]), values.shape, hole_px=2)
    list(landslides(bright, around, 10.0, rule=Splitting()))


def _warm_learning(values: Floats) -> None:
    """One tree of two leaves."""
    edges = np.full((1, EDGES), np.inf, np.float32)
    edges[0, 0] = 0.0
    zero = np.zeros(3, np.int64)
    nodes = packed(zero, np.array([0, LEAF, LEAF]), np.array([1, 1, 2]))
    shares = np.array([0.0, 0.2, 0.8])
    tree = Trees(edges, nodes, np.array([0, 3]), shares, 0.0, Link.IDENTITY)
    binned(values[:1].T, edges)
    found = raw(tree, values[None], np.ones(values.shape, np.bool_))
    probability(found, tree.link, Calibration(1.0, 0.0, 0.5), 0.5)
