"""The shift between two whole images, to a pixel: where dense matching starts.

The cross-correlations of windows spread over both images are added up.  What all windows share
grows with their number, what each finds by chance does not.

Anuta, P. E., 1970. Spatial registration of multispectral and multitemporal digital imagery using
fast Fourier transform techniques. IEEE Transactions on Geoscience Electronics 8(4), 353-368.
https://doi.org/10.1109/TGE.1970.271435
"""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from core.matching.arrays import Floats, Layer
from core.matching.windows import normalised

LEAST_SHARE = 0.3
"""Share of a window that must hold data in both images."""

LEAST_RATIO = 3.0
"""Highest over second-highest peak of the summed surface that is believed.  Unrelated images reach
1.8 in windows of 128 pixels and more; a real pair with clouds has 50, half a scene changed 8."""

PEAK_RADIUS = 12
"""Half side, pixels, of the square around a peak that counts as the same peak."""

BACKGROUND = 20
"""Half side, pixels, of the window of the mean that is taken out first."""


class Shift(NamedTuple):
    """Whole pixels from reference to secondary, and how clear they are."""

    rows: int
    cols: int
    ratio: float
    """Highest over second-highest peak; 0 where no window could be compared."""

    @property
    def found(self) -> bool:
        """Whether the shift is believed; rows and cols are 0 otherwise."""
        return self.ratio >= LEAST_RATIO


def global_shift(pairs: Iterable[tuple[Layer, Layer]], floor: float) -> Shift:
    """The shift that windows of two images have in common.

    Parameters
    ----------
    pairs
        Windows of both images at the same place, all of one shape.  Windows that overlap would
        count what they share twice.
    floor
        Local deviation, units of the images, below which nothing counts as texture.
    """
    total: NDArray[np.float64] | None = None
    for a, b in pairs:
        if min(a.weights.mean(), b.weights.mean()) >= LEAST_SHARE:
            surface = _surface(a, b, floor)
            total = surface if total is None else total + surface
    if total is None or not total.any():
        return Shift(0, 0, 0.0)
    height, width = total.shape
    row, col = (int(i) for i in np.unravel_index(int(total.argmax()), total.shape))
    ratio = float(total[row, col] / max(_second(total, row, col), 1e-12))
    if ratio < LEAST_RATIO:
        return Shift(0, 0, ratio)
    return Shift(row - height * (row > height // 2), col - width * (col > width // 2), ratio)


def _surface(a: Layer, b: Layer, floor: float) -> NDArray[np.float64]:
    """Cross-correlation over all cyclic shifts, scaled so that windows count alike."""
    first, second = (
        _tapered(normalised(layer.values, layer.weights, BACKGROUND, floor)) for layer in (a, b)
    )
    spectrum = np.conj(fft.rfft2(first)) * fft.rfft2(second)
    # Half-way to phase correlation: sharp peaks, without the noise of empty frequencies.
    spectrum /= np.sqrt(np.abs(spectrum)) + 1e-9
    surface = fft.irfft2(spectrum, s=first.shape).astype(np.float64)
    scaled: NDArray[np.float64] = surface / max(float(np.abs(spectrum).mean()), 1e-12)
    return scaled


def _second(surface: NDArray[np.float64], row: int, col: int) -> float:
    """The highest value that is not part of the peak at (row, col)."""
    reach = np.arange(-PEAK_RADIUS, PEAK_RADIUS + 1)
    rest = surface.copy()
    rest[np.ix_((row + reach) % surface.shape[0], (col + reach) % surface.shape[1])] = -np.inf
    return float(rest.max())


def _tapered(values: Floats) -> Floats:
    height, width = values.shape
    window = np.hanning(height + 2)[1:-1, None] * np.hanning(width + 2)[1:-1]
    tapered: Floats = (values * window).astype(np.float32)
    return tapered
