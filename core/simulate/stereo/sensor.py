"""From light to pixels: the blur of optics and detector, gain, noise and quantisation."""

import numpy as np
from scipy import special

from core.kernel import kernel
from core.simulate.stereo.rational import Points
from core.simulate.stereo.rays import Raster

OPTICS_PX = 0.5
"""Deviation of the optics' blur; with the detector's square the contrast left at the highest
frequency is .19."""
REACH_PX = 2
"""How far a pixel's light comes from."""
BITS = 12
SATURATED = 4095
DARK_NOISE_DN = 1.6
SHOT_NOISE_DN = 0.035
"""Variance per DN: a deviation of 6 at 1000."""


def blur_weights(samples: int) -> Points:
    """Weights of `samples` per pixel over `REACH_PX` pixels to either side of a centre."""
    place = (np.arange(2 * REACH_PX * samples) + 0.5) / samples - REACH_PX
    width = np.sqrt(2.0) * OPTICS_PX
    weights = special.erf((place + 0.5) / width) - special.erf((place - 0.5) / width)
    return np.asarray(weights / weights.sum(), np.float64)


def gather(light: Raster, samples: int) -> Raster:
    """Pixels of finer samples, which reach `REACH_PX` - 1/2 pixels beyond on all sides."""
    pixels: Raster = _gather(light, blur_weights(samples).astype(np.float32), samples)
    return pixels


@kernel
def _gather(light: Raster, weights: Raster, samples: int) -> Raster:
    taps = weights.size
    rows = (light.shape[0] - taps) // samples + 1
    cols = (light.shape[1] - taps) // samples + 1
    line = np.empty(light.shape[1], np.float32)
    pixels = np.empty((rows, cols), np.float32)
    for i in range(rows):
        line[:] = 0
        for k in range(taps):
            row = light[i * samples + k]
            for j in range(line.size):
                line[j] += weights[k] * row[j]
        for j in range(cols):
            total = np.float32(0)
            for k in range(taps):
                total += weights[k] * line[j * samples + k]
            pixels[i, j] = total
    return pixels
