"""Where the pixels of two images meet: the common ground on the lattice of the reference."""

import math
from dataclasses import dataclass

from core.declare import Area
from core.errors import NoOverlap, TooSmall
from core.grid import Grid
from core.io.areas import area_window
from core.io.products import Scene
from core.tiling import Window

WHOLE = 1e-3
"""A lattice that is off by less than this, pixels, is the same lattice."""


@dataclass(frozen=True)
class Lattice:
    """The part of the reference that is measured, and how the secondary's pixels relate to it.

    Parameters
    ----------
    reference
        Grid of the reference image.
    window
        The measured part of it.
    offset
        Rows and columns by which pixel (0, 0) of the secondary lies off that of the reference.
    fraction
        What the whole offset leaves, pixels: added to every measurement, so that nothing has to
        be resampled.
    """

    reference: Grid
    window: Window
    offset: tuple[int, int]
    fraction: tuple[float, float]

    @property
    def grid(self) -> Grid:
        """Grid of the measured part."""
        return self.reference.crop(self.window)

    def in_secondary(self, window: Window) -> Window:
        """The window of the secondary on the same ground as a window of the reference."""
        return window.shift(-self.offset[0], -self.offset[1])


def same_lattice(reference: Scene, secondary: Scene) -> bool:
    """Whether the secondary need not be warped: same CRS, size and orientation of the pixels."""
    return reference.grid.same_pixels(secondary.grid)


def warp_window(reference: Scene, secondary: Scene, aoi: Area | None, border: int) -> Window:
    """The part of the reference's grid onto which the secondary is warped.

    Parameters
    ----------
    border
        Pixels around the area of interest that matching looks at.

    Raises
    ------
    NoOverlap
        The images have no ground in common.
    """
    window = reference.grid.seeing(secondary.grid)
    if window.empty:
        raise _no_overlap(reference)
    wanted = window if aoi is None else window & area_window(aoi, reference.grid).pad(border)
    return window if wanted.empty else wanted


def _no_overlap(reference: Scene) -> NoOverlap:
    return NoOverlap(
        f"{reference.name} and the secondary image have no ground in common.",
        pointer="/inputs/secondary",
        allowed="two images of the same place",
    )


def lattice_of(reference: Scene, secondary: Grid, aoi: Area | None, least: int) -> Lattice:
    """The common ground of two images with the same kind of pixels, and of the area of interest.

    Parameters
    ----------
    least
        Rows and columns that the method needs.

    Raises
    ------
    NoOverlap, TooSmall
        There is no common ground, or less than `least` pixels of it along rows or columns.
    """
    row, col = reference.grid.offset(secondary)
    whole = (math.floor(row + 0.5), math.floor(col + 0.5))
    fraction = tuple(0.0 if abs(f) < WHOLE else f for f in (row - whole[0], col - whole[1]))
    common = reference.grid.window & secondary.window.shift(*whole)
    if common.empty:
        raise _no_overlap(reference)
    window = common if aoi is None else common & area_window(aoi, reference.grid)
    if window.empty:
        raise NoOverlap(
            "The area of interest and the images have no ground in common.",
            pointer="/inputs/aoi",
            allowed="an area inside both images; a bbox is west, south, east, north",
        )
    if min(common.shape) < least:
        raise TooSmall(
            f"The images have {common.width} x {common.height} pixels of ground in common.",
            pointer="/inputs/secondary",
            value=min(common.shape),
            allowed=f"at least {least} x {least} pixels for this window",
        )
    return Lattice(reference.grid, window, whole, (fraction[0], fraction[1]))
