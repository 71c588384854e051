"""Standard deviations of measured heights: from the match, and from what the surface is like.

What matching says of its own error is right where all goes well.  It is too small where windows
hold more than noise and texture, so it is multiplied by factors that grow where windows correlate
badly, and where the surface departs from a plane, close by or a little further away: at a jump,
whose place is uncertain, and on rough ground.

The constants bring the normalised median absolute deviation of errors over standard deviations near
to one in each fifth of the cells, on ten simulated plains, mountains and towns (pairs and triplets,
cells of one and of two pixels; level and steep ground and the surroundings of walls each for
itself).  On four other scenes together it lies between 0.77 and 1.32, and the least certain fifth
of the cells holds 97 % of all errors over a metre.
"""

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from core.geometry.rpc import Floats
from core.kernel import kernel

Layer = NDArray[np.float32]

LEAST_MATCH_PX = 0.06
"""Standard deviation of matches that no window shows, pixels: trembling of the satellite, and what
interpolation and the shape of windows add."""

SCALE = 0.61
"""Of the deviation of matches by their windows, where nothing adds to it."""

SCORE, SCORE_POWER = 0.76, 4.05
"""Lack of correlation at which the first factor is 2 before it is raised to this power."""

NEAR_POWER, FAR_POWER = 0.218, 0.459
"""Of one and the square of the distance from a plane over the deviation of matches."""

LARGEST_RATIO = 4.66
"""Towards which that ratio goes at the highest walls."""

USUAL_POINTS = 7.0
"""In a cell as large as a pixel.  Smooth ground departs from a plane by the square of a window's
side, as the number of points grows: departures are taken per so many points."""

STEEP = 2.0
"""Slope at which departures from a plane count twice: no natural ground is so steep for long."""

NEAR, FAR = (1, 1), (4, 2)
"""Half side of a window in cells, and step between the cells that are looked at."""

FLOOR = 1e-3
"""Of the spread of places, cells squared: keeps a plane through cells of one line from turning."""

LEAST_SIGMA_M = 1e-3
"""Deviation of points that is taken for smaller ones."""


def height_deviation(match_px: ArrayLike, height_sigma: ArrayLike) -> Floats:
    """Standard deviation of heights, metres, from that of matches.

    Parameters
    ----------
    match_px
        Standard deviation of the disparity, pixels.
    height_sigma
        That of the height for noise of one pixel in each image, see
        :class:`core.geometry.triangulation.Intersections`.
    """
    # A disparity is the difference of two places, its variance the sum of theirs.
    deviation = np.hypot(match_px, LEAST_MATCH_PX) * np.asarray(height_sigma) / math.sqrt(2)
    return np.asarray(deviation, np.float64)


def deviation(height: Layer, sigma: Layer, score: Layer, count: Layer, cell: float) -> Layer:
    """Standard deviation of the heights of cells, metres; all arguments (rows, cols).

    Parameters
    ----------
    height
        Metres; NaN where there is none.
    sigma
        Standard deviation of the points' heights.
    score
        Mean correlation of their windows.
    count
        Number of points in a cell.
    cell
        Side of a cell, metres.

    Notes
    -----
    Looks at four cells around each.
    """
    out = np.full(height.shape, np.nan, np.float32)
    _deviation_into(height, sigma, score, count, cell, out)
    return out


@kernel
def _plane(height: Layer, i: int, j: int, radius: int, step: int) -> tuple[float, float]:
    """Root mean square distance of cells from the plane through them, and its slope per cell."""
    rows, cols = height.shape
    count = 0
    y, x, h = 0.0, 0.0, 0.0
    yy, yx, xx, yh, xh, hh = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
    for k in range(i - radius, i + radius + 1, step):
        for m in range(j - radius, j + radius + 1, step):
            if not (0 <= k < rows and 0 <= m < cols) or math.isnan(height[k, m]):
                continue
            down, right, up = float(k - i), float(m - j), float(height[k, m] - height[i, j])
            count += 1
            y += down
            x += right
            h += up
            yy += down * down
            yx += down * right
            xx += right * right
            yh += down * up
            xh += right * up
            hh += up * up
    y, x, h = y / count, x / count, h / count
    yy, xx, yx = yy / count - y * y + FLOOR, xx / count - x * x + FLOOR, yx / count - y * x
    yh, xh, hh = yh / count - y * h, xh / count - x * h, hh / count - h * h
    determinant = yy * xx - yx * yx
    south = (yh * xx - xh * yx) / determinant
    east = (xh * yy - yh * yx) / determinant
    return math.sqrt(max(hh - south * yh - east * xh, 0.0)), math.hypot(south, east)


@kernel
def _deviation_into(
    height: Layer, sigma: Layer, score: Layer, count: Layer, cell: float, out: Layer
) -> None:
    for i in range(height.shape[0]):
        for j in range(height.shape[1]):
            if math.isnan(height[i, j]):
                continue
            own = max(float(sigma[i, j]), LEAST_SIGMA_M)
            near, _ = _plane(height, i, j, NEAR[0], NEAR[1])
            far, incline = _plane(height, i, j, FAR[0], FAR[1])
            steep = 1 + (incline / (cell * STEEP)) ** 2
            steep *= USUAL_POINTS / max(float(count[i, j]), USUAL_POINTS)
            near = steep * near / (own + steep * near / LARGEST_RATIO)
            far = steep * far / (own + steep * far / LARGEST_RATIO)
            lack = min(max(1 - float(score[i, j]), 0.0), 1.0)
            out[i, j] = (
                SCALE
                * own
                * (1 + lack / SCORE) ** SCORE_POWER
                * (1 + near * near) ** NEAR_POWER
                * (1 + far * far) ** FAR_POWER
            )
