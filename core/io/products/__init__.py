"""Products: from a local file or folder to a :class:`Scene`, whatever its layout."""

from datetime import date
from pathlib import Path

from core.io.products.geotiff import open_geotiff
from core.io.products.scene import CloudLayer, Scene, Validity, checksum

__all__ = ["CloudLayer", "Scene", "Validity", "checksum", "open_scene"]


def open_scene(
    path: Path,
    *,
    band: str | None = None,
    date: date | None = None,
    nodata: float | None = None,
    scratch: Path,
    pointer: str = "",
) -> Scene:
    """What stands in a product's headers; no pixel is read.

    Parameters
    ----------
    path
        A GeoTIFF, COG or JPEG 2000 file, or a Sentinel-2 product (folder or zip).
    band
        Index from 1 or name; by default B04 of Sentinel-2, else the only band.
    date
        Day of acquisition, over what the product says.
    nodata
        Value without data, over what the product says.
    scratch
        Folder for what has to be unpacked.
    pointer
        Where the request names the product.
    """
    return open_geotiff(path, band=band, date=date, nodata=nodata, pointer=pointer)
