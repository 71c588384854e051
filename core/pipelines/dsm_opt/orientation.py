"""Refinement of the images' models: tie points all over the wanted ground, then the adjustment."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from core.errors import NothingMeasured
from core.geometry.adjustment import LEAST_POINTS, Adjustment, adjust
from core.geometry.bias import bias_sigma_m
from core.geometry.control import ControlPoint
from core.geometry.ground import Ground
from core.geometry.rpc import Floats, Rpc
from core.io.blockwise import counted, spread_over_threads
from core.io.products.stereo.staging import StagedImage
from core.matching.arrays import Layer
from core.matching.tiepoints import TieImage, TiePoints, tie_points
from core.pipelines.dsm_opt.images import Image
from core.pipelines.dsm_opt.prism import prism
from core.progress import Progress
from core.tiling import Window

BLOCK_PX = 448
"""Side of the pieces of large images in which tie points are looked for, pixels."""

BLOCKS = 5
"""Pieces along each side of the ground, at most."""

ROUGH_ACROSS_PX = 24.0
"""How far the models of two images may disagree across the epipolar direction, pixels, at first."""

KNOWN_ACROSS_PX = 6.0
"""The same for models that reduced images have refined."""

HEIGHTS_PAD_M = 25.0
"""Heights that are looked through beyond the coarse ground's own."""

AFFINE_PX = 0.3
"""Standard deviation of what shear and stretch do at the edge, where they are asked for, pixels."""


@dataclass(frozen=True, eq=False)
class Eye:
    """An image that is ready to be matched.

    Parameters
    ----------
    image
        Its pixels.
    rpc
        Its model, of all pixels of the image at full resolution.
    gsd_m
        Side of a pixel on level ground, metres.
    shape
        Rows and columns of the whole image.
    """

    image: StagedImage
    rpc: Rpc
    gsd_m: float
    shape: tuple[int, int]


def rough_points(
    images: Sequence[TieImage], heights: tuple[float, float], factor: int
) -> TiePoints:
    """Tie points of images that were reduced `factor` times, all over them."""
    return tie_points(images, heights, across_px=max(ROUGH_ACROSS_PX / factor, 6.0))


def fine_points(
    eyes: Sequence[Eye], ground: Ground, corners: Floats, workers: int, progress: Progress
) -> TiePoints:
    """Tie points at full resolution from pieces of ground, places counted in whole images.

    Parameters
    ----------
    corners
        West, south, east, north of the ground, in its projection.
    workers
        Pieces that are worked on at the same time.
    """
    places = list(_places(eyes, corners))
    made = spread_over_threads(partial(_piece, eyes, ground), places, workers)
    told = counted(made, len(places), progress, "tie points, piece")
    parts = [found for _, found in told if found is not None]
    if not parts:
        raise NothingMeasured("No tie points were found between the images.")
    return TiePoints(*(np.concatenate(values, axis=1) for values in zip(*parts, strict=True)))


def adjusted(
    images: Sequence[Image],
    rpcs: Sequence[Rpc],
    points: TiePoints,
    control: Sequence[ControlPoint],
    *,
    affine: bool,
    factor: int = 1,
) -> Adjustment:
    """Refine models by tie points of images reduced `factor` times.

    Raises
    ------
    NothingMeasured
        There are too few tie points.
    """
    count = int((np.isfinite(points.row).sum(axis=0) > 1).sum())
    if count < LEAST_POINTS:
        raise NothingMeasured(
            f"Only {count} tie points were found between the images; {LEAST_POINTS} are needed. "
            "They may show different places, or be covered by cloud or water."
        )
    prior = [
        bias_sigma_m(image.view.rpc, image.view.sensor) / (image.view.gsd_m * factor)
        for image in images
    ]
    return adjust(
        rpcs,
        points.row,
        points.col,
        points.sigma,
        prior,
        control=control,
        affine_px=AFFINE_PX / factor if affine else 0.0,
        names=[image.name for image in images],
    )


def _places(eyes: Sequence[Eye], corners: Floats) -> Iterator[tuple[float, float]]:
    """Middles of the pieces, in the projection of the ground."""
    gsd = min(eye.gsd_m for eye in eyes)
    west, south, east, north = (float(part) for part in corners)
    counts = [
        int(np.clip(np.ceil(length / (BLOCK_PX * gsd)), 1, BLOCKS))
        for length in (east - west, north - south)
    ]
    for row in range(counts[1]):
        for col in range(counts[0]):
            yield (
                west + (col + 0.5) * (east - west) / counts[0],
                south + (row + 0.5) * (north - south) / counts[1],
            )


def _piece(eyes: Sequence[Eye], ground: Ground, middle: tuple[float, float]) -> TiePoints | None:
    """Tie points of one piece; None where fewer than two images show it."""
    x, y = middle
    half = BLOCK_PX * min(eye.gsd_m for eye in eyes) / 2
    east = np.array([x - half, x + half, x - half, x + half])
    north = np.array([y - half, y - half, y + half, y + half])
    low, high = ground.range(east, north, 0.0)
    heights = (low - HEIGHTS_PAD_M, high + HEIGHTS_PAD_M)
    windows = [_window(eye, east, north, ground.grid.crs, heights) for eye in eyes]
    chosen = [number for number, window in enumerate(windows) if not window.empty]
    if len(chosen) < 2:
        return None
    ties = []
    for number in chosen:
        window = windows[number]
        pixels = eyes[number].image.read(window)
        layer = Layer(pixels.values, pixels.weights)
        ties.append(TieImage(layer, eyes[number].rpc.moved(-window.row, -window.col)))
    found = tie_points(ties, heights, spacing=32, across_px=KNOWN_ACROSS_PX)
    shape = (len(eyes), found.row.shape[1])
    whole = TiePoints(*(np.full(shape, np.nan) for _ in TiePoints._fields))
    for place, number in enumerate(chosen):
        for target, values in zip(whole, found, strict=True):
            target[number] = values[place]
        whole.row[number] += windows[number].row
        whole.col[number] += windows[number].col
    return whole


def _window(eye: Eye, x: Floats, y: Floats, crs: str, heights: tuple[float, float]) -> Window:
    """The pixels of an image that show ground between two heights; empty where there are none."""
    seen = prism(eye.rpc, x, y, crs, heights)
    if not seen.complete:
        return Window(0, 0, 0, 0)
    inside = seen.window & eye.image.window
    return inside if min(inside.shape) >= BLOCK_PX // 4 else replace(inside, height=0)
