"""Images of several files, opened as one; nothing that a user wrote tells GDAL what to open.

GDAL's own drivers for DIMAP and TIL open whatever files the metadata name, by any driver.  Here
a description of our own names the files that were found and checked.
"""

import hashlib
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

import rasterio
from rasterio.errors import NotGeoreferencedWarning, RasterioError

from core.errors import BadRaster
from core.io.archives import unpack_member
from core.io.gdal import leash
from core.io.products.stereo.images import IMAGE_DRIVERS
from core.io.products.stereo.integrity import check_whole
from core.io.products.stereo.view import Tile, View

_TYPES = {
    "uint8": "Byte",
    "int8": "Int8",
    "uint16": "UInt16",
    "int16": "Int16",
    "uint32": "UInt32",
    "int32": "Int32",
    "float32": "Float32",
    "float64": "Float64",
}


def mosaic(folder: Path, tiles: Sequence[Tile], shape: tuple[int, int], dtype: str) -> Path:
    """Write the description of an image that is made of files; what no file covers is 0.

    Returns
    -------
    Path
        A file that :func:`opened_view` opens by the driver VRT.
    """
    kind = _TYPES[dtype]
    bands = max(tile.band + tile.bands for tile in tiles)
    lines = [f'<VRTDataset rasterXSize="{shape[1]}" rasterYSize="{shape[0]}">']
    for band in range(bands):
        lines.append(f'<VRTRasterBand dataType="{kind}" band="{band + 1}">')
        lines += [
            _source(tile, band - tile.band + 1)
            for tile in tiles
            if tile.band <= band < tile.band + tile.bands
        ]
        lines.append("</VRTRasterBand>")
    text = "\n".join([*lines, "</VRTDataset>\n"])
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"mosaic-{hashlib.sha256(text.encode()).hexdigest()[:16]}.vrt"
    path.write_text(text, encoding="utf-8")
    return path


def _source(tile: Tile, band: int) -> str:
    size = f'xSize="{tile.cols}" ySize="{tile.rows}"'
    return (
        f'<SimpleSource><SourceFilename relativeToVRT="0">{escape(tile.path)}</SourceFilename>'
        f"<SourceBand>{band}</SourceBand>"
        f'<SrcRect xOff="0" yOff="0" {size}/>'
        f'<DstRect xOff="{tile.col}" yOff="{tile.row}" {size}/></SimpleSource>'
    )


@contextmanager
def opened_view(view: View) -> Iterator[Any]:
    """A view's pixels, for reading: a rasterio dataset of all its bands."""
    with warnings.catch_warnings(), leash():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        try:
            dataset = rasterio.open(view.path, driver=view.driver)
        except RasterioError as error:
            raise BadRaster(
                f"The pixels of {view.name} cannot be opened.", pointer=view.pointer
            ) from error
        with dataset:
            yield dataset


def unpacked(view: View, folder: Path) -> View:
    """A view whose pixels lie in no archive, unpacked into a folder where they did."""
    colour = None if view.colour is None else unpacked(view.colour, folder)
    if not view.archived:
        return replace(view, colour=colour)
    folder.mkdir(parents=True, exist_ok=True)
    tiles = [tile._replace(path=_unpacked(tile.path, folder, view)) for tile in view.tiles]
    if view.driver in IMAGE_DRIVERS:
        path = tiles[0].path
    else:
        path = str(mosaic(folder, tiles, view.shape, view.dtype))
    return replace(view, path=path, tiles=tuple(tiles), colour=colour)


def _unpacked(location: str, folder: Path, view: View) -> str:
    ending = Path(location).suffix.lower()
    path = folder / f"{hashlib.sha256(location.encode()).hexdigest()[:16]}{ending}"
    if not path.exists():
        partial = path.with_name(path.name + ".part")
        unpack_member(location, partial, pointer=view.pointer)
        check_whole(str(partial), view.name, pointer=view.pointer)
        partial.replace(path)
    return str(path)
