"""The first pass over a scene: what adds up over tiles, exactly and in any order.

Integers only: counts of numbers, and a sample of whole pixels.  Which pixels are in the sample
follows from where they lie on the ground, so that it is the same whatever the tiles, and a crop's
sample is the part of the scene's that lies in it.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from core.change.lots import hashed
from core.change.scene import Date, Layers
from core.roles import Role
from core.tiling import Window, whole

Integers = NDArray[np.int64]

WANTED = 200_000
"""Pixels of a sample, about: medians of so many are exact to .003 of a deviation."""

SEED = 1 << 32
"""Of the sample: larger than those of services, whose training draws other pixels."""

FARTHEST = 1 << 20
"""Bins of a histogram on either side of nought; farther values count in the last one."""

NORMAL = 1.4826
"""Standard deviation of a normal distribution, in median absolute deviations."""


@dataclass(frozen=True)
class Histogram:
    """How often a quantity takes a value: bins of one width, one of them centred on nought."""

    step: float
    """Width of a bin, in the units of the quantity."""
    first: int
    """Number of the first bin: its centre is `first * step`."""
    counts: Integers

    def __add__(self, other: "Histogram") -> "Histogram":
        if self.step != other.step:
            raise ValueError("histograms of different steps do not add up")
        if not self.counts.size or not other.counts.size:
            return self if self.counts.size else other
        first = min(self.first, other.first)
        last = max(part.first + part.counts.size for part in (self, other))
        counts = np.zeros(last - first, np.int64)
        for part in (self, other):
            counts[part.first - first :][: part.counts.size] += part.counts
        return Histogram(self.step, first, counts)

    @property
    def total(self) -> int:
        """How many values there are."""
        return int(self.counts.sum())

    def quantile(self, part: float) -> float:
        """Centre of the bin of the least value that `part` of all do not exceed; NaN of none."""
        if self.total == 0:
            return float("nan")
        rank = max(int(np.ceil(part * self.total)), 1)
        return (self.first + int(np.searchsorted(np.cumsum(self.counts), rank))) * self.step

    @property
    def median(self) -> float:
        """The middle value, the lower of two."""
        return self.quantile(0.5)

    @property
    def deviation(self) -> float:
        """Robust standard deviation: 1.4826 times the median distance from the median."""
        if self.total == 0:
            return float("nan")
        bins = self.first + np.arange(self.counts.size)
        distances = np.abs(bins - round(self.median / self.step))
        folded = np.bincount(distances, weights=self.counts).astype(np.int64)
        return NORMAL * Histogram(self.step, 0, folded).median


def histogram(values: NDArray[np.generic], step: float = 1.0) -> Histogram:
    """Count the values of a tile.

    Parameters
    ----------
    values
        Any shape; NaN does not count.
    step
        Width of a bin.
    """
    if values.dtype == np.uint16 and step == 1:
        # As below, without the detour by floats: the first pass counts all bands of a scene.
        counts = np.bincount(values.ravel().astype(np.int64)).astype(np.int64)
        least = int(np.flatnonzero(counts)[0]) if counts.size else 0
        return Histogram(step, least, counts[least:])
    bins = np.rint(np.asarray(values, np.float64).ravel() / step)
    bins = np.clip(bins[np.isfinite(bins)], -FARTHEST, FARTHEST).astype(np.int64)
    if bins.size == 0:
        return Histogram(step, 0, np.zeros(0, np.int64))
    first = int(bins.min())
    return Histogram(step, first, np.bincount(bins - first).astype(np.int64))


@dataclass(frozen=True)
class Statistics:
    """What the first pass knows of a scene, or of a part of it."""

    numbers: Mapping[tuple[Date, Role], Histogram]
    """Stored numbers of each band where both dates are known."""
    places: Integers
    """(2, n): rows and columns of the sample, counted from the origin of the CRS, in order."""
    sample: Mapping[tuple[Date, Role], NDArray[np.uint16]]
    """(n,): the stored numbers there."""

    def __add__(self, other: "Statistics") -> "Statistics":
        places = np.concatenate([self.places, other.places], axis=1)
        order = np.lexsort(places[::-1])
        return Statistics(
            {key: part + other.numbers[key] for key, part in self.numbers.items()},
            places[:, order],
            {
                key: np.concatenate([part, other.sample[key]])[order]
                for key, part in self.sample.items()
            },
        )

    @property
    def pixels(self) -> int:
        """How many pixels are known."""
        return next(iter(self.numbers.values())).total


def statistics(layers: Layers, rate: float, core: Window | None = None) -> Statistics:
    """The first pass over one tile.

    Parameters
    ----------
    rate
        Part of the pixels that the sample takes, see :func:`sampling`.
    core
        The pixels that count, so that those of a halo do not count twice; all by default.
    """
    tile = layers.part(whole(layers.shape) if core is None else core)
    chosen = tile.known & (hashed(tile.shape, tile.anchor, SEED) < rate)
    row, col = np.nonzero(chosen)
    bands = {(date, role): band for date in tile.dates for role, band in tile.bands(date).items()}
    return Statistics(
        {key: histogram(band[tile.known]) for key, band in bands.items()},
        np.stack([row + tile.anchor[0], col + tile.anchor[1]]).astype(np.int64),
        {key: band[chosen] for key, band in bands.items()},
    )


def sampling(pixels: int, wanted: int = WANTED) -> float:
    """Part of the pixels of a scene of so many that a sample takes: a power of a half, or all."""
    rate = 1.0
    while pixels * rate > wanted:
        rate /= 2
    return rate
