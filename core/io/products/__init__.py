"""Products: from a local file or folder to a :class:`Scene`, whatever its layout."""

from datetime import date
from pathlib import Path

from core.io.archives import MAX_UNPACKED, members
from core.io.products.geotiff import open_geotiff
from core.io.products.scene import CloudLayer, Scene, Validity
from core.io.products.sentinel2 import open_sentinel2, wanted

__all__ = ["CloudLayer", "Scene", "Validity", "open_scene"]


def open_scene(
    path: Path,
    *,
    band: str | None = None,
    date: date | None = None,
    nodata: float | None = None,
    scratch: Path,
    pointer: str = "",
    max_unpacked: int = MAX_UNPACKED,
) -> Scene:
    """What stands in a product's headers; no pixel is read.

    Parameters
    ----------
    path
        A GeoTIFF, COG or JPEG 2000 file, or a Sentinel-2 product (folder or archive).
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
    max_unpacked
        Bytes that an archive may unpack to.
    """
    files = members(
        path,
        scratch,
        lambda name: wanted(name, band),
        pointer=pointer,
        max_unpacked=max_unpacked,
    )
    if files is None:
        return open_geotiff(path, band=band, date=date, nodata=nodata, pointer=pointer)
    return open_sentinel2(files, band=band, date=date, nodata=nodata, pointer=pointer)
