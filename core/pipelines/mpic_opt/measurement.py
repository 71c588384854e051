"""Dense matching of a pair, tile by tile, into scratch planes."""

from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from core.compute import Compute
from core.io.blockwise import counted, spread
from core.io.rasters import Pixels, Reader
from core.matching.arrays import Bits, Layer
from core.matching.coregistration import Shift, global_shift
from core.matching.dense import Match, Matching, alignment, halo, match
from core.pipelines.mpic_opt.filters import Marks
from core.pipelines.mpic_opt.lattice import Lattice
from core.pipelines.mpic_opt.planes import Planes
from core.progress import Progress
from core.reasons import Reason
from core.tiling import Window
from core.workspace import Context

BYTES_PER_PIXEL = 220
"""Peak of a tile's matching per padded pixel, measured with windows of 15 to 41 pixels."""

LARGEST_SIDE = 1024
"""Rows and columns of a tile at most: progress is told per tile."""

PATCH = 256
"""Side of the windows that co-registration looks at, pixels."""

PATCHES = 6
"""Windows of co-registration along each side of the common ground."""


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
    for core, (found, reasons) in counted(results, len(cores), progress, "matching, tile"):
        planes.write(core.inside(origin), found, reasons)


def _tiles(task: Task, compute: Compute) -> list[Window]:
    """Cores on a lattice of the whole reference, so that an area of interest does not move them."""
    border = halo(task.options)
    side = min(LARGEST_SIDE, compute.tile_side(BYTES_PER_PIXEL, border))
    window = task.lattice.window
    corners = (
        (row, col)
        for row in range(window.row // side * side, window.row + window.height, side)
        for col in range(window.col // side * side, window.col + window.width, side)
    )
    return [Window(row, col, side, side) & window for row, col in corners]


def _match_tile(task: Task, core: Window) -> tuple[Match, Bits]:
    padded = _padded(core, task)
    reference = task.reference.read(padded)
    moved = task.lattice.in_secondary(padded).shift(*task.start)
    secondary = task.secondary.read(moved)
    found = match(_layer(reference), _layer(secondary), core.inside(padded), task.options)
    inner = core.inside(padded).slices
    found = _whole_displacement(found, task, reference.saturated[inner])
    return found, task.marks.marked(core, found)


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
    # No data in the reference's window also means saturation: such pixels do not take part.
    marked = saturated & ((found.reasons & np.uint16(Reason.NODATA_REFERENCE)) != 0)
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
    rows = np.unique(np.linspace(0, window.height - height, PATCHES).astype(int))
    cols = np.unique(np.linspace(0, window.width - width, PATCHES).astype(int))
    return [
        Window(window.row + int(row), window.col + int(col), height, width)
        for row in rows
        for col in cols
    ]
