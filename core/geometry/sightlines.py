"""Lines of sight of a lattice in one image of a pair, from a table, as a tile needs them.

Sensor models are smooth.  At nodes some tens of pixels apart they are evaluated exactly, at three
heights; between these a parabola of the height, and between the nodes a linear function, are right
to a ten-thousandth of a pixel, which is looked at where both are farthest off (:data:`EXACT_PX`).
Points follow from it twenty times as fast as from the models one by one.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from core.geometry.rational import LEAST_BASE, metres_per_degree
from core.geometry.rpc import Flags, Floats, Rpc
from core.kernel import kernel

SPACING = 64
"""Points of the lattice between nodes, at most."""

LEAST_SPACING = 8
"""Between nodes closer than this nothing is gained."""

EXACT_PX = 1e-4
"""Error of a table, pixels of either image, at most."""

LEAST_HALF_M = 20.0
"""Least half of the heights that a table spans."""

STEPS = 3
"""Newton's steps along a line of sight, from which a point is found."""

SETTLED_M = 0.01
"""Last of them, metres, after which it is: lines of sight are straight."""

HEIGHTS = 3
"""Values of a node for each coordinate: of a parabola."""

AFTER = 4 * HEIGHTS
"""Where the values of a node begin that do not depend on the height."""

VALUES = AFTER + 15
"""Of a node: lon, lat, secondary row and col, each by height; then at the middle height how the
secondary's pixel follows the reference's (4), how lon and lat do (4), the square metres of a pixel
squared (3 for each image), and how much the horizontal weighs, per square metre."""

MET, PARALLEL, UNKNOWN = 0, 1, 2
"""What comes of two lines of sight."""

Place = Callable[[int], tuple[Floats, Floats]]
"""Rows and columns in the reference of every n-th point of the lattice, and of as many as reach its
end."""


class Sightlines(NamedTuple):
    """A table for a lattice; see :func:`sightlines`.

    Parameters
    ----------
    nodes
        (rows, cols, :data:`VALUES`); NaN outside the range of a model.
    step
        Points of the lattice between nodes.
    middle, half
        Heights that it spans, metres: their middle, and half of them.
    ranges
        Of the models: (2, 3, 3), offset, scale and largest normalised value of lon, lat, height.
    """

    nodes: Floats
    step: int
    middle: float
    half: float
    ranges: Floats

    def seen(self, heights: Floats) -> tuple[Floats, Floats]:
        """Rows and columns at which the secondary shows the lattice's points at these heights.

        NaN outside the range of a model.
        """
        row, col = np.empty(heights.shape), np.empty(heights.shape)
        _seen_into(self.nodes, self.step, self.middle, self.half, heights, row, col)
        return row, col

    def met(self, row: Floats, col: Floats) -> tuple[Floats, Flags]:
        """The ground where the lines of sight of the lattice's points meet those of matches.

        Parameters
        ----------
        row, col
            Of the matches in the secondary; NaN where there is none.

        Returns
        -------
        Floats
            (5, rows, cols): lon, lat, height, intersection error, deviation of the height, as in
            :class:`core.geometry.triangulation.Intersections`; NaN where there is no point.
        Flags
            Where the table does not tell.
        """
        out, unknown = np.full((5, *row.shape), np.nan), np.zeros(row.shape, np.bool_)
        place = self.nodes, self.step, self.middle, self.half, self.ranges
        _met_into(*place, row, col, out, unknown)
        return out, unknown


def sightlines(
    reference: Rpc, secondary: Rpc, place: Place, low: float, high: float
) -> Sightlines | None:
    """A table for the points of a lattice and heights, metres; None if none is exact enough."""
    middle, half = (low + high) / 2, max((high - low) / 2, LEAST_HALF_M)
    ranges = np.stack([rpc.packed.frame[:3] for rpc in (reference, secondary)])
    step = SPACING
    while step >= LEAST_SPACING:
        nodes = _nodes(reference, secondary, place(step), middle, half)
        table = Sightlines(nodes, step, middle, half, ranges)
        if _error_px(table, reference, secondary, place(step // 2)) <= EXACT_PX:
            return table
        step //= 2
    return None


def _nodes(
    reference: Rpc, secondary: Rpc, place: tuple[Floats, Floats], middle: float, half: float
) -> Floats:
    levels = [_exact(reference, secondary, place, middle + t * half) for t in (0.0, -1.0, 1.0)]
    here, below, above = levels
    # Models may lie across the date line.
    near = here[0].ravel()[np.isfinite(here[0].ravel())][:1]
    for level in levels:
        level[0] -= 360 * np.round((level[0] - near) / 360) if near.size else 0
    parabolas = np.stack([here, (above - below) / 2, (above + below) / 2 - here], axis=1)
    return np.concatenate(
        [
            np.moveaxis(parabolas.reshape(AFTER, *here.shape[1:]), 0, -1),
            _slopes(reference, secondary, here[0], here[1], middle),
        ],
        axis=-1,
    )


def _exact(reference: Rpc, secondary: Rpc, place: tuple[Floats, Floats], height: float) -> Floats:
    """Lon, lat, row and col in the secondary of places in the reference at a height."""
    ground = reference.locate(*place, height)
    seen = secondary.project(ground.lon, ground.lat, height)
    found = np.stack([ground.lon, ground.lat, seen.row, seen.col])
    found[:, ~seen.inside] = np.nan
    return found


def _slopes(reference: Rpc, secondary: Rpc, lon: Floats, lat: Floats, height: float) -> Floats:
    """What a node holds besides parabolas."""
    first, second = (rpc.derivatives(lon, lat, height) for rpc in (reference, secondary))
    ground = _inverse(first[..., :2])
    follows = second[..., :2] @ ground
    east, north = metres_per_degree(lat, np.full_like(lat, height))
    metric = np.stack([east, north, np.ones_like(east)], axis=-1)[..., None, :]
    squares, weight = [], np.zeros_like(lon)
    for slopes in (first / metric, second / metric):
        row, col = slopes[..., 0, :], slopes[..., 1, :]
        rr, cc, rc = ((a * b).sum(axis=-1) for a, b in ((row, row), (col, col), (row, col)))
        squares += [part / (rr * cc - rc * rc) for part in (cc, rc, rr)]
        weight += (slopes[..., :2] ** 2).sum(axis=(-1, -2))
    flat = (*lon.shape, 4)
    rest = np.stack([*squares, weight], axis=-1)
    return np.concatenate([follows.reshape(flat), ground.reshape(flat), rest], axis=-1)


def _inverse(matrices: Floats) -> Floats:
    """Of matrices (..., 2, 2); NaN stays NaN."""
    (a, b), (c, d) = ((matrices[..., i, 0], matrices[..., i, 1]) for i in (0, 1))
    found = np.stack([np.stack([d, -b], axis=-1), np.stack([-c, a], axis=-1)], axis=-2)
    inverse: Floats = found / (a * d - b * c)[..., None, None]
    return inverse


def _error_px(
    table: Sightlines, reference: Rpc, secondary: Rpc, between: tuple[Floats, Floats]
) -> float:
    """Largest error in the middles of cells half-way between the table's heights."""
    row, col = (part[1::2, 1::2] for part in between)
    rows, cols = (min(row.shape[k], table.nodes.shape[k] - 1) for k in (0, 1))
    row, col, worst = row[:rows, :cols], col[:rows, :cols], 0.0
    corners = [table.nodes[i : i + rows, j : j + cols] for i in (0, 1) for j in (0, 1)]
    middles = np.mean(corners, axis=0)
    for t in (-0.5, 0.5):
        height = table.middle + t * table.half
        parabolas = middles[..., :AFTER].reshape(*middles.shape[:2], 4, HEIGHTS)
        lon, lat, there_row, there_col = np.moveaxis(parabolas @ np.array([1, t, t * t]), -1, 0)
        exact = _exact(reference, secondary, (row, col), height)
        back = reference.project(lon, lat, height)
        misses = (back.row - row, back.col - col, there_row - exact[2], there_col - exact[3])
        worst = max(worst, *(float(np.nanmax(np.abs(miss), initial=0.0)) for miss in misses))
    return worst


@kernel
def _line(nodes: Floats, step: int, i: int, line: Floats) -> None:
    """The nodes' values at a row of the lattice, (cols, VALUES)."""
    top = min(i // step, nodes.shape[0] - 2)
    part = (i - top * step) / step
    for k in range(nodes.shape[1]):
        for value in range(nodes.shape[2]):
            above, below = nodes[top, k, value], nodes[top + 1, k, value]
            line[k, value] = above + part * (below - above)


@kernel
def _parabola(line: Floats, k: int, part: float, value: int) -> tuple[float, float, float]:
    """A coordinate by height, between nodes k and k + 1."""
    a, b, c = line[k, value], line[k, value + 1], line[k, value + 2]
    return (
        a + part * (line[k + 1, value] - a),
        b + part * (line[k + 1, value + 1] - b),
        c + part * (line[k + 1, value + 2] - c),
    )


@kernel
def _seen_into(
    nodes: Floats,
    step: int,
    middle: float,
    half: float,
    heights: Floats,
    row: Floats,
    col: Floats,
) -> None:
    line = np.empty(nodes.shape[1:])
    for i in range(heights.shape[0]):
        _line(nodes, step, i, line)
        for j in range(heights.shape[1]):
            k = min(j // step, nodes.shape[1] - 2)
            part = (j - k * step) / step
            t = (heights[i, j] - middle) / half
            a, b, c = _parabola(line, k, part, 6)
            row[i, j] = a + t * (b + t * c)
            a, b, c = _parabola(line, k, part, 9)
            col[i, j] = a + t * (b + t * c)


@kernel
def _inside(ranges: Floats, lon: float, lat: float, height: float) -> bool:
    for image in range(2):
        turn = lon - ranges[image, 0, 0]
        turn -= 360 * np.round(turn / 360)
        # A comparison with NaN is false.
        if not abs(turn / ranges[image, 0, 1]) <= ranges[image, 0, 2]:
            return False
        if not abs((lat - ranges[image, 1, 0]) / ranges[image, 1, 1]) <= ranges[image, 1, 2]:
            return False
        if not abs((height - ranges[image, 2, 0]) / ranges[image, 2, 1]) <= ranges[image, 2, 2]:
            return False
    return True


@kernel
def _met_into(
    nodes: Floats,
    step: int,
    middle: float,
    half: float,
    ranges: Floats,
    row: Floats,
    col: Floats,
    out: Floats,
    unknown: NDArray[np.bool_],
) -> None:
    line, fixed, point = np.empty(nodes.shape[1:]), np.empty(VALUES - AFTER), np.empty(5)
    for i in range(row.shape[0]):
        _line(nodes, step, i, line)
        for j in range(row.shape[1]):
            if np.isnan(row[i, j]) or np.isnan(col[i, j]):
                continue
            k = min(j // step, nodes.shape[1] - 2)
            part = (j - k * step) / step
            for value in range(fixed.size):
                before = line[k, AFTER + value]
                fixed[value] = before + part * (line[k + 1, AFTER + value] - before)
            told = _meet(line, k, part, fixed, half, row[i, j], col[i, j], point)
            unknown[i, j] = told == UNKNOWN
            if told != MET:
                continue
            height = middle + point[2]
            if _inside(ranges, point[0], point[1], height):
                out[0, i, j] = point[0] - 360 * np.round(point[0] / 360)
                out[1, i, j] = point[1]
                out[2, i, j] = height
                out[3, i, j] = point[3]
                out[4, i, j] = point[4]


@kernel
def _meet(
    line: Floats,
    k: int,
    part: float,
    fixed: Floats,
    half: float,
    row: float,
    col: float,
    point: Floats,
) -> int:
    """Fill `point`: lon, lat, height above the middle, error, deviation of the height.

    Least squares of the pixels' differences in both images.  With the reference's pixel moved by
    u, A how the secondary's pixel follows it, b its motion by height, and r what is left there,
    ``|u|^2 + |r - A u - b d|^2`` is least for ``d = (b W r) / (b W b)`` and ``u = A^T W (r - b d)``
    with ``W = (1 + A A^T)^-1``.
    """
    rows, cols = _parabola(line, k, part, 6), _parabola(line, k, part, 9)
    a, b, c, d = fixed[0], fixed[1], fixed[2], fixed[3]
    aa, bb, ab = 1 + a * a + b * b, 1 + c * c + d * d, a * c + b * d
    determinant = aa * bb - ab * ab
    w_rr, w_cc, w_rc = bb / determinant, aa / determinant, -ab / determinant
    t = 0.0
    forward, weight, miss_row, miss_col = np.inf, 0.0, 0.0, 0.0
    for _ in range(STEPS):
        miss_row = row - (rows[0] + t * (rows[1] + t * rows[2]))
        miss_col = col - (cols[0] + t * (cols[1] + t * cols[2]))
        on_row = (rows[1] + 2 * t * rows[2]) / half
        on_col = (cols[1] + 2 * t * cols[2]) / half
        w_row = w_rr * on_row + w_rc * on_col
        w_col = w_rc * on_row + w_cc * on_col
        weight = w_row * on_row + w_col * on_col
        if not weight > 0:
            return UNKNOWN
        forward = (w_row * miss_row + w_col * miss_col) / weight
        t += forward / half
        miss_row -= forward * on_row
        miss_col -= forward * on_col
    if not abs(forward) < SETTLED_M:
        return UNKNOWN
    if not weight > LEAST_BASE * LEAST_BASE / 8 * fixed[14]:
        return PARALLEL
    # What is left in the secondary, and with the opposite sign in the reference.
    left_row = w_rr * miss_row + w_rc * miss_col
    left_col = w_rc * miss_row + w_cc * miss_col
    u_row, u_col = a * left_row + c * left_col, b * left_row + d * left_col
    lon, lat = _parabola(line, k, part, 0), _parabola(line, k, part, 3)
    point[0] = lon[0] + t * (lon[1] + t * lon[2]) + fixed[4] * u_row + fixed[5] * u_col
    point[1] = lat[0] + t * (lat[1] + t * lat[2]) + fixed[6] * u_row + fixed[7] * u_col
    point[2] = t * half
    square = _square(fixed[8], fixed[9], fixed[10], u_row, u_col)
    square += _square(fixed[11], fixed[12], fixed[13], left_row, left_col)
    point[3] = np.sqrt(2 * square)
    point[4] = np.sqrt(1 / weight)
    return MET


@kernel
def _square(cc: float, rc: float, rr: float, row: float, col: float) -> float:
    """Square of the distance from a line of sight, metres, of what is so many pixels from it."""
    return cc * row * row - 2 * rc * row * col + rr * col * col
