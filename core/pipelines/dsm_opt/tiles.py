"""The surface of one tile: every pair's view of it, put together."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pyproj import Transformer

from core.geometry.fusion import Fused, fused
from core.geometry.gridding import Cells, gridded
from core.geometry.ground import Ground
from core.geometry.rpc import Floats
from core.grid import GEOGRAPHIC, Grid
from core.io.masks import user_mask
from core.matching.arrays import Bits
from core.matching.speckle import speckles
from core.pipelines.dsm_opt.area import Target
from core.pipelines.dsm_opt.orientation import Eye
from core.pipelines.dsm_opt.sighting import Sighting, Stereopair, sighting
from core.reasons import Reason
from core.tiling import Window

HALO = 16
"""Cells around a tile that are made too: what the removal of small patches looks at."""

STEP_M = 2.0
"""Difference of height between neighbouring cells at which a patch ends, metres, at a pitch of one
metre; steep ground is one patch."""

LEAST_SHARE = 1e-6
"""Weight of the other pairs over a pair's own below which there are none: sums are rounded."""

BIN_M, BINS = 0.02, 1001
"""Of the distribution of differences between pairs, metres, and their number; the middle is 0."""

AGREEING = 3.0
"""Standard deviations by which a point of the cloud may differ from the surface at its cell."""

SLOPE_M = 1.0
"""Metres that it may differ besides: a cell is not level."""

UNSURE_PX = 1.6
"""Standard deviation, pixels of the images on the ground, beyond which a height needs a second
pair where other images differ.  Under a cloud of one image of three, four of five cells that are
wrong by more than a metre lie beside walls, where nothing checks the one pair that is left."""

Slices = tuple[slice, slice]

NO_POINTS = np.empty((0, 6), np.float64)


@dataclass(frozen=True, eq=False)
class Job:
    """All that a tile needs, fit to be sent to another process.

    Parameters
    ----------
    eyes
        The images.
    pairs
        Which of them are matched, and how.
    mask, water
        Files of ground that is not measured.
    minimum_patch
        Cells of the smallest patch that is kept; 0 keeps all.
    point_cloud
        Whether the matched points are wanted too.
    """

    target: Target
    ground: Ground
    eyes: Sequence[Eye]
    pairs: Sequence[Stereopair]
    mask: Path | None = None
    water: Path | None = None
    minimum_patch: int = 0
    point_cloud: bool = False


class TileResult(NamedTuple):
    """A tile's cells, and how its pairs agree.

    Parameters
    ----------
    layers
        By the names of the planes of :class:`~core.pipelines.dsm_opt.model.Surface`.
    differences
        (pairs, BINS): number of cells by the pair's height less the mean of the others.
    points
        (n, 6): x, y, height, standard deviation, score and brightness of matched points that the
        surface agrees with; none where they are not wanted.
    """

    layers: dict[str, NDArray[Any]]
    differences: NDArray[np.int64]
    points: NDArray[np.float64]


class _Seen(NamedTuple):
    """What is left of a pair's view of a tile."""

    cells: Cells
    holes: Bits
    points: NDArray[np.float64]


def make_tile(job: Job, window: Window) -> TileResult:
    """The surface in a window of the output grid."""
    padded = window.pad(HALO)
    part = job.target.grid.crop(padded)
    own = job.target.grid.crop(window) if job.point_cloud else None
    left_out = _left_out(job, padded)
    inner = window.inside(padded).slices
    seen = [] if left_out[inner].all() else [_seen(pair, part, own) for pair in job.pairs]
    cells = [one.cells for one in seen if one is not None]
    whole = fused(cells) if cells else _nothing(part.shape)
    reasons = _reasons(job, part, seen, whole, left_out)
    measured = reasons == 0
    layers: dict[str, NDArray[Any]] = {
        "height": np.where(measured, whole.height, np.float32(np.nan)),
        "error": whole.sigma,
        "intersection": whole.error,
        "score": whole.score,
        "pairs": np.where(measured, whole.pairs, np.uint8(0)),
        "reasons": reasons,
    }
    differences = _differences(seen, measured, inner)
    layers = {name: layer[inner] for name, layer in layers.items()}
    points = _agreeing(seen, layers, own) if own is not None else NO_POINTS
    return TileResult(layers, differences, points)


def _seen(pair: Stereopair, part: Grid, own: Grid | None) -> _Seen | None:
    """A pair's view of a tile, of which the many points go when its cells are made.

    `own` is the grid whose points are wanted too.
    """
    one = sighting(pair, part)
    if one is None:
        return None
    points = NO_POINTS if own is None else _points(one, own)
    return _Seen(_cells(one, part), _of_the_holes(one, part), points)


def _left_out(job: Job, window: Window) -> Bits:
    """Why cells are not wanted, whatever can be seen there."""
    grid = job.target.grid
    reasons = np.zeros(window.shape, np.uint16)
    reasons[~job.target.wanted(window)] |= np.uint16(Reason.OUTSIDE)
    for name, path in (("mask", job.mask), ("water", job.water)):
        if path is not None:
            hidden = user_mask(path, grid, window, pointer=f"/inputs/{name}")
            reasons[hidden] |= np.uint16(Reason.USER_MASK)
    return reasons


def _cells(seen: Sighting, part: Grid) -> Cells:
    west, _, _, north = part.bounds
    return gridded(seen.points, (west, north), part.pixel_size[0], part.shape)


def _nothing(shape: tuple[int, int]) -> Fused:
    empty = np.full(shape, np.nan, np.float32)
    return Fused(empty, empty, empty, empty, np.zeros(shape, np.uint8))


def _reasons(
    job: Job, part: Grid, seen: Sequence[_Seen | None], whole: Fused, left_out: Bits
) -> Bits:
    """Why cells have no value; 0 where they have one that is wanted and not isolated."""
    lost = ~np.isfinite(whole.height) | _doubtful(job, seen, whole)
    reasons = np.zeros(part.shape, np.uint16)
    for one in seen:
        if one is not None:
            reasons[lost] |= one.holes[lost]
    lost_for_nothing = lost & (reasons == 0)
    if lost_for_nothing.any():
        reasons[lost_for_nothing] = _unseen(job, part, lost_for_nothing)
    reasons |= left_out
    if job.target.crop is not None:
        reasons[_outside_crop(job, part, whole)] |= np.uint16(Reason.OUTSIDE)
    if job.minimum_patch > 0:
        step = STEP_M * max(part.pixel_size[0], 1.0)
        small = speckles(whole.height, ~lost & (left_out == 0), job.minimum_patch, step)
        reasons[small] |= np.uint16(Reason.ISOLATED)
    return reasons


def _doubtful(job: Job, seen: Sequence[_Seen | None], whole: Fused) -> NDArray[np.bool_]:
    """Uncertain heights of one pair alone, where the images of another one differ."""
    seeing = np.zeros(whole.height.shape, np.uint8)
    differing = np.zeros(whole.height.shape, np.bool_)
    for one in seen:
        if one is not None:
            known = np.isfinite(one.cells.height)
            seeing += known
            differing |= ~known & ((one.holes & np.uint16(Reason.LOW_SCORE)) != 0)
    unsure = UNSURE_PX * max(eye.gsd_m for eye in job.eyes)
    doubtful: NDArray[np.bool_] = differing & (seeing == 1) & (whole.sigma > unsure)
    return doubtful


def _outside_crop(job: Job, part: Grid, whole: Fused) -> NDArray[np.bool_]:
    """Cells whose surface appears beside the wanted pixels."""
    crop = job.target.crop
    assert crop is not None
    x, y = part.centres()
    height = np.where(np.isfinite(whole.height), whole.height, job.ground.at(x, y))
    lon, lat = Transformer.from_crs(part.crs, GEOGRAPHIC, always_xy=True).transform(x, y)
    place = job.eyes[crop.image].rpc.project(lon, lat, height)
    return ~crop.holds(place.row, place.col)


def _of_the_holes(one: Sighting, part: Grid) -> Bits:
    """What a pair says of the pixels that lie about each cell."""
    reasons = np.zeros(part.shape, np.uint16)
    col, row = ~part.transform @ (one.hole_x, one.hole_y)
    rows, cols = part.shape
    inside = (row >= 0) & (row < rows) & (col >= 0) & (col < cols)
    place = row[inside].astype(np.intp), col[inside].astype(np.intp)
    np.bitwise_or.at(reasons, place, one.hole_reasons[inside])
    return reasons


def _unseen(job: Job, part: Grid, cells: NDArray[np.bool_]) -> Bits:
    """Why no pixel of any pair lies in cells: outside of images, or behind something higher."""
    x, y = (axis[cells] for axis in part.centres())
    height = job.ground.at(x, y)
    lon, lat = Transformer.from_crs(part.crs, GEOGRAPHIC, always_xy=True).transform(x, y)
    reasons = np.zeros(x.shape, np.uint16)
    covered = np.zeros(x.shape, np.bool_)
    for pair in job.pairs:
        first, second = (_shown(eye, lon, lat, height) for eye in pair.eyes)
        covered |= first & second
        reasons[~first] |= np.uint16(Reason.NODATA_REFERENCE)
        reasons[~second] |= np.uint16(Reason.NODATA_SECONDARY)
    return np.where(covered, np.uint16(Reason.OCCLUDED), reasons)


def _shown(eye: Eye, lon: Floats, lat: Floats, height: Floats) -> NDArray[np.bool_]:
    """Whether ground lies in an image's pixels."""
    place, area = eye.rpc.project(lon, lat, height), eye.image.window
    inside: NDArray[np.bool_] = (
        (place.row >= area.row)
        & (place.row <= area.row + area.height - 1)
        & (place.col >= area.col)
        & (place.col <= area.col + area.width - 1)
    )
    return inside


def _differences(
    seen: Sequence[_Seen | None], kept: NDArray[np.bool_], inner: Slices
) -> NDArray[np.int64]:
    """Distribution of each pair's height less the mean of the others, where `kept`."""
    counts = np.zeros((len(seen), BINS), np.int64)
    cells = [one.cells for one in seen if one is not None]
    weights = [_weights(one) for one in cells]
    total = np.sum(weights, axis=0)
    heights = np.sum(
        [w * np.nan_to_num(one.height) for w, one in zip(weights, cells, strict=True)], axis=0
    )
    present = iter(zip(weights, cells, strict=True))
    for number, view in enumerate(seen):
        if view is None:
            continue
        own, one = next(present)
        others = total - own
        compared = (own > 0) & (others > own * LEAST_SHARE) & kept
        left = compared[inner]
        mean = (heights - own * np.nan_to_num(one.height))[inner][left] / others[inner][left]
        place = np.rint((one.height[inner][left] - mean) / BIN_M).astype(np.int64) + BINS // 2
        counts[number] += np.bincount(np.clip(place, 0, BINS - 1), minlength=BINS)
    return counts


def _weights(one: Cells) -> NDArray[np.float64]:
    """Inverse variances of a pair's heights; 0 where it has none."""
    known = np.isfinite(one.height) & (one.sigma > 0)
    return np.where(known, 1 / np.where(known, one.sigma, 1.0).astype(np.float64) ** 2, 0.0)


def _points(one: Sighting, grid: Grid) -> NDArray[np.float64]:
    """A pair's points in the cells of a grid, as in :class:`TileResult`."""
    part = one.points
    row, col = _row_and_col(part.x, part.y, grid)
    rows, cols = grid.shape
    inside = np.flatnonzero((row >= 0) & (row < rows) & (col >= 0) & (col < cols))
    values = part.x, part.y, part.height, part.sigma, part.score, one.brightness
    return np.stack([np.asarray(value, np.float64)[inside] for value in values], axis=1)


def _agreeing(
    seen: Sequence[_Seen | None], layers: dict[str, NDArray[Any]], grid: Grid
) -> NDArray[np.float64]:
    """The points in a tile's own cells that lie on its surface, pair by pair."""
    found = [NO_POINTS]
    for one in seen:
        if one is None:
            continue
        points = one.points
        row, col = _row_and_col(points[:, 0], points[:, 1], grid)
        place = row.astype(np.intp), col.astype(np.intp)
        limit = AGREEING * layers["error"][place] + SLOPE_M * max(grid.pixel_size[0], 1.0)
        # A comparison with NaN, where the surface has no height, is false.
        agrees = np.abs(points[:, 2] - layers["height"][place]) <= limit
        found.append(points[agrees])
    return np.concatenate(found)


def _row_and_col(x: Floats, y: Floats, grid: Grid) -> tuple[Floats, Floats]:
    col, row = ~grid.transform @ (x, y)
    return row, col
