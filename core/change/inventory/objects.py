"""Objects of a mask: connected pixels, with small holes filled and small objects left out."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from core.change.inventory.runs import Flags, Runs, complement, components, joined
from core.tiling import Window

LARGEST_SIDE = 4096
"""Rows and columns of an object, at most, so that its window fits into memory: 40 km at 10 m, more
than any landslide.  Larger ones are cut along multiples of this on the lattice."""


@dataclass(frozen=True, eq=False)
class Objects:
    """Connected pixels of an image, numbered from 0 in the order of their first pixels.

    Parameters
    ----------
    runs
        All their pixels.
    number
        The object of each run.
    pixels
        Of each object.
    windows
        Row, column, height and width of the smallest window around each, (objects, 4).
    cut
        Whether each is a piece of an object that was too large to be one.
    """

    runs: Runs
    number: NDArray[np.int32]
    pixels: NDArray[np.int64]
    windows: NDArray[np.int64]
    cut: NDArray[np.bool_]

    def __len__(self) -> int:
        return self.pixels.size

    def __iter__(self) -> Iterator[tuple[Window, Flags]]:
        """The window of each object, and its pixels there."""
        order = np.argsort(self.number, kind="stable")
        bounds = np.searchsorted(self.number[order], np.arange(len(self) + 1))
        for k in range(len(self)):
            window = Window(*(int(side) for side in self.windows[k]))
            part = order[bounds[k] : bounds[k + 1]]
            yield window, _only(self.runs, part).mask(window)


def objects(
    runs: Runs,
    shape: tuple[int, int],
    *,
    hole_px: int = 0,
    least_px: int = 1,
    diagonal: bool = True,
    anchor: tuple[int, int] = (0, 0),
    largest: int = LARGEST_SIDE,
) -> Objects:
    """The objects of a mask.

    Parameters
    ----------
    runs
        The mask, from :func:`core.change.inventory.runs.joined`.
    shape
        Rows and columns of the image.
    hole_px
        Holes of at most so many pixels are filled; what is open to the border of the image is none.
    least_px
        Objects of fewer pixels, holes filled, are left out.
    diagonal
        Whether pixels that touch at a corner are of one object; the pixels of a hole then are not
        connected by corners, and the other way round.
    anchor
        Row and column of the image's first pixel, counted from the origin of the CRS.
    largest
        As :data:`LARGEST_SIDE`.
    """
    if hole_px > 0 and runs.row.size:
        runs = _filled(runs, shape, hole_px, diagonal=diagonal)
    found = _described(runs, components(runs, shape[0], diagonal=diagonal))
    too_large = found.windows[:, 2:].max(axis=1, initial=0) > largest
    if too_large.any():
        found = _cut(found, too_large, anchor, largest, diagonal=diagonal)
    large = found.pixels >= least_px
    if large.all():
        return found
    kept = large[found.number]
    numbers = np.cumsum(large, dtype=np.int32) - 1
    return Objects(
        _only(runs, np.flatnonzero(kept)),
        numbers[found.number[kept]].astype(np.int32),
        found.pixels[large],
        found.windows[large],
        found.cut[large],
    )


def _cut(
    found: Objects,
    which: NDArray[np.bool_],
    anchor: tuple[int, int],
    side: int,
    *,
    diagonal: bool,
) -> Objects:
    """The objects, some of them cut along the lines of a lattice."""
    part = which[found.number]
    sound = _only(found.runs, np.flatnonzero(~part))
    pieces = _at_lines(_only(found.runs, np.flatnonzero(part)), anchor[1], side)
    block = np.column_stack([(pieces.row + anchor[0]) // side, (pieces.first + anchor[1]) // side])
    kinds, place = np.unique(block, axis=0, return_inverse=True)
    number = np.empty(pieces.row.size, np.int64)
    count = len(found)
    for kind in range(len(kinds)):
        mine = np.flatnonzero(place == kind)
        inside = _only(pieces, mine)
        rows = int(inside.row.max()) + 1
        number[mine] = components(inside, rows, diagonal=diagonal) + count
        count = int(number[mine].max()) + 1
    runs = Runs(*(np.concatenate([getattr(sound, name), getattr(pieces, name)])
                  for name in ("row", "first", "end")))  # fmt: skip
    numbers = np.concatenate([found.number[~part], number])
    order = np.lexsort((runs.first, runs.row))
    runs, numbers = _only(runs, order), numbers[order]
    values, first, inverse = np.unique(numbers, return_index=True, return_inverse=True)
    rank = np.empty(values.size, np.int32)
    rank[np.argsort(first)] = np.arange(values.size, dtype=np.int32)
    result = _described(runs, rank[inverse])
    result.cut[rank[values >= len(found)]] = True
    return result


def _at_lines(runs: Runs, origin: int, side: int) -> Runs:
    """Runs that end at columns which are multiples of `side`, counted from the CRS."""
    first, end = runs.first.astype(np.int64) + origin, runs.end.astype(np.int64) + origin
    counts = (end - 1) // side - first // side + 1
    source = np.repeat(np.arange(runs.row.size), counts)
    step = np.arange(source.size) - np.repeat(np.cumsum(counts) - counts, counts)
    line = (first[source] // side + step) * side
    return Runs(
        runs.row[source],
        (np.maximum(first[source], line) - origin).astype(np.int32),
        (np.minimum(end[source], line + side) - origin).astype(np.int32),
    )


def _filled(runs: Runs, shape: tuple[int, int], hole_px: int, *, diagonal: bool) -> Runs:
    rest = complement(runs, shape)
    if rest.row.size == 0:
        return runs
    gaps = _described(rest, components(rest, shape[0], diagonal=not diagonal))
    row, col, height, width = gaps.windows.T
    open_ = (row == 0) | (col == 0) | (row + height == shape[0]) | (col + width == shape[1])
    small = (gaps.pixels <= hole_px) & ~open_
    return joined([runs, _only(rest, np.flatnonzero(small[gaps.number]))])


def _only(runs: Runs, which: NDArray[np.int64]) -> Runs:
    return Runs(runs.row[which], runs.first[which], runs.end[which])


def _described(runs: Runs, number: NDArray[np.int32]) -> Objects:
    count = int(number.max(initial=-1)) + 1
    pixels = np.zeros(count, np.int64)
    np.add.at(pixels, number, runs.end.astype(np.int64) - runs.first)
    low = np.full((2, count), np.iinfo(np.int32).max, np.int64)
    high = np.zeros((2, count), np.int64)
    np.minimum.at(low[0], number, runs.row)
    np.minimum.at(low[1], number, runs.first)
    np.maximum.at(high[0], number, runs.row + 1)
    np.maximum.at(high[1], number, runs.end)
    windows = np.column_stack([*low, *(high - low)])
    return Objects(runs, number, pixels, windows, np.zeros(count, np.bool_))
