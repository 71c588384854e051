"""What slides leave behind: bare ground in scars, rafts and debris in tracks, mixed at edges."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from core.simulate.landslides.fields import Generator, fractal
from core.simulate.landslides.placing import Placed, Room

LOOKS = (0.5, 1.15)
"""Bare share of the middle of scars before plants come back, the weakest and the strongest."""
OLD_LOOKS = (0.15, 0.85)
"""The same of scars that are older than both images."""
MOSAIC_CELLS = 5e3
"""Fine cells from which on a slide is as much a mixture of weak and strong as the event."""


class Looks(NamedTuple):
    """How the slides of an event look, each by its number less 1.

    Parameters
    ----------
    tone
        Brightness of its ground over that of the event's soil.
    mixed
        Share of the event's other soil.
    wet
        Share by which the track is darker.
    """

    tone: NDArray[np.float32]
    mixed: NDArray[np.float32]
    wet: NDArray[np.float32]


class Scars(NamedTuple):
    """Bare ground of slides in fine cells.

    Parameters
    ----------
    number
        Of the slide, from 1; 0 where there is none.
    before, after
        Bare share, 0 to 255.
    along
        Place between crown (0) and toe (255).
    looks
        How they look.
    """

    number: NDArray[np.int16]
    before: NDArray[np.uint8]
    after: NDArray[np.uint8]
    along: NDArray[np.uint8]
    looks: Looks


def scars(room: Room, recent: int, fresh: float, generator: Generator) -> Scars:
    """The scars of placed slides, of which the first `recent` happened between the images.

    `fresh` is the share of these to which no plant has come back.
    """
    before, after, along = (np.zeros(room.taken.shape, np.uint8) for _ in range(3))
    count = len(room.placed)
    for number, slide in enumerate(room.placed):
        box, inside = slide.body.window, slide.body.inside
        looks = LOOKS if number < recent else OLD_LOOKS
        bare = np.clip((fresh if number < recent else 1) * _bare(slide, looks, generator), 0, 1)
        after[box][inside] = (255 * bare[inside]).astype(np.uint8)
        along[box][inside] = (255 * slide.body.along[inside]).astype(np.uint8)
        if number >= recent:
            # Plants come back, or rain washes the scar anew.
            earlier = np.clip(bare * generator.uniform(0.9, 1.35), 0, 1)
            before[box][inside] = (255 * earlier[inside]).astype(np.uint8)
    all_looks = Looks(
        np.exp(0.16 * generator.standard_normal(count)).astype(np.float32),
        generator.beta(1.2, 2.0, count).astype(np.float32),
        generator.uniform(0.0, 0.3, count).astype(np.float32),
    )
    return Scars(room.taken, before, after, along, all_looks)


def _bare(slide: Placed, looks: tuple[float, float], generator: Generator) -> NDArray[np.float32]:
    """Bare share of a slide's box."""
    drawn, mean = generator.beta(1.8, 1.3), 1.8 / 3.1
    alike = 1 / (1 + np.count_nonzero(slide.body.inside) / MOSAIC_CELLS)
    strength = looks[0] + (looks[1] - looks[0]) * (mean + (drawn - mean) * alike)
    kept = generator.uniform(0.45, 0.95)
    form = np.interp(slide.body.along, (0.0, 0.35, 0.6, 1.0), (1.0, 1.0, kept, 0.85 * kept))
    rough = fractal(slide.body.inside.shape, generator, 1.3, 30.0)
    edge = 1 - generator.uniform(0.4, 0.9) * slide.body.rim**2
    bare = strength * form * edge + (0.25 - 0.12 * alike) * rough * (0.5 + slide.body.along)
    result: NDArray[np.float32] = np.clip(bare, 0.05, 1.2).astype(np.float32)
    return result
