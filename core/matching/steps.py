"""Planes and Gauss-Newton steps in the windows of :mod:`core.matching.disparity`.

Sums over a pixel's window run over the window's offsets outside and over many pixels inside, so
that the compiler treats sixteen of them at a time; each pixel's sums keep their order.  Images are
padded for it, see :func:`padded`: what is outside of them belongs to no surface.
"""

from typing import Any, NamedTuple

import numpy as np

from core.kernel import kernel
from core.matching.arrays import Floats

LANES = 256
"""Pixels of a row whose sums are kept at a time; a constant, so that the compiler knows it."""

STEP = 0.6
"""Difference of disparity between neighbours, pixels, at which a surface ends."""

LARGEST_STEP = 0.5
"""Pixels that one step may move a pixel."""

FARTHEST = 1.0
"""Pixels by which a refined disparity may differ from its start."""

GAIN_RANGE = 1.5
"""Largest gain of a window over the other image's, and its inverse the smallest."""

PLANE_SUMS, STEP_SUMS = 9, 13


def padded(values: Floats, radius: int, outside: float = 0.0) -> Floats:
    """An image with `radius` more pixels around it, and as many columns as whole lanes need."""
    height, width = values.shape
    shape = (height + 2 * radius, -(-width // LANES) * LANES + 2 * radius)
    out = np.full(shape, outside, np.float32)
    out[radius : radius + height, radius : radius + width] = values
    return out


def planes(disparity: Floats, image: Floats, trust: Floats, alike: float, radius: int) -> Floats:
    """Value at each pixel of the plane fitted to the surface around it, by least squares.

    Parameters
    ----------
    disparity
        NaN where there is none; there is no plane there.
    image
        Neighbours of a pixel's own brightness count most.
    trust
        Weights of the pixels.
    alike
        Inverse of the difference of brightness at which a neighbour's weight is halved.
    radius
        Half side of the window.
    """
    out = np.empty_like(disparity)
    _planes_into(
        padded(disparity, radius, np.nan),
        padded(image, radius),
        padded(trust, radius),
        np.float32(alike),
        radius,
        out,
    )
    return out


@kernel
def _planes_into(
    disparity: Floats, image: Floats, trust: Floats, alike: np.float32, radius: int, out: Floats
) -> None:
    height, width = out.shape
    sums = np.empty(PLANE_SUMS * LANES, np.float32)
    fall = np.float32(0.4) / np.float32(radius * radius)
    for i in range(height):
        for first in range(0, width, LANES):
            own = disparity[i + radius, first + radius : first + radius + LANES]
            base = image[i + radius, first + radius : first + radius + LANES]
            sums[:] = 0
            for k in range(2 * radius + 1):
                for m in range(2 * radius + 1):
                    start, end = first + m, first + m + LANES
                    _add_to_planes(
                        sums,
                        disparity[i + k, start:end],
                        image[i + k, start:end],
                        trust[i + k, start:end],
                        own,
                        base,
                        np.float32(k - radius),
                        np.float32(m - radius),
                        fall,
                        alike,
                    )
            for n in range(min(LANES, width - first)):
                out[i, first + n] = _plane_at(sums, n, own[n])


@kernel
def _add_to_planes(
    sums: Floats,
    disparity: Floats,
    image: Floats,
    trust: Floats,
    own: Floats,
    base: Floats,
    y: np.float32,
    x: np.float32,
    fall: np.float32,
    alike: np.float32,
) -> None:
    """One neighbour of each pixel."""
    step, one, nought = np.float32(STEP), np.float32(1), np.float32(0)
    near = one - fall * (x * x + y * y)
    for n in range(LANES):
        above = disparity[n] - own[n]
        # A comparison with NaN is false.
        same = abs(above) <= step
        weight = trust[n] * near / (one + alike * abs(image[n] - base[n]))
        weight = weight if same else nought
        above = above if same else nought
        sums[n] += weight
        sums[LANES + n] += weight * x
        sums[2 * LANES + n] += weight * y
        sums[3 * LANES + n] += weight * above
        sums[4 * LANES + n] += weight * x * x
        sums[5 * LANES + n] += weight * x * y
        sums[6 * LANES + n] += weight * y * y
        sums[7 * LANES + n] += weight * x * above
        sums[8 * LANES + n] += weight * y * above


@kernel
def _plane_at(sums: Floats, n: int, own: np.float32) -> Any:
    """The plane at its pixel; NaN where that has no disparity."""
    # Keeps a plane through pixels of one line from turning about it.
    floor = np.float32(0.05)
    total = sums[n]
    x_mean, y_mean = sums[LANES + n] / total, sums[2 * LANES + n] / total
    mean = sums[3 * LANES + n] / total
    xx = sums[4 * LANES + n] / total - x_mean * x_mean + floor
    xy = sums[5 * LANES + n] / total - x_mean * y_mean
    yy = sums[6 * LANES + n] / total - y_mean * y_mean + floor
    xd = sums[7 * LANES + n] / total - x_mean * mean
    yd = sums[8 * LANES + n] / total - y_mean * mean
    determinant = xx * yy - xy * xy
    right = (xd * yy - yd * xy) / determinant
    down = (yd * xx - xd * xy) / determinant
    return own + mean - right * x_mean - down * y_mean


class Refined(NamedTuple):
    """What refinement found; all (rows, cols), float32."""

    disparity: Floats
    """Pixels; NaN where there is no match."""
    score: Floats
    """Correlation of the two windows, -1 to 1."""
    sigma: Floats
    """Standard deviation of the disparity, pixels, from the residuals in the window and the
    texture along the row; NaN where there is no match."""


def step(
    images: tuple[Floats, Floats, Floats],
    trust: Floats,
    plane: Floats,
    start: Floats,
    window: Floats,
    alike: float,
    prior: float,
    match: Refined,
) -> None:
    """One Gauss-Newton step.

    In each window ``left = gain (seen + slope (plane + shift - disparity)) + offset``; the shift
    minimises the weighted squares, offset free and gain the ratio of the deviations.

    Parameters
    ----------
    images
        The left one, the right one as seen from it, and the slope of that along the rows.
    trust
        Weights of the pixels.
    plane
        Of each pixel, see :func:`planes`.
    start
        Disparities from which nothing may move far.
    window
        Weights of a window.
    alike
        As for :func:`planes`.
    prior
        How fast the plane holds a disparity, in units of texture.
    match
        Changed in place.
    """
    radius = window.shape[0] // 2
    left, seen, slopes = (padded(image, radius) for image in images)
    bent = np.nan_to_num(match.disparity - plane)
    _step_into(
        left,
        padded(trust, radius),
        seen,
        slopes,
        padded(bent, radius),
        padded(plane, radius, np.nan),
        start,
        window,
        np.float32(alike),
        np.float32(prior),
        *match,
    )


@kernel
def _step_into(
    left: Floats,
    trust: Floats,
    seen: Floats,
    slopes: Floats,
    bent: Floats,
    plane: Floats,
    start: Floats,
    window: Floats,
    alike: np.float32,
    prior: np.float32,
    disparity: Floats,
    score: Floats,
    sigma: Floats,
) -> None:
    height, width = disparity.shape
    radius = window.shape[0] // 2
    sums = np.empty(STEP_SUMS * LANES, np.float32)
    for i in range(height):
        for first in range(0, width, LANES):
            level = plane[i + radius, first + radius : first + radius + LANES]
            base = left[i + radius, first + radius : first + radius + LANES]
            sums[:] = 0
            for k in range(2 * radius + 1):
                for m in range(2 * radius + 1):
                    begin, end = first + m, first + m + LANES
                    _add_to_step(
                        sums,
                        left[i + k, begin:end],
                        trust[i + k, begin:end],
                        seen[i + k, begin:end],
                        slopes[i + k, begin:end],
                        bent[i + k, begin:end],
                        plane[i + k, begin:end],
                        level,
                        base,
                        window[k, m],
                        alike,
                    )
            for n in range(min(LANES, width - first)):
                if not np.isnan(level[n]):
                    j = first + n
                    _move(sums, n, level[n], prior, start[i, j], disparity, score, sigma, i, j)


@kernel
def _add_to_step(
    sums: Floats,
    left: Floats,
    trust: Floats,
    seen: Floats,
    slopes: Floats,
    bent: Floats,
    plane: Floats,
    level: Floats,
    base: Floats,
    window: np.float32,
    alike: np.float32,
) -> None:
    """One neighbour of each pixel."""
    limit, one, nought = np.float32(STEP), np.float32(1), np.float32(0)
    for n in range(LANES):
        # Both less the centre's value: float32 sums of squares stay exact.
        a, b, g = left[n] - base[n], seen[n] - base[n], slopes[n]
        q = g * bent[n]
        weight = window / (one + alike * abs(a)) * trust[n]
        # A comparison with NaN is false.
        weight = weight if abs(plane[n] - level[n]) <= limit else nought
        sums[n] += weight
        sums[LANES + n] += weight * weight
        sums[2 * LANES + n] += weight * a
        sums[3 * LANES + n] += weight * b
        sums[4 * LANES + n] += weight * g
        sums[5 * LANES + n] += weight * q
        sums[6 * LANES + n] += weight * a * a
        sums[7 * LANES + n] += weight * b * b
        sums[8 * LANES + n] += weight * a * b
        sums[9 * LANES + n] += weight * g * g
        sums[10 * LANES + n] += weight * g * a
        sums[11 * LANES + n] += weight * g * b
        sums[12 * LANES + n] += weight * g * q


@kernel
def _move(
    sums: Floats,
    n: int,
    level: np.float32,
    prior: np.float32,
    start: np.float32,
    disparity: Floats,
    score: Floats,
    sigma: Floats,
    i: int,
    j: int,
) -> None:
    """Solve one window; a window of one pixel or of one value changes nothing."""
    nought, one = np.float32(0), np.float32(1)
    high, largest = np.float32(GAIN_RANGE), np.float32(LARGEST_STEP)
    total = sums[n]
    share = one / total
    a, b = sums[2 * LANES + n] * share, sums[3 * LANES + n] * share
    g, q = sums[4 * LANES + n] * share, sums[5 * LANES + n] * share
    aa = sums[6 * LANES + n] * share - a * a
    bb = sums[7 * LANES + n] * share - b * b
    ab = sums[8 * LANES + n] * share - a * b
    if aa <= nought or bb <= nought:
        return
    gain = min(max(np.sqrt(aa / bb), one / high), high)
    texture = gain * gain * (sums[9 * LANES + n] * share - g * g)
    if texture + prior <= nought:
        return
    ahead = gain * (sums[10 * LANES + n] * share - g * a)
    ahead -= gain * gain * (sums[11 * LANES + n] * share - g * b)
    ahead += gain * gain * (sums[12 * LANES + n] * share - g * q)
    former = disparity[i, j]
    moved = min(max(level + ahead / (texture + prior) - former, -largest), largest)
    score[i, j] = min(ab / np.sqrt(aa * bb), one)
    residual = max(aa + gain * gain * bb - np.float32(2) * gain * ab, nought)
    # Weights that fall off count as fewer pixels.
    count = total * total / sums[LANES + n]
    sigma[i, j] = np.sqrt(residual / (count * (texture + prior) + np.float32(1e-12)))
    if abs(former + moved - start) < np.float32(FARTHEST):
        disparity[i, j] = former + moved
