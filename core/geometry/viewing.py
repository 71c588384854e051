"""How images see the ground: lines of sight, stereo geometry, sampling, footprints.

All of it follows from the derivatives of the sensor model, so it needs no metadata: a point that
moves along its line of sight stays on its pixel, and the line is where both gradients vanish.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from shapely import Polygon, affinity, intersection_all

from core.geometry.rational import metres_per_degree
from core.geometry.rpc import Floats, Rpc, flattened


class Sight(NamedTuple):
    """Unit vectors from the ground to the sensor; NaN outside the model's range."""

    east: Floats
    north: Floats
    up: Floats

    @property
    def azimuth_deg(self) -> Floats:
        """Direction in which the sensor stands, clockwise from north, 0 to 360."""
        return np.degrees(np.arctan2(self.east, self.north)) % 360

    @property
    def incidence_deg(self) -> Floats:
        """Angle at the ground between the line of sight and the ellipsoid's normal."""
        return np.degrees(np.arctan2(np.hypot(self.east, self.north), self.up))


class Sampling(NamedTuple):
    """Ground sampling distances on level ground, metres; NaN outside the model's range."""

    row: Floats
    """Between one row and the next."""
    col: Floats
    """Between one column and the next."""
    mean: Floats
    """Side of the square that is as large as a pixel on the ground."""


class CommonGround(NamedTuple):
    """What all of several footprints cover."""

    polygon: Polygon
    """Longitude and latitude in degrees; empty where there is none."""
    area: float
    """Square metres."""
    share: float
    """Of the smallest of the footprints, 0 to 1."""


def line_of_sight(rpc: Rpc, lon: ArrayLike, lat: ArrayLike, height: ArrayLike) -> Sight:
    """Direction to the sensor from points on the ground (degrees, metres above the ellipsoid)."""
    slopes = metric_slopes(rpc, lon, lat, height)
    line = np.cross(slopes[..., 0, :], slopes[..., 1, :])
    line /= np.linalg.norm(line, axis=-1, keepdims=True)
    # Which of the two senses the product has depends on how the image is mirrored.
    line *= np.sign(line[..., 2:])
    return Sight(line[..., 0], line[..., 1], line[..., 2])


def convergence_deg(first: Sight, second: Sight) -> Floats:
    """Angle between two lines of sight, degrees."""
    a, b = np.stack(first, axis=-1), np.stack(second, axis=-1)
    # The arc cosine of a product close to 1 has no digits left.
    sine = np.linalg.norm(np.cross(a, b), axis=-1)
    return np.degrees(np.arctan2(sine, (a * b).sum(axis=-1)))


def base_to_height(first: Sight, second: Sight) -> Floats:
    """Ratio of base to height (B/H): metres of parallax on level ground per metre of height."""
    return np.hypot(
        first.east / first.up - second.east / second.up,
        first.north / first.up - second.north / second.up,
    )


def ground_sampling(rpc: Rpc, lon: ArrayLike, lat: ArrayLike, height: ArrayLike) -> Sampling:
    """How far apart the centres of neighbouring pixels lie on level ground.

    Parameters
    ----------
    lon, lat, height
        Where: degrees, metres above the ellipsoid; broadcast.
    """
    plane = metric_slopes(rpc, lon, lat, height)[..., :2]
    area = 1 / np.abs(plane[..., 0, 0] * plane[..., 1, 1] - plane[..., 0, 1] * plane[..., 1, 0])
    # A step along rows leaves the column as it is: it runs where the gradient of col vanishes.
    return Sampling(
        row=area * np.hypot(plane[..., 1, 0], plane[..., 1, 1]),
        col=area * np.hypot(plane[..., 0, 0], plane[..., 0, 1]),
        mean=np.sqrt(area),
    )


def footprint(rpc: Rpc, shape: tuple[int, int], height: float, per_side: int = 8) -> Polygon:
    """Outline of an image on the ground at one height.

    Parameters
    ----------
    shape
        Rows and columns.
    height
        Metres above the ellipsoid.
    per_side
        Points on each side; the sides of long strips are curved.

    Returns
    -------
    Polygon
        Longitude and latitude, degrees, along the outer edges of the outer pixels.  Longitudes run
        on across the date line.  Empty where the outline leaves the model's range.
    """
    along = np.arange(per_side) / per_side
    ahead, back = along, 1 - along
    nought, one = np.zeros(per_side), np.ones(per_side)
    rows = np.concatenate([nought, ahead, one, back]) * shape[0] - 0.5
    cols = np.concatenate([ahead, one, back, nought]) * shape[1] - 0.5
    ground = rpc.locate(rows, cols, height)
    if not ground.inside.all():
        return Polygon()
    lon = rpc.lon_offset + (ground.lon - rpc.lon_offset + 180) % 360 - 180
    return Polygon(np.column_stack([lon, ground.lat]))


def common_ground(footprints: Sequence[Polygon]) -> CommonGround:
    """Ground that all footprints cover.

    Parameters
    ----------
    footprints
        Polygons in longitude and latitude, degrees, one at least.
    """
    if any(polygon.is_empty for polygon in footprints):
        return CommonGround(Polygon(), 0.0, 0.0)
    middle = footprints[0].centroid
    near = [_beside(polygon, middle.x) for polygon in footprints]
    common = intersection_all(near)
    lon_metres, lat_metres = metres_per_degree(float(middle.y), 0.0)
    unit = lon_metres * lat_metres
    share = common.area / min(polygon.area for polygon in near)
    return CommonGround(common, float(common.area * unit), float(share))


def _beside(polygon: Polygon, lon: float) -> Polygon:
    """A polygon turned by whole turns until it lies next to a longitude."""
    turns = round((polygon.centroid.x - lon) / 360)
    return affinity.translate(polygon, -360.0 * turns) if turns else polygon


def metric_slopes(rpc: Rpc, lon: ArrayLike, lat: ArrayLike, height: ArrayLike) -> Floats:
    """Derivatives of row and col by metres east, north and up, (..., 2, 3)."""
    slopes = rpc.derivatives(lon, lat, height)
    (_, where, above), points = flattened(lon, lat, height)
    lon_metres, lat_metres = metres_per_degree(where, above)
    slopes[..., 0] /= lon_metres.reshape(*points, 1)
    slopes[..., 1] /= lat_metres.reshape(*points, 1)
    return slopes
