"""A pushbroom camera on a straight track, and the RPC that stands for it.

The geometry only makes the RPC a realistic one: once fitted and rounded, the RPC itself is the
camera, and all pixels are made through GDAL's evaluation of it.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
from pyproj import Transformer
from rasterio.rpc import RPC

from core.simulate.stereo.rational import (
    Accuracy,
    Correspondences,
    Direct,
    ImagePoints,
    Points,
    fit_direct,
    fit_rpc,
    moved,
    project,
)

ALTITUDE_M = 694_000.0
"""Of Pleiades above the ground."""
STRIP_PX = 20_000
"""Rows and columns for which an RPC is fitted as a rule, however small the image cut from it."""
MARGIN_M = 300.0
"""By which the heights of a model reach beyond those of the scene, as those of a strip do."""
ACCURACY = Accuracy(bias=2.0, random=0.1)


class Attitude(NamedTuple):
    """How the satellite looks at the middle of a scene.

    Parameters
    ----------
    pitch, roll
        Tangents of the angles forward and to the right of the track, seen from the satellite.
    heading_deg
        Azimuth of the track on the ground.
    """

    pitch: float
    roll: float
    heading_deg: float


class Centre(NamedTuple):
    """Middle of a scene: degrees, metres above the ellipsoid."""

    lon: float
    lat: float
    height: float


class Viewing(NamedTuple):
    """Direction from the ground to the satellite: azimuth from north and angle from zenith."""

    azimuth_deg: float
    incidence_deg: float


@dataclass(frozen=True)
class Camera:
    """One view's geometry.

    Parameters
    ----------
    shape
        Rows and columns of the image.
    gsd
        Metres.
    rpc
        The model that is handed out, printable in every format.
    bias
        The rows and columns by which the handed model sees ground further down and right than the
        pixels show it.
    seen
        What the model was fitted to.
    """

    shape: tuple[int, int]
    gsd: float
    rpc: RPC
    bias: tuple[float, float]
    seen: Correspondences
    attitude: Attitude
    centre: Centre

    @cached_property
    def true_rpc(self) -> RPC:
        """The model that made the pixels."""
        return moved(self.rpc, -self.bias[0], -self.bias[1])

    @cached_property
    def direct(self) -> Direct:
        """The handed model's way back."""
        return fit_direct(self.rpc, self.seen)

    def project(self, lon: Points, lat: Points, height: Points) -> ImagePoints:
        """Where points on the ground truly lie in the image, but for jitter."""
        return project(self.true_rpc, lon, lat, height)

    @cached_property
    def viewing(self) -> Viewing:
        """Where the satellite stands, seen from the middle."""
        forward, across = _axes(self.attitude.heading_deg)
        east, north, _ = -forward * self.attitude.pitch - across * self.attitude.roll
        incidence = np.degrees(np.arctan(np.hypot(east, north)))
        return Viewing(float(np.degrees(np.arctan2(east, north)) % 360), float(incidence))


def camera(
    centre: Centre,
    attitude: Attitude,
    shape: tuple[int, int],
    gsd: float,
    heights: tuple[float, float],
    bias: tuple[float, float] = (0.0, 0.0),
    strip_at: tuple[int, int] = (0, 0),
    strip_px: int = STRIP_PX,
) -> Camera:
    """The camera whose image of `shape` has the scene's centre in its middle.

    `heights` are the lowest and highest ground that the model has to cover; `strip_at` is where,
    in rows and columns from the image's middle, the middle of the strip lies that it was cut from,
    and `strip_px` how many rows and columns the strip has.
    """
    rng = np.linspace(-0.5, 0.5, 13) * strip_px * gsd
    levels = np.linspace(heights[0] - MARGIN_M, heights[1] + MARGIN_M, 7)
    east, north, height = (a.ravel() for a in np.meshgrid(rng, rng, levels))
    forward, across = _axes(attitude.heading_deg)
    middle_of_strip = gsd * (strip_at[0] * forward - strip_at[1] * across)
    east, north = east + middle_of_strip[0], north + middle_of_strip[1]
    lon = centre.lon + np.degrees(east / 6_378_137.0) / np.cos(np.radians(centre.lat))
    lat = centre.lat + np.degrees(north / 6_367_000.0)
    row, col = _pushbroom(centre, attitude, gsd, Correspondences(lon, lat, height, lon, lat))
    middle = [(size - 1) // 2 for size in shape]
    seen = Correspondences(lon, lat, height, row + middle[0], col + middle[1])
    return Camera(shape, gsd, fit_rpc(seen, ACCURACY), bias, seen, attitude, centre)


def _pushbroom(
    centre: Centre, attitude: Attitude, gsd: float, ground: Correspondences
) -> ImagePoints:
    """Rows and columns from the middle, for a sensor whose lines are square to what it looks at."""
    place = _local(centre, ground)
    forward, across = _axes(attitude.heading_deg)
    up = np.array([0.0, 0.0, 1.0])
    start = ALTITUDE_M * (up - forward * attitude.pitch - across * attitude.roll)
    distance = np.linalg.norm(start)
    look = -start / distance
    # Columns grow to the left of a southward track, so that east lies right and nothing mirrors.
    normal = np.cross(look, across)
    normal /= np.linalg.norm(normal)
    sideways = np.cross(normal, look)
    time = ((place - start) @ normal) / (forward @ normal)
    seen = place - start - time[:, None] * forward
    angle = (seen @ sideways) / (seen @ look)
    sign = np.sign(sideways @ -across)
    return ImagePoints(time / gsd, sign * angle * distance / gsd)


def _axes(heading_deg: float) -> tuple[Points, Points]:
    """Unit vectors (east, north, up) along the track and to its right."""
    heading = np.radians(heading_deg)
    forward = np.array([np.sin(heading), np.cos(heading), 0.0])
    return forward, np.array([np.cos(heading), -np.sin(heading), 0.0])


def _local(centre: Centre, ground: Correspondences) -> Points:
    """East, north and up from the centre, straight through the curved Earth."""
    change = Transformer.from_pipeline(
        "+proj=pipeline +step +proj=unitconvert +xy_in=deg +xy_out=rad +step +proj=cart "
        "+ellps=WGS84 +step +proj=topocentric +ellps=WGS84 "
        f"+lon_0={centre.lon!r} +lat_0={centre.lat!r} +h_0={centre.height!r}"
    )
    return np.stack(change.transform(ground.lon, ground.lat, ground.height), axis=-1)
