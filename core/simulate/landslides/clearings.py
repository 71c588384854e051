"""Clearings in forests on slopes, some cut between the dates, some long before."""

from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from core.simulate.landslides.bodies import FINE
from core.simulate.landslides.fields import Generator, Layer, smooth

PER_MPX = 55
"""Clearings of either kind in a million pixels."""
SIDES_PX = (6.0, 26.0)
SLOPES_DEG = (6.0, 33.0)
"""Ground that machines can work on."""


class Age(IntEnum):
    """When the trees were cut."""

    FRESH = 1
    OLD = 2


def clearings(shape: tuple[int, int], slope: Layer, generator: Generator) -> NDArray[np.uint8]:
    """`Age` of the clearings in fine cells, 0 elsewhere.

    `slope` is that of the scene's pixels, degrees.
    """
    cut = np.zeros(shape, np.uint8)
    wanted = max(2, round(PER_MPX * slope.size / 1e6))
    row, col = np.nonzero((slope > SLOPES_DEG[0]) & (slope < SLOPES_DEG[1]))
    if row.size == 0:
        return cut
    for number in range(wanted):
        chosen = generator.integers(row.size)
        centre = (FINE * (row[chosen] + 0.5), FINE * (col[chosen] + 0.5))
        _fell(cut, centre, Age.FRESH if number % 2 == 0 else Age.OLD, generator)
    return cut


def _fell(
    cut: NDArray[np.uint8], centre: tuple[float, float], age: Age, generator: Generator
) -> None:
    length, width = FINE * SIDES_PX[0] * (SIDES_PX[1] / SIDES_PX[0]) ** generator.random(2) / 2
    angle = generator.uniform(0, np.pi)
    reach = int(np.hypot(length, width)) + 2
    low = [max(0, int(middle) - reach) for middle in centre]
    high = [min(side, int(middle) + reach) for middle, side in zip(centre, cut.shape, strict=True)]
    down, right = np.mgrid[low[0] : high[0], low[1] : high[1]].astype(np.float64)
    down, right = down - centre[0], right - centre[1]
    wave = 1.5 * smooth(down.shape, generator, 20.0)
    along = np.abs(down * np.cos(angle) + right * np.sin(angle) + wave)
    across = np.abs(right * np.cos(angle) - down * np.sin(angle) + wave)
    inside = (along < length) & (across < width)
    cut[low[0] : high[0], low[1] : high[1]][inside] = age
