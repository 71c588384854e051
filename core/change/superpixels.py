"""Small patches of like pixels, laid out over a lattice that is anchored to the ground.

Simple linear iterative clustering: a seed per square cell, and a fixed number of turns in which a
pixel joins the most similar of the four seeds nearest to it.  A seed takes pixels no farther than
half a cell around its own, so that after so many turns a pixel depends on what lies within a known
distance, and patches are equal in bits whatever part of the image is read around them.

The lattice is turned by 26.6 degrees (two to the right, one down): borders of patches on level
ground follow the lines between cells, and along rows and columns they would be seen, and could
fall on the lines between tiles.  In turned coordinates, (2 col + row, 2 row - col), whole numbers
stay whole and distances grow by the root of 5.

Achanta, R., et al., 2012. SLIC superpixels compared to state-of-the-art superpixel methods. IEEE
Transactions on Pattern Analysis and Machine Intelligence 34, 2274-2282.
https://doi.org/10.1109/TPAMI.2012.120
"""

import math

import numpy as np
from numpy.typing import NDArray

from core.change.scene import Flags
from core.kernel import kernel

Pixels = NDArray[np.int16]
"""(rows, cols, channels): the quantities that patches are alike in, in steps."""

Labels = NDArray[np.int32]
"""Number of the patch, (rows, cols); -1 where nothing is known."""

Integers = NDArray[np.int64]

TURNS = 4
"""Turns of assigning pixels and moving centres; a fifth would part or join 3 in 100 neighbours."""

UNIT = 64
"""Steps of a channel for one of its deviations."""

EVEN = 1.0
"""Mean square of deviations that weighs as much as a distance of the side of a cell."""

ROOT = 5
"""Square of the scale of the turned coordinates."""


def halo(cell: int) -> int:
    """Pixels around a tile that its patches depend on."""
    return TURNS * extent(cell)


def extent(cell: int) -> int:
    """Rows, or columns, that a patch has at most, and that a turn looks to either side."""
    # Two cells in each of the turned coordinates, seen along rows or columns.
    return math.ceil(6 * _side(cell) / ROOT) + 1


def _side(cell: int) -> int:
    """Side of a cell in turned coordinates."""
    return round(cell * math.sqrt(ROOT))


def patches(pixels: Pixels, known: Flags, anchor: tuple[int, int], cell: int) -> Labels:
    """Patches of like pixels, each joined by the sides of its pixels.

    Parameters
    ----------
    pixels
        Channels in :data:`UNIT` steps for a deviation.
    known
        Pixels that belong to a patch.
    anchor
        Row and column of the first pixel, counted from the origin of the CRS.
    cell
        Side of the cells, pixels.

    Returns
    -------
    Labels
        Numbered from 0 in the order of their first pixels, row by row.
    """
    side, (rows, cols) = _side(cell), known.shape
    # The least turned coordinates are those of the first pixel, and of the last of its row.
    first = (2 * anchor[1] + anchor[0], 2 * anchor[0] - anchor[1] - cols + 1)
    corner = (first[0] // side, first[1] // side)
    start = (first[0] - corner[0] * side, first[1] + cols - 1 - corner[1] * side)
    count = ((start[0] + 2 * cols + rows) // side + 1, (start[1] + 2 * rows) // side + 1)
    # Divisions are looked up: they would take most of the time.
    cells = np.stack(np.divmod(np.arange(max(count) * side), side))
    owner = np.empty(known.shape, np.int32)
    sums = np.zeros((*count, pixels.shape[2] + 3), np.int64)
    _own(pixels, known, start, cells, sums)
    for _ in range(TURNS):
        centres = _means(sums)
        sums[:] = 0
        _join(pixels, known, start, side, cells, centres, owner, sums)
    labels = np.empty(known.shape, np.int32)
    _components(owner, labels)
    return labels


def _means(sums: Integers) -> NDArray[np.float32]:
    """Centres from sums: how many pixels, their mean turned coordinates and channels."""
    means = sums / np.maximum(sums[..., :1], 1)
    means[..., 0] = sums[..., 0]
    return means.astype(np.float32)


@kernel
def _own(
    pixels: Pixels, known: Flags, start: tuple[int, int], cells: Integers, sums: Integers
) -> None:
    """Each pixel belongs to the cell in which it lies."""
    for i in range(known.shape[0]):
        for j in range(known.shape[1]):
            if known[i, j]:
                u, v = start[0] + 2 * j + i, start[1] + 2 * i - j
                total = sums[cells[0, u], cells[0, v]]
                total[0] += 1
                total[1] += cells[1, u]
                total[2] += cells[1, v]
                for m in range(pixels.shape[2]):
                    total[3 + m] += pixels[i, j, m]


@kernel
def _join(
    pixels: Pixels,
    known: Flags,
    start: tuple[int, int],
    side: int,
    cells: Integers,
    centres: NDArray[np.float32],
    owner: Labels,
    sums: Integers,
) -> None:
    """Each pixel joins the most similar of the centres of its cell and three cells beside it.

    Coordinates are counted from the corner of the centre's cell: they are small, and equal wherever
    a tile begins.
    """
    channels = pixels.shape[2]
    near = np.float32(EVEN / (side * side))
    alike = np.float32(1.0 / (UNIT * UNIT * channels))
    for i in range(known.shape[0]):
        for j in range(known.shape[1]):
            owner[i, j] = -1
            if not known[i, j]:
                continue
            u, v = start[0] + 2 * j + i, start[1] + 2 * i - j
            row, down, col, right = cells[0, u], cells[1, u], cells[0, v], cells[1, v]
            # The cell before for the first half of a cell, the one after for the second.
            beside_row = row - 1 if 2 * down < side else row + 1
            beside_col = col - 1 if 2 * right < side else col + 1
            best, least = 0, np.float32(np.inf)
            for k in range(4):
                r = row if k < 2 else beside_row
                c = col if k % 2 == 0 else beside_col
                if r < 0 or c < 0 or r >= centres.shape[0] or c >= centres.shape[1]:
                    continue
                centre = centres[r, c]
                if centre[0] == 0:
                    continue
                away = np.float32(down + (row - r) * side) - centre[1]
                aside = np.float32(right + (col - c) * side) - centre[2]
                distance = near * (away * away + aside * aside)
                for m in range(channels):
                    step = np.float32(pixels[i, j, m]) - centre[3 + m]
                    distance += alike * (step * step)
                if distance < least:
                    best, least = k, distance
            r = row if best < 2 else beside_row
            c = col if best % 2 == 0 else beside_col
            owner[i, j] = r * centres.shape[1] + c
            total = sums[r, c]
            total[0] += 1
            total[1] += down + (row - r) * side
            total[2] += right + (col - c) * side
            for m in range(channels):
                total[3 + m] += pixels[i, j, m]


@kernel
def _root(parents: Labels, at: int) -> int:
    while parents[at] != at:
        parents[at] = parents[parents[at]]
        at = parents[at]
    return at


@kernel
def _components(owner: Labels, labels: Labels) -> None:
    """Parts of equal owners that hang together by sides, numbered by their first pixels."""
    rows, cols = owner.shape
    parents = np.empty(rows * cols + 1, np.int32)
    count = 0
    for i in range(rows):
        for j in range(cols):
            if owner[i, j] < 0:
                labels[i, j] = -1
                continue
            above = i > 0 and owner[i - 1, j] == owner[i, j]
            before = j > 0 and owner[i, j - 1] == owner[i, j]
            if above and before:
                one, other = _root(parents, labels[i - 1, j]), _root(parents, labels[i, j - 1])
                parents[max(one, other)] = min(one, other)
                labels[i, j] = min(one, other)
            elif above:
                labels[i, j] = labels[i - 1, j]
            elif before:
                labels[i, j] = labels[i, j - 1]
            else:
                parents[count] = count
                labels[i, j] = count
                count += 1
    numbers = np.empty(count + 1, np.int32)
    found = 0
    for k in range(count):
        # A root is the least of its part, so that numbers follow the first pixels.
        if parents[k] == k:
            numbers[k] = found
            found += 1
    for i in range(rows):
        for j in range(cols):
            if labels[i, j] >= 0:
                labels[i, j] = numbers[_root(parents, labels[i, j])]
