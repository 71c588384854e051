"""Ground control without error: points that all views see, and where exactly they see them."""

from typing import NamedTuple

import numpy as np
from pyproj import Transformer

from core.grid import Grid
from core.simulate.stereo.truth import Truth
from core.simulate.stereo.views import View

CLEAR_M = 3.0
"""From the nearest edge of a building."""


class ControlPoint(NamedTuple):
    """A point of the ground.

    Parameters
    ----------
    name
        Unique in its set.
    lon, lat, height
        Degrees, metres above the ellipsoid.
    rows, cols
        Where each view's pixels show it; the first pixel's centre is (0, 0).
    """

    name: str
    lon: float
    lat: float
    height: float
    rows: tuple[float, ...]
    cols: tuple[float, ...]


def control_points(truth: Truth, views: tuple[View, ...], count: int) -> tuple[ControlPoint, ...]:
    """Points far from each other on open ground that every view sees.

    The first is the one nearest to a corner; each further one is farthest from those before it.
    """
    fit = truth.visible.all(axis=0) & truth.inside(8.0).all(axis=0)
    fit &= truth.measurable() & (truth.edge_m > CLEAR_M)
    rows, cols = np.nonzero(fit)
    if rows.size < count:
        message = f"only {rows.size} cells are seen by all views, {count} points were wanted"
        raise ValueError(message)
    chosen = [int(np.argmin(rows + cols))]
    distance = np.full(rows.size, np.inf)
    while len(chosen) < count:
        last = chosen[-1]
        distance = np.minimum(distance, np.hypot(rows - rows[last], cols - cols[last]))
        chosen.append(int(np.argmax(distance)))
    return tuple(
        _point(f"P{number}", truth, views, int(rows[k]), int(cols[k]))
        for number, k in enumerate(chosen, start=1)
    )


def _point(name: str, truth: Truth, views: tuple[View, ...], row: int, col: int) -> ControlPoint:
    grid: Grid = truth.grid
    change = Transformer.from_crs(grid.crs, "OGC:CRS84", always_xy=True)
    lon, lat = change.transform(*grid.xy(row, col))
    seen_rows, seen_cols = [], []
    for view, place in zip(views, truth.seen, strict=True):
        seen = float(place.row[row, col]), float(place.col[row, col])
        lines = np.arange(view.camera.shape[0])
        # Line r looks where line r + jitter would: the point is shown that much earlier.
        seen_rows.append(seen[0] - float(np.interp(seen[0], lines, view.jitter.row)))
        seen_cols.append(seen[1] - float(np.interp(seen[0], lines, view.jitter.col)))
    height = float(truth.height[row, col])
    return ControlPoint(name, lon, lat, height, tuple(seen_rows), tuple(seen_cols))
