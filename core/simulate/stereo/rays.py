"""Where lines of sight meet the ground: terrain on a lattice, and solids with upright walls.

The terrain is bilinear on its lattice and flooded up to a level; a solid is a rectangle of any
orientation below a flat or a gabled roof.  Both are met exactly: a solid by the planes that bound
it, the terrain by a root of the height above it.  Cells of 8 and 64 m that know how high anything
in them reaches let a line of sight pass empty air in few steps.

Coordinates are metres from the south-western node of the terrain, x east and y north.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from core.kernel import kernel

Raster = NDArray[np.float32]
"""Values on a lattice, [northing, easting], from the south-west."""
Points = NDArray[np.float64]
Triple = tuple[float, float, float]
Ground = tuple[Raster, float, float]
"""Terrain, its nodes per metre, level of water."""
Ends = tuple[float, float, float, float]
"""A height above the ground and one below, and how far they are above it."""

CELL_M = 8.0
COARSE = 8
"""Cells to a side of a coarse one."""
BOX_COLUMNS = 12
"""Centre x, y; cosine and sine of the long axis; half length, half width; height of the eaves;
rise of the ridge above them; brightness of roof and of walls; kind; a random number."""
GROUND = -1
FACES = 8
"""A hit is GROUND or number of the solid times FACES plus the face: 0 and 1 the roof's two sides,
2 to 5 walls at the ends and at the sides."""
ROOT_M = 1e-6
"""How exactly a line of sight meets the terrain, in height."""


class Solid(NamedTuple):
    """All that lines of sight can meet.

    Parameters
    ----------
    terrain, spacing
        Heights at nodes `spacing` metres apart.
    level
        Height of water; lower terrain is flooded.
    low, high, top, coarse
        Per cell the lowest and highest terrain, and the highest of all; of coarse cells the latter.
    first, members
        The solids that touch a cell: ``members[first[cell]:first[cell + 1]]``.
    boxes
        A row per solid, see `BOX_COLUMNS`.
    """

    terrain: Raster
    spacing: float
    level: float
    low: Raster
    high: Raster
    top: Raster
    coarse: Raster
    first: NDArray[np.int32]
    members: NDArray[np.int32]
    boxes: Points


class Hits(NamedTuple):
    """Where lines of sight end: local metres, height, and what they met; NaN where nothing."""

    x: Points
    y: Points
    height: Points
    what: NDArray[np.int32]


def trace(
    solid: Solid,
    x: Points,
    y: Points,
    middle: Triple,
    half: Triple,
    rows: Points,
    cols: Points,
    slips: Points,
    top: float,
) -> Hits:
    """Follow the line of sight of every (row, col + slip of the row) down from the height `top`.

    `x` and `y` are polynomials as in `Sights`, in local metres; `slips` has an entry per row.
    """
    return Hits(*_trace(solid, x, y, middle, half, rows, cols, slips, top))


def visible(
    solid: Solid,
    x: Points,
    y: Points,
    middle: Triple,
    half: Triple,
    rows: Points,
    cols: Points,
    heights: Points,
    top: float,
    tolerance: float,
) -> NDArray[np.bool_]:
    """Whether the lines of sight through points of the surface meet nothing above them.

    `rows`, `cols` (where a point is seen) and `heights` are one-dimensional.
    """
    seen: NDArray[np.bool_] = _visible(
        solid, x, y, middle, half, rows, cols, heights, top, tolerance
    )
    return seen


def heights(solid: Solid, x: Points, y: Points) -> Points:
    """Height of the surface over local points, one-dimensional; of a wall the upper end."""
    result: Points = _heights(solid, x, y)
    return result


def box_at(solid: Solid, x: Points, y: Points) -> NDArray[np.int32]:
    """Number of the solid that makes the surface at local points, or GROUND."""
    result: NDArray[np.int32] = _boxes_at(solid, x, y)
    return result


@kernel
def _terrain(terrain: Raster, per_metre: float, level: float, x: float, y: float) -> float:
    u, v = x * per_metre, y * per_metre
    i = min(max(int(v), 0), terrain.shape[0] - 2)
    j = min(max(int(u), 0), terrain.shape[1] - 2)
    u, v = u - j, v - i
    south = terrain[i, j] * (1.0 - u) + terrain[i, j + 1] * u
    north = terrain[i + 1, j] * (1.0 - u) + terrain[i + 1, j + 1] * u
    return float(max(south * (1.0 - v) + north * v, level))


@kernel
def _roof(box: Points, x: float, y: float) -> float:
    """Height of a solid over a point, minus infinity beside it."""
    east, north = x - box[0], y - box[1]
    u = east * box[2] + north * box[3]
    v = north * box[2] - east * box[3]
    if abs(u) > box[4] or abs(v) > box[5]:
        return -np.inf
    return float(box[6] + box[7] * (1.0 - abs(v) / box[5]))


@kernel
def _highest(solid: Solid, x: float, y: float) -> tuple[float, int]:
    """Height of the surface and what makes it."""
    best, what = _terrain(solid.terrain, 1.0 / solid.spacing, solid.level, x, y), GROUND
    i = min(max(int(y / CELL_M), 0), solid.top.shape[0] - 1)
    j = min(max(int(x / CELL_M), 0), solid.top.shape[1] - 1)
    cell = i * solid.top.shape[1] + j
    for k in range(solid.first[cell], solid.first[cell + 1]):
        height = _roof(solid.boxes[solid.members[k]], x, y)
        if height > best:
            best, what = height, solid.members[k]
    return best, what


@kernel
def _heights(solid: Solid, x: Points, y: Points) -> Points:
    result = np.empty(x.size)
    for k in range(x.size):
        result[k] = _highest(solid, x[k], y[k])[0]
    return result


@kernel
def _boxes_at(solid: Solid, x: Points, y: Points) -> NDArray[np.int32]:
    result = np.empty(x.size, np.int32)
    for k in range(x.size):
        result[k] = _highest(solid, x[k], y[k])[1]
    return result


@kernel
def _enter(box: Points, x: float, y: float, h: float, dx: float, dy: float) -> tuple[float, int]:
    """Descent from (x, y, h) to where a line enters a solid, and the face; infinity if it misses.

    The line moves by (dx, dy) per metre of descent.
    """
    east, north = x - box[0], y - box[1]
    u, v = east * box[2] + north * box[3], north * box[2] - east * box[3]
    du, dv = dx * box[2] + dy * box[3], dy * box[2] - dx * box[3]
    slope = box[7] / box[5]
    enter, leave, face = -np.inf, np.inf, 0
    for side in range(6):
        if side == 0:
            outside, change = h - box[6] - box[7] + slope * v, -1.0 + slope * dv
        elif side == 1:
            outside, change = h - box[6] - box[7] - slope * v, -1.0 - slope * dv
        elif side == 2:
            outside, change = u - box[4], du
        elif side == 3:
            outside, change = -u - box[4], -du
        elif side == 4:
            outside, change = v - box[5], dv
        else:
            outside, change = -v - box[5], -dv
        if change == 0.0:
            if outside > 0.0:
                return np.inf, 0
        elif change < 0.0:
            if -outside / change > enter:
                enter, face = -outside / change, side
        else:
            leave = min(leave, -outside / change)
    if enter > leave:
        return np.inf, 0
    return enter, face


@kernel
def _place(a: Points, w: float) -> float:
    return float(((a[3] * w + a[2]) * w + a[1]) * w + a[0])


@kernel
def _above(ground: Ground, a: Points, b: Points, middle: float, scale: float, h: float) -> float:
    w = (h - middle) * scale
    terrain, per_metre, level = ground
    return h - _terrain(terrain, per_metre, level, _place(a, w), _place(b, w))


@kernel
def _root(ground: Ground, a: Points, b: Points, middle: float, scale: float, ends: Ends) -> float:
    """Height at which a line meets the terrain between two heights: regula falsi, Illinois."""
    high, low, f_high, f_low = ends
    side, h = 0, low
    for _ in range(60):
        if f_high - f_low < 1e-12 or high - low < ROOT_M:
            break
        h = (low * f_high - high * f_low) / (f_high - f_low)
        f = _above(ground, a, b, middle, scale, h)
        if abs(f) < ROOT_M:
            break
        if f > 0.0:
            high, f_high = h, f
            if side == 1:
                f_low *= 0.5
            side = 1
        else:
            low, f_low = h, f
            if side == -1:
                f_high *= 0.5
            side = -1
    return h


@kernel
def _leave(place: float, velocity: float, size: float) -> float:
    """Descent to the border of a cell along one axis."""
    if velocity > 0.0:
        return ((int(place / size) + 1) * size - place) / velocity
    if velocity < 0.0:
        return (int(place / size) * size - place) / velocity
    return np.inf


@kernel
def _meet_terrain(
    ground: Ground,
    a: Points,
    b: Points,
    middle: float,
    scale: float,
    start: float,
    end: float,
    speed: float,
) -> float:
    """Height between `start` and `end` at which a line meets the terrain, or minus infinity."""
    steps = int(speed * (start - end) * (2.0 * ground[1])) + 1
    above, f_above = start, _above(ground, a, b, middle, scale, start)
    if f_above <= 0.0:
        return start
    for k in range(1, steps + 1):
        below = start + (end - start) * k / steps
        f_below = _above(ground, a, b, middle, scale, below)
        if f_below <= 0.0:
            return _root(ground, a, b, middle, scale, (above, below, f_above, f_below))
        above, f_above = below, f_below
    return -np.inf


@kernel
def _hit(
    solid: Solid, a: Points, b: Points, middle: float, half: float, top: float
) -> tuple[float, int]:
    """Height at which a line of sight ends and what it meets there."""
    ground, scale = (solid.terrain, 1.0 / solid.spacing, solid.level), 1.0 / half
    tops, coarse, low, high = solid.top, solid.coarse, solid.low, solid.high
    first, members, boxes = solid.first, solid.members, solid.boxes
    h = top
    floor = middle - 2.0 * half
    while h > floor:
        w = (h - middle) * scale
        x, y = _place(a, w), _place(b, w)
        # Motion per metre of descent.
        dx = -((3.0 * a[3] * w + 2.0 * a[2]) * w + a[1]) * scale
        dy = -((3.0 * b[3] * w + 2.0 * b[2]) * w + b[1]) * scale
        j, i = int(x / CELL_M), int(y / CELL_M)
        if x < 0.0 or y < 0.0 or i >= tops.shape[0] or j >= tops.shape[1]:
            return np.nan, GROUND
        size = CELL_M * COARSE
        roof = coarse[i // COARSE, j // COARSE]
        if h <= roof:
            size, roof = CELL_M, tops[i, j]
        # The smallest descent makes sure that a border is crossed.
        out = h - min(_leave(x, dx, size), _leave(y, dy, size)) - 1e-4
        if h > roof:
            h = max(out, roof - 1e-4)
            continue
        best, what = -np.inf, GROUND
        cell = i * tops.shape[1] + j
        for k in range(first[cell], first[cell + 1]):
            member = members[k]
            descent, face = _enter(boxes[member], x, y, h, dx, dy)
            if descent > -0.01 and h - descent > best:
                best, what = h - descent, member * FACES + face
        start = min(h, high[i, j] + 1e-3)
        end = max(out, low[i, j] - 1e-3, best)
        if start > end:
            speed = max(abs(dx), abs(dy))
            met = _meet_terrain(ground, a, b, middle, scale, start, end, speed)
            if met > -np.inf:
                return met, GROUND
        if best >= out:
            return best, what
        h = out
    return np.nan, GROUND


@kernel
def _contract(coefficients: Points, u: float) -> Points:
    """A polynomial in (row, col, height) at a row: one in (col, height)."""
    result = np.zeros(coefficients.shape[1:])
    for k in range(coefficients.shape[0] - 1, -1, -1):
        result = result * u + coefficients[k]
    return result


@kernel
def _line(of_row: Points, v: float, line: Points) -> None:
    for m in range(4):
        value = 0.0
        for k in range(of_row.shape[0] - 1, -1, -1):
            value = value * v + of_row[k, m]
        line[m] = value


@kernel
def _trace(
    solid: Solid,
    x: Points,
    y: Points,
    middle: Triple,
    half: Triple,
    rows: Points,
    cols: Points,
    slips: Points,
    top: float,
) -> tuple[Points, Points, Points, NDArray[np.int32]]:
    shape = (rows.size, cols.size)
    east, north, height = np.empty(shape), np.empty(shape), np.empty(shape)
    what = np.empty(shape, np.int32)
    a, b = np.empty(4), np.empty(4)
    for i in range(rows.size):
        u = (rows[i] - middle[0]) / half[0]
        x_row, y_row = _contract(x, u), _contract(y, u)
        for j in range(cols.size):
            v = (cols[j] + slips[i] - middle[1]) / half[1]
            _line(x_row, v, a)
            _line(y_row, v, b)
            h, what[i, j] = _hit(solid, a, b, middle[2], half[2], top)
            w = (h - middle[2]) / half[2]
            east[i, j], north[i, j], height[i, j] = _place(a, w), _place(b, w), h
    return east, north, height, what


@kernel
def _visible(
    solid: Solid,
    x: Points,
    y: Points,
    middle: Triple,
    half: Triple,
    rows: Points,
    cols: Points,
    heights: Points,
    top: float,
    tolerance: float,
) -> NDArray[np.bool_]:
    seen = np.empty(rows.size, np.bool_)
    a, b = np.empty(4), np.empty(4)
    for k in range(rows.size):
        u, v = (rows[k] - middle[0]) / half[0], (cols[k] - middle[1]) / half[1]
        _line(_contract(x, u), v, a)
        _line(_contract(y, u), v, b)
        seen[k] = _hit(solid, a, b, middle[2], half[2], top)[0] - heights[k] < tolerance
    return seen
