"""What covers the ground: forest, grass, fields, clearings, rivers and their bars, rock."""

from enum import IntEnum
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from core.simulate.landslides.bodies import FINE
from core.simulate.landslides.clearings import Age, clearings
from core.simulate.landslides.fields import Generator, Layer, enlarged, fractal, smooth
from core.simulate.landslides.parcels import Parcels, parcels
from core.simulate.landslides.style import Style
from core.simulate.landslides.terrain import MARGIN, Terrain
from core.simulate.landslides.ways import slope_deg

Classes = NDArray[np.uint8]

FIELD_DEG = 13.0
"""Slope on which about half of the open ground is ploughed."""
BELT_M2, BELT_PX = 1.5e6, 0.4
"""Ground that drains through the smallest river that is seen; half the width of its belt."""


class Kind(IntEnum):
    """What covers a fine cell."""

    FOREST = 0
    GRASS = 1
    FIELD = 2
    ROCK = 3
    GRAVEL = 4
    WATER = 5
    FRESH_CLEARING = 6
    OLD_CLEARING = 7


class Cover(NamedTuple):
    """The cover of a scene's fine cells at both dates.

    Parameters
    ----------
    before, after
        `Kind` of each cell.
    parcels
        The fields' crops.
    """

    before: Classes
    after: Classes
    parcels: Parcels


def cover(ground: Terrain, style: Style, generator: Generator) -> Cover:
    """What covers the ground of an event."""
    size = ground.height.shape[0] - 2 * MARGIN
    shape = (FINE * size, FINE * size)
    kind = _grown(ground, style, size, generator)
    fields = parcels(kind == Kind.FIELD, style, generator)
    cleared = clearings(shape, _slopes(ground, size), generator)
    forest = kind == Kind.FOREST
    before, after = kind.copy(), kind
    before[forest & (cleared == Age.OLD)] = after[forest & (cleared == Age.OLD)] = Kind.OLD_CLEARING
    after[forest & (cleared == Age.FRESH)] = Kind.FRESH_CLEARING
    for layer, water in zip((before, after), _rivers(ground, size, generator), strict=True):
        np.copyto(layer, water, where=water > 0)
    return Cover(before, after, fields)


def _slopes(ground: Terrain, size: int) -> Layer:
    return slope_deg(ground)[MARGIN : MARGIN + size, MARGIN : MARGIN + size]


def finer(layer: Layer, size: int) -> Layer:
    """A layer of the ground with its margin, in the fine cells of the scene."""
    first = 0.5 / FINE + MARGIN - 0.5
    return enlarged(layer, FINE, first, first, (FINE * size, FINE * size))


def _grown(ground: Terrain, style: Style, size: int, generator: Generator) -> Classes:
    """Forest, grass, fields and rock, by slope, height and chance."""
    shape = (size, size)
    inner = (slice(MARGIN, MARGIN + size),) * 2
    slope = ndimage.gaussian_filter(slope_deg(ground), 1.5)[inner]
    height = ndimage.gaussian_filter(ground.height, 1.0)[inner]
    wood = 1.2 * fractal(shape, generator, 1.5, 120.0) + 0.09 * (slope - FIELD_DEG - 6)
    ridge = -ndimage.gaussian_laplace(ground.height, 2.0)[inner]
    rock = 0.10 * (slope - 42) + 0.3 * ridge / ridge.std()
    rock += 0.9 * fractal(shape, generator, 1.1, 25.0)
    farm = 0.35 * (FIELD_DEG - slope) + 0.8 * smooth(shape, generator, 60.0)
    high = (height - np.quantile(height, 0.97)) / max(float(height.std()), 1.0)
    open_ground = wood - 2 * np.clip(high, 0, None)
    limit = np.quantile(open_ground[slope > FIELD_DEG], 1 - style.forest)
    kind = np.full((FINE * size, FINE * size), Kind.FOREST, np.uint8)
    for layer, level, kind_there in (
        (-open_ground, -limit, Kind.GRASS),
        (farm, 0.0, Kind.FIELD),
        (rock, max(2.2, float(np.quantile(rock, 0.985))), Kind.ROCK),
    ):
        wide = np.pad(layer.astype(np.float32), MARGIN, mode="edge")
        there = finer(wide, size) > level
        if kind_there == Kind.FIELD:
            there &= kind == Kind.GRASS
        kind[there] = kind_there
    return kind


def _rivers(ground: Terrain, size: int, generator: Generator) -> tuple[Classes, Classes]:
    """`Kind.WATER` and `Kind.GRAVEL` at both dates, 0 elsewhere: threads that moved."""
    river = ground.area >= BELT_M2
    if not river.any():
        nothing = np.zeros((FINE * size, FINE * size), np.uint8)
        return nothing, nothing
    distance, nearest = ndimage.distance_transform_edt(~river, return_indices=True)
    width = np.clip(BELT_PX * np.sqrt(ground.area[tuple(nearest)] / BELT_M2), 0.4, 6.0)
    width = ndimage.gaussian_filter(width, 4.0)
    bed = distance / (width * np.exp(0.4 * smooth(distance.shape, generator, 25.0)))
    bed += 0.02 * np.clip(ground.above, 0, None)
    belt = finer(bed.astype(np.float32), size)
    lasting = smooth(belt.shape, generator, 30.0)
    found = []
    for _ in range(2):
        thread = belt + 0.3 * lasting + 0.35 * smooth(belt.shape, generator, 22.0)
        layer = np.zeros(belt.shape, np.uint8)
        layer[belt < 1] = Kind.GRAVEL
        layer[(belt < 1.1) & (thread < 0.35)] = Kind.WATER
        found.append(layer)
    return found[0], found[1]
