"""A satellite's camera: its blur, its pixels, its noise."""

import numpy as np
from numpy.typing import NDArray

from core.simulate.landslides.bodies import FINE
from core.simulate.landslides.fields import Generator, Layer

BLUR_PX = 0.4
"""Deviation of the optics' Gaussian; with the pixel's square the contrast at the highest frequency
is .29, within the .15 to .3 that Sentinel-2 is built for."""
REACH_PX = 2
"""Pixels beside one from which light falls on it."""
READ_NOISE, SHOT_NOISE = 5e-4, 8e-6
"""Deviation at reflectance 0, and growth of the variance with reflectance: 1 in 100 at .1."""


def weights(shift_px: float) -> NDArray[np.float32]:
    """Weights of the fine cells from `REACH_PX` pixels before a pixel to as many behind it.

    `shift_px` is by how much the image lies too far down or right: the pixel shows ground from so
    far above or left.
    """
    cells = (np.arange((2 * REACH_PX + 1) * FINE) + 0.5) / FINE - REACH_PX - 0.5 + shift_px
    # The square of a pixel behind a Gaussian, at steps finer than the cells.
    parts = (np.arange(60) + 0.5) / 60 - 0.5
    kernel = np.exp(-(((cells[:, None] - parts[None, :]) / BLUR_PX) ** 2) / 2).sum(axis=1)
    result: NDArray[np.float32] = (kernel / kernel.sum()).astype(np.float32)
    return result


def seen(fine: Layer, shift_px: tuple[float, float]) -> Layer:
    """Pixels of an image of fine cells, without the `REACH_PX` pixels at its borders."""
    return _thinned(_thinned(fine, weights(shift_px[0])).T, weights(shift_px[1])).T


def _thinned(fine: Layer, weight: NDArray[np.float32]) -> Layer:
    pixels = fine.shape[0] // FINE - 2 * REACH_PX
    result = np.zeros((pixels, fine.shape[1]), np.float32)
    for place, part in enumerate(weight):
        result += part * fine[place : place + FINE * pixels : FINE]
    return result


def noisy(image: Layer, generator: Generator) -> Layer:
    """An image with the noise of light and of electronics."""
    deviation = np.sqrt(READ_NOISE**2 + SHOT_NOISE * np.clip(image, 0, None))
    noise = generator.standard_normal(image.shape, dtype=np.float32)
    result: Layer = (image + deviation * noise).astype(np.float32)
    return result
