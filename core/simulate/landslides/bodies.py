"""The ground that one slide covers: cells grow from its way until they are as many as wanted."""

import heapq
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage, spatial

from core.kernel import kernel
from core.simulate.landslides.fields import Generator, Layer, enlarged, smooth
from core.simulate.landslides.terrain import MARGIN, PIXEL_M, Terrain
from core.simulate.landslides.ways import Line, heights, run

FINE = 3
"""Fine cells along a side of a pixel."""
CELL_M2 = (PIXEL_M / FINE) ** 2

FARTHEST = 2.6
"""Cells dearer than this belong to no slide (1 lies on the outline that was drawn)."""

PROFILE = np.array(
    [(0.0, 0.45), (0.12, 0.85), (0.25, 1.0), (0.45, 0.8), (0.65, 0.55), (0.85, 0.75), (1.0, 0.5)]
)
"""Width of a slide along its way, over the greatest: scar, track, fan."""
TRACK = 0.6
"""Width in a channel, over that on a slope."""


class Outline(NamedTuple):
    """What a slide is to look like.

    Parameters
    ----------
    way
        Its axis from crown to toe.
    area_m2, width_px
        Its extent, and its greatest width.
    channel
        For each point of the way, whether it follows a channel.
    """

    way: Line
    area_m2: float
    width_px: float
    channel: NDArray[np.bool_]


class Body(NamedTuple):
    """The fine cells of a slide.

    Parameters
    ----------
    row, col
        Place of the box in the fine raster.
    inside
        Its cells, [row, col] in the box.
    along
        Their place along the way, 0 at the crown to 1 at the toe.
    rim
        0 in the middle of the slide to 1 at its edge.
    """

    row: int
    col: int
    inside: NDArray[np.bool_]
    along: Layer
    rim: Layer

    @property
    def window(self) -> tuple[slice, slice]:
        """The box in the fine raster."""
        rows, cols = self.inside.shape
        return slice(self.row, self.row + rows), slice(self.col, self.col + cols)


def body(
    ground: Terrain, outline: Outline, free: NDArray[np.bool_], generator: Generator
) -> Body | None:
    """The cells of a slide, or None where there is no room for it.

    Parameters
    ----------
    free
        Fine cells of the whole scene that it may cover.
    """
    box = _box(outline, free.shape)
    cost, along = _costs(ground, outline, box, generator)
    room = free[box]
    row, col = _cells(outline.way, box)
    if not room[row, col].all():
        return None
    wanted = round(outline.area_m2 / CELL_M2)
    cost[row, col] = 0
    cost[~room] = np.inf
    inside = _grown(cost, row[0], col[0], wanted, FARTHEST)
    if np.count_nonzero(inside) < wanted:
        return None
    inside = ndimage.binary_fill_holes(inside) & room
    deep = ndimage.distance_transform_edt(inside)
    rim = np.clip(1 - (deep - 0.5) / max(1.0, 0.2 * outline.width_px * FINE), 0, 1)
    return Body(box[0].start, box[1].start, inside, along, rim.astype(np.float32))


def _box(outline: Outline, shape: tuple[int, int]) -> tuple[slice, slice]:
    reach = 1.6 * outline.width_px + 2
    low = np.floor((outline.way.min(axis=0) - reach) * FINE).astype(int)
    high = np.ceil((outline.way.max(axis=0) + reach) * FINE).astype(int)
    first = [slice(max(0, a), min(b, side)) for a, b, side in zip(low, high, shape, strict=True)]
    return first[0], first[1]


def _costs(
    ground: Terrain, outline: Outline, box: tuple[slice, slice], generator: Generator
) -> tuple[Layer, Layer]:
    """How far each cell lies outside the slide that was drawn, and its place along the way."""
    rows, cols = (np.arange(part.start, part.stop) for part in box)
    shape = (rows.size, cols.size)
    places = np.stack(np.meshgrid((rows + 0.5) / FINE, (cols + 0.5) / FINE, indexing="ij"), -1)
    distance, nearest = spatial.cKDTree(outline.way).query(places.reshape(-1, 2))
    share = run(outline.way) / max(run(outline.way)[-1], 1e-6)
    width = 0.5 * outline.width_px * np.interp(share, *PROFILE.T)
    width = np.where(outline.channel & (share > 0.3), TRACK * width, width)
    width = np.maximum(ndimage.gaussian_filter1d(width, 3.0, mode="nearest"), 0.25)
    cost = (distance / width[nearest]).reshape(shape)
    along = share[nearest].reshape(shape)
    # What flows stays below the slopes beside its way; what breaks off does not.
    height = enlarged(
        ground.height,
        FINE,
        (rows[0] + 0.5) / FINE + MARGIN - 0.5,
        (cols[0] + 0.5) / FINE + MARGIN - 0.5,
        shape,
    )
    climb = height - heights(ground, outline.way)[nearest].reshape(shape)
    steep = np.clip(climb, 0, None) / (0.25 * PIXEL_M * width[nearest].reshape(shape) + 2.0)
    cost += (0.1 + 0.5 * along) * steep
    rough = min(8.0, max(2.0, outline.width_px * FINE / 4))
    cost += 0.22 * smooth(shape, generator, rough)
    return cost.astype(np.float32), along.astype(np.float32)


def _cells(way: Line, box: tuple[slice, slice]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """The cells of the way in the box, one beside the other."""
    places = np.arange(0, len(way) - 0.9, 0.1)
    points = (np.interp(places, np.arange(len(way)), way[:, axis]) for axis in (0, 1))
    row, col = (np.floor(FINE * axis).astype(np.intp) for axis in points)
    return row - box[0].start, col - box[1].start


@kernel
def _grown(cost: Layer, row: int, col: int, wanted: int, farthest: float) -> NDArray[np.bool_]:
    """The `wanted` cheapest cells that hang together with one, by their sides."""
    rows, cols = cost.shape
    inside = np.zeros((rows, cols), np.bool_)
    reached = np.zeros((rows, cols), np.bool_)
    front = [(np.float32(0), 0, 0)]
    front.clear()
    reached[row, col] = True
    heapq.heappush(front, (cost[row, col], row, col))
    count = 0
    while len(front) > 0 and count < wanted:
        _, row, col = heapq.heappop(front)
        inside[row, col] = True
        count += 1
        for down, right in ((-1, 0), (1, 0), (0, -1), (0, 1)):
            i, j = row + down, col + right
            if 0 <= i < rows and 0 <= j < cols and not reached[i, j]:
                reached[i, j] = True
                if cost[i, j] < farthest:
                    heapq.heappush(front, (cost[i, j], i, j))
    return inside
