"""Fills the holes of a surface from the heights around them.

From a hole one looks in sixteen directions for the first height that is known and takes their mean,
weighted by the inverse square of the distance (Shepard 1968, https://doi.org/10.1145/800186.810616).
What a steep and empty step divides from the lowest of them takes no part: beside a house lies what
the house hides, which is ground and no ramp up to the eaves.
"""

import math

import numpy as np
from numpy.typing import NDArray

from core.geometry.rpc import Floats
from core.kernel import kernel
from core.tiling import Window, whole

Heights = NDArray[np.float32]
Integers = NDArray[np.int64]

REACH = 128
"""Cells within which heights are looked for, and so the cells around a window that it depends on:
holes are filled up to twice as wide."""

STEEPEST = 1.5
"""Metres per metre (56 degrees) across a hole from which on the higher side is a wall.  What an
image of 30 degrees of incidence does not see behind a house is steeper."""

GAP = 0.4
"""Part of the range of the heights found that such a step has at least: heights around a hole in a
slope follow one another, those of ground and roofs do not."""

DIRECTIONS = 16


def filled(
    height: Heights, cell_m: float, core: Window | None = None, reach: int = REACH
) -> Heights:
    """A surface without the holes that are surrounded by known heights.

    Parameters
    ----------
    height
        (rows, cols), metres; NaN in holes.
    cell_m
        Side of a cell, metres.
    core
        The cells that are wanted, counted from the first of `height`; all by default.
    reach
        Cells within which heights are looked for.

    Returns
    -------
    Heights
        Of the shape of `core`.  A hole stays where nothing is known within a half turn around: at
        the border of the surface, and in the middle of what is too wide.
    """
    core = whole(height.shape) if core is None else core
    result = height[core.slices].copy()
    turns = 2 * np.pi * np.arange(DIRECTIONS) / DIRECTIONS
    steps = np.stack([np.sin(turns), np.cos(turns)], axis=-1)
    # A step leads to the next row or the next column, so that none is left out.
    steps /= np.abs(steps).max(axis=1, keepdims=True)
    _fill(height, steps, core.row, core.col, cell_m, reach, result)
    return result


@kernel
def _found(height: Heights, steps: Floats, row: int, col: int, reach: int, places: Floats) -> int:
    """First known cell in each direction: its height, row and column; how many there are.

    Their rows and columns are counted from the hole; where there is none the height is NaN.
    """
    count = 0
    for k in range(steps.shape[0]):
        down, right = steps[k, 0], steps[k, 1]
        places[k, 0] = np.nan
        for n in range(1, int(reach / math.sqrt(down * down + right * right)) + 1):
            i, j = row + round(n * down), col + round(n * right)
            if i < 0 or j < 0 or i >= height.shape[0] or j >= height.shape[1]:
                break
            if not np.isnan(height[i, j]):
                places[k, 0], places[k, 1], places[k, 2] = height[i, j], i - row, j - col
                count += 1
                break
    return count


@kernel
def _surrounded(places: Floats) -> bool:
    """Whether there is no half turn in which nothing was found."""
    count, gap = places.shape[0], 0
    for k in range(2 * count):
        gap = gap + 1 if np.isnan(places[k % count, 0]) else 0
        if gap >= count // 2:
            return False
    return True


@kernel
def _apart(places: Floats, order: Integers, below: int, count: int) -> float:
    """Cells between the lower and the higher of the places, where they come closest."""
    least = np.inf
    for a in range(below):
        for b in range(below, count):
            down = places[order[a], 1] - places[order[b], 1]
            right = places[order[a], 2] - places[order[b], 2]
            least = min(least, down * down + right * right)
    return math.sqrt(least)


@kernel
def _below_walls(places: Floats, order: Integers, count: int, cell: float) -> int:
    """How many of the lowest places are left when what stands beyond a wall is taken away."""
    while True:
        reach = places[order[count - 1], 0] - places[order[0], 0]
        left = count
        for k in range(1, count):
            step = places[order[k], 0] - places[order[k - 1], 0]
            if step > GAP * reach and step > STEEPEST * cell * _apart(places, order, k, count):
                left = k
                break
        if left == count:
            return count
        count = left


@kernel
def _mean(places: Floats, order: Integers, cell: float) -> float:
    """Mean height of the places that no wall divides from the lowest."""
    count = 0
    for k in range(places.shape[0]):
        if np.isnan(places[k, 0]):
            continue
        n = count
        while n > 0 and places[order[n - 1], 0] > places[k, 0]:
            order[n] = order[n - 1]
            n -= 1
        order[n] = k
        count += 1
    total, weights = 0.0, 0.0
    for n in range(_below_walls(places, order, count, cell)):
        place = places[order[n]]
        weight = 1.0 / (place[1] * place[1] + place[2] * place[2])
        total += weight * place[0]
        weights += weight
    return total / weights


@kernel
def _fill(
    height: Heights,
    steps: Floats,
    top: int,
    left: int,
    cell: float,
    reach: int,
    out: Heights,
) -> None:
    places, order = np.empty((steps.shape[0], 3)), np.empty(steps.shape[0], np.int64)
    for i in range(out.shape[0]):
        for j in range(out.shape[1]):
            if not np.isnan(out[i, j]):
                continue
            found = _found(height, steps, top + i, left + j, reach, places)
            if found > 0 and _surrounded(places):
                out[i, j] = _mean(places, order, cell)
