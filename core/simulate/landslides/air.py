"""What comes between the ground and the satellite, and what lies on the ground for some weeks."""

from typing import NamedTuple

import numpy as np
from scipy import ndimage

from core.simulate.landslides.fields import Generator, Layer, fractal, smooth
from core.simulate.landslides.style import Visit
from core.simulate.landslides.terrain import MARGIN, PIXEL_M, Terrain

CLOUD_HEIGHT_M = 1500.0
"""Of the clouds over the ground."""
EDGE = 0.7
"""Over which a cloud becomes opaque, deviations of the field that it is cut from."""


class Veil(NamedTuple):
    """The air of a date, in the scene's pixels.

    Parameters
    ----------
    haze
        Reflectance that haze adds in B02.
    cloud, shadow
        Share of the ground that clouds hide, and of the sun's light that they take.
    """

    haze: Layer
    cloud: Layer
    shadow: Layer


def veil(size: int, visit: Visit, generator: Generator) -> Veil:
    """Haze and clouds at a date."""
    thick = smooth((size, size), generator, 350.0) + 0.4 * smooth((size, size), generator, 90.0)
    haze = visit.air.haze * np.clip(0.6 + 0.4 * thick, 0.05, 1.6)
    azimuth, elevation = np.radians(visit.sun)
    away = CLOUD_HEIGHT_M / PIXEL_M / np.tan(elevation)
    # The shadow lies on the far side of the cloud, seen from the sun.
    down, right = round(away * np.cos(azimuth)), round(-away * np.sin(azimuth))
    pad = max(abs(down), abs(right))
    wide = size + 2 * pad
    shape = fractal((wide, wide), generator, 2.4, 60.0)
    inner = shape[pad : pad + size, pad : pad + size]
    level = np.quantile(inner, 1 - visit.air.clouds) if visit.air.clouds > 0.002 else np.inf
    opacity = np.clip((shape - level) / EDGE + 0.05, 0, 1).astype(np.float32)
    cloud = opacity[pad : pad + size, pad : pad + size]
    top, left = pad - down, pad - right
    shadow = ndimage.gaussian_filter(opacity[top : top + size, left : left + size], 1.0)
    return Veil(haze.astype(np.float32), cloud, shadow)


def snow(ground: Terrain, visit: Visit, generator: Generator) -> Layer:
    """Share of the ground under snow, on the ground with its margin: high, to the north, chance."""
    shape = ground.height.shape
    if visit.season.snow == 0:
        return np.zeros(shape, np.float32)
    high = (ground.height - ground.height.mean()) / max(float(ground.height.std()), 1.0)
    down, right = np.gradient(ndimage.gaussian_filter(ground.height, 2.0), PIXEL_M)
    north = down / np.sqrt(1 + down**2 + right**2)
    score = 0.8 * high + 2.0 * north + 0.6 * smooth(shape, generator, 40.0)
    score += 0.5 * smooth(shape, generator, 7.0)
    inner = score[MARGIN:-MARGIN, MARGIN:-MARGIN]
    level = np.quantile(inner, 1 - visit.season.snow)
    share: Layer = np.clip((score - level) / 0.4 + 0.5, 0, 1).astype(np.float32)
    return share
