"""From a local file or folder to the bands of an image by what they show, whatever its layout."""

from datetime import date as Date  # noqa: N812
from pathlib import Path, PurePosixPath

from core.io.archives import MAX_UNPACKED, Members, members, unpack_member
from core.io.products import landsat, sentinel2_bands
from core.io.products.bands import Image
from core.io.products.multiband import open_multiband

_RASTERS = (".tif", ".tiff", ".jp2")
_HEADER = ".hdr"
_PIXELS = ("", ".img", ".dat", ".bsq", ".bil", ".bip", ".raw", ".bin")
"""Endings of the pixels of ENVI files."""


def open_image(
    path: Path,
    *,
    order: str | None = None,
    date: Date | None = None,
    nodata: float | None = None,
    scratch: Path,
    pointer: str = "",
    max_unpacked: int = MAX_UNPACKED,
) -> Image:
    """What stands in the headers of an image of several bands; no more than a few pixels are read.

    Parameters
    ----------
    path
        A Sentinel-2 product (L1C, L2A) or a Landsat product (Collection 1 or 2) as a folder or an
        archive, or a raster of several bands: GeoTIFF, COG, JPEG 2000 or ENVI, perhaps in a zip.
    order
        What the bands of a raster show, from the first: "blue,green,red,nir"; ``-`` for one to
        pass over.  Products name their bands themselves.
    date
        Day of acquisition, over what the image says.
    nodata
        Value without data, over what the image says.
    scratch
        Folder for what has to be unpacked.
    pointer
        Where the request names the image.
    max_unpacked
        Bytes that an archive may unpack to.

    Raises
    ------
    BandMissing
        It is not known which bands show blue, green and red, or the order names none.
    UnknownFormat
        It is none of these.
    """
    files = members(path, scratch, _wanted, pointer=pointer, max_unpacked=max_unpacked)
    if files is None:
        return open_multiband(path, order=order, date=date, nodata=nodata, pointer=pointer)
    if landsat.is_landsat(files):
        return landsat.open_landsat(files, date=date, nodata=nodata, pointer=pointer)
    raster = _only_raster(files)
    if raster is not None:
        place = _unpacked(files, raster, scratch, pointer)
        return open_multiband(place, order=order, date=date, nodata=nodata, pointer=pointer)
    return sentinel2_bands.open_sentinel2_bands(files, date=date, nodata=nodata, pointer=pointer)


def _wanted(name: str) -> bool:
    return sentinel2_bands.wanted(name) or landsat.wanted(name) or _is_raster(name)


def _is_raster(name: str) -> bool:
    path = PurePosixPath(name)
    raster = path.suffix.lower() in (*_RASTERS, _HEADER, *_PIXELS)
    return raster and "GRANULE" not in path.parts and not path.name.startswith(".")


def _only_raster(files: Members) -> str | None:
    """The one raster in a folder or archive that is no product; None where there is none."""
    if any("GRANULE" in PurePosixPath(name).parts for name in files.names):
        return None
    images = [name for name in files.names if PurePosixPath(name).suffix.lower() in _RASTERS]
    stems = {str(PurePosixPath(name).with_suffix("")) for name in files.names
             if name.lower().endswith(_HEADER)}  # fmt: skip
    images += [
        name
        for name in files.names
        if PurePosixPath(name).suffix.lower() in _PIXELS
        and (name in stems or str(PurePosixPath(name).with_suffix("")) in stems)
    ]
    return images[0] if len(images) == 1 else None


def _unpacked(files: Members, raster: str, scratch: Path, pointer: str) -> Path:
    """The raster as a file, with its header beside it: one cannot be read without the other."""
    location = files.location(raster)
    if not location.startswith("/vsizip/"):
        return Path(location)
    folder = scratch / f"raster-{files.source.stem}"
    folder.mkdir(parents=True, exist_ok=True)
    base = PurePosixPath(raster)
    for name in files.names:
        part = PurePosixPath(name)
        if part.parent == base.parent and part.name.split(".")[0] == base.name.split(".")[0]:
            if not _is_raster(name):
                continue
            unpack_member(files.location(name), folder / part.name, pointer=pointer)
    return folder / base.name
