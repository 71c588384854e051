"""Everything before the first look at landslides: lattice, stack, shift, heights, masks."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from core.change import flow
from core.change.scene import Date, Sun
from core.change.terrain import shadow, shadow_reach
from core.errors import BadRaster
from core.grid import Grid
from core.io.blockwise import counted, spread_over_threads
from core.io.masks import mask_notes, user_mask
from core.io.terrain import Terrain, check_covered, open_terrain
from core.io.vectors import burned
from core.pipelines.aladim.declaration import AladimParameters
from core.pipelines.aladim.images import Dated, common_roles, of_date, sun_of
from core.pipelines.aladim.lattice import Shapes, lattice_of, pixel_metres
from core.pipelines.aladim.shift import Found, shift_of
from core.pipelines.aladim.stack import Stack
from core.pipelines.aladim.staging import SIDE, Shift, fill, lay
from core.progress import Progress
from core.reasons import Reason
from core.tiling import Tile, Window, tiles
from core.workspace import Context

DEM = "/inputs/dem"

CHANNEL_M2 = 50_000.0
"""Ground that drains through a place from which on it counts as a channel, for features."""

LAID, MOVED, RAISED = 0.6, 0.8, 0.9
"""Where the steps end in the time of the preparation."""


@dataclass(frozen=True)
class Prepared:
    """The scene, and what its preparation found."""

    stack: Stack
    images: tuple[Dated, ...]
    shift: Found | None
    """Of the image before, as it lay; None without one or where nobody wanted to know."""
    corrected: bool
    notes: tuple[str, ...]

    @property
    def physical(self) -> bool:
        """Whether the numbers of all images are reflectances."""
        return all(one.image.scaled for one in self.images)


def prepared(
    parameters: AladimParameters,
    context: Context,
    images: tuple[Dated, ...],
    wanted: Shapes | None,
    progress: Progress,
) -> Prepared:
    """Bring everything that was given onto the pixels of the image after.

    Parameters
    ----------
    wanted
        The area of interest in the coordinate reference system of the image after.
    """
    grid = lattice_of(images, wanted)
    suns = {date: sun for date in Date if (sun := sun_of(parameters, images, date)) is not None}
    stack = _empty(images, grid, suns, context)
    notes = [note for one in images for note in one.image.warnings]
    span = progress.part(0, LAID / 2)
    notes += _lay(stack, images, Date.AFTER, (0.0, 0.0), parameters, context, span)
    shift, corrected = None, False
    if of_date(images, Date.BEFORE):
        span = progress.part(LAID / 2, LAID)
        notes += _lay(stack, images, Date.BEFORE, (0.0, 0.0), parameters, context, span)
        if parameters.coregistration:
            shift = shift_of(stack)
            corrected = shift.large
            if corrected:
                place = (shift.rows, shift.cols)
                span = progress.part(LAID, MOVED)
                _lay(stack, images, Date.BEFORE, place, parameters, context, span)
    if parameters.dem is not None:
        stack = _raised(stack, parameters, context, progress.part(MOVED, RAISED))
        notes += _without_sun(parameters, stack)
    excluded = _excluded(parameters, context)
    notes += [n for path, place in excluded for n in mask_notes(path, grid.crs, pointer=place)]
    _mask(stack, wanted, excluded, parameters, progress.part(RAISED, 1.0))
    return Prepared(stack, images, shift, corrected, tuple(dict.fromkeys(notes)))


def _empty(images: Sequence[Dated], grid: Grid, suns: dict[Date, Sun], context: Context) -> Stack:
    roles = common_roles(images)
    dates = [date for date in Date if of_date(images, date)]
    return Stack.create(
        context.workspace.scratch / "stack",
        grid,
        pixel_metres(of_date(images, Date.AFTER)[0]),
        [(date, role) for date in dates for role in roles],
        {date: sun for date, sun in suns.items() if date in dates},
    )


def _lay(
    stack: Stack,
    images: Sequence[Dated],
    date: Date,
    shift: Shift,
    parameters: AladimParameters,
    context: Context,
    progress: Progress,
) -> list[str]:
    """Put a date into the stack; what the user should know of it."""
    ours = of_date(images, date)
    laid = []
    try:
        for number, one in enumerate(ours):
            span = progress.part(0.5 * number / len(ours), 0.5 * (number + 1) / len(ours))
            laid.append(lay(one, stack.roles, stack.grid, shift, context, span))
        fill(stack, date, laid, parameters, context, progress.part(0.5, 1.0))
    finally:
        for image in laid:
            image.close()
    return [note for image in laid for note in image.notes]


def _raised(
    stack: Stack, parameters: AladimParameters, context: Context, progress: Progress
) -> Stack:
    """The scene with its heights and drainage."""
    assert parameters.dem is not None
    terrain = open_terrain(context.sources.fetch(parameters.dem, DEM), pointer=DEM)
    raised = stack.with_terrain(drained=True)
    windows = [tile.core for tile in tiles(stack.shape, SIDE)]
    work = partial(_heights, raised, terrain)
    known = 0
    done = spread_over_threads(work, windows, context.compute.workers)
    for _, count in counted(done, len(windows), progress, "laying the elevation model, part"):
        known += count
    check_covered(known, DEM)
    _drain(raised)
    return raised


def _heights(stack: Stack, terrain: Terrain, window: Window) -> int:
    assert stack.height is not None
    heights = terrain.heights(stack.grid.crop(window))
    stack.height.write(window, heights)
    return int(np.count_nonzero(~np.isnan(heights)))


def _drain(stack: Stack) -> None:
    """Where water runs, once for the scene."""
    assert stack.height is not None
    assert stack.drainage is not None
    side = flow.thinning(stack.shape)
    strips = []
    for row in range(0, stack.shape[0], side * 64):
        window = Window(row, 0, min(side * 64, stack.shape[0] - row), stack.shape[1])
        strips.append(flow.thinned(stack.height.read(window), side))
    height = flow.filled(np.concatenate(strips))
    codes = flow.directions(height)
    cells = flow.accumulation(codes)
    cell_m = side * stack.pixel_m
    channel = flow.channels(cells, cell_m, CHANNEL_M2)
    above = flow.above_channels(height, codes, channel)
    area = np.where(np.isnan(height), np.nan, cells * cell_m**2).astype(np.float32)
    for tile in tiles(stack.shape, SIDE):
        for plane, values in zip(stack.drainage, (area, above), strict=True):
            plane.write(tile.core, flow.enlarged(values, side, tile.core))


def _excluded(parameters: AladimParameters, context: Context) -> list[tuple[Path, str]]:
    """Masks of the request, each with where it is named."""
    count = len(parameters.exclude)
    places = [f"/inputs/exclude/{n}" if count > 1 else "/inputs/exclude" for n in range(count)]
    return [
        (context.sources.fetch(source, place), place)
        for source, place in zip(parameters.exclude, places, strict=True)
    ]


def _mask(
    stack: Stack,
    wanted: Shapes | None,
    excluded: Sequence[tuple[Path, str]],
    parameters: AladimParameters,
    progress: Progress,
) -> None:
    """Put into the reasons what neither image nor product says."""
    reach = shadow_reach(stack.pixel_m) + 1
    cast = parameters.mask_cast_shadow and stack.height is not None
    found = False
    for tile in tiles(stack.shape, SIDE, reach if cast else 0):
        why = stack.reasons.read(tile.core)
        part = stack.grid.crop(tile.core)
        if wanted is not None:
            why[~burned(wanted, part)] |= np.uint32(Reason.OUTSIDE)
        for path, pointer in excluded:
            hidden = user_mask(path, part, part.window, pointer=pointer)
            why[hidden] |= np.uint32(Reason.USER_MASK)
        if cast:
            why[_shaded(stack, tile)] |= np.uint32(Reason.CAST_SHADOW)
        stack.reasons.write(tile.core, why)
        found |= bool((why == 0).any())
        progress.report((tile.number + 1) / tile.count, "masking")
    if not found:
        raise BadRaster(
            "No pixel is clear at both dates: clouds, shadow, snow, water or masks hide all.",
            pointer="/inputs/after",
            allowed="images with clear ground, or fewer masks",
        )


def _shaded(stack: Stack, tile: Tile) -> np.ndarray[tuple[int, int], np.dtype[np.bool_]]:
    """Where the terrain hides the sun at any date."""
    assert stack.height is not None
    height = stack.height.read(tile.padded)
    core = tile.core.inside(tile.padded)
    dark = np.zeros(tile.core.shape, np.bool_)
    for sun in stack.suns.values():
        dark |= shadow(height, stack.pixel_m, sun, core, shadow_reach(stack.pixel_m))
    return dark


def _without_sun(parameters: AladimParameters, stack: Stack) -> list[str]:
    lacking = [str(date) for date in stack.dates if date not in stack.suns]
    if not lacking or not parameters.mask_cast_shadow:
        return []
    return [
        (
            f"The place of the sun is not known for the images {' and '.join(lacking)}: shadow of "
            "the terrain is not masked there, and its light is no feature."
        )
    ]
