"""Finds the zeros that are connected with the border of an image, strip by strip.

An image without a nodata tag has its empty margin filled with zeros as a rule, while a zero inside
may be a dark pixel.  Runs of zeros get provisional labels in the order of rows, labels that meet
are united, and the outside of the image is label 0 (two-pass connected components, 4-neighbours).
The labels are not stored: the second pass finds the same ones again, so that the memory needed is
one row and the table of labels, whatever the image's size.
"""

import numpy as np
from numpy.typing import NDArray

from core.kernel import kernel


class BorderZeros:
    """Zeros connected with the border of an image of `shape`.

    Call :meth:`feed` with all strips from top to bottom, then :meth:`mask` with the same strips.
    """

    def __init__(self, shape: tuple[int, int]) -> None:
        self.shape = shape
        self._parent = np.zeros(1, np.int32)
        self._restart()

    def _restart(self) -> None:
        self._above = np.full(self.shape[1], -1, np.int32)
        self._row = 0
        self._count = 1

    def feed(self, zero: NDArray[np.bool_]) -> None:
        """Take the next rows of the first pass: where the image is exactly zero."""
        room = zero.shape[0] * (zero.shape[1] // 2 + 1)
        parent = np.concatenate([self._parent[: self._count], np.zeros(room, np.int32)])
        self._count = _unite(zero, self._above, parent, self._count, self._row, self.shape[0])
        self._parent = parent[: self._count].copy()
        self._row += zero.shape[0]
        if self._row == self.shape[0]:
            _flatten(self._parent)
            self._restart()

    @property
    def found(self) -> bool:
        """After the first pass: whether any zero is connected with the border."""
        return bool((self._parent[1:] == 0).any())

    def mask(self, zero: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """The next rows of the second pass: True where a zero is connected with the border."""
        result = np.zeros(zero.shape, np.bool_)
        self._count = _mark(zero, self._above, self._parent, self._count, result)
        self._row += zero.shape[0]
        return result


@kernel
def _root(parent: NDArray[np.int32], label: int) -> int:
    while parent[label] != label:
        parent[label] = parent[parent[label]]
        label = parent[label]
    return label


@kernel
def _join(parent: NDArray[np.int32], one: int, other: int) -> None:
    one, other = _root(parent, one), _root(parent, other)
    # The smaller label becomes the root, so that what meets the border ends at 0.
    if one < other:
        parent[other] = one
    else:
        parent[one] = other


@kernel
def _unite(
    zero: NDArray[np.bool_],
    above: NDArray[np.int32],
    parent: NDArray[np.int32],
    count: int,
    first_row: int,
    height: int,
) -> int:
    rows, cols = zero.shape
    for r in range(rows):
        edge = first_row + r == 0 or first_row + r == height - 1
        c = 0
        while c < cols:
            if not zero[r, c]:
                above[c] = -1
                c += 1
                continue
            start = c
            label = -1
            while c < cols and zero[r, c]:
                if above[c] >= 0:
                    if label < 0:
                        label = above[c]
                    elif above[c] != label:
                        _join(parent, label, above[c])
                c += 1
            if label < 0:
                label = count
                parent[label] = label
                count += 1
            above[start:c] = label
            if edge or start == 0 or c == cols:
                _join(parent, label, 0)
    return count


@kernel
def _flatten(parent: NDArray[np.int32]) -> None:
    for label in range(parent.size):
        parent[label] = _root(parent, label)


@kernel
def _mark(
    zero: NDArray[np.bool_],
    above: NDArray[np.int32],
    parent: NDArray[np.int32],
    count: int,
    result: NDArray[np.bool_],
) -> int:
    rows, cols = zero.shape
    for r in range(rows):
        c = 0
        while c < cols:
            if not zero[r, c]:
                above[c] = -1
                c += 1
                continue
            start = c
            label = -1
            while c < cols and zero[r, c]:
                if label < 0 and above[c] >= 0:
                    label = above[c]
                c += 1
            if label < 0:
                label = count
                count += 1
            above[start:c] = label
            result[r, start:c] = parent[label] == 0
    return count
