"""Heights of several pairs put together, cell by cell.

The largest group of pairs that agree makes the height: their mean, weighted by the inverse of their
variances.  Pairs are not independent: those that share an image share its noise, and all share the
matcher's habits.  The standard deviation of the mean takes them as correlated and so falls less
than the square root of their number would have it; what disagrees raises it.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from core.geometry.gridding import Cells, Floats, Layer
from core.kernel import kernel

Stack = NDArray[np.float32]
"""[pair, row, col]."""

AGREEMENT = 4.0
"""Difference of two pairs that agree, at most, in standard deviations of it; ..."""

AGREEMENT_M = 0.5
"""... and metres on top."""

CORRELATION = 0.5
"""Of the errors of two pairs."""

DOUBT = 0.3
"""Part of its distance by which a pair that disagrees raises the standard deviation, if it weighs
as much as those that agree."""

LEAST_SIGMA_M = 0.02
"""Standard deviation that is taken for smaller ones."""


NAMES = ("height", "sigma", "error", "score")
"""Of the layers that are put together."""


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
    shape = cells[0].height.shape
    if any(one.height.shape != shape for one in cells):
        raise ValueError(f"cells of {[one.height.shape for one in cells]} are of different grids")
    height, sigma, error, score = (np.full(shape, np.nan, np.float32) for _ in range(4))
    pairs = np.zeros(shape, np.uint8)
    heights, sigmas = (np.stack([getattr(one, name) for one in cells]) for name in NAMES[:2])
    errors, scores = (np.stack([getattr(one, name) for one in cells]) for name in NAMES[2:])
    _fuse_into(heights, sigmas, errors, scores, height, sigma, error, score, pairs)
    return Fused(height, sigma, error, score, pairs)


@kernel
def _agree(heights: Stack, sigmas: Stack, one: int, other: int, i: int, j: int) -> bool:
    allowed = sigmas[one, i, j] ** 2 + sigmas[other, i, j] ** 2
    allowed = AGREEMENT_M + AGREEMENT * math.sqrt(allowed)
    near: bool = abs(heights[one, i, j] - heights[other, i, j]) <= allowed
    return near


@kernel
def _weigh(heights: Stack, sigmas: Stack, i: int, j: int, weights: Floats) -> None:
    """Fill `weights`: 0 for pairs that do not see the cell."""
    for n in range(weights.size):
        weights[n] = 0.0
        if not math.isnan(heights[n, i, j]):
            weights[n] = 1 / max(float(sigmas[n, i, j]), LEAST_SIGMA_M) ** 2


@kernel
def _largest_group(
    heights: Stack, sigmas: Stack, weights: Floats, i: int, j: int
) -> tuple[int, int, float]:
    """The pair that most others agree with, their number and weight with its own."""
    best, most, best_weight = -1, 0, 0.0
    for n in range(weights.size):
        if weights[n] == 0.0:
            continue
        members, weight = 0, 0.0
        for m in range(weights.size):
            if weights[m] > 0 and _agree(heights, sigmas, n, m, i, j):
                members += 1
                weight += weights[m]
        if members > most or (members == most and weight > best_weight):
            best, most, best_weight = n, members, weight
    return best, most, best_weight


@kernel
def _fuse_into(
    heights: Stack,
    sigmas: Stack,
    errors: Stack,
    scores: Stack,
    height: Layer,
    sigma: Layer,
    error: Layer,
    score: Layer,
    pairs: NDArray[np.uint8],
) -> None:
    number, rows, cols = heights.shape
    weights = np.empty(number)
    for i in range(rows):
        for j in range(cols):
            _weigh(heights, sigmas, i, j, weights)
            best, most, best_weight = _largest_group(heights, sigmas, weights, i, j)
            if most == 0:
                continue
            base = float(heights[best, i, j])
            up, spread, own, squares, e, s, doubt = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
            for n in range(number):
                if weights[n] == 0.0:
                    continue
                above = heights[n, i, j] - base
                share = weights[n] / best_weight
                if not _agree(heights, sigmas, best, n, i, j):
                    doubt = max(doubt, min(share, 1.0) * abs(above))
                    continue
                up += share * above
                spread += share * above * above
                e += share * errors[n, i, j]
                s += share * scores[n, i, j]
                deviation = share / math.sqrt(weights[n])
                own += deviation
                squares += deviation * deviation
            height[i, j] = base + up
            variance = CORRELATION * own * own + (1 - CORRELATION) * squares
            variance += max(spread - up * up, 0.0) / most + (DOUBT * doubt) ** 2
            sigma[i, j] = math.sqrt(variance)
            error[i, j], score[i, j], pairs[i, j] = e, s, most
