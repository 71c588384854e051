"""What is told of each landslide: size, way, slopes, probability, and what to beware of."""

import math
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.change import terrain
from core.change.inventory.outlines import edge_length
from core.change.inventory.runs import Flags
from core.change.inventory.ways import path, routes
from core.tiling import Window

Floats = NDArray[np.float32]

SMOOTH_PX = 3
"""Points of a way on either side that are averaged with each: a way leads through one of eight
neighbours at a time, and its zigzag is up to 8 % longer than a straight line."""


@dataclass(frozen=True)
class Fields:
    """What is known around an object: all (rows, cols) of its window with a margin of one pixel.

    Parameters
    ----------
    known
        Where the images have data; False outside them.
    hidden
        Where a cloud or its shadow hid one of the dates.
    probability, uncertainty, change
        Of each pixel, where they were made.
    height
        Metres, NaN where there is none; None without a terrain.
    channel
        Where enough ground drains through; None without a terrain.
    """

    known: Flags
    hidden: Flags
    probability: Floats | None = None
    uncertainty: Floats | None = None
    change: Floats | None = None
    height: Floats | None = None
    channel: Flags | None = None

    def part(self, window: Window) -> "Fields":
        """Around a window of the object's own, with the margin."""
        cut = Window(window.row, window.col, window.height + 2, window.width + 2).slices

        def of(layer: NDArray[Any] | None) -> Any:
            return None if layer is None else layer[cut]

        return Fields(**{field.name: of(getattr(self, field.name)) for field in fields(self)})


@dataclass(frozen=True)
class Measures:
    """Of one landslide; NaN where there is no terrain, or the layer was not made.

    Parameters
    ----------
    pixels, area_m2, perimeter_m
        Along the sides of pixels: on a slanting side the perimeter is up to 1.41 times as long as
        a smooth one.
    crown, toe
        Row and column of the highest pixel, and of the lowest, where the way ends.
    length_m
        Of the steepest way inside the object from crown to toe, in plan, half a pixel beyond the
        centres of both.
    width_m
        Area over length.
    drop_m
        Height of the crown above the toe.
    travel_m
        From crown to toe, straight, in plan.
    reach_deg
        Slope of the straight line from crown to toe.
    slope_deg, slope_most_deg
        Mean and greatest slope of its pixels.
    aspect_deg
        Which way its ground falls on the whole, clockwise from grid north.
    probability, probability_most, uncertainty, change
        Means over its pixels, and the greatest.
    cloud
        A pixel in it or beside it was hidden by a cloud or its shadow.
    channel
        It reaches a channel.
    edge
        It may go on where nothing is known: outside the image, or without data.
    """

    pixels: int
    area_m2: float
    perimeter_m: float
    crown: tuple[int, int] | None
    toe: tuple[int, int] | None
    length_m: float
    width_m: float
    drop_m: float
    travel_m: float
    reach_deg: float
    slope_deg: float
    slope_most_deg: float
    aspect_deg: float
    probability: float
    probability_most: float
    uncertainty: float
    change: float
    cloud: bool
    channel: bool
    edge: bool


def measures(inside: Flags, around: Fields, window: Window, pixel_m: float) -> Measures:
    """What is told of one landslide.

    Parameters
    ----------
    inside
        Its pixels in its window, (rows, cols).
    around
        What is known of it and around it, with a margin of one pixel.
    window
        Where it lies in the image.
    pixel_m
        Side of a pixel.
    """
    pixels = int(np.count_nonzero(inside))
    framed = np.pad(inside, 1)
    beside = _beside(framed)
    way = _way(inside, around.height, window, pixel_m)
    ground = _ground(inside, around.height, pixel_m)
    area = pixels * pixel_m**2
    return Measures(
        pixels=pixels,
        area_m2=area,
        perimeter_m=edge_length(inside) * pixel_m,
        crown=way.crown,
        toe=way.toe,
        length_m=way.length_m,
        width_m=area / way.length_m,
        drop_m=way.drop_m,
        travel_m=way.travel_m,
        reach_deg=way.reach_deg,
        slope_deg=ground.slope_deg,
        slope_most_deg=ground.slope_most_deg,
        aspect_deg=ground.aspect_deg,
        probability=_mean(framed, around.probability),
        probability_most=_most(framed, around.probability),
        uncertainty=_mean(framed, around.uncertainty),
        change=_mean(framed, around.change),
        cloud=bool(around.hidden[framed | beside].any()),
        channel=around.channel is not None and bool(around.channel[framed].any()),
        edge=not around.known[beside].all(),
    )


def _beside(framed: Flags) -> Flags:
    """Pixels that touch an object, by sides or corners, and are not in it."""
    rows, cols = framed.shape
    padded = np.pad(framed, 1)
    near = np.zeros_like(framed)
    for row in range(3):
        for col in range(3):
            near |= padded[row : row + rows, col : col + cols]
    return near & ~framed


def _mean(framed: Flags, layer: Floats | None) -> float:
    """Mean of the known pixels."""
    if layer is None:
        return math.nan
    values = layer[framed].astype(np.float64)
    values = values[~np.isnan(values)]
    return float(values.mean()) if values.size else math.nan


def _most(framed: Flags, layer: Floats | None) -> float:
    if layer is None:
        return math.nan
    values = layer[framed]
    values = values[~np.isnan(values)]
    return float(values.max()) if values.size else math.nan


@dataclass(frozen=True)
class _Way:
    crown: tuple[int, int] | None = None
    toe: tuple[int, int] | None = None
    length_m: float = math.nan
    drop_m: float = math.nan
    travel_m: float = math.nan
    reach_deg: float = math.nan


def _way(inside: Flags, height: Floats | None, window: Window, pixel_m: float) -> _Way:
    if height is None:
        return _Way()
    inner = height[1:-1, 1:-1].astype(np.float64)
    if np.isnan(inner[inside]).any():
        return _Way()
    found = routes(inside, inner)
    levels = inner.flat[found.cells]
    # Of equally high pixels the first of the window.
    crown = int(found.cells[levels == levels.max()].min())
    way = path(found.receiver, crown)
    points = np.column_stack(divmod(way, inside.shape[1]))
    length = _smooth_length(points.astype(np.float64)) + 1
    drop = float(inner.flat[crown] - inner.flat[way[-1]])
    travel = pixel_m * float(np.hypot(*(points[-1] - points[0])))
    corner = np.array([window.row, window.col])
    ends = [tuple(int(v) for v in points[end] + corner) for end in (0, -1)]
    return _Way(
        crown=(ends[0][0], ends[0][1]),
        toe=(ends[1][0], ends[1][1]),
        length_m=length * pixel_m,
        drop_m=drop,
        travel_m=travel,
        reach_deg=math.degrees(math.atan2(drop, travel)) if travel > 0 else math.nan,
    )


def _smooth_length(points: NDArray[np.float64]) -> float:
    """Length of a line through the means of each point and its neighbours; its ends stay."""
    count = len(points)
    sums = np.vstack([np.zeros(2), np.cumsum(points, axis=0)])
    place = np.arange(count)
    reach = np.minimum(SMOOTH_PX, np.minimum(place, count - 1 - place))
    means = (sums[place + reach + 1] - sums[place - reach]) / (2 * reach + 1)[:, None]
    return float(np.hypot(*np.diff(means, axis=0).T).sum())


@dataclass(frozen=True)
class _Ground:
    slope_deg: float = math.nan
    slope_most_deg: float = math.nan
    aspect_deg: float = math.nan


def _ground(inside: Flags, height: Floats | None, pixel_m: float) -> _Ground:
    if height is None:
        return _Ground()
    core = Window(1, 1, *inside.shape)
    found = terrain.slope(height, pixel_m, core)
    known = inside & ~np.isnan(found.slope_deg)
    if not known.any():
        return _Ground()
    steep = found.slope_deg[known].astype(np.float64)
    # Steep pixels tell more of which way the ground falls.
    weight = np.tan(np.radians(steep))
    north, east = (float((weight * part[known]).sum()) for part in (found.north, found.east))
    aspect = math.degrees(math.atan2(east, north)) % 360 if north or east else math.nan
    return _Ground(float(steep.mean()), float(steep.max()), aspect)
