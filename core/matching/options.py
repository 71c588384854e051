"""How two images are matched, and what of their surroundings that needs."""

from dataclasses import dataclass
from math import ceil

MARGIN = 40
"""Pixels of the finest level that are matched around the core: beyond, nothing has influence."""

COARSE_MARGIN = 24
"""The same at coarser levels, which only give the start of the next."""

LARGEST_REACH = 8
"""Pixels searched exhaustively at the coarsest level, at most."""

MOST_LEVELS = 5
"""Halvings of the pyramid, at most."""

LARGEST_SEARCH_PX = float(LARGEST_REACH * 2**MOST_LEVELS)
"""Displacement that can be looked for, pixels."""


@dataclass(frozen=True)
class Matching:
    """How two images are matched.

    Parameters
    ----------
    window
        Side of the matching window, pixels, odd.
    search_px
        Largest displacement along rows and along columns that is looked for, pixels.
    regularisation
        0 (none) to 1: how strongly a pixel is held to the smooth field around it.
    texture_floor
        Local standard deviation, units of the images, below which nothing counts as texture.
    """

    window: int = 15
    search_px: float = 6.0
    regularisation: float = 0.1
    texture_floor: float = 1.0

    def __post_init__(self) -> None:
        if not 0 <= self.search_px <= LARGEST_SEARCH_PX:
            message = f"search_px is {self.search_px}; 0 to {LARGEST_SEARCH_PX:.0f} can be searched"
            raise ValueError(message)

    @property
    def levels(self) -> int:
        """Halvings of the pyramid."""
        levels = 2
        while ceil(self.search_px / 2**levels) > LARGEST_REACH and levels < MOST_LEVELS:
            levels += 1
        return levels


def alignment(options: Matching) -> int:
    """Tiles begin at multiples of this, in rows and columns."""
    return int(2**options.levels)


def halo(options: Matching) -> int:
    """Pixels that are needed around the core of a tile."""
    size = alignment(options)
    return ceil((options.search_px + (COARSE_MARGIN + options.window) * size) / size) * size


def refined_margin(options: Matching) -> int:
    """Pixels around the core that are matched at full resolution, where a tile's memory goes."""
    return MARGIN + ceil(options.search_px)
