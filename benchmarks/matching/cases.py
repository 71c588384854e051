"""The matching step alone on 4096 x 4096 pixels: both ways, with score and sigma, one thread."""

from collections.abc import Iterator

import numpy as np

from benchmarks.result import Result, Stopwatch
from core.matching.arrays import Layer
from core.matching.dense import match
from core.matching.options import Matching, alignment, halo
from core.simulate import fault
from core.tiling import tiles

SIDE = 4096
TILE = 1024
WINDOWS = (15, 21)


def run() -> Iterator[Result]:
    reference, secondary = (Layer(image, np.ones_like(image)) for image in pair())
    for window in WINDOWS:
        options = Matching(window=window)
        match_all(
            *(crop(layer, (slice(0, 256), slice(0, 256))) for layer in (reference, secondary)),
            options,
        )
        with Stopwatch() as watch:
            match_all(reference, secondary, options)
        megapixels = SIDE**2 / 1e6
        figures = {"cpu_s_per_mpx": watch.cpu_s / megapixels, "wall_s": watch.wall_s}
        yield Result("matching", f"window {window}", "core.matching.dense", figures)


def pair() -> tuple[np.ndarray, np.ndarray]:
    """Texture of 1024 pixels repeated, moved by a fault, with noise on both images."""
    after = np.tile(fault.texture((1024, 1024)), (SIDE // 1024, SIDE // 1024))
    field = fault.strike_slip(after.shape, slip=0.8, strike_deg=35.0, depth_px=400.0)
    noise = 0.3 * fault.fine_deviation(after)
    generator = np.random.default_rng(0)
    return tuple(
        image + generator.normal(0, noise, after.shape).astype(np.float32)
        for image in (fault.before(after, field), after)
    )


def match_all(reference: Layer, secondary: Layer, options: Matching) -> None:
    for tile in tiles(reference.values.shape, TILE, halo(options), multiple=alignment(options)):
        where = tile.padded.slices
        match(
            crop(reference, where), crop(secondary, where), tile.core.inside(tile.padded), options
        )


def crop(layer: Layer, where: tuple[slice, slice]) -> Layer:
    return Layer(layer.values[where], layer.weights[where])
