"""What one pair sees of a tile: points on the ground, and why the others are missing."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from pyproj import Transformer

from core.geometry.epipolar import EpipolarFrame, Positions, epipolar_frame
from core.geometry.gridding import Points
from core.geometry.ground import Ground
from core.geometry.rpc import Floats
from core.geometry.uncertainty import height_deviation
from core.grid import GEOGRAPHIC, Grid
from core.io.products.stereo.staging import CLOUD, SATURATED, Flags, Pixels
from core.matching.across import across
from core.matching.arrays import Bits, Layer
from core.matching.disparity import finished, radiometry
from core.matching.likeness import unlike
from core.matching.radiometry import Radiometry, typical
from core.matching.speckle import speckles
from core.pipelines.dsm_opt.lattice import (
    SPECKLES,
    Level,
    Method,
    Patch,
    Search,
    matched,
    on_finer,
    patch,
    refined_search,
    resampled,
)
from core.pipelines.dsm_opt.orientation import Eye
from core.pipelines.dsm_opt.prism import bounding, outline, prism
from core.reasons import Reason
from core.tiling import Window

PER_SIDE = 5
"""Places along each side of a tile at which images are asked for its ground."""

MARGIN_PX = 48
"""Pixels around a tile that are matched too: paths of the matching begin there."""

NEEDED_PX = 8
"""Pixels around a tile whose matches may lie in it still: heights differ from the coarse ground."""

LEAST_PX = 24
"""Rows and columns of the smallest part of an image that is matched."""

SPLINE_PX = 12
"""Pixels around what is resampled: the reach of a spline's coefficients."""

PAD = 6
"""Disparities of a tile's coarsest level that are tried beyond what the coarse ground says."""

SPARSER = 2
"""Halvings of a tile's coarsest lattice for the one at whose points the ground is looked up."""

AT_ONCE = 1 << 16
"""Places without a measurement that are looked up at a time: it takes memory."""

HIGHER = 1.0
"""Disparity by which a surface that hides another one is the larger, pixels."""


@dataclass(frozen=True)
class Limits:
    """What removes a match.

    Parameters
    ----------
    intersection_px
        Largest intersection error, pixels of the images on the ground; 0 for none.
    score
        Least correlation.
    product_mask
        Whether what the product calls cloud is left out.
    heights
        Lowest and highest height, metres above the ellipsoid.
    """

    intersection_px: float
    score: float
    product_mask: bool
    heights: tuple[float, float] = (-np.inf, np.inf)


class Sighting(NamedTuple):
    """What a pair sees.

    Parameters
    ----------
    points
        Measured ground, in the projection of the output.
    brightness
        Of the first image there, stored values.
    hole_x, hole_y
        About where the pixels lie for which nothing was measured.
    hole_reasons
        Why.
    """

    points: Points
    brightness: NDArray[np.float32]
    hole_x: Floats
    hole_y: Floats
    hole_reasons: Bits


@dataclass(frozen=True, eq=False)
class Stereopair:
    """Two images that are matched, and how.

    Parameters
    ----------
    key
        Name of the pair.
    eyes
        The image in which measurements lie, and the other one.
    ground
        Where to look.
    levels
        Halvings at which matching begins.
    between
        How the images' values relate; found out in each part by default.
    """

    key: str
    eyes: tuple[Eye, Eye]
    ground: Ground
    method: Method
    limits: Limits
    levels: int
    between: Radiometry | None = None


def sighting(pair: Stereopair, part: Grid) -> Sighting | None:
    """Match a pair where it sees cells of the output; None where it sees too little of them."""
    done = _matched(pair, part)
    return None if done is None else _measured(pair, done, part)


def related(pair: Stereopair, parts: Sequence[Grid]) -> Radiometry | None:
    """How the values of a pair's images relate, from some parts of the ground; None if unseen.

    A part under a cloud that only one image sees does not count.
    """
    found = []
    for part in parts:
        done = _matched(pair, part)
        if done is None:
            continue
        left, right, _, _ = done.level
        final = finished(left, right, _start(done), pair.method.window)
        if int(np.isfinite(final.disparity).sum()) >= LEAST_PX**2:
            found.append(radiometry(left, right, final.disparity))
    return typical(found) if found else None


def _matched(pair: Stereopair, part: Grid) -> "_Matched | None":
    window = _seen(pair, part, MARGIN_PX)
    if min(window.shape) < LEAST_PX:
        return None
    frame = _frame(pair, window)
    search = _begin(pair, frame, part)
    ready = _resampled(pair, frame, search)
    if ready is None:
        return None
    search, images, sides = ready
    noise = None if pair.between is None else pair.between.noise
    return _Matched(frame, search.heights, matched(images, search, pair.method, noise), sides)


def _resampled(
    pair: Stereopair, frame: EpipolarFrame, search: Search
) -> tuple[Search, tuple[Layer, Layer], tuple["Flagged", "Flagged"]] | None:
    """Both images on the lattice, for the search that coarser ones leave.

    What was read of the images is not needed while they are matched, which takes most memory.
    """
    sides = _sides(pair, frame, search)
    if sides is None:
        return None
    (first, told), (second, told_of_second) = sides
    levels = range(pair.levels, 0, -1)
    search = refined_search(frame, (first, second), search, levels, pair.method, keep=True)
    images = resampled(frame, (first, second), 0, search)
    return search, images, (told, told_of_second)


def _frame(pair: Stereopair, window: Window) -> EpipolarFrame:
    """The part of the pair's lattice that covers pixels of the first image.

    All tiles share one lattice, so that the same points are matched wherever tiles end, and
    whatever part of the image is wanted.
    """
    first, second = pair.eyes
    whole = epipolar_frame(first.rpc, second.rpc, (0, 0), first.shape, pair.ground.middle)
    return whole.covering(window, 2 ** (pair.levels + SPARSER))


class Flagged(NamedTuple):
    """What is said of the pixels of an image where the lattice lies."""

    window: Window
    flags: Flags


class _Matched(NamedTuple):
    frame: EpipolarFrame
    heights: Floats
    """Of the surface for which the images were resampled."""
    level: Level
    sides: tuple[Flagged, Flagged]


def _seen(pair: Stereopair, part: Grid, margin: int) -> Window:
    """The pixels of the first image that may show cells, and a margin; possibly empty."""
    x, y = outline(part, PER_SIDE)
    seen = prism(pair.eyes[0].rpc, x, y, part.crs, pair.ground.range(x, y, 0.0))
    return seen.around(margin) & pair.eyes[0].image.window


def _inside(pair: Stereopair, frame: EpipolarFrame, part: Grid) -> NDArray[np.bool_]:
    """Points of the lattice that may show cells: the others were there for the matching alone."""
    window = _seen(pair, part, NEEDED_PX)
    row, col = frame.reference_positions()
    inside: NDArray[np.bool_] = (
        (row >= window.row)
        & (row < window.row + window.height)
        & (col >= window.col)
        & (col < window.col + window.width)
    )
    return inside


def _begin(pair: Stereopair, frame: EpipolarFrame, part: Grid) -> Search:
    """The coarse ground on the coarsest lattice of a tile, and how far matches may lie from it."""
    lattice = frame.coarser(2**pair.levels)
    sparse = frame.coarser(2 ** (pair.levels + SPARSER))
    places = sparse.reference_positions()
    known = pair.ground.below(frame.reference, places.row, places.col)
    heights = np.where(np.isfinite(known), known, pair.ground.middle)
    for halvings in range(SPARSER - 1, -1, -1):
        heights = on_finer(heights, frame.coarser(2 ** (pair.levels + halvings)).shape)
    below, above = pair.ground.spread(*outline(part, PER_SIDE), MARGIN_PX * pair.eyes[0].gsd_m)
    per_metre = lattice.columns_per_metre(float(np.median(heights)))
    first = -int(np.ceil(below * per_metre)) - PAD
    return Search(heights, first, int(np.ceil(above * per_metre)) + PAD - first + 1)


def _sides(
    pair: Stereopair, frame: EpipolarFrame, search: Search
) -> tuple[tuple[Patch, Flagged], tuple[Patch, Flagged]] | None:
    """Both images where the lattice lies; None where the second one shows none of it."""
    eyes, levels = pair.eyes, pair.levels
    lattice = frame.coarser(2**levels)
    reach = max(abs(search.first), abs(search.first + search.tried)) * 2**levels + 8
    first = _holding(lattice.reference_positions(), 0) & eyes[0].image.window
    second = _holding(lattice.secondary_positions(search.heights), reach) & eyes[1].image.window
    if min(second.shape) < LEAST_PX:
        return None
    return _side(eyes[0], first, levels, pair.limits), _side(eyes[1], second, levels, pair.limits)


def _side(eye: Eye, window: Window, levels: int, limits: Limits) -> tuple[Patch, Flagged]:
    # Halved pixels begin at multiples of their size, wherever the tile lies.
    step = 2**levels
    top, left = window.row // step * step, window.col // step * step
    rows, cols = window.row + window.height - top, window.col + window.width - left
    whole = Window(top, left, -(-rows // step) * step, -(-cols // step) * step)
    pixels = eye.image.read(whole)
    layer = Layer(pixels.values, _usable(pixels, limits))
    return patch(layer, top, left, levels), Flagged(whole, pixels.flags)


def _usable(pixels: Pixels, limits: Limits) -> NDArray[np.float32]:
    """Weights without saturated and cloudy pixels."""
    left_out = SATURATED | (CLOUD if limits.product_mask else 0)
    usable: NDArray[np.float32] = pixels.weights * ((pixels.flags & np.uint8(left_out)) == 0)
    return usable


def _holding(places: Positions, reach: int) -> Window:
    window = bounding(*places)
    return window if window.empty else window.pad(reach + SPLINE_PX)


def _start(done: _Matched) -> NDArray[np.float32]:
    """The disparities that are refined."""
    kept = done.level.kept & ~_isolated(done)
    return np.where(kept, done.level.found.left, np.float32(np.nan))


def _isolated(done: _Matched) -> NDArray[np.bool_]:
    return speckles(done.level.found.left, done.level.kept, SPECKLES)


def _measured(pair: Stereopair, done: _Matched, part: Grid) -> Sighting:
    """The ground that matches show, and why others are missing."""
    points, brightness, reasons = _points(pair, done, part)
    lost = reasons != 0
    return Sighting(points, brightness, *_holes(done, lost, part), reasons[lost])


def _points(
    pair: Stereopair, done: _Matched, part: Grid
) -> tuple[Points, NDArray[np.float32], Bits]:
    """Refine the matches, and intersect their lines of sight; what is said of each is 0 if good."""
    left, right, found, _ = done.level
    limits, between = pair.limits, pair.between
    final = finished(left, right, _start(done), pair.method.window, between)
    # Beside an edge the choice between disparities does not know where there are no data.
    final.disparity[left.weights == 0] = np.nan
    final.disparity[~_inside(pair, done.frame, part)] = np.nan
    lost = np.isnan(final.disparity)
    reasons = np.where(lost, _reasons(done, limits), np.uint16(0))
    off = across(left, right, final.disparity, between)
    spot = done.frame.intersect(done.heights, final.disparity, off)
    reasons[~lost & ~spot.valid] |= np.uint16(Reason.NO_CONVERGENCE)
    # The coarse ground's range is wider than asked for; a comparison with NaN is false.
    low, high = limits.heights
    reasons[(spot.height < low) | (spot.height > high)] |= np.uint16(Reason.NO_CONVERGENCE)
    reasons[~lost & (found.margin < pair.method.distinctness)] |= np.uint16(Reason.AMBIGUOUS)
    if limits.intersection_px > 0:
        worst = limits.intersection_px * pair.eyes[0].gsd_m
        reasons[spot.error > worst] |= np.uint16(Reason.TOO_LARGE)
    poor = unlike(left, right, final.disparity, between) | (final.score < limits.score)
    reasons[poor] |= np.uint16(Reason.LOW_SCORE)
    good = reasons == 0
    project = Transformer.from_crs(GEOGRAPHIC, part.crs, always_xy=True)
    x, y = project.transform(spot.lon[good], spot.lat[good])
    sigma = height_deviation(final.sigma[good], spot.height_sigma[good])
    points = Points(x, y, spot.height[good], sigma, spot.error[good], final.score[good])
    return points, left.values[good], reasons


def _reasons(done: _Matched, limits: Limits) -> Bits:
    """Why each point of the lattice would have no value."""
    frame, heights, (left, right, found, kept), sides = done
    reasons = np.zeros(found.left.shape, np.uint16)
    lost = left.weights == 0
    empty = np.uint16(Reason.NODATA_REFERENCE)
    reasons[lost] |= _flagged(frame.reference_positions(), lost, sides[0], empty, limits)
    lost = right.weights == 0
    empty = np.uint16(Reason.NODATA_SECONDARY)
    places = frame.secondary_positions(heights)
    reasons[lost] |= _flagged(places, lost, sides[1], empty, limits)
    reasons[_isolated(done)] |= np.uint16(Reason.ISOLATED)
    apart = np.isfinite(found.left) & ~kept
    hidden = apart & (_back(found.right, found.left) - found.left > HIGHER)
    reasons[hidden] |= np.uint16(Reason.OCCLUDED)
    reasons[apart & ~hidden] |= np.uint16(Reason.FORWARD_BACKWARD)
    reasons[reasons == 0] |= np.uint16(Reason.NO_CONVERGENCE)
    return reasons


def _flagged(
    places: Positions, lost: NDArray[np.bool_], side: Flagged, empty: np.uint16, limits: Limits
) -> Bits:
    """What an image's flags say of the places that were lost; `empty` where they say nothing."""
    window, told = side
    row = np.rint(places.row[lost]) - window.row
    col = np.rint(places.col[lost]) - window.col
    # A comparison with NaN is false.
    inside = (row >= 0) & (row < window.height) & (col >= 0) & (col < window.width)
    flags = np.zeros(row.shape, np.uint8)
    flags[inside] = told[row[inside].astype(np.intp), col[inside].astype(np.intp)]
    reasons = np.zeros(row.shape, np.uint16)
    reasons[(flags & np.uint8(SATURATED)) != 0] |= np.uint16(Reason.SATURATED)
    if limits.product_mask:
        reasons[(flags & np.uint8(CLOUD)) != 0] |= np.uint16(Reason.CLOUD_MASK)
    reasons[reasons == 0] = empty
    return reasons


def _back(right: NDArray[np.float32], left: NDArray[np.float32]) -> NDArray[np.float32]:
    """Disparity of each left pixel's partner; NaN where there is none."""
    cols = np.arange(left.shape[1])[None, :] + np.nan_to_num(left)
    place = np.clip(np.rint(cols).astype(np.intp), 0, left.shape[1] - 1)
    found: NDArray[np.float32] = np.take_along_axis(right, place, axis=1)
    return found


def _holes(done: _Matched, lost: NDArray[np.bool_], part: Grid) -> tuple[Floats, Floats]:
    """About where pixels without a measurement lie, in the projection of the output."""
    places = done.frame.reference_positions()
    row, col, heights = (values[lost] for values in (*places, done.heights))
    project = Transformer.from_crs(GEOGRAPHIC, part.crs, always_xy=True)
    x, y = np.empty_like(row), np.empty_like(row)
    for first in range(0, row.size, AT_ONCE):
        some = slice(first, first + AT_ONCE)
        ground = done.frame.reference.locate(row[some], col[some], heights[some])
        x[some], y[some] = project.transform(ground.lon, ground.lat)
    return x, y
