"""Dense matching of two images, both ways, with a score and an uncertainty for each pixel.

From coarse to fine: an exhaustive search at the coarsest level of a pyramid, then Gauss-Newton
refinement at every level.  Every step is local, so an image may be matched in tiles whose halo is
:func:`halo`; tiles begin at multiples of :func:`alignment`, that all see the same pyramid.
"""

from math import ceil
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from core.matching.arrays import Bits, Field, Floats, Layer
from core.matching.interpolation import bilinear
from core.matching.options import COARSE_MARGIN, MARGIN, Matching
from core.matching.pyramid import crop, finer, pyramid
from core.matching.refinement import PRIOR, Refined, refine, smaller_eigenvalue
from core.matching.search import best_shift
from core.matching.windows import box_sum, normalised
from core.reasons import Reason
from core.tiling import Window

SEARCH_RADIUS = 6
"""Half side of the correlation window of the exhaustive search, at most."""

LEAST_SHARE = 0.2
"""Share of a window that must hold data in both images."""

LEAST_TEXTURE = 1e-3
"""Smaller eigenvalue of the mean gradient tensor of the normalised image, per pixel."""

UNSETTLED = 0.1
"""Length of the last step, pixels, from which a pixel counts as not settled."""

NOISE_CORRELATION = 1.25
"""Factor from the formal to the true deviation, calibrated on simulated pairs."""

BACKWARD_WEIGHT_PX = 0.5
"""Both directions are averaged where they agree to this many pixels."""


class Match(NamedTuple):
    """What is known of the core of a tile; all (rows, cols), float32 but for `reasons`."""

    field: Field
    """Displacement from reference to secondary, pixels; NaN where nothing was matched."""
    score: Floats
    """Correlation of the locally normalised images in the window, 0 (also if negative) to 1."""
    sigma: Field
    """Standard deviation of the displacement, pixels."""
    difference: Field
    """From a pixel to where matching there and back again leads, pixels."""
    reasons: Bits
    """Bits of :class:`core.reasons.Reason`; 0 where the pixel was matched."""


def match(reference: Layer, secondary: Layer, core: Window, options: Matching) -> Match:
    """Match the core of a tile.

    Parameters
    ----------
    reference, secondary
        The padded tile in both images: the same shape, the same pixel on the same ground but for
        the displacement that is looked for.
    core
        The part that is wanted, in the padded tile.
    """
    pyramids = (pyramid(reference, options.levels), pyramid(secondary, options.levels))
    region, forward = _coarse_to_fine(pyramids[0], pyramids[1], core, options)
    _, backward = _coarse_to_fine(pyramids[1], pyramids[0], core, options)
    back = Field(*(bilinear(part, forward.field) for part in backward.field))
    difference = Field(*(f + b for f, b in zip(forward.field, back, strict=True)))
    first = _normalised(pyramids[0][0], region, 0, options)
    score, share = _score(first, forward.warped, options.window)
    reasons = _reasons(first, forward, share, options)
    matched = reasons == 0
    inner = core.inside(region).slices
    field = _average(forward.field, back, difference)
    return Match(
        Field(*(_where(matched, part)[inner] for part in field)),
        _where(matched, score)[inner],
        Field(*(_where(matched, part)[inner] for part in _sigma(forward, share, options.window))),
        Field(*(_where(matched, part)[inner] for part in difference)),
        reasons[inner],
    )


def _coarse_to_fine(
    a: list[Layer], b: list[Layer], core: Window, options: Matching
) -> tuple[Window, Refined]:
    """Refined field over the region of the finest level, and that region in the padded tile."""
    top = options.levels
    region = _region(core, top, a[top].values.shape, options)
    first, second = (_normalised(layers[top], region, top, options) for layers in (a, b))
    reach = ceil(options.search_px / 2**top)
    field = best_shift(first, second, min(options.window // 2, SEARCH_RADIUS), reach)
    refined = refine(first, second, field, options.window, options.regularisation)
    for level in range(top - 1, -1, -1):
        target = _region(core, level, a[level].values.shape, options)
        field = finer(refined.field, region, target)
        region = target
        first, second = (_normalised(layers[level], region, level, options) for layers in (a, b))
        refined = refine(first, second, field, options.window, options.regularisation)
    return region, refined


def _region(core: Window, level: int, shape: tuple[int, int], options: Matching) -> Window:
    """The core at a level with the margin that its matching needs, cut at the image's border."""
    size = 2**level
    margin = (MARGIN if level == 0 else COARSE_MARGIN) + ceil(options.search_px / size)
    row, col = core.row // size, core.col // size
    bottom = -(-(core.row + core.height) // size)
    right = -(-(core.col + core.width) // size)
    return Window(row, col, bottom - row, right - col).pad(margin) & Window(0, 0, *shape)


def _normalised(layer: Layer, region: Window, level: int, options: Matching) -> Layer:
    part = crop(layer, region)
    # A window of the same ground as the matching window, and half as wide again.
    radius = max(5, 3 * options.window // 4)
    # Averaging two by two pixels halves the noise, hence the floor.
    floor = options.texture_floor / 2**level
    return Layer(normalised(part.values, part.weights, radius, floor), part.weights)


def _score(reference: Layer, warped: Layer, window: int) -> tuple[Floats, Floats]:
    """Zero-mean normalised cross-correlation, and the share of the window with data in both."""
    radius = window // 2
    weights = reference.weights * warped.weights
    p, q = reference.values * weights, warped.values * weights
    count = box_sum(weights, radius)
    share = count / np.float32(window**2)
    np.maximum(count, np.float32(1), out=count)
    mean_p, mean_q = box_sum(p, radius) / count, box_sum(q, radius) / count
    cross = box_sum(p * q, radius) / count - mean_p * mean_q
    spread = (box_sum(p * p, radius) / count - mean_p**2) * (
        box_sum(q * q, radius) / count - mean_q**2
    )
    score = cross / np.sqrt(np.maximum(spread, np.float32(1e-12)))
    return np.clip(score, np.float32(0), np.float32(1)), share


def _reasons(reference: Layer, refined: Refined, share: Floats, options: Matching) -> Bits:
    reasons = np.zeros(share.shape, np.uint16)
    own = box_sum(reference.weights, options.window // 2) / np.float32(options.window**2)
    empty = (reference.weights == 0) | (own < LEAST_SHARE)
    reasons[empty] |= np.uint16(Reason.NODATA_REFERENCE)
    lost = (refined.warped.weights == 0) | (share < LEAST_SHARE)
    reasons[lost & (reasons == 0)] |= np.uint16(Reason.NODATA_SECONDARY)
    prior = PRIOR * options.regularisation * options.window**2
    flat = smaller_eigenvalue(*refined.normal) - prior < LEAST_TEXTURE * options.window**2 * share
    reasons[flat & (reasons == 0)] |= np.uint16(Reason.NO_TEXTURE)
    beyond = np.maximum(abs(refined.field.rows), abs(refined.field.cols)) > options.search_px + 1
    unsettled = (refined.last_step > UNSETTLED) | beyond
    reasons[unsettled & (reasons == 0)] |= np.uint16(Reason.NO_CONVERGENCE)
    return reasons


def _average(forward: Field, back: Field, difference: Field) -> Field:
    """Mean of both directions where they agree: half the noise of each is independent."""
    agree = np.hypot(*difference) < BACKWARD_WEIGHT_PX
    rows, cols = (np.where(agree, (f - b) / 2, f) for f, b in zip(forward, back, strict=True))
    return Field(rows.astype(np.float32), cols.astype(np.float32))


def _sigma(refined: Refined, share: Floats, window: int) -> Field:
    """Formal deviation of the least squares, times the calibrated factor."""
    rr, rc, cc = refined.normal
    determinant = np.maximum(rr * cc - rc * rc, np.float32(1e-9))
    variance = refined.residual / np.maximum(share * window**2, np.float32(1)) / determinant
    # Sums over windows without data may be a rounding error below zero.
    return Field(
        *(NOISE_CORRELATION * np.sqrt(np.maximum(variance * part, 0)) for part in (cc, rr))
    )


def _where(matched: NDArray[np.bool_], values: Floats) -> Floats:
    return np.where(matched, values, np.float32(np.nan)).astype(np.float32)
