"""The way that a slide took: from its highest point along the steepest path inside it."""

import heapq
import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from core.kernel import kernel

Flags = NDArray[np.bool_]
Heights = NDArray[np.float64]
Cells = NDArray[np.int64]
"""Places in a window, counted row by row from its first pixel."""


class Routes(NamedTuple):
    """Where each pixel of an object drains to without leaving it, in a window of (rows, cols).

    Attributes
    ----------
    cells
        The object's pixels from the lowest to the highest: each comes after the one it drains to.
    receiver
        For each pixel of the window, flat, where it drains to; itself at the outlet, the object's
        lowest pixel; -1 outside.
    """

    cells: Cells
    receiver: Cells


def routes(inside: Flags, height: Heights) -> Routes:
    """The steepest way from each pixel of an object to its lowest one, inside it.

    Parameters
    ----------
    inside
        The pixels of an object, connected by sides or corners, (rows, cols).
    height
        Metres, known in all of them.  Depressions are filled, flat ground falls to the outlet.
    """
    cells, raised = _flooded(inside, np.asarray(height, np.float64))
    receiver = np.full(inside.size, -1, np.int64)
    _descend(cells, raised, inside, receiver)
    return Routes(cells, receiver)


def path(receiver: Cells, start: int) -> Cells:
    """The pixels from `start` down to the outlet."""
    way = [start]
    while receiver[way[-1]] != way[-1]:
        way.append(int(receiver[way[-1]]))
    return np.array(way, np.int64)


@kernel
def _flooded(inside: Flags, height: Heights) -> tuple[Cells, Heights]:
    """Pixels in the order in which water that rises from the lowest one reaches them, and how high
    it then stands: never level, so that each has a lower neighbour.
    """
    rows, cols = inside.shape
    raised = np.full(rows * cols, np.nan)
    count, outlet = 0, -1
    for cell in range(rows * cols):
        if inside[cell // cols, cell % cols]:
            count += 1
            if (
                outlet < 0
                or height[cell // cols, cell % cols] < height[outlet // cols, outlet % cols]
            ):
                outlet = cell
    order = np.empty(count, np.int64)
    reached = np.zeros(rows * cols, np.bool_)
    front = [(0.0, 0)]
    front.clear()
    if count > 0:
        heapq.heappush(front, (height[outlet // cols, outlet % cols], outlet))
        reached[outlet] = True
    filled = 0
    while len(front) > 0:
        level, cell = heapq.heappop(front)
        raised[cell] = level
        order[filled] = cell
        filled += 1
        row, col = cell // cols, cell % cols
        for i in range(max(row - 1, 0), min(row + 2, rows)):
            for j in range(max(col - 1, 0), min(col + 2, cols)):
                near = i * cols + j
                if inside[i, j] and not reached[near]:
                    reached[near] = True
                    above = max(height[i, j], np.nextafter(level, np.inf))
                    heapq.heappush(front, (above, near))
    return order[:filled], raised


@kernel
def _descend(cells: Cells, raised: Heights, inside: Flags, receiver: Cells) -> None:
    rows, cols = inside.shape
    for number in range(cells.size):
        cell = cells[number]
        row, col = cell // cols, cell % cols
        receiver[cell] = cell
        steepest = 0.0
        for i in range(max(row - 1, 0), min(row + 2, rows)):
            for j in range(max(col - 1, 0), min(col + 2, cols)):
                if not inside[i, j] or np.isnan(raised[i * cols + j]):
                    continue
                drop = raised[cell] - raised[i * cols + j]
                if i != row and j != col:
                    drop /= math.sqrt(2.0)
                if drop > steepest:
                    steepest = drop
                    receiver[cell] = i * cols + j
