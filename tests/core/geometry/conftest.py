"""Cameras whose geometry is known, the sensor models fitted to them, and models of real images."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import rasterio
from pyproj import Transformer

from core.geometry.rpc import Rpc
from core.io.products.stereo.models import model_in_tags

CENTRE = (5.5, 43.3, 400.0)
"""Longitude, latitude, height that all cameras look at."""

RANGE = (0.06, 0.05, 500.0)
ALTITUDE = 694e3
GSD = 0.5

_ECEF = Transformer.from_crs("EPSG:4979", "EPSG:4978", always_xy=True)


def ecef(lon: np.ndarray, lat: np.ndarray, height: np.ndarray) -> np.ndarray:
    return np.stack(_ECEF.transform(*np.broadcast_arrays(lon, lat, height)), axis=-1)


def east_north_up(lon: float, lat: float) -> np.ndarray:
    a, b = np.radians(lon), np.radians(lat)
    return np.array(
        [
            [-np.sin(a), np.cos(a), 0],
            [-np.sin(b) * np.cos(a), -np.sin(b) * np.sin(a), np.cos(b)],
            [np.cos(b) * np.cos(a), np.cos(b) * np.sin(a), np.sin(b)],
        ]
    )


@dataclass
class Pushbroom:
    """A line scanner on a straight path, looking at CENTRE from a given side."""

    incidence_deg: float
    azimuth_deg: float
    heading_deg: float = 190.0
    origin: tuple[float, float] = (20000.0, 15000.0)
    """Pixel of CENTRE."""

    def __post_init__(self) -> None:
        axes = east_north_up(*CENTRE[:2])
        i, a, h = np.radians([self.incidence_deg, self.azimuth_deg, self.heading_deg])
        towards = np.array([np.sin(i) * np.sin(a), np.sin(i) * np.cos(a), np.cos(i)])
        distance = ALTITUDE / np.cos(i)
        self.start = ecef(*CENTRE) + distance * towards @ axes
        self.speed = GSD * np.array([np.sin(h), np.cos(h), 0]) @ axes
        self.ahead = -towards @ axes
        right = np.cross(self.speed, self.ahead)
        self.right = right / np.linalg.norm(right)
        self.normal = np.cross(self.ahead, self.right)
        self.focal = distance / GSD

    def sensor(self, lon: np.ndarray, lat: np.ndarray, height: np.ndarray) -> np.ndarray:
        """Where the sensor stands, ECEF, when it sees a point."""
        return self.start + self._time(ecef(lon, lat, height))[..., None] * self.speed

    def project(
        self, lon: np.ndarray, lat: np.ndarray, height: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        point = ecef(lon, lat, height)
        time = self._time(point)
        look = point - self.start - time[..., None] * self.speed
        col = self.focal * (look @ self.right) / (look @ self.ahead)
        return self.origin[0] + time, self.origin[1] + col

    def sight(self, lon: float, lat: float, height: float) -> np.ndarray:
        """Unit vector to the sensor: east, north, up."""
        line = self.sensor(lon, lat, height) - ecef(lon, lat, height)
        return east_north_up(lon, lat) @ line / np.linalg.norm(line)

    def _time(self, point: np.ndarray) -> np.ndarray:
        return (point - self.start) @ self.normal / (self.speed @ self.normal)

    def rpc(self) -> Rpc:
        """The sensor model fitted to the camera: to a thousandth of a pixel and better."""
        side = np.linspace(-1, 1, 12)
        x, y, z = (part.ravel() for part in np.meshgrid(side, side, side))
        ground = [CENTRE[k] + RANGE[k] * part for k, part in enumerate((x, y, z))]
        image = self.project(*ground)
        design = terms(x, y, z)
        offsets, scales, polynomials = [], [], []
        for values in image:
            middle, half = (values.max() + values.min()) / 2, np.ptp(values) / 2
            normal = (values - middle) / half
            system = np.hstack([design, -normal[:, None] * design[:, 1:]])
            solution = np.linalg.lstsq(system, normal, rcond=1e-12)[0]
            offsets.append(float(middle))
            scales.append(float(half))
            polynomials.append(tuple(map(float, solution[:20])))
            polynomials.append((1.0, *map(float, solution[20:])))
        return Rpc(
            *offsets, CENTRE[1], CENTRE[0], CENTRE[2],
            *scales, RANGE[1], RANGE[0], RANGE[2], *polynomials,
        )  # fmt: skip


def terms(x: np.ndarray, y: np.ndarray, z: np.ndarray) -> np.ndarray:
    """The 20 terms of RPC00B, as its table lists them, along the last axis."""
    return np.stack(
        [
            np.ones_like(x), x, y, z, x * y, x * z, y * z, x**2, y**2, z**2, x * y * z,
            x**3, x * y**2, x * z**2, x**2 * y, y**3, y * z**2, x**2 * z, y**2 * z, z**3,
        ],
        axis=-1,
    )  # fmt: skip


def by_the_book(
    rpc: Rpc, lon: np.ndarray, lat: np.ndarray, height: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Row and col as the standard defines them, term by term."""
    table = terms(
        (np.asarray(lon) - rpc.lon_offset) / rpc.lon_scale,
        (np.asarray(lat) - rpc.lat_offset) / rpc.lat_scale,
        (np.asarray(height) - rpc.height_offset) / rpc.height_scale,
    )
    row = (table @ np.array(rpc.row_numerator)) / (table @ np.array(rpc.row_denominator))
    col = (table @ np.array(rpc.col_numerator)) / (table @ np.array(rpc.col_denominator))
    return rpc.row_offset + rpc.row_scale * row, rpc.col_offset + rpc.col_scale * col


@pytest.fixture(scope="session")
def pushbroom() -> Callable[..., Pushbroom]:
    return Pushbroom


@pytest.fixture(scope="session")
def forward() -> Callable[..., tuple[np.ndarray, np.ndarray]]:
    """The slow twin of the forward model."""
    return by_the_book


@pytest.fixture(scope="session")
def stereo_rpcs() -> tuple[Rpc, Rpc, Rpc]:
    """Three models with B/H of 0.26 between the first and the last."""
    return (Pushbroom(8.0, 10).rpc(), Pushbroom(3.0, 95).rpc(), Pushbroom(7.0, 190).rpc())


@dataclass(frozen=True)
class RealImage:
    """A real image's model as we hold it, as GDAL holds it, and the image's shape."""

    rpc: Rpc
    gdal: rasterio.rpc.RPC
    shape: tuple[int, int]


@pytest.fixture(scope="session")
def real_images(shared_data: Path) -> Mapping[str, RealImage]:
    folder = shared_data / "stereo"
    files = sorted(
        file
        for pattern in (
            "s2p_*/img_*.tif",
            "orthority_qb2/*.tif",
            "dimap_samples/*.NTF",
            "dimap_fixture/*/IMG*/DIM*.XML",
        )
        for file in folder.glob(pattern)
    )
    images = {}
    for file in files:
        with rasterio.open(file) as source:
            images[f"{file.parent.name}/{file.name}"] = RealImage(
                model_in_tags(source.tags(ns="RPC"), file.name, ""), source.rpcs, source.shape
            )
    return images
