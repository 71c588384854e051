"""From what trees say to a probability that holds.

The score s of the trees, 0 to 1, becomes a probability by ``logit p = a logit s + c`` with a not
below 0, so the order stays (Platt 1999, Probabilistic outputs for support vector machines).

On simulated draws (5 to 12 areas with effects of their own, 200 or 800 samples each, 40 draws,
judged by 40 fresh areas; calibrated out of fold by area) the mean log loss was .2056 for a forest
and .1995 for boosted trees; with weights of their own for ``ln s`` and ``ln(1 - s)`` (Kull et al.
2017, https://doi.org/10.1214/17-EJS1338SI) .2063 and .2003; with isotonic regression .2104 and
.2037; without calibration .2702 and .1996.
"""

from dataclasses import dataclass

import numpy as np

from core.change.learning.arrays import Doubles, Flags, Floats
from core.change.learning.trees import Link
from core.kernel import kernel

LEAST = 0.002
"""Scores are taken for at least this far from 0 and 1: a hundred trees tell no finer."""


@dataclass(frozen=True)
class Calibration:
    """How scores become probabilities.

    Parameters
    ----------
    slope
        a, not below 0.
    offset
        c.
    prevalence
        Share of landslides among the samples, each with its weight: what the probabilities hold
        for.
    """

    slope: float
    offset: float
    prevalence: float


def calibrated_by(scores: Doubles, labels: Flags, weights: Doubles) -> Calibration:
    """The calibration with the least log loss on scores of samples that the trees did not see.

    Parameters
    ----------
    scores
        0 to 1, out of fold.
    labels, weights
        As for the training.
    """
    within = np.clip(scores, LEAST, 1 - LEAST)
    odds = np.log(within) - np.log1p(-within)
    share = float(weights[labels].sum() / weights.sum())
    weights = weights * (weights.size / weights.sum())
    # Targets are drawn in by one sample of each class (Platt), so that none is certain.
    ends = 1 / (weights[~labels].sum() + 2), 1 - 1 / (weights[labels].sum() + 2)
    slope, offset = _fitted(odds, np.where(labels, ends[1], ends[0]), weights)
    if slope < 0:
        # Scores that fall where landslides are tell nothing.
        return Calibration(0.0, log_odds(share), share)
    return Calibration(slope, offset, share)


def _fitted(odds: Doubles, aims: Doubles, weights: Doubles) -> tuple[float, float]:
    """Logistic regression on one number by Newton steps, each halved until the loss falls."""
    parts = np.column_stack([odds, np.ones_like(odds)])
    found = np.zeros(2)

    def loss(coefficients: Doubles) -> float:
        told = parts @ coefficients
        return float(weights @ (np.logaddexp(0, told) - aims * told))

    least = loss(found)
    for _ in range(100):
        p = 1 / (1 + np.exp(-(parts @ found)))
        fall = parts.T @ (weights * (p - aims))
        bend = (parts.T * (weights * p * (1 - p))) @ parts + 1e-9 * np.eye(2)
        step = np.linalg.solve(bend, fall)
        while loss(found - step) > least and abs(step).max() > 1e-12:
            step /= 2
        found = found - step
        fallen, least = least - loss(found), loss(found)
        if fallen <= 1e-12 * abs(least):
            break
    return float(found[0]), float(found[1])


def score(raw: Doubles, link: Link) -> Doubles:
    """Score of the trees, 0 to 1, from their sum; NaN stays."""
    if link is Link.IDENTITY:
        return raw
    out: Doubles = 1 / (1 + np.exp(-raw))
    return out


def probability(raw: Doubles, link: Link, calibration: Calibration, prevalence: float) -> Floats:
    """Probability of a landslide where the share of landslides is `prevalence`.

    Parameters
    ----------
    raw
        Sum over the trees, any shape; NaN stays.
    prevalence
        The odds that the calibration gives are multiplied by the ratio of both prevalences' odds.

    Returns
    -------
    Floats
        float32, of the same shape; a pixel's value depends on nothing but its own sum.
    """
    out = np.empty(raw.size, np.float32)
    shift = log_odds(prevalence) - log_odds(calibration.prevalence)
    _probability_into(
        raw.reshape(-1),
        link is Link.LOGISTIC,
        calibration.slope,
        calibration.offset + shift,
        out,
    )
    return out.reshape(raw.shape)


def log_odds(share: float) -> float:
    """Logarithm of the odds of a probability."""
    return float(np.log(share) - np.log1p(-share))


@kernel
def _probability_into(
    raw: Doubles, logistic: bool, slope: float, offset: float, out: Floats
) -> None:
    for at in range(raw.size):
        value = raw[at]
        if np.isnan(value):
            out[at] = np.nan
            continue
        if logistic:
            value = 1 / (1 + np.exp(-value))
        value = min(max(value, LEAST), 1 - LEAST)
        odds = slope * (np.log(value) - np.log1p(-value)) + offset
        out[at] = np.float32(1 / (1 + np.exp(-odds)))
