"""Where two images do not show the same thing: water that moved, a cloud that one of them has."""

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from core.matching.arrays import Floats, Layer
from core.matching.radiometry import Radiometry, relation
from core.matching.surfaces import row_splines, warped

WIDTH = 4.0
"""Standard deviation of the window's weights, pixels."""

SLIP = 0.2
"""Error of a good match, pixels: a slope of the image makes so much of it a difference."""

WORST = 4.0
"""Difference of the images beyond which all are equally bad, in units of noise and slip."""

UNLIKE = 2.25
"""Mean difference, in the same units, from which on nothing is believed; .8 is that of noise."""


def unlike(
    left: Layer, right: Layer, disparity: Floats, between: Radiometry | None = None
) -> NDArray[np.bool_]:
    """Whether the images around a matched pixel differ by far more than noise and small errors.

    What is matched by chance may correlate well in a small window, because the best of many was
    taken; its values still differ.

    Parameters
    ----------
    left, right
        Images of the same shape.
    disparity
        NaN where there is no match.
    between
        How the images' values relate; found out by default.
    """
    known = np.isfinite(disparity)
    seen, slopes = warped(row_splines(right), disparity)
    gain, offset, noise = (
        np.float32(value) for value in between or relation(left.values, seen, disparity)
    )
    usual = np.hypot(noise, np.float32(SLIP) * gain * slopes)
    away = np.abs(left.values - gain * seen - offset) / usual
    away = np.where(known, np.minimum(away, np.float32(WORST)), np.float32(0))
    count = np.maximum(_window(known.astype(np.float32)), np.float32(1e-6))
    found: NDArray[np.bool_] = known & (_window(away) > np.float32(UNLIKE) * count)
    return found


def _window(values: Floats) -> Floats:
    smooth: Floats = ndimage.gaussian_filter(values, WIDTH, mode="constant", truncate=3.0)
    return smooth
