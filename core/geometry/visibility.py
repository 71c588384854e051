"""Which cells of a surface an image truly sees: nothing higher stands in their lines of sight.

A line of sight is followed from the cell upwards until it is above everything.  Between the centres
of cells the surface is bilinear, except that a step is a wall: its upper edge may stand anywhere
between the two centres, so shadows that ended with a ramp at the higher one would be too short.
What is gentler is a slope, and an image sees slopes that blocks of cells would hide.

Amhar, F., Jansa, J., Ries, C., 1998. The generation of true orthophotos using a 3D building model
in conjunction with a conventional DTM. International Archives of Photogrammetry and Remote Sensing
32(4), 16-22.
"""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from pyproj import Transformer
from scipy import ndimage

from core.geometry.rpc import Flags, Floats, Rpc
from core.grid import GEOGRAPHIC, Grid
from core.kernel import kernel
from core.tiling import Window

Heights = NDArray[np.float32]

TOLERANCE_M = 0.3
"""By how much the surface may rise above a line of sight: noise of the heights hides nothing."""

WALL = 2.0
"""Metres of height per metre from which a step is a wall: 63 degrees."""

EDGE = 0.85
"""Where the upper edge of a wall is taken to stand: this part of the way from the centre of the
higher cell to that of the lower.  Nobody knows; in the middle, one in seven of the cells that an
image does not see would be taken for seen, and show a roof once more (in simulated cities of cells
of 1 m 0.84 to 0.87 are found; so 0.98, and 0.01 to 0.02 of the others are hidden with them)."""

RISE_M = 100.0
"""Height over which the slant of a line of sight is measured; the line is straight."""


class Slant(NamedTuple):
    """Where lines of sight lead: cells down and to the right for each metre up.

    At the centres of the four corner cells of a window, ``[top or bottom, left or right]``, and
    bilinear between them; NaN where the model does not reach.
    """

    rows: Floats
    cols: Floats

    @property
    def known(self) -> bool:
        """Whether the lines of sight are known in the whole window."""
        return bool(np.isfinite(self.rows).all() and np.isfinite(self.cols).all())


def slant(rpc: Rpc, grid: Grid, window: Window, height: float) -> Slant:
    """The slant of an image's lines of sight over a window of a projected grid.

    Measured in the grid itself, so that its convergence and its scale are in it.

    Parameters
    ----------
    rpc
        The image's sensor model.
    window
        Cells; may reach outside the grid.
    height
        A height of the surface there, metres above the ellipsoid.
    """
    rows, cols = (
        first + np.array([0.0, size - 1.0])
        for first, size in zip((window.row, window.col), window.shape, strict=True)
    )
    down, right = (part.ravel() for part in np.meshgrid(rows, cols, indexing="ij"))
    change = Transformer.from_crs(grid.plane, GEOGRAPHIC, always_xy=True)
    lon, lat = change.transform(*(grid.transform @ (right + 0.5, down + 0.5)))
    seen = rpc.project(lon, lat, height)
    above = rpc.locate(seen.row, seen.col, height + RISE_M)
    # A transformer warns of NaN in its own way.
    lon, lat = (np.where(above.inside, part, 0.0) for part in (above.lon, above.lat))
    x, y = change.transform(lon, lat, direction="INVERSE")
    col, row = ~grid.transform @ (np.asarray(x), np.asarray(y))
    rows, cols = ((row - 0.5 - down) / RISE_M, (col - 0.5 - right) / RISE_M)
    return Slant(*(np.where(above.inside, part, np.nan).reshape(2, 2) for part in (rows, cols)))


def halo(lines: Slant, rise_m: float) -> int:
    """Cells around a window that may hide some of it.

    Parameters
    ----------
    rise_m
        How far the highest surface near the window stands above the lowest in it.
    """
    if not lines.known or rise_m <= 0:
        return 1
    return math.ceil(rise_m * float(np.abs(np.stack(lines)).max())) + 1


def visible(
    surface: Heights,
    core: Window,
    lines: Slant,
    cell_m: float,
    tolerance_m: float = TOLERANCE_M,
    *,
    doubtful: Flags | None = None,
) -> Flags:
    """Which cells an image sees.

    Parameters
    ----------
    surface
        Heights of square cells, (rows, cols), metres.  A hole (NaN) hides nothing: where that is
        not what is meant, fill it first (:mod:`core.geometry.filling`).
    core
        The cells that are asked for, counted from the first of `surface`, inside it; around them
        stands what may hide them, see :func:`halo`.  What lies beyond hides nothing.
    lines
        Slant of the lines of sight over `core`.
    cell_m
        Side of a cell, metres.
    tolerance_m
        A cell is hidden if something rises above its line of sight by more.
    doubtful
        Of the shape of `core`: cells before a wall that may be the ground at its foot, and so are
        seen only if that would be.

    Returns
    -------
    Flags
        Of the shape of `core`; false where the surface has no height, or the lines of sight are
        not known.
    """
    seen = np.zeros(core.shape, np.bool_)
    if lines.known and np.isfinite(surface).any():
        top, wall = float(np.nanmax(surface)), WALL * cell_m
        starts = _starts(surface, core, wall, doubtful)
        _visible_into(surface, starts, core.row, core.col, *lines, top, wall, tolerance_m, seen)
    return seen


def _starts(surface: Heights, core: Window, wall: float, doubtful: Flags | None) -> Heights:
    """Heights from which the lines of sight of cells are followed."""
    height = np.ascontiguousarray(surface[core.slices])
    if doubtful is None:
        return height
    known = np.where(np.isnan(surface), np.float32(np.inf), surface)
    lowest = ndimage.minimum_filter(known, 3)[core.slices]
    return np.where(doubtful & (height - lowest > wall), lowest, height)


@kernel
def _between(corners: Floats, down: float, right: float) -> float:
    upper = corners[0, 0] + right * (corners[0, 1] - corners[0, 0])
    lower = corners[1, 0] + right * (corners[1, 1] - corners[1, 0])
    return float(upper + down * (lower - upper))


@kernel
def _crossing(surface: Heights, along_rows: bool, major: int, minor: float, wall: float) -> float:
    """Height of the surface where a line crosses a row (or a column) of centres; NaN in a hole."""
    last = surface.shape[1] - 1 if along_rows else surface.shape[0] - 1
    first = min(max(int(minor), 0), last)
    part = minor - first
    second = min(first + 1, last)
    if along_rows:
        a, b = float(surface[major, first]), float(surface[major, second])
    else:
        a, b = float(surface[first, major]), float(surface[second, major])
    if abs(a - b) <= wall:
        return float(a + part * (b - a))
    if abs(a - b) > wall:
        part += (EDGE - 0.5) if b > a else (0.5 - EDGE)
    # Beside a hole the nearer cell counts.
    return a if part < 0.5 else b


@kernel
def _free(
    surface: Heights,
    row: int,
    col: int,
    height: float,
    rows: float,
    cols: float,
    top: float,
    wall: float,
    tolerance: float,
) -> bool:
    """Whether the line of sight of a cell, `rows` and `cols` per metre up, meets nothing."""
    along_rows = abs(rows) >= abs(cols)
    speed = rows if along_rows else cols
    if speed == 0.0:
        return True
    rise, step = 1.0 / abs(speed), 1 if speed > 0 else -1
    slope = (cols if along_rows else rows) / abs(speed)
    major, minor = (row, float(col)) if along_rows else (col, float(row))
    count = surface.shape[0] if along_rows else surface.shape[1]
    across = surface.shape[1] if along_rows else surface.shape[0]
    line, before = height + tolerance, height
    ahead, steep = EDGE * rise, wall * math.sqrt(1.0 + slope * slope)
    while True:
        major, minor, line = major + step, minor + slope, line + rise
        if line - ahead >= top or major < 0 or major >= count:
            return True
        if minor < -1e-9 or minor > across - 1 + 1e-9:
            return True
        here = _crossing(surface, along_rows, major, minor, wall)
        if here > line or (here - before > steep and here > line - ahead):
            return False
        before = here


@kernel
def _visible_into(
    surface: Heights,
    starts: Heights,
    top: int,
    left: int,
    rows: Floats,
    cols: Floats,
    highest: float,
    wall: float,
    tolerance: float,
    out: Flags,
) -> None:
    height, width = out.shape
    for i in range(height):
        down = i / max(height - 1, 1)
        for j in range(width):
            if np.isnan(surface[top + i, left + j]):
                continue
            right = j / max(width - 1, 1)
            out[i, j] = _free(
                surface,
                top + i,
                left + j,
                float(starts[i, j]),
                _between(rows, down, right),
                _between(cols, down, right),
                highest,
                wall,
                tolerance,
            )
