"""Share of landslides in a scene without labels, from the probabilities of its pixels.

Saerens, M., Latinne, P., Decaestecker, C., 2002. Adjusting the outputs of a classifier to new a
priori probabilities: a simple procedure. Neural Computation 14, 21-41.
https://doi.org/10.1162/089976602753284446
"""

import numpy as np
from numpy.typing import NDArray

from core.change.learning.arrays import Doubles, Floats
from core.change.learning.calibration import log_odds

STEPS = 2400
"""Intervals of a histogram of probabilities, even in the logarithm of the odds."""

FARTHEST = 12.0
"""Logarithm of the odds at which the histogram ends; what lies beyond is counted in the last."""

LEAST = 1e-5
"""Prevalence that is told at least: below it the scene has none."""

TURNS = 5000
"""Of the estimation at most; tens are usual."""

Counts = NDArray[np.int64]
"""Pixels per interval: counts of tiles add up, in any order."""


def middles() -> Doubles:
    """Logarithm of the odds in the middle of each interval."""
    width = 2 * FARTHEST / STEPS
    return np.arange(STEPS, dtype=np.float64) * width + (width / 2 - FARTHEST)


def intervals(probabilities: Floats) -> NDArray[np.int64]:
    """Which interval each probability falls into; 0 and 1 fall into the ends."""
    p = np.clip(probabilities.astype(np.float64), 1e-9, 1 - 1e-9)
    place = np.floor((np.log(p) - np.log1p(-p) + FARTHEST) * (STEPS / (2 * FARTHEST)))
    return np.clip(place, 0, STEPS - 1).astype(np.int64)


def counted(probabilities: Floats) -> Counts:
    """Histogram of a tile's probabilities; NaN does not count."""
    known = probabilities[np.isfinite(probabilities)]
    return np.bincount(intervals(known), minlength=STEPS).astype(np.int64)


def prevalence(counts: Counts, trained: float) -> float:
    """The share of landslides under which the scene's probabilities are the likeliest.

    Parameters
    ----------
    counts
        Of probabilities that hold for a prevalence of `trained`.

    Notes
    -----
    Landslides and the rest must look as they do among the samples; only their shares may differ.
    """
    total = counts.sum()
    if total == 0:
        return trained
    held, weights, odds = counts > 0, counts[counts > 0] / total, middles()
    ratio = odds[held] - log_odds(trained)
    share = trained
    for _ in range(TURNS):
        found = float(weights @ (1 / (1 + np.exp(-(ratio + log_odds(share))))))
        found = min(max(found, LEAST), 1 - LEAST)
        if abs(found - share) < 1e-10:
            break
        share = found
    return share
