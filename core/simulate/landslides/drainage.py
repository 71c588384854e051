"""Where water runs on a surface: every cell drains to a neighbour, all of them to the border.

Barnes, R., Lehman, C., Mulla, D., 2014. Priority-flood: An optimal depression-filling and
watershed-labeling algorithm for digital elevation models. Computers & Geosciences 62, 117-127.
https://doi.org/10.1016/j.cageo.2013.04.024
"""

import heapq
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from core.kernel import kernel

Height = NDArray[np.float64]
Cells = NDArray[np.int64]
"""Numbers of cells, row * columns + column."""

RISE = 1e-4
"""By which filled ground rises from cell to cell away from its outlet, metres."""


class Drainage(NamedTuple):
    """The tree of the water's ways.

    Parameters
    ----------
    receiver
        The cell that each cell drains to; an outlet drains to itself.
    order
        All cells, each after the one that it drains to.
    filled
        Heights with every depression filled to its outlet, [row, col].
    """

    receiver: Cells
    order: Cells
    filled: Height


def drainage(height: Height, outlet: NDArray[np.bool_]) -> Drainage:
    """The ways of the water over `height` to the cells that are `outlet`."""
    return Drainage(*_flooded(height, outlet))


def areas(tree: Drainage, cell_area: float) -> NDArray[np.float64]:
    """Ground that drains through each cell, [row, col], in the unit of `cell_area`."""
    return _gathered(tree.receiver, tree.order, cell_area).reshape(tree.filled.shape)


@kernel
def _flooded(height: Height, outlet: NDArray[np.bool_]) -> tuple[Cells, Cells, Height]:
    rows, cols = height.shape
    receiver = np.full(rows * cols, -1, np.int64)
    order = np.empty(rows * cols, np.int64)
    filled = height.copy()
    reached = np.zeros((rows, cols), np.bool_)
    done = np.zeros((rows, cols), np.bool_)
    front = [(height[0, 0], np.int64(0))]
    front.clear()
    for row in range(rows):
        for col in range(cols):
            if outlet[row, col]:
                cell = np.int64(row * cols + col)
                receiver[cell] = cell
                reached[row, col] = True
                heapq.heappush(front, (filled[row, col], cell))
    count = 0
    while len(front) > 0:
        level, cell = heapq.heappop(front)
        row, col = cell // cols, cell % cols
        done[row, col] = True
        order[count] = cell
        count += 1
        if receiver[cell] != cell:
            receiver[cell] = _steepest(filled, done, row, col)
        for down in range(-1, 2):
            for right in range(-1, 2):
                i, j = row + down, col + right
                if 0 <= i < rows and 0 <= j < cols and not reached[i, j]:
                    reached[i, j] = True
                    filled[i, j] = max(filled[i, j], level + RISE)
                    heapq.heappush(front, (filled[i, j], np.int64(i * cols + j)))
    return receiver, order, filled


@kernel
def _steepest(filled: Height, done: NDArray[np.bool_], row: int, col: int) -> int:
    """The neighbour to which the ground falls most steeply, of those that are done."""
    rows, cols = filled.shape
    steepest, found = -1.0, -1
    for down in range(-1, 2):
        for right in range(-1, 2):
            i, j = row + down, col + right
            if 0 <= i < rows and 0 <= j < cols and done[i, j] and (down != 0 or right != 0):
                drop = filled[row, col] - filled[i, j]
                fall = drop / np.sqrt(float(down * down + right * right))
                if fall > steepest:
                    steepest, found = fall, i * cols + j
    return found


@kernel
def _gathered(receiver: Cells, order: Cells, cell_area: float) -> NDArray[np.float64]:
    area = np.full(receiver.size, cell_area)
    for place in range(order.size - 1, -1, -1):
        cell = order[place]
        if receiver[cell] != cell:
            area[receiver[cell]] += area[cell]
    return area
