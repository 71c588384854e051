"""The pixels that are mapped: those of the image after, where the images have common ground."""

import math
from collections.abc import Sequence

import shapely
from shapely.geometry.base import BaseGeometry

from core.change.scene import Date
from core.errors import NoOverlap, TooSmall
from core.grid import Grid
from core.pipelines.aladim.images import Dated, of_date
from core.roles import Role
from core.tiling import Window

Shapes = tuple[BaseGeometry, ...]

ROUNDING = 1e-6
"""Part of a pixel that borders may stick out."""

LEAST = 16
"""Rows and columns at least: less holds no landslide and its surroundings."""


def lattice_of(images: Sequence[Dated], wanted: Shapes | None) -> Grid:
    """The pixels of the first image after that any image before sees too, and the area wanted.

    Parameters
    ----------
    wanted
        Polygons in the coordinate reference system of that image; None for all of it.

    Raises
    ------
    NoOverlap, TooSmall
        There is no such ground, or hardly any.
    """
    after = of_date(images, Date.AFTER)
    grid = grid_of(after[0])
    window = grid.window
    for date in Date:
        ours = of_date(images, date)
        if ours:
            window &= _around([grid.seeing(grid_of(one), ROUNDING) for one in ours])
    if window.empty:
        raise NoOverlap(
            "The images before and after have no ground in common.",
            pointer="/inputs/before",
            allowed="images of the same place",
        )
    if wanted is not None:
        window &= grid.around(_corners(wanted), ROUNDING)
        if window.empty:
            raise NoOverlap(
                "The area of interest and the images have no ground in common.",
                pointer="/inputs/aoi",
                allowed="an area inside the images; a bbox is west, south, east, north",
            )
    if min(window.shape) < LEAST:
        raise TooSmall(
            f"The common ground is {window.width} x {window.height} pixels.",
            pointer="/inputs/after",
            value=min(window.shape),
            allowed=f"at least {LEAST} x {LEAST} pixels",
        )
    return grid.crop(window)


def grid_of(one: Dated) -> Grid:
    """The pixels of an image: those of its red band, which is of the finest."""
    return one.image.bands[Role.RED].scene.grid


def pixel_metres(one: Dated) -> float:
    """Mean side of a pixel."""
    scene = one.image.bands[Role.RED].scene
    return math.sqrt(math.prod(scene.grid.pixel_size)) * scene.unit_metres


def anchor_of(grid: Grid) -> tuple[int, int]:
    """Row and column of the first pixel, counted in pixels from the origin of the CRS."""
    t, (width, height) = grid.transform, grid.pixel_size
    return round(-t.f / height), round(t.c / width)


def _corners(shapes: Shapes) -> list[tuple[float, float]]:
    """Of the box around all of some shapes."""
    west, south, east, north = shapely.total_bounds(shapes)
    return [(west, south), (east, north), (west, north), (east, south)]


def _around(windows: Sequence[Window]) -> Window:
    """The smallest window that holds all of them."""
    full = [window for window in windows if not window.empty]
    if not full:
        return Window(0, 0, 0, 0)
    top, left = min(w.row for w in full), min(w.col for w in full)
    bottom = max(w.row + w.height for w in full)
    right = max(w.col + w.width for w in full)
    return Window(top, left, bottom - top, right - left)
