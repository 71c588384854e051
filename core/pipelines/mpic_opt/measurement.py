"""Dense matching of a pair, tile by tile, into scratch planes."""

from dataclasses import dataclass
from functools import partial
from math import ceil

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from core.compute import Compute
from core.io.blockwise import counted, spread
from core.io.rasters import Pixels, Reader
from core.matching.arrays import Bits, Floats, Layer
from core.matching.coregistration import Shift, global_shift
from core.matching.dense import Match, match
from core.matching.options import Matching, alignment, halo
from core.pipelines.mpic_opt.effort import tile_side
from core.pipelines.mpic_opt.filters import Marks
from core.pipelines.mpic_opt.lattice import Lattice
from core.pipelines.mpic_opt.planes import Planes
from core.progress import Progress
from core.reasons import Reason
from core.tiling import Window
from core.workspace import Context

NO_DATA = np.uint16(Reason.NODATA_REFERENCE | Reason.NODATA_SECONDARY)

SATURATION_REACH = 8
"""Pixels by which ground on a saturated pixel may have moved, at most, to be told as such."""

PATCH = 256
"""Side of the windows that co-registration looks at, pixels."""

PATCHES = 6
"""Windows of co-registration along each side of the common ground, at most; none overlap."""


@dataclass(frozen=True)
class Task:
    """All that a tile needs, fit to be sent to another process."""

    reference: Reader
    secondary: Reader
    lattice: Lattice
    start: tuple[int, int]
    """Whole pixels, from co-registration, at which the search begins."""
    options: Matching
    marks: Marks


def texture_floor(reference: Reader, window: Window) -> float:
    """Local deviation below which nothing counts as texture: a hundredth of the scene's.

    Taken from windows at fixed places, so that it is the same for each tile.
    """
    spreads = []
    for patch in _patches(window):
        pixels = reference.read(patch)
        if pixels.valid.mean() > 0.5:
            spreads.append(float(pixels.values[pixels.valid].std(dtype=np.float64)))
    integer = reference.scene.dtype.startswith(("int", "uint"))
    # Rounding to whole numbers alone has a deviation of 0.29.
    return max(0.01 * float(np.median(spreads)) if spreads else 0.0, 0.29 if integer else 1e-12)


def coarse_shift(reference: Reader, secondary: Reader, lattice: Lattice, floor: float) -> Shift:
    """The shift of the images as wholes, whole pixels beyond what their grids say."""
    return global_shift(
        (
            (_layer(reference.read(patch)), _layer(secondary.read(lattice.in_secondary(patch))))
            for patch in _patches(lattice.window)
        ),
        floor,
    )


def measure(task: Task, planes: Planes, context: Context, progress: Progress) -> None:
    """Match every tile of the lattice's window and write what comes out."""
    origin = task.lattice.window
    cores = list(_tiles(task, context.compute))
    results = spread(partial(_match_tile, task), cores, context.executor, context.compute.workers)
    for core, (found, distance, reasons) in counted(
        results, len(cores), progress, "matching, tile"
    ):
        planes.write(core.inside(origin), found, distance, reasons)


def _tiles(task: Task, compute: Compute) -> list[Window]:
    """Cores on a lattice of the whole reference, so that an area of interest does not move them."""
    side = tile_side(task.options, compute)
    window = task.lattice.window
    corners = (
        (row, col)
        for row in range(window.row // side * side, window.row + window.height, side)
        for col in range(window.col // side * side, window.col + window.width, side)
    )
    return [Window(row, col, side, side) & window for row, col in corners]


def _match_tile(task: Task, core: Window) -> tuple[Match, Floats, Bits]:
    padded = _padded(core, task)
    reference = task.reference.read(padded)
    moved = task.lattice.in_secondary(padded).shift(*task.start)
    secondary = task.secondary.read(moved)
    found = match(_layer(reference), _layer(secondary), core.inside(padded), task.options)
    inner = core.inside(padded).slices
    saturated = reference.saturated[inner] | _around(secondary.saturated, task.options)[inner]
    found = _whole_displacement(found, task, saturated)
    return found, _on_the_ground(found, task), task.marks.marked(core, found)


def _on_the_ground(found: Match, task: Task) -> Floats:
    """Forward-backward difference, units of the CRS."""
    distance: Floats = np.hypot(*task.lattice.reference.metres(*found.difference))
    return distance


def _around(saturated: NDArray[np.bool_], options: Matching) -> NDArray[np.bool_]:
    """Where ground may have been found on a saturated pixel of the secondary."""
    if not saturated.any():
        return saturated
    reach = 2 * min(ceil(options.search_px), SATURATION_REACH) + 1
    wide: NDArray[np.bool_] = ndimage.maximum_filter(saturated, size=reach)
    return wide


def _padded(core: Window, task: Task) -> Window:
    """The core with its halo, cut at the reference's border, begun on the pyramid's lattice."""
    size = alignment(task.options)
    padded = core.pad(halo(task.options)) & task.lattice.reference.window
    row, col = padded.row // size * size, padded.col // size * size
    return Window(row, col, padded.row + padded.height - row, padded.col + padded.width - col)


def _whole_displacement(found: Match, task: Task, saturated: NDArray[np.bool_]) -> Match:
    """The result with what the grids and the start of the search add, and saturation marked."""
    shift = [s + f for s, f in zip(task.start, task.lattice.fraction, strict=True)]
    field = type(found.field)(
        *(part + np.float32(s) for part, s in zip(found.field, shift, strict=True))
    )
    # Saturated pixels do not take part, so that the matcher calls them pixels without data.
    marked = saturated & ((found.reasons & NO_DATA) != 0)
    reasons = found.reasons.copy()
    reasons[marked] = np.uint16(Reason.SATURATED)
    return found._replace(field=field, reasons=reasons)


def _layer(pixels: Pixels) -> Layer:
    """Saturated pixels are flat and do not move with the ground: they do not take part."""
    weights = (pixels.valid & ~pixels.saturated).astype(np.float32)
    return Layer(np.where(weights > 0, pixels.values, np.float32(0)), weights)


def _patches(window: Window) -> list[Window]:
    """Windows spread over the common ground."""
    height, width = min(PATCH, window.height), min(PATCH, window.width)
    rows, cols = (
        np.linspace(0, length - side, min(PATCHES, length // side)).astype(int)
        for length, side in ((window.height, height), (window.width, width))
    )
    return [
        Window(window.row + int(row), window.col + int(col), height, width)
        for row in rows
        for col in cols
    ]
