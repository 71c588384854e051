"""The lattice of a raster as a frozen value: shape, transform, coordinate reference system."""

import math
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from affine import Affine
from pyproj import CRS, Geod, Transformer

from core.tiling import Window

if TYPE_CHECKING:
    from collections.abc import Iterable

    import numpy as np
    from numpy.typing import NDArray


GEOGRAPHIC = "OGC:CRS84"
"""Longitude and latitude on WGS 84, degrees, in this order."""


@dataclass(frozen=True)
class Grid:
    """Pixels on the ground.

    Arrays are ``[row, col]``, ground coordinates ``(x, y)``; only this class converts.
    The transform maps (col, row) of a pixel's upper-left corner to the ground.

    Parameters
    ----------
    shape
        Rows and columns.
    transform
        Pixel corners to ground coordinates (units of the CRS).
    crs
        Coordinate reference system as WKT or ``EPSG:n``.
    """

    shape: tuple[int, int]
    transform: Affine
    crs: str

    @cached_property
    def system(self) -> CRS:
        """The coordinate reference system as pyproj knows it."""
        return CRS.from_user_input(self.crs)

    @property
    def plane(self) -> CRS:
        """The horizontal part of the system, without a datum of heights."""
        return self.system.sub_crs_list[0] if self.system.is_compound else self.system

    @cached_property
    def convergence_deg(self) -> float:
        """Azimuth of grid north at the centre: clockwise from true north, degrees."""
        height, width = self.shape
        x, y = self.transform @ (width / 2, height / 2)
        change = Transformer.from_crs(self.plane, GEOGRAPHIC, always_xy=True)
        lon, lat = change.transform((x, x), (y, y + max(self.pixel_size)))
        azimuth, _, _ = Geod(ellps="WGS84").inv(lon[0], lat[0], lon[1], lat[1])
        return float(azimuth)

    @property
    def window(self) -> Window:
        """All pixels."""
        return Window(0, 0, *self.shape)

    @property
    def pixel_size(self) -> tuple[float, float]:
        """Length of a pixel's sides along columns and along rows, positive, units of the CRS."""
        t = self.transform
        return (math.hypot(t.a, t.d), math.hypot(t.b, t.e))

    def xy(self, row: float, col: float) -> tuple[float, float]:
        """Ground coordinates of the centre of pixel (row, col)."""
        x, y = self.transform @ (col + 0.5, row + 0.5)
        return float(x), float(y)

    def centres(self) -> "tuple[NDArray[np.float64], NDArray[np.float64]]":
        """Ground coordinates (x, y) of all pixels' centres, both (rows, cols)."""
        import numpy as np

        row, col = np.mgrid[: self.shape[0], : self.shape[1]]
        x, y = self.transform @ (col + 0.5, row + 0.5)
        return np.asarray(x, np.float64), np.asarray(y, np.float64)

    def rowcol(self, x: float, y: float) -> tuple[float, float]:
        """Row and column, fractional; a pixel's centre has whole numbers."""
        col, row = ~self.transform @ (x, y)
        return float(row) - 0.5, float(col) - 0.5

    def around(self, points: "Iterable[tuple[float, float]]", slack: float = 0.0) -> Window:
        """The smallest window that holds all of some ground points; it may reach outside.

        Parameters
        ----------
        points
            (x, y), at least one.
        slack
            Part of a pixel by which a point may lie outside the window.
        """
        places = [~self.transform @ point for point in points]
        cols, rows = ([place[axis] for place in places] for axis in (0, 1))
        top, left = math.floor(min(rows) + slack), math.floor(min(cols) + slack)
        bottom, right = math.ceil(max(rows) - slack), math.ceil(max(cols) - slack)
        return Window(top, left, bottom - top, right - left)

    def seeing(self, other: "Grid", slack: float = 0.0) -> Window:
        """The part of this grid on another's ground; empty where there is none.

        Parameters
        ----------
        slack
            As of :meth:`around`.
        """
        change = Transformer.from_crs(other.crs, self.crs, always_xy=True)
        west, south, east, north = change.transform_bounds(*other.bounds)
        if not all(map(math.isfinite, (west, south, east, north))):
            return Window(0, 0, 0, 0)
        corners = [(x, y) for x in (west, east) for y in (south, north)]
        return self.window & self.around(corners, slack)

    def metres[N: (float, NDArray[np.float32], NDArray[np.float64])](
        self, rows: N, cols: N
    ) -> tuple[N, N]:
        """A displacement of `rows` down and `cols` right as (east, north), units of the CRS."""
        t = self.transform
        return (t.a * cols + t.b * rows, t.d * cols + t.e * rows)

    @property
    def bounds(self) -> tuple[float, float, float, float]:
        """West, south, east, north in the units of the CRS."""
        height, width = self.shape
        corners = [
            self.transform @ corner for corner in ((0, 0), (width, 0), (0, height), (width, height))
        ]
        xs, ys = [c[0] for c in corners], [c[1] for c in corners]
        return (min(xs), min(ys), max(xs), max(ys))

    def crop(self, window: Window) -> "Grid":
        """The grid of a window; the window may reach outside."""
        moved = self.transform @ Affine.translation(window.col, window.row)
        return Grid(window.shape, moved, self.crs)

    def decimate(self, step: int) -> "Grid":
        """Every `step`-th pixel from the first: a cell's centre is the centre of that pixel."""
        if step == 1:
            return self
        height, width = self.shape
        half = (step - 1) / 2.0
        moved = self.transform @ Affine.translation(-half, -half) @ Affine.scale(step)
        return Grid((-(-height // step), -(-width // step)), moved, self.crs)

    def same_pixels(self, other: "Grid", tolerance: float = 1e-6) -> bool:
        """Whether both have the same CRS, pixel size and orientation (not the same origin)."""
        mine, theirs = self.transform, other.transform
        size = max(self.pixel_size)
        # Over the width of a tile the pixel sizes may differ by a thousandth of a pixel in all.
        limit = size * tolerance / max(*self.shape, *other.shape, 1) * 1e3
        pairs = ((mine.a, theirs.a), (mine.b, theirs.b), (mine.d, theirs.d), (mine.e, theirs.e))
        return self.system == other.system and all(abs(p - q) <= limit for p, q in pairs)

    def offset(self, other: "Grid") -> tuple[float, float]:
        """Row and column in this grid at which the other's first pixel lies (fractional)."""
        col, row = ~self.transform @ (other.transform.c, other.transform.f)
        return float(row), float(col)
