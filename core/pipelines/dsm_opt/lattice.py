"""Matching of a pair on an epipolar lattice, from coarse to fine."""

from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from core.geometry.epipolar import EpipolarFrame, Positions
from core.geometry.rpc import Floats
from core.matching.arrays import Floats as Values
from core.matching.arrays import Layer
from core.matching.disparity import radiometry
from core.matching.pyramid import pyramid
from core.matching.resampling import Resampler, resampler
from core.matching.semiglobal import Aggregation, Matches, consistent, match
from core.matching.speckle import speckles
from core.matching.terrain import terrain

Mask = NDArray[np.bool_]

CONTRAST = 3.0
"""Difference of brightness, in units of noise, that halves the penalty of a jump."""

SPECKLES = 60
"""Pixels of the smallest piece of surface that is believed, at each level but the finest."""

MEDIAN = 5
"""Side of the median over a level's heights, points of its lattice."""

BEYOND = 0.01
"""Percent of the surface's points, at either end, that may lie outside the next range."""

PAD = 6
"""Disparities that are tried beyond those ends: what no coarser level shows, such as poles."""

FEWEST = 100
"""Matches of a level below which it changes nothing."""

STRIP_MARGIN = 48
"""Rows above and below a strip that are matched too: paths of the matching begin there."""

REFERENCE_REGULARISATION = 0.02
"""The value of the parameter at which penalties are those of :class:`Aggregation`."""


@dataclass(frozen=True)
class Method:
    """How pairs are matched.

    Parameters
    ----------
    window
        Half side of the matching window, as the user counts it.
    regularisation
        Strength of the smoothness, as the user counts it; penalties are proportional.
    tolerance
        Largest difference between matching there and back, pixels.
    distinctness
        Least advantage of the best match over all others, bits; 0 asks for none.
    rows
        Rows of a lattice that are matched at a time, at most; None for all.
    """

    window: int = 2
    regularisation: float = REFERENCE_REGULARISATION
    tolerance: float = 1.0
    distinctness: float = 0.0
    rows: int | None = None

    def aggregation(self, noise: float) -> Aggregation:
        """Costs and penalties for images whose difference has this noise."""
        plain = Aggregation()
        step, jump, least = (
            round(penalty * self.regularisation / REFERENCE_REGULARISATION)
            for penalty in (plain.step, plain.jump, plain.least_jump)
        )
        jump = min(max(jump, 1), 2000)
        return Aggregation(
            radius=min(self.window, 3),
            step=min(max(step, 1), jump),
            jump=jump,
            least_jump=min(max(least, step, 1), jump),
            contrast=CONTRAST * noise,
        )


class Patch(NamedTuple):
    """A part of an image that can be asked for its values at pixels of the whole image.

    Parameters
    ----------
    levels
        The part and its halvings, finest first.
    row, col
        Of its first pixel in the image.
    """

    levels: tuple[Resampler, ...]
    row: int
    col: int

    def at(self, level: int, places: Positions) -> Layer:
        """Values at places in the image, halved `level` times."""
        return self.levels[level].at(places.row - self.row, places.col - self.col)


def patch(layer: Layer, row: int, col: int, levels: int) -> Patch:
    """Prepare a part of an image and `levels` halvings of it."""
    layers = pyramid(layer, levels)
    return Patch(tuple(resampler(part, n) for n, part in enumerate(layers)), row, col)


class Search(NamedTuple):
    """A surface on a lattice, and where matches lie about it.

    Parameters
    ----------
    heights
        Of the lattice's points; images are resampled for it.
    first, tried
        Smallest disparity, and how many are tried.
    rough
        Disparities of the surface before it was smoothed; None where nothing was matched yet.
    """

    heights: Floats
    first: int
    tried: int
    rough: Values | None = None


class Level(NamedTuple):
    """A pair resampled and matched on one lattice."""

    left: Layer
    right: Layer
    found: Matches
    kept: Mask
    """Matches that return to where they began."""


def refined_search(
    frame: EpipolarFrame,
    patches: tuple[Patch, Patch],
    search: Search,
    levels: range,
    method: Method,
    *,
    keep: bool = False,
) -> Search:
    """The search on the finest lattice that coarser ones leave.

    Parameters
    ----------
    frame
        The finest lattice.
    search
        On the lattice of the coarsest of the levels.
    levels
        Halvings, from the coarsest down to the finest that is matched; the result is on the lattice
        of the next finer one.
    keep
        Whether the surface of the search is good enough, so that only the range is looked for.
    """
    for level in levels:
        lattice = frame.coarser(2**level)
        matched = matched_level(lattice, patches, level, search, method)
        finer = frame.coarser(2 ** (level - 1)) if level > 1 else frame
        search = next_search(lattice, matched, search, finer, level, keep=keep)
    return search


def matched_level(
    lattice: EpipolarFrame,
    patches: tuple[Patch, Patch],
    level: int,
    search: Search,
    method: Method,
    noise: float | None = None,
) -> Level:
    """Resample a pair for the surface of a search, and match it both ways.

    `noise` is that of the images' difference, found out from the search by default.
    """
    return matched(resampled(lattice, patches, level, search), search, method, noise)


def resampled(
    lattice: EpipolarFrame, patches: tuple[Patch, Patch], level: int, search: Search
) -> tuple[Layer, Layer]:
    """Both images at a lattice's points, for the surface of a search."""
    left = patches[0].at(level, lattice.reference_positions())
    return left, patches[1].at(level, lattice.secondary_positions(search.heights))


def matched(
    images: tuple[Layer, Layer], search: Search, method: Method, noise: float | None = None
) -> Level:
    """Match resampled images both ways; parameters as for :func:`matched_level`."""
    left, right = images
    options = method.aggregation(noise or noise_of(left, right, search.rough))
    found = _in_strips(left, right, search, options, method.rows)
    kept = consistent(found.left, found.right, method.tolerance)
    return Level(left, right, found, kept)


def _in_strips(
    left: Layer, right: Layer, search: Search, options: Aggregation, most: int | None
) -> Matches:
    """Match some rows at a time, since memory goes with them; paths begin above and below."""
    rows = left.values.shape[0]
    parts = -(-rows // (most or rows))
    edges = [round(rows * number / parts) for number in range(parts + 1)]
    found = []
    for top, bottom in pairwise(edges):
        first, last = max(top - STRIP_MARGIN, 0), min(bottom + STRIP_MARGIN, rows)
        here, there = (Layer(*(part[first:last] for part in image)) for image in (left, right))
        matches = match(here, there, search.first, search.tried, options)
        found.append([values[top - first : bottom - first] for values in matches])
    return Matches(*(np.concatenate(values) for values in zip(*found, strict=True)))


def noise_of(left: Layer, right: Layer, rough: Values | None) -> float:
    """Standard deviation of the difference of two images; from the left one alone at first."""
    if rough is not None:
        return radiometry(left, right, rough).noise
    steps = np.abs(np.diff(left.values, axis=1))
    known = (left.weights[:, 1:] > 0) & (left.weights[:, :-1] > 0)
    return max(float(np.median(steps[known])) if known.any() else 0.0, 1e-3)


def next_search(
    lattice: EpipolarFrame,
    matched: Level,
    search: Search,
    finer: EpipolarFrame,
    level: int,
    *,
    keep: bool,
) -> Search:
    """What a level's matches say about where to look on the next finer lattice.

    With `keep` the surface stays, and only the range about it is looked for.
    """
    kept = matched.kept & ~speckles(matched.found.left, matched.kept, SPECKLES)
    spot = lattice.intersect(search.heights, np.where(kept, matched.found.left, np.float32(np.nan)))
    if int(spot.valid.sum()) < FEWEST:
        return Search(on_finer(search.heights, finer.shape), 2 * search.first, 2 * search.tried)
    raw = ndimage.median_filter(filled(spot.height, spot.valid), MEDIAN)
    smooth = search.heights if keep else terrain(raw, level)
    per_metre = finer.columns_per_metre(float(np.median(raw)))
    rest = (raw - smooth) * per_metre
    low, high = np.percentile(rest[matched.left.weights > 0], [BEYOND, 100 - BEYOND])
    first = int(np.floor(low)) - PAD
    rough = on_finer(rest, finer.shape).astype(np.float32)
    return Search(on_finer(smooth, finer.shape), first, int(np.ceil(high)) + PAD - first + 1, rough)


def filled(values: Floats, known: Mask) -> Floats:
    """Values where they are known, elsewhere those of the nearest known point."""
    nearest = ndimage.distance_transform_edt(~known, return_distances=False, return_indices=True)
    found: Floats = values[tuple(nearest)]
    return found


def on_finer(values: Floats, shape: tuple[int, int]) -> Floats:
    """Values on the lattice of twice as many rows and columns that shares the first point."""
    rows, cols = (np.arange(count) / 2 for count in shape)
    found: Floats = ndimage.map_coordinates(
        values, np.broadcast_arrays(rows[:, None], cols[None, :]), order=1, mode="nearest"
    )
    return found
