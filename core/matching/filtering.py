"""Which measurements to remove: outliers and isolated patches.  Nothing here changes a value."""

import numpy as np
from numpy.typing import NDArray

from core.kernel import kernel
from core.matching.arrays import Field, Floats
from core.matching.speckle import speckles

Mask = NDArray[np.bool_]
"""Bool [row, col]."""

LEAST_SPREAD_PX = 0.1
"""Robust deviation of a neighbourhood, pixels, at least: calm ground has no outliers of noise."""

LEAST_NEIGHBOURS = 5
"""Samples with a value that a judgement takes."""


def outliers(field: Field, kept: Mask, window: int, threshold: float) -> Mask:
    """Pixels far from the median of their neighbourhood, in one component or the other.

    Parameters
    ----------
    field
        Displacement, pixels, float32.
    kept
        Pixels with a measurement; others neither count nor are judged.
    window
        Side of the neighbourhood, pixels, odd; halo: half of it.  Every second pixel of it is
        looked at.
    threshold
        Distance from the median, in robust deviations (1.4826 MAD) of the neighbourhood.

    Returns
    -------
    Mask
        True for outliers.  A pixel with too few neighbours is judged by nobody and none.

    References
    ----------
    Westerweel, J., Scarano, F., 2005. Universal outlier detection for PIV data. Experiments in
    Fluids 39, 1096-1100. https://doi.org/10.1007/s00348-005-0016-6
    """
    out = np.zeros(kept.shape, np.bool_)
    for component in field:
        _outliers_into(
            component, kept, window // 2, np.float32(threshold), np.float32(LEAST_SPREAD_PX), out
        )
    return out


def small_patches(kept: Mask, minimum: int) -> Mask:
    """Pixels of patches of fewer than `minimum` pixels, joined by their sides.

    The halo is `minimum`: what is smaller and touches a tile lies wholly within that distance.
    """
    return speckles(np.zeros(kept.shape, np.float32), kept, minimum)


@kernel
def _outliers_into(
    values: Floats, kept: Mask, radius: int, threshold: np.float32, floor: np.float32, out: Mask
) -> None:
    height, width = values.shape
    space = np.empty((radius + 1) * (radius + 1), np.float32)
    for i in range(height):
        for j in range(width):
            if not kept[i, j] or _among_its_own(values, kept, i, j, radius, threshold * floor):
                continue
            count = 0
            for k in range(i - radius, i + radius + 1, 2):
                for m in range(j - radius, j + radius + 1, 2):
                    inside = 0 <= k < height and 0 <= m < width
                    if not inside or not kept[k, m] or (k == i and m == j):
                        continue
                    count = _insert(space, count, values[k, m])
            if count < LEAST_NEIGHBOURS:
                continue
            middle = space[count // 2]
            distance = abs(values[i, j] - middle)
            if distance <= threshold * floor:
                continue
            # Half of the deviations are smaller than the MAD: it is enough to count.
            limit = distance / (threshold * np.float32(1.4826))
            nearer = 0
            for n in range(count):
                if abs(space[n] - middle) < limit:
                    nearer += 1
            if 2 * nearer > count:
                out[i, j] = True


@kernel
def _among_its_own(
    values: Floats, kept: Mask, i: int, j: int, radius: int, reach: np.float32
) -> bool:
    """Whether most neighbours, and so their median, are within `reach`: nothing to sort then."""
    count, near = 0, 0
    for k in range(i - radius, i + radius + 1, 2):
        for m in range(j - radius, j + radius + 1, 2):
            if 0 <= k < values.shape[0] and 0 <= m < values.shape[1] and kept[k, m]:
                count += 1
                if abs(values[k, m] - values[i, j]) <= reach:
                    near += 1
    # The pixel itself may be among the samples; it always counts as near.
    return 2 * (near - 1) > count


@kernel
def _insert(space: Floats, count: int, value: np.float32) -> int:
    """Put a value into the sorted start of `space`; the new count."""
    at = count
    while at > 0 and space[at - 1] > value:
        space[at] = space[at - 1]
        at -= 1
    space[at] = value
    return count + 1


def median_of_valid(values: Floats, radius: int) -> Floats:
    """Median over the square window of each pixel that has a value; NaN stays NaN.

    The halo is `radius`; pixels without a value do not count.
    """
    out = np.full_like(values, np.nan)
    _median_of_valid_into(values, radius, out)
    return out


@kernel
def _median_of_valid_into(values: Floats, radius: int, out: Floats) -> None:
    height, width = values.shape
    space = np.empty((2 * radius + 1) * (2 * radius + 1), np.float32)
    for i in range(height):
        for j in range(width):
            if np.isnan(values[i, j]):
                continue
            count = 0
            for k in range(max(0, i - radius), min(height, i + radius + 1)):
                for m in range(max(0, j - radius), min(width, j + radius + 1)):
                    if not np.isnan(values[k, m]):
                        count = _insert(space, count, values[k, m])
            low, high = space[(count - 1) // 2], space[count // 2]
            out[i, j] = np.float32(0.5) * (low + high)
