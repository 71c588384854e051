"""Places of an image that can be found again in another: one for each cell of a lattice.

The measure is the smaller eigenvalue of the mean gradient tensor (Shi and Tomasi 1994,
https://doi.org/10.1109/CVPR.1994.323794) of the locally normalised image: edges alone, noise of
flat ground and anything without data or saturated have none.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from core.matching.arrays import Floats, Layer
from core.matching.refinement import gradients, smaller_eigenvalue
from core.matching.windows import box_sum, normalised

NORMALISING_RADIUS = 12
"""Half side of the window whose mean and deviation drop out, pixels."""

TENSOR_RADIUS = 5
"""Half side of the window of the gradient tensor, pixels."""

LEAST_TEXTURE = 0.02
"""Smaller eigenvalue per pixel; noise of the window's size has a tenth, good texture ten times."""

FLOOR = 0.02
"""Deviation, in those of the whole image, below which nothing counts as texture."""


class Corners(NamedTuple):
    """Whole pixels, (points,), in the order of the cells."""

    row: NDArray[np.float64]
    col: NDArray[np.float64]
    cell: NDArray[np.intp]
    """Number of the lattice's cell that holds the point."""


def corners(image: Layer, spacing: int, margin: int) -> Corners:
    """The most distinct pixel of each square cell, where there is a distinct one.

    Parameters
    ----------
    spacing
        Side of the cells, pixels; the first begins at the first pixel.
    margin
        Half side of the window around a point that must hold data, pixels.
    """
    strength = _strength(image)
    full = np.float32((2 * margin + 1) ** 2)
    strength[box_sum(image.weights, margin) < full - np.float32(0.5)] = 0
    down, across = (-(-size // spacing) for size in strength.shape)
    found = []
    for number in range(down * across):
        top, left = number // across * spacing, number % across * spacing
        block = strength[top : top + spacing, left : left + spacing]
        row, col = np.unravel_index(int(np.argmax(block)), block.shape)
        if block[row, col] > LEAST_TEXTURE:
            found.append((top + int(row), left + int(col), number))
    rows, cols, numbers = np.array(found, np.intp).reshape(-1, 3).T
    return Corners(rows.astype(np.float64), cols.astype(np.float64), numbers)


def _strength(image: Layer) -> Floats:
    """Smaller eigenvalue of the mean gradient tensor, per pixel."""
    known = image.values[image.weights > 0]
    floor = FLOOR * float(known.std()) if known.size else 0.0
    plain = normalised(image.values, image.weights, NORMALISING_RADIUS, max(floor, 1e-6))
    slope = gradients(plain)
    return smaller_eigenvalue(
        *(
            box_sum(product, TENSOR_RADIUS) / np.float32((2 * TENSOR_RADIUS + 1) ** 2)
            for product in (slope.rows**2, slope.rows * slope.cols, slope.cols**2)
        )
    )
