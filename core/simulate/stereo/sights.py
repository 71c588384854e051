"""Lines of sight: where the ground of a pixel lies at any height, fast and nearly exact.

A camera is only known by the way from the ground to the image.  The way back is solved with GDAL's
evaluation at the nodes of a Chebyshev lattice over row, column and height, in the coordinates of
the scene, and is a polynomial in between.  Over an image the function is so smooth that the
polynomial errs by less than a ten-thousandth of a pixel, which the tests measure with GDAL.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.polynomial import chebyshev, polynomial
from pyproj import Transformer

from core.simulate.stereo.cameras import Camera
from core.simulate.stereo.rational import Points

DEGREES = (5, 5, 3)
"""Of the polynomials in row, column and height."""
MARGIN_PX = 16
ROUNDS = 8


class GroundPoints(NamedTuple):
    """Easting and northing in the scene's projection, metres."""

    x: Points
    y: Points


@dataclass(frozen=True, eq=False)
class Sights:
    """Polynomials for easting and northing.

    Parameters
    ----------
    x, y
        Coefficients of powers, ``[row, col, height]``.
    middle, half
        Middle and half width of row, column and height, which the powers are of.
    """

    x: Points
    y: Points
    middle: tuple[float, float, float]
    half: tuple[float, float, float]

    def ground(self, row: Points, col: Points, height: Points) -> GroundPoints:
        """The ground that pixels see at given heights (broadcast)."""
        u, v, w = (
            (np.asarray(value) - middle) / half
            for value, middle, half in zip((row, col, height), self.middle, self.half, strict=True)
        )
        u, v, w = np.broadcast_arrays(u, v, w)
        return GroundPoints(
            np.asarray(polynomial.polyval3d(u, v, w, self.x), np.float64),
            np.asarray(polynomial.polyval3d(u, v, w, self.y), np.float64),
        )


def sights(camera: Camera, crs: str, heights: tuple[float, float]) -> Sights:
    """The lines of sight of all pixels between two heights, in a projection."""
    to_geographic = Transformer.from_crs(crs, "OGC:CRS84", always_xy=True)
    middle = [(size - 1) / 2 for size in camera.shape] + [(heights[0] + heights[1]) / 2]
    half = [size / 2 + MARGIN_PX for size in camera.shape] + [(heights[1] - heights[0]) / 2]
    nodes = [middle[axis] + half[axis] * chebyshev.chebpts1(DEGREES[axis] + 1) for axis in range(3)]
    row, col, height = np.meshgrid(*nodes, indexing="ij")
    x, y = _solve(camera, to_geographic, row, col, height)
    return Sights(
        _powers(x),
        _powers(y),
        (middle[0], middle[1], middle[2]),
        (half[0], half[1], half[2]),
    )


def _solve(
    camera: Camera, to_geographic: Transformer, row: Points, col: Points, height: Points
) -> GroundPoints:
    """Newton's iteration on GDAL's projection, with differences over one metre as derivatives."""

    def seen(x: Points, y: Points) -> Points:
        lon, lat = to_geographic.transform(x, y)
        return np.stack(camera.project(lon, lat, height))

    start = to_geographic.transform(camera.centre.lon, camera.centre.lat, direction="INVERSE")
    x, y = np.full(row.shape, start[0]), np.full(row.shape, start[1])
    for _ in range(ROUNDS):
        here = seen(x, y)
        along_x, along_y = seen(x + 1, y) - here, seen(x, y + 1) - here
        missing = np.stack([row, col]) - here
        determinant = along_x[0] * along_y[1] - along_x[1] * along_y[0]
        x = x + (missing[0] * along_y[1] - missing[1] * along_y[0]) / determinant
        y = y + (missing[1] * along_x[0] - missing[0] * along_x[1]) / determinant
    return GroundPoints(x, y)


def _powers(values: Points) -> Points:
    """Coefficients of powers of the polynomial through values at Chebyshev's nodes."""
    for axis in range(values.ndim):
        count = values.shape[axis]
        nodes = chebyshev.chebpts1(count)
        matrix = np.linalg.inv(np.vander(nodes, increasing=True))
        values = np.moveaxis(np.tensordot(matrix, values, axes=(1, axis)), 0, axis)
    return np.ascontiguousarray(values)
