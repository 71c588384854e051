"""Which pixels of an image may show some ground between two heights."""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
from pyproj import Transformer

from core.geometry.rpc import Floats, Rpc
from core.grid import GEOGRAPHIC, Grid
from core.tiling import Window


class Prism(NamedTuple):
    """Pixels that show ground.

    Parameters
    ----------
    window
        That holds them all, wherever the image ends; empty where none is known.
    complete
        Whether all of the ground lies in the range of the image's model.
    """

    window: Window
    complete: bool

    def around(self, margin: int) -> Window:
        """The window and a margin; what is empty stays so."""
        return self.window if self.window.empty else self.window.pad(margin)


def prism(rpc: Rpc, x: Floats, y: Floats, crs: str, heights: Iterable[float]) -> Prism:
    """The pixels that show places at some heights.

    Parameters
    ----------
    x, y, crs
        Places all along the ground's outline, in this projection.
    heights
        Metres above the ellipsoid.
    """
    lon, lat = Transformer.from_crs(crs, GEOGRAPHIC, always_xy=True).transform(x, y)
    seen = [rpc.project(lon, lat, height) for height in heights]
    row, col = (np.stack([getattr(place, axis) for place in seen]) for axis in ("row", "col"))
    return Prism(bounding(row, col), bool(np.isfinite(row).all()))


def bounding(row: Floats, col: Floats) -> Window:
    """The smallest window that holds places in an image; NaN are none."""
    if not np.isfinite(row).any():
        return Window(0, 0, 0, 0)
    top, left = (int(np.floor(np.nanmin(axis))) for axis in (row, col))
    bottom, right = (int(np.ceil(np.nanmax(axis))) for axis in (row, col))
    return Window(top, left, bottom - top + 1, right - left + 1)


def outline(grid: Grid, per_side: int) -> tuple[Floats, Floats]:
    """Places (x, y) along a grid's border and within, so many along each side."""
    west, south, east, north = grid.bounds
    x, y = np.meshgrid(np.linspace(west, east, per_side), np.linspace(south, north, per_side))
    return x, y
