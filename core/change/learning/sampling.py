"""Which pixels are learned from, and what they are called.

Pixels are drawn by a hash of their row and column on the lattice, so a draw is the same whatever
tile a pixel is read with, and moving the area moves no choice.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from core.change.learning.arrays import Doubles, Flags, Floats
from core.change.lots import hashed

HALF = 0.5
"""Part of a pixel's area over which it is a landslide's."""


class Labelled(NamedTuple):
    """Labels of a tile: what is a landslide, and which pixels are used."""

    landslide: Flags
    used: Flags


class Tally(NamedTuple):
    """Pixels of each class that could be used; tallies of tiles add up."""

    rest: int
    landslide: int

    def plus(self, other: "Tally") -> "Tally":
        """Both together."""
        return Tally(self.rest + other.rest, self.landslide + other.landslide)


class Drawn(NamedTuple):
    """Pixels that were drawn, by row, then column, of the tile.

    Parameters
    ----------
    row, col
        In the tile.
    landslide
        Their labels.
    weight
        Pixels that each stands for.
    """

    row: NDArray[np.int64]
    col: NDArray[np.int64]
    landslide: Flags
    weight: Doubles


def labelled(
    fraction: Floats, usable: Flags, over: float = HALF, mixed: tuple[float, float] | None = None
) -> Labelled:
    """Labels by the part of a pixel's area that landslides cover.

    Parameters
    ----------
    fraction
        0 to 1.  The rule of the pixel's centre is a fraction of 0 or 1.
    usable
        Pixels inside training areas that have a value.
    over
        A pixel is a landslide's if more of it is covered.
    mixed
        Pixels with a fraction above the first and not above the second number are not used; all
        are, by default.
    """
    used = usable.copy()
    if mixed is not None:
        used &= ~((fraction > mixed[0]) & (fraction <= mixed[1]))
    return Labelled((fraction > over) & used, used)


def tally(labels: Labelled) -> Tally:
    """Pixels of both classes of a tile."""
    landslide = int(labels.landslide.sum())
    return Tally(int(labels.used.sum()) - landslide, landslide)


def drawn(labels: Labelled, anchor: tuple[int, int], whole: Tally, most: int, seed: int) -> Drawn:
    """Pixels to learn from: about `most` of each class in all tiles together.

    Parameters
    ----------
    anchor
        Row and column of the tile's first pixel on the lattice.
    whole
        Tally of all tiles.
    """
    chance = hashed(labels.used.shape, anchor, seed)
    parts = [min(1.0, most / max(count, 1)) for count in whole]
    part = np.where(labels.landslide, parts[1], parts[0])
    row, col = np.nonzero(labels.used & (chance < part))
    return Drawn(row, col, labels.landslide[row, col], 1 / part[row, col])
