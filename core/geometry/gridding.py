"""Scattered points of a surface on the cells of a grid.

A cell takes points up to the far sides of its neighbours, if one lies no further from its centre
than a cell: errors of neighbouring matches are alike, and fall little with fewer.  Where points lie
on several surfaces (a roof and the ground beside it) it takes those of the one that covers the
centre: the surface with the largest weight, weights falling off with the distance from the centre.
Points are compared after the slope of all points around has been taken off, unless it is a wall's.

Through the surface's points goes a plane, by least squares, and the height is the plane's at the
centre: on a slope a mean would be drawn to where most points lie.
"""

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from core.geometry.rpc import Floats
from core.kernel import kernel

Layer = NDArray[np.float32]
Counts = NDArray[np.uint16]
Places = NDArray[np.int64]

Values = NDArray[np.float32]
"""[point, (row, col, height, sigma, error, score)]; places in cells."""

NEAREST = 1.0
"""Distance from the centre, in cells, of the nearest point at most."""

REACH = 1.5
"""The same for the furthest point that counts."""

WIDTH = 0.9
"""Standard deviation of the weights, in cells."""

SEEDS = 8
"""So many of the nearest points are tried as the middle of a surface."""

STEP_M = 0.05
"""By so much, metres, points of one surface may differ in height where they lie together, ..."""

STEEP = 0.2
"""... more by this for each metre between them, ..."""

NOISE = 0.5
"""... and by this times the standard deviation of their difference.

Narrow limits keep the ramp between a roof and the ground, which matching leaves beside walls, out
of both."""

STEEPEST = 1.2
"""Slope from which on the points around are taken for two surfaces."""

STIFFNESS = 1.0
"""Holds planes to that slope where too few points determine them: the standard deviation of the
points' places, in cells, at which half of another slope is believed."""

FLOOR = 0.05
"""The same for the slope of all points around, squared."""

LEAST_SIGMA_M = 0.05
"""Standard deviation that is taken for smaller ones when points are weighed."""


class Points(NamedTuple):
    """Measured points; all of one length.  Points with NaN in any of them are left out."""

    x: Floats
    """Metres to the east in the grid's reference system."""
    y: Floats
    """Metres to the north."""
    height: Floats
    """Metres."""
    sigma: Floats
    """Standard deviation of the height, metres."""
    error: Floats
    """Intersection error, metres."""
    score: Floats
    """Correlation of the matched windows."""


@dataclass(frozen=True, eq=False)
class Cells:
    """Cells of a grid; layers are (rows, cols)."""

    height: Layer
    """Metres at the cell's centre; NaN where no point is near."""
    sigma: Layer
    """Standard deviation of the points' heights, metres.  It does not fall with their number: their
    errors are alike, because their matching windows overlap."""
    error: Layer
    """Mean intersection error of the points, metres."""
    score: Layer
    """Mean correlation of the points."""
    count: Counts
    """Number of points."""
    side: float
    """Of a cell, metres."""


def gridded(
    points: Points, origin: tuple[float, float], cell: float, shape: tuple[int, int]
) -> Cells:
    """Heights at the centres of cells.

    Parameters
    ----------
    origin
        x of the west edge and y of the north edge, metres.
    cell
        Side of a cell, metres.
    shape
        Rows and columns.  Points outside of them count for the cells that they are near.
    """
    if not cell > 0:
        raise ValueError(f"cells with a side of {cell} m have no points")
    near = _near(points, origin, cell, shape)
    # Rows down and columns right, in cells, counted from the centre of the first.
    row = (origin[1] - points.y[near]) / cell - 0.5
    col = (points.x[near] - origin[0]) / cell - 0.5
    starts, order = _binned(row, col, shape)
    near = near[order]
    values = np.empty((near.size, 6), np.float32)
    values[:, 0], values[:, 1] = row[order], col[order]
    for number, part in enumerate(points[2:], 2):
        values[:, number] = part[near]
    height, sigma, error, score = (np.full(shape, np.nan, np.float32) for _ in range(4))
    count = np.zeros(shape, np.uint16)
    _cells_into(values, starts, cell, height, sigma, error, score, count)
    return Cells(height, sigma, error, score, count, cell)


def _near(
    points: Points, origin: tuple[float, float], cell: float, shape: tuple[int, int]
) -> Places:
    """Numbers of the points that some cell may take."""
    west, north = origin[0] - cell, origin[1] + cell
    east, south = origin[0] + cell * (shape[1] + 1), origin[1] - cell * (shape[0] + 1)
    # Comparisons with NaN are false.
    inside = (points.x > west) & (points.x < east) & (points.y > south) & (points.y < north)
    known = np.isfinite(points.height + points.sigma + points.error + points.score)
    return np.flatnonzero(inside & known)


def _binned(row: Floats, col: Floats, shape: tuple[int, int]) -> tuple[Places, Places]:
    """Where the points of each cell begin, and the order that brings them together.

    Cells are counted row by row, with one more on each side.
    """
    down = np.clip(np.floor(row + 1.5), 0, shape[0] + 1).astype(np.int64)
    right = np.clip(np.floor(col + 1.5), 0, shape[1] + 1).astype(np.int64)
    number = down * (shape[1] + 2) + right
    counts = np.bincount(number, minlength=(shape[0] + 2) * (shape[1] + 2))
    starts = np.concatenate([[0], np.cumsum(counts)])
    return starts, np.argsort(number, kind="stable")


@kernel
def _taken(
    values: Values, starts: Places, width: int, i: int, j: int, taken: Places, away: Floats
) -> int:
    """Fill `taken` with the points near the centre of a cell, the nearest first; their number."""
    count = 0
    reach = REACH * REACH
    for k in range(i, i + 3):
        # The cells beside one another in a row have their points in a row.
        first = starts[k * (width + 2) + j]
        last = starts[k * (width + 2) + j + 3]
        for number in range(first, last):
            down, right = float(values[number, 0]) - i, float(values[number, 1]) - j
            square = down * down + right * right
            if square > reach:
                continue
            place = count
            while place > 0 and away[place - 1] > square:
                away[place], taken[place] = away[place - 1], taken[place - 1]
                place -= 1
            away[place], taken[place] = square, number
            count += 1
    return count


@kernel
def _slopes(yy: float, yx: float, xx: float, yh: float, xh: float) -> tuple[float, float]:
    """Slope down and to the right of the plane that leaves the least squares."""
    determinant = yy * xx - yx * yx
    return (yh * xx - xh * yx) / determinant, (xh * yy - yh * yx) / determinant


@kernel
def _incline(
    values: Values, starts: Places, width: int, i: int, j: int, cell: float
) -> tuple[float, float]:
    """Slope down and to the right, metres per cell, of all points in a cell and its neighbours."""
    count = 0
    base = 0.0
    y, x, h = 0.0, 0.0, 0.0
    yy, yx, xx, yh, xh = 0.0, 0.0, 0.0, 0.0, 0.0
    for k in range(i, i + 3):
        first = starts[k * (width + 2) + j]
        for number in range(first, starts[k * (width + 2) + j + 3]):
            if count == 0:
                base = float(values[number, 2])
            down, right = float(values[number, 0]) - i, float(values[number, 1]) - j
            up = values[number, 2] - base
            count += 1
            y += down
            x += right
            h += up
            yy += down * down
            yx += down * right
            xx += right * right
            yh += down * up
            xh += right * up
    y, x, h = y / count, x / count, h / count
    yy, xx, yx = yy / count - y * y + FLOOR, xx / count - x * x + FLOOR, yx / count - y * x
    yh, xh = yh / count - y * h, xh / count - x * h
    south, east = _slopes(yy, yx, xx, yh, xh)
    if math.hypot(south, east) > STEEPEST * cell:
        return 0.0, 0.0
    return south, east


@kernel
def _weight(square: float, sigma: float) -> float:
    least = max(sigma, LEAST_SIGMA_M)
    return math.exp(-square / (2 * WIDTH * WIDTH)) / (least * least)


@kernel
def _level(
    values: Values,
    taken: Places,
    count: int,
    i: int,
    j: int,
    south: float,
    east: float,
    levels: Floats,
) -> None:
    """Fill `levels` with the heights that points would have at the centre."""
    for n in range(count):
        point = values[taken[n]]
        levels[n] = point[2] - south * (point[0] - i) - east * (point[1] - j)


@kernel
def _of_one_surface(
    values: Values, levels: Floats, taken: Places, one: int, other: int, cell: float
) -> bool:
    first, second = values[taken[one]], values[taken[other]]
    down, right = float(first[0]) - second[0], float(first[1]) - second[1]
    allowed = STEP_M + STEEP * cell * math.sqrt(down * down + right * right)
    allowed += NOISE * math.sqrt(first[3] * first[3] + second[3] * second[3])
    near: bool = abs(levels[one] - levels[other]) <= allowed
    return near


@kernel
def _seed(
    values: Values, levels: Floats, taken: Places, weights: Floats, count: int, cell: float
) -> tuple[int, float]:
    """Which point's surface weighs most, and how much."""
    best, most = 0, 0.0
    for one in range(min(count, SEEDS)):
        total = 0.0
        for other in range(count):
            if _of_one_surface(values, levels, taken, one, other, cell):
                total += weights[other]
        if total > most:
            best, most = one, total
    return best, most


@kernel
def _cells_into(
    values: Values,
    starts: Places,
    cell: float,
    height: Layer,
    sigma: Layer,
    error: Layer,
    score: Layer,
    number: Counts,
) -> None:
    rows, cols = height.shape
    largest = 0
    for i in range(rows):
        for j in range(cols):
            near = 0
            for k in range(i, i + 3):
                near += starts[k * (cols + 2) + j + 3] - starts[k * (cols + 2) + j]
            largest = max(largest, near)
    taken, away = np.empty(largest, np.int64), np.empty(largest)
    weights, levels = np.empty(largest), np.empty(largest)
    stiff = STIFFNESS * STIFFNESS
    for i in range(rows):
        for j in range(cols):
            count = _taken(values, starts, cols, i, j, taken, away)
            if count == 0 or away[0] > NEAREST * NEAREST:
                continue
            for n in range(count):
                weights[n] = _weight(away[n], float(values[taken[n], 3]))
            _level(values, taken, count, i, j, 0.0, 0.0, levels)
            seed, most = _seed(values, levels, taken, weights, count, cell)
            south, east = _incline(values, starts, cols, i, j, cell)
            if south != 0 or east != 0:
                _level(values, taken, count, i, j, south, east, levels)
                other, more = _seed(values, levels, taken, weights, count, cell)
                if more >= most:
                    seed = other
                else:
                    _level(values, taken, count, i, j, 0.0, 0.0, levels)
            total, used = 0.0, 0
            y, x, h, s, e, c = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
            yy, yx, xx, yh, xh = 0.0, 0.0, 0.0, 0.0, 0.0
            for n in range(count):
                if not _of_one_surface(values, levels, taken, seed, n, cell):
                    continue
                point = values[taken[n]]
                w, down, right = weights[n], point[0] - i, point[1] - j
                up = levels[n] - levels[seed]
                used += 1
                total += w
                y += w * down
                x += w * right
                h += w * up
                s += w * point[3] * point[3]
                e += w * point[4]
                c += w * point[5]
                yy += w * down * down
                yx += w * down * right
                xx += w * right * right
                yh += w * down * up
                xh += w * right * up
            y, x, h, s, e, c = y / total, x / total, h / total, s / total, e / total, c / total
            yy, xx = yy / total - y * y + stiff, xx / total - x * x + stiff
            yx, yh, xh = yx / total - y * x, yh / total - y * h, xh / total - x * h
            south, east = _slopes(yy, yx, xx, yh, xh)
            height[i, j] = levels[seed] + h - south * y - east * x
            sigma[i, j] = math.sqrt(s)
            error[i, j], score[i, j] = e, c
            number[i, j] = min(used, 65535)
