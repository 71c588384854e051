"""What images are laid on: the filled surface, its walls where the images show them."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from core.geometry.rpc import Floats
from core.geometry.walls import BORDER, STEP, STEPS, Placed, Walls, beside_walls, contrast, placed
from core.grid import Grid
from core.io.blockwise import counted, spread
from core.io.planes import Plane
from core.pipelines.dsm_opt.filling import FilledSurface, Values
from core.pipelines.dsm_opt.orientation import Eye
from core.pipelines.dsm_opt.orthography import geographic, per_cell
from core.pipelines.dsm_opt.prism import bounding
from core.progress import Progress
from core.tiling import Window, tiles
from core.workspace import Context

TILE = 512
"""Side of a tile, cells, whole tiles of the planes."""

PASSES = 2
"""Walls are put where they are seen, and again from there: an edge found once is the better start
for its cells, and for those beside it."""


@dataclass(frozen=True, eq=False)
class WalledSurface:
    """A surface on scratch; may be sent to other processes.

    Parameters
    ----------
    grid
        Its cells.
    height
        Metres above the ellipsoid; NaN in wide holes.
    doubtful
        Not 0 on roofs that may be ground.
    """

    grid: Grid
    height: Plane
    doubtful: Plane

    def around(self, window: Window) -> Values:
        """The heights of a window, in no order."""
        height = self.read(window)
        known: Values = height[np.isfinite(height)]
        return known

    def read(self, window: Window) -> Values:
        """Heights in a window inside the grid."""
        height: Values = self.height.read(window)
        return height

    def close(self) -> None:
        """Close and delete the files."""
        for plane in (self.height, self.doubtful):
            plane.close()
            plane.path.unlink(missing_ok=True)


def walled_surface(
    surface: FilledSurface, eyes: Sequence[Eye], context: Context, progress: Progress
) -> WalledSurface:
    """Put the walls of a surface where images show them, tile by tile."""
    folder, grid = context.workspace.scratch / "walls", surface.grid
    folder.mkdir(parents=True, exist_ok=True)
    made = WalledSurface(grid, *_planes(folder, grid.shape))
    windows = [tile.core for tile in tiles(grid.shape, TILE)]
    work = partial(walled_tile, surface, eyes)
    results = spread(work, windows, context.executor, context.compute.workers)
    for window, part in counted(results, len(windows), progress, "walls, tile"):
        made.height.write(window, part.height)
        made.doubtful.write(window, part.doubtful)
    return made


def _planes(folder: Path, shape: tuple[int, int]) -> tuple[Plane, Plane]:
    return Plane(folder / "height", shape, np.float32), Plane(folder / "doubtful", shape, np.uint8)


def walled_tile(surface: FilledSurface, eyes: Sequence[Eye], window: Window) -> Placed:
    """The surface in a window, the same whatever the window."""
    grid = surface.grid
    wide = window.pad(PASSES * BORDER) & grid.window
    height = surface.read(wide)
    for left in reversed(range(PASSES)):
        part = window.pad(left * BORDER) & grid.window
        core = part.inside(wide)
        walls = beside_walls(height, core, grid.pixel_size[0])
        found = placed(height[core.slices], walls, _contrasts(walls, eyes, grid, part))
        height, wide = found.height, part
    return found


def _contrasts(walls: Walls, eyes: Sequence[Eye], grid: Grid, window: Window) -> Floats:
    """Mean over the images that show the edges of a window's walls; NaN where none does."""
    total, count = np.zeros((walls.row.size, 2 * STEPS + 1)), np.zeros((walls.row.size, 1))
    if walls.row.size:
        lon, lat = (part[walls.row, walls.col] for part in geographic(grid, window))
        middle = float(np.median(walls.upper))
        for eye in eyes:
            found = _seen(walls, eye, (lon, lat), per_cell(eye.rpc, grid, window, middle))
            shown = np.isfinite(found[:, 0])
            total[shown] += found[shown]
            count[shown] += 1
    with np.errstate(invalid="ignore"):
        mean: Floats = total / count
    return mean


def _seen(
    walls: Walls, eye: Eye, where: tuple[Floats, Floats], across: NDArray[np.float64]
) -> Floats:
    """The contrasts that one image shows."""
    place = eye.rpc.project(*where, walls.upper)
    reach = int(np.ceil(2 * (STEPS + 2) * STEP * np.abs(across).max())) + 1
    around = bounding(place.row, place.col)
    window = around if around.empty else around.pad(reach) & eye.image.window
    if window.empty:
        return np.full((walls.row.size, 2 * STEPS + 1), np.nan)
    pixels = eye.image.read(window)
    values = np.where(pixels.weights > 0, pixels.values, np.float32(np.nan))
    return contrast(walls, values, place.row - window.row, place.col - window.col, across)
