"""Sub-pixel refinement by Gauss-Newton steps in square windows.

Each pixel minimises the squared difference of the locally normalised images over its window, with
the symmetric gradient of Benhimane and Malis (2007, https://doi.org/10.1177/0278364907080252).  Two
things differ from the textbook (Lucas and Kanade 1981):

* Neighbours enter with their own deviation from the smooth field, not with their displacement: a
  window on a gradient of displacement is then unbiased (the estimate would otherwise be the
  texture-weighted mean over the window).
* Differences count with a Cauchy weight, so that a window that straddles changed ground, or a
  fault, follows the side that matches.

The smooth field is also the prior of the regularisation.
"""

from typing import NamedTuple

import numpy as np

from core.kernel import kernel
from core.matching.arrays import Field, Floats, Layer
from core.matching.interpolation import spline_coefficients, warp
from core.matching.windows import box_sum, weighted_mean

STEPS = 4
"""Gauss-Newton steps per level: a fifth changes less than 0.003 px."""

CAUCHY = 0.7
"""Difference of normalised images at which the weight has fallen to one half."""

LARGEST_STEP = 1.0
"""Pixels that one step may move a pixel."""

SMOOTHING = 0.75
"""Half side of the window of the smooth field, in windows; it is applied twice."""

PRIOR = 0.3
"""Weight of the prior per pixel of the window at regularisation 1 (texture has about 0.3)."""


class Refined(NamedTuple):
    """A refined field, and what is known of its quality; all (rows, cols), float32."""

    field: Field
    warped: Layer
    normal: Floats
    """(3, rows, cols): sums of gradient products rr, rc, cc over the window, prior included."""
    residual: Floats
    """Sum over the window of weight times squared difference."""
    last_step: Floats
    """Length of the last step, pixels."""


def refine(
    reference: Layer, secondary: Layer, start: Field, window: int, regularisation: float
) -> Refined:
    """Refine a displacement field to a small fraction of a pixel.

    Parameters
    ----------
    reference, secondary
        Locally normalised images of the same shape.
    start
        Field that is right to about a pixel.
    window
        Side of the matching window, pixels, odd.
    regularisation
        0 (none) to 1: how strongly a pixel is held to the smooth field around it.
    """
    radius = window // 2
    smoothing = max(1, int(SMOOTHING * window))
    prior = np.float32(PRIOR * regularisation * window * window)
    coefficients = spline_coefficients(secondary.values)
    gradient = gradients(reference.values)
    field = Field(start.rows.copy(), start.cols.copy())
    products = np.empty((6, *field.rows.shape), np.float32)
    step = np.empty_like(field.rows)
    for number in range(STEPS):
        warped = warp(coefficients, secondary.weights, field)
        # The floor carries the smooth field across ground without data.
        weights = reference.weights * warped.weights + np.float32(1e-3)
        smooth = Field(*(weighted_mean(part, weights, smoothing, 2) for part in field))
        _products_into(*reference, *gradient, *warped, *field, *smooth, products)
        used = 6 if number == STEPS - 1 else 5
        for channel in range(used):
            products[channel] = box_sum(products[channel], radius)
        _solve_into(products, *smooth, *field, prior, np.float32(LARGEST_STEP), step)
    return Refined(field, warped, products[:3], products[5], step)


def gradients(values: Floats) -> Field:
    """Central differences along rows and columns, one-sided at the border, per pixel."""
    rows, cols = np.empty_like(values), np.empty_like(values)
    _gradients_into(values, rows, cols)
    return Field(rows, cols)


def smaller_eigenvalue(rr: Floats, rc: Floats, cc: Floats) -> Floats:
    """Of the gradient tensor [[rr, rc], [rc, cc]]: 0 where there is an edge at most."""
    return np.asarray((rr + cc) / 2 - np.hypot((rr - cc) / 2, rc), np.float32)


@kernel
def _gradients_into(values: Floats, rows: Floats, cols: Floats) -> None:
    height, width = values.shape
    half = np.float32(0.5)
    for i in range(height):
        above, below = max(i - 1, 0), min(i + 1, height - 1)
        scale = half if below - above == 2 else np.float32(1)
        for j in range(width):
            rows[i, j] = (values[below, j] - values[above, j]) * scale
        for j in range(1, width - 1):
            cols[i, j] = (values[i, j + 1] - values[i, j - 1]) * half
        cols[i, 0] = values[i, min(1, width - 1)] - values[i, 0]
        cols[i, width - 1] = values[i, width - 1] - values[i, max(width - 2, 0)]


@kernel
def _products_into(
    a: Floats,
    a_weight: Floats,
    a_rows: Floats,
    a_cols: Floats,
    b: Floats,
    b_weight: Floats,
    rows: Floats,
    cols: Floats,
    smooth_rows: Floats,
    smooth_cols: Floats,
    out: Floats,
) -> None:
    height, width = a.shape
    half, quarter = np.float32(0.5), np.float32(0.25)
    cauchy = np.float32(1.0 / (CAUCHY * CAUCHY))
    for i in range(height):
        above, below = max(i - 1, 0), min(i + 1, height - 1)
        for j in range(width):
            if a_weight[i, j] == 0 or b_weight[i, j] == 0:
                for channel in range(6):
                    out[channel, i, j] = 0
                continue
            left, right = max(j - 1, 0), min(j + 1, width - 1)
            g_row, g_col = a_rows[i, j], a_cols[i, j]
            if below - above == 2 and b_weight[above, j] > 0 and b_weight[below, j] > 0:
                g_row = half * g_row + quarter * (b[below, j] - b[above, j])
            if right - left == 2 and b_weight[i, left] > 0 and b_weight[i, right] > 0:
                g_col = half * g_col + quarter * (b[i, right] - b[i, left])
            difference = a[i, j] - b[i, j]
            weight = np.float32(1) / (np.float32(1) + difference * difference * cauchy)
            ahead = (
                difference
                + g_row * (rows[i, j] - smooth_rows[i, j])
                + g_col * (cols[i, j] - smooth_cols[i, j])
            )
            out[0, i, j] = weight * g_row * g_row
            out[1, i, j] = weight * g_row * g_col
            out[2, i, j] = weight * g_col * g_col
            out[3, i, j] = weight * g_row * ahead
            out[4, i, j] = weight * g_col * ahead
            out[5, i, j] = weight * difference * difference


@kernel
def _solve_into(
    sums: Floats,
    smooth_rows: Floats,
    smooth_cols: Floats,
    rows: Floats,
    cols: Floats,
    prior: np.float32,
    largest: np.float32,
    step: Floats,
) -> None:
    for i in range(rows.shape[0]):
        for j in range(rows.shape[1]):
            sums[0, i, j] += prior
            sums[2, i, j] += prior
            rr, rc, cc = sums[0, i, j], sums[1, i, j], sums[2, i, j]
            determinant = rr * cc - rc * rc
            step[i, j] = 0
            if determinant <= np.float32(1e-9):
                continue
            row = smooth_rows[i, j] + (cc * sums[3, i, j] - rc * sums[4, i, j]) / determinant
            col = smooth_cols[i, j] + (rr * sums[4, i, j] - rc * sums[3, i, j]) / determinant
            row -= rows[i, j]
            col -= cols[i, j]
            length = np.sqrt(row * row + col * col)
            if length > largest:
                row *= largest / length
                col *= largest / length
            rows[i, j] += row
            cols[i, j] += col
            step[i, j] = length
