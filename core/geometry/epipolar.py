"""Epipolar lattices: points in the two images of a pair between which matches run along the rows.

A lattice lies in the reference image, turned so that its columns run along the epipolar direction
there.  Given a rough surface, each of its points has a place in the secondary image: where the
ground appears that the reference sees there at the surface's height.  Images resampled at both
agree where the surface is right; where it is wrong they are shifted along the rows, because points
of one row at all heights lie on one epipolar line (Morgan, Kim, Jeong, Habib 2006,
https://doi.org/10.14358/PERS.72.8.943, for why these lines are straight over an image's part).

Positions are those of the sensor models to a ten-thousandth of a pixel, see
:mod:`core.geometry.sightlines`.
"""

import math
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from core.geometry.rpc import Floats, Rpc, transferred
from core.geometry.sightlines import Sightlines, sightlines
from core.geometry.triangulation import Intersections, intersect
from core.kernel import kernel
from core.tiling import Window

PROBE_M = 50.0
"""Difference in height, metres, between which the epipolar direction is taken."""

LEAST_PX_PER_M = 1e-3
"""Parallax below which an image makes no pair with another: a pixel per kilometre of height."""


class Positions(NamedTuple):
    """Places in an image, fractional pixels; NaN where there is none."""

    row: Floats
    col: Floats


@dataclass(frozen=True)
class EpipolarFrame:
    """A lattice for a pair.

    Parameters
    ----------
    reference, secondary
        Sensor models.  A known bias belongs in them, see :meth:`Rpc.moved`.
    origin
        Row and column in the reference image of the lattice's first point.
    direction
        Unit vector (row, col) in the reference image along the lattice's columns.
    shape
        Rows and columns of the lattice.
    pitch
        Pixels of the reference image between neighbouring points.

    Notes
    -----
    Disparities are in columns of the lattice: the match of point ``(i, j)`` is where the secondary
    is resampled for ``(i, j + disparity)``.  They grow with height.
    """

    reference: Rpc
    secondary: Rpc
    origin: tuple[float, float]
    direction: tuple[float, float]
    shape: tuple[int, int]
    pitch: float = 1.0

    def coarser(self, factor: int) -> "EpipolarFrame":
        """The lattice of every `factor`-th row and column; it reaches as far or farther."""
        rows, cols = ((count - 2) // factor + 2 for count in self.shape)
        return replace(self, shape=(rows, cols), pitch=self.pitch * factor)

    def part(self, window: Window) -> "EpipolarFrame":
        """Some of its rows and columns; the window may reach beyond them."""
        row, col = self._place(np.array(self.pitch * window.row), np.array(self.pitch * window.col))
        return replace(self, origin=(float(row), float(col)), shape=window.shape)

    def holding(self, row: ArrayLike, col: ArrayLike) -> Window:
        """The smallest window of the lattice that holds places in the reference image."""
        down_row, down_col = self.direction[1], -self.direction[0]
        row = (np.asarray(row, np.float64) - self.origin[0]) / self.pitch
        col = (np.asarray(col, np.float64) - self.origin[1]) / self.pitch
        down = row * down_row + col * down_col
        right = row * self.direction[0] + col * self.direction[1]
        top, left = math.floor(down.min()), math.floor(right.min())
        return Window(top, left, math.ceil(down.max()) - top + 1, math.ceil(right.max()) - left + 1)

    def covering(self, window: Window, step: int) -> "EpipolarFrame":
        """The part that covers pixels of the reference image.

        It begins at multiples of `step` rows and columns of this lattice, so that coarser lattices
        share their points too, whatever the window.
        """
        row = np.array([window.row, window.row + window.height - 1])
        col = np.array([window.col, window.col + window.width - 1])
        needed = self.holding(*np.meshgrid(row, col))
        top, left = needed.row // step * step, needed.col // step * step
        bottom, right = needed.row + needed.height, needed.col + needed.width
        return self.part(Window(top, left, bottom - top, right - left))

    def reference_positions(self) -> Positions:
        """Where the lattice's points lie in the reference image."""
        down, right = (self.pitch * np.arange(count, dtype=np.float64) for count in self.shape)
        return self._place(down[:, None], right[None, :])

    def secondary_positions(self, heights: Floats) -> Positions:
        """Where the lattice's points lie in the secondary image if the ground has these heights.

        Parameters
        ----------
        heights
            Metres above the ellipsoid, of the lattice's shape.
        """
        table = self._sightlines(heights)
        if table is None:
            return self._transferred(heights)
        row, col = table.seen(heights)
        missing = np.isnan(row)
        if missing.any():
            exact = self._transferred(heights)
            row[missing], col[missing] = exact.row[missing], exact.col[missing]
        return Positions(row, col)

    def _transferred(self, heights: Floats) -> Positions:
        seen = transferred(self.reference, self.secondary, *self.reference_positions(), heights)
        return Positions(seen.row, seen.col)

    def _sightlines(self, heights: Floats, beyond: float = 0.0) -> Sightlines | None:
        """A table for heights and so many metres beyond them."""
        low, high = float(np.nanmin(heights)), float(np.nanmax(heights))
        return sightlines(
            self.reference,
            self.secondary,
            lambda step: self.coarser(step).reference_positions(),
            low - beyond,
            high + beyond,
        )

    def matched_positions(
        self,
        heights: Floats,
        disparity: NDArray[np.float32],
        across: NDArray[np.float32] | None = None,
    ) -> Positions:
        """Where matches lie in the secondary image.

        Parameters
        ----------
        heights
            Of the surface for which the secondary was resampled; it is smooth: between its points
            positions are interpolated by parabolas.
        disparity
            Columns of the lattice; NaN where there is no match.
        across
            Rows of the lattice by which matches lie further down; by default none.
        """
        placed = self.secondary_positions(heights)
        down = np.zeros_like(disparity) if across is None else across
        return Positions(*(_between(part, disparity, down) for part in placed))

    def intersect(
        self,
        heights: Floats,
        disparity: NDArray[np.float32],
        across: NDArray[np.float32] | None = None,
    ) -> Intersections:
        """The ground where matches' lines of sight meet; parameters as for `matched_positions`."""
        there = self.matched_positions(heights, disparity, across)
        farthest = float(np.nanmax(np.abs(disparity), initial=0.0))
        middle = float(np.nanmedian(heights))
        table = self._sightlines(heights, farthest / self.columns_per_metre(middle))
        if table is None:
            return self._intersected(there, np.isfinite(there.row))
        values, unknown = table.met(*there)
        if unknown.any():
            exact = self._intersected(there, unknown)
            for value, other in zip(values, exact, strict=False):
                value[unknown] = other[unknown]
        return _points(values)

    def _intersected(self, there: Positions, wanted: NDArray[np.bool_]) -> Intersections:
        """The same point by point, where it is wanted."""
        here = self.reference_positions()
        values = np.full((5, *wanted.shape), np.nan)
        found = intersect(
            [self.reference, self.secondary],
            np.stack([here.row[wanted], there.row[wanted]]),
            np.stack([here.col[wanted], there.col[wanted]]),
        )
        values[:, wanted] = np.stack(found[:5])
        return _points(values)

    def columns_per_metre(self, height: float) -> float:
        """Disparity that a metre of height makes in the middle of the lattice."""
        down, right = (np.array([count * self.pitch / 2]) for count in self.shape)
        middle = self._place(down, right)
        motion = _epipolar_motion(self.reference, self.secondary, middle, height)
        return float(np.hypot(*motion)) / self.pitch

    def _place(self, down: Floats, right: Floats) -> Positions:
        """What lies so many pixels of the reference across and along the lattice."""
        row, col = self.direction
        return Positions(
            self.origin[0] + right * row + down * col, self.origin[1] + right * col - down * row
        )


def epipolar_frame(
    reference: Rpc,
    secondary: Rpc,
    corner: tuple[int, int],
    shape: tuple[int, int],
    height: float,
) -> EpipolarFrame:
    """The lattice that covers a window of the reference image, a pixel between its points.

    Parameters
    ----------
    corner, shape
        Row and column of the window's first pixel, and its rows and columns.
    height
        Metres above the ellipsoid, near the middle of the ground's.

    Notes
    -----
    The direction is that in the window's middle.  Over 1024 px of a Pleiades pair it turns by a
    thousandth of a degree, and 80 m of height move a match off its row by 0.002 px.  A long image
    is to be matched in tiles, each with its frame.
    """
    middle = (corner[0] + (shape[0] - 1) / 2, corner[1] + (shape[1] - 1) / 2)
    motion = _epipolar_motion(reference, secondary, middle, height)
    length = np.hypot(*motion)
    if not length > LEAST_PX_PER_M:
        raise ValueError("the lines of sight are parallel, or the ground is out of the models")
    row, col = float(motion[0] / length), float(motion[1] / length)
    # Half the window's extent along the direction, and across.
    half_rows, half_cols = (shape[0] - 1) / 2, (shape[1] - 1) / 2
    along = abs(row) * half_rows + abs(col) * half_cols
    across = abs(col) * half_rows + abs(row) * half_cols
    origin = (middle[0] - along * row - across * col, middle[1] - along * col + across * row)
    lattice = (int(np.ceil(2 * across)) + 1, int(np.ceil(2 * along)) + 1)
    return EpipolarFrame(reference, secondary, origin, (row, col), lattice)


def _epipolar_motion(
    reference: Rpc, secondary: Rpc, place: tuple[ArrayLike, ArrayLike], height: float
) -> NDArray[np.float64]:
    """How what a pixel of the secondary sees moves in the reference as its height falls, px/m."""
    seen = transferred(reference, secondary, *place, height)
    moved = []
    for level in (height - PROBE_M, height + PROBE_M):
        back = transferred(secondary, reference, seen.row, seen.col, level)
        moved.append(np.array(back[:2]).ravel())
    motion: NDArray[np.float64] = (moved[0] - moved[1]) / (2 * PROBE_M)
    return motion


def _points(values: Floats) -> Intersections:
    """Points from their five values, NaN where there is none."""
    lon, lat, height, error, deviation = values
    return Intersections(lon, lat, height, error, deviation, np.isfinite(lon))


def _between(values: Floats, disparity: NDArray[np.float32], down: NDArray[np.float32]) -> Floats:
    """`values` so many columns further right and rows further down; NaN outside."""
    out = np.full(values.shape, np.nan)
    _between_into(values, disparity, down, out)
    return out


@kernel
def _between_into(
    values: Floats, disparity: NDArray[np.float32], down: NDArray[np.float32], out: Floats
) -> None:
    """Along the row by the parabola through the three nearest, across it along the slope."""
    height, width = values.shape
    for i in range(height):
        above, below = max(i - 1, 0), min(i + 1, height - 1)
        for j in range(width):
            wanted = j + np.float64(disparity[i, j])
            # A comparison with NaN is false.
            if not 0 <= wanted <= width - 1:
                continue
            nearest = min(max(int(np.rint(wanted)), 1), width - 2)
            part = wanted - nearest
            before, here, after = values[i, nearest - 1 : nearest + 2]
            bend = (after + before) / 2 - here
            value = here + part * ((after - before) / 2 + part * bend)
            slope = (values[below, j] - values[above, j]) / max(below - above, 1)
            out[i, j] = value + slope * down[i, j]
