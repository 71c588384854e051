"""Where water runs: filled depressions, steepest directions, contributing area, channels.

These depend on the whole of a terrain and are made once for it, on heights thinned to at most
:data:`LARGEST` cells; nothing else in this package depends on what lies farther off than its halo.

Barnes, R., Lehman, C., Mulla, D., 2014. Priority-flood: an optimal depression-filling and
watershed-labeling algorithm for digital elevation models. Computers & Geosciences 62, 117-127.
https://doi.org/10.1016/j.cageo.2013.04.024

O'Callaghan, J. F., Mark, D. M., 1984. The extraction of drainage networks from digital elevation
data. Computer Vision, Graphics, and Image Processing 28, 323-344.
https://doi.org/10.1016/S0734-189X(84)80011-0
"""

import math

import numpy as np
from numpy.typing import NDArray

from core.kernel import kernel
from core.tiling import Window

Heights = NDArray[np.float64]
"""Metres, (rows, cols); NaN where there is none."""

Codes = NDArray[np.uint8]
"""Directions, see :data:`STEPS`, (rows, cols)."""

Flags = NDArray[np.bool_]
Integers = NDArray[np.int64]

LARGEST = 16_000_000
"""Cells of a terrain at most: beyond, it is thinned."""

STEPS: dict[int, tuple[int, int]] = {
    1: (0, 1),
    2: (1, 1),
    4: (1, 0),
    8: (1, -1),
    16: (0, -1),
    32: (-1, -1),
    64: (-1, 0),
    128: (-1, 1),
}
"""Rows down and columns to the right that a direction leads, clockwise from the right (east); 0
leads nowhere."""

_DOWN = np.array([step[0] for step in STEPS.values()])
_RIGHT = np.array([step[1] for step in STEPS.values()])


def thinning(shape: tuple[int, int], largest: int = LARGEST) -> int:
    """The least side of blocks, cells, with which a terrain of `shape` has few enough of them."""
    side = 1
    while math.ceil(shape[0] / side) * math.ceil(shape[1] / side) > largest:
        side += 1
    return side


def thinned(height: NDArray[np.floating], side: int) -> NDArray[np.float32]:
    """Mean height of blocks of `side` x `side` cells; NaN where none of them is known.

    The first block begins with the first row and column; a tile that begins and ends with a block,
    or at the border of the terrain, gives what the whole gives there.
    """
    rows, cols = height.shape
    padded = np.full((-(-rows // side) * side, -(-cols // side) * side), np.nan)
    padded[:rows, :cols] = height
    total, count = np.zeros((2, padded.shape[0] // side, padded.shape[1] // side))
    for row in range(side):
        for col in range(side):
            part = padded[row::side, col::side]
            known = ~np.isnan(part)
            total[known] += part[known]
            count += known
    mean = np.where(count > 0, total / np.maximum(count, 1), np.nan)
    return mean.astype(np.float32)


def enlarged[T: np.generic](values: NDArray[T], side: int, window: Window) -> NDArray[T]:
    """Values of thinned cells on the lattice that was thinned: each pixel has its block's.

    Parameters
    ----------
    values
        Of the blocks that :func:`thinned` made of `side` x `side` cells.
    window
        The part of the lattice that is wanted.
    """
    rows, cols = (
        (first + np.arange(count)) // side
        for first, count in zip((window.row, window.col), window.shape, strict=True)
    )
    return values[np.ix_(rows, cols)]


def filled(height: NDArray[np.floating]) -> Heights:
    """Heights from which water runs off everywhere.

    Parameters
    ----------
    height
        (rows, cols), metres; NaN where there is none.  Water leaves at the border of the array and
        into cells without a height.

    Returns
    -------
    Heights
        Never lower than `height`.  A depression is filled to its lowest rim, and flat ground rises
        away from its outlet by the least that a float64 can, so that each cell has a lower
        neighbour or is at the border; NaN where `height` is.
    """
    result = np.asarray(height, np.float64).copy()
    if result.size:
        _flood(result)
    return result


def directions(height: Heights) -> Codes:
    """Towards which neighbour the steepest path leads.

    Parameters
    ----------
    height
        Of square cells, (rows, cols), from :func:`filled`.

    Returns
    -------
    Codes
        A key of :data:`STEPS`, the first of equally steep ones; 0 where no neighbour is lower (an
        outlet of filled heights) or there is no height.
    """
    codes = np.zeros(height.shape, np.uint8)
    _descend(np.asarray(height, np.float64), _DOWN, _RIGHT, codes)
    return codes


def accumulation(codes: Codes) -> NDArray[np.float64]:
    """Number of cells whose water passes through a cell, itself among them."""
    count = np.ones(codes.shape, np.float64)
    _accumulate(codes, _DOWN, _RIGHT, count)
    return count


def channels(cells: NDArray[np.float64], cell_m: float, area_m2: float) -> Flags:
    """Where at least `area_m2` of ground drains through, from :func:`accumulation`."""
    found: Flags = cells * cell_m**2 >= area_m2
    return found


def above_channels(
    height: NDArray[np.floating], codes: Codes, channel: Flags
) -> NDArray[np.float32]:
    """Height above the nearest drainage: above the first channel that water of a cell meets.

    Where it meets none, above the outlet where it leaves.  Metres, at least 0; NaN where there is
    no height.

    References
    ----------
    Nobre, A. D., et al., 2011. Height Above the Nearest Drainage: a hydrologically relevant new
    terrain model. Journal of Hydrology 404, 13-29. https://doi.org/10.1016/j.jhydrol.2011.03.051
    """
    heights = np.asarray(height, np.float32)
    base = np.full(heights.shape, np.nan, np.float32)
    _bases(heights, codes, channel, _DOWN, _RIGHT, base)
    above: NDArray[np.float32] = np.maximum(heights - base, 0)
    return above


@kernel
def _before(keys: Heights, order: Integers, a: int, b: int) -> bool:
    """Whether a place of the queue goes first: the lower, of equals the one that came first."""
    if keys[a] != keys[b]:
        return bool(keys[a] < keys[b])
    return bool(order[a] < order[b])


@kernel
def _swap(keys: Heights, order: Integers, cells: Integers, a: int, b: int) -> None:
    keys[a], keys[b] = keys[b], keys[a]
    order[a], order[b] = order[b], order[a]
    cells[a], cells[b] = cells[b], cells[a]


@kernel
def _rise(keys: Heights, order: Integers, cells: Integers, at: int) -> None:
    """Bring the last place of the queue to where it belongs."""
    while at > 0 and _before(keys, order, at, (at - 1) // 2):
        _swap(keys, order, cells, at, (at - 1) // 2)
        at = (at - 1) // 2


@kernel
def _sink(keys: Heights, order: Integers, cells: Integers, size: int) -> None:
    """Bring the first place of the queue to where it belongs."""
    at = 0
    while True:
        child = 2 * at + 1
        if child >= size:
            return
        if child + 1 < size and _before(keys, order, child + 1, child):
            child += 1
        if not _before(keys, order, child, at):
            return
        _swap(keys, order, cells, at, child)
        at = child


@kernel
def _drains(height: Heights, i: int, j: int) -> bool:
    """Whether water leaves here: at the border, or beside a cell without a height."""
    rows, cols = height.shape
    if i == 0 or j == 0 or i == rows - 1 or j == cols - 1:
        return True
    for k in range(i - 1, i + 2):
        for m in range(j - 1, j + 2):
            if np.isnan(height[k, m]):
                return True
    return False


@kernel
def _flood(height: Heights) -> None:
    """Raise depressions: cells are reached from the lowest outlet upwards."""
    rows, cols = height.shape
    reached = np.isnan(height)
    room = 4 * (rows + cols) + 64
    keys, order, cells = np.empty(room), np.empty(room, np.int64), np.empty(room, np.int64)
    size, came = 0, 0
    at = 0
    # The queue takes the outlets first, then the neighbours of what leaves it.
    while at < rows * cols or size > 0:
        if at < rows * cols:
            first, last, above = at, at, -np.inf
            at += 1
            if reached[first // cols, first % cols] or not _drains(
                height, first // cols, first % cols
            ):
                continue
            top, bottom, left, right = first // cols, first // cols, first % cols, first % cols
        else:
            above, last = keys[0], cells[0]
            size -= 1
            _swap(keys, order, cells, 0, size)
            _sink(keys, order, cells, size)
            top, bottom = max(last // cols - 1, 0), min(last // cols + 1, rows - 1)
            left, right = max(last % cols - 1, 0), min(last % cols + 1, cols - 1)
        for i in range(top, bottom + 1):
            for j in range(left, right + 1):
                if reached[i, j]:
                    continue
                reached[i, j] = True
                if height[i, j] <= above:
                    height[i, j] = np.nextafter(above, np.inf)
                if size == room:
                    keys = np.concatenate((keys, np.empty(room)))
                    order = np.concatenate((order, np.empty(room, np.int64)))
                    cells = np.concatenate((cells, np.empty(room, np.int64)))
                    room *= 2
                keys[size], order[size], cells[size] = height[i, j], came, i * cols + j
                size += 1
                came += 1
                _rise(keys, order, cells, size - 1)


@kernel
def _descend(height: Heights, down: Integers, right: Integers, codes: Codes) -> None:
    rows, cols = height.shape
    for i in range(rows):
        for j in range(cols):
            if np.isnan(height[i, j]):
                continue
            steepest = 0.0
            for k in range(8):
                row, col = i + down[k], j + right[k]
                if row < 0 or col < 0 or row >= rows or col >= cols:
                    continue
                drop = height[i, j] - height[row, col]
                if down[k] != 0 and right[k] != 0:
                    drop /= math.sqrt(2.0)
                if drop > steepest:
                    steepest = drop
                    codes[i, j] = 1 << k


@kernel
def _next(codes: Codes, down: Integers, right: Integers, cell: int) -> int:
    """The cell that a path leads to; -1 where it ends."""
    rows, cols = codes.shape
    code = codes[cell // cols, cell % cols]
    if code == 0:
        return -1
    k = 0
    while code >> k != 1:
        k += 1
    row, col = cell // cols + down[k], cell % cols + right[k]
    if row < 0 or col < 0 or row >= rows or col >= cols:
        return -1
    return int(row * cols + col)


@kernel
def _accumulate(codes: Codes, down: Integers, right: Integers, count: Heights) -> None:
    """Pass on the counts of cells into which nothing more is to come."""
    cells = codes.size
    into = np.zeros(cells, np.uint8)
    for cell in range(cells):
        target = _next(codes, down, right, cell)
        if target >= 0:
            into[target] += 1
    flat = count.reshape(cells)
    for start in range(cells):
        cell = start
        # Follows a path from its source as far as all that joins it is counted.
        while cell >= 0 and into[cell] == 0:
            into[cell] = 255
            target = _next(codes, down, right, cell)
            if target >= 0:
                flat[target] += flat[cell]
                into[target] -= 1
                if target > start and into[target] == 0:
                    # The loop over the starts will come to it.
                    break
            cell = target


@kernel
def _bases(
    height: NDArray[np.float32],
    codes: Codes,
    channel: Flags,
    down: Integers,
    right: Integers,
    base: NDArray[np.float32],
) -> None:
    """Height of the channel or outlet of each cell: down its path to one known, and back."""
    cells, cols = codes.size, codes.shape[1]
    path = np.empty(cells, np.int32)
    for start in range(cells):
        cell, length = start, 0
        while True:
            i, j = cell // cols, cell % cols
            if not np.isnan(base[i, j]) or np.isnan(height[i, j]):
                break
            target = _next(codes, down, right, cell)
            if channel[i, j] or target < 0:
                base[i, j] = height[i, j]
                break
            path[length] = cell
            length += 1
            cell = target
        for n in range(length):
            base[path[n] // cols, path[n] % cols] = base[cell // cols, cell % cols]
