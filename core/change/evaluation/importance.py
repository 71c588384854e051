"""What each feature is good for: the loss of precision where it tells nothing.

Breiman, L., 2001. Random forests. Machine Learning 45, 5-32.
https://doi.org/10.1023/A:1010933404324
"""

from collections.abc import Sequence

import numpy as np

from core.change.evaluation.pixels import average_precision, curve
from core.change.learning.arrays import Doubles
from core.change.learning.model import Fitted, Samples, scores_out_of_fold


def importance(
    samples: Samples, fitted: Fitted, parts: Sequence[Sequence[int]], seed: int = 0
) -> Doubles:
    """Loss of average precision out of fold where features are shuffled together.

    Features that tell the same stand in for one another: each alone may seem of no use, so groups
    of them (all of one band, all of the ground's shape) say more.

    Parameters
    ----------
    fitted
        What was fitted to these samples.
    parts
        Numbers of the features that are shuffled at a time, among the samples of a fold.

    Returns
    -------
    Doubles
        (parts,): about nought where a part is of no use.
    """

    def precision(given: Samples) -> float:
        scores = scores_out_of_fold(given, fitted.fold_trees, fitted.folds)
        line = curve(scores.astype(np.float32), given.landslide, given.weight)
        return average_precision(line)

    whole = precision(samples)
    order = _shuffled(fitted, np.random.default_rng(seed))
    lost = np.empty(len(parts))
    for number, part in enumerate(parts):
        features = samples.features.copy()
        features[:, part] = samples.features[order][:, part]
        given = Samples(features, samples.landslide, samples.weight, samples.group, samples.place)
        lost[number] = whole - precision(given)
    return lost


def _shuffled(
    fitted: Fitted, rng: np.random.Generator
) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """Numbers of samples, those of each fold among themselves."""
    order = np.arange(fitted.folds.of.size)
    for fold in range(fitted.folds.number):
        held = np.flatnonzero(fitted.folds.of == fold)
        order[held] = rng.permutation(held)
    return order
