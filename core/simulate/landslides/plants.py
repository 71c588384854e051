"""Forest and grass as they look at a date, with what differs from place to place."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from core.simulate.landslides.fields import Generator, Layer, smooth
from core.simulate.landslides.spectra import (
    BANDS,
    COLOURED,
    GRASS,
    LEAFLESS,
    LEAVES,
    NEEDLES,
    STRAW,
)
from core.simulate.landslides.style import Season, Style
from core.simulate.landslides.terrain import PIXEL_M, Terrain


class Stand(NamedTuple):
    """What lasts from date to date, on the ground with its margin.

    Parameters
    ----------
    needles
        Share of trees that keep their needles.
    late
        How much later plants are than in the middle of the scene: higher, to the north, by kind.
    vigour
        How densely plants grow, about 1.
    """

    needles: Layer
    late: Layer
    vigour: Layer


class Plants(NamedTuple):
    """Reflectance of forest and of grass at a date, each [band, row, col], with the margin."""

    forest: Layer
    grass: Layer


def stand(ground: Terrain, style: Style, generator: Generator) -> Stand:
    """The plants of an event."""
    shape = ground.height.shape
    groves = smooth(shape, generator, 45.0) + 0.7 * smooth(shape, generator, 10.0)
    level = np.quantile(groves, 1 - style.conifers)
    needles = 1 / (1 + np.exp(-4 * (groves - level)))
    high = (ground.height - ground.height.mean()) / max(float(ground.height.std()), 1.0)
    down, right = np.gradient(ndimage.gaussian_filter(ground.height, 2.0), PIXEL_M)
    late = 0.5 * high + 0.5 * down / np.sqrt(1 + down**2 + right**2)
    late += 0.6 * smooth(shape, generator, 25.0) + 0.4 * smooth(shape, generator, 5.0)
    vigour = 1 + 0.09 * smooth(shape, generator, 60.0) + 0.07 * smooth(shape, generator, 8.0)
    layers = (layer.astype(np.float32) for layer in (needles, late, vigour))
    return Stand(*layers)


def plants(lasting: Stand, season: Season, generator: Generator) -> Plants:
    """Forest and grass in a season; what rain, insects and grazing do differs from date to date."""
    shape = lasting.late.shape
    chance = 0.6 * smooth(shape, generator, 30.0) + 0.4 * smooth(shape, generator, 6.0)
    leaves = _share(season.leaves, -0.8 * lasting.late - 0.4 * chance)
    coloured = _share(season.colour, 0.8 * lasting.late + 0.5 * chance)
    green = _share(season.grass, -0.3 * lasting.late + 0.9 * chance)
    vigour = lasting.vigour * (1 + 0.05 * chance)
    forest, grass = (np.empty((len(BANDS), *shape), np.float32) for _ in range(2))
    for band in range(len(BANDS)):
        crown = LEAVES[band] + (COLOURED[band] - LEAVES[band]) * coloured
        broad = LEAFLESS[band] + (crown - LEAFLESS[band]) * leaves
        forest[band] = broad + (NEEDLES[band] - broad) * lasting.needles
        grass[band] = STRAW[band] + (GRASS[band] - STRAW[band]) * green
        # Dense plants are brighter in the near infrared and darker where chlorophyll absorbs.
        dense = vigour if BANDS[band] == "B08" else 2 - vigour
        forest[band] *= dense
        grass[band] *= dense
    return Plants(forest, grass)


def _share(mean: float, shift: NDArray[np.floating]) -> Layer:
    """A share around `mean`, shifted on the scale of its logit."""
    held = min(max(mean, 0.01), 0.99)
    share: Layer = (1 / (1 + np.exp(-(np.log(held / (1 - held)) + shift)))).astype(np.float32)
    return share
