"""Heights above the ellipsoid and above a geoid or another vertical reference.

The difference comes from grids that PROJ reads.  None is part of the Python packages, and where one
is missing PROJ by default returns heights **unchanged**: here that is an error.
"""

import warnings
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pyproj import CRS
from pyproj.aoi import AreaOfInterest
from pyproj.crs import CompoundCRS
from pyproj.enums import TransformDirection
from pyproj.exceptions import CRSError
from pyproj.transformer import Transformer, TransformerGroup

from core.errors import GridMissing, UnknownDatum

Floats = NDArray[np.float64]

ELLIPSOID = "ellipsoid"
"""Name of the datum of sensor models: heights above the ellipsoid of WGS84."""

NAMED = {"egm96": "EPSG:5773", "egm2008": "EPSG:3855"}
"""Geoids that have a name of their own here."""

LOWEST_M, HIGHEST_M = -1000.0, 10_000.0
"""Heights beyond are no heights of the ground, whatever a file says of them."""

WGS84 = "EPSG:4326"
WGS84_3D = "EPSG:4979"

WHERE_GRIDS_GO = (
    "PROJ's folder of the account that runs OptiGround (~/.local/share/proj, or the folder that "
    "PROJ_USER_WRITABLE_DIRECTORY names)"
)


@dataclass(frozen=True)
class HeightDatum:
    """What heights are counted from.

    One transformation serves all points, whatever the tiles: the best that PROJ knows for the area.

    Parameters
    ----------
    name
        ``ellipsoid``, ``egm96``, ``egm2008``, or anything that names a vertical reference system:
        ``EPSG:n``, WKT, also of a compound system.
    bounds
        West, south, east, north of all that will be asked, degrees; west is larger than east where
        the area crosses the date line.

    Raises
    ------
    UnknownDatum
        If the name means no vertical reference system, or none that is tied to the ellipsoid here.
    GridMissing
        If the best transformation needs a grid that is not there.
    """

    name: str
    bounds: tuple[float, float, float, float]

    def __post_init__(self) -> None:
        if self.system is not None:
            _operation(self.system.to_wkt(), self.bounds)

    @cached_property
    def system(self) -> CRS | None:
        """The vertical reference system; None for the ellipsoid."""
        return vertical_system(self.name)

    @property
    def words(self) -> str:
        """The datum as a reader knows it."""
        return "the WGS 84 ellipsoid" if self.system is None else self.system.name

    @property
    def transformation(self) -> str:
        """Name of the transformation, for the records; empty for the ellipsoid."""
        if self.system is None:
            return ""
        return _operation(self.system.to_wkt(), self.bounds).name

    def above(self, lon: ArrayLike, lat: ArrayLike, ellipsoidal: ArrayLike) -> Floats:
        """Heights above this datum of points whose height above the ellipsoid is known.

        Parameters
        ----------
        lon, lat, ellipsoidal
            Degrees and metres; broadcast.  NaN stays NaN.

        Returns
        -------
        Floats
            In the unit of the reference system, which is the metre for all geoids; NaN outside the
            grid.
        """
        return self._converted(lon, lat, ellipsoidal, TransformDirection.FORWARD)

    def ellipsoidal(self, lon: ArrayLike, lat: ArrayLike, height: ArrayLike) -> Floats:
        """Heights above the ellipsoid, metres: the inverse of :meth:`above`."""
        return self._converted(lon, lat, height, TransformDirection.INVERSE)

    def compound(self, horizontal: str) -> str:
        """A horizontal reference system completed by this datum, as WKT.

        Parameters
        ----------
        horizontal
            Projected or geographic system in two dimensions, WKT or ``EPSG:n``.
        """
        plane = CRS.from_user_input(horizontal)
        if self.system is None:
            return plane.to_3d().to_wkt()
        return CompoundCRS(f"{plane.name} + {self.system.name}", [plane, self.system]).to_wkt()

    def _converted(
        self, lon: ArrayLike, lat: ArrayLike, height: ArrayLike, direction: TransformDirection
    ) -> Floats:
        x, y, z = (
            np.array(part, np.float64)
            for part in np.broadcast_arrays(lon, lat, np.asarray(height, np.float64))
        )
        if self.system is None:
            return z
        pipeline = _operation(self.system.to_wkt(), self.bounds).pipeline
        _, _, out = pipeline.transform(x, y, z, direction=direction)
        # PROJ says "nowhere" by infinity.
        return np.where(np.isfinite(out), out, np.nan)


def vertical_system(name: str) -> CRS | None:
    """The vertical reference system that a name means; None for the ellipsoid."""
    if name.lower() == ELLIPSOID:
        return None
    try:
        system = CRS.from_user_input(NAMED.get(name.lower(), name))
    except CRSError:
        raise _unknown(name) from None
    if system.is_vertical and not system.is_compound:
        return system
    parts = [part for part in system.sub_crs_list if part.is_vertical]
    if parts:
        return parts[0]
    if len(system.axis_info) == 3 and not system.is_geocentric:
        return None
    raise _unknown(name)


def _unknown(name: str) -> UnknownDatum:
    known = ", ".join([ELLIPSOID, *NAMED])
    return UnknownDatum(
        f"{name!r} is no vertical reference system; known are {known} and the EPSG codes of "
        "vertical systems (EPSG:5773).",
        value=name,
        allowed=f"{known}, EPSG:n",
    )


class _Operation(NamedTuple):
    name: str
    pipeline: Transformer


@lru_cache(maxsize=32)
def _operation(vertical: str, bounds: tuple[float, float, float, float]) -> _Operation:
    """The best transformation from the ellipsoid to a vertical system, never a ballpark one."""
    system = CRS.from_wkt(vertical)
    geoidal = CompoundCRS(f"WGS 84 + {system.name}", [CRS(WGS84), system])
    with warnings.catch_warnings():
        # What PROJ warns of, a missing grid, is raised below.
        warnings.simplefilter("ignore")
        group = TransformerGroup(
            CRS(WGS84_3D),
            geoidal,
            always_xy=True,
            allow_ballpark=False,
            area_of_interest=AreaOfInterest(*bounds),  # type: ignore[arg-type] # a slip of its stub
        )
    if group.transformers and group.best_available:
        best = group.transformers[0]
        # Those of a group may not be used by two threads at a time, those of a text may.
        pipeline = Transformer.from_pipeline(best.definition)
        return _Operation(best.description.partition(" (with axis")[0], pipeline)
    # PROJ lists the best first.
    missing = [
        grid
        for operation in group.unavailable_operations[:1]
        for grid in operation.grids
        if not grid.available
    ]
    if not missing:
        raise UnknownDatum(
            f"No transformation between the WGS 84 ellipsoid and {system.name} is known here.",
            value=system.name,
            allowed="a datum that PROJ can reach in this area",
        )
    files = " and ".join(grid.short_name for grid in missing)
    fetched = [grid.short_name for grid in missing if grid.url]
    how = f"; `pyproj sync --file {fetched[0]}` fetches it" if fetched else ""
    raise GridMissing(
        f"Heights above {system.name} need the grid {files}, which is not installed. Put it into "
        f"{WHERE_GRIDS_GO}{how}.",
        value=system.name,
        allowed="a datum whose grid is installed",
    )
