"""Precision, recall and what follows from them, pixel by pixel."""

from typing import NamedTuple

import numpy as np

from core.change.learning.arrays import Doubles, Flags, Floats


class Counted(NamedTuple):
    """Pixels by decision and truth; those of several scenes add up by :meth:`plus`."""

    hits: float
    false: float
    missed: float

    def plus(self, other: "Counted") -> "Counted":
        """Both together."""
        return Counted(*(a + b for a, b in zip(self, other, strict=True)))

    @property
    def precision(self) -> float:
        """Landslides among what was called so; NaN where nothing was."""
        return ratio(self.hits, self.hits + self.false)

    @property
    def recall(self) -> float:
        """Called ones among the landslides; NaN where there are none."""
        return ratio(self.hits, self.hits + self.missed)

    def f(self, beta: float = 1.0) -> float:
        """F score, recall counting `beta` times; NaN where there is nothing to find or found."""
        above = (1 + beta**2) * self.hits
        return ratio(above, above + beta**2 * self.missed + self.false)


class Curve(NamedTuple):
    """Precision, recall and false alarms for every threshold, from the highest down.

    Parameters
    ----------
    level
        Thresholds: what reaches one is called a landslide.
    precision, recall
        0 to 1.
    alarmed
        Called ones among the rest: with `recall` the ROC curve.
    """

    level: Floats
    precision: Doubles
    recall: Doubles
    alarmed: Doubles


def ratio(part: float, whole: float) -> float:
    """A quotient, NaN where nothing is divided."""
    return part / whole if whole > 0 else float("nan")


def counted(called: Flags, truth: Flags, weights: Doubles | None = None) -> Counted:
    """Decisions against truth."""
    of = [called & truth, called & ~truth, ~called & truth]
    return Counted(*(float(part.sum() if weights is None else weights[part].sum()) for part in of))


def curve(probabilities: Floats, truth: Flags, weights: Doubles | None = None) -> Curve:
    """All thresholds at which the decision changes; pixels of one value change together."""
    order = np.argsort(-probabilities, kind="stable")
    level = probabilities[order]
    weight = np.ones(order.size) if weights is None else weights[order]
    right = np.cumsum(np.where(truth[order], weight, 0.0))
    wrong = np.cumsum(np.where(truth[order], 0.0, weight))
    ends = np.flatnonzero(np.append(level[1:] != level[:-1], True))
    right, wrong = right[ends], wrong[ends]
    with np.errstate(invalid="ignore", divide="ignore"):
        return Curve(level[ends], right / (right + wrong), right / right[-1], wrong / wrong[-1])


def average_precision(line: Curve) -> float:
    """Mean precision over the recall, each step at the precision that it reaches.

    NaN where there are no landslides.
    """
    return float((np.diff(line.recall, prepend=0.0) * line.precision).sum())


def area_under_roc(line: Curve) -> float:
    """Chance that a landslide's pixel has more than another; NaN where a class is missing."""
    recall, alarmed = (np.insert(side, 0, 0.0) for side in (line.recall, line.alarmed))
    return float(np.trapezoid(recall, alarmed))


def best_f(line: Curve, beta: float = 1.0) -> float:
    """F score of the best threshold, chosen with the truth in sight: a bound, no result."""
    above = (1 + beta**2) * line.precision * line.recall
    with np.errstate(invalid="ignore"):
        return float(np.nanmax(above / (beta**2 * line.precision + line.recall)))
