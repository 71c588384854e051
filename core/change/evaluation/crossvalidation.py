"""Scores of a learner on ground that it was not shown.

A learner gets the samples of the other folds, and the features of the fold that is scored; nothing
that it chooses (trees, calibration, prevalence, threshold) can follow from the labels there, since
they are not handed over.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from core.change.learning.arrays import Flags, Floats, Groups
from core.change.learning.decisions import Aim, called
from core.change.learning.model import FOLDS, Samples, fit
from core.change.learning.prevalence import counted, prevalence
from core.change.learning.training import Recipe


class Judged(NamedTuple):
    """What a learner says of pixels.

    Parameters
    ----------
    probabilities
        (pixels,) float32.
    level
        Its threshold.
    """

    probabilities: Floats
    level: float


class OutOfFold(NamedTuple):
    """What was said of each sample by a learner that was not shown its fold.

    Parameters
    ----------
    probabilities, called
        (samples,).
    levels
        Threshold of each fold.
    """

    probabilities: Floats
    called: Flags
    levels: tuple[float, ...]


F1 = Aim()

Learner = Callable[[Samples, Floats], Judged]
"""From samples with labels, and features without (samples, features)."""


@dataclass(frozen=True)
class Service:
    """The learner of the service itself.

    Parameters
    ----------
    recipe, aim, folds
        For training, threshold, and the folds within the samples that it gets.
    shifted
        Whether the prevalence is estimated from the features without labels; else it is that of
        the samples.
    """

    recipe: Recipe
    aim: Aim = F1
    folds: int = FOLDS
    shifted: bool = True

    def __call__(self, samples: Samples, features: Floats) -> Judged:
        """Learn from the samples, and judge the features."""
        found = fit(samples, self.recipe, self.folds).classifier
        told = found.probability(features.T)
        share = found.calibration.prevalence
        if self.shifted:
            share = prevalence(counted(told), share)
        return Judged(found.probability(features.T, share), found.threshold(self.aim, share))


def out_of_fold(
    samples: Samples, folds: Groups, learner: Learner, shown: Callable[[int], Flags] | None = None
) -> OutOfFold:
    """Each fold in turn, by a learner that was shown the others.

    Parameters
    ----------
    folds
        Fold of each sample, from 0.
    shown
        Samples that may be shown while a fold is scored, those outside a buffer around it; by
        default all of the other folds.
    """
    told = np.full(folds.size, np.nan, np.float32)
    found = np.zeros(folds.size, np.bool_)
    levels = []
    for fold in range(int(folds.max()) + 1):
        held = folds == fold
        seen = ~held if shown is None else ~held & shown(fold)
        judged = learner(samples.of(seen), samples.features[held])
        told[held] = judged.probabilities
        found[held] = called(judged.probabilities, judged.level)
        levels.append(judged.level)
    return OutOfFold(told, found, tuple(levels))
