"""The way that loose ground takes downhill: along the water's, as broadly as the slide is wide."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from core.kernel import kernel
from core.simulate.landslides.drainage import Cells, drainage
from core.simulate.landslides.fields import Layer
from core.simulate.landslides.terrain import MARGIN, PIXEL_M, Terrain

Line = NDArray[np.float64]
"""Points (row, col) in pixels of the scene, (points, 2); the first pixel spans 0 to 1."""

BREADTHS_PX = (0.0, 2.0, 5.0)
"""Deviations of the Gaussians by which ground is smoothed before ways are followed."""
SPACING_PX = 0.5
"""Between the points of a line."""


class Ways(NamedTuple):
    """The way from every cell, on ground smoothed more and more.

    Parameters
    ----------
    receivers
        For each of `BREADTHS_PX` the cell that each cell drains to.
    cols
        Columns of the lattice with its margin.
    """

    receivers: tuple[Cells, ...]
    cols: int


def ways(ground: Terrain) -> Ways:
    """The ways over the ground of a scene."""
    border = np.zeros(ground.height.shape, np.bool_)
    border[[0, -1]] = border[:, [0, -1]] = True
    height = ground.height.astype(np.float64)
    smoothed = (ndimage.gaussian_filter(height, breadth) for breadth in BREADTHS_PX[1:])
    others = (drainage(layer, border).receiver for layer in smoothed)
    return Ways((ground.tree.receiver, *others), height.shape[1])


def line(ways: Ways, start: tuple[int, int], width_px: float, length_px: float) -> Line:
    """The way from a cell (scene's row and column), so long, in points `SPACING_PX` apart.

    It is shorter where it comes to the border of the ground.
    """
    level = int(np.searchsorted(BREADTHS_PX, width_px / 4, side="right")) - 1
    cells = _followed(
        ways.receivers[level],
        (start[0] + MARGIN) * ways.cols + start[1] + MARGIN,
        ways.cols,
        length_px * 1.25 + 8,
    )
    points = np.column_stack(np.divmod(cells, ways.cols)) + 0.5 - MARGIN
    # Steps in eight directions only are no way that ground takes.
    broad = min(2.0 + BREADTHS_PX[level], len(points) / 6)
    points = ndimage.gaussian_filter1d(points, broad, axis=0, mode="nearest")
    return shortened(respaced(points), length_px)


def respaced(points: Line) -> Line:
    """The same line in points `SPACING_PX` apart."""
    along = run(points)
    places = np.arange(0, along[-1] + SPACING_PX / 2, SPACING_PX)
    return np.column_stack([np.interp(places, along, points[:, axis]) for axis in (0, 1)])


def run(points: Line) -> NDArray[np.float64]:
    """Distance along a line of each of its points from the first."""
    steps = np.hypot(*np.diff(points, axis=0).T)
    return np.concatenate([[0.0], np.cumsum(steps)])


def shortened(points: Line, length_px: float) -> Line:
    """The first part of a line of points `SPACING_PX` apart."""
    return points[: round(length_px / SPACING_PX) + 1]


def heights(ground: Terrain, points: Line) -> NDArray[np.float64]:
    """Height of the ground at points, metres."""
    places = points.T + (MARGIN - 0.5)
    found: NDArray[np.float64] = ndimage.map_coordinates(
        ground.height, places, order=1, mode="nearest", output=np.float64
    )
    return found


def at(layer: NDArray[np.floating], points: Line) -> NDArray[np.float64]:
    """A layer of the ground with its margin in the pixels in which points lie."""
    row, col = (np.floor(points.T) + MARGIN).astype(np.intp)
    found: NDArray[np.float64] = layer[row, col].astype(np.float64)
    return found


def slope_deg(ground: Terrain) -> Layer:
    """Steepness of the ground with its margin."""
    down, right = np.gradient(ground.height, PIXEL_M)
    steep: Layer = np.degrees(np.arctan(np.hypot(down, right))).astype(np.float32)
    return steep


@kernel
def _followed(receiver: Cells, start: int, cols: int, length: float) -> Cells:
    way = np.empty(int(length) + 2, np.int64)
    way[0] = start
    count, walked = 1, 0.0
    while walked < length and count < way.size:
        cell = way[count - 1]
        following = receiver[cell]
        if following == cell:
            break
        way[count] = following
        turned = following // cols != cell // cols and following % cols != cell % cols
        walked += np.sqrt(2.0) if turned else 1.0
        count += 1
    return way[:count]
