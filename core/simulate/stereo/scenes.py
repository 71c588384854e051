"""Three invented places: a flat plain, 1500 m of relief, and a city on a slight slope."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pyproj import Transformer
from scipy import ndimage

from core.simulate.fault import texture
from core.simulate.stereo.cameras import Centre
from core.simulate.stereo.rays import CELL_M, COARSE, Points, Raster, Solid, heights
from core.simulate.stereo.shading import CITY, PLAIN, RELIEF
from core.simulate.stereo.solids import DRY, assemble, rows_of
from core.simulate.stereo.town import Plan, fleet, town

Kind = Literal["plain", "relief", "city"]


class _Site(NamedTuple):
    """Where a kind of place lies: degrees, metres above the ellipsoid, projection."""

    lon: float
    lat: float
    height: float
    crs: str
    style: int
    spacing: float
    pitch: tuple[float, float]
    street: float


_SITES: dict[str, _Site] = {
    "plain": _Site(4.62, 43.51, 60.0, "EPSG:32631", PLAIN, 2.0, (105.0, 70.0), 4.0),
    "relief": _Site(55.52, -21.12, 900.0, "EPSG:32740", RELIEF, 1.0, (105.0, 70.0), 4.0),
    "city": _Site(5.38, 43.30, 95.0, "EPSG:32631", CITY, 0.5, (84.0, 60.0), 12.0),
}
TURN_DEG = 17.0
"""Direction of parcels and blocks, anticlockwise from east."""
RELIEF_M = 1500.0
STEEPEST = 0.65
"""Relief over the width of its ground: a small piece of a mountain has less of it."""
HEADROOM_M = 60.0
"""Above the highest terrain, for buildings."""


@dataclass(frozen=True, eq=False)
class Scene:
    """The ground and everything on it that stands still.

    Parameters
    ----------
    kind, seed
        What was asked for.
    centre
        Middle, where every view looks.
    crs
        Projection of easting and northing.
    origin
        South-western node of the terrain: easting, northing.
    solid
        Terrain, water and buildings, in metres from the origin.
    """

    kind: Kind
    seed: int
    centre: Centre
    crs: str
    origin: tuple[float, float]
    solid: Solid

    @property
    def site(self) -> _Site:
        """What all places of this kind have in common."""
        return _SITES[self.kind]

    @cached_property
    def heights(self) -> tuple[float, float]:
        """Between these all surface lies."""
        return float(self.solid.low.min()) - 5.0, float(self.solid.coarse.max()) + 5.0

    @property
    def size(self) -> tuple[float, float]:
        """Metres from west to east and from south to north."""
        rows, cols = self.solid.top.shape
        return cols * CELL_M, rows * CELL_M

    def height(self, x: Points, y: Points) -> Points:
        """Height of the surface above the ellipsoid at easting and northing."""
        east, north = np.broadcast_arrays(np.asarray(x, np.float64), np.asarray(y, np.float64))
        local = (east - self.origin[0]).ravel(), (north - self.origin[1]).ravel()
        return heights(self.solid, *local).reshape(east.shape)

    def cars(self, seed: int) -> Points:
        """The cars that one view sees, as rows of solids."""
        if self.kind == "relief":
            return rows_of([])
        cars = rows_of(fleet(self.plan, np.random.default_rng((self.seed, 77, seed))))
        return cars[~self.flooded(cars[:, 0], cars[:, 1])]

    def flooded(self, x: Points, y: Points) -> NDArray[np.bool_]:
        """Whether there is water at points in metres from the origin."""
        place = np.stack([y, x]) / self.solid.spacing
        raw = ndimage.map_coordinates(self.solid.terrain, place, order=1, mode="nearest")
        return np.asarray(raw < self.solid.level)

    @cached_property
    def plan(self) -> Plan:
        """Streets and blocks."""
        return _plan(self.site, self.size, lambda x, y: heights(self.solid, x, y))


def make_scene(kind: Kind, extent_m: float, seed: int = 0, relief_m: float = RELIEF_M) -> Scene:
    """A place whose middle `extent_m` metres, as seen along each axis, can be photographed.

    The ground reaches further by what slanting views and a turned track need.
    """
    site = _SITES[kind]
    relief = min(relief_m, STEEPEST * extent_m) if kind == "relief" else 0.0
    across = 1.3 * extent_m + 0.3 * (relief + HEADROOM_M) + 40.0
    cell = CELL_M * COARSE
    across = float(np.ceil(across / cell) * cell)
    size = (across, across)
    to_plane = Transformer.from_crs("OGC:CRS84", site.crs, always_xy=True)
    x, y = to_plane.transform(site.lon, site.lat)
    # The nodes stand on whole metres.
    origin = (round(x - across / 2), round(y - across / 2))
    count = round(across / site.spacing) + 1
    terrain, level = _GROUNDS[kind](count, site, seed, relief)
    solid = assemble(terrain, site.spacing, level, rows_of([]))
    if kind == "city":
        plan = _plan(site, size, lambda east, north: heights(solid, east, north))
        boxes = town(plan, np.random.default_rng((seed, 3)))
        solid = assemble(terrain, site.spacing, level, rows_of(boxes))
    centre = Centre(site.lon, site.lat, float(np.median(terrain)))
    return Scene(kind, seed, centre, site.crs, origin, solid)


def _plan(
    site: _Site, size: tuple[float, float], height: Callable[[Points, Points], Points]
) -> Plan:
    turn = np.radians(TURN_DEG)
    return Plan(size, site.pitch, site.street, (float(np.cos(turn)), float(np.sin(turn))), height)


def _smooth(count: int, seed: int, roughness: float, reach: int = 512) -> Raster:
    """Periodic fractal noise of unit deviation, stretched from a small lattice."""
    small = texture((reach, reach), seed, mean=0.0, deviation=1.0, roughness=roughness, blur_px=2.0)
    place = np.linspace(0.0, reach / 2, count)
    rows, cols = np.meshgrid(place, place, indexing="ij")
    stretched: Raster = ndimage.map_coordinates(
        small, [rows, cols], order=3, mode="grid-wrap", output=np.float32
    )
    return stretched


def _basin(count: int, at: tuple[float, float], reach: float, depth: float) -> Raster:
    """A hollow to be flooded, in shares of the width."""
    place = np.linspace(0.0, 1.0, count, dtype=np.float32)
    u, v = (place[None, :] - at[0]) / reach, (place[:, None] - at[1]) / (0.6 * reach)
    hollow: Raster = (-depth * np.exp(-2.0 * (u**2 + v**2) ** 2)).astype(np.float32)
    return hollow


def _plain(count: int, site: _Site, seed: int, relief: float) -> tuple[Raster, float]:
    """Level ground with a pond in it."""
    del seed, relief
    terrain = np.full((count, count), site.height, np.float32)
    return terrain + _basin(count, (0.62, 0.40), 0.10, 4.0), site.height - 1.5


def _relief(count: int, site: _Site, seed: int, relief: float) -> tuple[Raster, float]:
    """A mountainside of ridges and gullies with a lake at its foot."""
    large = _smooth(count, seed + 11, 2.2, 64)
    place = np.linspace(-1.0, 1.0, count, dtype=np.float32)
    # Folding makes the ridges sharp and the valleys round.
    ridged = 0.9 * large - 1.2 * np.sqrt(large**2 + 0.02)
    slope = 0.8 * place[None, :] - 0.5 * place[:, None]
    # The finest gullies are some ten metres wide, unless the ground is too large for that.
    reach = 2 ** int(np.clip(np.log2(count * site.spacing / 2), 6, 10))
    gullies = _smooth(count, seed + 12, 1.9, reach)
    shape = ridged + slope - 0.16 * np.abs(gullies) + 0.05 * gullies
    lowest, highest = (float(f(shape)) for f in (np.min, np.max))
    terrain = site.height + relief * ((shape - lowest) / (highest - lowest) - 0.5)
    return terrain.astype(np.float32), float(np.quantile(terrain, 0.03))


def _city(count: int, site: _Site, seed: int, relief: float) -> tuple[Raster, float]:
    """A slope of two in a hundred, a little uneven."""
    del relief
    place = np.arange(count, dtype=np.float32) * np.float32(site.spacing)
    slope = 0.015 * (place[None, :] - place.mean()) + 0.01 * (place[:, None] - place.mean())
    uneven = 0.8 * _smooth(count, seed + 21, 2.0, 64)
    terrain = (site.height + slope + uneven).astype(np.float32)
    return terrain, DRY


_GROUNDS: dict[str, Callable[[int, _Site, int, float], tuple[Raster, float]]] = {
    "plain": _plain,
    "relief": _relief,
    "city": _city,
}
