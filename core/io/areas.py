"""Areas of interest on a grid."""

from itertools import pairwise

import numpy as np
import shapely
from numpy.typing import NDArray
from pyproj import Transformer
from rasterio.features import rasterize

from core.declare import Area
from core.errors import InputError
from core.grid import Grid
from core.tiling import Window

PARTS = 32
"""Pieces into which each side is cut before it is projected: sides of an area are straight in its
own coordinate reference system, not in the grid's."""

Ring = tuple[tuple[float, float], ...]


def area_window(area: Area, grid: Grid) -> Window:
    """The smallest window of the grid that holds the area; it may reach outside the grid."""
    return grid.around(_projected(area, grid)[0])


def area_mask(area: Area, grid: Grid) -> NDArray[np.bool_]:
    """Pixels of the grid whose centre lies in the area, (rows, cols)."""
    rings = _projected(area, grid)
    shape = {"type": "Polygon", "coordinates": [list(ring) for ring in rings]}
    burnt = rasterize([shape], out_shape=grid.shape, transform=grid.transform, dtype="uint8")
    inside: NDArray[np.bool_] = burnt != 0
    return inside


def area_shape(area: Area, grid: Grid) -> shapely.Polygon:
    """The area as a polygon in the coordinate reference system of a grid."""
    outline, *holes = _projected(area, grid)
    return shapely.Polygon(outline, holes)


def _projected(area: Area, grid: Grid) -> list[Ring]:
    transformer = Transformer.from_crs(area.crs, grid.crs, always_xy=True)
    rings = []
    for ring in area.rings:
        x, y = zip(*_densified(ring), strict=True)
        east, north = transformer.transform(x, y)
        if not (np.isfinite(east).all() and np.isfinite(north).all()):
            raise InputError(
                "The area of interest cannot be projected into the images' coordinate system.",
                pointer="/inputs/aoi",
                allowed="an area near the images",
            )
        rings.append(tuple(zip(east, north, strict=True)))
    return rings


def _densified(ring: Ring) -> list[tuple[float, float]]:
    points = []
    for (x0, y0), (x1, y1) in pairwise(ring):
        for part in range(PARTS):
            share = part / PARTS
            points.append((x0 + share * (x1 - x0), y0 + share * (y1 - y0)))
    return [*points, ring[-1]]
