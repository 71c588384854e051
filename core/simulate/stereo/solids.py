"""Putting terrain and buildings together for the rays: cells and what reaches into them."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from core.simulate.stereo.rays import BOX_COLUMNS, CELL_M, COARSE, Points, Raster, Solid

DRY = -1e4
"""A level of water below any terrain."""


class Box(NamedTuple):
    """A solid with upright walls, in local metres.

    Parameters
    ----------
    x, y
        Centre.
    turn_deg
        Direction of its length, anticlockwise from east; a ridge runs along it.
    length, width, eaves, rise
        Metres; `eaves` is a height above the ellipsoid, `rise` what the ridge adds.
    roof, wall
        Brightness under the sun, DN.
    kind
        One of the kinds below.
    seed
        0 to 1; solids with one seed have the same texture.
    """

    x: float
    y: float
    turn_deg: float
    length: float
    width: float
    eaves: float
    rise: float
    roof: float
    wall: float
    kind: int
    seed: float


PLAIN_ROOF, TILED_ROOF, METAL_ROOF, CAR = range(4)


def rows_of(boxes: list[Box]) -> Points:
    """Solids as the kernels read them."""
    table = np.zeros((len(boxes), BOX_COLUMNS))
    for row, box in zip(table, boxes, strict=True):
        turn = np.radians(box.turn_deg)
        row[:] = (
            *(box.x, box.y, np.cos(turn), np.sin(turn), box.length / 2, box.width / 2),
            *(box.eaves, box.rise, box.roof, box.wall, box.kind, box.seed),
        )
    return table


def assemble(terrain: Raster, spacing: float, level: float, boxes: Points) -> Solid:
    """Terrain, water and solids with the cells that lines of sight need."""
    nodes = round(CELL_M / spacing)
    count = tuple(max((size - 1) // nodes // COARSE * COARSE, COARSE) for size in terrain.shape)
    flooded = np.maximum(terrain, np.float32(level))
    low, high = _extremes(flooded, nodes, count)
    cells = _cells(boxes, count)
    top = high.copy()
    np.maximum.at(top.reshape(-1), cells.cell, cells.ridge.astype(np.float32) + 1e-3)
    order = np.argsort(cells.cell, kind="stable")
    first = np.zeros(top.size + 1, np.int32)
    np.cumsum(np.bincount(cells.cell, minlength=top.size), out=first[1:])
    coarse = top.reshape(count[0] // COARSE, COARSE, count[1] // COARSE, COARSE).max(axis=(1, 3))
    members = cells.member[order].astype(np.int32)
    return Solid(terrain, spacing, level, low, high, top, coarse, first, members, boxes)


def with_more(solid: Solid, boxes: Points) -> Solid:
    """The same ground with solids added behind those that it has."""
    together = np.concatenate([solid.boxes, boxes])
    return assemble(solid.terrain, solid.spacing, solid.level, together)


def _extremes(terrain: Raster, nodes: int, count: tuple[int, ...]) -> tuple[Raster, Raster]:
    """Lowest and highest terrain of each cell, its border included."""
    low = np.full(count, np.inf, np.float32)
    high = np.full(count, -np.inf, np.float32)
    for row in range(nodes + 1):
        for col in range(nodes + 1):
            part = terrain[row::nodes, col::nodes][: count[0], : count[1]]
            np.minimum(low, part, out=low)
            np.maximum(high, part, out=high)
    return low, high


class _Cells(NamedTuple):
    """A row per solid and cell that its bounding box touches."""

    cell: NDArray[np.int64]
    member: NDArray[np.int64]
    ridge: Points


def _cells(boxes: Points, count: tuple[int, ...]) -> _Cells:
    cells: list[NDArray[np.int64]] = [np.empty(0, np.int64)]
    members: list[NDArray[np.int64]] = [np.empty(0, np.int64)]
    for member, box in enumerate(boxes):
        half_x = abs(box[2]) * box[4] + abs(box[3]) * box[5]
        half_y = abs(box[3]) * box[4] + abs(box[2]) * box[5]
        rows = _span(box[1], half_y, count[0])
        cols = _span(box[0], half_x, count[1])
        cells.append((rows[:, None] * count[1] + cols[None, :]).ravel())
        members.append(np.full(cells[-1].size, member))
    of = np.concatenate(members)
    return _Cells(np.concatenate(cells), of, boxes[of, 6] + boxes[of, 7])


def _span(middle: float, half: float, count: int) -> NDArray[np.int64]:
    first, last = (int(np.floor((middle + side * half) / CELL_M)) for side in (-1, 1))
    return np.arange(max(first, 0), min(last, count - 1) + 1)
