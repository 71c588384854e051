"""The one schema of statistics.json, and its figures gathered window by window."""

import math

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from core.reasons import Reason
from core.tiling import Window

SAMPLE = 1_000_000
"""Quantiles are exact up to this many pixels; beyond, they are those of a regular lattice."""


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class Summary(_Record):
    """What the values of one layer are like; the figures are null where no pixel has a value."""

    unit: str
    """UCUM code of the unit of all figures but count and share."""
    count: int
    """Pixels with a value."""
    share: float
    """Pixels with a value over all pixels, 0 to 1."""
    mean: float | None = None
    """Mean."""
    std: float | None = None
    """Standard deviation."""
    median: float | None = None
    """Median."""
    nmad: float | None = None
    """1.4826 times the median absolute deviation from the median: the robust deviation."""
    p2: float | None = None
    """2nd percentile."""
    p98: float | None = None
    """98th percentile."""
    minimum: float | None = None
    """Smallest value."""
    maximum: float | None = None
    """Largest value."""


class Ramp(_Record):
    """A plane: constant + per_km_east * (x - x0) / 1000 + per_km_north * (y - y0) / 1000."""

    constant: float
    """Value at the centre, metres."""
    per_km_east: float = 0.0
    """Change per kilometre to the east, metres."""
    per_km_north: float = 0.0
    """Change per kilometre to the north, metres."""
    centre: tuple[float, float] = (0.0, 0.0)
    """(x0, y0) in the CRS of the result."""

    def at(
        self, x: NDArray[np.floating], y: NDArray[np.floating], unit: float = 1.0
    ) -> NDArray[np.floating]:
        """Values in metres at coordinates of the result's CRS, whose unit is `unit` metres."""
        east, north = (x - self.centre[0]) * unit / 1000, (y - self.centre[1]) * unit / 1000
        return self.constant + self.per_km_east * east + self.per_km_north * north


class Correction(_Record):
    """What one correction took out of the measured displacement; adding it back undoes it."""

    id: str
    """Name of the parameter that switches it."""
    east: Ramp
    """Removed from the east component."""
    north: Ramp
    """Removed from the north component."""


class PairStatistics(_Record):
    """Figures of one pair of images."""

    key: str
    """Name of the pair in the names of its files."""
    reference: str
    """Name of the reference scene."""
    secondary: str
    """Name of the secondary scene."""
    days: float | None = None
    """Signed days from reference to secondary; null without dates."""
    layers: dict[str, Summary] = Field(default_factory=dict)
    """A summary per output raster, by the output's id."""
    reasons: dict[str, float] = Field(default_factory=dict)
    """Share of all pixels, 0 to 1, that carry each bit of the reasons raster, by its name."""
    corrections: tuple[Correction, ...] = ()
    """What was taken out, in the order in which it was taken out."""
    notes: tuple[str, ...] = ()
    """Warnings and choices made while the pair was worked on, in words."""


class Statistics(_Record):
    """The content of statistics.json."""

    process: str
    """Id of the process."""
    version: str
    """Version of the process."""
    pairs: tuple[PairStatistics, ...]
    """One entry per pair that was measured."""


class Gatherer:
    """Takes the windows of a layer one by one and summarises them; feed it from one thread.

    Parameters
    ----------
    shape
        Rows and columns of the whole layer.
    unit
        UCUM code of the values' unit.
    """

    def __init__(self, shape: tuple[int, int], unit: str) -> None:
        self._pixels = shape[0] * shape[1]
        self._unit = unit
        # The lattice follows from the shape alone, so that the tiling does not change the result.
        self._stride = max(1, math.ceil(math.sqrt(self._pixels / SAMPLE)))
        self._sample: list[NDArray[np.float32]] = []
        self._count = 0
        self._mean = 0.0
        self._squares = 0.0
        self._low = math.inf
        self._high = -math.inf

    def add(self, window: Window, values: NDArray[np.floating]) -> None:
        """Take the values of a window, NaN where there is none."""
        known = values[np.isfinite(values)]
        if known.size:
            self._merge(known)
        top, left = -window.row % self._stride, -window.col % self._stride
        lattice = values[top :: self._stride, left :: self._stride]
        self._sample.append(lattice[np.isfinite(lattice)].astype(np.float32))

    def _merge(self, known: NDArray[np.floating]) -> None:
        # Chan, Golub and LeVeque (1983): sums of squares about the mean, merged without loss.
        exact = known.astype(np.float64)
        mean = float(exact.mean())
        squares = float(np.square(exact - mean).sum())
        total = self._count + known.size
        apart = mean - self._mean
        self._squares += squares + apart**2 * self._count * known.size / total
        self._mean += apart * known.size / total
        self._count = total
        self._low = min(self._low, float(known.min()))
        self._high = max(self._high, float(known.max()))

    def summary(self) -> Summary:
        """The summary of all that was added."""
        share = self._count / self._pixels if self._pixels else 0.0
        if not self._count:
            return Summary(unit=self._unit, count=0, share=share)
        sample = np.concatenate(self._sample).astype(np.float64)
        figures = _quantiles(sample) if sample.size else {}
        return Summary(
            unit=self._unit,
            count=self._count,
            share=share,
            mean=self._mean,
            std=math.sqrt(self._squares / self._count),
            minimum=self._low,
            maximum=self._high,
            **figures,
        )


def _quantiles(sample: NDArray[np.float64]) -> dict[str, float]:
    low, middle, high = np.percentile(sample, (2, 50, 98))
    spread = 1.4826 * np.median(np.abs(sample - middle))
    return {
        "median": float(middle),
        "nmad": float(spread),
        "p2": float(low),
        "p98": float(high),
    }


class ReasonCounter:
    """Counts the bits of a reasons raster window by window."""

    def __init__(self) -> None:
        self._pixels = 0
        self._counts = dict.fromkeys(Reason, 0)

    def add(self, reasons: NDArray[np.uint16] | NDArray[np.uint32]) -> None:
        """Take a window of the raster."""
        self._pixels += reasons.size
        for reason in self._counts:
            self._counts[reason] += int(np.count_nonzero(reasons & np.uint32(reason)))

    def shares(self) -> dict[str, float]:
        """Share of all pixels per bit, by lower-case name; bits that never occurred are absent."""
        return {
            str(reason.name).lower(): count / self._pixels
            for reason, count in self._counts.items()
            if count
        }
