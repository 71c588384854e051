"""A rough model of the ground, known everywhere in its area: where to look for matches.

Heights are above the ellipsoid, metres; the lattice is a projected one.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike
from pyproj import Transformer
from scipy import ndimage

from core.geometry.rpc import Floats, Rpc
from core.grid import GEOGRAPHIC, Grid

ROUNDS = 6
"""Steps from a height to the ground below a line of sight and back, at most."""

SETTLED_M = 0.05
"""Change of the heights at which they end."""


@dataclass(frozen=True, eq=False)
class Ground:
    """A surface without holes, and how far the real one may lie above and below it.

    Parameters
    ----------
    grid
        Cells of the lattice.
    height
        At their centres, smooth; (rows, cols), metres above the ellipsoid.
    low, high
        The lowest and the highest that was seen around each cell, of the same shape.
    """

    grid: Grid
    height: Floats
    low: Floats
    high: Floats

    @cached_property
    def middle(self) -> float:
        """The median height."""
        return float(np.median(self.height))

    @cached_property
    def _projection(self) -> Transformer:
        return Transformer.from_crs(GEOGRAPHIC, self.grid.crs, always_xy=True)

    def __getstate__(self) -> dict[str, object]:
        """Transformers cannot be sent to another process; they are made there."""
        return {name: value for name, value in self.__dict__.items() if name != "_projection"}

    def at(self, x: ArrayLike, y: ArrayLike) -> Floats:
        """Heights at places in the lattice's projection; beyond its border those of the border."""
        x, y = np.asarray(x, np.float64), np.asarray(y, np.float64)
        col, row = ~self.grid.transform @ (np.atleast_1d(x), np.atleast_1d(y))
        places = [np.asarray(row) - 0.5, np.asarray(col) - 0.5]
        found: Floats = ndimage.map_coordinates(self.height, places, order=1, mode="nearest")
        return found.reshape(x.shape)

    def below(self, rpc: Rpc, row: ArrayLike, col: ArrayLike) -> Floats:
        """Heights of the ground that an image shows at its pixels (broadcast); NaN outside.

        Lines of sight that a slope makes cross the surface more than once end on one of its sides.
        """
        row, col = np.broadcast_arrays(np.asarray(row, np.float64), np.asarray(col, np.float64))
        height = np.full(row.shape, self.middle)
        for _ in range(ROUNDS):
            lon, lat, inside = rpc.locate(row, col, height)
            x, y = self._projection.transform(lon, lat)
            found = np.where(
                inside, self.at(np.where(inside, x, 0), np.where(inside, y, 0)), height
            )
            change = float(np.abs(found - height).max(initial=0.0))
            height = found
            if change < SETTLED_M:
                break
        return np.where(inside, height, np.nan)

    def spread(self, x: ArrayLike, y: ArrayLike, around: float) -> tuple[float, float]:
        """How far the real surface lies below and above this one near places, metres, both >= 0.

        Parameters
        ----------
        x, y
            Corners of an area in the lattice's projection.
        around
            Units of the projection by which the area is widened.
        """
        part = self._part(np.asarray(x), np.asarray(y), around)
        height = self.height[part]
        below = float((height - self.low[part]).max(initial=0.0))
        return max(below, 0.0), max(float((self.high[part] - height).max(initial=0.0)), 0.0)

    def range(self, x: ArrayLike, y: ArrayLike, around: float) -> tuple[float, float]:
        """The lowest and highest ground near places; parameters as for :meth:`spread`."""
        part = self._part(np.asarray(x), np.asarray(y), around)
        return float(self.low[part].min()), float(self.high[part].max())

    def _part(self, x: Floats, y: Floats, around: float) -> tuple[slice, slice]:
        """The cells around places; at least one, the nearest where the places lie outside."""
        rows, cols = self.grid.shape
        west, north = self.grid.transform.c, self.grid.transform.f
        size = self.grid.pixel_size[0]
        left = int(np.floor((x.min() - around - west) / size))
        right = int(np.ceil((x.max() + around - west) / size))
        top = int(np.floor((north - y.max() - around) / size))
        bottom = int(np.ceil((north - y.min() + around) / size))
        top, left = min(max(top, 0), rows - 1), min(max(left, 0), cols - 1)
        return (
            slice(top, max(min(bottom, rows), top + 1)),
            slice(left, max(min(right, cols), left + 1)),
        )
