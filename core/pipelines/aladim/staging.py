"""Brings the images onto the lattice: one stack of bands, several images of a date as medians."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from affine import Affine
from numpy.typing import NDArray

from core.change.scene import Date
from core.errors import InputError
from core.grid import Grid
from core.io.blockwise import counted, spread_over_threads
from core.io.class_layers import ClassLayer, Cover, cover_of, staged_classes
from core.io.products.bands import Band
from core.io.rasters import Reader, stage, warp
from core.pipelines.aladim.declaration import AladimParameters
from core.pipelines.aladim.images import Dated
from core.pipelines.aladim.stack import Stack
from core.progress import Progress
from core.reasons import Reason
from core.roles import Role
from core.tiling import Window, tiles
from core.workspace import Context

SIDE = 1024
"""Rows and columns that are put together at a time."""

WHOLE = 1e-3
"""A lattice that is off by less than this, pixels, is the same lattice."""

Shift = tuple[float, float]
"""Rows and columns from a pixel of the lattice to the place in an image that shows its ground."""

HIDES: Mapping[Cover, tuple[str, Reason]] = {
    Cover.CLOUD: ("mask_clouds", Reason.CLOUD_MASK),
    Cover.SHADOW: ("mask_cloud_shadow", Reason.CLOUD_SHADOW),
    Cover.SNOW: ("mask_snow", Reason.SNOW),
    Cover.WATER: ("mask_water", Reason.WATER),
}
"""What hides the ground: the input that says whether it counts, and the reason."""

_MISSING = {Date.AFTER: Reason.NODATA_REFERENCE, Date.BEFORE: Reason.NODATA_SECONDARY}


@dataclass(frozen=True)
class Laid:
    """An image on the lattice: a reader for each band, and how far its pixels are off."""

    readers: Mapping[Role, tuple[Band, Reader, tuple[int, int]]]
    classes: ClassLayer | None
    shift: Shift
    notes: tuple[str, ...] = ()

    def numbers(self, role: Role, window: Window) -> tuple[NDArray[np.uint16], NDArray[np.bool_]]:
        """A window of the lattice, and which of its pixels have a value."""
        band, reader, (rows, cols) = self.readers[role]
        pixels = reader.read(window.shift(rows, cols))
        return band.numbers(pixels.values), pixels.valid

    def cover(self, grid: Grid) -> NDArray[np.uint8]:
        """Bits of :class:`Cover` on the pixels of a part of the lattice."""
        if self.classes is None:
            return np.zeros(grid.shape, np.uint8)
        return cover_of(self.classes, moved(grid, self.shift))

    def close(self) -> None:
        """Close the files."""
        for _, reader, _ in self.readers.values():
            reader.close()


def moved(grid: Grid, shift: Shift) -> Grid:
    """The grid of the ground that an image shows elsewhere than it lies."""
    rows, cols = shift
    return replace(grid, transform=grid.transform @ Affine.translation(cols, rows))


def lay(
    one: Dated,
    roles: Sequence[Role],
    grid: Grid,
    shift: Shift,
    context: Context,
    progress: Progress,
) -> Laid:
    """An image whose windows of the lattice are read quickly; resampled where it has to be."""
    target = moved(grid, shift)
    readers = {}
    for number, role in enumerate(roles):
        band = one.image.bands[role]
        path = context.workspace.scratch / f"{one.key}_{role}.tif"
        spans = [progress.part((number + h) / len(roles), (number + h + 0.5) / len(roles))
                 for h in (0.0, 0.5)]  # fmt: skip
        scene = stage(band.scene, path, spans[0])
        offset = _offset(scene.grid, target)
        if offset is None:
            scene = warp(scene, target, path.with_name(f"{path.stem}_laid.tif"), spans[1])
            path.unlink(missing_ok=True)
            offset = (0, 0)
        readers[role] = (band, Reader(scene), offset)
    classes, notes = _classes(one, context)
    return Laid(readers, classes, shift, notes)


def _classes(one: Dated, context: Context) -> tuple[ClassLayer | None, tuple[str, ...]]:
    """The product's layer of classes; a note instead where it cannot be read."""
    if one.image.classes is None:
        return None, ()
    beside = context.workspace.scratch / f"{one.key}_classes.tif"
    scene = one.image.bands[Role.RED].scene
    try:
        return staged_classes(one.image.classes, scene, beside), ()
    except InputError as error:
        return None, (f"The classes of {one.image.name} are not used: {error.message}",)


def _offset(theirs: Grid, ours: Grid) -> tuple[int, int] | None:
    """Whole rows and columns of our first pixel in an image; None where it must be resampled."""
    if not theirs.same_pixels(ours):
        return None
    offset = theirs.offset(ours)
    whole = tuple(round(o) for o in offset)
    if max(abs(o - w) for o, w in zip(offset, whole, strict=True)) > WHOLE:
        return None
    return whole[0], whole[1]


def fill(
    stack: Stack,
    date: Date,
    laid: Sequence[Laid],
    parameters: AladimParameters,
    context: Context,
    progress: Progress,
) -> None:
    """Put a date's bands into the stack, and why they are not known into its reasons."""
    hides = {cover: reason for cover, (name, reason) in HIDES.items() if getattr(parameters, name)}
    work = partial(_tile, stack, date, laid, hides)
    windows = [tile.core for tile in tiles(stack.shape, SIDE)]
    done = spread_over_threads(work, windows, context.compute.workers)
    for _ in counted(done, len(windows), progress, f"laying the images {date}, part"):
        pass


def _tile(
    stack: Stack,
    date: Date,
    laid: Sequence[Laid],
    hides: Mapping[Cover, Reason],
    window: Window,
) -> None:
    roles = stack.roles
    missing, part = np.uint32(_MISSING[date]), stack.grid.crop(window)
    images = [_read(one, roles, window, part, hides, missing) for one in laid]
    clear = np.stack([why == 0 for _, why in images])
    count = clear.sum(axis=0)
    for number, role in enumerate(roles):
        values = _median(np.stack([numbers[number] for numbers, _ in images]), clear)
        stack.bands[date, role].write(window, values)
    stack.clear[date].write(window, count.astype(np.uint8))
    why = np.bitwise_or.reduce(np.stack([reasons for _, reasons in images]))
    # Of several images, one without data says nothing where a cloud hides the others.
    why = np.where(why == missing, why, why & ~missing)
    why[count > 0] = 0
    stack.reasons.write(window, stack.reasons.read(window) | why)


def _read(
    one: Laid,
    roles: Sequence[Role],
    window: Window,
    grid: Grid,
    hides: Mapping[Cover, Reason],
    missing: np.uint32,
) -> tuple[list[NDArray[np.uint16]], NDArray[np.uint32]]:
    """Numbers of all bands, and why a pixel does not show the ground."""
    bands = [one.numbers(role, window) for role in roles]
    why = np.zeros(window.shape, np.uint32)
    cover = one.cover(grid)
    for kind, reason in hides.items():
        why[cover & np.uint8(kind) != 0] |= np.uint32(reason)
    known = np.logical_and.reduce([valid for _, valid in bands])
    why[~known] = missing
    return [numbers for numbers, _ in bands], why


def _median(values: NDArray[np.uint16], clear: NDArray[np.bool_]) -> NDArray[np.uint16]:
    """The median of what is clear in each pixel, the lower of two; the first where nothing is."""
    first: NDArray[np.uint16] = values[0]
    if len(values) == 1:
        return first
    top = np.where(clear, values.astype(np.int32), np.iinfo(np.int32).max)
    ranked = np.sort(top, axis=0)
    middle = np.maximum((clear.sum(axis=0) - 1) // 2, 0)
    chosen = np.take_along_axis(ranked, middle[None], axis=0)[0]
    result: NDArray[np.uint16] = np.where(clear.any(axis=0), chosen, first).astype(np.uint16)
    return result
