"""One view of a scene: its camera, what it sees, and the image of it."""

from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from pyproj import Transformer
from scipy import ndimage

from core.simulate.fault import texture
from core.simulate.stereo import light, rays, shading
from core.simulate.stereo.cameras import Camera
from core.simulate.stereo.rational import ImagePoints, Points
from core.simulate.stereo.rays import Raster, Solid
from core.simulate.stereo.scenes import Scene
from core.simulate.stereo.sensor import (
    DARK_NOISE_DN,
    REACH_PX,
    SATURATED,
    SHOT_NOISE_DN,
    gather,
)
from core.simulate.stereo.sights import Sights, sights
from core.simulate.stereo.solids import with_more

Pixels = NDArray[np.uint16]
STRIP = 64
"""Rows that are rendered at once."""
CLOUD_DN = 2700.0
HIDDEN_M = 0.02
"""A point is hidden if its line of sight meets something that much higher."""


class Look(NamedTuple):
    """What is peculiar to one view.

    Parameters
    ----------
    number
        Of the view in its set; water, cars and noise are drawn by it.
    gain, offset
        Pixel values are gain * light + offset, DN.
    noise
        Over the sensor's usual noise.
    cars
        Whether cars are about.
    jitter_px
        Amplitude by which the satellite trembles.
    cloud
        Its radius over the width of the image; 0 is a clear sky.
    samples
        Lines of sight along a pixel's side.
    """

    number: int = 0
    gain: float = 1.0
    offset: float = 0.0
    noise: float = 0.0
    cars: bool = False
    jitter_px: float = 0.0
    cloud: float = 0.0
    samples: int = 4


class Surface(NamedTuple):
    """Where pixel centres see the surface: easting, northing, height above the ellipsoid."""

    x: Points
    y: Points
    height: Points


@dataclass(frozen=True, eq=False)
class View:
    """A camera over a scene.

    Parameters
    ----------
    scene, camera, look
        What is seen, from where, and how.
    time
        When the middle of the image was taken, UTC.
    """

    scene: Scene
    camera: Camera
    look: Look
    time: datetime

    @cached_property
    def lines(self) -> Sights:
        """Lines of sight of the camera that made the pixels, without jitter."""
        return sights(self.camera, self.scene.crs, self.scene.heights)

    @cached_property
    def solid(self) -> Solid:
        """The scene with this view's cars."""
        if not self.look.cars:
            return self.scene.solid
        return with_more(self.scene.solid, self.scene.cars(self.look.number))

    @cached_property
    def jitter(self) -> ImagePoints:
        """By how much each row of the image looks further down and right, pixels."""
        lot = np.random.default_rng((self.scene.seed, 9, self.look.number))
        rows = np.arange(self.camera.shape[0])
        waves = [
            sum(
                np.sin(2 * np.pi * (rows / period + lot.random())) / 2
                for period in lot.uniform(250, 1500, 2)
            )
            for _ in range(2)
        ]
        return ImagePoints(*(self.look.jitter_px * np.asarray(wave) for wave in waves))

    @cached_property
    def cloud(self) -> Raster:
        """Opacity of the cloud over each pixel."""
        shape = self.camera.shape
        if self.look.cloud == 0:
            return np.zeros(shape, np.float32)
        lot = np.random.default_rng((self.scene.seed, 13, self.look.number))
        size = min(shape)
        billows = texture((256, 256), int(lot.integers(1 << 30)), mean=0, deviation=1, roughness=2)
        rows, cols = np.ogrid[: shape[0], : shape[1]]
        middle = [length * lot.uniform(0.3, 0.7) for length in shape]
        distance = np.hypot(rows - middle[0], cols - middle[1]) / (self.look.cloud * size)
        step = 256 / (1.5 * size)
        noise = ndimage.map_coordinates(
            billows, np.broadcast_arrays(rows * step, cols * step), order=1, mode="grid-wrap"
        )
        opacity = np.clip(1.6 * (1.0 - distance) + 0.35 * noise, 0.0, 1.0)
        return np.asarray(opacity, np.float32)

    def surface(self, rows: Points, cols: Points) -> Surface:
        """What the pixels of a lattice of rows and columns see, without jitter."""
        hits = self._trace(rows, cols, np.zeros(rows.size))
        east, north = self.scene.origin
        return Surface(hits.x + east, hits.y + north, hits.height)

    def geographic(self, row: float, col: float) -> tuple[float, float]:
        """Longitude and latitude of a pixel's centre at the height of the scene's middle."""
        height = self.camera.centre.height
        x, y = self.lines.ground(np.array(row), np.array(col), np.array(height))
        change = Transformer.from_crs(self.scene.crs, "OGC:CRS84", always_xy=True)
        lon, lat = change.transform(float(x), float(y))
        return float(lon), float(lat)

    def sees(self, rows: Points, cols: Points, height: Points) -> NDArray[np.bool_]:
        """Whether points of the surface, at their places in the image, are hidden by nothing.

        The cars of the view hide nothing here: they are told by a class of their own.
        """
        lines, origin = self.lines, self.scene.origin
        return rays.visible(
            self.scene.solid,
            _from(lines.x, origin[0]),
            _from(lines.y, origin[1]),
            lines.middle,
            lines.half,
            np.ascontiguousarray(rows).ravel(),
            np.ascontiguousarray(cols).ravel(),
            np.ascontiguousarray(height).ravel(),
            self.scene.heights[1],
            HIDDEN_M,
        ).reshape(height.shape)

    def light(self) -> Raster:
        """The image before gain and noise."""
        paint = light.paint(self.scene, self.solid, self.look.number)
        height, width = self.camera.shape
        samples = self.look.samples
        offsets = (np.arange(samples) + 0.5) / samples - 0.5
        border = REACH_PX - 0.5
        count = round((width - 1 + 2 * border + 1) * samples)
        cols = offsets[0] - border + 0.5 + np.arange(count) / samples - 0.5
        image = np.empty((height, width), np.float32)
        for start in range(0, height, STRIP):
            stop = min(start + STRIP, height)
            lines = round((stop - start + 2 * border) * samples)
            rows = start + offsets[0] - border + np.arange(lines) / samples
            slips = self._at(self.jitter.col, rows)
            hits = self._trace(rows + self._at(self.jitter.row, rows), cols, slips)
            seen = shading.radiance(paint, self.solid.boxes, hits)
            image[start:stop] = gather(seen, samples)
        return image

    @cached_property
    def image(self) -> Pixels:
        """The pixels, DN of 12 bits; 0 is kept for "no data"."""
        clear = self.light()
        values = clear * (1 - self.cloud) + self.cloud * (CLOUD_DN + 0.15 * clear)
        values = self.look.gain * values + np.float32(self.look.offset)
        lot = np.random.default_rng((self.scene.seed, 17, self.look.number))
        deviation = np.sqrt(DARK_NOISE_DN**2 + SHOT_NOISE_DN * np.maximum(values, 0))
        values = values + self.look.noise * deviation * lot.standard_normal(
            values.shape, dtype=np.float32
        )
        return np.asarray(np.clip(np.rint(values), 1, SATURATED), np.uint16)

    def _trace(self, rows: Points, cols: Points, slips: Points) -> rays.Hits:
        lines, origin = self.lines, self.scene.origin
        hits = rays.trace(
            self.solid,
            _from(lines.x, origin[0]),
            _from(lines.y, origin[1]),
            lines.middle,
            lines.half,
            np.asarray(rows, np.float64),
            np.asarray(cols, np.float64),
            slips,
            self.scene.heights[1],
        )
        if np.isnan(hits.height).any():
            message = "a line of sight leaves the scene: its ground is too small for the image"
            raise ValueError(message)
        return hits

    def _at(self, wave: Points, rows: Points) -> Points:
        return np.interp(rows, np.arange(wave.size), wave)


def _from(coefficients: Points, origin: float) -> Points:
    """A polynomial for metres from an origin."""
    moved = coefficients.copy()
    moved[0, 0, 0] -= origin
    return moved
