"""What a pair costs: tiles, memory, time, disk."""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from core.compute import MIB, Compute
from core.errors import OutOfRange, TooLarge
from core.io.products import Scene
from core.matching.options import LARGEST_SEARCH_PX, Matching, halo, refined_margin
from core.pipelines.mpic_opt.declaration import MpicOptParameters

BYTES_REFINED = 220
"""Peak of a tile's matching per pixel that is matched at full resolution, measured."""

BYTES_PADDED = 24
"""The same per pixel that is read: both images, their weights, their pyramids."""

BASE_BYTES = 450 * MIB
"""What the libraries and the writing of results take."""

TILE_BYTES = 600 * MIB
"""Memory of a tile at most.  More would change the tiles, and with them the last digit."""

SIDES = range(1024, 127, -64)
"""Rows and columns that a tile's core may have: progress is told per tile."""

PLANE_BYTES = 6 * 4 + 2 * 2
"""Bytes of scratch per measured pixel: six planes of float32, two of bits."""

WRITING_BYTES = 2 * 2 * 4
"""Bytes of scratch per output pixel: two rasters at a time, uncompressed and being compressed."""

WARPED_BYTES = 4
"""Bytes of scratch per pixel of an image that has to be warped."""

COMPRESSED = 0.6
"""Size of a result over its size in memory, on measured maps."""

START_S, REFINED_S, PADDED_S, LAYER_S = 5.0, 0.75, 0.03, 0.08
"""CPU seconds: for the start, and for a million pixels refined, read, or written in one raster."""


class Extent(NamedTuple):
    """Pixels of a pair: measured, and written per raster."""

    measured: int
    written: int
    warped: int
    """Pixels that have to be warped first; 0 on the same lattice."""


def matching_options(
    parameters: MpicOptParameters, reference: Scene, texture_floor: float
) -> Matching:
    """How the pair of this reference is matched.

    Raises
    ------
    OutOfRange
        The search range is more pixels than can be searched.
    """
    size = min(reference.grid.pixel_size) * reference.unit_metres
    search = parameters.search_range or 0.0
    if search / size > LARGEST_SEARCH_PX:
        raise OutOfRange(
            f"search_range {search:g} m is {search / size:.0f} pixels of {size:g} m.",
            pointer="/inputs/search_range",
            value=search,
            allowed=f"at most {LARGEST_SEARCH_PX * size:g} m for these pixels",
        )
    return Matching(
        window=parameters.window or 0,
        search_px=search / size,
        regularisation=parameters.regularisation,
        texture_floor=texture_floor,
    )


def tile_side(options: Matching, compute: Compute) -> int:
    """Rows and columns of a tile's core such that the tiles of all workers fit the memory.

    Raises
    ------
    TooLarge
        No tile fits: the search range is too large for these pixels and this memory.
    """
    share = min((compute.memory - BASE_BYTES) / compute.workers, TILE_BYTES)
    for side in SIDES:
        if tile_bytes(side, options) <= share:
            return side
    raise TooLarge(
        f"Looking {options.search_px:.0f} pixels far needs more memory than a job has.",
        pointer="/inputs/search_range",
        value=round(options.search_px),
        allowed="a smaller search_range, or coarser images",
    )


def tile_bytes(side: int, options: Matching) -> int:
    """Memory of a tile whose core has `side` rows and columns."""
    padded = side + 2 * halo(options)
    refined = side + 2 * refined_margin(options)
    return BYTES_PADDED * padded**2 + BYTES_REFINED * refined**2


def cpu_seconds(extents: Iterable[Extent], options: Matching, layers: int, side: int) -> float:
    """CPU time of all pairs together, with tiles of `side`."""
    refined = REFINED_S * ((side + 2 * refined_margin(options)) / side) ** 2
    padded = PADDED_S * ((side + 2 * halo(options)) / side) ** 2
    return START_S + sum(
        (refined + padded) * extent.measured / 1e6 + LAYER_S * layers * extent.written / 1e6
        for extent in extents
    )


def result_bytes(extents: Iterable[Extent], layers: int) -> int:
    """Size of the rasters of all pairs."""
    return int(sum(COMPRESSED * 4 * layers * extent.written for extent in extents))


def scratch_bytes(scenes: Iterable[Scene], extents: Iterable[Extent]) -> int:
    """Scratch that is in use at the same time, at most: staged images, and the largest pair."""
    staged = sum(_staged_bytes(scene) for scene in scenes)
    pairs = (
        PLANE_BYTES * e.measured + WRITING_BYTES * e.written + WARPED_BYTES * e.warped
        for e in extents
    )
    return staged + max(pairs, default=0)


def _staged_bytes(scene: Scene) -> int:
    """Bytes of the copies that may be made of an image, and of what is unpacked for them."""
    rows, cols = scene.grid.shape
    pixels = rows * cols
    copies = (1 if scene.archived or not scene.path.lower().endswith((".tif", ".tiff")) else 0) + (
        1 if scene.zero_border else 0
    )
    return pixels * (copies * np.dtype(scene.dtype).itemsize + (1 if scene.archived else 0))
