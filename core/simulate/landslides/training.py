"""Cells that somebody looked at, and the slides that were mapped in them, as users give both."""

from typing import NamedTuple

import numpy as np
import shapely
from shapely.geometry import MultiPolygon, Polygon, box

from core.simulate.landslides.making import Event
from core.simulate.landslides.vectors import Polygons

CELL_PX = 50
HELD = 0.01
"""Part of a cell that slid, at least, where the cell is chosen for its slides."""
CLEAR = 0.7
"""Part of a cell that must be seen at both dates."""


class Training(NamedTuple):
    """Training data in the coordinates of the event's grid.

    Parameters
    ----------
    areas
        Squares, inside which all slides were mapped.
    samples
        The slides' ground inside the areas.
    crs
        Of both.
    """

    areas: tuple[Polygon, ...]
    samples: tuple[Polygon | MultiPolygon, ...]
    crs: str

    @property
    def layers(self) -> tuple[Polygons, Polygons]:
        """Areas and samples under the names that ALADIM's users know."""
        return (
            Polygons("training_areas", self.areas, self.crs),
            Polygons("training_samples", self.samples, self.crs),
        )


def training(event: Event, cells: int = 12, seed: int = 0) -> Training:
    """Cells of 50 pixels of the event's lattice and the slides in them.

    Half of the cells are drawn from those in which slides cover a hundredth or more, the rest from
    all others; none is mostly hidden.

    Raises
    ------
    ValueError
        The event has too few cells, or too few with slides.
    """
    count = event.grid.shape[0] // CELL_PX
    side = count * CELL_PX
    share, clear = (
        layer[:side, :side].reshape(count, CELL_PX, count, CELL_PX).mean(axis=(1, 3)).ravel()
        for layer in (event.truth.labels, event.truth.clear)
    )
    order = np.random.default_rng(seed).permutation(count * count)
    seen = order[clear[order] >= CLEAR]
    held = seen[share[seen] >= HELD][: cells // 2]
    rest = seen[~np.isin(seen, held)][: cells - len(held)]
    if len(held) < cells // 2 or len(held) + len(rest) < cells:
        raise ValueError(f"an event of {event.grid.shape} pixels has not {cells} cells to train on")
    chosen = np.sort(np.concatenate([held, rest]))
    areas = tuple(_square(event, *divmod(int(cell), count)) for cell in chosen)
    return Training(areas, tuple(_mapped(event, areas)), event.grid.crs)


def _square(event: Event, row: int, col: int) -> Polygon:
    west, north = event.grid.transform @ (col * CELL_PX, row * CELL_PX)
    east, south = event.grid.transform @ ((col + 1) * CELL_PX, (row + 1) * CELL_PX)
    return box(west, south, east, north)


def _mapped(event: Event, areas: tuple[Polygon, ...]) -> list[Polygon | MultiPolygon]:
    outlines = shapely.STRtree([slide.outline for slide in event.truth.slides])
    found = []
    for area in areas:
        for number in np.sort(outlines.query(area, predicate="intersects")):
            inside = shapely.intersection(event.truth.slides[number].outline, area)
            found += [part for part in shapely.get_parts(inside) if isinstance(part, Polygon)]
    return [part for part in found if part.area > 0]
