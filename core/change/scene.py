"""What a tile of a scene gives to the search for landslides: two dates, heights, and the sun."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from core.roles import Role
from core.tiling import Window

Numbers = NDArray[np.uint16]
"""Stored numbers of an image, (rows, cols)."""

Flags = NDArray[np.bool_]
"""Bool, (rows, cols)."""

Floats = NDArray[np.float32]
"""Float32, (rows, cols)."""

IMAGE = "{image}"
"""Unit of the bands, and of what is told in theirs; it becomes 1 where they are reflectances."""


class Date(StrEnum):
    """Of the two dates, the one before or after the slides."""

    BEFORE = "before"
    AFTER = "after"


class Sun(NamedTuple):
    """Where the sun stands: clockwise from grid north, and above the horizon."""

    azimuth_deg: float
    elevation_deg: float


class Drainage(NamedTuple):
    """What :mod:`core.change.flow` found for the whole scene, brought to the lattice of the image.

    NaN where there is no height.
    """

    area_m2: Floats
    """Ground that drains through a pixel."""
    above_m: Floats
    """Height above the channel into which a pixel drains."""


@dataclass(frozen=True)
class Layers:
    """The padded window of a tile; all arrays (rows, cols) on the lattice of the after image."""

    after: Mapping[Role, Numbers]
    """Reflectance x 10000, or the numbers of an image without a physical unit."""
    before: Mapping[Role, Numbers] | None
    """The same bands, moved onto the after image; None where there is only that."""
    known: Flags
    """Both dates have a value here, and no mask hides it."""
    height: Floats | None
    """Metres, NaN where there is none; None without a terrain."""
    pixel_m: float
    anchor: tuple[int, int]
    """Row and column of the first pixel, counted in pixels from the origin of the CRS: what is
    laid out over an image begins at the same places on the ground whatever part of it is read."""
    suns: Mapping[Date, Sun]
    """Of the dates whose sun is known."""
    drainage: Drainage | None = None

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return (self.known.shape[0], self.known.shape[1])

    @property
    def dates(self) -> tuple[Date, ...]:
        """The dates that there are."""
        return (Date.AFTER,) if self.before is None else (Date.BEFORE, Date.AFTER)

    def bands(self, date: Date) -> Mapping[Role, Numbers]:
        """The bands of a date."""
        if date is Date.AFTER:
            return self.after
        if self.before is None:
            raise KeyError(date)
        return self.before

    def usable(self, *, heights: bool) -> Flags:
        """Pixels of which all is known; with `heights`, also height and drainage."""
        known = self.known
        if heights and self.height is not None:
            known = known & ~np.isnan(self.height)
            for layer in self.drainage or ():
                known = known & ~np.isnan(layer)
        return known

    def part(self, window: Window) -> "Layers":
        """A window of it, which must lie inside."""
        cut = window.slices

        def bands(of: Mapping[Role, Numbers]) -> dict[Role, Numbers]:
            return {role: band[cut] for role, band in of.items()}

        return Layers(
            after=bands(self.after),
            before=None if self.before is None else bands(self.before),
            known=self.known[cut],
            height=None if self.height is None else self.height[cut],
            pixel_m=self.pixel_m,
            anchor=(self.anchor[0] + window.row, self.anchor[1] + window.col),
            suns=self.suns,
            drainage=None if self.drainage is None else Drainage(*(a[cut] for a in self.drainage)),
        )
