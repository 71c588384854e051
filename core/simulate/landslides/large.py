"""Large scenes: an event mirrored again and again, so that nothing breaks where copies meet."""

from datetime import date
from pathlib import Path

import numpy as np
import rasterio
from affine import Affine
from numpy.typing import NDArray
from scipy import ndimage

from core.grid import Grid
from core.simulate.landslides.fields import Layer
from core.simulate.landslides.making import Event
from core.simulate.landslides.style import Sun
from core.simulate.landslides.terrain import PIXEL_M
from core.simulate.landslides.writing import DEM_M, describe, digital, profile


def write_large(event: Event, folder: Path, copies: tuple[int, int]) -> tuple[Path, Path, Path]:
    """Write both images and the heights of an event, `copies` down and right, every other mirrored.

    The first copy is the event itself, at its own place.  Heights are exact, in cells of 30 m.

    Returns
    -------
    tuple[Path, Path, Path]
        Before, after, heights.
    """
    size = event.grid.shape
    grid = Grid((size[0] * copies[0], size[1] * copies[1]), event.grid.transform, event.grid.crs)
    paths = []
    for role, image, day, sun in zip(
        ("before", "after"), (event.before, event.after), event.dates, event.suns, strict=True
    ):
        paths.append(folder / f"{role}_{day:%Y%m%d}.tif")
        _write_image(paths[-1], digital(image), grid, event.bands, day, sun)
    _write_heights(folder / "dem.tif", event.dem, grid)
    return paths[0], paths[1], folder / "dem.tif"


def _write_image(
    path: Path,
    image: NDArray[np.uint16],
    grid: Grid,
    bands: tuple[str, ...],
    day: date,
    sun: Sun,
) -> None:
    _, rows, cols = image.shape
    with rasterio.open(path, "w", **profile(grid, len(bands), "uint16")) as file:
        describe(file, bands, day, sun)
        side = file.block_shapes[0][0]
        right = _mirrored(np.arange(grid.shape[1]), cols)
        # Whole rows of blocks, so that none is compressed twice.
        for first in range(0, grid.shape[0], side):
            down = _mirrored(np.arange(first, min(first + side, grid.shape[0])), rows)
            window = ((first, first + down.size), (0, grid.shape[1]))
            file.write(image[:, down][:, :, right], window=window)


def _mirrored(places: NDArray[np.int64], side: int) -> NDArray[np.int64]:
    """The places in one copy that stand at `places` of a row of copies."""
    turned = places % (2 * side)
    return np.where(turned < side, turned, 2 * side - 1 - turned)


def _write_heights(path: Path, dem: Layer, grid: Grid) -> None:
    rows, cols = (int(side * PIXEL_M // DEM_M) for side in grid.shape)
    first = grid.transform
    coarse = Grid((rows, cols), Affine(DEM_M, 0.0, first.c, 0.0, -DEM_M, first.f), grid.crs)
    step = DEM_M / PIXEL_M
    with rasterio.open(path, "w", **profile(coarse, 1, "float32")) as file:
        side = file.block_shapes[0][0]
        right = (np.arange(cols) + 0.5) * step - 0.5
        for start in range(0, rows, side):
            down = (np.arange(start, min(start + side, rows)) + 0.5) * step - 0.5
            lines, columns = _folded(down, dem.shape[0]), _folded(right, dem.shape[1])
            places = np.meshgrid(lines, columns, indexing="ij")
            height = ndimage.map_coordinates(dem, places, order=1, mode="nearest")
            window = ((start, start + down.size), (0, cols))
            file.write(height.astype(np.float32), 1, window=window)


def _folded(places: NDArray[np.floating], side: int) -> NDArray[np.float64]:
    """As `_mirrored`, between pixels."""
    turned = (places + 0.5) % (2 * side)
    result: NDArray[np.float64] = np.where(turned < side, turned, 2 * side - turned) - 0.5
    return result
