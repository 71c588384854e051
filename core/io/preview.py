"""A small version of a raster that was written, for pictures."""

from pathlib import Path
from typing import Any, NamedTuple

import rasterio
from affine import Affine
from numpy.typing import NDArray
from rasterio.enums import Resampling

from core.grid import Grid


class Preview(NamedTuple):
    """Pixels (rows, cols) in the raster's dtype, and where they lie."""

    values: NDArray[Any]
    grid: Grid


def preview(path: Path, side: int, *, classes: bool = False) -> Preview:
    """A raster whose longer side is at most `side`; averages, or nearest pixels of classes."""
    with rasterio.open(path, driver="GTiff") as dataset:
        factor = max(1.0, max(dataset.shape) / side)
        shape = tuple(max(1, round(length / factor)) for length in dataset.shape)
        resampling = Resampling.nearest if classes else Resampling.average
        values = dataset.read(1, out_shape=shape, resampling=resampling)
        scale = Affine.scale(dataset.width / shape[1], dataset.height / shape[0])
        grid = Grid((shape[0], shape[1]), dataset.transform @ scale, dataset.crs.to_wkt())
    return Preview(values, grid)
