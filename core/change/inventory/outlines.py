"""Outlines of a mask along the edges of its pixels, exact."""

from itertools import pairwise
from typing import NamedTuple

import numpy as np
import shapely
from numpy.typing import NDArray

from core.grid import Grid
from core.kernel import kernel

Corners = NDArray[np.int32]
"""Corners of a ring, (corners, 2): row and column of the lattice of pixels' corners; the first is
not repeated."""

Flags = NDArray[np.bool_]


class Outline(NamedTuple):
    """Pixels that are connected by their sides.

    Attributes
    ----------
    outer
        Its outer ring, clockwise as an image is seen.
    holes
        The rings of its holes, the other way round; they may touch the outer ring at corners.
    """

    outer: Corners
    holes: tuple[Corners, ...]


def outlines(mask: Flags) -> tuple[Outline, ...]:
    """The outlines of a mask, in the order of their first pixels.

    Each is valid as a polygon: pixels that touch at a corner only are of different outlines, and
    no ring comes to a point twice.  Rings have corners only where they turn.

    Parameters
    ----------
    mask
        (rows, cols).
    """
    framed = np.zeros((mask.shape[0] + 2, mask.shape[1] + 2), np.bool_)
    framed[1:-1, 1:-1] = mask
    points, ends = _traced(framed)
    parts = _numbered(framed)
    outer: dict[int, Corners] = {}
    holes: dict[int, list[Corners]] = {}
    for start, end in pairwise((0, *ends.tolist())):
        ring = points[start:end]
        # Of the pixels around a corner one lies inside: the one to the right of the way ahead.
        part = int(parts[_inner(ring)])
        if _doubled_area(ring) > 0:
            outer[part] = ring - 1
        else:
            holes.setdefault(part, []).append(ring - 1)
    return tuple(Outline(outer[part], tuple(holes.get(part, ()))) for part in sorted(outer))


def placed(parts: tuple[Outline, ...], grid: Grid) -> shapely.Polygon | shapely.MultiPolygon:
    """Outlines on the ground.

    Parameters
    ----------
    parts
        In rows and columns of the grid's corners.
    grid
        The image's.
    """
    polygons = [
        shapely.Polygon(_ground(part.outer, grid), [_ground(hole, grid) for hole in part.holes])
        for part in parts
    ]
    return polygons[0] if len(polygons) == 1 else shapely.MultiPolygon(polygons)


def _ground(ring: Corners, grid: Grid) -> NDArray[np.float64]:
    row, col = ring.astype(np.float64).T
    return np.column_stack(grid.transform @ (col, row))


def edge_length(mask: Flags) -> int:
    """Sides of pixels between the mask and what is not in it."""
    framed = np.zeros((mask.shape[0] + 2, mask.shape[1] + 2), np.bool_)
    framed[1:-1, 1:-1] = mask
    down = np.count_nonzero(framed[1:] != framed[:-1])
    return int(down + np.count_nonzero(framed[:, 1:] != framed[:, :-1]))


def _inner(ring: Corners) -> tuple[int, int]:
    """A pixel inside, beside the first side of a ring."""
    (row, col), (down, right) = ring[0], np.sign(ring[1] - ring[0])
    # Ahead of the corner, to the right: right of east is south.
    return (
        int(row + min(down, 0) - (1 if right < 0 else 0)),
        int(col + min(right, 0) - (1 if down > 0 else 0)),
    )


def _doubled_area(ring: Corners) -> int:
    row, col = ring.astype(np.int64).T
    return int((col * np.roll(row, -1) - np.roll(col, -1) * row).sum())


def _numbered(framed: Flags) -> NDArray[np.int32]:
    """Parts connected by sides, from 0 in the order of their first pixels; -1 outside."""
    numbers = np.full(framed.shape, -1, np.int32)
    _spread(framed, numbers)
    return numbers


@kernel
def _spread(framed: Flags, numbers: NDArray[np.int32]) -> None:
    rows, cols = framed.shape
    waiting = np.empty(framed.size, np.int64)
    count = 0
    for start in range(rows * cols):
        if not framed[start // cols, start % cols] or numbers[start // cols, start % cols] >= 0:
            continue
        numbers[start // cols, start % cols] = count
        waiting[0], size = start, 1
        while size > 0:
            size -= 1
            row, col = waiting[size] // cols, waiting[size] % cols
            for down, right in ((-1, 0), (0, -1), (0, 1), (1, 0)):
                i, j = row + down, col + right
                if framed[i, j] and numbers[i, j] < 0:
                    numbers[i, j] = count
                    waiting[size] = i * cols + j
                    size += 1
        count += 1


@kernel
def _turned(framed: Flags, row: int, col: int, way: int) -> int:
    """The way on from a corner of pixels: 0 east, 1 south, 2 west, 3 north."""
    if way == 0:
        right, left = framed[row, col], framed[row - 1, col]
    elif way == 1:
        right, left = framed[row, col - 1], framed[row, col]
    elif way == 2:
        right, left = framed[row - 1, col - 1], framed[row, col - 1]
    else:
        right, left = framed[row - 1, col], framed[row - 1, col - 1]
    if not right:
        return (way + 1) % 4
    return (way + 3) % 4 if left else way


@kernel
def _longer(array: NDArray[np.int32], size: int) -> NDArray[np.int32]:
    """The array, or one of twice its length with the same numbers where `size` does not fit."""
    while array.shape[0] < size:
        array = np.concatenate((array, np.zeros_like(array)))
    return array


@kernel
def _traced(framed: Flags) -> tuple[Corners, NDArray[np.int32]]:
    """Corners of all rings, and where each ring ends in the list.

    Goes along the sides with the mask to the right; where pixels touch at a corner it stays with
    its own.  What comes back to a corner is cut off there as a ring of its own.
    """
    rows, cols = framed.shape
    seen = np.zeros((rows, cols), np.bool_)
    place = np.full((rows + 1, cols + 1), -1, np.int64)
    points, stack = np.zeros((64, 2), np.int32), np.zeros((64, 2), np.int32)
    ends = np.zeros((16, 1), np.int32)
    total, rings = 0, 0
    for start in range(cols, rows * cols):
        top, left = start // cols, start % cols
        if not framed[top, left] or framed[top - 1, left] or seen[top, left]:
            continue
        row, col, way, size = top, left, 0, 0
        while True:
            known = place[row, col]
            if known >= 0:
                points = _longer(points, total + size - known)
                for k in range(known, size):
                    points[total] = stack[k]
                    total += 1
                    place[stack[k, 0], stack[k, 1]] = -1
                ends = _longer(ends, rings + 1)
                ends[rings] = total
                rings += 1
                size = known
                if way == 0 and row == top and col == left:
                    break
            stack = _longer(stack, size + 1)
            stack[size, 0], stack[size, 1] = row, col
            place[row, col] = size
            size += 1
            before = way
            while way == before:
                seen[row, col] |= way == 0
                row += (way == 1) - (way == 3)
                col += (way == 0) - (way == 2)
                way = _turned(framed, row, col, way)
    return points[:total], ends[:rings, 0]
