"""Sunlight on the ground: by the angle at which it falls, and not behind mountains."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from core.kernel import kernel
from core.simulate.landslides.fields import Layer
from core.simulate.landslides.style import Sun
from core.simulate.landslides.terrain import PIXEL_M


class Light(NamedTuple):
    """Light on the ground at a date, [row, col].

    Parameters
    ----------
    direct
        From the sun, over what falls on level ground; 0 in shadows.
    sky
        Share of the sky that is seen.
    lit
        Whether no mountain hides the sun.
    """

    direct: Layer
    sky: Layer
    lit: NDArray[np.bool_]


def light(height: Layer, sun: Sun) -> Light:
    """Light on ground of given heights (metres, rows to the south)."""
    down, right = np.gradient(height, PIXEL_M)
    azimuth, elevation = np.radians(sun)
    steep = np.sqrt(1 + down**2 + right**2)
    toward = np.sin(elevation) + np.cos(elevation) * (
        down * np.cos(azimuth) - right * np.sin(azimuth)
    )
    lit = sunlit(height, sun)
    direct = np.where(lit, np.clip(toward / steep, 0, None) / np.sin(elevation), 0)
    return Light(direct.astype(np.float32), ((1 + 1 / steep) / 2).astype(np.float32), lit)


def sunlit(height: Layer, sun: Sun) -> NDArray[np.bool_]:
    """Whether the sun is seen from each cell, over the ground that is known."""
    azimuth, elevation = np.radians(sun)
    step = (-np.cos(azimuth), np.sin(azimuth))
    return _lit(height, step[0], step[1], PIXEL_M * np.tan(elevation), float(height.max()))


@kernel
def _lit(height: Layer, down: float, right: float, rise: float, top: float) -> NDArray[np.bool_]:
    rows, cols = height.shape
    lit = np.ones((rows, cols), np.bool_)
    for row in range(rows):
        for col in range(cols):
            level = float(height[row, col])
            steps = int((top - level) / rise) + 1
            for count in range(1, steps + 1):
                level += rise
                at_row, at_col = row + count * down, col + count * right
                i, j = int(np.floor(at_row)), int(np.floor(at_col))
                if i < 0 or j < 0 or i >= rows - 1 or j >= cols - 1:
                    break
                below, beside = at_row - i, at_col - j
                upper = height[i, j] + beside * (height[i, j + 1] - height[i, j])
                lower = height[i + 1, j] + beside * (height[i + 1, j + 1] - height[i + 1, j])
                if upper + below * (lower - upper) > level:
                    lit[row, col] = False
                    break
    return lit
