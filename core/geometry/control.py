"""Ground control: points of known place, that hold an adjustment or judge it."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from core.geometry.normal import Measured
from core.geometry.rational import metres_per_degree
from core.geometry.rpc import Rpc
from core.geometry.triangulation import intersect, misses


@dataclass(frozen=True)
class ControlPoint:
    """A point of known place.

    Parameters
    ----------
    name
        For the report.
    lon, lat, height
        Degrees, metres above the ellipsoid.
    sigma_m, height_sigma_m
        Standard deviations of east and of north, and of the height.
    row, col
        Where the images show it, one value for each, None where they do not; whole numbers are the
        centres of pixels, the first is 0.
    sigma_px
        Standard deviation of row and of col.
    source
        Where it comes from.
    check
        Held out: it judges the result and has no part in it.
    """

    name: str
    lon: float
    lat: float
    height: float
    sigma_m: float
    height_sigma_m: float
    row: tuple[float | None, ...]
    col: tuple[float | None, ...]
    sigma_px: float = 0.3
    source: str = ""
    check: bool = False


@dataclass(frozen=True)
class ControlResidual:
    """What the refined models make of a control point.

    Parameters
    ----------
    name, source, check
        The point's.
    east_m, north_m, up_m
        Measured by the images less known; None where one image shows it.
    before_px, after_px
        Root mean square over the images of the distance from the projected point.
    """

    name: str
    source: str
    check: bool
    east_m: float | None
    north_m: float | None
    up_m: float | None
    before_px: float
    after_px: float


def measured(control: Sequence[ControlPoint], images: int) -> Measured:
    """Control points that are not held out, as arrays."""
    used = [point for point in control if not point.check]
    shape = (len(used), images)
    row, col = (
        np.array([getattr(point, axis) for point in used], np.float64).reshape(shape).T
        for axis in ("row", "col")
    )
    sigma = np.broadcast_to([point.sigma_px for point in used], row.shape).astype(np.float64)
    known = [(point.lon, point.lat, point.height) for point in used]
    spread = [(point.sigma_m, point.sigma_m, point.height_sigma_m) for point in used]
    return Measured(
        row, col, sigma, np.array(known).reshape(-1, 3), np.array(spread).reshape(-1, 3)
    )


def judged(before: Sequence[Rpc], after: Sequence[Rpc], point: ControlPoint) -> ControlResidual:
    """What models before and after an adjustment make of a point."""
    row, col = np.array([point.row, point.col], np.float64)
    distances = []
    for rpcs in (before, after):
        miss = misses(rpcs, row, col, point.lon, point.lat, point.height)
        distances.append(float(np.sqrt(np.nanmean((miss**2).sum(axis=-1)))))
    spot = intersect(after, row[:, None], col[:, None], start=point.height)
    away: list[float | None] = [None] * 3
    if spot.valid[0]:
        east, north = metres_per_degree(point.lat, point.height)
        away = [
            float(spot.lon[0] - point.lon) * east,
            float(spot.lat[0] - point.lat) * north,
            float(spot.height[0] - point.height),
        ]
    return ControlResidual(
        point.name, point.source, point.check, away[0], away[1], away[2], distances[0], distances[1]
    )
