"""Compares surface models with the exact truth of a simulated scene, and with one another.

Nothing is resampled where there is a truth: it is known at any point, so each model is held against
the truth at the centres of its own cells.  No shift, tilt or bias is removed.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import rasterio
from numpy.typing import NDArray
from pyproj import CRS, Transformer

from core.geometry.datum import HeightDatum
from core.grid import Grid
from core.simulate.stereo.edges import APART_M, RoofEdges, roof_edges
from core.simulate.stereo.making import Stereo
from core.simulate.stereo.truth import Cover, Truth
from core.tiling import Window

Heights = NDArray[np.float64]
Mask = NDArray[np.bool_]

MARGIN_PX = 8.0
"""From the border of an image, where a matcher has its whole window."""
RIGHT_M = 1.0
"""A height as near as this is right."""
LOST_M = 3.0
"""A height beyond this is a blunder."""
NEAR_CELLS = 3
"""To the edge of a building."""
REACH_M = 4.0
"""Of a profile across a wall, on either side."""
PLATEAU_M = 2.5
"""From here on outwards a profile is level."""
BIN_M = 0.25
"""Along a profile."""
SMALLEST_M = 1e-6
"""By less than this no two heights differ."""
STEEP = 0.05
"""Where all ground is more level than this, nothing tells how far a model is shifted."""


@dataclass(frozen=True, eq=False)
class Model:
    """A surface model.

    Parameters
    ----------
    grid
        Where its cells lie.
    height
        Above the ellipsoid, metres; NaN where there is none.
    """

    grid: Grid
    height: Heights

    @property
    def valid(self) -> Mask:
        return np.isfinite(self.height)

    def covering(self, area: Grid) -> "Model":
        """The model on so much of its own lattice that the area is covered, NaN where it ends."""
        west, south, east, north = area.bounds
        corners = [self.grid.rowcol(x, y) for x, y in ((west, north), (east, south))]
        top, left = (int(np.floor(min(part))) for part in zip(*corners, strict=True))
        bottom, right = (int(np.ceil(max(part))) + 1 for part in zip(*corners, strict=True))
        window = Window(top, left, bottom - top, right - left)
        height, both = np.full(window.shape, np.nan), window & self.grid.window
        if not both.empty:
            height[both.shift(-top, -left).slices] = self.height[both.slices]
        return Model(self.grid.crop(window), height)

    def valid_at(self, grid: Grid) -> Mask:
        """Whether the cell that holds the centre of each cell of a grid has a height."""
        rows, cols = np.mgrid[: grid.shape[0], : grid.shape[1]]
        x, y = grid.transform @ (cols + 0.5, rows + 0.5)
        col, row = ~self.grid.transform @ (x, y)
        row, col = (np.floor(part).astype(np.int64) for part in (row, col))
        inside = (row >= 0) & (row < self.grid.shape[0]) & (col >= 0) & (col < self.grid.shape[1])
        found = np.zeros(grid.shape, np.bool_)
        found[inside] = self.valid[row[inside], col[inside]]
        return found


def read(path: Path) -> Model:
    """A model from a raster; heights above a geoid become heights above the ellipsoid."""
    with rasterio.open(path) as dataset:
        values = dataset.read(1, masked=True).astype(np.float64).filled(np.nan)
        system, transform = CRS.from_wkt(dataset.crs.to_wkt()), dataset.transform
    plane = system.sub_crs_list[0] if system.is_compound else system
    grid = Grid(values.shape, transform, plane.to_wkt())
    values[~np.isfinite(values)] = np.nan
    if system.is_compound and "ellipsoidal" not in system.sub_crs_list[-1].name:
        values = _above_ellipsoid(grid, values, system.sub_crs_list[-1])
    return Model(grid, values)


def _above_ellipsoid(grid: Grid, height: Heights, vertical: CRS) -> Heights:
    rows, cols = np.mgrid[: grid.shape[0], : grid.shape[1]]
    x, y = grid.transform @ (cols + 0.5, rows + 0.5)
    lon, lat = Transformer.from_crs(grid.crs, "OGC:CRS84", always_xy=True).transform(x, y)
    bounds = tuple(float(part) for part in (lon.min(), lat.min(), lon.max(), lat.max()))
    return HeightDatum(vertical.to_wkt(), bounds).ellipsoidal(lon, lat, height)


def against_truth(models: Mapping[str, Model], stereo: Stereo) -> dict[str, dict[str, float]]:
    """Figures of each model by name; errors count where all of the models have a height."""
    edges = roof_edges(stereo.scene, REACH_M)
    known: dict[Grid, Truth] = {}
    found = {}
    for name, model in models.items():
        area = stereo.grid(model.grid.pixel_size[0])
        whole = model.covering(Grid(area.shape, area.transform, model.grid.crs))
        if whole.grid not in known:
            known[whole.grid] = stereo.truth(whole.grid)
        common = np.logical_and.reduce([one.valid_at(whole.grid) for one in models.values()])
        found[name] = figures(whole, known[whole.grid], common, edges)
    return found


def figures(model: Model, truth: Truth, common: Mask, edges: RoofEdges) -> dict[str, float]:
    """What is to be said of a model whose grid is the truth's.

    Parameters
    ----------
    common
        Where errors count, if it can be measured there at all.
    """
    error = model.height - truth.height
    measurable = truth.measurable(MARGIN_PX)
    footprint = truth.inside().sum(axis=0) >= 2
    fair = common & model.valid & measurable
    pixel = truth.grid.pixel_size[0]
    near = fair & (truth.edge_m <= NEAR_CELLS * pixel)
    right = np.abs(error) <= RIGHT_M
    result = {
        "nmad_m": nmad(error[fair]),
        "rmse_m": rmse(error[fair]),
        "over_3_m_percent": percent(np.abs(error[fair]) > LOST_M),
        "edge_nmad_m": nmad(error[near]),
        "edge_width_m": edge_width(model, _inside(edges, truth)),
        "right_percent": percent(right[measurable]),
        "valid_percent": percent(model.valid[measurable]),
        "footprint_valid_percent": percent(model.valid[footprint]),
        "cells": float(fair.sum()),
        **placement(error, truth.height, fair & ~near, pixel),
    }
    for name, cover in (("water", Cover.WATER), ("cloud", Cover.CLOUD)):
        cells = footprint & ((truth.cover & np.uint8(cover)) != 0)
        result[f"{name}_right_or_none_percent"] = percent(right[cells] | ~model.valid[cells])
    return {name: value for name, value in result.items() if np.isfinite(value)}


def nmad(error: Heights) -> float:
    """Normalised median absolute deviation: the standard deviation, if errors were normal."""
    if not error.size:
        return float("nan")
    return float(1.4826 * np.median(np.abs(error - np.median(error))))


def rmse(error: Heights) -> float:
    return float(np.sqrt(np.mean(error**2))) if error.size else float("nan")


def percent(cells: Mask) -> float:
    return float(100 * cells.mean()) if cells.size else float("nan")


def placement(error: Heights, height: Heights, level: Mask, pixel: float) -> dict[str, float]:
    """Median error, and by how much a model is shifted and tilted, from cells without steps.

    A model shifted east by d is wrong by -d times the eastward slope (Nuth and Kääb, 2011).
    """
    if not level.any():
        return {}
    middle = float(np.median(error[level]))
    down, right = np.gradient(height) / np.float64(pixel)
    kept = level & (np.abs(error - middle) <= max(3 * nmad(error[level]), SMALLEST_M))
    kept &= np.isfinite(down + right)
    place = np.stack(np.nonzero(kept), axis=-1) * (pixel / 1e3)
    slopes = np.stack([right[kept], -down[kept]], axis=-1)
    told = float(slopes.std(axis=0).min()) > STEEP
    columns = [np.ones((len(place), 1)), place - place.mean(axis=0), *([-slopes] if told else [])]
    solution = np.linalg.lstsq(np.hstack(columns), error[kept])[0]
    result = {"bias_m": middle, "tilt_m_per_km": float(np.hypot(*solution[1:3]))}
    if told:
        result |= {"east_m": float(solution[3]), "north_m": float(solution[4])}
    return result


def _inside(edges: RoofEdges, truth: Truth) -> RoofEdges:
    """The places that two images hold."""
    seen = truth.inside(MARGIN_PX).sum(axis=0) >= 2
    col, row = ~truth.grid.transform @ (edges.x, edges.y)
    row, col = (np.floor(part).astype(np.int64) for part in (row, col))
    kept = (row >= 0) & (row < seen.shape[0]) & (col >= 0) & (col < seen.shape[1])
    kept[kept] = seen[row[kept], col[kept]]
    return RoofEdges(*(part[kept] for part in edges))


def edge_width(model: Model, edges: RoofEdges) -> float:
    """Median over walls of the metres in which a step falls from 90 to 10 % of its height.

    A profile is the mean over all cells along a wall by their distance from it, so that a ragged
    edge counts as wide; a gap in it counts as the slope that would close it.
    """
    widths = [_width(*_profile(model, wall)) for wall in _walls(edges)]
    return float(np.median(widths)) if widths else float("nan")


def _walls(edges: RoofEdges) -> Sequence[RoofEdges]:
    """The places on one straight line each."""
    line = np.round(edges.x * edges.east + edges.y * edges.north, 1)
    key = np.column_stack([np.round(edges.east, 3), np.round(edges.north, 3), line])
    _, number = np.unique(key, axis=0, return_inverse=True)
    return [
        RoofEdges(*(part[number == one] for part in edges))
        for one in range(number.max(initial=-1) + 1)
    ]


class Profile(NamedTuple):
    """Distance from a wall, away from the roof, and height as a share of the step."""

    distance: Heights
    share: Heights


def _profile(model: Model, wall: RoofEdges) -> Profile:
    reach = REACH_M + APART_M
    rows, cols = _window(model.grid, wall, reach)
    row, col = np.mgrid[rows, cols]
    x, y = model.grid.transform @ (col + 0.5, row + 0.5)
    height = model.height[rows, cols]
    east, north = float(wall.east[0]), float(wall.north[0])
    distance = (x - wall.x[0]) * east + (y - wall.y[0]) * north
    along = (y - wall.y[0]) * east - (x - wall.x[0]) * north
    places = (wall.y - wall.y[0]) * east - (wall.x - wall.x[0]) * north
    nearest = np.abs(along[..., None] - places).argmin(axis=-1)
    kept = (np.abs(along - places[nearest]) <= APART_M / 2) & (np.abs(distance) <= REACH_M)
    kept &= np.isfinite(height)
    ground, roof = wall.ground[nearest[kept]], wall.roof[nearest[kept]]
    return Profile(distance[kept], (height[kept] - ground) / (roof - ground))


def _window(grid: Grid, wall: RoofEdges, reach: float) -> tuple[slice, slice]:
    col, row = ~grid.transform @ (wall.x, wall.y)
    cells = reach / grid.pixel_size[0]
    return (
        slice(max(int(row.min() - cells), 0), int(row.max() + cells) + 2),
        slice(max(int(col.min() - cells), 0), int(col.max() + cells) + 2),
    )


def _width(distance: Heights, share: Heights) -> float:
    """Metres between 90 and 10 % of the step; the whole profile where there is no step."""
    roof, ground = share[distance < -PLATEAU_M], share[distance > PLATEAU_M]
    if not roof.size or not ground.size or np.median(roof) - np.median(ground) < 0.5:
        return 2 * REACH_M
    low, high = float(np.median(ground)), float(np.median(roof))
    step = np.clip((share - low) / (high - low), -0.5, 1.5)
    number = np.floor((distance + REACH_M) / BIN_M).astype(np.int64)
    count = np.bincount(number, minlength=round(2 * REACH_M / BIN_M))
    middles = (np.arange(count.size) + 0.5) * BIN_M - REACH_M
    total = np.bincount(number, step, minlength=count.size)
    profile = np.interp(middles, middles[count > 0], total[count > 0] / count[count > 0])
    crossing = np.flatnonzero((profile[:-1] >= 0.5) & (profile[1:] < 0.5))
    if not crossing.size:
        return 2 * REACH_M
    at = int(crossing[np.abs(middles[crossing]).argmin()])
    inwards = _first(middles[at::-1], profile[at::-1] - 0.9, middles[at + 1], profile[at + 1] - 0.9)
    outwards = _first(middles[at + 1 :], 0.1 - profile[at + 1 :], middles[at], 0.1 - profile[at])
    return float(outwards - inwards)


def _first(place: Heights, above: Heights, before: float, level: float) -> float:
    """Where a row of values first reaches zero, coming from a place with a negative value."""
    for at, value in zip(place, above, strict=True):
        if value >= 0:
            return float(before + (at - before) * (-level) / (value - level))
        before, level = at, value
    return float(before)
