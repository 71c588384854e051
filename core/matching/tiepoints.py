"""Tie points: the same places of the ground in two to six images, to a small part of a pixel.

Distinct places of one image on a regular lattice are looked for in every other along the band that
the sensor models and the heights leave, from coarse to fine, placed by least squares, and looked
for again from there: what does not come back to where it began is no tie point.  That leaves out
clouds, water, what moved between the images, and most of what is repeated.
"""

from collections.abc import Sequence
from itertools import permutations
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from core.geometry.rpc import Rpc
from core.matching.arrays import Layer
from core.matching.bands import RADIUS, Prepared, bands, coarsest, prepared, search
from core.matching.corners import corners
from core.matching.interpolation import Places
from core.matching.patches import RADIUS as PATCH_RADIUS
from core.matching.patches import placed

SPACING = 32
"""Pixels between tie points, by default at least: larger images have :data:`POINTS`."""

POINTS = 600
"""Tie points chosen in an image, by default at most."""

ACROSS_PX = 24.0
"""Half width of a band, pixels, by default: models of two images that are 6 m wrong each."""

LEAST_SCORE = 0.75
"""Correlation of the patches of a tie point."""

LARGEST_SIGMA = 0.15
"""Standard deviation of a place, pixels."""

RETURN_PX = 0.3
"""Pixels from a point at which the way there and back again may end."""

BATCH = 256
"""Points that are matched at once."""


class TieImage(NamedTuple):
    """An image, and the sensor model of these very pixels (of a crop, the crop's)."""

    layer: Layer
    rpc: Rpc


class TiePoints(NamedTuple):
    """Points seen in two images at least; each of shape (images, points), NaN where not seen."""

    row: Places
    col: Places
    """Fractional pixels."""
    sigma: Places
    """Standard deviation of row and of col, pixels."""
    score: Places
    """Correlation with the image in which the point was chosen, 1 there."""


def tie_points(
    images: Sequence[TieImage],
    heights: tuple[float, float],
    spacing: int | None = None,
    across_px: float = ACROSS_PX,
) -> TiePoints:
    """Tie points between all images.

    Parameters
    ----------
    images
        Two at least.
    heights
        Lowest and highest ground, metres above the ellipsoid, in the range of all models.
    spacing
        Side of the cells that hold a point each, pixels; see :data:`SPACING`.
    across_px
        By how much the models may disagree across the epipolar direction, pixels.

    Notes
    -----
    A point is chosen in one image and matched with all others, so that what is known of it in each
    refers to the same patch.  Each further image chooses points only in cells, and for images, that
    those before it have left open.
    """
    level = _level(images, heights, across_px)
    if spacing is None:
        largest = max(image.layer.values.size for image in images)
        spacing = max(SPACING, round(np.sqrt(largest / POINTS)))
    ready = [prepared(image.layer, image.rpc, level) for image in images]
    parts: list[Places] = []
    for number, image in enumerate(images[:-1]):
        chosen = corners(image.layer, spacing, PATCH_RADIUS)
        across = -(-image.layer.values.shape[1] // spacing)
        part = np.full((4, len(images), chosen.row.size), np.nan)
        part[0, number], part[1, number] = chosen.row, chosen.col
        part[2, number], part[3, number] = 0.0, 1.0
        for other in range(number + 1, len(images)):
            done = _done(parts, number, other, spacing, across)
            left = np.flatnonzero(~np.isin(chosen.cell, done))
            start = np.stack([chosen.row[left], chosen.col[left]])
            pair = ready[number], ready[other]
            part[:, other, left] = _matched(*pair, start, heights, across_px)
        seen = np.isfinite(part[0]).sum(axis=0) > 1
        part = part[:, :, seen]
        # Half of the variance of a match is the noise of the patch that was looked for.
        part[2] /= np.sqrt(2)
        part[2, number] = np.nanmean(np.delete(part[2], number, axis=0), axis=0)
        parts.append(part)
    return TiePoints(*np.concatenate(parts, axis=2))


def _level(images: Sequence[TieImage], heights: tuple[float, float], across_px: float) -> int:
    """The coarsest level that the pair with the longest bands needs."""
    levels = [0]
    for first, second in permutations(images, 2):
        shape = first.layer.values.shape
        row, col = np.array([shape[0] / 2]), np.array([shape[1] / 2])
        reach = bands(first.rpc, second.rpc, row, col, heights).reach
        least = min(shape, second.layer.values.shape)
        levels.append(coarsest(float(np.nan_to_num(reach).max()), across_px, least))
    return max(levels)


def _done(
    parts: list[Places], number: int, other: int, spacing: int, across: int
) -> NDArray[np.intp]:
    """Cells of an image that hold a point seen in it and in the other one already."""
    cells = [np.empty(0, np.intp)]
    for part in parts:
        both = np.isfinite(part[0, number]) & np.isfinite(part[0, other])
        row, col = (np.rint(axis[number, both]).astype(np.intp) // spacing for axis in part[:2])
        cells.append(row * across + col)
    return np.concatenate(cells)


def _matched(
    reference: Prepared,
    secondary: Prepared,
    start: Places,
    heights: tuple[float, float],
    across_px: float,
) -> Places:
    """Row, col, sigma and score (4, points) of points in the secondary; NaN where not found."""
    out = np.full((4, start.shape[1]), np.nan)
    for begin in range(0, start.shape[1], BATCH):
        batch = slice(begin, begin + BATCH)
        there = _one_way(reference, secondary, start[:, batch], heights, across_px)
        back = _one_way(secondary, reference, there[:2], heights, across_px)
        returned = np.hypot(*(back[:2] - start[:, batch])) < RETURN_PX
        out[:, batch] = np.where(returned, there, np.nan)
    return out


def _one_way(
    reference: Prepared,
    secondary: Prepared,
    start: Places,
    heights: tuple[float, float],
    across_px: float,
) -> Places:
    out = np.full((4, start.shape[1]), np.nan)
    lines = bands(reference.rpc, secondary.rpc, start[0], start[1], heights)
    usable = np.flatnonzero(np.isfinite(lines.reach))
    if usable.size == 0:
        return out
    lines = lines.taken(usable)
    level = len(reference.levels) - 1
    rough = search(reference, secondary, lines, across_px, level)
    place = placed(reference, secondary, lines, rough)
    row, col = lines.there(place.u[:, None, None], place.v[:, None, None])
    fine = (rough.score > 0) & (place.score > LEAST_SCORE) & (place.sigma < LARGEST_SIGMA)
    fine &= abs(place.u) <= lines.reach + RADIUS
    out[:, usable[fine]] = np.stack(
        [row[fine, 0, 0], col[fine, 0, 0], place.sigma[fine], place.score[fine]]
    )
    return out
