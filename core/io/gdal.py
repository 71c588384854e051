"""GDAL on a short leash: few drivers, no side files, a small cache, only local paths.

GDAL opens whatever a file claims to be, and a VRT names other files and URLs.  Every dataset of a
user is opened here, by one of the drivers of a list, and never by a name that GDAL could take for
anything but a file that our own fetcher put there.
"""

import errno
import re
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import rasterio
from rasterio.env import Env
from rasterio.errors import CRSError, RasterioError
from rasterio.windows import Window as RasterWindow

from core.errors import BadRaster, DiskFull, UnknownFormat
from core.grid import Grid
from core.tiling import Window

CACHE_BYTES = 64 << 20
"""GDAL's block cache.  Its default is a twentieth of the machine's memory, for each process.  All
bands of a block of JPEG 2000 are decoded together, and have to stay until each was read."""

DRIVERS = ("GTiff", "JP2OpenJPEG", "ENVI")
"""Formats of users' rasters.  A COG is a GTiff.  No VRT: it would open what it names."""

_WITH_HEADER = {"ENVI": {"GDAL_DISABLE_READDIR_ON_OPEN": "TRUE"}}
"""Formats of two files: the header lies beside the pixels, under the same name."""

BLOCK = 512
"""Side of the tiles of what is written."""

OPTIONS: dict[str, object] = {
    "GDAL_CACHEMAX": CACHE_BYTES,
    # Side files (.aux.xml, .msk, .ovr) are opened by any driver, so none is looked for.
    "GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR",
    "GDAL_PAM_ENABLED": "NO",
    "GDAL_NUM_THREADS": "1",
    "GDAL_TIFF_INTERNAL_MASK": "YES",
    "GDAL_HTTP_MAX_RETRY": "0",
    "CPL_VSIL_CURL_ALLOWED_EXTENSIONS": "{none}",
    # A pixel-is-point raster is shifted by half a pixel, as the standard says.
    "GTIFF_POINT_GEO_IGNORE": "NO",
}

_FULL = re.compile(r"no space left|too large|quota|write error|fail\w* to write", re.IGNORECASE)
"""GDAL rarely tells why a local file cannot be written; a full disk is the one usual reason."""


def leash() -> Env:
    """The environment in which GDAL runs here; to be entered in each thread that uses it."""
    return Env(**OPTIONS)


@contextmanager
def opened(path: str | Path, *, pointer: str = "") -> Iterator[rasterio.DatasetReader]:
    """A user's raster, for reading.

    Parameters
    ----------
    path
        A local file, or a member of a local archive as ``/vsizip/``.
    pointer
        Where the request names it.

    Raises
    ------
    UnknownFormat
        It is none of the formats of `DRIVERS`.
    """
    with leash():
        dataset = open_dataset(path, pointer=pointer)
        try:
            yield dataset
        finally:
            dataset.close()


def open_dataset(
    path: str | Path, *, drivers: tuple[str, ...] = DRIVERS, pointer: str = "", **options: int
) -> rasterio.DatasetReader:
    """As :func:`opened`, for callers that keep the dataset; they enter :func:`leash` themselves.

    `options` are those of GDAL's drivers, such as ``overview_level``.
    """
    causes: list[Exception] = []
    for driver in drivers:
        try:
            with Env(**_WITH_HEADER[driver]) if driver in _WITH_HEADER else nullcontext():
                return rasterio.open(path, driver=driver, **options)
        except (RasterioError, CRSError, ValueError) as error:
            causes.append(error)
    raise UnknownFormat(
        "The file cannot be opened as a GeoTIFF or JPEG 2000 image: it is damaged, truncated, "
        "or of another format.",
        pointer=pointer,
        allowed="a GeoTIFF, a COG, a JPEG 2000 image, or a Sentinel-2 product",
    ) from ExceptionGroup("no driver opened it", causes)


def raster_window(window: Window) -> RasterWindow:
    """A window as rasterio counts: columns first."""
    return RasterWindow(window.col, window.row, window.width, window.height)


def created(path: Path, grid: Grid, *, count: int = 1, **options: object) -> Any:
    """A new GeoTIFF of tiles on a grid, to be written; callers enter :func:`writing` themselves.

    Parameters
    ----------
    options
        Type of the pixels, value without data, and what GDAL's driver knows.
    """
    height, width = grid.shape
    return rasterio.open(
        path,
        "w",
        driver="GTiff",
        height=height,
        width=width,
        count=count,
        crs=grid.crs,
        transform=grid.transform,
        tiled=True,
        blockxsize=BLOCK,
        blockysize=BLOCK,
        **options,
    )


@contextmanager
def writing(what: str) -> Iterator[None]:
    """Turn GDAL's complaints while a file is written into errors with a code."""
    try:
        with leash():
            yield
    except Exception as error:
        if _disk_is_full(error):
            raise DiskFull(f"There was no space left to write {what}.") from error
        raise


def _disk_is_full(error: Exception) -> bool:
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return True
    # Some of GDAL's errors come through as classes of a private module.
    chain = " ".join(map(str, (error, error.__cause__, error.__context__)))
    return type(error).__module__.startswith("rasterio") and bool(_FULL.search(chain))


@contextmanager
def reading(name: str, *, pointer: str = "") -> Iterator[None]:
    """Turn GDAL's complaints while pixels are read into errors with a code."""
    try:
        with leash():
            yield
    except RasterioError as error:
        raise BadRaster(
            f"The pixels of {name} cannot be read: the file is damaged or truncated.",
            pointer=pointer,
        ) from error
