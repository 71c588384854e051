"""What is true about an event: which ground slid, from where to where, and what hides it."""

from dataclasses import dataclass
from enum import IntFlag
from typing import NamedTuple

import numpy as np
from affine import Affine
from numpy.typing import NDArray
from rasterio.features import shapes
from shapely.geometry import Polygon, shape

from core.grid import Grid
from core.simulate.landslides.air import Veil
from core.simulate.landslides.bodies import CELL_M2, FINE, Body
from core.simulate.landslides.fields import Layer
from core.simulate.landslides.light import Light
from core.simulate.landslides.placing import Placed, Room
from core.simulate.landslides.terrain import MARGIN, PIXEL_M, Terrain
from core.simulate.landslides.ways import Line, at, heights, run

Point = tuple[float, float]
"""(x, y) in the coordinates of the event's grid."""


class Hidden(IntFlag):
    """Why the ground of a pixel is not seen at a date, or not as it is."""

    CLOUD = 1
    CLOUD_SHADOW = 2
    SNOW = 4
    SHADOW = 8


@dataclass(frozen=True, eq=False)
class Slide:
    """One landslide.

    Parameters
    ----------
    id
        From 1; its number in the raster of ids.
    outline
        Its ground, to a third of a pixel.
    area_m2
        Of the outline.
    crown, toe
        The upper and the lower end of its way, on the outline.
    way
        The points (x, y) from crown to toe, (points, 2).
    length_m
        Along the way, in plan.
    travel_m
        From crown to toe, straight, in plan.
    drop_m
        From crown to toe, down.
    reach_deg
        Slope of the straight line from crown to toe.
    channel_m2
        Ground that drains through the toe.
    joined
        Slides that it touches, in a channel.
    """

    id: int
    outline: Polygon
    area_m2: float
    crown: Point
    toe: Point
    way: NDArray[np.float64]
    length_m: float
    travel_m: float
    drop_m: float
    reach_deg: float
    channel_m2: float
    joined: tuple[int, ...]


class Truth(NamedTuple):
    """What is true, on the pixels of the after image.

    Parameters
    ----------
    fraction
        Share of each pixel that slid, float32.
    ids
        The slide that has most of each pixel, 0 where none has any.
    slides
        By id, from 1.
    before, after
        `Hidden` of each pixel at both dates, uint8.
    """

    fraction: Layer
    ids: NDArray[np.int16]
    slides: tuple[Slide, ...]
    before: NDArray[np.uint8]
    after: NDArray[np.uint8]

    @property
    def clear(self) -> NDArray[np.bool_]:
        """Pixels that nothing hides at either date."""
        clear: NDArray[np.bool_] = (self.before | self.after) == 0
        return clear

    @property
    def labels(self) -> NDArray[np.bool_]:
        """Pixels of which more than half slid."""
        labels: NDArray[np.bool_] = self.fraction > 0.5
        return labels

    def pairs(self) -> list[tuple[int, int]]:
        """Slides that meet in a channel, the lower id first."""
        return [(slide.id, other) for slide in self.slides for other in slide.joined
                if slide.id < other]  # fmt: skip


def truth(
    ground: Terrain,
    grid: Grid,
    room: Room,
    recent: int,
    hidden: tuple[NDArray[np.uint8], NDArray[np.uint8]],
) -> Truth:
    """The truth about the first `recent` of placed slides, with what hides the ground."""
    placed = room.placed[:recent]
    joined: dict[int, list[int]] = {}
    for number, slide in enumerate(placed, 1):
        if slide.partner >= 0:
            joined.setdefault(number, []).append(slide.partner + 1)
            joined.setdefault(slide.partner + 1, []).append(number)
    slides = tuple(
        _slide(ground, grid, number, slide, tuple(sorted(joined.get(number, ()))))
        for number, slide in enumerate(placed, 1)
    )
    fraction, ids = _pixels(np.where(room.taken <= recent, room.taken, 0))
    return Truth(fraction, ids, slides, *hidden)


def hidden(veil: Veil, snow: Layer, light: Light) -> NDArray[np.uint8]:
    """`Hidden` of each pixel of the scene."""
    inner = (slice(MARGIN, -MARGIN),) * 2
    reasons = np.zeros(veil.cloud.shape, np.uint8)
    for reason, there in (
        (Hidden.CLOUD, veil.cloud > 0.08),
        (Hidden.CLOUD_SHADOW, veil.shadow > 0.15),
        (Hidden.SNOW, snow[inner] > 0.2),
        (Hidden.SHADOW, ~light.lit[inner]),
    ):
        reasons[there] |= np.uint8(reason)
    return reasons


def _pixels(taken: NDArray[np.int16]) -> tuple[Layer, NDArray[np.int16]]:
    side = taken.shape[0] // FINE
    cells = taken.reshape(side, FINE, side, FINE).swapaxes(1, 2).reshape(side, side, -1)
    fraction = (cells > 0).mean(axis=2, dtype=np.float32)
    ids = np.zeros((side, side), np.int16)
    touched = fraction > 0
    some = np.sort(cells[touched], axis=1)
    # Each cell's number, 0 where none is, and how many cells of the pixel have it.
    counts = (some[:, :, None] == some[:, None, :]).sum(axis=2) * (some > 0)
    ids[touched] = np.take_along_axis(some, counts.argmax(axis=1)[:, None], axis=1)[:, 0]
    return fraction, ids


def _slide(
    ground: Terrain, grid: Grid, number: int, slide: Placed, joined: tuple[int, ...]
) -> Slide:
    way = _whole(slide.way, slide.body)
    ends = np.array([way[0], way[-1]])
    level = heights(ground, ends)
    length, travel = PIXEL_M * run(way)[-1], PIXEL_M * float(np.hypot(*(ends[1] - ends[0])))
    drop = float(level[0] - level[1])
    rows, cols = way.T
    step = grid.transform
    points = np.column_stack([step.c + step.a * cols, step.f + step.e * rows])
    return Slide(
        id=number,
        outline=_outline(slide.body, grid),
        area_m2=float(np.count_nonzero(slide.body.inside) * CELL_M2),
        crown=(float(points[0, 0]), float(points[0, 1])),
        toe=(float(points[-1, 0]), float(points[-1, 1])),
        way=points,
        length_m=float(length),
        travel_m=travel,
        drop_m=drop,
        reach_deg=float(np.degrees(np.arctan2(drop, travel))),
        channel_m2=float(at(ground.area, ends[1:])[0]),
        joined=joined,
    )


def _whole(way: Line, body: Body) -> Line:
    """The part of a way inside a body, prolonged at both ends to its outline."""
    inside = _within(way, body)
    way = way[np.argmax(inside) : len(way) - np.argmax(inside[::-1])]
    for _ in range(2):
        way = way[::-1]
        ahead = way[-1] - way[max(0, len(way) - 5)]
        step = ahead / max(float(np.hypot(*ahead)), 1e-9) / 10
        farther = way[-1] + step * np.arange(1, 1000)[:, None]
        count = int(np.argmin(_within(farther, body)))
        if count:
            way = np.vstack([way, farther[count - 1]])
    return way


def _within(points: Line, body: Body) -> NDArray[np.bool_]:
    row, col = np.floor(points.T * FINE).astype(int) - np.array([[body.row], [body.col]])
    rows, cols = body.inside.shape
    held = (row >= 0) & (col >= 0) & (row < rows) & (col < cols)
    result = np.zeros(len(points), np.bool_)
    result[held] = body.inside[row[held], col[held]]
    return result


def _outline(body: Body, grid: Grid) -> Polygon:
    fine = grid.transform @ Affine.scale(1 / FINE) @ Affine.translation(body.col, body.row)
    parts = shapes(body.inside.astype(np.uint8), mask=body.inside, transform=fine, connectivity=4)
    (found,) = (shape(geometry) for geometry, _ in parts)
    return Polygon(found)
