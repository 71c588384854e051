"""Standard deviations of measured heights: from the match, and from what the surface is like.

What matching says of its own error is right where all goes well.  It is too small where windows
hold more than noise and texture: where they correlate badly, and where the surface is no plane.

Of a cell counts the surface that it lies on itself.  A wall beside it tells little: matches near it
are as exact as the roof or the ground is even, except where few of them are left in a cell, because
its other points were lost or belong to the other surface.

How :data:`SCALE` to :data:`SIDE_POWER` were found is said at :func:`deviation`.
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

SCALE = 0.484
"""Of the deviation of matches by their windows, where nothing adds to it."""

SCORE, SCORE_POWER = 0.70, 2.27
"""Lack of correlation at which the first factor is 2 before it is raised to this power."""

NEAR_WEIGHT, NEAR_POWER, NEAR_LARGEST = 8.0, 0.312, 4.62
"""Of the distance from a plane close by; of one and the square of its ratio to the deviation of
matches; towards which that ratio goes on the roughest ground."""

FAR_WEIGHT, FAR_POWER, FAR_LARGEST = 2.0, 0.456, 3.0
"""The same a little further away."""

SIDE_POWER = 1.5
"""Of a cell's side in pixels, by which distances from a plane in the wider window are divided;
half of it is the nearer one's.  Smooth ground departs by the square of a window's side."""

STEP_M = 0.7
"""Cells whose heights differ by more than this lie on two surfaces, ..."""

STEEPEST = 1.2
"""... unless a slope like this explains it."""

USUAL_POINTS = 7.0
"""In a cell as large as a pixel."""

NEAR, FAR = (1, 1), (4, 2)
"""Half side of a window in cells, and step between the cells that are looked at."""

FLOOR = 1e-3
"""Of the spread of places, cells squared: keeps a plane through cells of one line from turning.
Its root times a slope stays as a distance from the plane: places are uncertain by about as much."""

LEAST_SIGMA_M = 1e-3
"""Deviation of points that is taken for smaller ones."""

WARY_SCALE, WARY_SCORE, WARY_POWER = 0.61, 0.76, 4.05
"""As above, for weights of pairs."""

WARY_NEAR_POWER, WARY_FAR_POWER = 0.218, 0.459
"""Of one and the square of the distance from a plane, walls and all, over the deviation of matches.
"""

WARY_LARGEST = 4.66
"""Towards which that ratio goes at the highest walls."""

WARY_STEEP = 2.0
"""Slope at which departures from a plane count twice: no natural ground is so steep for long."""


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

    The constants bring the normalised median absolute deviation of errors over standard deviations
    near to one in each fifth of the cells, on thirteen simulated plains, mountains and towns (pairs
    and triplets, cells of one and of two pixels; level and steep ground and the surroundings of
    walls each for itself, every scene with the same weight).  On thirteen other scenes its median
    over scenes lies between 0.81 and 1.18 in each fifth of each class, but up to 1.39 beside the
    walls of two pairs; the least certain fifth holds 87 to 96 % of all errors over a metre.
    Single scenes lie between 0.6 and 2: the satellite trembles slowly, which lifts or tilts parts
    of a model and which no window shows.
    """
    out = np.full(height.shape, np.nan, np.float32)
    _deviation_into(height, sigma, score, count, cell, out)
    return out


def wary_deviation(height: Layer, sigma: Layer, score: Layer, count: Layer, cell: float) -> Layer:
    """What is taken for the standard deviation where pairs are weighed: more beside any wall.

    The arguments are those of :func:`deviation`.  A pair that puts a wall near a cell may have put
    it on the wrong side: it gives way to one that does not.
    """
    out = np.full(height.shape, np.nan, np.float32)
    _wary_deviation_into(height, sigma, score, count, cell, out)
    return out


@kernel
def _plane(
    height: Layer, i: int, j: int, radius: int, step: int, apart: float, rise: float
) -> tuple[float, float]:
    """Root mean square distance of cells from the plane through them, and its slope per cell.

    Cells count whose heights differ by no more than `apart`, and `rise` for each cell between them.
    """
    rows, cols = height.shape
    count = 0
    y, x, h = 0.0, 0.0, 0.0
    yy, yx, xx, yh, xh, hh = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
    for k in range(i - radius, i + radius + 1, step):
        for m in range(j - radius, j + radius + 1, step):
            if not (0 <= k < rows and 0 <= m < cols) or math.isnan(height[k, m]):
                continue
            down, right, up = float(k - i), float(m - j), float(height[k, m] - height[i, j])
            if abs(up) > apart + rise * math.sqrt(down * down + right * right):
                continue
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
def _most(count: Layer, i: int, j: int) -> float:
    """Largest number of points in a cell and those around it."""
    rows, cols = count.shape
    most = float(count[i, j])
    radius, step = FAR
    for k in range(max(i % step, i - radius), min(i + radius + 1, rows), step):
        for m in range(max(j % step, j - radius), min(j + radius + 1, cols), step):
            # A comparison with NaN is false.
            if count[k, m] > most:
                most = float(count[k, m])
    return most


@kernel
def _deviation_into(
    height: Layer, sigma: Layer, score: Layer, count: Layer, cell: float, out: Layer
) -> None:
    rise = STEEPEST * cell
    for i in range(height.shape[0]):
        for j in range(height.shape[1]):
            if math.isnan(height[i, j]):
                continue
            own = max(float(sigma[i, j]), LEAST_SIGMA_M)
            most = _most(count, i, j)
            near, _ = _plane(height, i, j, NEAR[0], NEAR[1], STEP_M, rise)
            far, _ = _plane(height, i, j, FAR[0], FAR[1], STEP_M, rise)
            side = math.sqrt(max(most, USUAL_POINTS) / USUAL_POINTS)
            near *= NEAR_WEIGHT / side ** (SIDE_POWER / 2)
            far *= FAR_WEIGHT / side**SIDE_POWER
            near /= own + near / NEAR_LARGEST
            far /= own + far / FAR_LARGEST
            lack = min(max(1 - float(score[i, j]), 0.0), 1.0)
            out[i, j] = (
                SCALE
                * own
                * (1 + lack / SCORE) ** SCORE_POWER
                * (1 + near * near) ** NEAR_POWER
                * (1 + far * far) ** FAR_POWER
                * (most / float(count[i, j]))
            )


@kernel
def _wary_deviation_into(
    height: Layer, sigma: Layer, score: Layer, count: Layer, cell: float, out: Layer
) -> None:
    for i in range(height.shape[0]):
        for j in range(height.shape[1]):
            if math.isnan(height[i, j]):
                continue
            own = max(float(sigma[i, j]), LEAST_SIGMA_M)
            near, _ = _plane(height, i, j, NEAR[0], NEAR[1], math.inf, 0.0)
            far, incline = _plane(height, i, j, FAR[0], FAR[1], math.inf, 0.0)
            steep = 1 + (incline / (cell * WARY_STEEP)) ** 2
            steep *= USUAL_POINTS / max(float(count[i, j]), USUAL_POINTS)
            near = steep * near / (own + steep * near / WARY_LARGEST)
            far = steep * far / (own + steep * far / WARY_LARGEST)
            lack = min(max(1 - float(score[i, j]), 0.0), 1.0)
            out[i, j] = (
                WARY_SCALE
                * own
                * (1 + lack / WARY_SCORE) ** WARY_POWER
                * (1 + near * near) ** WARY_NEAR_POWER
                * (1 + far * far) ** WARY_FAR_POWER
            )
