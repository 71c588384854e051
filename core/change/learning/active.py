"""Which areas to map next: where the model is unsure, and not the same thing twice.

Stumpf, A., Lachiche, N., Malet, J.-P., Kerle, N., Puissant, A., 2014. Active learning in the
spatial domain for remote sensing image classification. IEEE Transactions on Geoscience and Remote
Sensing 52, 2492-2507. https://doi.org/10.1109/TGRS.2013.2262052
"""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from core.change.learning.arrays import Doubles, Floats, Groups
from core.change.learning.calibration import LEAST, log_odds

WIDEST = 4.0
"""Robust deviations to which features are cut before areas are compared."""


class Suggestion(NamedTuple):
    """An area to map.

    Parameters
    ----------
    area
        Its number.
    uncertainty
        Mean over its pixels: entropy of the probability, 0 to 1 bit.
    distance
        From what is mapped or suggested before it, over the usual distance of two areas.
    """

    area: int
    uncertainty: float
    distance: float


class Areas(NamedTuple):
    """Areas in numbers.

    Parameters
    ----------
    names
        (areas,), ascending.
    uncertainty
        Mean entropy of each, bit.
    looks
        (areas, features): mean standardised features of each, where uncertain pixels count more.
    """

    names: Groups
    uncertainty: Doubles
    looks: Doubles


def doubtful(scores: Doubles, trained: float) -> Floats:
    """Probabilities by which areas are compared: for a prevalence between the trained one and half.

    After a few areas a calibrated model hardly believes in landslides that look otherwise than
    those it knows; as if there were as many as not, it is unsure of all that is bright.

    Parameters
    ----------
    scores
        Of trees for which both classes weighed alike, 0 to 1, any shape.
    trained
        Share of landslides among the samples: its odds are taken by their root.
    """
    within = np.clip(scores, LEAST, 1 - LEAST)
    odds = np.log(within) - np.log1p(-within) + log_odds(trained) / 2
    told: Floats = (1 / (1 + np.exp(-odds))).astype(np.float32)
    return told


def entropy(probabilities: Floats) -> Doubles:
    """Entropy of each pixel's decision, 0 to 1 bit."""
    p = np.clip(probabilities.astype(np.float64), 1e-9, 1 - 1e-9)
    bits: Doubles = -(p * np.log2(p) + (1 - p) * np.log2(1 - p))
    return bits


def summed_up(probabilities: Floats, features: Floats, area: Groups) -> Areas:
    """Areas from their pixels.

    Parameters
    ----------
    probabilities
        (pixels,), finite, from :func:`doubtful`.
    features
        (pixels, features).
    area
        Number of the area that each pixel lies in.
    """
    names, place = np.unique(area, return_inverse=True)
    unsure = entropy(probabilities)
    count = np.bincount(place)
    uncertainty = np.bincount(place, unsure) / count
    low, middle, high = np.percentile(features, [25, 50, 75], axis=0)
    spread = np.where(high > low, (high - low) / 1.349, np.inf)
    alike = np.clip((features - middle) / spread, -WIDEST, WIDEST)
    # Where all is sure, all pixels count a little.
    weight = unsure + 1e-3
    total = np.bincount(place, weight)
    looks = [np.bincount(place, weight * column) / total for column in alike.T]
    return Areas(names, uncertainty, np.column_stack(looks))


def next_areas(areas: Areas, mapped: Iterable[int], count: int) -> list[Suggestion]:
    """The next areas, the best first: unsure ones, and of those the ones that look new.

    An area's uncertainty counts once where it looks like one that is mapped or suggested before it,
    and up to twice the farther it is from all of them.

    Parameters
    ----------
    mapped
        Numbers of areas that have labels: they are not suggested, and nothing like them is.
    count
        How many are suggested at most.  Of two alike the one with the lower number comes first.
    """
    done = np.isin(areas.names, list(mapped))
    near = _nearest(areas.looks, areas.looks[done])
    # Twice the variance is the mean square of the distance of two.
    scale = max(float(np.sqrt(2 * areas.looks.var(axis=0).mean())), 1e-12)
    found: list[Suggestion] = []
    for _ in range(min(count, int((~done).sum()))):
        # Where nothing is mapped, all areas are as new as each other.
        apart = np.where(np.isfinite(near), near / scale, 1.0)
        value = np.where(done, -1.0, areas.uncertainty * (1 + apart / (1 + apart)))
        best = int(value.argmax())
        found.append(
            Suggestion(int(areas.names[best]), float(areas.uncertainty[best]), float(apart[best]))
        )
        done[best] = True
        near = np.minimum(near, _nearest(areas.looks, areas.looks[best : best + 1]))
    return found


def _nearest(looks: Doubles, others: Doubles) -> Doubles:
    away = np.full(len(looks), np.inf)
    for other in others:
        away = np.minimum(away, np.sqrt(((looks - other) ** 2).mean(axis=1)))
    return away
