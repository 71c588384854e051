"""Sums over square windows, the work-horse of everything local."""

import numpy as np

from core.kernel import kernel
from core.matching.arrays import Floats


def box_sum(values: Floats, radius: int) -> Floats:
    """Sum over the square window of ``2 radius + 1`` pixels around each pixel.

    Parameters
    ----------
    values
        Shape (rows, cols), float32, finite.  Outside the array counts as zero.
    radius
        Half side of the window, pixels; halo of the operation.

    Returns
    -------
    Floats
        Shape (rows, cols), float32.  Accumulated in float64: running sums in float32 drift.
    """
    out = np.empty_like(values)
    _box_sum_into(values, radius, out)
    return out


def weighted_mean(values: Floats, weights: Floats, radius: int, times: int = 1) -> Floats:
    """Mean over square windows, weighted, applied `times` times (2: a pyramid-shaped window).

    Where all weights of a window are zero the mean is zero.
    """
    scratch = np.empty_like(values)
    total = np.empty_like(values)
    _box_sum_into(weights, radius, total)
    np.maximum(total, np.float32(1e-6), out=total)
    mean = values
    for _ in range(times):
        np.multiply(mean, weights, out=scratch)
        mean = np.empty_like(values)
        _box_sum_into(scratch, radius, mean)
        mean /= total
    return mean


def normalised(values: Floats, weights: Floats, radius: int, floor: float) -> Floats:
    """Values less their local mean, over their local standard deviation; 0 where weight is 0.

    Gain and offset between two dates, and slow changes of both, drop out.

    Parameters
    ----------
    values, weights
        Shape (rows, cols), float32; a weight is 0 (no data) or 1.
    radius
        Half side of the window of mean and deviation, pixels; halo: 2 radius.
    floor
        Least deviation, units of `values`: keeps noise of flat ground from becoming texture.
    """
    count = box_sum(weights, radius)
    np.maximum(count, np.float32(1), out=count)
    centred = values * weights
    centred -= box_sum(centred, radius) / count
    centred *= weights
    spread = box_sum(centred * centred, radius)
    spread /= count
    # Also where a running sum over nothing leaves a rounding error below zero.
    np.maximum(spread, np.float32(floor) ** 2, out=spread)
    np.sqrt(spread, out=spread)
    centred /= spread
    return centred


@kernel
def _box_sum_into(source: Floats, radius: int, out: Floats) -> None:
    height, width = source.shape
    columns = np.zeros(width + 2 * radius + 1, np.float64)
    first = radius + 1
    for i in range(min(radius, height)):
        for j in range(width):
            columns[j + first] += source[i, j]
    for i in range(height):
        if i + radius < height:
            entering = source[i + radius]
            for j in range(width):
                columns[j + first] += entering[j]
        if i - radius - 1 >= 0:
            leaving = source[i - radius - 1]
            for j in range(width):
                columns[j + first] -= leaving[j]
        total = 0.0
        for j in range(first, 2 * radius + 1):
            total += columns[j]
        row = out[i]
        for j in range(width):
            entering_column = j + 2 * radius + 1
            if entering_column < width + first:
                total += columns[entering_column]
            total -= columns[j]
            row[j] = total
