"""The right image seen from the left one's surfaces: along them, and chosen among them at edges.

Pixels beside a roof take the roof's disparity in semi-global matching, because their census windows
hold its edge.  :func:`sharpened` lets each pixel near a jump choose again among the surfaces around
it, by differences to neighbours of its own brightness (adaptive support weights, Yoon and Kweon
2006, https://doi.org/10.1109/TPAMI.2006.70).  Ground that the right image shows just right of a
roof is mixed with the roof's edge there, and is forgiven some of its misfit.

Images are epipolar: ``(row, col)`` on the left is ``(row, col + disparity)`` on the right.
"""

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from core.kernel import kernel
from core.matching.arrays import Floats, Layer
from core.matching.radiometry import Radiometry

LIKENESS = 3.0
"""Difference of brightness, in units of noise, at which a neighbour's weight is halved."""

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

BESIDE = 2
"""Columns to the right of a roof in the right image where the roof's edge is mixed with ground."""

ROOF = 3.0
"""Difference of disparity, pixels, from which a surface above the ground counts as such a roof."""

EXCUSE = 0.3
"""Share of its misfit that is forgiven a lower surface beside a roof."""

FIT = 1.2
"""Largest misfit, in units of noise, of a pixel that had no match; .8 is that of noise alone."""

FIT_BEHIND = 2.5
"""The same if the lowest of several surfaces fits best: ground beside a roof, whose edge the other
image mixes with it."""


def row_splines(right: Layer) -> Floats:
    """Coefficients of the cubic B-splines along the rows."""
    coefficients: Floats = ndimage.spline_filter1d(
        right.values, 3, axis=1, output=np.float32, mode="mirror"
    )
    return coefficients


def warped(coefficients: Floats, disparity: Floats) -> tuple[Floats, Floats]:
    """The right image where each left pixel is matched, and its slope along the row."""
    values, slopes = np.zeros_like(disparity), np.zeros_like(disparity)
    _warp_into(coefficients, disparity, values, slopes)
    return values, slopes


def sharpened(left: Layer, right: Layer, disparity: Floats, between: Radiometry) -> Floats:
    """Disparities chosen anew where surfaces of different disparity are near.

    Parameters
    ----------
    left, right
        Images of the same shape.
    disparity
        Right to about half a pixel; NaN where there is no match.
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
        row_splines(right),
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
def _highest_into(row: Floats, highest: Floats) -> None:
    """Of the left pixels whose partner each right pixel of a row is, the largest disparity."""
    highest[:] = -np.inf
    for j in range(row.size):
        if np.isnan(row[j]):
            continue
        partner = int(np.rint(np.float32(j) + row[j]))
        if 0 <= partner < row.size:
            highest[partner] = max(highest[partner], row[j])


@kernel
def _beside_roof(highest: Floats, j: int, surface: np.float32) -> bool:
    partner = int(np.rint(np.float32(j) + surface))
    for k in range(max(0, partner - BESIDE), min(highest.size, partner + 1)):
        if highest[k] - surface >= np.float32(ROOF):
            return True
    return False


@kernel
def _sharpened_into(
    left: Floats, coefficients: Floats, disparity: Floats, between: Floats, out: Floats
) -> None:
    height, width = left.shape
    surfaces, highest = np.empty(SURFACES, np.float32), np.empty(width, np.float32)
    for i in range(height):
        _highest_into(disparity[i], highest)
        for j in range(width):
            own = disparity[i, j]
            out[i, j] = own
            count = _surfaces_near(disparity, i, j, surfaces)
            matched = not np.isnan(own)
            if count < 2 and (matched or count == 0):
                continue
            best, least = 0, np.float32(np.inf)
            for n in range(count):
                misfit = _misfit(left, coefficients, disparity, between, i, j, surfaces[n])
                if n == 0 and matched:
                    misfit *= np.float32(1 - GAIN_OF_CHANGE)
                elif surfaces[n] < own and _beside_roof(highest, j, surfaces[n]):
                    misfit *= np.float32(1 - EXCUSE)
                if misfit < least:
                    best, least = n, misfit
            behind = count > 1 and surfaces[best] == surfaces[:count].min()
            if matched or least < np.float32(FIT_BEHIND if behind else FIT):
                out[i, j] = surfaces[best]


@kernel
def _hidden_into(disparity: Floats, out: NDArray[np.bool_]) -> None:
    height, width = disparity.shape
    highest = np.empty(width, np.float32)
    for i in range(height):
        _highest_into(disparity[i], highest)
        for j in range(width):
            if np.isnan(disparity[i, j]):
                continue
            partner = int(np.rint(np.float32(j) + disparity[i, j]))
            inside = 0 <= partner < width
            out[i, j] = inside and highest[partner] - disparity[i, j] >= np.float32(JUMP)
