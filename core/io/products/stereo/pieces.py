"""Pieces of a view's pixels: all of a window, whole blocks of its files, a bounded part at a time.

Pieces follow the files' own blocks, so that none is decoded twice however small GDAL's cache is.
"""

import warnings
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from rasterio.errors import NotGeoreferencedWarning

from core.io.gdal import open_dataset, raster_window, reading
from core.io.products.stereo.images import IMAGE_DRIVERS
from core.io.products.stereo.integrity import CODESTREAM_HEAD
from core.io.products.stereo.view import Tile, View
from core.tiling import Window

PIECE_BYTES = 32 << 20
"""Of the blocks that are decoded at a time, all bands: half of GDAL's cache."""

HEADER_BYTES = 1 << 20
"""From the beginning of a file, in which the header of a JPEG 2000 code stream is looked for."""


class Piece(NamedTuple):
    """Some blocks of a window.

    Parameters
    ----------
    window
        Pixels of the level, counted from the first one of the view.
    bands
        Stored values, (bands, rows, cols).
    """

    window: Window
    bands: NDArray[Any]


def levels(view: View) -> tuple[int, ...]:
    """By how much the reduced resolutions are reduced that all files of a view hold.

    Those of JPEG 2000, which belong to the format: a pixel of one stands where each so-manieth
    pixel of the image does.  What overviews of a TIFF were made of nobody knows.
    """
    found: set[int] | None = None
    for tile in view.tiles:
        own = _levels(tile, view)
        found = own if found is None else found & own
        if not found:
            return ()
    return tuple(sorted(found or ()))


def _levels(tile: Tile, view: View) -> set[int]:
    with reading(view.name, pointer=view.pointer), _opened(tile, view) as dataset:
        if dataset.driver != "JP2OpenJPEG" or not _begins_at_zero(tile.path):
            return set()
        halved = enumerate(dataset.overviews(1), 1)
        return {
            level
            for n, level in halved
            if level == 2**n and tile.row % level == 0 and tile.col % level == 0
        }


def _begins_at_zero(path: str) -> bool:
    """Whether a code stream's first pixel is the first one of its own lattice too."""
    with Path(path).open("rb") as file:
        head = file.read(HEADER_BYTES)
    place = head.find(CODESTREAM_HEAD)
    # Length, capabilities and size of the image come before its place.
    begin = place + len(CODESTREAM_HEAD) + 12
    return place >= 0 and head[begin : begin + 8] == bytes(8)


def pieces(view: View, numbers: Sequence[int], window: Window, level: int = 1) -> Iterator[Piece]:
    """The pixels of a window; what no file holds is left out.

    Parameters
    ----------
    view
        Its pixels lie in no archive.
    numbers
        Of the bands, from 1.
    window
        Inside the view, in pixels of the level.
    level
        1, or one of :func:`levels`.
    """
    first = min(numbers) - 1
    with reading(view.name, pointer=view.pointer):
        for tile in view.tiles:
            part = _place(tile, level) & window
            if part.empty or not tile.band <= first < tile.band + tile.bands:
                continue
            # Bands may lie in several files; tiles may overlap.
            needed = [t for t in view.tiles if not (_place(t, level) & part).empty]
            with ExitStack() as stack:
                files = [(t, stack.enter_context(_opened(t, view, level))) for t in needed]
                block = next(file.block_shapes[0] for t, file in files if t == tile)
                for chunk in _chunks(part, _place(tile, level), block, _pixel_bytes(view)):
                    yield Piece(chunk, _read(files, view, numbers, chunk, level))


def known_in(bands: NDArray[Any], nodata: float | None) -> NDArray[np.bool_]:
    """Which pixels of (bands, rows, cols) have data: of at least one band, and finite in all."""
    known = np.ones(bands.shape[1:], np.bool_) if nodata is None else (bands != nodata).any(axis=0)
    if bands.dtype.kind == "f":
        known &= np.isfinite(bands).all(axis=0)
    return known


def _pixel_bytes(view: View) -> int:
    """Of all bands: a block of one is decoded with the others'."""
    return np.dtype(view.dtype).itemsize * len(view.bands)


def _place(tile: Tile, level: int) -> Window:
    """What a file holds, in pixels of a level."""
    return Window(
        tile.row // level, tile.col // level, -(-tile.rows // level), -(-tile.cols // level)
    )


def _chunks(
    part: Window, file: Window, block: tuple[int, int], pixel_bytes: int
) -> Iterator[Window]:
    """A part of a file in whole blocks; of a block that is too large itself some rows each."""
    rows, cols = (min(length, size) for length, size in zip(block, file.shape, strict=True))
    top = part.row - (part.row - file.row) % rows
    left = part.col - (part.col - file.col) % cols
    bottom, right = part.row + part.height, part.col + part.width
    fitting = PIECE_BYTES // (rows * cols * pixel_bytes)
    across = max(min(-(-(right - left) // cols), fitting), 1)
    height, width = max(fitting // across, 1) * rows, across * cols
    for row in range(top, bottom, height):
        for col in range(left, right, width):
            chunk = Window(row, col, height, width) & part
            thin = chunk.height if fitting else max(PIECE_BYTES // (cols * pixel_bytes), 1)
            for begin in range(chunk.row, chunk.row + chunk.height, thin):
                yield Window(begin, chunk.col, thin, chunk.width) & chunk


def _read(
    files: Sequence[tuple[Tile, Any]],
    view: View,
    numbers: Sequence[int],
    window: Window,
    level: int,
) -> NDArray[Any]:
    """Bands of a window from all files that hold some of it; later ones lie on top."""
    values = np.zeros((len(numbers), *window.shape), view.dtype)
    for tile, file in files:
        part = _place(tile, level) & window
        own = [n for n, number in enumerate(numbers) if 0 <= number - 1 - tile.band < tile.bands]
        if part.empty or not own:
            continue
        indexes = [numbers[n] - tile.band for n in own]
        found = file.read(indexes, window=raster_window(part.inside(_place(tile, level))))
        rows, cols = part.inside(window).slices
        values[own, rows, cols] = found
    return values


@contextmanager
def _opened(tile: Tile, view: View, level: int = 1) -> Iterator[Any]:
    """A file at one of its resolutions; callers enter :func:`core.io.gdal.reading`."""
    options = {} if level == 1 else {"overview_level": level.bit_length() - 2}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        dataset = open_dataset(tile.path, drivers=IMAGE_DRIVERS, pointer=view.pointer, **options)
    with dataset:
        yield dataset
