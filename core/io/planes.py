"""Scratch rasters for intermediate results: written and read by windows, from any thread.

A plain file of uncompressed tiles, read and written by position.  No memory map: mapped pages count
as the job's memory, the system's file cache does not.  Whole tiles are moved by one system call for
a row of tiles; part of a tile is moved row by row, so that windows written at the same time never
touch each other's bytes.
"""

import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from core.io.gdal import writing
from core.tiling import Window, whole

SIDE = 64
"""Rows and columns of a tile: windows of work begin and end at its multiples."""


class Plane:
    """A raster on scratch, of one band.

    What was never written reads as 0.  May be sent to other processes; each opens the file itself.

    Parameters
    ----------
    path
        The file; made if it is not there.
    shape
        Rows and columns.
    dtype
        Type of the pixels.
    """

    def __init__(self, path: Path, shape: tuple[int, int], dtype: DTypeLike) -> None:
        self.path = path
        self.shape = shape
        self.dtype = np.dtype(dtype)
        self._across = -(-shape[1] // SIDE)
        self._file: int | None = None
        self._lock = threading.Lock()
        down = -(-shape[0] // SIDE)
        with writing("an intermediate raster"), path.open("ab") as file:
            file.truncate(down * self._across * self._tile_bytes)

    def __enter__(self) -> "Plane":
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def __getstate__(self) -> dict[str, Any]:
        return {key: v for key, v in self.__dict__.items() if key not in ("_file", "_lock")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state, _file=None, _lock=threading.Lock())

    @property
    def _tile_bytes(self) -> int:
        return SIDE * SIDE * self.dtype.itemsize

    def _descriptor(self) -> int:
        with self._lock:
            if self._file is None:
                self._file = os.open(self.path, os.O_RDWR | os.O_CLOEXEC)
            return self._file

    def close(self) -> None:
        """Close the file; the next read or write opens it again."""
        with self._lock:
            if self._file is not None:
                os.close(self._file)
                self._file = None

    def _position(self, row: int, col: int) -> int:
        """Byte of the first pixel of row `row`, in the tile that holds column `col`."""
        tile = row // SIDE * self._across + col // SIDE
        return tile * self._tile_bytes + row % SIDE * SIDE * self.dtype.itemsize

    def _check(self, window: Window) -> None:
        inside = window & whole(self.shape)
        if window.empty or inside != window:
            message = f"{window} lies outside a raster of {self.shape[0]} x {self.shape[1]}"
            raise IndexError(message)

    def read(self, window: Window) -> NDArray[Any]:
        """The pixels of a window inside the raster, shape of the window."""
        self._check(window)
        file = self._descriptor()
        first = window.col // SIDE
        count = -(-(window.col + window.width) // SIDE) - first
        result = np.empty(window.shape, self.dtype)
        begin = window.col - first * SIDE
        for row, height in _bands(window):
            strip = np.empty((count, SIDE, SIDE), self.dtype)
            _fill(file, strip, self._position(row - row % SIDE, first * SIDE))
            used = strip[:, row % SIDE : row % SIDE + height]
            flat = used.swapaxes(0, 1).reshape(height, count * SIDE)
            top = row - window.row
            result[top : top + height] = flat[:, begin : begin + window.width]
        return result

    def write(self, window: Window, array: NDArray[Any]) -> None:
        """Put `array` into a window inside the raster; the shapes must agree."""
        self._check(window)
        if array.shape != window.shape:
            message = f"an array of shape {array.shape} was given for {window}"
            raise ValueError(message)
        values = np.ascontiguousarray(array, self.dtype)
        file = self._descriptor()
        with writing("an intermediate raster"):
            for row, height in _bands(window):
                top = row - window.row
                self._write_band(file, row, window.col, values[top : top + height])

    def _write_band(self, file: int, row: int, col: int, values: NDArray[Any]) -> None:
        """Write rows of one row of tiles: whole tiles at once, the rest row by row."""
        height, width = values.shape
        stop = col + width
        # The last tiles reach beyond the raster; what lies there belongs to nobody.
        complete = row % SIDE == 0 and (height == SIDE or row + height == self.shape[0])
        first = -(-col // SIDE) * SIDE
        last = self._across * SIDE if stop == self.shape[1] else stop // SIDE * SIDE
        if not complete or first >= last:
            first = last = stop
        for start, end in ((col, min(first, stop)), (min(last, stop), stop)):
            self._write_rows(file, row, start, values[:, start - col : end - col])
        if first < last:
            tiles = np.zeros((SIDE, last - first), self.dtype)
            part = values[:, first - col :][:, : last - first]
            tiles[:height, : part.shape[1]] = part
            shaped = tiles.reshape(SIDE, -1, SIDE).swapaxes(0, 1)
            _put(file, np.ascontiguousarray(shaped), self._position(row, first))

    def _write_rows(self, file: int, row: int, col: int, values: NDArray[Any]) -> None:
        start, stop = col, col + values.shape[1]
        while start < stop:
            end = min(start - start % SIDE + SIDE, stop)
            inside = start % SIDE * self.dtype.itemsize
            part = np.ascontiguousarray(values[:, start - col : end - col])
            for number in range(values.shape[0]):
                _put(file, part[number], self._position(row + number, start) + inside)
            start = end


def _bands(window: Window) -> Iterator[tuple[int, int]]:
    """First row and height of the parts of a window that lie in one row of tiles each."""
    row, stop = window.row, window.row + window.height
    while row < stop:
        end = min(row - row % SIDE + SIDE, stop)
        yield row, end - row
        row = end


def _fill(file: int, buffer: NDArray[Any], position: int) -> None:
    view = memoryview(buffer).cast("B")
    while view:
        count = os.preadv(file, [view], position)
        if count == 0:
            message = "an intermediate raster is shorter than it was made"
            raise OSError(message)
        view, position = view[count:], position + count


def _put(file: int, buffer: NDArray[Any], position: int) -> None:
    view = memoryview(buffer).cast("B")
    while view:
        count = os.pwrite(file, view, position)
        view, position = view[count:], position + count
