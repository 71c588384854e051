"""Shape of the ground and its light: slope, aspect, curvature, position, incidence, cast shadow.

Heights stand on the lattice of the image.  A neighbour that has no height, or lies beyond the
border, is taken to be as high as the cell.

Horn, B. K. P., 1981. Hill shading and the reflectance map. Proceedings of the IEEE 69(1), 14-47.
https://doi.org/10.1109/PROC.1981.11918

Zevenbergen, L. W., Thorne, C. R., 1987. Quantitative analysis of land surface topography. Earth
Surface Processes and Landforms 12, 47-56. https://doi.org/10.1002/esp.3290120107
"""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from core.change.scene import Flags, Floats, Sun
from core.change.windows import in_steps, local
from core.kernel import kernel
from core.tiling import Window

HALO = 1
"""Cells around a tile that slope, aspect, curvature and incidence look at."""

HEIGHT_STEP_M = 1 / 16
"""Of heights in sums over windows: they reach 16 km on either side of nought."""

SHADOW_REACH_M = 1000.0
"""How far off the ground may stand that casts a shadow: under a sun of 30 degrees, 570 m higher."""

SHADOW_REACH_PX = 100
"""The same in cells, at most: on finer lattices shadows of hills far off are not seen."""

BLOCK = 8
"""Side of the blocks of cells whose highest point lets a line of sight skip them."""

LEAST_GRADIENT = 1e-4
"""Metres per metre below which ground is level: it has no aspect and no curvature."""

Doubles = NDArray[np.float64]


class Slope(NamedTuple):
    """How steep, and which way down: (rows, cols), NaN where there is no height."""

    slope_deg: Floats
    north: Floats
    """Cosine of the aspect: 1 where the ground falls towards grid north; 0 on level ground."""
    east: Floats
    """Sine of the aspect: 1 where it falls towards grid east."""


class Curvature(NamedTuple):
    """1/m, positive where the ground is convex; NaN where there is no height, 0 on level ground."""

    profile: Floats
    """Along the slope: positive where it gets steeper downwards."""
    plan: Floats
    """Across the slope: positive on spurs, negative in hollows."""


class Position(NamedTuple):
    """Where in the landform a cell lies: metres, NaN where there is no height."""

    above: Floats
    """Its height above the mean of the window around it."""
    relief: Floats
    """Standard deviation of the heights in the window."""


def slope(height: Floats, pixel_m: float, core: Window) -> Slope:
    """Slope and aspect from eight neighbours (Horn 1981).

    Parameters
    ----------
    height
        (rows, cols), metres, NaN where there is none, with a halo of :data:`HALO`.
    pixel_m
        Side of a cell.
    core
        The cells that are wanted, counted from the first of `height`.
    """
    out = np.empty((3, *core.shape), np.float32)
    _slope_into(height, pixel_m, core.row, core.col, out)
    return Slope(*out)


def curvature(height: Floats, pixel_m: float, core: Window) -> Curvature:
    """Profile and plan curvature (Zevenbergen and Thorne 1987); arguments as of :func:`slope`."""
    out = np.empty((2, *core.shape), np.float32)
    _curvature_into(height, pixel_m, core.row, core.col, out)
    return Curvature(*out)


def incidence(height: Floats, pixel_m: float, sun: Sun, core: Window) -> Floats:
    """Cosine of the sun's angle to the ground's normal: 1 at right angles, below 0 averted.

    Arguments as of :func:`slope`.  NaN where there is no height.
    """
    azimuth, elevation = (math.radians(angle) for angle in sun)
    towards = (math.cos(azimuth) * math.cos(elevation), math.sin(azimuth) * math.cos(elevation))
    out = np.empty(core.shape, np.float32)
    _incidence_into(height, pixel_m, core.row, core.col, *towards, math.sin(elevation), out)
    return out


def smooth(height: Floats, side: int) -> Floats:
    """Mean of the known heights in windows of `side` cells; NaN where the cell has none.

    The halo is `side // 2`.
    """
    known = ~np.isnan(height)
    area = Window(0, 0, *height.shape)
    mean = local(in_steps(height, HEIGHT_STEP_M), known, side, HEIGHT_STEP_M, area).mean
    result: Floats = np.where(known, mean, np.float32(np.nan))
    return result


def position(height: Floats, side: int, core: Window) -> Position:
    """Height above the surroundings, and relief; the halo is `side // 2`.

    References
    ----------
    Guisan, A., Weiss, S. B., Weiss, A. D., 1999. GLM versus CCA spatial modeling of plant species
    distribution. Plant Ecology 143, 107-122. https://doi.org/10.1023/A:1009841519580
    """
    known = ~np.isnan(height)
    windows = local(in_steps(height, HEIGHT_STEP_M), known, side, HEIGHT_STEP_M, core)
    here = height[core.slices]
    relief: Floats = np.where(known[core.slices], windows.deviation, np.float32(np.nan))
    return Position(here - windows.mean, relief)


def shadow_reach(pixel_m: float) -> int:
    """Cells around a tile in which what casts a shadow is looked for."""
    return min(math.ceil(SHADOW_REACH_M / pixel_m), SHADOW_REACH_PX)


def shadow(height: Floats, pixel_m: float, sun: Sun, core: Window, reach: int) -> Flags:
    """Where ground towards the sun stands in its light.

    Parameters
    ----------
    height
        With a halo of `reach` + 1; what lies beyond the array casts no shadow.
    sun
        Above the horizon.
    reach
        Rows or columns, whichever the light crosses faster, that are looked at.

    Returns
    -------
    Flags
        False where there is no height.
    """
    out = np.zeros(core.shape, np.bool_)
    if sun.elevation_deg >= 90 or not np.isfinite(height).any():
        return out
    azimuth = math.radians(sun.azimuth_deg)
    down, right = -math.cos(azimuth), math.sin(azimuth)
    along_rows = abs(down) >= abs(right)
    major, minor = (down, right) if along_rows else (right, down)
    steps = np.arange(reach + 1, dtype=np.float64)
    # Rounded, so that a diagonal meets the centres of cells and does not pass a hair beside them.
    aside: Doubles = np.round(steps * (minor / abs(major)), 6)
    rise: Doubles = steps * (pixel_m / abs(major) * math.tan(math.radians(sun.elevation_deg)))
    cells = np.floor(aside).astype(np.int64)
    area = height if along_rows else height.T
    start = (core.row, core.col) if along_rows else (core.col, core.row)
    result = out if along_rows else out.T
    _shadow_into(
        area,
        _highest(area),
        *start,
        1 if major > 0 else -1,
        cells,
        aside - cells,
        rise,
        result,
    )
    return out


def _highest(height: Floats) -> Floats:
    """Highest point of each block and the eight around it; -inf where there are no heights."""
    rows, cols = (-(-n // BLOCK) for n in height.shape)
    padded = np.full((rows * BLOCK, cols * BLOCK), -np.inf, np.float32)
    padded[: height.shape[0], : height.shape[1]] = np.where(np.isnan(height), -np.inf, height)
    blocks = padded.reshape(rows, BLOCK, cols, BLOCK).max(axis=(1, 3))
    wide = np.pad(blocks, 1, constant_values=-np.inf)
    shifted = [wide[r : r + rows, c : c + cols] for r in range(3) for c in range(3)]
    result: Floats = np.maximum.reduce(shifted)
    return result


@kernel
def _near(height: Floats, row: int, col: int, down: int, right: int) -> float:
    """Height of a neighbour; of the cell itself where the neighbour has none."""
    i, j = row + down, col + right
    if i < 0 or j < 0 or i >= height.shape[0] or j >= height.shape[1] or np.isnan(height[i, j]):
        return float(height[row, col])
    return float(height[i, j])


@kernel
def _gradient(height: Floats, i: int, j: int, pixel: float) -> tuple[float, float]:
    """Rise per metre towards the south and towards the east."""
    nw, n, ne = _near(height, i, j, -1, -1), _near(height, i, j, -1, 0), _near(height, i, j, -1, 1)
    w, e = _near(height, i, j, 0, -1), _near(height, i, j, 0, 1)
    sw, s, se = _near(height, i, j, 1, -1), _near(height, i, j, 1, 0), _near(height, i, j, 1, 1)
    south = ((sw - nw) + 2.0 * (s - n) + (se - ne)) / (8.0 * pixel)
    east = ((ne - nw) + 2.0 * (e - w) + (se - sw)) / (8.0 * pixel)
    return south, east


@kernel
def _slope_into(height: Floats, pixel: float, top: int, left: int, out: Floats) -> None:
    for i in range(out.shape[1]):
        for j in range(out.shape[2]):
            if np.isnan(height[top + i, left + j]):
                out[:, i, j] = np.nan
                continue
            south, east = _gradient(height, top + i, left + j, pixel)
            steep = math.sqrt(south * south + east * east)
            out[0, i, j] = math.degrees(math.atan(steep))
            level = steep < LEAST_GRADIENT
            out[1, i, j] = 0.0 if level else south / steep
            out[2, i, j] = 0.0 if level else -east / steep


@kernel
def _curvature_into(height: Floats, pixel: float, top: int, left: int, out: Floats) -> None:
    for i in range(out.shape[1]):
        for j in range(out.shape[2]):
            row, col = top + i, left + j
            z = float(height[row, col])
            if np.isnan(z):
                out[:, i, j] = np.nan
                continue
            n, s = _near(height, row, col, -1, 0), _near(height, row, col, 1, 0)
            w, e = _near(height, row, col, 0, -1), _near(height, row, col, 0, 1)
            nw, ne = _near(height, row, col, -1, -1), _near(height, row, col, -1, 1)
            sw, se = _near(height, row, col, 1, -1), _near(height, row, col, 1, 1)
            d, f = ((w + e) / 2 - z) / pixel**2, ((n + s) / 2 - z) / pixel**2
            twist = ((ne - nw) + (sw - se)) / (4 * pixel**2)
            g, h = (e - w) / (2 * pixel), (n - s) / (2 * pixel)
            square = g * g + h * h
            level = square < LEAST_GRADIENT**2
            out[0, i, j] = 0.0 if level else -2 * (d * g * g + f * h * h + twist * g * h) / square
            out[1, i, j] = 0.0 if level else -2 * (d * h * h + f * g * g - twist * g * h) / square


@kernel
def _incidence_into(
    height: Floats,
    pixel: float,
    top: int,
    left: int,
    north: float,
    east: float,
    up: float,
    out: Floats,
) -> None:
    for i in range(out.shape[0]):
        for j in range(out.shape[1]):
            if np.isnan(height[top + i, left + j]):
                out[i, j] = np.nan
                continue
            southward, eastward = _gradient(height, top + i, left + j, pixel)
            # The normal is (-eastward, southward, 1) in east, north and up.
            light = up + southward * north - eastward * east
            out[i, j] = light / math.sqrt(1.0 + southward * southward + eastward * eastward)


@kernel
def _shaded(
    height: Floats,
    highest: Floats,
    row: int,
    col: int,
    step: int,
    aside: NDArray[np.int64],
    part: Doubles,
    rise: Doubles,
) -> bool:
    """Whether a line from a cell towards the sun meets the ground."""
    rows, cols = height.shape
    start = float(height[row, col])
    n = 1
    while n < rise.shape[0]:
        i, j = row + n * step, col + aside[n]
        if i < 0 or i >= rows or j < 0 or j >= cols:
            return False
        line = start + rise[n]
        if line >= highest[i // BLOCK, j // BLOCK]:
            # The line rises: nothing in the blocks around reaches it within the next cells.
            n += BLOCK
            continue
        beside = min(j + 1, cols - 1)
        one, other = float(height[i, j]), float(height[i, beside])
        if one + part[n] * (other - one) > line:
            return True
        n += 1
    return False


@kernel
def _shadow_into(
    height: Floats,
    highest: Floats,
    top: int,
    left: int,
    step: int,
    aside: NDArray[np.int64],
    part: Doubles,
    rise: Doubles,
    out: Flags,
) -> None:
    for i in range(out.shape[0]):
        for j in range(out.shape[1]):
            if not np.isnan(height[top + i, left + j]):
                out[i, j] = _shaded(height, highest, top + i, left + j, step, aside, part, rise)
