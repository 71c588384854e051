"""Where a probability is called a landslide, and how sure that is.

Thresholds are found on probabilities out of fold, after calibration, for the prevalence of the
scene: the samples of both classes are weighed so that their shares are the scene's.
"""

from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from core.change.learning.arrays import Doubles, Flags, Floats
from core.change.learning.calibration import log_odds
from core.change.learning.prevalence import FARTHEST, STEPS, intervals, middles


class Criterion(StrEnum):
    """What a threshold is the best for."""

    F1 = "f1"
    """Harmonic mean of precision and recall."""
    F2 = "f2"
    """The same with recall counting twice: fewer landslides are missed."""
    COST = "cost"
    """Least cost, where a missed pixel costs a given number of false ones."""
    VALUE = "value"
    """A probability that is given."""


@dataclass(frozen=True)
class Aim:
    """A criterion, with the ratio of costs or the probability where it needs one."""

    criterion: Criterion = Criterion.F1
    number: float = 0.0


@dataclass(frozen=True, eq=False)
class Evidence:
    """Probabilities out of fold, as two histograms.

    Parameters
    ----------
    rest, landslide
        float64, (:data:`~core.change.learning.prevalence.STEPS`,): the weights of the samples of
        each class, by the interval of their probability.
    prevalence
        What the probabilities hold for.
    """

    rest: Doubles
    landslide: Doubles
    prevalence: float


def evidence(probabilities: Floats, labels: Flags, weights: Doubles, prevalence: float) -> Evidence:
    """Evidence from samples; `prevalence` is that of the calibration."""
    place = intervals(probabilities)
    rest, landslide = (
        np.bincount(place[of], weights=weights[of], minlength=STEPS) for of in (~labels, labels)
    )
    return Evidence(rest, landslide, prevalence)


def threshold(aim: Aim, known: Evidence, prevalence: float) -> float:
    """The probability from which a pixel is called a landslide.

    Parameters
    ----------
    prevalence
        Of the scene: the threshold is one of probabilities that hold for it.
    """
    if aim.criterion is Criterion.VALUE:
        return aim.number
    if aim.criterion is Criterion.COST:
        # A pixel of probability p costs 1 - p if it is called one, and p times the ratio if not.
        return 1 / (1 + aim.number)
    scores = _f(known, prevalence, 1.0 if aim.criterion is Criterion.F1 else 2.0)
    first = int(scores.argmax())
    # As far as no sample lies between them, all borders are as good: the middle one is taken.
    alike = scores[first:] == scores[first]
    last = first + (alike.size if alike.all() else int(alike.argmin())) - 1
    odds = middles()[[first, last]].mean() - FARTHEST / STEPS
    shift = log_odds(prevalence) - log_odds(known.prevalence)
    return float(1 / (1 + np.exp(-(odds + shift))))


def _f(known: Evidence, prevalence: float, beta: float) -> Doubles:
    """F score if all from the beginning of an interval on is called a landslide."""
    found, alarmed = (
        np.cumsum(side[::-1])[::-1] / side.sum() for side in (known.landslide, known.rest)
    )
    hits, false = prevalence * found, (1 - prevalence) * alarmed
    scores: Doubles = (1 + beta**2) * hits / (beta**2 * prevalence + hits + false)
    return scores


def called(probabilities: Floats, level: float) -> Flags:
    """Pixels that are called landslides: from the threshold on; NaN is none."""
    landslide: Flags = probabilities >= np.float32(level)
    return landslide


def uncertainty(probabilities: Floats, level: float) -> Floats:
    """Probability that a pixel's decision is wrong, 0 to 1, float32; NaN stays.

    1 - p where it is called a landslide, p where not: over one half where the threshold is not.
    """
    wrong: Floats = np.where(called(probabilities, level), 1 - probabilities, probabilities)
    return wrong
