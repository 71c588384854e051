"""What segments are like: means and deviations of quantities, size, and shape on the slope.

A segment's pixels must all be there, and its neighbours' where they count: around the pixels that
are asked for, a margin of its largest extent, or of two.  Sums are of whole numbers: exact.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from core.change.scene import Floats
from core.change.segments import Edges
from core.change.superpixels import Integers, Labels
from core.change.windows import Steps
from core.kernel import kernel

PerSegment = NDArray[np.float32]
"""(n,): a number for each segment; 0 for one without pixels."""

DIRECTION_STEP = 1 / 1024
"""Of the sine and cosine of the aspect."""

PIXEL_VARIANCE = 1 / 12
"""Of places within one pixel, square pixels: so that a line of pixels has a width."""


class Spread(NamedTuple):
    """A quantity within segments, in its units."""

    mean: PerSegment
    deviation: PerSegment


class Shapes(NamedTuple):
    """Size and form of segments."""

    area_m2: PerSegment
    elongation: PerSegment
    """0 for round to 1 for a line: one less the ratio of the axes of the ellipse of variance."""
    compactness: PerSegment
    """0 to 1: area over that of the rectangle around, along rows and columns."""
    along_slope: PerSegment
    """Part of the variance of its places that lies down its mean slope: 1 for a line down the
    slope, 0 for one across, 1/2 for what is round, on level ground, or without a terrain."""


def spread(labels: Labels, count: int, values: Steps, step: float) -> Spread:
    """Mean and deviation of a quantity in each segment.

    Parameters
    ----------
    labels
        Numbers of segments, (rows, cols); negative where there is none.
    count
        How many segments there are.
    values
        In steps, (rows, cols).
    step
        The quantity's unit for one step.
    """
    sums = np.zeros((3, count), np.int64)
    _sum(labels, values, sums)
    number = np.maximum(sums[0], 1)
    variance = number * sums[2] - sums[1] * sums[1]
    return Spread(
        (step * (sums[1] / number)).astype(np.float32),
        (step * (np.sqrt(variance.astype(np.float64)) / number)).astype(np.float32),
    )


def contrast(touching: Edges, mean: PerSegment) -> PerSegment:
    """Mean of each segment less that of its neighbours, weighted by the sides in common.

    0 for a segment without neighbours.
    """
    sides, around = np.zeros((2, mean.size))
    for ours, theirs in ((touching.one, touching.other), (touching.other, touching.one)):
        sides += np.bincount(ours, touching.shared, mean.size)
        around += np.bincount(ours, touching.shared * mean[theirs], mean.size)
    difference = np.where(sides > 0, mean - around / np.maximum(sides, 1), 0)
    return difference.astype(np.float32)


def shapes(
    labels: Labels, count: int, pixel_m: float, downslope: tuple[Steps, Steps] | None
) -> Shapes:
    """Size and form of each segment.

    Parameters
    ----------
    downslope
        Cosine and sine of the aspect, clockwise from grid north, in :data:`DIRECTION_STEP`; None
        without a terrain.
    """
    level = np.zeros((1, 1), np.int32)
    north, east = (level, level) if downslope is None else downslope
    sums = np.zeros((8, count), np.int64)
    bounds = np.full((4, count), np.iinfo(np.int64).max, np.int64)
    _measure(labels, north, east, downslope is not None, sums, bounds)
    number = np.maximum(sums[0], 1)
    rows, cols, both = (
        (number * sums[k] - sums[a] * sums[b]) / (number * number).astype(np.float64)
        for k, a, b in ((3, 1, 1), (4, 2, 2), (5, 1, 2))
    )
    rows, cols = rows + PIXEL_VARIANCE, cols + PIXEL_VARIANCE
    half = np.sqrt((rows - cols) ** 2 + 4 * both**2) / 2
    middle = (rows + cols) / 2
    # The mean direction leads `down` rows and `right` columns.
    down, right = -sums[6].astype(np.float64), sums[7].astype(np.float64)
    length = down**2 + right**2
    along = rows * down**2 + cols * right**2 + 2 * both * down * right
    share = np.where(length > 0, along / np.maximum(length, 1) / (2 * middle), 0.5)
    high, wide = -bounds[2] - bounds[0] + 1, -bounds[3] - bounds[1] + 1
    filled = np.where(sums[0] > 0, sums[0] / np.maximum(high * wide, 1), 0)
    minor = np.sqrt(np.maximum((middle - half) / (middle + half), 0))
    parts = (sums[0] * pixel_m**2, np.where(sums[0] > 0, 1 - minor, 0), filled, share)
    return Shapes(*(part.astype(np.float32) for part in parts))


def per_pixel(values: PerSegment, labels: Labels) -> Floats:
    """Give each pixel the number of its segment; 0 where there is none."""
    return np.where(labels >= 0, np.append(values, np.float32(0))[labels], np.float32(0))


@kernel
def _sum(labels: Labels, values: Steps, sums: Integers) -> None:
    for i in range(labels.shape[0]):
        for j in range(labels.shape[1]):
            n = labels[i, j]
            if n >= 0:
                value = np.int64(values[i, j])
                sums[0, n] += 1
                sums[1, n] += value
                sums[2, n] += value * value


@kernel
def _measure(
    labels: Labels, north: Steps, east: Steps, sloped: bool, sums: Integers, bounds: Integers
) -> None:
    """Count, sums of places and their products, of directions; first and last rows and columns.

    Last rows and columns are kept negative, so that all bounds are the least.
    """
    for i in range(labels.shape[0]):
        for j in range(labels.shape[1]):
            n = labels[i, j]
            if n < 0:
                continue
            sums[0, n] += 1
            sums[1, n] += i
            sums[2, n] += j
            sums[3, n] += i * i
            sums[4, n] += j * j
            sums[5, n] += i * j
            if sloped:
                sums[6, n] += north[i, j]
                sums[7, n] += east[i, j]
            bounds[0, n], bounds[1, n] = min(bounds[0, n], i), min(bounds[1, n], j)
            bounds[2, n], bounds[3, n] = min(bounds[2, n], -i), min(bounds[3, n], -j)
