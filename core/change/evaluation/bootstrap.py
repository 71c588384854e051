"""How far a score could be another on other ground: blocks are drawn anew, with what they hold.

Pixels of a block resemble each other, so blocks are drawn and not pixels.  A score is worked out
from sums over blocks: a table with a row per block is all that is needed.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from core.change.evaluation.pixels import Counted, ratio
from core.change.learning.arrays import Doubles, Flags, Floats, Groups

DRAWS = 1000
STEPS = 400
"""Intervals of equal count to which probabilities are reduced for the average precision."""


class Interval(NamedTuple):
    """The middle 95 % of the draws."""

    low: float
    high: float


def interval(
    table: Doubles, score: Callable[[Doubles], float], seed: int = 0, draws: int = DRAWS
) -> Interval:
    """95 % interval of a score.

    Parameters
    ----------
    table
        (blocks, columns): what each block adds to the sums.
    score
        From sums, (columns,).  Draws for which it is NaN (no landslide was drawn) do not count.
    """
    rng = np.random.default_rng(seed)
    blocks = len(table)
    found = np.empty(draws)
    for draw in range(draws):
        times = np.bincount(rng.integers(0, blocks, blocks), minlength=blocks)
        found[draw] = score(times @ table)
    found = found[np.isfinite(found)]
    if found.size == 0:
        return Interval(float("nan"), float("nan"))
    low, high = np.quantile(found, [0.025, 0.975])
    return Interval(float(low), float(high))


def decisions(called: Flags, truth: Flags, block: Groups) -> Doubles:
    """Table of hits, false and missed pixels per block."""
    _, place = np.unique(block, return_inverse=True)
    parts = (called & truth, called & ~truth, ~called & truth)
    return np.column_stack([np.bincount(place, part.astype(np.float64)) for part in parts])


def f1(sums: Doubles) -> float:
    """F1 from the sums of :func:`decisions`."""
    return Counted(*sums).f()


def ranks(probabilities: Floats, truth: Flags, block: Groups) -> Doubles:
    """Table of the pixels of both classes per block and interval of probability, highest first."""
    names, place = np.unique(block, return_inverse=True)
    borders = np.unique(np.quantile(probabilities, np.arange(1, STEPS) / STEPS))
    step = borders.size - np.searchsorted(borders, probabilities, side="right")
    size = borders.size + 1
    table = np.zeros((names.size, 2, size))
    np.add.at(table, (place, truth.astype(np.int64), step), 1.0)
    return table.reshape(names.size, -1)


def average_precision(sums: Doubles) -> float:
    """Average precision from the sums of :func:`ranks`."""
    rest, landslide = sums.reshape(2, -1)
    right, called = np.cumsum(landslide), np.cumsum(landslide + rest)
    precision = right / np.maximum(called, 1)
    return ratio(float((precision * landslide).sum()), float(right[-1]))
