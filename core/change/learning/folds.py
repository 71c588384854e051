"""Parts of the samples for cross-validation that lie apart on the ground.

Neighbouring pixels resemble each other: a random split asks for what was shown.  Samples are
therefore grouped by area, and whole groups are dealt into folds, each with both classes.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from core.change.learning.arrays import Doubles, Flags, Groups
from core.change.learning.clusters import assigned, kmeans
from core.errors import TooFewSamples


class Folds(NamedTuple):
    """How samples are dealt.

    Parameters
    ----------
    of
        Fold of each sample.
    number
        Of folds, at most what was asked for.
    asked
        What was asked for.
    note
        Why there are fewer, in words; "" if there are not.
    """

    of: Groups
    number: int
    asked: int
    note: str


def strata(coordinates: Doubles, count: int, seed: int) -> Groups:
    """Compact groups of samples on the ground, of alike extent.

    Walvoort, D. J. J., Brus, D. J., de Gruijter, J. J., 2010. An R package for spatial coverage
    sampling and random sampling from compact geographical strata by k-means. Computers &
    Geosciences 36, 1261-1267. https://doi.org/10.1016/j.cageo.2010.04.005

    Parameters
    ----------
    coordinates
        (samples, 2), metres.
    """
    return assigned(coordinates, kmeans(coordinates, count, seed))


def blocks(coordinates: Doubles, side_m: float) -> Groups:
    """Squares on multiples of `side_m`, numbered by row from the north, then column."""
    place = np.floor(coordinates / side_m).astype(np.int64)
    _, number = np.unique(np.column_stack([-place[:, 1], place[:, 0]]), axis=0, return_inverse=True)
    return number.reshape(-1).astype(np.int64)


def dealt(groups: Groups, labels: Flags, asked: int) -> Folds:
    """Folds of whole groups, each with both classes, and alike in landslides.

    Groups are dealt from the one with the most landslides down, to the fold that has the fewest;
    those without to the fold with the fewest others.  If that leaves a fold without a class, there
    is one fold less; two can always be made.

    Raises
    ------
    TooFewSamples
        Fewer than two groups hold landslides, or fewer than two anything else.
    """
    names, place = np.unique(groups, return_inverse=True)
    place = place.reshape(-1)
    landslide = np.bincount(place[labels], minlength=names.size)
    rest = np.bincount(place[~labels], minlength=names.size)
    held, others = int((landslide > 0).sum()), int((rest > 0).sum())
    _refuse(held, others, names.size)
    for count in range(min(asked, held, others), 2, -1):
        fold = _dealt(landslide, rest, count, {})
        if all(np.bincount(fold, side, count).min() > 0 for side in (landslide, rest)):
            break
    else:
        count, fold = 2, _dealt(landslide, rest, 2, _ends(landslide, rest))
    note = (
        f"{count} folds instead of {asked}: of {names.size} areas {held} hold landslides and "
        f"{others} ground without"
    )
    return Folds(fold[place], count, asked, note if count < asked else "")


def _refuse(with_landslides: int, with_rest: int, areas: int) -> None:
    if with_landslides < 2:
        raise TooFewSamples(
            f"{with_landslides} of {areas} training areas hold landslides: what is learned in one "
            "cannot be checked in another",
            allowed="landslides in two areas at least",
        )
    if with_rest < 2:
        raise TooFewSamples(
            f"{with_rest} of {areas} training areas hold ground without landslides",
            allowed="ground without landslides in two areas at least",
        )


def _ends(landslide: NDArray[np.int64], rest: NDArray[np.int64]) -> dict[int, int]:
    """Groups that give both of two folds both classes; there are such wherever two hold each."""
    fixed = {
        int(group): fold for fold, group in enumerate(np.argsort(-landslide, kind="stable")[:2])
    }
    for group, fold in list(fixed.items()):
        if rest[group] == 0:
            free = [other for other in np.flatnonzero(rest) if int(other) not in fixed]
            fixed[int(free[0])] = fold
    return fixed


def _dealt(
    landslide: NDArray[np.int64], rest: NDArray[np.int64], count: int, fixed: dict[int, int]
) -> Groups:
    fold = np.zeros(landslide.size, np.int64)
    held = np.zeros((2, count), np.int64)
    order = np.lexsort((np.arange(rest.size), -rest, -landslide))
    for group in sorted(order.tolist(), key=lambda group: group not in fixed):
        # The second figure decides between equals, and is all that counts without landslides.
        first, second = held if landslide[group] else held[::-1]
        at = fixed.get(group, int(np.lexsort((np.arange(count), second, first))[0]))
        fold[group] = at
        held[:, at] += landslide[group], rest[group]
    return fold
