"""Resamples an image onto another grid, once, without ever mixing in what is no data."""

import math
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from affine import Affine
from numpy.typing import NDArray
from pyproj import Transformer
from rasterio.errors import RasterioError
from rasterio.warp import Resampling, reproject

from core.errors import UnsupportedGrid
from core.grid import Grid
from core.io.class_layers import write_bits
from core.io.clouds import cloud
from core.io.gdal import created, leash, raster_window, writing
from core.io.products.scene import Scene
from core.io.reader import Reader
from core.progress import QUIET, Progress
from core.tiling import Window, tiles

Floats = NDArray[np.float64]

SIDE = 1024
KERNEL = 2
"""Pixels on either side that cubic convolution looks at."""
TOLERANCE_PX = 0.002
"""Error allowed in the position of a pixel.  GDAL's own default of 0.125 px is what is measured."""


def warp(scene: Scene, grid: Grid, path: Path, progress: Progress = QUIET) -> Scene:
    """The scene resampled onto a grid by cubic convolution.

    A pixel gets a value only if all the pixels that it is made from have one.  A pixel made from
    a saturated one is saturated.

    Parameters
    ----------
    scene
        A staged scene.
    grid
        The pixels wanted.
    path
        The file to make (float32, NaN where nothing is known); the cloud layer lies beside it.
    progress
        Told after each tile.
    """
    if scene.zero_border:
        message = "a scene is staged before it is warped"
        raise ValueError(message)
    clouds = None
    if scene.cloud is not None:
        beside = path.with_name(f"{path.stem}.cloud.tif")
        write_bits(beside, grid, _clouds(scene, grid))
        clouds = replace(scene.cloud, path=str(beside), near=True)
    with writing("a resampled image"), Reader(scene) as reader, _target(path, grid) as target:
        for tile in tiles(grid.shape, SIDE):
            part = raster_window(tile.core)
            target.write(_resampled(reader, grid.crop(tile.core)), 1, window=part)
            progress.report((tile.number + 1) / tile.count, f"resampling {scene.name}")
    note = f"{scene.name} was resampled (cubic convolution) onto the pixels of the reference."
    return replace(
        scene,
        path=str(path),
        band=1,
        alpha=None,
        grid=grid,
        dtype="float32",
        nodata=math.nan,
        validity="nan",
        cloud=clouds,
        block_bytes=0,
        warnings=(*scene.warnings, note),
    )


def _target(path: Path, grid: Grid) -> Any:
    return created(path, grid, dtype="float32", nodata=math.nan, BIGTIFF="IF_SAFER")


def _resampled(reader: Reader, part: Grid) -> NDArray[np.float32]:
    """The pixels of a small grid."""
    source = reader.scene.grid
    result = np.full(part.shape, np.nan, np.float32)
    found = source_window(source, part)
    if found is None:
        return result
    window, reach = found
    pixels = reader.read(window)
    if not pixels.valid.any():
        return result
    place = source.crop(window)
    values = _moved(pixels.values, place, part, Resampling.cubic, 0.0)
    size = 2 * reach + 1
    known = _moved(_grown(~pixels.valid, size), place, part, Resampling.nearest, 1) == 0
    np.copyto(result, values, where=known)
    if pixels.saturated.any():
        bright = _moved(_grown(pixels.saturated, size), place, part, Resampling.nearest, 0) != 0
        result[bright & known] = reader.scene.saturation
    return result


def _grown(mask: NDArray[np.bool_], size: int) -> NDArray[np.uint8]:
    from scipy.ndimage import maximum_filter

    grown: NDArray[np.uint8] = maximum_filter(mask.astype(np.uint8), size, mode="nearest")
    return grown


def source_window(source: Grid, part: Grid) -> tuple[Window, int] | None:
    """The window of a source that a part is made from, and the reach of the kernel in pixels.

    None where they have no common ground.
    """
    height, width = part.shape
    along = np.linspace(0, 1, 21)
    edge = np.concatenate([along, along, np.zeros(21), np.ones(21)])
    other = np.concatenate([np.zeros(21), np.ones(21), along, along])
    x, y = _applied(part.transform, edge * width, other * height)
    east, north = Transformer.from_crs(part.crs, source.crs, always_xy=True).transform(x, y)
    if not (np.isfinite(east).all() and np.isfinite(north).all()):
        return None
    cols, rows = _applied(~source.transform, east, north)
    coarser = max(np.ptp(rows) / height, np.ptp(cols) / width, 1.0)
    reach = math.ceil(KERNEL * coarser) + 1
    top, left = math.floor(rows.min()) - reach, math.floor(cols.min()) - reach
    window = Window(
        top, left, math.ceil(rows.max()) + reach - top, math.ceil(cols.max()) + reach - left
    )
    return None if (window & source.window).empty else (window, reach)


def _applied(t: Affine, x: Floats, y: Floats) -> tuple[Floats, Floats]:
    return t.a * x + t.b * y + t.c, t.d * x + t.e * y + t.f


def _moved[T: np.generic](
    values: NDArray[T], source: Grid, part: Grid, resampling: Resampling, outside: float
) -> NDArray[T]:
    result = np.full(part.shape, outside, values.dtype)
    try:
        with leash():
            reproject(
                values,
                result,
                src_transform=source.transform,
                src_crs=source.crs,
                dst_transform=part.transform,
                dst_crs=part.crs,
                resampling=resampling,
                init_dest_nodata=False,
                num_threads=1,
                tolerance=TOLERANCE_PX,
            )
    except RasterioError as error:
        raise UnsupportedGrid(
            "The images' coordinate reference systems cannot be brought together."
        ) from error
    return result


def _clouds(scene: Scene, grid: Grid) -> Iterator[tuple[Window, NDArray[np.bool_]]]:
    for tile in tiles(grid.shape, SIDE):
        part = grid.crop(tile.core)
        found = source_window(scene.grid, part)
        if found is None:
            continue
        window, _ = found
        layer = cloud(scene, window).astype(np.uint8)
        yield tile.core, _moved(layer, scene.grid.crop(window), part, Resampling.nearest, 0) != 0
