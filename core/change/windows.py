"""Means, deviations and contrast over square windows, from sums of integers.

A quantity is rounded to whole steps once; all sums are then exact, so that neither the tile nor the
order in which a window slides shows in the last bit.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from core.change.scene import Flags, Floats
from core.kernel import kernel
from core.tiling import Window

Steps = NDArray[np.int32]
"""A quantity in whole steps, (rows, cols)."""

Integers = NDArray[np.int64]

MOST_STEPS = 1 << 18
"""Of a quantity, on either side of nought: products of a window of 101 pixels fit 64 bits."""

WIDEST = 101
"""Side of a window at most, pixels."""


class Local(NamedTuple):
    """What windows show, (rows, cols) of the core, in the quantity's units; 0 where unknown."""

    mean: Floats
    deviation: Floats


def in_steps(values: NDArray[np.floating], step: float) -> Steps:
    """A quantity in whole steps; NaN becomes 0, what is too far away :data:`MOST_STEPS`."""
    steps = np.rint(values * (1 / step))
    steps = np.clip(np.where(np.isnan(steps), 0, steps), -MOST_STEPS, MOST_STEPS)
    return steps.astype(np.int32)


def local(values: Steps, known: Flags, side: int, step: float, core: Window) -> Local:
    """Mean and standard deviation of the known pixels in the window around each.

    Parameters
    ----------
    values
        Of a tile with a halo of `side // 2`, in steps.
    known
        Pixels that count; others get 0.
    side
        Of the window, pixels, odd.  At the border of the image it is cut off.
    step
        The quantity's unit for one step.
    core
        The pixels that are wanted, counted from the first of `values`.
    """
    if side % 2 == 0 or not 1 <= side <= WIDEST:
        raise ValueError(f"a window of {side} pixels; odd and at most {WIDEST}")
    mean, deviation = (np.zeros(core.shape, np.float32) for _ in range(2))
    _local_into(values, known, side // 2, step, core.row, core.col, mean, deviation)
    return Local(mean, deviation)


def contrast(values: Steps, windows: Local, step: float, core: Window) -> Floats:
    """The quantity less its mean around, in its units; of the core that the windows are of."""
    difference: Floats = values[core.slices] * np.float32(step) - windows.mean
    return difference


def roughness(values: Steps, known: Flags, side: int, step: float, core: Window) -> Floats:
    """Mean absolute difference of neighbours in the window, along rows and along columns.

    The dissimilarity of a co-occurrence matrix of one pixel's distance, of all grey levels.

    References
    ----------
    Haralick, R. M., Shanmugam, K., Dinstein, I., 1973. Textural features for image classification.
    IEEE Transactions on Systems, Man, and Cybernetics 3, 610-621.
    https://doi.org/10.1109/TSMC.1973.4309314
    """
    result = np.zeros(core.shape, np.float32)
    _roughness_into(values, known, side // 2, step, core.row, core.col, result)
    return result


def halo(sides: Sequence[int]) -> int:
    """Pixels around a tile that windows of these sides, and their roughness, look at."""
    return max((side // 2 + 1 for side in sides), default=0)


@kernel
def _slide(
    values: Integers, counts: Integers, radius: int, left: int, total: Integers, number: Integers
) -> None:
    """Sums of columns to sums of windows, along one row."""
    width = values.shape[0]
    sum_, count = 0, 0
    for j in range(max(left - radius - 1, 0), min(left + radius, width)):
        sum_ += values[j]
        count += counts[j]
    for j in range(total.shape[0]):
        right, gone = left + j + radius, left + j - radius - 1
        if right < width:
            sum_ += values[right]
            count += counts[right]
        if gone >= 0:
            sum_ -= values[gone]
            count -= counts[gone]
        total[j], number[j] = sum_, count


@kernel
def _take(
    values: Steps,
    known: Flags,
    row: int,
    sign: int,
    sums: Integers,
    squares: Integers,
    counts: Integers,
) -> None:
    """Add a row to the sums of columns, or take it away."""
    for j in range(values.shape[1]):
        there = np.int64(known[row, j]) * sign
        value = np.int64(values[row, j])
        sums[j] += there * value
        squares[j] += there * value * value
        counts[j] += there


@kernel
def _local_into(
    values: Steps,
    known: Flags,
    radius: int,
    step: float,
    top: int,
    left: int,
    mean: Floats,
    deviation: Floats,
) -> None:
    height, width = values.shape
    sums, squares, counts = np.zeros((3, width), np.int64)
    total, square, number = np.zeros((3, mean.shape[1]), np.int64)
    for i in range(max(top - radius - 1, 0), min(top + radius, height)):
        _take(values, known, i, 1, sums, squares, counts)
    for i in range(mean.shape[0]):
        low, high = top + i - radius - 1, top + i + radius
        if high < height:
            _take(values, known, high, 1, sums, squares, counts)
        if low >= 0:
            _take(values, known, low, -1, sums, squares, counts)
        _slide(sums, counts, radius, left, total, number)
        _slide(squares, counts, radius, left, square, number)
        for j in range(mean.shape[1]):
            if known[top + i, left + j]:
                n = number[j]
                mean[i, j] = step * (total[j] / n)
                # n times the sum of squares less the square of the sum: never negative, exact.
                deviation[i, j] = step * (np.sqrt(float(n * square[j] - total[j] * total[j])) / n)


@kernel
def _pairs(
    values: Steps, known: Flags, row: int, sign: int, sums: Integers, counts: Integers
) -> None:
    """Add the differences of a row's pixels to their right and lower neighbours, or take them."""
    height, width = values.shape
    for j in range(width):
        if not known[row, j]:
            continue
        if j + 1 < width and known[row, j + 1]:
            sums[j] += sign * abs(np.int64(values[row, j]) - values[row, j + 1])
            counts[j] += sign
        if row + 1 < height and known[row + 1, j]:
            sums[j] += sign * abs(np.int64(values[row, j]) - values[row + 1, j])
            counts[j] += sign


@kernel
def _roughness_into(
    values: Steps, known: Flags, radius: int, step: float, top: int, left: int, out: Floats
) -> None:
    height, width = values.shape
    sums, counts = np.zeros((2, width), np.int64)
    total, number = np.zeros((2, out.shape[1]), np.int64)
    for i in range(max(top - radius - 1, 0), min(top + radius, height)):
        _pairs(values, known, i, 1, sums, counts)
    for i in range(out.shape[0]):
        low, high = top + i - radius - 1, top + i + radius
        if high < height:
            _pairs(values, known, high, 1, sums, counts)
        if low >= 0:
            _pairs(values, known, low, -1, sums, counts)
        _slide(sums, counts, radius, left, total, number)
        for j in range(out.shape[1]):
            if known[top + i, left + j] and number[j] > 0:
                out[i, j] = step * (total[j] / number[j])
