"""How the values of two matched images relate."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from core.matching.arrays import Floats

PART = 7
"""One pixel of so many tells how the images' values relate."""

FITS = 5
"""Repetitions of its weighted fit."""

LEAST_NOISE = 1e-3
"""Of the images' units: keeps images without noise from dividing by zero."""


class Radiometry(NamedTuple):
    """How the right image's values become the left one's: ``gain * right + offset``."""

    gain: float
    offset: float
    noise: float
    """Standard deviation of the difference that is left, by its median; units of the left image."""


def relation(left: Floats, warped: Floats, disparity: Floats) -> Radiometry:
    """Gain and offset between images, by weighted least squares without outliers.

    Parameters
    ----------
    left
        Values of the left image.
    warped
        Those of the right one where the left pixels are matched.
    disparity
        NaN where there is no match.
    """
    known = np.flatnonzero(np.isfinite(disparity))
    # A prime step: no pattern of rows or columns.
    known = known[:: PART if known.size > PART * PART else 1]
    gain, offset, noise = 1.0, 0.0, LEAST_NOISE
    theirs, ours = (part.ravel()[known].astype(np.float64) for part in (warped, left))
    weights = np.ones(ours.size)
    for _ in range(FITS if known.size > 2 else 0):
        total = weights.sum()
        mean_theirs, mean_ours = (weights @ theirs) / total, (weights @ ours) / total
        spread = weights @ (theirs - mean_theirs) ** 2
        if spread > 0:
            gain = float(weights @ ((theirs - mean_theirs) * (ours - mean_ours)) / spread)
        offset = float(mean_ours - gain * mean_theirs)
        difference = np.abs(ours - gain * theirs - offset)
        noise = max(1.4826 * float(np.median(difference)), LEAST_NOISE)
        weights = 1 / (1 + (difference / noise) ** 2)
    return Radiometry(gain, offset, noise)


def typical(parts: Sequence[Radiometry]) -> Radiometry:
    """Of several parts of two images the one with the median noise, of two the lower.

    The values of one part belong together: means of gains and offsets of parts fit none of them.
    Where matching failed, as under a cloud that one image has, noise is large.
    """
    return sorted(parts, key=lambda part: part.noise)[(len(parts) - 1) // 2]
