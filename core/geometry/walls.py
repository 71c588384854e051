"""Where the walls of a surface stand: at the edges that images show at the height of the roof.

Matching compares windows: a roof reaches over the ground beside it, or the ground over the roof, by
up to two cells.  Images know better.  Laid out at the height of the roof all of them show its edge
in one place, and whatever they show of walls and ground in different ones.
"""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from core.geometry.rpc import Flags, Floats
from core.geometry.visibility import WALL
from core.kernel import kernel
from core.tiling import Window

Heights = NDArray[np.float32]
Places = NDArray[np.int64]

LEAST_M = 2.0
"""Metres of height, and ..."""

REACH = 2
"""... the cells within which they make a wall: matching misplaces it by no more."""

AROUND = 3
"""Cells to all sides whose heights say how high roof and ground are."""

UNEVEN = 0.2
"""Mean deviation of those heights from that of roof or ground, in parts of the step, from which on
they are no step: on an even slope it is a quarter, so steep slopes stay what they are."""

APART = 0.3
"""Cells between the middles of roof and ground from which on their direction is known."""

STEP = 0.5
"""Cells between the places that are looked at across a wall."""

STEPS = 7
"""Such places towards the roof, and as many towards the ground."""

ALONG = 2
"""Cells along a wall, to either side, over which its edge is looked for as one."""

BORDER = 4
"""Cells around those that are asked for on which they depend."""

FLAT = 1.0
"""Grey values that are no edge."""

MISPLACED = 1.5
"""Standard deviation of where matching has a wall, cells."""

NEAR = 0.6
"""Cells from an edge within which a cell may lie on its other side."""

CLEAR = 1.7
"""Natural logarithm of an edge's contrast over that around it, from which on there is no doubt.
On simulated cities three quarters of the outermost cells of roofs are in doubt, and nearly all of
those that are ground which an image does not see."""


class Walls(NamedTuple):
    """Cells beside walls, a value for each.

    Parameters
    ----------
    row, col
        Counted from the first cell that was asked for.
    upper, lower
        Heights of roof and ground there, metres.
    down, right
        The direction across the wall, from roof to ground, of length 1.
    edge
        How many cells from the cell's centre in that direction the surface has the roof's edge.
    """

    row: Places
    col: Places
    upper: Floats
    lower: Floats
    down: Floats
    right: Floats
    edge: Floats


class Placed(NamedTuple):
    """A surface whose walls stand where images show them; both (rows, cols).

    Parameters
    ----------
    height
        Metres.
    doubtful
        Cells of roofs that may be ground: the edge is near, or hardly seen.
    """

    height: Heights
    doubtful: Flags


def beside_walls(surface: Heights, core: Window, cell_m: float) -> Walls:
    """The cells of a window that lie beside walls.

    Parameters
    ----------
    surface
        (rows, cols), metres; NaN in holes.
    core
        The cells that are asked for, counted from the first of `surface`, inside it; what lies
        within :data:`BORDER` cells of them counts.
    cell_m
        Side of a cell, metres.
    """
    found = np.empty((core.height * core.width, len(Walls._fields)))
    least = max(LEAST_M, WALL * cell_m)
    count = _beside_walls(surface, core.row, core.col, core.height, core.width, least, found)
    row, col, *values = np.ascontiguousarray(found[:count].T)
    return Walls(row.astype(np.int64), col.astype(np.int64), *values)


def contrast(walls: Walls, values: Heights, row: Floats, col: Floats, per_cell: Floats) -> Floats:
    """How strong an edge an image shows across walls, as natural logarithms.

    Parameters
    ----------
    values
        Pixels, NaN where there are none.
    row, col
        Where the cells' centres are seen in `values` if they are as high as the roof.
    per_cell
        (2, 2): by how much row and column grow from a cell to the one below, and to the right one.

    Returns
    -------
    Floats
        (cells, places across the wall); NaN where the image does not show all of them.
    """
    result = np.empty((walls.row.size, 2 * STEPS + 1))
    _contrast_into(values, row, col, walls.down, walls.right, per_cell, result)
    return result


def placed(height: Heights, walls: Walls, contrasts: Floats) -> Placed:
    """Put walls where their edges are seen.

    Parameters
    ----------
    height
        Of the cells that :func:`beside_walls` was asked for.
    contrasts
        Mean of the images' contrasts; where it is NaN the wall stays.
    """
    place, clear = np.empty(walls.row.size), np.empty(walls.row.size, np.bool_)
    _edges_into(contrasts, walls.edge, place, clear)
    result, doubtful = height.copy(), np.zeros(height.shape, np.bool_)
    cells = walls.row, walls.col
    roof = place > 0
    moved = (height[cells] > (walls.upper + walls.lower) / 2) != roof
    result[cells] = np.where(moved, np.where(roof, walls.upper, walls.lower), height[cells])
    doubtful[cells] = roof & ~(clear & (place > NEAR))
    return Placed(result, doubtful)


@kernel
def _range(surface: Heights, row: int, col: int) -> tuple[float, float]:
    """The lowest and the highest height within reach of a cell."""
    low, high = np.inf, -np.inf
    for i in range(max(row - REACH, 0), min(row + REACH + 1, surface.shape[0])):
        for j in range(max(col - REACH, 0), min(col + REACH + 1, surface.shape[1])):
            if (i - row) ** 2 + (j - col) ** 2 <= (REACH + 0.5) ** 2:
                height = float(surface[i, j])
                # A comparison with NaN is false.
                low = min(low, height)
                high = max(high, height)
    return low, high


@kernel
def _deviation(values: Floats, middle: float) -> float:
    total = 0.0
    for value in values:
        total += abs(value - middle)
    return total


@kernel
def _sides(surface: Heights, row: int, col: int, middle: float, least: float, out: Floats) -> bool:
    """Heights of roof and ground and the direction between them; false if there is no step."""
    above, below = np.empty((2 * AROUND + 1) ** 2), np.empty((2 * AROUND + 1) ** 2)
    roof, ground, down, right = 0, 0, np.zeros(2), np.zeros(2)
    for i in range(max(row - AROUND, 0), min(row + AROUND + 1, surface.shape[0])):
        for j in range(max(col - AROUND, 0), min(col + AROUND + 1, surface.shape[1])):
            height = float(surface[i, j])
            if height > middle:
                above[roof] = height
                roof += 1
                down[0] += i - row
                right[0] += j - col
            elif height <= middle:
                below[ground] = height
                ground += 1
                down[1] += i - row
                right[1] += j - col
    upper, lower = np.median(above[:roof]), np.median(below[:ground])
    away = _deviation(above[:roof], upper) + _deviation(below[:ground], lower)
    y, x = down[1] / ground - down[0] / roof, right[1] / ground - right[0] / roof
    length = math.sqrt(y * y + x * x)
    if (
        upper - lower <= least
        or away > UNEVEN * (upper - lower) * (roof + ground)
        or length < APART
    ):
        return False
    out[0], out[1], out[2], out[3] = upper, lower, y / length, x / length
    return True


@kernel
def _edge_of_surface(
    surface: Heights, row: int, col: int, middle: float, down: float, right: float
) -> float:
    """Where most places inwards are roof and most outwards are not."""
    best, most, agreeing = -STEP * (STEPS + 0.5), 0, 0
    for k in range(-STEPS, STEPS + 1):
        i = min(max(row + round(k * STEP * down), 0), surface.shape[0] - 1)
        j = min(max(col + round(k * STEP * right), 0), surface.shape[1] - 1)
        agreeing += 1 if surface[i, j] > middle else -1
        if agreeing > most:
            best, most = STEP * (k + 0.5), agreeing
    return best


@kernel
def _beside_walls(
    surface: Heights, top: int, left: int, rows: int, cols: int, least: float, out: Floats
) -> int:
    count, sides = 0, np.empty(4)
    for i in range(rows):
        for j in range(cols):
            row, col = top + i, left + j
            low, high = _range(surface, row, col)
            middle = (low + high) / 2
            if np.isnan(surface[row, col]) or not high - low > least:
                continue
            if _sides(surface, row, col, middle, least, sides):
                out[count, 0], out[count, 1] = i, j
                out[count, 2:6] = sides
                out[count, 6] = _edge_of_surface(surface, row, col, middle, sides[2], sides[3])
                count += 1
    return count


@kernel
def _shown(values: Heights, row: float, col: float) -> float:
    """Bilinear between pixels; NaN where one is missing."""
    if not (0 <= row < values.shape[0] - 1 and 0 <= col < values.shape[1] - 1):
        return np.nan
    i, j = int(row), int(col)
    down, right = row - i, col - j
    upper = values[i, j] + right * (values[i, j + 1] - values[i, j])
    lower = values[i + 1, j] + right * (values[i + 1, j + 1] - values[i + 1, j])
    return float(upper + down * (lower - upper))


@kernel
def _contrast_into(
    values: Heights,
    row: Floats,
    col: Floats,
    down: Floats,
    right: Floats,
    per_cell: Floats,
    out: Floats,
) -> None:
    places = out.shape[1]
    line = np.empty(places + 2)
    for n in range(row.size):
        out[n] = 0.0
        for along in range(-ALONG, ALONG + 1):
            for k in range(places + 2):
                across = (k - STEPS - 1) * STEP
                y = across * down[n] - along * right[n]
                x = across * right[n] + along * down[n]
                line[k] = _shown(
                    values,
                    row[n] + per_cell[0, 0] * y + per_cell[0, 1] * x,
                    col[n] + per_cell[1, 0] * y + per_cell[1, 1] * x,
                )
            for k in range(places):
                out[n, k] += abs(line[k + 2] - line[k])
        whole = True
        for k in range(places):
            out[n, k] = math.log(out[n, k] / (2 * ALONG + 1) + FLAT)
            whole = whole and not math.isnan(out[n, k])
        if not whole:
            out[n] = np.nan


@kernel
def _edges_into(contrasts: Floats, edge: Floats, place: Floats, clear: Flags) -> None:
    """Where edges are, by contrast and by the surface, and whether they are clear."""
    weight = np.empty(contrasts.shape[1])
    for n in range(edge.size):
        place[n], clear[n] = edge[n], False
        if math.isnan(contrasts[n, 0]):
            continue
        for k in range(weight.size):
            away = ((k - STEPS) * STEP - edge[n]) / MISPLACED
            weight[k] = contrasts[n, k] - 0.5 * away * away
        best = int(np.argmax(weight))
        place[n] = (best - STEPS) * STEP
        if 0 < best < weight.size - 1:
            before, here, after = weight[best - 1], weight[best], weight[best + 1]
            bend = before - 2 * here + after
            if bend < 0:
                place[n] += 0.5 * STEP * (before - after) / bend
        clear[n] = contrasts[n, best] - contrasts[n].mean() > CLEAR
