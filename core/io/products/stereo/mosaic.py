"""Images of several files, opened as one; nothing that a user wrote tells GDAL what to open.

GDAL's own drivers for DIMAP and TIL open whatever files the metadata name, by any driver.  Here
a description of our own names the files that were found and checked.
"""

import hashlib
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import accumulate
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

import rasterio
from rasterio.errors import NotGeoreferencedWarning, RasterioError

from core.errors import BadMetadata, BadRaster
from core.io.archives import unpack_member
from core.io.gdal import leash
from core.io.products.stereo.images import IMAGE_DRIVERS, Header
from core.io.products.stereo.integrity import check_whole
from core.io.products.stereo.view import Tile, View

MAX_TILES = 4096
"""Files of one image; a strip of 135,000 rows has 33."""
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


@dataclass(frozen=True)
class Whole:
    """An image that is made of files; all as in :class:`~core.io.products.stereo.view.View`."""

    path: str
    driver: str
    shape: tuple[int, int]
    bands: int
    dtype: str
    tiles: tuple[Tile, ...]


def assembled(
    folder: Path, layers: Sequence[Mapping[tuple[int, int], Header]], name: str, pointer: str
) -> Whole:
    """Put together the files of an image.

    Parameters
    ----------
    folder
        Gets the description where there are several files.
    layers
        For each set of bands the files by their place R, C from (1, 1).
    name, pointer
        Of the image, for messages.

    Raises
    ------
    BadMetadata
        They do not fit together.
    """
    tiles: list[Tile] = []
    shapes = set()
    bands = 0
    for layer in layers:
        placed, shape = _placed(layer, bands, name, pointer)
        tiles += placed
        shapes.add(shape)
        bands += placed[0].bands
    if len(shapes) > 1:
        raise BadMetadata(f"The files of {name} differ in their extent.", pointer=pointer)
    headers = [header for layer in layers for header in layer.values()]
    return whole_of(folder, tiles, headers, name, pointer)


def whole_of(
    folder: Path, tiles: Sequence[Tile], headers: Sequence[Header], name: str, pointer: str
) -> Whole:
    """The image that placed files make; as :func:`assembled`."""
    sets = {(tile.band, tile.bands) for tile in tiles}
    if len({header.dtype for header in headers}) > 1 or len(sets) > len(dict(sets)):
        raise BadMetadata(
            f"The files of {name} differ in their bands or type of pixels.", pointer=pointer
        )
    shape = max(tile.row + tile.rows for tile in tiles), max(t.col + t.cols for t in tiles)
    bands = max(tile.band + tile.bands for tile in tiles)
    dtype = headers[0].dtype
    if dtype not in _TYPES:
        raise BadMetadata(f"The pixels of {name} are of the type {dtype}.", pointer=pointer)
    if len(tiles) == 1 and shape == (tiles[0].rows, tiles[0].cols):
        return Whole(tiles[0].path, headers[0].driver, shape, bands, dtype, tuple(tiles))
    path = mosaic(folder, tiles, shape, dtype)
    return Whole(str(path), "VRT", shape, bands, dtype, tuple(tiles))


def _placed(
    layer: Mapping[tuple[int, int], Header], band: int, name: str, pointer: str
) -> tuple[list[Tile], tuple[int, int]]:
    """Files side by side: each row of them has one height, each column one width."""
    heights: dict[int, int] = {}
    widths: dict[int, int] = {}
    counts = set()
    for (row, col), header in layer.items():
        heights.setdefault(row, header.shape[0])
        widths.setdefault(col, header.shape[1])
        counts.add(len(header.bands))
    fit = all(h.shape == (heights[r], widths[c]) for (r, c), h in layer.items())
    if not fit or len(counts) > 1 or len(layer) != len(heights) * len(widths):
        raise BadMetadata(f"The tiles of {name} do not fit together.", pointer=pointer)
    tops, lefts = _begins(heights), _begins(widths)
    tiles = [
        Tile(h.entry.location, tops[r], lefts[c], *h.shape, band, len(h.bands))
        for (r, c), h in sorted(layer.items())
    ]
    return tiles, (sum(heights.values()), sum(widths.values()))


def _begins(lengths: Mapping[int, int]) -> dict[int, int]:
    """Where each of the lengths begins when they lie one behind the other."""
    order = sorted(lengths)
    ends = accumulate(lengths[key] for key in order)
    return {key: end - lengths[key] for key, end in zip(order, ends, strict=True)}


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
