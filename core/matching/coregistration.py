"""The shift between two whole images, to a pixel: where dense matching starts.

Kuglin, C. D., Hines, D. C., 1975. The phase correlation image alignment method. Proc. IEEE
International Conference on Cybernetics and Society, 163-165.
"""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
from scipy import fft

from core.matching.arrays import Floats, Layer
from core.matching.windows import normalised

LEAST_SHARE = 0.7
"""Share of a window that must hold data in both images."""

LEAST_PEAK = 4.0
"""Highest over second-highest peak, in deviations of the correlation surface, to be believed."""

BACKGROUND = 20
"""Half side, pixels, of the window of the mean that is taken out first."""


class Shift(NamedTuple):
    """Whole pixels from reference to secondary, and how many windows agree on it."""

    rows: int
    cols: int
    windows: int


def global_shift(pairs: Iterable[tuple[Layer, Layer]], floor: float) -> Shift:
    """Shift on which most windows agree; (0, 0, 0) where none can tell.

    Parameters
    ----------
    pairs
        Windows of both images at the same place, a few hundred pixels wide.
    floor
        Local deviation, units of the images, below which nothing counts as texture.
    """
    found = [shift for a, b in pairs if (shift := _window_shift(a, b, floor)) is not None]
    if not found:
        return Shift(0, 0, 0)
    shifts = np.array(found)
    # The window whose shift has the most others within a pixel; ties go to the smaller shift.
    near = (np.abs(shifts[:, None] - shifts[None]).max(axis=2) <= 1).sum(axis=1)
    best = max(range(len(found)), key=lambda k: (near[k], -abs(shifts[k]).sum()))
    if near[best] < max(2, len(found) // 3):
        return Shift(0, 0, 0)
    close = np.abs(shifts - shifts[best]).max(axis=1) <= 1
    rows, cols = np.rint(np.median(shifts[close], axis=0)).astype(int)
    return Shift(int(rows), int(cols), int(near[best]))


def _window_shift(a: Layer, b: Layer, floor: float) -> tuple[int, int] | None:
    if min(a.weights.mean(), b.weights.mean()) < LEAST_SHARE:
        return None
    first, second = (
        _tapered(normalised(layer.values, layer.weights, BACKGROUND, floor)) for layer in (a, b)
    )
    spectrum = np.conj(fft.rfft2(first)) * fft.rfft2(second)
    surface = fft.irfft2(spectrum, s=first.shape)
    row, col = np.unravel_index(int(surface.argmax()), surface.shape)
    if surface[row, col] < LEAST_PEAK * surface.std() or surface.std() == 0:
        return None
    height, width = surface.shape
    return (
        int(row) - height * (row > height // 2),
        int(col) - width * (col > width // 2),
    )


def _tapered(values: Floats) -> Floats:
    height, width = values.shape
    window = np.hanning(height)[:, None] * np.hanning(width)
    tapered: Floats = (values * window).astype(np.float32)
    return tapered
