"""A mask as runs of pixels along rows: small, and the same whatever tiles it was found in."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from core.kernel import kernel
from core.tiling import Window

Places = NDArray[np.int32]
Flags = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Runs:
    """Runs of pixels in the order of rows and columns; none touches the next of its row.

    Parameters
    ----------
    row
        Of each run, (runs,).
    first, end
        Its first column, and the one after its last.
    """

    row: Places
    first: Places
    end: Places

    @property
    def pixels(self) -> int:
        """Number of pixels."""
        return int((self.end - self.first).sum(dtype=np.int64))

    def starts(self, rows: int) -> NDArray[np.int64]:
        """Where the runs of each row begin in the list, and where those of the last end."""
        return np.searchsorted(self.row, np.arange(rows + 1))

    def mask(self, window: Window) -> Flags:
        """The pixels of a window."""
        low, high = np.searchsorted(self.row, (window.row, window.row + window.height))
        part = slice(low, high)
        rows = self.row[part] - window.row
        first = np.clip(self.first[part] - window.col, 0, window.width)
        end = np.clip(self.end[part] - window.col, 0, window.width)
        # Up by one where a run begins, down where it ends.
        steps = np.zeros((window.height, window.width + 1), np.int8)
        np.add.at(steps, (rows, first), 1)
        np.subtract.at(steps, (rows, end), 1)
        found: Flags = np.cumsum(steps, axis=1)[:, :-1] > 0
        return found


def runs_of(mask: Flags, window: Window) -> Runs:
    """The runs of a tile.

    Parameters
    ----------
    mask
        (rows, cols) of the tile.
    window
        Where the tile lies in the image.
    """
    edges = np.zeros((mask.shape[0], mask.shape[1] + 2), np.int8)
    edges[:, 1:-1] = mask
    change = np.diff(edges, axis=1)
    row, first = np.nonzero(change == 1)
    _, end = np.nonzero(change == -1)
    return Runs(
        (row + window.row).astype(np.int32),
        (first + window.col).astype(np.int32),
        (end + window.col).astype(np.int32),
    )


def joined(parts: Iterable[Runs]) -> Runs:
    """The runs of all tiles, in whatever order they come: runs that abut become one."""
    listed = list(parts)
    if not listed:
        return Runs(*(np.zeros(0, np.int32) for _ in range(3)))
    row, first, end = (
        np.concatenate([getattr(part, name) for part in listed]) for name in ("row", "first", "end")
    )
    order = np.lexsort((first, row))
    row, first, end = row[order], first[order], end[order]
    opens = np.ones(row.size, np.bool_)
    opens[1:] = (row[1:] != row[:-1]) | (first[1:] > end[:-1])
    return Runs(row[opens], first[opens], end[np.roll(opens, -1)])


def complement(runs: Runs, shape: tuple[int, int]) -> Runs:
    """The pixels of an image that are in no run."""
    rows, cols = shape
    starts = runs.starts(rows)
    counts = np.diff(starts)
    # Each row is cut by its runs into one piece more than there are runs.
    row = np.repeat(np.arange(rows, dtype=np.int32), counts + 1)
    begins = np.zeros(row.size, np.bool_)
    begins[starts[:-1] + np.arange(rows)] = True
    ends = np.roll(begins, -1)
    first, end = np.zeros(row.size, np.int32), np.full(row.size, cols, np.int32)
    first[~begins] = runs.end
    end[~ends] = runs.first
    kept = end > first
    return Runs(row[kept], first[kept], end[kept])


def components(runs: Runs, rows: int, *, diagonal: bool) -> NDArray[np.int32]:
    """The connected component of each run, from 0 in the order of their first pixels.

    Parameters
    ----------
    rows
        Of the image.
    diagonal
        Whether pixels that touch at a corner are connected.
    """
    label = np.arange(runs.row.size, dtype=np.int32)
    _unite(runs.first, runs.end, runs.starts(rows), int(diagonal), label)
    return label


@kernel
def _root(parent: Places, run: int) -> int:
    while parent[run] != run:
        parent[run] = parent[parent[run]]
        run = parent[run]
    return run


@kernel
def _unite(
    first: Places, end: Places, starts: NDArray[np.int64], reach: int, parent: Places
) -> None:
    """Join runs of neighbouring rows that meet, then number what hangs together."""
    for row in range(1, starts.size - 1):
        above, here = starts[row - 1], starts[row]
        while above < starts[row] and here < starts[row + 1]:
            if first[above] < end[here] + reach and first[here] < end[above] + reach:
                one, other = _root(parent, above), _root(parent, here)
                # The first run of a component is its root.
                if one < other:
                    parent[other] = one
                else:
                    parent[one] = other
            if end[above] < end[here]:
                above += 1
            else:
                here += 1
    count = 0
    for run in range(parent.size):
        if parent[run] == run:
            parent[run] = count
            count += 1
        else:
            # Its root comes before it and has its number already.
            parent[run] = parent[parent[run]]
