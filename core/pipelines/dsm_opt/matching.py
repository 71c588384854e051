"""How the pairs of a job are matched: one way for all tiles."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial

import numpy as np

from core.grid import Grid
from core.io.blockwise import counted, spread_over_threads
from core.pipelines.dsm_opt.area import Target
from core.pipelines.dsm_opt.declaration import DsmOptParameters
from core.pipelines.dsm_opt.images import Image
from core.pipelines.dsm_opt.lattice import Method
from core.pipelines.dsm_opt.pairing import ImagePair
from core.pipelines.dsm_opt.preparation import Prepared
from core.pipelines.dsm_opt.sighting import Limits, Stereopair, related
from core.progress import Progress
from core.tiling import Window

SAMPLE_PX = 128
"""Side of the parts in which the images' values are compared, pixels."""

SAMPLES = ((0.4, 0.35), (0.6, 0.65), (0.5, 0.5), (0.3, 0.75), (0.7, 0.25))
"""Where they lie, from the north and from the west."""

FEWEST = 2
"""Parts that are compared where the output has room for them; ..."""

PART_PX = 2e6
"""... one more for so many pixels each, up to all."""


def stereopairs(
    parameters: DsmOptParameters,
    images: Sequence[Image],
    pairs: Sequence[ImagePair],
    ready: Prepared,
    workers: int,
    progress: Progress,
) -> tuple[Stereopair, ...]:
    """The pairs, each with what is the same for all of its tiles."""
    method = Method(
        parameters.window,
        parameters.regularisation,
        parameters.left_right_tolerance,
        parameters.minimum_distinctness,
    )
    lowest, highest = parameters.minimum_height, parameters.maximum_height
    limits = Limits(
        parameters.intersection_tolerance,
        parameters.minimum_score,
        parameters.product_mask,
        (-np.inf if lowest is None else lowest, np.inf if highest is None else highest),
    )
    known = []
    for pair in pairs:
        first, second = steeper_first(images, pair)
        eyes = ready.eyes[first], ready.eyes[second]
        known.append(Stereopair(pair.key, eyes, ready.ground, method, limits, ready.levels))
    parts = list(_samples(ready.target, min(eye.gsd_m for eye in ready.eyes)))
    compared = spread_over_threads(partial(related, parts=parts), known, workers)
    told = counted(compared, len(known), progress, "comparing images, pair")
    return tuple(replace(one, between=between) for one, between in told)


def steeper_first(images: Sequence[Image], pair: ImagePair) -> tuple[int, int]:
    """The images of a pair, first the one that looks down more steeply: it hides less."""
    first, second = (images[number].view.incidence_deg for number in (pair.first, pair.second))
    return (pair.first, pair.second) if first <= second else (pair.second, pair.first)


def _samples(target: Target, gsd_m: float) -> Iterator[Grid]:
    """Parts of the output's grid; one where it is small."""
    scale = target.resolution / gsd_m
    side = max(round(SAMPLE_PX / scale), 8)
    height, width = target.grid.shape
    count = FEWEST + int(height * width * scale**2 / PART_PX)
    places = SAMPLES[:count] if min(height, width) > 4 * side else SAMPLES[2:3]
    for down, right in places:
        window = Window(
            round(down * height) - side // 2, round(right * width) - side // 2, side, side
        )
        yield target.grid.crop(window & target.grid.window)
