"""Whether probabilities hold.

A calibration error alone can be empty: a constant at the prevalence has none.  It is therefore
taken over the pixels that a user looks at, and stands beside the skill and the slope.
"""

from typing import NamedTuple

import numpy as np

from core.change.learning.arrays import Doubles, Flags, Floats

BINS = 15
"""Bins of equal count."""

ABOVE = 0.05
"""Probability above which the calibration error is taken."""

LEAST = 1e-7
"""Probabilities are taken for at least this far from 0 and 1 in logarithms."""


class Reliability(NamedTuple):
    """How well probabilities hold.

    Parameters
    ----------
    told, true, pixels
        Mean probability, share of landslides and pixels of each bin, lowest first: what the
        reliability diagram shows.  Pixels above :data:`ABOVE`, in bins of equal count.
    error
        Expected calibration error: mean distance of both, weighed by count; NaN without pixels.
    slope, intercept
        Of a logistic regression of the truth on the logarithm of the odds, all pixels: 1 and 0
        where they hold; a slope below 1 where they are too sure.
    brier, skill
        Brier score, and what it is less than that of the prevalence as constant, over that.
    log_loss
        Mean, natural logarithm.
    """

    told: Doubles
    true: Doubles
    pixels: Doubles
    error: float
    slope: float
    intercept: float
    brier: float
    skill: float
    log_loss: float


def reliability(probabilities: Floats, truth: Flags) -> Reliability:
    """Figures of probabilities against the truth, (pixels,) each."""
    p = probabilities.astype(np.float64)
    told, true, count = _bins(p, truth)
    total = count.sum()
    error = float((count * abs(told - true)).sum() / total) if total else float("nan")
    within = np.clip(p, LEAST, 1 - LEAST)
    odds = np.log(within) - np.log1p(-within)
    slope, intercept = _regression(odds, truth)
    share = truth.mean()
    brier, constant = float(((p - truth) ** 2).mean()), float(share * (1 - share))
    skill = 1 - brier / constant if constant > 0 else float("nan")
    loss = float(-np.where(truth, np.log(within), np.log1p(-within)).mean())
    return Reliability(told, true, count, error, slope, intercept, brier, skill, loss)


def _bins(p: Doubles, truth: Flags) -> tuple[Doubles, Doubles, Doubles]:
    seen = p > ABOVE
    if not seen.any():
        return np.empty(0), np.empty(0), np.empty(0)
    # Pixels of one probability stay together, whatever order they come in.
    borders = np.unique(np.quantile(p[seen], np.arange(1, BINS) / BINS))
    place = np.searchsorted(borders, p[seen], side="right")
    count = np.bincount(place)
    held = count > 0
    sums = [np.bincount(place, side)[held] for side in (p[seen], truth[seen].astype(np.float64))]
    told, true = (side / count[held] for side in sums)
    return told, true, count[held].astype(np.float64)


def _regression(odds: Doubles, truth: Flags) -> tuple[float, float]:
    """Slope and intercept by Newton steps; NaN where a class is missing or nothing differs."""
    if truth.all() or not truth.any() or np.ptp(odds) == 0:
        return float("nan"), float("nan")
    parts = np.column_stack([odds, np.ones_like(odds)])
    found = np.array([1.0, 0.0])
    least = _loss(parts @ found, truth)
    for _ in range(100):
        p = 1 / (1 + np.exp(-(parts @ found)))
        bend = (parts.T * (p * (1 - p))) @ parts + 1e-9 * np.eye(2)
        step = np.linalg.solve(bend, parts.T @ (p - truth))
        while _loss(parts @ (found - step), truth) > least and abs(step).max() > 1e-9:
            step /= 2
        found, before = found - step, least
        least = _loss(parts @ found, truth)
        if before - least <= 1e-10 * abs(least):
            break
    return float(found[0]), float(found[1])


def _loss(odds: Doubles, truth: Flags) -> float:
    return float((np.logaddexp(0, odds) - truth * odds).sum())
