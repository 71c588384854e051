"""Windows of views on scratch: decoded once, then read by any window from any process."""

import json
import shutil
from dataclasses import astuple, dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from core.geometry.rpc import Rpc
from core.io.planes import Plane
from core.io.products.stereo.bands import StagedBands, band_numbers, band_planes
from core.io.products.stereo.cloudmask import CloudMask, cloud_mask
from core.io.products.stereo.pieces import Piece, known_in, pieces
from core.io.products.stereo.view import View
from core.progress import QUIET, Progress
from core.tiling import Window, whole

NODATA, SATURATED, CLOUD = 1, 2, 4
"""Flags of a pixel."""

FULL = 0.75
"""Share of the pixels under a reduced one that must have data for it to have some."""

RINGING_PX = 8
"""Pixels of a reduced resolution around those without data that are not used: a wavelet has mixed
them with zeros.  It reaches four pixels (9/7; 5/3 two) into either side of a border."""

STRIP_BYTES = 8 << 20
"""Of pixels that are averaged at a time."""

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
    stored
        Its own pixels in the planes, counted as :attr:`pixels` are; some may be outside of it.
    factor
        Pixels of the full image along a side of its own pixels.
    level
        The same for the resolution that was decoded, whose pixels were averaged to its own.
    values, flags
        Its pixels; flags are stored with the bit of :data:`NODATA` turned round, so that what was
        never written has no data.
    bands
        All bands of the pixels, at full resolution, if they were asked for.
    warnings
        What the user should know, a sentence each.
    """

    window: Window
    stored: Window
    factor: int
    level: int
    values: Plane
    flags: Plane
    bands: StagedBands | None = None
    warnings: tuple[str, ...] = ()

    @property
    def pixels(self) -> Window:
        """Its own pixels, counted from the first one of the whole image reduced alike."""
        return _of_factor(self.window, self.factor)

    def model(self, rpc: Rpc) -> Rpc:
        """The model of its own pixels, the first one 0, from that of the whole image."""
        return self.model_of_all(rpc).moved(-self.pixels.row, -self.pixels.col)

    def model_of_all(self, rpc: Rpc) -> Rpc:
        """The model of the whole image reduced alike, whose pixels :attr:`pixels` counts."""
        # A pixel of a decoded resolution stands on the first of those that it replaces, not in
        # the middle of them, where the mean of pixels does.
        before = (self.level - 1) / 2
        return rpc.moved(before, before).reduced(self.factor)

    def part(self, window: Window) -> "StagedImage":
        """A smaller window of an image that is not reduced."""
        return replace(self, window=window & self.window)

    def read(self, window: Window) -> Pixels:
        """A window of its pixels, counted as :attr:`pixels` are; what lies outside has no data."""
        values = np.zeros(window.shape, np.float32)
        flags = np.full(window.shape, NODATA, np.uint8)
        inside = window & self.pixels
        if not inside.empty:
            here, there = inside.inside(window).slices, inside.inside(self.stored)
            values[here] = self.values.read(there)
            flags[here] = self.flags.read(there) ^ np.uint8(NODATA)
            if self.factor == self.level > 1:
                flags[here] |= self._spoilt(inside)
        weights = ((flags & np.uint8(NODATA)) == 0).astype(np.float32)
        return Pixels(values * weights, weights, flags)

    def _spoilt(self, window: Window) -> Flags:
        """What stands too near to ground without data; single zeros are dark pixels."""
        near = window.pad(RINGING_PX + 2) & self.pixels
        empty = self.flags.read(near.inside(self.stored)) & np.uint8(NODATA) == 0
        if not empty.any():
            return np.zeros(window.shape, np.uint8)
        solid = ndimage.binary_erosion(empty, np.ones((3, 3)), border_value=1)
        side = 2 * (RINGING_PX + 1) + 1
        spoilt: Flags = ndimage.maximum_filter(solid.astype(np.uint8), side, mode="constant")
        return spoilt[window.inside(near).slices] * np.uint8(NODATA)


def _of_factor(window: Window, factor: int) -> Window:
    """A window of whole reduced pixels, counted in them."""
    return Window(
        window.row // factor, window.col // factor, window.height // factor, window.width // factor
    )


def stage(
    view: View,
    window: Window,
    path: Path,
    *,
    level: int = 1,
    multiple: int = 1,
    all_bands: bool = False,
    progress: Progress = QUIET,
) -> StagedImage:
    """Decode a window of a view into planes, or find it there.

    Parameters
    ----------
    view
        Its pixels lie in no archive.
    window
        Pixels of the view; it is cut, and grows to whole pixels of the image reduced `multiple`
        times.
    path
        Folder of the planes.
    level
        The resolution that is decoded: 1, or one of
        :func:`~core.io.products.stereo.pieces.levels` that `multiple` is a multiple of.
    all_bands
        Whether all bands are kept too, as they are stored.
    """
    grown = _grown(window, view.shape, max(level, multiple))
    if level == 1:
        # Pixels that make no whole reduced one are there too.
        grown = _around(grown, window & whole(view.shape))
    clouds = cloud_mask(view)
    told = _told(view, grown, level) | {"bands": all_bands}
    finished = path / "finished.json"
    known = finished.exists() and json.loads(finished.read_text()) == told
    if not known:
        shutil.rmtree(path, ignore_errors=True)
    path.mkdir(parents=True, exist_ok=True)
    bands = band_planes(view, grown, path / "bands") if all_bands else None
    staged = _planes(view, grown, level, path, clouds, bands)
    if not known:
        _decode(view, staged, clouds, progress)
        part = finished.with_suffix(".part")
        part.write_text(json.dumps(told))
        part.replace(finished)
    return staged


def _planes(
    view: View,
    window: Window,
    level: int,
    path: Path,
    clouds: CloudMask,
    bands: StagedBands | None,
) -> StagedImage:
    """A window of a view at a level, to be decoded, or decoded already."""
    stored = _of_factor(window, level)
    dtype = np.dtype(view.dtype if len(view.matched) == 1 else np.float32)
    values = Plane(path / "values", stored.shape, dtype)
    flags = Plane(path / "flags", stored.shape, np.uint8)
    notes = (clouds.note,) if clouds.note else ()
    return StagedImage(window, stored, level, level, values, flags, bands, notes)


def averaged(staged: StagedImage, window: Window, factor: int, path: Path) -> StagedImage:
    """A window of a staged image reduced further.

    Parameters
    ----------
    window
        Pixels of the view; grows to whole reduced ones, as far as they are there.
    factor
        What it is reduced to: a multiple of what it is by now.
    path
        Folder of the planes.
    """
    held = staged.window
    end = (held.row + held.height, held.col + held.width)
    pixels = _of_factor(_grown(window & held, end, factor), factor)
    times = factor // staged.factor
    if times == 1 and pixels == staged.pixels:
        return staged
    shutil.rmtree(path, ignore_errors=True)
    path.mkdir(parents=True)
    reduced = replace(
        staged,
        window=_times(pixels, factor),
        stored=pixels,
        factor=factor,
        values=Plane(path / "values", pixels.shape, np.float32),
        flags=Plane(path / "flags", pixels.shape, np.uint8),
        bands=None,
    )
    height = max(STRIP_BYTES // (4 * times**2 * max(pixels.width, 1)), 1)
    for row in range(0, pixels.height, height):
        strip = Window(pixels.row + row, pixels.col, height, pixels.width) & pixels
        values, _, flags = staged.read(_times(strip, times))
        _write(reduced, strip, *_means(values, flags, times))
    return reduced


def _times(window: Window, factor: int) -> Window:
    """The pixels that make up reduced ones."""
    return Window(*(number * factor for number in astuple(window)))


def _told(view: View, window: Window, level: int) -> dict[str, Any]:
    """What the planes follow from, as JSON gives it back."""
    files = [Path(tile.path) for tile in view.tiles]
    times = [[file.stat().st_size, file.stat().st_mtime_ns] for file in files if file.exists()]
    return {
        "view": view.name,
        "path": view.path,
        "files": times,
        "window": list(astuple(window)),
        "level": level,
        "matched": list(view.matched),
        "nodata": view.nodata,
        "saturated": view.saturated,
        "cloud": view.cloud,
    }


def _grown(window: Window, shape: tuple[int, int], factor: int) -> Window:
    """Whole reduced pixels, all inside of the image."""
    window &= whole(shape)
    rows, cols = (size // factor for size in shape)
    top, left = window.row // factor, window.col // factor
    bottom = min(-(-(window.row + window.height) // factor), rows)
    right = min(-(-(window.col + window.width) // factor), cols)
    return Window(top * factor, left * factor, (bottom - top) * factor, (right - left) * factor)


def _around(one: Window, other: Window) -> Window:
    """The smallest window that holds two."""
    row, col = min(one.row, other.row), min(one.col, other.col)
    bottom = max(one.row + one.height, other.row + other.height)
    right = max(one.col + one.width, other.col + other.width)
    return Window(row, col, bottom - row, right - col)


def _decode(view: View, staged: StagedImage, clouds: CloudMask, progress: Progress) -> None:
    """Fill the planes, each block of the files once."""
    numbers = view.matched if staged.bands is None else tuple(band_numbers(view))
    matched = [numbers.index(number) for number in view.matched]
    done = 0
    for piece in pieces(view, numbers, staged.stored, staged.level):
        if staged.bands is not None:
            staged.bands.write(piece, view.nodata)
        values, flags = _luminance(view, Piece(piece.window, piece.bands[matched]), clouds, staged)
        _write(staged, piece.window, values, flags)
        done += piece.window.height * piece.window.width
        share = done / (staged.stored.height * staged.stored.width)
        progress.report(share, f"reading {view.name}, {share:.0%}")


def _luminance(
    view: View, piece: Piece, clouds: CloudMask, staged: StagedImage
) -> tuple[NDArray[Any], Flags]:
    """The mean of the matched bands, and the flags of the pixels."""
    bands = piece.bands
    known = known_in(bands, view.nodata)
    flags = np.where(known, np.uint8(0), np.uint8(NODATA))
    if view.saturated is not None:
        flags[(bands >= view.saturated).any(axis=0)] |= np.uint8(SATURATED)
    flags[clouds.cloudy(piece.window, staged.level)] |= np.uint8(CLOUD)
    values = bands[0] if len(bands) == 1 else bands.mean(axis=0, dtype=np.float32)
    return np.where(known, values, 0), flags


def _write(staged: StagedImage, window: Window, values: NDArray[Any], flags: Flags) -> None:
    target = window.inside(staged.stored)
    staged.values.write(target, values)
    staged.flags.write(target, flags ^ np.uint8(NODATA))


def _means(
    values: NDArray[np.float32], flags: Flags, times: int
) -> tuple[NDArray[np.float32], Flags]:
    """Means of the pixels with data, and the flags of most of them."""
    rows, cols = values.shape[0] // times, values.shape[1] // times
    split = (rows, times, cols, times)
    known = ((flags & np.uint8(NODATA)) == 0).reshape(split)
    count = known.sum(axis=(1, 3), dtype=np.int64)
    total = np.where(known, values.reshape(split), 0).sum(axis=(1, 3), dtype=np.float64)
    means = (total / np.maximum(count, 1)).astype(np.float32)
    reduced = np.zeros((rows, cols), np.uint8)
    reduced[count < FULL * times**2] |= np.uint8(NODATA)
    for flag in (SATURATED, CLOUD):
        share = ((flags & np.uint8(flag)) != 0).reshape(split).mean(axis=(1, 3))
        reduced[share > 0.5] |= np.uint8(flag)
    return means, reduced
