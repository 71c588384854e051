"""From the objects of a mask to landslides, each with its outline and measures.

What is told of a landslide depends on its own window of the layers alone: not on tiles, and not on
the order in which they were worked on.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np

from core.change.inventory.measures import Fields, Measures, measures
from core.change.inventory.objects import Objects
from core.change.inventory.outlines import Outline, outlines
from core.change.inventory.runs import Flags
from core.change.inventory.splitting import Splitting, split
from core.tiling import Window

Read = Callable[[Window], Fields]
"""What is known in a window, which may reach a pixel outside the image: nothing is known there."""


@dataclass(frozen=True, eq=False)
class Landslide:
    """One landslide.

    Parameters
    ----------
    id
        From 1: by the first pixel of the object, then by that of the part.
    window
        The smallest around it.
    inside
        Its pixels there.
    outline
        Along the sides of its pixels, rows and columns of the image's lattice of corners; several
        where parts of it touch at corners only.
    measures
        What is told of it.
    parts
        How many landslides its object was split into; 1: it is the whole object.
    """

    id: int
    window: Window
    inside: Flags
    outline: tuple[Outline, ...]
    measures: Measures
    parts: int


def landslides(
    found: Objects, read: Read, pixel_m: float, *, least_px: int = 1, rule: Splitting | None = None
) -> Iterator[Landslide]:
    """The landslides of a mask.

    Parameters
    ----------
    found
        Its objects.
    read
        Gives what is known in a window; called once for each object.
    pixel_m
        Side of a pixel.
    least_px
        Pixels of a part, at least, where an object is split.
    rule
        When a branch is a slide of its own; None: objects are not split.
    """
    if rule is not None:
        rule = replace(rule, least_px=max(rule.least_px, least_px))
    number = 0
    for window, inside in found:
        fields = read(window.pad(1))
        parts = _parts(inside, fields, pixel_m, rule)
        for part in parts:
            number += 1
            yield _landslide(number, part, fields, window, pixel_m, len(parts))


def _parts(inside: Flags, fields: Fields, pixel_m: float, rule: Splitting | None) -> list[Flags]:
    if rule is None or fields.height is None or fields.channel is None:
        return [inside]
    height = fields.height[1:-1, 1:-1].astype(np.float64)
    if np.isnan(height[inside]).any():
        return [inside]
    labels = split(inside, height, fields.channel[1:-1, 1:-1], pixel_m, rule)
    return [labels == number for number in range(1, int(labels.max()) + 1)]


def _landslide(
    number: int, part: Flags, fields: Fields, window: Window, pixel_m: float, parts: int
) -> Landslide:
    rows, cols = np.flatnonzero(part.any(axis=1)), np.flatnonzero(part.any(axis=0))
    box = Window(
        int(rows[0]), int(cols[0]), int(rows[-1] - rows[0]) + 1, int(cols[-1] - cols[0]) + 1
    )
    inside = part[box.slices]
    place = box.shift(window.row, window.col)
    corner = np.array([place.row, place.col], np.int32)
    return Landslide(
        id=number,
        window=place,
        inside=inside,
        outline=tuple(
            Outline(one.outer + corner, tuple(hole + corner for hole in one.holes))
            for one in outlines(inside)
        ),
        measures=measures(inside, fields.part(box), place, pixel_m),
        parts=parts,
    )
