"""Events: the ground before and after, and all that is true about it."""

from dataclasses import dataclass
from datetime import date

import numpy as np
from affine import Affine
from numpy.typing import NDArray
from pyproj import Transformer

from core.grid import GEOGRAPHIC, Grid
from core.simulate.landslides.air import snow, veil
from core.simulate.landslides.bodies import FINE
from core.simulate.landslides.cover import cover
from core.simulate.landslides.fields import Generator, Layer
from core.simulate.landslides.light import light
from core.simulate.landslides.placing import Room, placed, site
from core.simulate.landslides.plants import plants, stand
from core.simulate.landslides.scars import Scars, scars
from core.simulate.landslides.scene import View, image
from core.simulate.landslides.sizes import sizes
from core.simulate.landslides.spectra import BANDS
from core.simulate.landslides.style import Style, Sun, drawn_style
from core.simulate.landslides.terrain import MARGIN, PIXEL_M, Terrain, terrain
from core.simulate.landslides.truth import Truth, hidden, truth
from core.simulate.landslides.ways import ways

SLIDES_PER_MPX = 350
OLD_SHARE = 0.3
"""Scars that are older than both images, over the slides."""
PAIRS = 0.05
"""Pairs of slides that meet in a channel, over the slides, where nothing else is asked."""
CRS = "EPSG:32633"
ZONE_DEG = 15.0


@dataclass(frozen=True, eq=False)
class Event:
    """Images before and after landslides, and what is true.

    Parameters
    ----------
    before, after
        Reflectance (float32, [band, row, col]).
    bands
        Their names.
    dem
        Heights in metres, float32, [row, col], exact.
    around
        The same, with 64 pixels more on every side.
    grid
        The pixels of both images.
    truth
        The slides, on the pixels of the after image.
    dates, suns
        Of the images before and after.
    style
        What makes the event unlike others.
    """

    before: Layer
    after: Layer
    bands: tuple[str, ...]
    dem: Layer
    around: Layer
    grid: Grid
    truth: Truth
    dates: tuple[date, date]
    suns: tuple[Sun, Sun]
    style: Style


def event(
    seed: int, size: int = 1000, *, pairs: int | None = None, style: Style | None = None
) -> Event:
    """An event: the same for the same seed and size.

    Parameters
    ----------
    seed
        Draws the mountains, the seasons, the air and the slides.
    size
        Pixels of 10 m along a side.
    pairs
        Pairs of slides that meet in a channel, as far as the ground has room for them; one slide
        in twenty if none is given.
    style
        Its character; drawn by the seed if none is given.
    """
    made = style or drawn_style(seed)
    generator = np.random.default_rng((seed, size))
    ground = terrain(size, made, generator)
    grid = _grid(size, made)
    room, recent = _slid(ground, pairs, generator)
    marks = scars(room, recent, made.fresh, generator)
    (before, hidden_before), (after, hidden_after) = _shown(ground, made, marks, generator)
    return Event(
        before=before,
        after=after,
        bands=BANDS,
        dem=ground.height[MARGIN:-MARGIN, MARGIN:-MARGIN].copy(),
        around=ground.height,
        grid=grid,
        truth=truth(ground, grid, room, recent, (hidden_before, hidden_after)),
        dates=(made.before.day, made.after.day),
        suns=(made.before.sun, made.after.sun),
        style=made,
    )


def _slid(ground: Terrain, pairs: int | None, generator: Generator) -> tuple[Room, int]:
    """The slides of the event, their number, and after them scars that are older."""
    size = ground.height.shape[0] - 2 * MARGIN
    room = Room.empty(FINE * size)
    place = site(ground, ways(ground), generator)
    count = max(4, round(SLIDES_PER_MPX * size * size / 1e6))
    wanted = round(PAIRS * count) if pairs is None else pairs
    placed(place, sizes(count, generator), wanted, room, generator)
    recent = len(room.placed)
    placed(place, sizes(round(OLD_SHARE * count), generator), 0, room, generator)
    return room, recent


def _shown(
    ground: Terrain, made: Style, marks: Scars, generator: Generator
) -> list[tuple[Layer, NDArray[np.uint8]]]:
    """Both images, each with what it hides."""
    size = ground.height.shape[0] - 2 * MARGIN
    covered = cover(ground, made, generator)
    lasting = stand(ground, made, generator)
    grain = 32 * generator.standard_normal(marks.number.shape, np.float32)
    coarse = np.clip(np.rint(grain), -96, 96).astype(np.int8)
    shown = []
    for visit, kind, crops, bare, shift in (
        (made.before, covered.before, covered.parcels.before, marks.before, made.shift_px),
        (made.after, covered.after, covered.parcels.after, marks.after, (0.0, 0.0)),
    ):
        view = View(
            kind=kind,
            crops=crops,
            bare=bare,
            tone=covered.parcels.tone,
            grain=coarse,
            scars=marks,
            plants=plants(lasting, visit.season, generator),
            light=light(ground.height, visit.sun),
            snow=snow(ground, visit, generator),
            veil=veil(size, visit, generator),
        )
        seen = image(view, made, visit, shift, generator)
        shown.append((seen, hidden(view.veil, view.snow, view.light)))
    return shown


def _grid(size: int, style: Style) -> Grid:
    change = Transformer.from_crs(GEOGRAPHIC, CRS, always_xy=True)
    east, north = change.transform(ZONE_DEG, style.latitude)
    corner = (PIXEL_M * round(east / PIXEL_M), PIXEL_M * round(north / PIXEL_M))
    return Grid((size, size), Affine(PIXEL_M, 0.0, corner[0], 0.0, -PIXEL_M, corner[1]), CRS)
