"""Disparities made exact: a fraction of a pixel on surfaces, the right side at their edges.

Semi-global matching leaves two errors.  Its fractions are drawn to whole disparities, and pixels
beside a roof take the roof's disparity, because their census windows hold its edge.

* :func:`refined` minimises the squared difference of the images in small windows by Gauss-Newton
  steps along the rows (Lucas and Kanade 1981), with gain and offset of each window free.  Windows
  end where the surface does.  Neighbours enter with their own deviation from a plane fitted to
  the surface around each pixel, see :mod:`core.matching.refinement`; the same plane is the prior.
* :func:`sharpened` lets each pixel near a jump choose again among the surfaces around it, by
  differences to neighbours of its own brightness (adaptive support weights, Yoon and Kweon 2006,
  https://doi.org/10.1109/TPAMI.2006.70).

Images are epipolar: ``(row, col)`` on the left is ``(row, col + disparity)`` on the right.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from core.kernel import kernel
from core.matching.arrays import Floats, Layer
from core.matching.speckle import speckles

RADIUS = 3
"""Half side of the matching window, pixels."""

WIDTH = 1.5
"""Standard deviation of the window's weights, pixels."""

PLANE_RADIUS = 4
"""Half side of the window of the plane."""

PLANE_LIKENESS = 8.0
"""Difference of brightness, in units of noise, at which a pixel's weight in it is halved."""

STEP = 0.6
"""Difference of disparity between neighbours, pixels, at which a surface ends."""

ROUGHNESS = 0.15
"""Standard deviation of a surface about its plane, pixels: the strength of the prior."""

LIKENESS = 3.0
"""Difference of brightness, in units of noise, at which a neighbour's weight is halved."""

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

JUMP = 0.75
"""Difference of disparity, pixels, from which two surfaces are two."""

REACH = 4
"""Pixels, along rows, columns and diagonals, from where surfaces are taken to choose from."""

SURFACES = 8
"""Surfaces to choose from, at most."""

CHOICE_RADIUS = 2
"""Half side of the window in which they are compared."""


TRUNCATION = 3.0
"""Difference of the images, in units of noise, beyond which all are equally bad."""

GAIN_OF_CHANGE = 0.15
"""Share by which another surface must fit better than a pixel's own."""

FIT = 1.2
"""Largest misfit, in units of noise, of a pixel that had no match; .8 is that of noise alone."""

LEAST_PIECE = 30
"""Pixels of the smallest piece of surface that is kept after the choice."""

PART = 7
"""One pixel of so many tells how the images' values relate."""

FITS = 5
"""Repetitions of its weighted fit."""

LEAST_NOISE = 1e-3
"""Of the images' units: keeps images without noise from dividing by zero."""


class Radiometry(NamedTuple):
    """How the right image's values become the left one's: ``gain * right + offset``."""

    gain: float
    offset: float
    noise: float
    """Standard deviation of the difference that is left, by its median; units of the left image."""


class Refined(NamedTuple):
    """What refinement found; all (rows, cols), float32."""

    disparity: Floats
    """Pixels; NaN where there is no match."""
    score: Floats
    """Correlation of the two windows, -1 to 1."""
    sigma: Floats
    """Standard deviation of the disparity, pixels, from the residuals in the window and the
    texture along the row; NaN where there is no match."""


def finished(left: Layer, right: Layer, disparity: Floats) -> Refined:
    """Refine, choose again at the edges, refine.

    Parameters
    ----------
    left, right
        Images of the same shape.
    disparity
        Right to about half a pixel; NaN where there is no match.

    Notes
    -----
    Pixels without a match may get one beside an edge, unless a higher surface hides their partner.
    """
    first = refined(left, right, disparity, FIRST_STEPS).disparity
    chosen = sharpened(left, right, first, radiometry(left, right, first))
    # A comparison with NaN is false: what got a match has changed.
    changed = ~(np.abs(chosen - first) < JUMP)
    chosen[changed & hidden(chosen)] = np.nan
    chosen[speckles(chosen, np.isfinite(chosen), LEAST_PIECE)] = np.nan
    return refined(left, right, chosen)


def radiometry(left: Layer, right: Layer, disparity: Floats) -> Radiometry:
    """Gain and offset between matched images, by weighted least squares without outliers."""
    warped, _ = _warped(_coefficients(right), disparity)
    return _relation(left.values, warped, disparity)


def _relation(left: Floats, warped: Floats, disparity: Floats) -> Radiometry:
    known = np.flatnonzero(np.isfinite(disparity))
    # A prime step: no pattern of rows or columns.
    known = known[:: PART if known.size > PART * PART else 1]
    gain, offset, noise = 1.0, 0.0, LEAST_NOISE
    theirs, ours = (part.ravel()[known].astype(np.float64) for part in (warped, left))
    weights = np.ones(ours.size)
    for _ in range(FITS if known.size > 2 else 0):
        total = weights.sum()
        mean_theirs, mean_ours = (weights @ theirs) / total, (weights @ ours) / total
        spread = weights @ (theirs - mean_theirs) ** 2
        if spread > 0:
            gain = float(weights @ ((theirs - mean_theirs) * (ours - mean_ours)) / spread)
        offset = float(mean_ours - gain * mean_theirs)
        difference = np.abs(ours - gain * theirs - offset)
        noise = max(1.4826 * float(np.median(difference)), LEAST_NOISE)
        weights = 1 / (1 + (difference / noise) ** 2)
    return Radiometry(gain, offset, noise)


def refined(left: Layer, right: Layer, disparity: Floats, steps: int = STEPS) -> Refined:
    """Disparities to a small fraction of a pixel; parameters as for :func:`finished`."""
    coefficients = _coefficients(right)
    current, plane = disparity.copy(), np.empty_like(disparity)
    score, sigma = np.full_like(disparity, np.nan), np.full_like(disparity, np.nan)
    for number in range(steps):
        warped, slopes = _warped(coefficients, current)
        # Smaller after each step: what a wrong disparity adds is no noise.
        noise = _relation(left.values, warped, current).noise
        alike = np.float32(1 / (LIKENESS * noise))
        plane_alike = np.float32(1 / (PLANE_LIKENESS * noise))
        # Two noisy images, over the number of pixels that the window counts for.
        prior = np.float32(2 * (noise / ROUGHNESS) ** 2 / (2 * np.pi * WIDTH**2))
        if number < steps - 1:
            # The plane holds the errors of the last step: it may not hold them fast.
            prior *= np.float32(LOOSE)
        _plane_into(current, left.values, plane_alike, PLANE_RADIUS, plane)
        _step_into(
            left.values,
            warped,
            slopes,
            current.copy(),
            plane,
            disparity,
            _window(),
            alike,
            prior,
            current,
            score,
            sigma,
        )
    return Refined(current, score, sigma)


def sharpened(left: Layer, right: Layer, disparity: Floats, between: Radiometry) -> Floats:
    """Disparities chosen anew where surfaces of different disparity are near.

    Parameters
    ----------
    left, right, disparity
        As for :func:`finished`.
    between
        How the images' values relate.

    Returns
    -------
    Floats
        The same, changed near jumps only, and with values near edges where there were none.
    """
    out = np.empty_like(disparity)
    _sharpened_into(
        left.values,
        _coefficients(right),
        disparity,
        np.array([between.gain, between.offset, between.noise], np.float32),
        out,
    )
    return out


def hidden(disparity: Floats) -> NDArray[np.bool_]:
    """Whether a pixel's partner is the partner of a higher surface: larger disparity, by a jump."""
    out = np.zeros(disparity.shape, np.bool_)
    _hidden_into(disparity, out)
    return out


def _coefficients(right: Layer) -> Floats:
    """Of the cubic B-splines along the rows."""
    coefficients: Floats = ndimage.spline_filter1d(
        right.values, 3, axis=1, output=np.float32, mode="mirror"
    )
    return coefficients


def _window() -> Floats:
    """Weights of a matching window."""
    away = np.arange(-RADIUS, RADIUS + 1) ** 2
    weights: NDArray[np.float64] = np.exp(-(away[:, None] + away[None, :]) / (2 * WIDTH**2))
    return weights.astype(np.float32)


def _warped(coefficients: Floats, disparity: Floats) -> tuple[Floats, Floats]:
    """The right image where each left pixel is matched, and its slope along the row."""
    values, slopes = np.zeros_like(disparity), np.zeros_like(disparity)
    _warp_into(coefficients, disparity, values, slopes)
    return values, slopes


@kernel
def _spline(line: Floats, at: np.float32) -> tuple[np.float32, np.float32]:
    """Value and slope of a cubic B-spline; beyond the ends those of the ends."""
    width = line.size
    one, half, sixth = np.float32(1), np.float32(0.5), np.float32(1 / 6)
    at = min(max(at, np.float32(0)), np.float32(width - 1))
    left = min(int(at), width - 2)
    part = at - np.float32(left)
    rest = one - part
    first, last = rest * rest * rest * sixth, part * part * part * sixth
    second = (np.float32(3) * part - np.float32(6)) * part * part * sixth + np.float32(2 / 3)
    third = one - first - second - last
    first_slope, last_slope = -rest * rest * half, part * part * half
    second_slope = (np.float32(3) * part - np.float32(4)) * part * half
    third_slope = -first_slope - second_slope - last_slope
    after = left + 2 if left + 2 < width else width - 2
    a, b, c, d = line[abs(left - 1)], line[left], line[left + 1], line[after]
    return (
        first * a + second * b + third * c + last * d,
        first_slope * a + second_slope * b + third_slope * c + last_slope * d,
    )


@kernel
def _warp_into(coefficients: Floats, disparity: Floats, values: Floats, slopes: Floats) -> None:
    for i in range(disparity.shape[0]):
        for j in range(disparity.shape[1]):
            if not np.isnan(disparity[i, j]):
                at = np.float32(j) + disparity[i, j]
                values[i, j], slopes[i, j] = _spline(coefficients[i], at)


@kernel
def _plane_into(
    disparity: Floats, image: Floats, alike: np.float32, radius: int, out: Floats
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
                    weight = one - fall * (x * x + y * y)
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


@kernel
def _surfaces_near(disparity: Floats, i: int, j: int, found: Floats) -> int:
    """Fill `found` with the different disparities around a pixel, its own first; their number."""
    height, width = disparity.shape
    jump = np.float32(JUMP)
    count = 0
    if not np.isnan(disparity[i, j]):
        found[0] = disparity[i, j]
        count = 1
    for away in range(1, REACH + 1):
        for down in range(-1, 2):
            for right in range(-1, 2):
                k, m = i + away * down, j + away * right
                if not (0 <= k < height and 0 <= m < width) or np.isnan(disparity[k, m]):
                    continue
                new = count < found.size
                for n in range(count):
                    new = new and abs(found[n] - disparity[k, m]) >= jump
                if new:
                    found[count] = disparity[k, m]
                    count += 1
    return count


@kernel
def _misfit(
    left: Floats,
    coefficients: Floats,
    disparity: Floats,
    between: Floats,
    i: int,
    j: int,
    surface: np.float32,
) -> np.float32:
    """Mean truncated difference, in units of noise, if a pixel lay on a surface.

    Neighbours on that surface keep its shape, others are taken to continue it.
    """
    height, width = left.shape
    radius, jump = CHOICE_RADIUS, np.float32(JUMP)
    gain, offset, noise = between[0], between[1], between[2]
    alike = np.float32(1) / (np.float32(LIKENESS) * noise)
    fall = np.float32(0.7) / np.float32(2 * radius * radius)
    worst = np.float32(TRUNCATION)
    own = left[i, j]
    total, sum_of_weights = np.float32(0), np.float32(0)
    for k in range(max(0, i - radius), min(height, i + radius + 1)):
        for m in range(max(0, j - radius), min(width, j + radius + 1)):
            value = left[k, m]
            weight = np.float32(1) - fall * np.float32((k - i) ** 2 + (m - j) ** 2)
            weight *= np.exp(-alike * abs(value - own))
            at = np.float32(m) + surface
            if abs(disparity[k, m] - surface) < jump:
                at = np.float32(m) + disparity[k, m]
            sum_of_weights += weight
            if not np.float32(0) <= at <= np.float32(width - 1):
                total += weight * worst
                continue
            theirs, _ = _spline(coefficients[k], at)
            total += weight * min(abs(value - gain * theirs - offset) / noise, worst)
    return total / sum_of_weights


@kernel
def _sharpened_into(
    left: Floats, coefficients: Floats, disparity: Floats, between: Floats, out: Floats
) -> None:
    surfaces = np.empty(SURFACES, np.float32)
    for i in range(left.shape[0]):
        for j in range(left.shape[1]):
            out[i, j] = disparity[i, j]
            count = _surfaces_near(disparity, i, j, surfaces)
            matched = not np.isnan(disparity[i, j])
            if count < 2 and (matched or count == 0):
                continue
            limit = np.float32(FIT)
            for n in range(count):
                misfit = _misfit(left, coefficients, disparity, between, i, j, surfaces[n])
                if n == 0 and matched:
                    limit = misfit * np.float32(1 - GAIN_OF_CHANGE)
                elif misfit < limit:
                    limit = misfit
                    out[i, j] = surfaces[n]


@kernel
def _hidden_into(disparity: Floats, out: NDArray[np.bool_]) -> None:
    height, width = disparity.shape
    highest = np.empty(width, np.float32)
    for i in range(height):
        highest[:] = -np.inf
        for j in range(width):
            if np.isnan(disparity[i, j]):
                continue
            partner = int(np.rint(np.float32(j) + disparity[i, j]))
            if 0 <= partner < width:
                highest[partner] = max(highest[partner], disparity[i, j])
        for j in range(width):
            if np.isnan(disparity[i, j]):
                continue
            partner = int(np.rint(np.float32(j) + disparity[i, j]))
            inside = 0 <= partner < width
            out[i, j] = inside and highest[partner] - disparity[i, j] >= np.float32(JUMP)
