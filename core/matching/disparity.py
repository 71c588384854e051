"""Disparities made exact: a fraction of a pixel on surfaces, the right side at their edges.

Semi-global matching leaves two errors.  Its fractions are drawn to whole disparities, and pixels
beside a roof take the roof's disparity, because their census windows hold its edge.

* :func:`refined` minimises the squared difference of the images in small windows by Gauss-Newton
  steps along the rows (Lucas and Kanade 1981), with gain and offset of each window free.  Windows
  end where the surface does.  Neighbours enter with their own deviation from a plane fitted to
  the surface around each pixel, see :mod:`core.matching.refinement`; the same plane is the prior.
  Pixels count less the worse the images agree there: beside a roof what it hides in one image
  fits to nothing, nor does what the sensor mixed with its edge.
* :func:`core.matching.surfaces.sharpened` lets each pixel near a jump choose again among the
  surfaces around it.

Images are epipolar: ``(row, col)`` on the left is ``(row, col + disparity)`` on the right.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from core.kernel import kernel
from core.matching.arrays import Floats, Layer
from core.matching.radiometry import Radiometry, relation
from core.matching.speckle import speckles
from core.matching.surfaces import JUMP, LIKENESS, hidden, row_splines, sharpened, warped

WINDOW = 2
"""Half side of the matching window as users count it, pixels; its weights reach a pixel farther."""

LARGEST_WINDOW = 7

WIDTH = 0.75
"""Standard deviation of the window's weights, in half sides."""

OUTLIER = 4.0
"""Difference between the images, in units of noise, at which a pixel's weight is a quarter."""

LEAST_TRUST = 1e-3
"""Smallest weight: where nothing agrees all pixels count alike."""

PLANE_RADIUS = 4
"""Half side of the window of the plane."""

PLANE_LIKENESS = 8.0
"""Difference of brightness, in units of noise, at which a pixel's weight in it is halved."""

STEP = 0.6
"""Difference of disparity between neighbours, pixels, at which a surface ends."""

ROUGHNESS = 0.15
"""Standard deviation of a surface about its plane, pixels: the strength of the prior."""

LOOSE = 0.1
"""Share of the prior in all steps but the last."""

FIRST_STEPS = 1
"""Gauss-Newton steps before surfaces are chosen anew."""

STEPS = 2
"""Gauss-Newton steps after that."""

LARGEST_STEP = 0.5
"""Pixels that one step may move a pixel."""

FARTHEST = 1.0
"""Pixels by which a refined disparity may differ from its start."""

GAIN_RANGE = 1.5
"""Largest gain of a window over the other image's, and its inverse the smallest."""

LEAST_PIECE = 30
"""Pixels of the smallest piece of surface that is kept after the choice."""


class Refined(NamedTuple):
    """What refinement found; all (rows, cols), float32."""

    disparity: Floats
    """Pixels; NaN where there is no match."""
    score: Floats
    """Correlation of the two windows, -1 to 1."""
    sigma: Floats
    """Standard deviation of the disparity, pixels, from the residuals in the window and the
    texture along the row; NaN where there is no match."""


def finished(
    left: Layer,
    right: Layer,
    disparity: Floats,
    window: int = WINDOW,
    between: Radiometry | None = None,
) -> Refined:
    """Refine, choose again at the edges, refine.

    Parameters
    ----------
    left, right
        Images of the same shape.
    disparity
        Right to about half a pixel; NaN where there is no match.
    window
        Half side of the matching window, pixels, 1 to 7: larger ones are steadier, and blur.  The
        time grows with their area.
    between
        How the images' values relate; found out by default.  Parts of one image that are matched by
        themselves agree best if it is the same for all of them.

    Notes
    -----
    Pixels without a match may get one beside an edge, unless a higher surface hides their partner.
    """
    first = refined(left, right, disparity, window, FIRST_STEPS, between).disparity
    chosen = sharpened(left, right, first, between or radiometry(left, right, first))
    # A comparison with NaN is false: what got a match has changed.
    changed = ~(np.abs(chosen - first) < JUMP)
    chosen[changed & hidden(chosen)] = np.nan
    chosen[speckles(chosen, np.isfinite(chosen), LEAST_PIECE)] = np.nan
    return refined(left, right, chosen, window, between=between)


def radiometry(left: Layer, right: Layer, disparity: Floats) -> Radiometry:
    """How the values of matched images relate."""
    seen, _ = warped(row_splines(right), disparity)
    return relation(left.values, seen, disparity)


def refined(
    left: Layer,
    right: Layer,
    disparity: Floats,
    window: int = WINDOW,
    steps: int = STEPS,
    between: Radiometry | None = None,
) -> Refined:
    """Disparities to a small fraction of a pixel; parameters as for :func:`finished`."""
    if not 1 <= window <= LARGEST_WINDOW:
        raise ValueError(f"window {window} is not from 1 to {LARGEST_WINDOW}")
    coefficients = row_splines(right)
    current, plane = disparity.copy(), np.empty_like(disparity)
    score, sigma = np.full_like(disparity, np.nan), np.full_like(disparity, np.nan)
    for number in range(steps):
        seen, slopes = warped(coefficients, current)
        # Its noise is smaller after each step: what a wrong disparity adds is no noise.
        relates = between or relation(left.values, seen, current)
        noise = relates.noise
        alike = np.float32(1 / (LIKENESS * noise))
        plane_alike = np.float32(1 / (PLANE_LIKENESS * noise))
        trust = _trust(left.values, seen, relates)
        _plane_into(current, left.values, trust, plane_alike, PLANE_RADIUS, plane)
        _step_into(
            left.values,
            trust,
            seen,
            slopes,
            current.copy(),
            plane,
            disparity,
            _weights(window + 1, WIDTH * window),
            alike,
            _prior(noise, last=number == steps - 1),
            current,
            score,
            sigma,
        )
    # Windows of one pixel or of one value tell nothing.
    current[np.isnan(sigma)] = np.nan
    return Refined(current, score, sigma)


def _prior(noise: float, *, last: bool) -> np.float32:
    """How fast the plane holds a disparity, in units of texture."""
    # Two noisy images, over the number of pixels that the default window counts for: who asks for
    # a smaller one expects a rougher surface.
    pixels = 2 * np.pi * (WIDTH * WINDOW) ** 2
    prior = np.float32(2 * (noise / ROUGHNESS) ** 2 / pixels)
    # The plane of an earlier step holds the errors of the one before: it may not hold them fast.
    return prior if last else prior * np.float32(LOOSE)


def _trust(left: Floats, seen: Floats, between: Radiometry) -> Floats:
    """Weights of all pixels by the difference of the images there (Geman and McClure 1987).

    They fall faster than the difference grows: edges are where slopes, too, are largest.
    """
    miss = (left - between.gain * seen - between.offset) / (OUTLIER * between.noise)
    weights: Floats = np.maximum(1 / (1 + miss * miss) ** 2, LEAST_TRUST).astype(np.float32)
    return weights


def _weights(radius: int, width: float) -> Floats:
    """Weights of a matching window: a Gaussian that is cut off."""
    away = np.arange(-radius, radius + 1) ** 2
    weights: NDArray[np.float64] = np.exp(-(away[:, None] + away[None, :]) / (2 * width**2))
    return weights.astype(np.float32)


@kernel
def _plane_into(
    disparity: Floats,
    image: Floats,
    trust: Floats,
    alike: np.float32,
    radius: int,
    out: Floats,
) -> None:
    """Value at each pixel of the plane fitted to the surface around it, by least squares."""
    height, width = disparity.shape
    step = np.float32(STEP)
    one = np.float32(1)
    # Keeps a plane through pixels of one line from turning about it.
    floor = np.float32(0.05)
    fall = np.float32(0.4) / np.float32(radius * radius)
    for i in range(height):
        for j in range(width):
            own = disparity[i, j]
            out[i, j] = own
            if np.isnan(own):
                continue
            total = np.float32(0)
            x_mean, y_mean, mean = np.float32(0), np.float32(0), np.float32(0)
            xx, xy, yy, xd, yd = floor * 0, floor * 0, floor * 0, floor * 0, floor * 0
            for k in range(max(0, i - radius), min(height, i + radius + 1)):
                for m in range(max(0, j - radius), min(width, j + radius + 1)):
                    above = disparity[k, m] - own
                    if not abs(above) <= step:
                        continue
                    y, x = np.float32(k - i), np.float32(m - j)
                    weight = trust[k, m] * (one - fall * (x * x + y * y))
                    weight /= one + alike * abs(image[k, m] - image[i, j])
                    total += weight
                    x_mean += weight * x
                    y_mean += weight * y
                    mean += weight * above
                    xx += weight * x * x
                    xy += weight * x * y
                    yy += weight * y * y
                    xd += weight * x * above
                    yd += weight * y * above
            x_mean, y_mean, mean = x_mean / total, y_mean / total, mean / total
            xx = xx / total - x_mean * x_mean + floor
            yy = yy / total - y_mean * y_mean + floor
            xy = xy / total - x_mean * y_mean
            xd = xd / total - x_mean * mean
            yd = yd / total - y_mean * mean
            determinant = xx * yy - xy * xy
            right = (xd * yy - yd * xy) / determinant
            down = (yd * xx - xd * xy) / determinant
            out[i, j] = own + mean - right * x_mean - down * y_mean


@kernel
def _step_into(
    left: Floats,
    trust: Floats,
    warped: Floats,
    slopes: Floats,
    disparity: Floats,
    plane: Floats,
    start: Floats,
    window: Floats,
    alike: np.float32,
    prior: np.float32,
    out: Floats,
    score: Floats,
    sigma: Floats,
) -> None:
    """One Gauss-Newton step.

    In each window ``left = gain (warped + slope (plane + shift - disparity)) + offset``; the shift
    minimises the weighted squares, offset free and gain the ratio of the deviations.
    """
    height, width = left.shape
    radius = window.shape[0] // 2
    step = np.float32(STEP)
    largest = np.float32(LARGEST_STEP)
    high = np.float32(GAIN_RANGE)
    nought, one = np.float32(0), np.float32(1)
    for i in range(height):
        for j in range(width):
            level = plane[i, j]
            if np.isnan(level):
                continue
            base = left[i, j]
            total, squares = nought, nought
            a_mean, b_mean, g_mean, q_mean = nought, nought, nought, nought
            aa, bb, ab, gg, ga, gb, gq = nought, nought, nought, nought, nought, nought, nought
            for k in range(max(0, i - radius), min(height, i + radius + 1)):
                for m in range(max(0, j - radius), min(width, j + radius + 1)):
                    if not abs(plane[k, m] - level) <= step:
                        continue
                    # Both less the centre's value: float32 sums of squares stay exact.
                    a, b, g = left[k, m] - base, warped[k, m] - base, slopes[k, m]
                    weight = window[k - i + radius, m - j + radius] / (one + alike * abs(a))
                    weight *= trust[k, m]
                    q = g * (disparity[k, m] - plane[k, m])
                    total += weight
                    squares += weight * weight
                    a_mean += weight * a
                    b_mean += weight * b
                    g_mean += weight * g
                    q_mean += weight * q
                    aa += weight * a * a
                    bb += weight * b * b
                    ab += weight * a * b
                    gg += weight * g * g
                    ga += weight * g * a
                    gb += weight * g * b
                    gq += weight * g * q
            share = one / total
            a_mean, b_mean = a_mean * share, b_mean * share
            g_mean, q_mean = g_mean * share, q_mean * share
            aa, bb, ab = (
                aa * share - a_mean**2,
                bb * share - b_mean**2,
                ab * share - a_mean * b_mean,
            )
            if aa <= nought or bb <= nought:
                continue
            gain = min(max(np.sqrt(aa / bb), one / high), high)
            texture = gain * gain * (gg * share - g_mean * g_mean)
            if texture + prior <= nought:
                continue
            ahead = gain * (ga * share - g_mean * a_mean)
            ahead -= gain * gain * (gb * share - g_mean * b_mean)
            ahead += gain * gain * (gq * share - g_mean * q_mean)
            moved = level + ahead / (texture + prior) - disparity[i, j]
            moved = min(max(moved, -largest), largest)
            score[i, j] = min(ab / np.sqrt(aa * bb), one)
            residual = max(aa + gain * gain * bb - np.float32(2) * gain * ab, nought)
            # Weights that fall off count as fewer pixels.
            count = total * total / squares
            sigma[i, j] = np.sqrt(residual / (count * (texture + prior) + np.float32(1e-12)))
            if abs(disparity[i, j] + moved - start[i, j]) < np.float32(FARTHEST):
                out[i, j] = disparity[i, j] + moved
