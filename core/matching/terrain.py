"""The terrain under a rough surface: what images are resampled for before they are matched.

If the surface for which an image is resampled rises with a house, the ground beside the house gets
disparities that slope like the smoothed wall, and what matching takes for level is not.  On terrain
alone ground and roofs are nearly level, each at its own disparity.
"""

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

Heights = NDArray[np.float64]
"""[row, col], metres."""

WIDEST = 100
"""What is narrower stands on the terrain, points of the finest lattice."""

SMOOTHING = 24.0
"""Standard deviation of the smoothing, points of the finest lattice."""


def terrain(heights: Heights, level: int) -> Heights:
    """The surface without what stands on it, smooth.

    Parameters
    ----------
    heights
        Of all points of a lattice, metres.
    level
        How often the finest lattice was halved for it.
    """
    # Odd, so that nothing is moved.
    side = max(WIDEST >> level | 1, 3)
    opened = ndimage.grey_opening(heights, side, mode="nearest")
    smooth: Heights = ndimage.gaussian_filter(opened, SMOOTHING / 2**level, mode="nearest")
    return smooth
