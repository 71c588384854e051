"""The surface without holes: what orthoimages are projected on, and what dsm_filled holds."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from shapely.geometry.base import BaseGeometry

from core.geometry.filling import REACH, filled
from core.grid import Grid
from core.io.vectors import burned, polygons
from core.tiling import Window, tiles

SHORE = 3
"""Cells around water whose heights say how high it stands."""

LOW = 0.1
"""The quantile of them that is taken: trees and quays stand higher."""

FEWEST = 10
"""Measured cells of a shore from which on they say anything."""

SIDE = 1024
"""Rows and columns that are looked at at once."""

Values = NDArray[np.float32]


class Layers(Protocol):
    """Where heights are read from, such as :class:`~core.pipelines.dsm_opt.model.Surface`."""

    def read(self, name: str, window: Window) -> NDArray[Any]:
        """Values of a layer in a window inside the grid."""


class Water(NamedTuple):
    """A body of water: its outline in the grid's projection, and its height."""

    outline: BaseGeometry
    height: float


@dataclass(frozen=True, eq=False)
class FilledSurface:
    """A surface with its holes filled and its water levelled; may be sent to other processes.

    Parameters
    ----------
    layers
        With a layer "height" (float32, NaN in holes).
    grid
        Its cells.
    waters
        Cells within one get its height, whatever was measured.
    """

    layers: Layers
    grid: Grid
    waters: tuple[Water, ...] = ()

    def around(self, window: Window) -> Values:
        """The measured heights from which those of a window may follow, in no order."""
        height = self.layers.read("height", window.pad(REACH) & self.grid.window)
        known: Values = height[np.isfinite(height)]
        return known

    def read(self, window: Window) -> Values:
        """Heights in a window inside the grid, the same whatever the window; NaN in wide holes."""
        wide = window.pad(REACH) & self.grid.window
        height = self.layers.read("height", wide)
        part = self.grid.crop(wide)
        for water in self.waters:
            height[burned((water.outline,), part)] = water.height
        return filled(height, self.grid.pixel_size[0], window.inside(wide))


def filled_surface(layers: Layers, grid: Grid, water: Path | None) -> FilledSurface:
    """A surface without holes.

    Parameters
    ----------
    water
        File of polygons, each of which gets one height.
    """
    if water is None:
        return FilledSurface(layers, grid)
    outlines = polygons(water, grid.crs, pointer="/inputs/water")
    return FilledSurface(layers, grid, waters_of(layers, grid, outlines))


def waters_of(layers: Layers, grid: Grid, outlines: Sequence[BaseGeometry]) -> tuple[Water, ...]:
    """The bodies of water with their heights, each from the low measured heights of its shore.

    Parameters
    ----------
    outlines
        Polygons in the grid's projection.  One whose shore was not measured is left out.
    """
    found = []
    for polygon in outlines:
        for part in getattr(polygon, "geoms", (polygon,)):
            heights = np.concatenate([*_shore(layers, grid, part), np.empty(0, np.float32)])
            if heights.size >= FEWEST:
                found.append(Water(part, float(np.quantile(heights, LOW))))
    return tuple(found)


def _shore(layers: Layers, grid: Grid, polygon: BaseGeometry) -> Iterator[Values]:
    """Measured heights of the cells just outside a polygon."""
    window = _around(grid, polygon)
    for tile in tiles(window.shape, SIDE):
        core = tile.core.shift(window.row, window.col)
        wide = core.pad(SHORE)
        inside = burned((polygon,), grid.crop(wide))
        near = ndimage.binary_dilation(inside, iterations=SHORE) & ~inside
        height = layers.read("height", core)[near[core.inside(wide).slices]]
        yield height[np.isfinite(height)]


def _around(grid: Grid, polygon: BaseGeometry) -> Window:
    """The cells that hold a polygon and its shore."""
    if polygon.is_empty:
        return Window(0, 0, 0, 0)
    west, south, east, north = polygon.bounds
    (top, left), (bottom, right) = grid.rowcol(west, north), grid.rowcol(east, south)
    first = math.floor(top), math.floor(left)
    size = math.ceil(bottom) - first[0] + 1, math.ceil(right) - first[1] + 1
    return Window(*first, *size).pad(SHORE) & grid.window
