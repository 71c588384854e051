"""Whether a scene looks like what a model learned from.

A pixel is outside if it lies farther from everything that was learned than nearly all pixels that
were held out, area by area, lie from the rest.  Distances are taken between features that were made
independent of each other, because what is learned of each alone does not see bands that changed
places: their values are usual, only not together.

Meyer, H., Pebesma, E., 2021. Predicting into unknown space? Estimating the area of applicability of
spatial prediction models. Methods in Ecology and Evolution 12, 1620-1633.
https://doi.org/10.1111/2041-210X.13650
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from core.change.learning.arrays import Doubles, Flags, Floats, Groups
from core.change.learning.clusters import assigned, kmeans, squared

CENTRES = 16
"""Kinds of ground that are told apart at most."""

FARTHEST = 6.0
"""Robust deviations to which a feature is cut: heavy tails would be all that counts."""

SHRUNK = 0.05
"""Part of the mean variance that is added to that of each direction."""

MOST = 8000
"""Samples that a domain is made from; more move no distance by a part in a hundred."""

PARTS = 4
"""Parts of the ground, compact, of which each is held out once."""

HELD_OUT = 0.03
"""Part of the held-out pixels that may lie outside: leaves room for other ground of the scene."""

TAIL = 0.001
"""Part of the pixels beyond each end of a feature's range."""

LEAST_SHARE = 0.10
"""Share of a scene outside from which it is warned of: twice what is usual in the model's own."""

NORMAL = 1.349
"""Distance of the quartiles of normal values, in standard deviations."""


@dataclass(frozen=True, eq=False)
class Domain:
    """What a model knows.

    Parameters
    ----------
    low, high
        (features,) float32: the range of each.
    middle, spread
        (features,) float64: median and robust deviation.
    turn
        (features, features) float64: makes standardised features independent, of variance 1.
    centres
        (kinds, features) float64, in those.
    limit
        Squared distance from the nearest centre up to which a pixel is inside.
    """

    low: Floats
    high: Floats
    middle: Doubles
    spread: Doubles
    turn: Doubles
    centres: Doubles
    limit: float


class Outside(NamedTuple):
    """How much of a scene a model does not know.

    Parameters
    ----------
    share
        Of the pixels, 0 to 1.
    warned
        Whether that is more than a scene's own pixels give.
    beyond
        (features,): share of the pixels outside the range of each feature, to tell what it is.
    """

    share: float
    warned: bool
    beyond: Doubles


def learned(samples: Floats, weights: Doubles, parts: Groups, seed: int) -> Domain:
    """The domain of samples.

    Parameters
    ----------
    samples
        (samples, features).
    weights
        Pixels that each stands for.
    parts
        Which part of the ground each lies in: what distance is usual is found between parts.
    """
    if len(samples) > MOST:
        some = np.sort(np.random.default_rng(seed).permutation(len(samples))[:MOST])
        samples, weights, parts = samples[some], weights[some], parts[some]
    names = np.unique(parts)
    if names.size < 2:
        raise ValueError("a domain is learned from two parts at least")
    usual = []
    for name in names:
        held = parts == name
        known = _learned(samples[~held], weights[~held], seed, np.inf)
        away = _distances(known, samples[held])
        usual.append(_quantiles(away, weights[held], [1 - HELD_OUT])[0])
    # The strangest part decides: the scene has stranger ones, and other bands are far stranger.
    return _learned(samples, weights, seed, float(max(usual)))


def _learned(samples: Floats, weights: Doubles, seed: int, limit: float) -> Domain:
    marks = [TAIL, 0.25, 0.5, 0.75, 1 - TAIL]
    low, first, middle, third, high = np.array(
        [_quantiles(column.astype(np.float64), weights, marks) for column in samples.T]
    ).T
    ends = (high - low) / (2 * FARTHEST)
    # A feature that is mostly one value has no quartiles apart; one that is constant says nothing.
    spread = np.maximum((third - first) / NORMAL, ends)
    spread = np.where(spread > 0, spread, np.maximum(abs(middle), 1) * 1e-6)
    unlike = _standardised(samples, middle, spread)
    turn = _whitening(unlike, weights)
    # Kinds are found first; what is independent and usual is then judged within them.
    kinds = kmeans(unlike @ turn, CENTRES, seed)
    nearest = assigned(unlike @ turn, kinds)
    means = np.stack([unlike[nearest == kind].mean(axis=0) for kind in np.unique(nearest)])
    _, nearest = np.unique(nearest, return_inverse=True)
    turn = _whitening(unlike - means[nearest], weights)
    return Domain(
        low.astype(np.float32), high.astype(np.float32), middle, spread, turn, means @ turn, limit
    )


def _quantiles(values: Doubles, weights: Doubles, marks: list[float]) -> Doubles:
    order = np.argsort(values, kind="stable")
    below = np.cumsum(weights[order])
    at = np.searchsorted(below, np.array(marks) * below[-1])
    found: Doubles = values[order[np.minimum(at, values.size - 1)]]
    return found


def _standardised(samples: Floats, middle: Doubles, spread: Doubles) -> Doubles:
    out: Doubles = np.clip((samples - middle) / spread, -FARTHEST, FARTHEST)
    return out


def _whitening(values: Doubles, weights: Doubles) -> Doubles:
    centred = values - np.average(values, axis=0, weights=weights)
    covariance = (centred.T * weights) @ centred / weights.sum()
    variances, directions = np.linalg.eigh(covariance)
    floor = SHRUNK * variances.mean() + 1e-12
    turn: Doubles = directions / np.sqrt(np.maximum(variances, 0) + floor)
    return turn


def outside(domain: Domain, samples: Floats) -> Outside:
    """How much of a scene lies outside, from pixels drawn all over it: (samples, features)."""
    if len(samples) == 0:
        return Outside(0.0, False, np.zeros(domain.middle.size))
    share = float(is_outside(domain, samples).mean())
    beyond = ((samples < domain.low) | (samples > domain.high)).mean(axis=0)
    return Outside(share, share > LEAST_SHARE, beyond)


def is_outside(domain: Domain, samples: Floats) -> Flags:
    """Samples that lie outside, (samples,)."""
    far: Flags = _distances(domain, samples) > domain.limit
    return far


def _distances(domain: Domain, samples: Floats) -> Doubles:
    turned = _standardised(samples, domain.middle, domain.spread) @ domain.turn
    nearest: Doubles = squared(turned, domain.centres).min(axis=1)
    return nearest
