"""Masks that users bring: rasters and polygons, in any coordinate reference system."""

from pathlib import Path

import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio.errors import RasterioError
from rasterio.warp import Resampling, reproject

from core.errors import BandMissing, NoGeoreference, UnknownFormat
from core.grid import Grid
from core.io.gdal import opened, raster_window, reading
from core.io.vectors import burned, polygons, read_polygons
from core.tiling import Window, whole

_RASTERS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+", b"\0\0\0\x0cjP  ", b"\xff\x4f\xff\x51")
"""First bytes of TIFF, BigTIFF and JPEG 2000."""


TOLD = 5
"""Polygons that notes tell one by one."""


def user_mask(path: Path, grid: Grid, window: Window, *, pointer: str = "") -> NDArray[np.bool_]:
    """Where a user's mask hides the ground, for a window of a grid.

    Parameters
    ----------
    path
        A raster of one band, which hides where it is not 0 (its nodata and what lies outside hide
        nothing), or polygons, which hide the pixels whose centre they hold.
    grid, window
        The pixels; the window may reach outside the grid.
    pointer
        Where the request names the mask.
    """
    part = grid.crop(window)
    if _is_raster(path):
        return _from_raster(path, part, pointer)
    return burned(polygons(path, grid.crs, pointer=pointer), part)


def mask_notes(path: Path, crs: str, *, pointer: str) -> tuple[str, ...]:
    """What was repaired and left out of a mask of polygons, a sentence each.

    Parameters
    ----------
    crs
        Of the pixels that it hides.
    pointer
        Where the request names the mask.
    """
    if _is_raster(path):
        return ()
    name = pointer.removeprefix("/inputs/")
    changes = read_polygons(path, crs, pointer=pointer).report.changes
    told = tuple(f"{name}: {change}" for change in changes[:TOLD])
    more = len(changes) - len(told)
    return (*told, f"{name}: so were {more} more, or left out.") if more else told


def _is_raster(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(16).startswith(_RASTERS)


def _from_raster(path: Path, grid: Grid, pointer: str) -> NDArray[np.bool_]:
    with reading("the mask", pointer=pointer), opened(path, pointer=pointer) as source:
        if source.count != 1:
            raise BandMissing(
                f"The mask has {source.count} bands.", pointer=pointer, allowed="a mask of one band"
            )
        if source.crs is None:
            raise NoGeoreference("The mask has no coordinate reference system.", pointer=pointer)
        layer = Grid(source.shape, source.transform, source.crs.to_wkt())
        row, col = layer.offset(grid)
        aligned = abs(row - round(row)) < 0.01 and abs(col - round(col)) < 0.01
        if layer.same_pixels(grid) and aligned:
            return _cut(source, Window(round(row), round(col), *grid.shape))
        return _warped(source, grid, pointer)


def _hiding(values: NDArray[np.generic], nodata: float | None) -> NDArray[np.bool_]:
    hidden: NDArray[np.bool_] = (values != 0) & ~np.isnan(values)
    return hidden if nodata is None else hidden & (values != nodata)


def _cut(source: rasterio.DatasetReader, window: Window) -> NDArray[np.bool_]:
    result = np.zeros(window.shape, np.bool_)
    inside = window & whole(source.shape)
    if not inside.empty:
        values = source.read(1, window=raster_window(inside))
        result[inside.inside(window).slices] = _hiding(values, source.nodata)
    return result


def _warped(source: rasterio.DatasetReader, grid: Grid, pointer: str) -> NDArray[np.bool_]:
    values = np.zeros(grid.shape, source.dtypes[0])
    try:
        reproject(
            rasterio.band(source, 1),
            values,
            dst_transform=grid.transform,
            dst_crs=grid.crs,
            src_nodata=source.nodata,
            dst_nodata=source.nodata,
            init_dest_nodata=False,
            resampling=Resampling.nearest,
            num_threads=1,
        )
    except RasterioError as error:
        raise UnknownFormat("The mask cannot be laid over the images.", pointer=pointer) from error
    return _hiding(values, source.nodata)
