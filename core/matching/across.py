"""How far matches lie off their epipolar lines: what lines of sight miss each other by.

Matching along the rows finds nothing across them.  Once disparities are known, the images differ by
what is left: the same differences, divided by the slope down the columns, tell the rows between a
point and its match (Lucas and Kanade 1981), in windows wide enough for a tenth of a pixel.
"""

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from core.matching.arrays import Floats, Layer
from core.matching.radiometry import Radiometry, relation
from core.matching.surfaces import row_splines, warped

WIDTH = 5.0
"""Standard deviation of the window's weights, pixels."""

STEP = 0.6
"""Difference of disparity between a pixel and the ones above and below, pixels, up to which they
are on one surface."""

LARGEST = 2.0
"""Rows that are told, at most: beyond, the images' differences tell nothing."""

EVEN = 0.5
"""Standard deviation of the result where images are as even as their noise, pixels: it is drawn to
0 there."""


def across(
    left: Layer, right: Layer, disparity: Floats, between: Radiometry | None = None
) -> Floats:
    """Rows by which matches lie further down than their points.

    Parameters
    ----------
    left, right
        Images of the same shape whose rows are epipolar lines, about.
    disparity
        ``(row, col)`` on the left is matched with ``(row, col + disparity)``; NaN where nothing is.
    between
        How the images' values relate; found out by default.

    Returns
    -------
    Floats
        Positive downwards, of one sign for a wide area: the mean over a window of
        :data:`WIDTH`; NaN where there is no match.
    """
    seen, _ = warped(row_splines(right), disparity)
    between = between or relation(left.values, seen, disparity)
    there: Floats = np.float32(between.gain) * seen
    # The mean of both slopes is right to the second order.
    slope = _slopes(np.float32(0.5) * left.values + np.float32(0.5) * there)
    difference = left.values - there - np.float32(between.offset)
    usable = _on_one_surface(disparity)
    slope, difference = (np.where(usable, part, np.float32(0)) for part in (slope, difference))
    total = np.maximum(_window(usable.astype(np.float32)), np.float32(1e-6))
    slope_mean, difference_mean = (_window(part) / total for part in (slope, difference))
    both = _window(slope * difference) / total - slope_mean * difference_mean
    square = _window(slope * slope) / total - slope_mean**2
    # The window counts for so many pixels.
    count = np.float32(4 * np.pi * WIDTH**2)
    even = np.float32(2 * (between.noise / EVEN) ** 2) / count
    found = np.clip(both / (np.maximum(square, 0) + even), -LARGEST, LARGEST)
    rows: Floats = np.where(np.isfinite(disparity), found, np.nan).astype(np.float32)
    return rows


def _slopes(image: Floats) -> Floats:
    """Slopes down the columns, exact for cubics."""
    slopes: Floats = ndimage.correlate1d(image, np.array([1, -8, 0, 8, -1]) / 12, axis=0)
    return slopes


def _on_one_surface(disparity: Floats) -> NDArray[np.bool_]:
    """Whether a pixel and the two above and below are."""
    usable = np.zeros(disparity.shape, np.bool_)
    middle = disparity[2:-2]
    near = [np.abs(disparity[k : disparity.shape[0] - 4 + k] - middle) for k in (0, 1, 3, 4)]
    # A comparison with NaN is false.
    usable[2:-2] = np.logical_and.reduce([part < STEP for part in near])
    return usable


def _window(values: Floats) -> Floats:
    smooth: Floats = ndimage.gaussian_filter(values, WIDTH, mode="constant", truncate=3.0)
    return smooth
