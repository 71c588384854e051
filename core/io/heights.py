"""Rasters of heights that users bring, as files: formats, systems, units, and what is no height."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import rasterio
from numpy.typing import NDArray
from pyproj import CRS
from pyproj.exceptions import CRSError

from core.errors import BandMissing, NoGeoreference, UnknownFormat
from core.geometry.datum import HIGHEST_M, LOWEST_M, vertical_system
from core.grid import Grid
from core.io.gdal import leash, open_dataset, raster_window, reading
from core.tiling import Window

Floats = NDArray[np.float64]

DRIVERS = (
    "GTiff", "JP2OpenJPEG", "AAIGrid", "GRASSASCIIGrid", "SRTMHGT", "DTED", "USGSDEM", "GTX", "BT",
    "GSAG", "GSBG", "GS7BG", "NITF", "GPKG", "netCDF", "XYZ",
)  # fmt: skip
"""Formats that one file holds.  None of them opens another file that a user has named."""

FOOT_M = 0.3048
_FEET = {"ft", "foot", "feet", "us-ft", "us survey foot"}


@dataclass(frozen=True)
class HeightFile:
    """A raster of heights, known from its header.  May be sent to other processes.

    Parameters
    ----------
    path, driver
        The file and how GDAL opens it.
    grid
        Its cells, in its horizontal system.
    unit_m
        Metres of a unit of the stored heights, scale apart; 1 where a vertical system tells it.
    pointer
        Where the request names it.
    """

    path: Path
    driver: str
    grid: Grid
    unit_m: float
    pointer: str

    def strips(self, window: Window, factor: int, rows: int) -> Iterator[Floats]:
        """Heights of a window, some rows at a time, of every so many cells; NaN where none is."""
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
                yield _plausible(values, scale * self.unit_m, offset * self.unit_m)


def opened_heights(path: Path, pointer: str) -> rasterio.DatasetReader:
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


def height_file(
    path: Path,
    dataset: rasterio.DatasetReader,
    system: CRS,
    pointer: str,
    *,
    told: str | None = None,
) -> HeightFile:
    """The heights of an open file in its system; `told` is the vertical part, if that counts."""
    plane = system.sub_crs_list[0] if system.is_compound else system.to_2d()
    return HeightFile(
        path=path,
        driver=dataset.driver,
        grid=Grid(dataset.shape, dataset.transform, plane.to_wkt()),
        unit_m=_unit(dataset, told),
        pointer=pointer,
    )


def _unit(dataset: rasterio.DatasetReader, told: str | None) -> float:
    """Metres of a unit of the heights; a vertical system knows its own."""
    if told is not None and vertical_system(told) is not None:
        return 1.0
    return FOOT_M if (dataset.units[0] or "").lower() in _FEET else 1.0


def _plausible(
    values: "np.ma.MaskedArray[tuple[int, int], np.dtype[np.generic]]", scale: float, offset: float
) -> Floats:
    """Stored heights in metres; NaN where there is none, or none that the Earth has."""
    heights: Floats = values.filled(0).astype(np.float64) * scale + offset
    heights[np.ma.getmaskarray(values)] = np.nan
    heights[~((heights >= LOWEST_M) & (heights <= HIGHEST_M))] = np.nan
    return heights
