"""Exhaustive search of the whole-pixel displacement at the coarsest level.

The score is zero-mean normalised cross-correlation in a square window; sums over windows cost the
same for every size of window.
"""

import numpy as np

from core.kernel import kernel
from core.matching.arrays import Field, Floats, Layer
from core.matching.windows import box_sum

LEAST_SHARE = 0.3
"""Share of a window that must hold data in both images."""

NOWHERE = np.float32(-2)
"""Score of a displacement that could not be compared."""


def best_shift(reference: Layer, secondary: Layer, radius: int, reach: int) -> Field:
    """Displacement of at most `reach` pixels with the highest correlation, made robust.

    Parameters
    ----------
    reference, secondary
        Locally normalised images of the same shape.
    radius
        Half side of the correlation window, pixels.
    reach
        Half side of the square that is searched, pixels.

    Returns
    -------
    Field
        Whole pixels, after a median over 5 x 5 pixels; 0 where nothing could be compared.
    """
    shape = reference.values.shape
    best = np.full(shape, NOWHERE, np.float32)
    rows, cols = np.zeros(shape, np.float32), np.zeros(shape, np.float32)
    products = np.empty((6, *shape), np.float32)
    least = np.float32(LEAST_SHARE * (2 * radius + 1) ** 2)
    for row, col in _spiral(reach):
        _products_into(*reference, *secondary, row, col, products)
        for channel in range(6):
            products[channel] = box_sum(products[channel], radius)
        _keep_best(products, least, row, col, best, rows, cols)
    return Field(median(rows, 2), median(cols, 2))


def median(values: Floats, radius: int) -> Floats:
    """Median over the square window of each pixel; the window is cut at the border."""
    out = np.empty_like(values)
    _median_into(values, radius, out)
    return out


def _spiral(reach: int) -> list[tuple[int, int]]:
    """All shifts, the smallest first, so that equal scores give the smaller displacement."""
    span = range(-reach, reach + 1)
    return sorted(((r, c) for r in span for c in span), key=lambda s: s[0] ** 2 + s[1] ** 2)


@kernel
def _products_into(
    a: Floats, a_weight: Floats, b: Floats, b_weight: Floats, row: int, col: int, out: Floats
) -> None:
    height, width = a.shape
    out[:] = 0
    for i in range(max(0, -row), min(height, height - row)):
        for j in range(max(0, -col), min(width, width - col)):
            weight = a_weight[i, j] * b_weight[i + row, j + col]
            if weight > 0:
                p, q = a[i, j], b[i + row, j + col]
                out[0, i, j] = weight
                out[1, i, j] = p
                out[2, i, j] = q
                out[3, i, j] = p * p
                out[4, i, j] = q * q
                out[5, i, j] = p * q


@kernel
def _keep_best(
    sums: Floats,
    least: np.float32,
    row: int,
    col: int,
    best: Floats,
    rows: Floats,
    cols: Floats,
) -> None:
    for i in range(best.shape[0]):
        for j in range(best.shape[1]):
            count = sums[0, i, j]
            if count < least:
                continue
            p, q = sums[1, i, j] / count, sums[2, i, j] / count
            spread = (sums[3, i, j] / count - p * p) * (sums[4, i, j] / count - q * q)
            if spread <= 1e-12:
                continue
            score = (sums[5, i, j] / count - p * q) / np.sqrt(spread)
            if score > best[i, j]:
                best[i, j] = score
                rows[i, j] = row
                cols[i, j] = col


@kernel
def _median_into(values: Floats, radius: int, out: Floats) -> None:
    height, width = values.shape
    side = 2 * radius + 1
    heap = np.empty(side * side, np.float32)
    for i in range(height):
        for j in range(width):
            n = 0
            for k in range(max(0, i - radius), min(height, i + radius + 1)):
                for m in range(max(0, j - radius), min(width, j + radius + 1)):
                    value = values[k, m]
                    at = n
                    while at > 0 and heap[at - 1] > value:
                        heap[at] = heap[at - 1]
                        at -= 1
                    heap[at] = value
                    n += 1
            out[i, j] = heap[n // 2]
