"""Objects of a mask: connected pixels, with small holes filled and small objects left out."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from core.change.inventory.runs import Flags, Runs, complement, components, joined
from core.tiling import Window


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
    """

    runs: Runs
    number: NDArray[np.int32]
    pixels: NDArray[np.int64]
    windows: NDArray[np.int64]

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
    """
    if hole_px > 0 and runs.row.size:
        runs = _filled(runs, shape, hole_px, diagonal=diagonal)
    found = _described(runs, components(runs, shape[0], diagonal=diagonal))
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
    return Objects(runs, number, pixels, np.column_stack([*low, *(high - low)]))
