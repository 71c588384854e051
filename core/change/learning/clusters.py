"""Points parted into compact groups, the same ones for the same seed."""

import numpy as np

from core.change.learning.arrays import Doubles, Groups

ROUNDS = 50
"""Turns of Lloyd's algorithm at most: groups hardly change after twenty."""


def kmeans(points: Doubles, count: int, seed: int) -> Doubles:
    """Centres of `count` groups, (at most count, dimensions): fewer where points are alike.

    Lloyd's algorithm from centres drawn far apart (Arthur and Vassilvitskii 2007, k-means++).
    """
    centres = _drawn(points, count, np.random.default_rng(seed))
    nearest = np.full(len(points), -1)
    for _ in range(ROUNDS):
        found = assigned(points, centres)
        if (found == nearest).all():
            break
        nearest = found
        size = np.bincount(nearest, minlength=len(centres))
        sums = [np.bincount(nearest, column, len(centres)) for column in points.T]
        held = size > 0
        centres = np.column_stack(sums)[held] / size[held, None]
    return centres


def _drawn(points: Doubles, count: int, rng: np.random.Generator) -> Doubles:
    centres = [points[rng.integers(len(points))]]
    away = np.full(len(points), np.inf)
    while len(centres) < count:
        away = np.minimum(away, ((points - centres[-1]) ** 2).sum(axis=1))
        if away.sum() <= 0:
            break
        centres.append(points[rng.choice(len(points), p=away / away.sum())])
    return np.array(centres)


def assigned(points: Doubles, centres: Doubles) -> Groups:
    """Number of the nearest centre of each point; the first of several."""
    return squared(points, centres).argmin(axis=1)


def squared(points: Doubles, centres: Doubles) -> Doubles:
    """Squared distances, (points, centres)."""
    away = np.empty((len(points), len(centres)))
    for number, centre in enumerate(centres):
        away[:, number] = ((points - centre) ** 2).sum(axis=1)
    return away
