"""Windows of views on scratch: decoded once, then read by any window from any process."""

import json
import shutil
from collections.abc import Iterator
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from core.geometry.rpc import Rpc
from core.io.planes import Plane
from core.io.products.stereo.cloudmask import CloudMask, cloud_mask
from core.io.products.stereo.strips import strips
from core.io.products.stereo.view import View
from core.progress import QUIET, Progress
from core.tiling import Window, whole

NODATA, SATURATED, CLOUD = 1, 2, 4
"""Flags of a pixel."""

FULL = 0.75
"""Share of the pixels under a reduced one that must have data for it to have some."""

Flags = NDArray[np.uint8]


class Pixels(NamedTuple):
    """A window of a staged image; all (rows, cols).

    Parameters
    ----------
    values
        float32; 0 where there is no data.
    weights
        float32, 1 where there is data and 0 elsewhere.
    flags
        uint8, sums of :data:`NODATA`, :data:`SATURATED` and :data:`CLOUD`.
    """

    values: NDArray[np.float32]
    weights: NDArray[np.float32]
    flags: Flags


@dataclass(frozen=True, eq=False)
class StagedImage:
    """A window of an image, reduced or not; may be sent to other processes.

    Parameters
    ----------
    window
        The pixels of the full image that it was made from.
    factor
        Pixels of the full image along a side of its own pixels.
    values, flags
        Its pixels.
    warnings
        What the user should know, a sentence each.
    """

    window: Window
    factor: int
    values: Plane
    flags: Plane
    warnings: tuple[str, ...] = ()

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of its own pixels."""
        return self.values.shape

    @property
    def pixels(self) -> Window:
        """Its own pixels, counted from the first one of the whole image reduced alike."""
        return Window(
            self.window.row // self.factor, self.window.col // self.factor, *self.values.shape
        )

    def model(self, rpc: Rpc) -> Rpc:
        """The model of its own pixels, the first one 0, from that of the whole image."""
        return rpc.moved(-self.window.row, -self.window.col).reduced(self.factor)

    def read(self, window: Window) -> Pixels:
        """A window of its pixels, counted as :attr:`pixels` are; what lies outside has no data."""
        values = np.zeros(window.shape, np.float32)
        flags = np.full(window.shape, NODATA, np.uint8)
        inside = window & self.pixels
        if not inside.empty:
            here, there = inside.inside(window).slices, inside.inside(self.pixels)
            values[here] = self.values.read(there)
            flags[here] = self.flags.read(there)
        weights = ((flags & np.uint8(NODATA)) == 0).astype(np.float32)
        return Pixels(values * weights, weights, flags)


def stage(
    view: View, window: Window, path: Path, factor: int = 1, progress: Progress = QUIET
) -> StagedImage:
    """Decode a window of a view into planes, or find it there.

    Parameters
    ----------
    view
        Its pixels lie in no archive.
    window
        Pixels of the view; it is cut, or grows, to whole reduced pixels.
    path
        Folder of the planes.
    factor
        Pixels along the side of those that are averaged to one.
    """
    window = _widened(window, view.shape, factor)
    shape = (window.height // factor, window.width // factor)
    clouds = cloud_mask(view)
    told = _told(view, window, factor)
    finished = path / "finished.json"
    known = finished.exists() and json.loads(finished.read_text()) == told
    if not known:
        shutil.rmtree(path, ignore_errors=True)
    path.mkdir(parents=True, exist_ok=True)
    dtype = np.dtype(view.dtype if len(view.matched) == 1 and factor == 1 else np.float32)
    values, flags = Plane(path / "values", shape, dtype), Plane(path / "flags", shape, np.uint8)
    staged = StagedImage(window, factor, values, flags, (clouds.note,) if clouds.note else ())
    if known:
        return staged
    for done, (strip, pixels, bits) in _strips(view, window, factor, clouds):
        values.write(strip, pixels.astype(dtype))
        flags.write(strip, bits)
        progress.report(done, f"reading {view.name}, {done:.0%}")
    part = finished.with_suffix(".part")
    part.write_text(json.dumps(told))
    part.replace(finished)
    return staged


def _told(view: View, window: Window, factor: int) -> dict[str, Any]:
    """What the planes follow from, as JSON gives it back."""
    files = [Path(tile.path) for tile in view.tiles]
    times = [[file.stat().st_size, file.stat().st_mtime_ns] for file in files if file.exists()]
    return {
        "view": view.name,
        "path": view.path,
        "files": times,
        "window": list(astuple(window)),
        "factor": factor,
        "matched": list(view.matched),
        "nodata": view.nodata,
        "saturated": view.saturated,
        "cloud": view.cloud,
    }


def _widened(window: Window, shape: tuple[int, int], factor: int) -> Window:
    """Whole reduced pixels, all inside of the image."""
    window &= whole(shape)
    rows, cols = (size // factor for size in shape)
    top, left = window.row // factor, window.col // factor
    bottom = min(-(-(window.row + window.height) // factor), rows)
    right = min(-(-(window.col + window.width) // factor), cols)
    return Window(top * factor, left * factor, (bottom - top) * factor, (right - left) * factor)


def _strips(
    view: View, window: Window, factor: int, clouds: CloudMask
) -> Iterator[tuple[float, tuple[Window, NDArray[Any], Flags]]]:
    """Rows of reduced pixels with the part that is done."""
    for part, bands, known in strips(view, view.matched, window, factor):
        flags = np.where(known, np.uint8(0), np.uint8(NODATA))
        if view.saturated is not None:
            flags[(bands >= view.saturated).any(axis=0)] |= np.uint8(SATURATED)
        flags[clouds.cloudy(part)] |= np.uint8(CLOUD)
        values = bands[0] if len(bands) == 1 else bands.mean(axis=0, dtype=np.float32)
        done = (part.row + part.height - window.row) / window.height
        target = Window(
            (part.row - window.row) // factor, 0, part.height // factor, window.width // factor
        )
        yield done, (target, *_reduced(values, flags, factor))


def _reduced(values: NDArray[Any], flags: Flags, factor: int) -> tuple[NDArray[Any], Flags]:
    """Means of the pixels with data, and the flags of most of them."""
    if factor == 1:
        return values, flags
    rows, cols = values.shape[0] // factor, values.shape[1] // factor
    split = (rows, factor, cols, factor)
    known = ((flags & np.uint8(NODATA)) == 0).reshape(split)
    count = known.sum(axis=(1, 3), dtype=np.int64)
    total = np.where(known, values.reshape(split), 0).sum(axis=(1, 3), dtype=np.float64)
    means = (total / np.maximum(count, 1)).astype(np.float32)
    reduced = np.zeros((rows, cols), np.uint8)
    reduced[count < FULL * factor**2] |= np.uint8(NODATA)
    for flag in (SATURATED, CLOUD):
        share = ((flags & np.uint8(flag)) != 0).reshape(split).mean(axis=(1, 3))
        reduced[share > 0.5] |= np.uint8(flag)
    return means, reduced
