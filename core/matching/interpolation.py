"""Cubic B-spline interpolation of an image along a displacement field.

Unser, M., 1999. Splines: a perfect fit for signal and image processing. IEEE Signal Processing
Magazine 16(6), 22-38. https://doi.org/10.1109/79.799930
"""

import numpy as np
from numpy.typing import NDArray

from core.kernel import kernel
from core.matching.arrays import Field, Floats, Layer

Places = NDArray[np.float64]
"""Rows or columns of places in an image, fractional pixels."""

EDGE = 0.01
"""Pixels beyond the outermost centres that still count as on them: a field of 1e-7 is none."""


def spline_coefficients(values: Floats) -> Floats:
    """Coefficients of the cubic B-spline through `values`, (rows, cols), mirrored at the border."""
    coefficients = values.copy()
    if min(values.shape) > 1:
        _filter_rows(coefficients)
        _filter_columns(coefficients)
    return coefficients


def warp(coefficients: Floats, weights: Floats, field: Field) -> Layer:
    """The image at ``(row + field.rows, col + field.cols)`` of each pixel.

    A sample is valid where the four pixels around it are; elsewhere value and weight are 0.
    """
    values = np.empty_like(field.rows)
    valid = np.empty_like(field.rows)
    _warp_into(coefficients, weights, field.rows, field.cols, values, valid)
    return Layer(values, valid)


def sampled(coefficients: Floats, weights: Floats, rows: Places, cols: Places) -> Layer:
    """The image at any places, fractional pixels, of the shape of `rows` and `cols`.

    Valid as for :func:`warp`; NaN is nowhere.
    """
    values, valid = (np.empty((1, rows.size), np.float32) for _ in range(2))
    # One long row of pixels, each displaced to its place.
    down = np.array(rows, np.float64).reshape(1, -1)
    right = np.array(cols, np.float64).reshape(1, -1) - np.arange(rows.size)
    _warp_into(coefficients, weights, down, right, values, valid)
    return Layer(values.reshape(rows.shape), valid.reshape(rows.shape))


def bilinear(values: Floats, field: Field) -> Floats:
    """`values` at ``(row + field.rows, col + field.cols)``; NaN outside and beside NaN."""
    out = np.empty_like(field.rows)
    _bilinear_into(values, field.rows, field.cols, out)
    return out


@kernel
def _filter_rows(values: Floats) -> None:
    height, width = values.shape
    pole = np.float32(-0.2679491924311227)
    gain = np.float32(6.0)
    last = pole / (pole * pole - np.float32(1))
    for i in range(height):
        row = values[i]
        total = row[0]
        power = pole
        for n in range(1, min(width, 16)):
            total += power * row[n]
            power *= pole
        row[0] = total
        for j in range(1, width):
            row[j] += pole * row[j - 1]
        row[width - 1] = last * (row[width - 1] + pole * row[width - 2])
        for j in range(width - 2, -1, -1):
            row[j] = pole * (row[j + 1] - row[j])
        for j in range(width):
            row[j] *= gain


@kernel
def _filter_columns(values: Floats) -> None:
    height, width = values.shape
    pole = np.float32(-0.2679491924311227)
    gain = np.float32(6.0)
    last = pole / (pole * pole - np.float32(1))
    top = values[0].copy()
    power = pole
    for n in range(1, min(height, 16)):
        for j in range(width):
            top[j] += power * values[n, j]
        power *= pole
    values[0] = top
    for i in range(1, height):
        for j in range(width):
            values[i, j] += pole * values[i - 1, j]
    for j in range(width):
        values[height - 1, j] = last * (values[height - 1, j] + pole * values[height - 2, j])
    for i in range(height - 2, -1, -1):
        for j in range(width):
            values[i, j] = pole * (values[i + 1, j] - values[i, j])
    for i in range(height):
        for j in range(width):
            values[i, j] *= gain


@kernel
def _cubic(part: np.float32) -> tuple[np.float32, np.float32, np.float32, np.float32]:
    one, sixth = np.float32(1), np.float32(1 / 6)
    rest = one - part
    before = rest * rest * rest * sixth
    after = part * part * part * sixth
    near = (np.float32(3) * part - np.float32(6)) * part * part * sixth + np.float32(2 / 3)
    return before, near, one - before - near - after, after


@kernel
def _warp_into(
    coefficients: Floats,
    weights: Floats,
    rows: Floats | Places,
    cols: Floats | Places,
    values: Floats,
    valid: Floats,
) -> None:
    height, width = coefficients.shape
    for i in range(rows.shape[0]):
        for j in range(rows.shape[1]):
            values[i, j] = 0
            valid[i, j] = 0
            y = i + rows[i, j]
            x = j + cols[i, j]
            if not (y >= -EDGE and x >= -EDGE and y <= height - 1 + EDGE and x <= width - 1 + EDGE):
                continue
            y, x = min(max(y, 0.0), height - 1.0), min(max(x, 0.0), width - 1.0)
            top = min(int(y), max(height - 2, 0))
            left = min(int(x), max(width - 2, 0))
            bottom, right = min(top + 1, height - 1), min(left + 1, width - 1)
            if (
                weights[top, left] == 0
                or weights[top, right] == 0
                or weights[bottom, left] == 0
                or weights[bottom, right] == 0
            ):
                continue
            y0, y1, y2, y3 = _cubic(np.float32(y - top))
            x0, x1, x2, x3 = _cubic(np.float32(x - left))
            above, below = abs(top - 1), top + 2
            before, after = abs(left - 1), left + 2
            if below >= height:
                below = max(2 * height - 2 - below, 0)
            if after >= width:
                after = max(2 * width - 2 - after, 0)
            a, b = coefficients[above], coefficients[top]
            c, d = coefficients[bottom], coefficients[below]
            values[i, j] = (
                y0 * (a[before] * x0 + a[left] * x1 + a[right] * x2 + a[after] * x3)
                + y1 * (b[before] * x0 + b[left] * x1 + b[right] * x2 + b[after] * x3)
                + y2 * (c[before] * x0 + c[left] * x1 + c[right] * x2 + c[after] * x3)
                + y3 * (d[before] * x0 + d[left] * x1 + d[right] * x2 + d[after] * x3)
            )
            valid[i, j] = 1


@kernel
def _bilinear_into(values: Floats, rows: Floats, cols: Floats, out: Floats) -> None:
    height, width = values.shape
    for i in range(rows.shape[0]):
        for j in range(rows.shape[1]):
            y = i + rows[i, j]
            x = j + cols[i, j]
            if not (y >= -EDGE and x >= -EDGE and y <= height - 1 + EDGE and x <= width - 1 + EDGE):
                out[i, j] = np.nan
                continue
            y, x = min(max(y, 0.0), height - 1.0), min(max(x, 0.0), width - 1.0)
            top = min(int(y), max(height - 2, 0))
            left = min(int(x), max(width - 2, 0))
            bottom, right = min(top + 1, height - 1), min(left + 1, width - 1)
            t, s = np.float32(y - top), np.float32(x - left)
            upper = values[top, left] + s * (values[top, right] - values[top, left])
            lower = values[bottom, left] + s * (values[bottom, right] - values[bottom, left])
            out[i, j] = upper + t * (lower - upper)
