"""Elevation models that users bring: where to look for the ground, and what to compare it with.

They may have any coordinate reference system, resolution, gaps and mistakes; nothing of them gets
into a result.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import rasterio
from affine import Affine
from numpy.typing import ArrayLike, NDArray
from pyproj import CRS, Transformer
from pyproj.exceptions import CRSError
from scipy import ndimage

from core.errors import (
    BandMissing,
    Inconsistent,
    InputError,
    NoGeoreference,
    UnknownFormat,
)
from core.geometry.datum import ELLIPSOID, HIGHEST_M, LOWEST_M, HeightDatum, vertical_system
from core.grid import GEOGRAPHIC
from core.io.gdal import leash, open_dataset, raster_window, reading
from core.tiling import Window, whole

Floats = NDArray[np.float64]

DRIVERS = (
    "GTiff", "JP2OpenJPEG", "AAIGrid", "GRASSASCIIGrid", "SRTMHGT", "DTED", "USGSDEM", "GTX", "BT",
    "GSAG", "GSBG", "GS7BG", "NITF", "GPKG", "netCDF", "XYZ",
)  # fmt: skip
"""Formats that one file holds.  None of them opens another file that a user has named."""

STRIP_CELLS = 4_000_000
"""Cells that are read at a time."""

MOST_CELLS = 64_000_000
"""Cells that are looked at for the lowest and highest; of more, some are left out."""

FOOT_M = 0.3048
_FEET = {"ft", "foot", "feet", "us-ft", "us survey foot"}


class Heights(NamedTuple):
    """The lowest and the highest ground of an area, metres above the ellipsoid."""

    low: float
    high: float


@dataclass(frozen=True)
class ElevationPrior:
    """An elevation model, its heights above the ellipsoid.  May be sent to other processes.

    Parameters
    ----------
    path, driver
        The file and how GDAL opens it.
    crs
        Its horizontal system, WKT.
    transform, shape
        Of its cells.
    unit_m
        Metres of a unit of the stored heights, scale apart; 1 where the datum's system tells it.
    datum
        What the heights are counted from.
    pointer
        Where the request names it.
    """

    path: Path
    driver: str
    crs: str
    transform: Affine
    shape: tuple[int, int]
    unit_m: float
    datum: HeightDatum
    pointer: str

    def sampled(self, lon: ArrayLike, lat: ArrayLike) -> Floats:
        """Heights at places in degrees (broadcast), bilinear; NaN where the model has none."""
        lon, lat = np.broadcast_arrays(np.asarray(lon, np.float64), np.asarray(lat, np.float64))
        row, col = self._cells(lon, lat)
        found = np.full(lon.shape, np.nan)
        rows, cols = self.shape
        inside = (np.abs(row - (rows - 1) / 2) <= rows / 2) & (
            np.abs(col - (cols - 1) / 2) <= cols / 2
        )
        if not inside.any():
            return found
        window = _holding(row[inside], col[inside], self.shape)
        factor = _factor(window, STRIP_CELLS)
        values = next(self._strips(window, factor, window.height))
        # Of a reduced piece, a cell's middle is that of the cells it stands for.
        places = [
            (axis[inside] - start + 0.5) * size / length - 0.5
            for axis, start, size, length in zip(
                (row, col), (window.row, window.col), values.shape, window.shape, strict=True
            )
        ]
        heights = ndimage.map_coordinates(values, places, order=1, mode="nearest")
        found[inside] = self.datum.ellipsoidal(lon[inside], lat[inside], heights)
        return found

    def range(self, lon: ArrayLike, lat: ArrayLike) -> Heights | None:
        """The lowest and highest ground of the rectangle of cells that holds all of some places.

        None where the model has no height there.
        """
        lon, lat = np.asarray(lon, np.float64).ravel(), np.asarray(lat, np.float64).ravel()
        row, col = self._cells(lon, lat)
        known = np.isfinite(row) & np.isfinite(col)
        if not known.any():
            return None
        window = _holding(row[known], col[known], self.shape)
        if window.empty:
            return None
        low, high = np.inf, -np.inf
        factor = _factor(window, MOST_CELLS)
        for values in self._strips(window, factor, max(STRIP_CELLS // window.width, 1)):
            if np.isfinite(values).any():
                low, high = min(low, np.nanmin(values)), max(high, np.nanmax(values))
        if low > high:
            return None
        # A geoid is smooth: its heights at the places stand for those in between.
        ends = [self.datum.ellipsoidal(lon[known], lat[known], level) for level in (low, high)]
        if not all(np.isfinite(end).any() for end in ends):
            return None
        return Heights(float(np.nanmin(ends[0])), float(np.nanmax(ends[1])))

    def _cells(self, lon: Floats, lat: Floats) -> tuple[Floats, Floats]:
        """Fractional rows and columns of places; whole numbers are middles of cells."""
        x, y = Transformer.from_crs(GEOGRAPHIC, self.crs, always_xy=True).transform(lon, lat)
        col, row = ~self.transform @ (np.asarray(x), np.asarray(y))
        return np.asarray(row) - 0.5, np.asarray(col) - 0.5

    def _strips(self, window: Window, factor: int, rows: int) -> Iterator[Floats]:
        """Heights of a window, some rows at a time; NaN where there are none."""
        with (
            reading("the elevation model", pointer=self.pointer),
            leash(),
            open_dataset(self.path, drivers=(self.driver,), pointer=self.pointer) as dataset,
        ):
            for top in range(0, window.height, rows):
                height = min(rows, window.height - top)
                strip = Window(window.row + top, window.col, height, window.width)
                values = dataset.read(
                    1,
                    window=raster_window(strip),
                    out_shape=(-(-height // factor), -(-window.width // factor)),
                    masked=True,
                )
                scale, offset = dataset.scales[0], dataset.offsets[0]
                yield plausible(values, scale * self.unit_m, offset * self.unit_m)


def open_elevation(
    path: Path,
    bounds: tuple[float, float, float, float],
    *,
    datum: str | None = None,
    pointer: str = "",
    datum_pointer: str = "",
) -> ElevationPrior:
    """An elevation model, from its header.

    Parameters
    ----------
    path
        The file.
    bounds
        West, south, east, north of all that will be asked, degrees.
    datum
        What its heights are counted from, where the file does not tell.  Neither: the ellipsoid.
    pointer, datum_pointer
        Where the request names the file and the datum.

    Raises
    ------
    UnknownFormat, BandMissing, NoGeoreference
        It is no raster of heights that lies on the Earth.
    Inconsistent
        The file tells another datum.
    GridMissing, UnknownDatum
        Its heights cannot be turned into ellipsoidal ones here.
    """
    with leash(), opened_elevation(path, pointer) as dataset:
        system = system_of(dataset, pointer)
        told = _vertical(system)
        _check_datum(told, datum, datum_pointer)
        try:
            heights = HeightDatum(told or datum or ELLIPSOID, bounds)
        except InputError as error:
            error.pointer = pointer if told else datum_pointer
            raise
        return ElevationPrior(
            path=path,
            driver=dataset.driver,
            crs=_horizontal(system).to_wkt(),
            transform=dataset.transform,
            shape=dataset.shape,
            unit_m=height_unit(dataset, told),
            datum=heights,
            pointer=pointer,
        )


def opened_elevation(path: Path, pointer: str) -> rasterio.DatasetReader:
    """The file as a dataset; callers enter :func:`leash` and close it."""
    try:
        # Without it, GDAL keeps the vertical system of older GeoTIFFs to itself.
        with rasterio.Env(GTIFF_REPORT_COMPD_CS=True):
            return open_dataset(path, drivers=DRIVERS, pointer=pointer)
    except UnknownFormat as error:
        raise UnknownFormat(
            "The elevation model cannot be opened: it is damaged, or of a format that is not read.",
            pointer=pointer,
            allowed="a GeoTIFF, or another raster format that one file holds",
        ) from error


def system_of(dataset: rasterio.DatasetReader, pointer: str) -> CRS:
    """The coordinate reference system of one band of heights; refused where it is none."""
    if dataset.count != 1 or np.dtype(dataset.dtypes[0]).kind == "c":
        raise BandMissing(
            f"The elevation model has {dataset.count} bands of {dataset.dtypes[0]}.",
            pointer=pointer,
            allowed="one band of heights",
        )
    if dataset.crs is None or dataset.transform.is_identity:
        lacking = "coordinate reference system" if dataset.crs is None else "geotransform"
        raise NoGeoreference(
            f"The elevation model has no {lacking}.",
            pointer=pointer,
            allowed="a raster that tells where it lies",
        )
    try:
        return CRS.from_wkt(dataset.crs.to_wkt())
    except CRSError as error:
        raise NoGeoreference(
            "The coordinate reference system of the elevation model is not known.", pointer=pointer
        ) from error


def _horizontal(system: CRS) -> CRS:
    return system.sub_crs_list[0] if system.is_compound else system.to_2d()


def _vertical(system: CRS) -> str | None:
    """The vertical system of a file; None where it tells none."""
    if system.is_compound:
        return system.to_wkt()
    return ELLIPSOID if len(system.axis_info) == 3 else None


def height_unit(dataset: rasterio.DatasetReader, told: str | None) -> float:
    """Metres of a unit of the heights; a vertical system knows its own."""
    if told is not None and vertical_system(told) is not None:
        return 1.0
    return FOOT_M if (dataset.units[0] or "").lower() in _FEET else 1.0


def _check_datum(told: str | None, asked: str | None, pointer: str) -> None:
    if told is None or asked is None:
        return
    systems = [vertical_system(name) for name in (told, asked)]
    names = [ELLIPSOID if system is None else system.name for system in systems]
    if names[0] != names[1]:
        raise Inconsistent(
            f"The elevation model tells that its heights are counted from {names[0]}, dem_datum "
            f"says {asked}.",
            pointer=pointer,
            value=asked,
            allowed="no dem_datum, or a file without a vertical system",
        )


def _holding(row: Floats, col: Floats, shape: tuple[int, int]) -> Window:
    """The cells around places, inside the raster."""
    top, left = int(np.floor(row.min())), int(np.floor(col.min()))
    bottom, right = int(np.ceil(row.max())), int(np.ceil(col.max()))
    return Window(top, left, bottom - top + 1, right - left + 1) & whole(shape)


def _factor(window: Window, most: int) -> int:
    """Every how many cells are read, so that they are no more than allowed."""
    return max(int(np.ceil(np.sqrt(window.height * window.width / most))), 1)


def plausible(
    values: "np.ma.MaskedArray[tuple[int, int], np.dtype[np.generic]]", scale: float, offset: float
) -> Floats:
    """Stored heights in metres; NaN where there is none, or none that the Earth has."""
    heights: Floats = values.filled(0).astype(np.float64) * scale + offset
    heights[np.ma.getmaskarray(values)] = np.nan
    heights[~((heights >= LOWEST_M) & (heights <= HIGHEST_M))] = np.nan
    return heights
