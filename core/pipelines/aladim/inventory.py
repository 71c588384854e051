"""From probabilities to landslides: the objects of a scene, with what is told of each."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import shapely
from numpy.typing import NDArray
from shapely.geometry.base import BaseGeometry

from core.change.inventory.landslides import Landslide, landslides
from core.change.inventory.measures import Fields, Measures
from core.change.inventory.objects import objects
from core.change.inventory.outlines import Corners
from core.change.inventory.runs import Runs, joined, runs_of
from core.change.inventory.splitting import Splitting
from core.grid import Grid
from core.io.blockwise import counted, spread
from core.io.layers import Field, Kind, Layer, Row, Value
from core.io.planes import Plane
from core.pipelines.aladim.declaration import AladimParameters
from core.pipelines.aladim.detection import Detection
from core.pipelines.aladim.lattice import anchor_of
from core.pipelines.aladim.scan import SIDE
from core.pipelines.aladim.stack import Stack
from core.progress import Progress
from core.reasons import Reason
from core.tiling import Window, tiles
from core.workspace import Context

HIDDEN = np.uint32(Reason.CLOUD_MASK | Reason.CLOUD_SHADOW)

LANDSLIDES = "landslides"

TEXTS: dict[str, tuple[Kind, str]] = {
    "pixels": ("integer", "Number of pixels."),
    "area_m2": ("real", "Area in plan, m2."),
    "perimeter_m": ("real", "Length of the outline along the sides of pixels, m."),
    "length_m": ("real", "Length in plan of the steepest way inside from crown to toe, m."),
    "width_m": ("real", "Area over length, m."),
    "drop_m": ("real", "Height of the crown above the toe, m."),
    "travel_m": ("real", "Straight distance in plan from crown to toe, m."),
    "reach_deg": ("real", "Slope of the straight line from crown to toe, degrees."),
    "slope_deg": ("real", "Mean slope of the ground, degrees."),
    "slope_most_deg": ("real", "Greatest slope of the ground, degrees."),
    "aspect_deg": ("real", "Direction in which the ground falls, clockwise from grid north."),
    "probability": ("real", "Mean probability of its pixels."),
    "probability_most": ("real", "Greatest probability of its pixels."),
    "uncertainty": ("real", "Mean probability that its pixels are none of a landslide."),
    "change": ("real", "Mean change index, standard deviations of unchanged ground."),
    "cloud": ("boolean", "A pixel in it or beside it was hidden by a cloud or its shadow."),
    "channel": ("boolean", "It reaches a channel."),
    "edge": ("boolean", "It may go on where nothing is known."),
}
"""Attributes that are measures, as they are named there."""

PARTS = Field("parts", "integer", "Landslides that its object was split into; 1: none.")


@dataclass(frozen=True)
class Inventory:
    """The landslides of a scene, and the pixels that they cover."""

    landslides: tuple[Landslide, ...]
    mask: Plane
    """uint8: 1 where there is one."""

    @property
    def areas_m2(self) -> NDArray[np.float64]:
        """Area of each."""
        return np.array([one.measures.area_m2 for one in self.landslides], np.float64)

    def layer(self, grid: Grid) -> Layer:
        """The landslides as polygons on the ground, with their attributes."""
        named = tuple(Field(name, kind, text) for name, (kind, text) in TEXTS.items())
        identity = Field("id", "integer", "Number of the landslide, from 1.")
        return Layer(
            LANDSLIDES,
            grid.crs,
            (identity, *named, PARTS),
            self._rows(grid),
            title="Landslides",
            text="Landslides that were detected, each as a polygon along the sides of pixels.",
        )

    def _rows(self, grid: Grid) -> Iterator[Row]:
        for one in self.landslides:
            yield outline(one, grid), (one.id, *_values(one.measures), one.parts)


def inventory_of(
    stack: Stack,
    found: Detection,
    parameters: AladimParameters,
    context: Context,
    progress: Progress,
) -> Inventory:
    """The landslides of a scene; the same whatever the tiles."""
    pixel = stack.pixel_m**2
    least = max(int(np.ceil(parameters.minimum_area / pixel)), 1)
    listed = objects(
        _runs(stack, found, context, progress.part(0, 0.5)),
        stack.shape,
        hole_px=int(parameters.minimum_hole / pixel),
        least_px=least,
        anchor=anchor_of(stack.grid),
    )
    read = partial(_around, stack, found, parameters.channel_area)
    split = parameters.split_at_channels and stack.drainage is not None
    rule = Splitting() if split else None
    kept: list[Landslide] = []
    count = max(len(listed), 1)
    for one in landslides(listed, read, stack.pixel_m, least_px=least, rule=rule):
        if _steep_enough(one.measures, parameters):
            kept.append(replace(one, id=len(kept) + 1))
        progress.report(0.5 + 0.5 * min(one.id / count, 1.0), f"measuring landslide {one.id}")
    return Inventory(tuple(kept), _painted(kept, stack, context))


def outline(one: Landslide, grid: Grid) -> BaseGeometry:
    """The polygon of a landslide in the coordinates of a grid."""
    parts = [
        shapely.Polygon(_ground(part.outer, grid), [_ground(hole, grid) for hole in part.holes])
        for part in one.outline
    ]
    return parts[0] if len(parts) == 1 else shapely.MultiPolygon(parts)


def _ground(ring: Corners, grid: Grid) -> NDArray[np.float64]:
    t, (row, col) = grid.transform, ring.astype(np.float64).T
    return np.column_stack([t.a * col + t.b * row + t.c, t.d * col + t.e * row + t.f])


def _values(measured: Measures) -> list[Value]:
    return [getattr(measured, name) for name in TEXTS]


def _runs(stack: Stack, found: Detection, context: Context, progress: Progress) -> Runs:
    windows = [tile.core for tile in tiles(stack.shape, SIDE)]
    work = partial(_called, found)
    results = spread(work, windows, context.executor, context.compute.workers)
    return joined(runs for _, runs in counted(results, len(windows), progress, "deciding, tile"))


def _called(found: Detection, window: Window) -> Runs:
    return runs_of(found.called(window), window)


def _around(stack: Stack, found: Detection, channel_m2: float, window: Window) -> Fields:
    """What is known in a window, which may reach beyond the scene."""
    inside = window & stack.grid.window
    place = inside.inside(window).slices

    def framed[T: np.generic](values: NDArray[T], fill: float) -> NDArray[T]:
        out = np.full(window.shape, fill, values.dtype)
        out[place] = values
        return out

    why = stack.reasons.read(inside)
    probability = found.probability(inside)
    height = channel = None
    if stack.height is not None:
        height = framed(stack.height.read(inside), np.nan)
    if stack.drainage is not None:
        channel = framed(stack.drainage[0].read(inside) >= channel_m2, 0)
    return Fields(
        known=framed(why == 0, 0),
        hidden=framed(why & HIDDEN != 0, 0),
        probability=framed(probability, np.nan),
        uncertainty=framed(found.uncertainty(inside), np.nan),
        height=height,
        channel=channel,
    )


def _steep_enough(measured: Measures, parameters: AladimParameters) -> bool:
    least = parameters.minimum_slope or 0.0
    return np.isnan(measured.slope_deg) or measured.slope_deg >= least


def _painted(kept: Sequence[Landslide], stack: Stack, context: Context) -> Plane:
    plane = Plane(context.workspace.scratch / "landslides", stack.shape, np.uint8)
    for one in kept:
        values = plane.read(one.window)
        values[one.inside] = 1
        plane.write(one.window, values)
    return plane
