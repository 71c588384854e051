"""Heights of several pairs put together, cell by cell.

Pairs that agree make the height: of the groups around each pair the one with the largest weight,
the sum of inverse variances, where a much lower one counts more.  A pair that is uncertain there
(beside a jump, or without texture) so gives way to one that is not, and one that is wrong to
several that agree.  The height is the group's weighted mean.

Pairs are not independent: those that share an image share its noise, and all share the matcher's
habits.  The standard deviation of the mean takes them as correlated and so falls less than the
square root of their number would have it; what disagrees raises it.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from core.geometry.gridding import Cells, Layer
from core.geometry.rpc import Floats
from core.geometry.uncertainty import deviation, wary_deviation
from core.kernel import kernel

Stack = NDArray[np.float32]
"""[pair, row, col]."""

AGREEMENT = 2.0
"""Largest difference of two pairs that agree, in standard deviations of it by their matches; ..."""

AGREEMENT_M = 0.2
"""... and metres on top."""

LOWER_M = 1.5
"""From this difference on the lower one of two groups ..."""

LOWER = 3.0
"""... weighs so many times, ..."""

LOWER_SCORE = 0.9
"""... if its windows correlate so well at least: matching carries roofs over the ground beside
them, not the ground over roofs, and another pair often sees that ground.  On simulated towns 13 to
19 % fewer cells are wrong by more than three metres; without the last condition noise would sink
weakly textured ground."""

CORRELATION = 0.4
"""Of the errors of two pairs."""

SPREAD = 0.2
"""Part of the standard deviation about the mean that adds to that of the mean."""

DOUBT = 0.5
"""Part of its distance by which a pair that disagrees raises the standard deviation, if it weighs
as much as those that agree."""


class Fused(NamedTuple):
    """Heights of all pairs; all (rows, cols)."""

    height: Layer
    """Metres; NaN where no pair has one."""
    sigma: Layer
    """Standard deviation of the height, metres."""
    error: Layer
    """Weighted mean of the intersection errors, metres."""
    score: Layer
    """Weighted mean of the correlations."""
    pairs: NDArray[np.uint8]
    """Number of pairs that made the height."""


def fused(cells: Sequence[Cells]) -> Fused:
    """Put the cells of one or more pairs together.

    Parameters
    ----------
    cells
        Of the same grid.  The result does not depend on their order, except where two groups of
        pairs are equally good.
    """
    if not cells:
        raise ValueError("no pair, no surface")
    grids = {(one.height.shape, one.side) for one in cells}
    if len(grids) > 1:
        raise ValueError(f"cells of {sorted(grids)} are of different grids")
    shape, side = cells[0].height.shape, cells[0].side
    height, sigma, error, score, count = (np.full(shape, np.nan, np.float32) for _ in range(5))
    spread, doubt = np.zeros(shape, np.float32), np.zeros(shape, np.float32)
    pairs = np.zeros(shape, np.uint8)
    _fuse_into(
        np.stack([one.height for one in cells]),
        np.stack([one.sigma for one in cells]),
        np.stack([_whole(one) for one in cells]),
        np.stack([one.error for one in cells]),
        np.stack([one.score for one in cells]),
        np.stack([one.count for one in cells]).astype(np.float32),
        height,
        sigma,
        error,
        score,
        count,
        spread,
        doubt,
        pairs,
    )
    whole = deviation(height, sigma, score, count, side)
    whole = np.sqrt(whole**2 + (SPREAD * spread) ** 2 + (DOUBT * doubt) ** 2)
    return Fused(height, whole, error, score, pairs)


def _whole(one: Cells) -> Layer:
    """Standard deviation that one pair's heights are taken to have."""
    return wary_deviation(one.height, one.sigma, one.score, one.count.astype(np.float32), one.side)


@kernel
def _agree(heights: Stack, sigmas: Stack, one: int, other: int, i: int, j: int) -> bool:
    allowed = sigmas[one, i, j] ** 2 + sigmas[other, i, j] ** 2
    allowed = AGREEMENT_M + AGREEMENT * math.sqrt(allowed)
    near: bool = abs(heights[one, i, j] - heights[other, i, j]) <= allowed
    return near


@kernel
def _weigh(heights: Stack, sigmas: Stack, wholes: Stack, i: int, j: int, weights: Floats) -> None:
    """Fill `weights`: 0 for pairs that do not see the cell."""
    for n in range(weights.size):
        weights[n] = 0.0
        if not math.isnan(heights[n, i, j]):
            # What is uncertain beside a jump is often right: between both standard deviations.
            weights[n] = 1 / (float(sigmas[n, i, j]) * float(wholes[n, i, j]))


@kernel
def _group(
    heights: Stack, sigmas: Stack, scores: Stack, weights: Floats, one: int, i: int, j: int
) -> tuple[float, float, float]:
    """Weight of the pairs that agree with one, their height and correlation."""
    total, level, score = 0.0, 0.0, 0.0
    for n in range(weights.size):
        if weights[n] > 0 and _agree(heights, sigmas, one, n, i, j):
            total += weights[n]
            level += weights[n] * heights[n, i, j]
            score += weights[n] * scores[n, i, j]
    return total, level / total, score / total


@kernel
def _best_group(
    heights: Stack, sigmas: Stack, scores: Stack, weights: Floats, i: int, j: int
) -> int:
    """The pair whose group makes the height; -1 if no pair sees the cell."""
    largest, most, highest = -1, 0.0, 0.0
    for n in range(weights.size):
        if weights[n] > 0:
            total, level, _ = _group(heights, sigmas, scores, weights, n, i, j)
            if total > most:
                largest, most, highest = n, total, level
    best, second = largest, most / LOWER
    for n in range(weights.size):
        if weights[n] > 0:
            total, level, score = _group(heights, sigmas, scores, weights, n, i, j)
            if total > second and level < highest - LOWER_M and score >= LOWER_SCORE:
                best, second = n, total
    return best


@kernel
def _fuse_into(
    heights: Stack,
    sigmas: Stack,
    wholes: Stack,
    errors: Stack,
    scores: Stack,
    counts: Stack,
    height: Layer,
    sigma: Layer,
    error: Layer,
    score: Layer,
    count: Layer,
    spread: Layer,
    doubt: Layer,
    pairs: NDArray[np.uint8],
) -> None:
    number, rows, cols = heights.shape
    weights = np.empty(number)
    for i in range(rows):
        for j in range(cols):
            _weigh(heights, sigmas, wholes, i, j, weights)
            best = _best_group(heights, sigmas, scores, weights, i, j)
            if best < 0:
                continue
            base = float(heights[best, i, j])
            members, total = 0, 0.0
            up, upup, own, squares, e, s, c = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
            for n in range(number):
                if weights[n] == 0.0 or not _agree(heights, sigmas, best, n, i, j):
                    continue
                w, above = weights[n], heights[n, i, j] - base
                members += 1
                total += w
                up += w * above
                upup += w * above * above
                e += w * errors[n, i, j]
                s += w * scores[n, i, j]
                c += w * counts[n, i, j]
                own += w * sigmas[n, i, j]
                squares += (w * sigmas[n, i, j]) ** 2
            up = up / total
            variance = CORRELATION * own * own + (1 - CORRELATION) * squares
            height[i, j] = base + up
            sigma[i, j] = math.sqrt(variance) / total
            error[i, j], score[i, j], count[i, j] = e / total, s / total, c / total
            spread[i, j] = math.sqrt(max(upup / total - up * up, 0.0))
            pairs[i, j] = members
            for n in range(number):
                if weights[n] > 0 and not _agree(heights, sigmas, best, n, i, j):
                    away = abs(heights[n, i, j] - height[i, j])
                    doubt[i, j] = max(doubt[i, j], away * min(weights[n] / total, 1.0))
