"""Strips of a view's pixels: all of a window, decoded once, a bounded part of it at a time."""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from core.io.gdal import raster_window, reading
from core.io.products.stereo.mosaic import opened_view
from core.io.products.stereo.view import View
from core.tiling import Window

STRIP_BYTES = 32 << 20
"""Of the pixels that are read at a time."""


class Strip(NamedTuple):
    """Some rows of a window.

    Parameters
    ----------
    window
        Which ones, counted from the first pixel of the view.
    bands
        Stored values, (bands, rows, cols); 0 where one of them is no number.
    known
        Which pixels have data, (rows, cols).
    """

    window: Window
    bands: NDArray[Any]
    known: NDArray[np.bool_]


def strips(
    view: View, numbers: Sequence[int], window: Window, multiple: int = 1
) -> Iterator[Strip]:
    """The pixels of a window, from top to bottom; blocks of the file are read once.

    Parameters
    ----------
    view
        Its pixels lie in no archive.
    numbers
        Of the bands, from 1.
    window
        Inside the view.
    multiple
        Strips end at multiples of so many rows, as the window does.
    """
    with reading(view.name, pointer=view.pointer), opened_view(view) as dataset:
        block = max(shape[0] for shape in dataset.block_shapes)
        size = window.width * np.dtype(view.dtype).itemsize * len(numbers)
        least = int(np.lcm(block, multiple)) if block * size < STRIP_BYTES else multiple
        height = max(STRIP_BYTES // max(size, 1) // least, 1) * least
        first = window.row // height * height
        for row in range(first, window.row + window.height, height):
            part = Window(row, window.col, height, window.width) & window
            yield _read(dataset, view, numbers, part)


def _read(dataset: Any, view: View, numbers: Sequence[int], part: Window) -> Strip:
    bands = dataset.read(list(numbers), window=raster_window(part))
    nodata = 0.0 if view.nodata is None else view.nodata
    known = ~(bands == nodata).all(axis=0)
    if bands.dtype.kind == "f":
        unknown = ~np.isfinite(bands).all(axis=0)
        known &= ~unknown
        bands[:, unknown] = 0
    return Strip(part, bands, known)
