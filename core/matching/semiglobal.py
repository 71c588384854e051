"""Semi-global matching of two images whose rows are epipolar lines.

Costs are Hamming distances of census signatures (Zabih and Woodfill 1994,
https://doi.org/10.1007/BFb0028345); they are summed along eight directions with a penalty for a
change of disparity by one step and a larger one for a jump (Hirschmüller 2008,
https://doi.org/10.1109/TPAMI.2007.1166).  A jump costs less where the image has an edge.

A pixel ``(row, col)`` of the left image with disparity ``d`` is ``(row, col + d)`` in the right
one; a disparity of the right image is that of its left partner, with the same sign.  Sums along
whole rows and columns depend on where the array ends: tiles are to be cut by the data, not by the
memory.  Fractions of a disparity are drawn to whole numbers; they are a start for a refinement.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from core.kernel import kernel
from core.matching.arrays import Floats, Layer

Signatures = NDArray[np.uint64]
"""Census signatures [row, col]: a bit per neighbour, set where that is darker."""

Costs = NDArray[np.uint8]
"""[row, col, disparity - first]: number of bits that differ."""

Totals = NDArray[np.int16]
"""[row, col, disparity - first]: costs of the best paths, summed over eight directions."""

LARGEST_RADIUS = 3
"""Of the census window: 48 neighbours fit into 64 bits."""

LARGEST_PENALTY = 2000
"""Eight sums of a cost and this stay within 16 bits."""

FAR = np.int16(12000)
"""Cost of the disparities beyond the range: more than any path, and sums still fit."""


class Aggregation(NamedTuple):
    """How costs are made and summed.

    Parameters
    ----------
    radius
        Half side of the census window, pixels, 1 to 3.
    step
        Penalty for a change of disparity by 1 between neighbours, bits of the signature.
    jump
        Penalty for a larger change where the image is even.
    least_jump
        The same across the strongest edges.
    contrast
        Difference between neighbours at which `jump` is halved, in units of the left image.  Three
        times the noise is good: smaller ones let noise make jumps, larger ones blur roofs.
    """

    radius: int = 2
    step: int = 12
    jump: int = 60
    least_jump: int = 12
    contrast: float = 20.0


class Matches(NamedTuple):
    """What both ways of matching found; all (rows, cols), float32."""

    left: Floats
    """Disparity of each left pixel, whole numbers and fractions; NaN where nothing was found."""
    right: Floats
    """Disparity of each right pixel, whole numbers; NaN where nothing was found."""
    margin: Floats
    """By how much the best total is below the best one two steps away or more, in bits of the
    signature per direction; small where texture repeats.  NaN where nothing was found."""


def match(
    left: Layer, right: Layer, first: int, count: int, options: Aggregation | None = None
) -> Matches:
    """Match two images both ways.

    Parameters
    ----------
    left, right
        Images of the same shape; the same rows hold the same ground.
    first, count
        Smallest disparity, and how many are tried.
    options
        How costs are made and summed.

    Notes
    -----
    Nothing is found where a pixel or its partner has no data, or the best disparity is the first or
    the last: the true one may lie beyond.
    """
    options = options or Aggregation()
    _check(left, right, count, options)
    totals = aggregated(
        cost_volume(left, right, first, count, options.radius), left.values, options
    )
    return winners(totals, left.weights, right.weights, first)


def _check(left: Layer, right: Layer, count: int, options: Aggregation) -> None:
    if left.values.shape != right.values.shape:
        raise ValueError(f"images of {left.values.shape} and {right.values.shape} are no pair")
    if count < 3:
        raise ValueError(f"{count} disparities have no best one inside; at least 3 are needed")
    if not 1 <= options.radius <= LARGEST_RADIUS:
        raise ValueError(f"census radius {options.radius} is not from 1 to {LARGEST_RADIUS}")
    if not 0 <= options.step <= options.least_jump <= options.jump <= LARGEST_PENALTY:
        raise ValueError(f"penalties {options} are not 0 <= step <= least_jump <= jump <= 2000")


def census(image: Layer, radius: int) -> Signatures:
    """Signatures of all pixels: which neighbours in the square window are darker.

    The window is cut at the border and at pixels without data: their bits are 0.
    """
    out = np.empty(image.values.shape, np.uint64)
    _census_into(*image, radius, out)
    return out


def cost_volume(left: Layer, right: Layer, first: int, count: int, radius: int) -> Costs:
    """Differing bits of each left pixel and its possible partners.

    Where one of them has no data the cost is that of chance, half of the bits.
    """
    out = np.empty((*left.values.shape, count), np.uint8)
    chance = np.uint8(((2 * radius + 1) ** 2 - 1) // 2)
    _costs_into(
        census(left, radius),
        census(right, radius),
        left.weights,
        right.weights,
        first,
        chance,
        out,
    )
    return out


def aggregated(costs: Costs, image: Floats, options: Aggregation) -> Totals:
    """Costs of the best paths that end at each pixel and disparity, over eight directions.

    Parameters
    ----------
    image
        The left image: its edges lower the penalty of jumps.
    """
    totals = np.zeros(costs.shape, np.int16)
    penalties = np.array([options.step, options.jump, options.least_jump], np.int16)
    for upwards in (False, True):
        _aggregate_into(costs, image, penalties, np.float32(1 / options.contrast), upwards, totals)
    return totals


def winners(totals: Totals, left_weights: Floats, right_weights: Floats, first: int) -> Matches:
    """The best disparity of each left and of each right pixel."""
    shape = totals.shape[:2]
    found = Matches(*(np.full(shape, np.nan, np.float32) for _ in range(3)))
    _left_winners_into(totals, left_weights, right_weights, first, found.left, found.margin)
    _right_winners_into(totals, left_weights, right_weights, first, found.right)
    return found


def consistent(left: Floats, right: Floats, tolerance: float = 1.0) -> NDArray[np.bool_]:
    """Whether a left pixel's partner points back to it, within `tolerance` pixels.

    Of the two right pixels that a fractional disparity lies between the nearer one counts.
    """
    out = np.zeros(left.shape, np.bool_)
    _consistent_into(left, right, np.float32(tolerance), out)
    return out


@kernel
def _census_into(values: Floats, weights: Floats, radius: int, out: Signatures) -> None:
    height, width = values.shape
    one = np.uint64(1)
    for i in range(height):
        for j in range(width):
            centre = values[i, j]
            bits = np.uint64(0)
            inside = radius <= i < height - radius and radius <= j < width - radius
            for k in range(i - radius, i + radius + 1):
                for m in range(j - radius, j + radius + 1):
                    if k == i and m == j:
                        continue
                    bits = bits << one
                    if (
                        (inside or (0 <= k < height and 0 <= m < width))
                        and values[k, m] < centre
                        and weights[k, m] > 0
                    ):
                        bits = bits | one
            out[i, j] = bits


@kernel
def _ones(bits: np.uint64) -> np.uint64:
    """Number of bits that are set, by sums of neighbouring fields."""
    pairs, fours = np.uint64(0x5555555555555555), np.uint64(0x3333333333333333)
    eights, all_bytes = np.uint64(0x0F0F0F0F0F0F0F0F), np.uint64(0x0101010101010101)
    bits = bits - ((bits >> np.uint64(1)) & pairs)
    bits = (bits & fours) + ((bits >> np.uint64(2)) & fours)
    bits = (bits + (bits >> np.uint64(4))) & eights
    return (bits * all_bytes) >> np.uint64(56)


@kernel
def _costs_into(
    left: Signatures,
    right: Signatures,
    left_weights: Floats,
    right_weights: Floats,
    first: int,
    chance: np.uint8,
    out: Costs,
) -> None:
    height, width, count = out.shape
    for i in range(height):
        partners, known = right[i], right_weights[i]
        for j in range(width):
            costs = out[i, j]
            costs[:] = chance
            if left_weights[i, j] == 0:
                continue
            own = left[i, j]
            start = max(0, -(j + first))
            stop = min(count, width - j - first)
            for k in range(start, stop):
                if known[j + first + k] > 0:
                    costs[k] = np.uint8(_ones(own ^ partners[j + first + k]))


@kernel
def _advance(
    costs: Costs,
    before: Totals,
    least_before: np.int16,
    step: np.int16,
    jump: np.int16,
    here: Totals,
    totals: Totals,
) -> np.int16:
    """Prolong paths by one pixel: fill `here`, add it to `totals`; the least of `here`.

    `before` and `here` have a cost of FAR before the first disparity and after the last.
    """
    limit = np.int16(least_before + jump)
    least = FAR
    for k in range(costs.size):
        path = min(before[k + 1], limit)
        path = min(path, np.int16(before[k] + step))
        path = min(path, np.int16(before[k + 2] + step))
        path = np.int16(path - least_before + np.int16(costs[k]))
        here[k + 1] = path
        totals[k] = np.int16(totals[k] + path)
        least = min(least, path)
    return least


@kernel
def _jump(difference: np.float32, penalties: Totals, per_contrast: np.float32) -> np.int16:
    one = np.float32(1)
    lowered = np.float32(penalties[1]) / (one + abs(difference) * per_contrast)
    return np.int16(max(lowered, np.float32(penalties[2])))


@kernel
def _aggregate_into(
    costs: Costs,
    image: Floats,
    penalties: Totals,
    per_contrast: np.float32,
    upwards: bool,
    totals: Totals,
) -> None:
    """Add four directions: along the row, and from the three pixels of the row before.

    Upwards all four are turned by half a circle.
    """
    height, width, count = costs.shape
    step = penalties[0]
    paths = np.full((2, 3, width, count + 2), FAR, np.int16)
    least = np.zeros((2, 3, width), np.int16)
    along = np.full((2, count + 2), FAR, np.int16)
    start = np.full(count + 2, FAR, np.int16)
    start[1 : count + 1] = 0
    turn = -1 if upwards else 1
    for number in range(height):
        i = height - 1 - number if upwards else number
        now, then = number & 1, 1 - (number & 1)
        least_along = np.int16(0)
        for place in range(width):
            j = width - 1 - place if upwards else place
            own = image[i, j]
            jump = penalties[1]
            before = start
            if place > 0:
                jump = _jump(own - image[i, j - turn], penalties, per_contrast)
                before = along[1 - (place & 1)]
            least_along = _advance(
                costs[i, j], before, least_along, step, jump, along[place & 1], totals[i, j]
            )
            for direction in range(3):
                source = j + direction - 1
                before, floor, jump = start, np.int16(0), penalties[1]
                if number > 0 and 0 <= source < width:
                    before = paths[then, direction, source]
                    floor = least[then, direction, source]
                    jump = _jump(own - image[i - turn, source], penalties, per_contrast)
                least[now, direction, j] = _advance(
                    costs[i, j], before, floor, step, jump, paths[now, direction, j], totals[i, j]
                )


@kernel
def _left_winners_into(
    totals: Totals,
    left_weights: Floats,
    right_weights: Floats,
    first: int,
    disparity: Floats,
    margin: Floats,
) -> None:
    height, width, count = totals.shape
    for i in range(height):
        for j in range(width):
            if left_weights[i, j] == 0:
                continue
            own = totals[i, j]
            best = 0
            for k in range(1, count):
                if own[k] < own[best]:
                    best = k
            partner = j + first + best
            if best == 0 or best == count - 1 or not 0 <= partner < width:
                continue
            if right_weights[i, partner] == 0:
                continue
            second = np.int16(32767)
            for k in range(count):
                if abs(k - best) > 1:
                    second = min(second, own[k])
            before, least, after = own[best - 1], own[best], own[best + 1]
            # Two lines of the same steepness meet at the lowest point of such costs.
            rise = np.float32(max(before, after) - least)
            shift = np.float32(0)
            if rise > 0:
                shift = np.float32(before - after) / (np.float32(2) * rise)
            disparity[i, j] = np.float32(first + best) + shift
            margin[i, j] = np.float32(second - least) / np.float32(8)


@kernel
def _right_winners_into(
    totals: Totals, left_weights: Floats, right_weights: Floats, first: int, disparity: Floats
) -> None:
    height, width, count = totals.shape
    for i in range(height):
        for partner in range(width):
            if right_weights[i, partner] == 0:
                continue
            best, least = -1, np.int16(32767)
            for k in range(count):
                j = partner - first - k
                if 0 <= j < width and left_weights[i, j] > 0 and totals[i, j, k] < least:
                    best, least = k, totals[i, j, k]
            if 0 < best < count - 1:
                disparity[i, partner] = np.float32(first + best)


@kernel
def _consistent_into(
    left: Floats, right: Floats, tolerance: np.float32, out: NDArray[np.bool_]
) -> None:
    height, width = left.shape
    for i in range(height):
        for j in range(width):
            if np.isnan(left[i, j]):
                continue
            partner = j + int(np.rint(left[i, j]))
            # A comparison with NaN is false.
            if 0 <= partner < width and abs(right[i, partner] - left[i, j]) <= tolerance:
                out[i, j] = True
