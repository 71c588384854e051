"""Plain GeoTIFFs whose tags hold the RPC."""

from datetime import datetime
from pathlib import Path

import rasterio
from rasterio.rpc import RPC

from core.simulate.stereo.rational import rescaled
from core.simulate.stereo.views import Pixels, View


def write_geotiff(
    path: Path, view: View, *, true_model: bool = False, scale_px: float | None = None
) -> Path:
    """Write a view with the model that is handed out, or with the one that made its pixels.

    `scale_px` says the model with another scale of rows and columns, see `rescaled`.
    """
    rpc = view.camera.true_rpc if true_model else view.camera.rpc
    if scale_px is not None:
        rpc = rescaled(rpc, scale_px)
    return write_tagged(path, view.image, rpc, view.time)


def write_tagged(path: Path, pixels: Pixels, rpc: RPC, time: datetime) -> Path:
    """Write pixels with their model and time in tags."""
    profile = {
        "driver": "GTiff",
        "height": pixels.shape[0],
        "width": pixels.shape[1],
        "count": 1,
        "dtype": "uint16",
        "nodata": 0,
        "compress": "deflate",
        "predictor": 2,
        "tiled": True,
        "rpcs": rpc,
    }
    with rasterio.open(path, "w", **profile) as dataset:
        dataset.write(pixels, 1)
        dataset.update_tags(TIFFTAG_DATETIME=f"{time:%Y:%m:%d %H:%M:%S}")
    return path
