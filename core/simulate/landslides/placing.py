"""Where slides break off and how far they run: on steep ground, in hollows, in clusters."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from core.simulate.landslides.bodies import FINE, Body, Outline, body
from core.simulate.landslides.fields import Generator, Layer, smooth
from core.simulate.landslides.terrain import MARGIN, PIXEL_M, Terrain
from core.simulate.landslides.ways import Line, Ways, at, heights, line, run, slope_deg

CHANNEL_M2 = 4e4
"""Ground that drains through a channel, at least."""
APART = 5
"""Fine cells between slides that do not meet in a channel."""
MEETING = 10
"""Fine cells around the place where two slides meet within which they may touch."""
FILL = 0.72
"""Area of a slide over length and greatest width."""
SLENDER, SLENDER_SPREAD = 3.0, 0.35
"""Length over width: the median, and the deviation of its logarithm."""
TRIES, PARTNER_TRIES = 600, 150
HEAD_DEG = 17.0
"""Least slope of the upper third of a way."""
REACH_DEG = (19.0, 13.0)
"""Least angle from crown to toe of the smallest and of the largest slides."""
LOW_M = 2.0
"""Slides end on ground that lies no higher than this above a river."""


class Placed(NamedTuple):
    """One slide on the ground.

    Parameters
    ----------
    way
        Its axis as it was drawn.
    body
        Its fine cells.
    partner
        Place in the list of slides of the one that it meets in a channel, or -1.
    """

    way: Line
    body: Body
    partner: int


@dataclass(eq=False)
class Room:
    """Which fine cells are taken: the number of the slide there, or near there, and 0 elsewhere."""

    taken: NDArray[np.int16]
    near: NDArray[np.int16]
    placed: list[Placed] = field(default_factory=list)

    @classmethod
    def empty(cls, side: int) -> "Room":
        """All of a square of fine cells."""
        return cls(np.zeros((side, side), np.int16), np.zeros((side, side), np.int16))

    def free(self) -> NDArray[np.bool_]:
        """Cells that a slide may cover."""
        free: NDArray[np.bool_] = self.near == 0
        return free

    def open_to(self, number: int, place: NDArray[np.float64]) -> NDArray[np.bool_]:
        """The same, and the surroundings of a slide about the place (pixels) where it is met."""
        free = self.free()
        row, col = (np.floor(FINE * place)).astype(int)
        box = tuple(slice(max(0, middle - MEETING), middle + MEETING + 1) for middle in (row, col))
        free[box] |= (self.taken[box] == 0) & (self.near[box] == number)
        return free

    def take(self, slide: Placed) -> None:
        """Let a slide have its cells."""
        self.placed.append(slide)
        number = len(self.placed)
        box = slide.body.window
        self.taken[box][slide.body.inside] = number
        wide = tuple(
            slice(max(0, part.start - APART), min(part.stop + APART, side))
            for part, side in zip(box, self.near.shape, strict=True)
        )
        around = ndimage.binary_dilation(self.taken[wide] == number, iterations=APART)
        view = self.near[wide]
        view[around & (view == 0)] = number


class Site(NamedTuple):
    """The ground of an event, as slides see it.

    Parameters
    ----------
    ground, ways
        Its heights, and the ways over them.
    likely
        How likely a slide begins in each pixel of the scene, summed up to it.
    size
        Pixels along a side of the scene.
    """

    ground: Terrain
    ways: Ways
    likely: NDArray[np.float64]
    size: int


def site(ground: Terrain, ways: Ways, generator: Generator) -> Site:
    """Where slides may begin on a ground: steep, in hollows, away from rivers, in clusters."""
    size = ground.height.shape[0] - 2 * MARGIN
    inner = (slice(MARGIN, MARGIN + size),) * 2
    steep = np.clip((slope_deg(ground)[inner] - 20) / 12, 0, 1.2) ** 1.5
    hollow = _hollowness(ground)[inner]
    cluster = smooth((size, size), generator, 120.0)
    weight = steep * np.exp(0.8 * np.clip(hollow, -2, 2) + 0.9 * cluster)
    weight[ground.above[inner] < 15] = 0
    weight[ground.area[inner] > CHANNEL_M2] = 0
    return Site(ground, ways, np.cumsum(weight, dtype=np.float64), size)


def _hollowness(ground: Terrain) -> Layer:
    bowl = ndimage.gaussian_laplace(ground.height, 3.0)
    hollow: Layer = bowl / bowl.std()
    return hollow


def placed(
    site: Site, areas: NDArray[np.float64], pairs: int, room: Room, generator: Generator
) -> None:
    """Place slides of given areas (m2), the largest first, of which `pairs` meet another.

    A slide that meets another takes the area, of those still to be placed, that brings it there.
    """
    left = sorted(areas.tolist(), reverse=True)
    wanted = pairs
    while left:
        area = left.pop(0)
        slide = _single(site, area, room, generator, to_channel=wanted > 0)
        if slide is None:
            continue
        room.take(slide)
        if wanted > 0 and (partner := _partner(site, left, room, generator)):
            room.take(partner)
            wanted -= 1


def _starts(site: Site, count: int, generator: Generator) -> Iterator[tuple[int, int]]:
    drawn = generator.random(count) * site.likely[-1]
    for cell in np.searchsorted(site.likely, drawn, side="right"):
        row, col = divmod(int(cell), site.size)
        yield row, col


def _single(
    site: Site, area: float, room: Room, generator: Generator, *, to_channel: bool
) -> Placed | None:
    """A slide that touches no other; rather one that reaches a channel, if that is asked for."""
    free = room.free()
    for attempt, start in enumerate(_starts(site, TRIES, generator)):
        slender = SLENDER * np.exp(SLENDER_SPREAD * generator.standard_normal())
        length = np.sqrt(area * slender / FILL) / PIXEL_M
        way = line(site.ways, start, area / PIXEL_M**2 / FILL / length, length)
        outline = _outline(site, _ended(site.ground, way), area, length)
        if outline is None or not _clear(outline.way, free):
            continue
        if to_channel and attempt < TRIES // 2 and not _reaches_channel(site.ground, outline.way):
            continue
        found = body(site.ground, outline, free, generator)
        if found is not None:
            return Placed(outline.way, found, -1)
    return None


def _ended(ground: Terrain, way: Line) -> Line:
    """A way up to the floor of a river's valley, and a little farther."""
    low = np.flatnonzero(at(ground.above, way) < LOW_M)
    return way[: low[0] + 5] if low.size else way


def _outline(site: Site, way: Line, area: float, length_px: float) -> Outline | None:
    """A slide along a way, or None where none would run."""
    if len(way) < 4 or run(way)[-1] < 0.6 * length_px:
        return None
    width = area / PIXEL_M**2 / FILL / run(way)[-1]
    reach = width + 2
    if way.min() < reach or way.max() > site.size - reach:
        return None
    level = heights(site.ground, way)
    drop = (level[0] - level) / (PIXEL_M * np.maximum(run(way), 1e-6))
    third = max(2, len(way) // 3)
    least = np.interp(np.log10(area), (3.0, 5.5), REACH_DEG)
    if drop[third] < np.tan(np.radians(HEAD_DEG)) or drop[-1] < np.tan(np.radians(least)):
        return None
    return Outline(way, area, width, at(site.ground.area, way) > CHANNEL_M2)


def _clear(way: Line, free: NDArray[np.bool_]) -> bool:
    row, col = np.floor(way.T * FINE).astype(int)
    return bool(free[row, col].all())


def _partner(site: Site, left: list[float], room: Room, generator: Generator) -> Placed | None:
    """A slide from elsewhere that ends where the last one lies in a channel; takes its area."""
    number = len(room.placed)
    first = room.placed[-1]
    if not _reaches_channel(site.ground, first.way):
        return None
    lower = first.way[len(first.way) // 2 :]
    spread = 20 + 0.7 * run(first.way)[-1]
    for _ in range(PARTNER_TRIES):
        centre = lower[generator.integers(len(lower))]
        row, col = (centre + spread * generator.uniform(-1, 1, 2)).astype(int)
        if not (0 <= row < site.size and 0 <= col < site.size) or not _begins(site, row, col):
            continue
        way = _meeting(site, line(site.ways, (row, col), 4.0, 2 * spread), first, room, number)
        if way is None:
            continue
        fitting = _fitting(left, run(way)[-1] * PIXEL_M)
        if fitting is None:
            continue
        outline = _outline(site, way, left[fitting], run(way)[-1])
        if outline is None:
            continue
        free = room.open_to(number, way[-1])
        if not _clear(way, free):
            continue
        found = body(site.ground, outline, free, generator)
        if found is not None and _touches(found, room, number):
            left.pop(fitting)
            return Placed(outline.way, found, number - 1)
    return None


def _reaches_channel(ground: Terrain, way: Line) -> bool:
    """Whether the lower half of a way comes to a channel."""
    return bool(at(ground.area, way[len(way) // 2 :]).max() >= CHANNEL_M2)


def _begins(site: Site, row: int, col: int) -> bool:
    cell = row * site.size + col
    return bool(site.likely[cell] > site.likely[max(cell - 1, 0)])


def _meeting(site: Site, way: Line, first: Placed, room: Room, number: int) -> Line | None:
    """A way up to another slide, if it meets the lower part of it, and in a channel."""
    inside = (way.min(axis=1) > 0) & (way.max(axis=1) < site.size)
    way = way[: int(np.argmin(inside)) if not inside.all() else len(way)]
    row, col = np.floor(way.T * FINE).astype(int)
    met = np.flatnonzero(room.taken[row, col] == number)
    if met.size == 0 or met[0] < 8:
        return None
    place = way[met[0]]
    along = np.argmin(np.hypot(*(first.way - place).T)) / len(first.way)
    if along < 0.5 or at(site.ground.area, way[met[0] : met[0] + 1])[0] < CHANNEL_M2:
        return None
    return way[: met[0]]


def _fitting(left: list[float], length_m: float) -> int | None:
    """The place in the list of an area that fits to a length."""
    slender = length_m**2 * FILL / np.array(left)
    good = np.flatnonzero((slender > 1.8) & (slender < 6.5))
    return int(good[np.argmin(np.abs(np.log(slender[good] / SLENDER)))]) if good.size else None


def _touches(found: Body, room: Room, number: int) -> bool:
    around = ndimage.binary_dilation(found.inside, np.ones((3, 3), np.bool_))
    return bool((room.taken[found.window][around] == number).any())
