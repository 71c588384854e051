"""A coarse model of the whole area from reduced images: where the fine one is to be looked for.

Nothing but the sensor models is needed, no elevation model.
"""

import logging
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from affine import Affine
from pyproj import Transformer
from scipy import ndimage

from core.errors import NothingMeasured
from core.geometry.epipolar import EpipolarFrame, epipolar_frame
from core.geometry.ground import Ground
from core.geometry.rpc import Floats, Rpc
from core.grid import GEOGRAPHIC, Grid
from core.matching.arrays import Layer
from core.matching.speckle import speckles
from core.matching.terrain import terrain
from core.pipelines.dsm_opt.lattice import (
    SPECKLES,
    Method,
    Search,
    filled,
    matched_level,
    patch,
    refined_search,
)
from core.pipelines.dsm_opt.pairing import ImagePair
from core.progress import Progress
from core.tiling import Window

MOST_DISPARITIES = 200
"""Tried at the coarsest level, about; more are tried where an image cannot be halved again."""

SMALLEST_SIDE = 64
"""Pixels of an image that is still matched."""

MOST_LEVELS = 4
"""Halvings of the reduced images, at most."""

ALIGNED = 2**MOST_LEVELS
"""Reduced pixels: halved ones begin at multiples of their size, whatever part is wanted."""

STRIP_ROWS = 384
"""Rows of a reduced image that are matched at a time, at most, so that memory does not grow with
the area."""

RANGE_PAD = 4
"""Disparities tried beyond the range of heights."""

MEDIAN, AROUND = 5, 5
"""Cells: of the median that takes out wrong matches, and of the neighbourhood whose lowest and
highest cell are kept."""

SAMPLE_PX = 1.0
"""Side of a cell, reduced pixels."""

log = logging.getLogger(__name__)


class Overview(NamedTuple):
    """An image reduced so far that all of it, or of a part, is matched at once.

    Parameters
    ----------
    layer
        Pixels of the part.
    row, col
        Where it begins in the whole image: multiples of :data:`ALIGNED`.
    shape
        Of the whole image.
    rpc
        The model of the whole image.
    gsd_m
        The side of a pixel on the ground, metres.
    """

    layer: Layer
    row: int
    col: int
    shape: tuple[int, int]
    rpc: Rpc
    gsd_m: float


class _Spots(NamedTuple):
    """Ground seen by a pair."""

    x: Floats
    y: Floats
    height: Floats


def coarse_ground(
    overviews: Sequence[Overview],
    pairs: Sequence[ImagePair],
    heights: tuple[float, float],
    crs: str,
    halvings: int,
    progress: Progress,
) -> Ground:
    """The ground that reduced images show.

    Parameters
    ----------
    overviews
        All images.
    pairs
        Which of them are matched with each other.
    heights
        The lowest and the highest that may be, metres above the ellipsoid.
    crs
        Projection of the result.
    halvings
        How often the images were halved.

    Raises
    ------
    NothingMeasured
        No pair shows any ground.
    """
    seen = []
    for number, pair in enumerate(pairs):
        progress.report(number / len(pairs), f"coarse model, pair {pair.key}")
        couple = overviews[pair.first], overviews[pair.second]
        try:
            seen.append(_spots(*couple, heights, crs))
        except NothingMeasured:
            log.info("pair %s shows no ground at the coarsest level", pair.key)
    if not seen:
        raise NothingMeasured(
            "No ground could be matched in any pair: the images may show different places, or be "
            "covered by cloud or water."
        )
    return _ground(seen, SAMPLE_PX * max(view.gsd_m for view in overviews), crs, halvings)


def _spots(first: Overview, second: Overview, heights: tuple[float, float], crs: str) -> _Spots:
    """Match two reduced images, and intersect."""
    middle = sum(heights) / 2
    whole = epipolar_frame(first.rpc, second.rpc, (0, 0), first.shape, middle)
    per_metre = whole.columns_per_metre(middle)
    count = int((heights[1] - heights[0]) * per_metre) + 2 * RANGE_PAD
    levels = _levels(count, (first, second))
    rows, cols = first.layer.values.shape
    frame = whole.covering(Window(first.row, first.col, rows, cols), 2**levels)
    method = Method(rows=STRIP_ROWS)
    patches = (
        patch(first.layer, first.row, first.col, levels),
        patch(second.layer, second.row, second.col, levels),
    )
    search = _begin(frame, levels, middle, count)
    search = refined_search(frame, patches, search, range(levels, 0, -1), method)
    matched = matched_level(frame, patches, 0, search, method)
    kept = matched.kept & ~speckles(matched.found.left, matched.kept, SPECKLES)
    spot = frame.intersect(search.heights, np.where(kept, matched.found.left, np.float32(np.nan)))
    if not spot.valid.any():
        raise NothingMeasured("Nothing was matched.")
    project = Transformer.from_crs(GEOGRAPHIC, crs, always_xy=True)
    x, y = project.transform(spot.lon[spot.valid], spot.lat[spot.valid])
    return _Spots(x, y, spot.height[spot.valid])


def _levels(count: int, images: tuple[Overview, Overview]) -> int:
    """How often the images are halved before they are matched at first."""
    side = min(min(image.layer.values.shape) for image in images)
    levels = 0
    while (
        levels < MOST_LEVELS
        and count > MOST_DISPARITIES * 2**levels
        and side >> (levels + 1) >= SMALLEST_SIDE
    ):
        levels += 1
    return levels


def _begin(frame: EpipolarFrame, levels: int, height: float, count: int) -> Search:
    lattice = frame.coarser(2**levels) if levels else frame
    tried = max(-(-count // 2**levels), 3)
    return Search(np.full(lattice.shape, height), -(tried // 2), tried)


def _ground(seen: Sequence[_Spots], cell: float, crs: str, halvings: int) -> Ground:
    """The median of the pairs in each cell, holes filled, and its smooth version."""
    bounds = np.array([(s.x.min(), s.y.min(), s.x.max(), s.y.max()) for s in seen])
    west, south = (float(np.floor(low / cell) * cell) for low in bounds[:, :2].min(axis=0))
    east, north = (float(np.ceil(high / cell) * cell) for high in bounds[:, 2:].max(axis=0))
    shape = (max(round((north - south) / cell), 1), max(round((east - west) / cell), 1))
    grid = Grid(shape, Affine(cell, 0, west, 0, -cell, north), crs)
    middle = _middle([_means(spots, grid) for spots in seen])
    raw = ndimage.median_filter(filled(middle, np.isfinite(middle)), MEDIAN)
    return Ground(
        grid,
        terrain(raw, halvings),
        ndimage.minimum_filter(raw, AROUND),
        ndimage.maximum_filter(raw, AROUND),
    )


def _middle(layers: Sequence[Floats]) -> Floats:
    """The median of layers where any is known, NaN elsewhere; row by row, since it takes memory."""
    middle = np.full_like(layers[0], np.nan)
    for row, values in zip(middle, zip(*layers, strict=True), strict=True):
        stack = np.stack(values)
        known = np.isfinite(stack).any(axis=0)
        row[known] = np.nanmedian(stack[:, known], axis=0)
    return middle


def _means(spots: _Spots, grid: Grid) -> Floats:
    """Mean height in each cell; NaN where there is none."""
    col, row = ~grid.transform @ (spots.x, spots.y)
    rows, cols = grid.shape
    place = np.clip(np.floor(row).astype(np.intp), 0, rows - 1) * cols
    place += np.clip(np.floor(col).astype(np.intp), 0, cols - 1)
    count = np.bincount(place, minlength=rows * cols)
    total = np.bincount(place, spots.height, minlength=rows * cols)
    means: Floats = np.where(count > 0, total / np.maximum(count, 1), np.nan).reshape(grid.shape)
    return means
