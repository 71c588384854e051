"""How the numbers of the image before become those of the image after, where nothing changed.

Haze, the sun's height and the season give each band a gain and an offset.  They are fitted to the
pixels that did not change, which are found together with them: a pixel counts the less the farther
it lies from the relation in all bands, as in

Canty, M. J., Nielsen, A. A., 2008. Automatic radiometric normalization of multitemporal satellite
imagery with the iteratively re-weighted MAD transformation. Remote Sensing of Environment 112,
1025-1036. https://doi.org/10.1016/j.rse.2007.07.013

but with the bands as they are.  Both dates have noise, so a line is not fitted to one of them: its
gain is the ratio of the deviations (reduced major axis).
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from core.change.scene import Date, Floats, Numbers
from core.change.statistics import NORMAL, Statistics
from core.roles import Role

Values = NDArray[np.float64]

FITS = 20
"""Repetitions of the weighted fit; it settles in ten."""

FAR = 3.0
"""Deviations, root mean square over bands, from which a pixel has changed and counts no more."""

LEAST_NOISE = 0.5
"""Of stored numbers: keeps images without noise from dividing by zero."""

FEWEST = 100
"""Pixels from which a relation is fitted."""


@dataclass(frozen=True)
class Relation:
    """Of one band: ``after = gain * before + offset``, in stored numbers."""

    gain: float
    offset: float
    noise: float
    """Robust standard deviation of what is left."""


@dataclass(frozen=True)
class Normalisation:
    """The relation of each band that both dates have, and how much of the scene obeys it."""

    relations: Mapping[Role, Relation]
    unchanged: float
    """Part of the sample nearer to the relations than :data:`FAR` deviations."""

    def moved(self, before: Numbers, role: Role) -> Floats:
        """A band of the image before, in the stored numbers of the image after; not rounded."""
        relation = self.relations[role]
        moved: Floats = before * np.float32(relation.gain) + np.float32(relation.offset)
        return moved


def normalisation(statistics: Statistics) -> Normalisation:
    """Fit the relations to the sample of the first pass.

    Too few pixels for a fit, or a band of one number only, leave the numbers as they are but for
    the offset between their medians.
    """
    roles = [role for date, role in statistics.sample if date is Date.BEFORE]
    pairs = {role: _pair(statistics, role) for role in roles}
    size = statistics.places.shape[1]
    relations = {role: _start(*pair) for role, pair in pairs.items()}
    far = _distance(pairs, relations, size)
    for _ in range(FITS if size >= FEWEST else 0):
        weights = np.maximum(1 - far / FAR**2, 0) ** 2
        relations = {role: _fitted(*pairs[role], weights, relations[role]) for role in roles}
        far = _distance(pairs, relations, size)
    return Normalisation(relations, float((far < FAR**2).mean()) if size else float("nan"))


def _pair(statistics: Statistics, role: Role) -> tuple[Values, Values]:
    before, after = (statistics.sample[date, role].astype(np.float64) for date in Date)
    return before, after


def unchanged_numbers(roles: Mapping[Role, object]) -> Normalisation:
    """The relation of images whose numbers may be compared as they are."""
    return Normalisation({role: Relation(1.0, 0.0, LEAST_NOISE) for role in roles}, 1.0)


def _start(before: Values, after: Values) -> Relation:
    """A relation from medians and quartiles: half of the scene may have changed for it."""
    if before.size == 0:
        return Relation(1.0, 0.0, LEAST_NOISE)
    ours, theirs = (np.percentile(part, (25, 50, 75)) for part in (after, before))
    spreads = (ours[2] - ours[0], theirs[2] - theirs[0])
    gain = float(spreads[0] / spreads[1]) if min(spreads) > 0 and before.size >= FEWEST else 1.0
    offset = float(ours[1] - gain * theirs[1])
    return Relation(gain, offset, _noise(after - gain * before - offset))


def _noise(left: Values) -> float:
    noise = NORMAL * float(np.median(np.abs(left - np.median(left))))
    return max(noise, LEAST_NOISE)


def _fitted(before: Values, after: Values, weights: Values, last: Relation) -> Relation:
    """The relation of the pixels that count; the last one where they show none."""
    total = weights.sum()
    if total < FEWEST / 2:
        return last
    # Sums of products and no dot products: those depend on the number of threads.
    mean_before, mean_after = (weights * before).sum() / total, (weights * after).sum() / total
    spread_before = (weights * (before - mean_before) ** 2).sum()
    spread_after = (weights * (after - mean_after) ** 2).sum()
    if spread_before <= 0 or spread_after <= 0:
        return last
    gain = float(np.sqrt(spread_after / spread_before))
    offset = float(mean_after - gain * mean_before)
    return Relation(gain, offset, _noise((after - gain * before - offset)[weights > 0]))


def _distance(
    pairs: Mapping[Role, tuple[Values, Values]], relations: Mapping[Role, Relation], size: int
) -> Values:
    """Mean square distance of each pixel from the relations, in deviations."""
    total = np.zeros(size)
    for role, (before, after) in pairs.items():
        relation = relations[role]
        total += ((after - relation.gain * before - relation.offset) / relation.noise) ** 2
    return total / max(len(pairs), 1)
