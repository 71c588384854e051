"""Refinement of the sensor models of a block of images by tie points and ground control.

The bias of each model is estimated with a prior of its stated accuracy (Grodecki and Dial 2003,
https://doi.org/10.14358/PERS.69.1.59).  Tie points see little of it: of the four shifts of a pair
only the one across the epipolar direction, because heights absorb the one along it and nothing
shows a shift of both.  So the unknowns are split into directions, each a sum of them, by how well
the measurements determine each against its prior.  Directions that are determined are estimated;
all others keep their prior's mean, zero, and are reported with what they may do to the model.  No
image is held fixed: what is not determined is shared by the priors.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from scipy import stats

from core.geometry.bias import Correction, corrected
from core.geometry.block_report import (
    Direction,
    ImageResiduals,
    ModelSigma,
    PairResiduals,
    directions,
    image_residuals,
    model_sigma,
    pair_residuals,
)
from core.geometry.control import ControlPoint, ControlResidual, judged, measured
from core.geometry.normal import TERMS, Frame, Measured, Normal, frame, normal, shifted
from core.geometry.rpc import Flags, Floats, Rpc
from core.geometry.triangulation import intersect, misses

LEAST_GAIN = 5.0
"""How many times better than by its prior a direction must be known to be estimated."""

SYSTEMATIC_PX = 0.02
"""What tie points have in common (trembling of the satellite, one texture's errors), pixels: their
mean is not better than that, however many they are."""

ROUNDS = 12
"""Steps of Gauss-Newton and of the weights."""

SOFT_ROUNDS = 4
"""First rounds, in which outliers are weighed down and none is rejected."""

HUBER = 1.5
"""Residual, in standard deviations, from which on a point loses weight."""

REJECTED = 3.5
"""Residual, in standard deviations, from which on a point is rejected."""

LEAST_SCALE = 0.1
"""Least spread of the residuals in the points' own sigmas."""

LEAST_POINTS = 6
"""Tie points of a block, at least."""


@dataclass(frozen=True)
class Report:
    """What the adjustment did.

    Parameters
    ----------
    images, pairs, control
        Residuals before and after.
    points, rejected
        Tie points that were used, and those that were not.
    scale
        Spread of the residuals over that which the points' own sigmas predict.
    directions
        What the measurements do not determine, the worst first.
    model
        How wrong the surface model may be as a whole.
    """

    images: tuple[ImageResiduals, ...]
    pairs: tuple[PairResiduals, ...]
    control: tuple[ControlResidual, ...]
    points: int
    rejected: int
    scale: float
    directions: tuple[Direction, ...]
    model: ModelSigma


@dataclass(frozen=True, eq=False)
class Adjustment:
    """Refined models.

    Parameters
    ----------
    rpcs
        In the order of the given ones.
    corrections
        What was added to what those project.
    used
        (images, points): which measurements of tie points were believed.
    report
        Residuals, rejections, and what is not known.
    """

    rpcs: tuple[Rpc, ...]
    corrections: tuple[Correction, ...]
    used: Flags
    report: Report


class _Block(NamedTuple):
    """What does not change between rounds."""

    rpcs: Sequence[Rpc]
    tie: Measured
    control: Measured
    prior: Floats
    """(k,): standard deviations of the unknowns."""
    extent: Frame


class _State(NamedTuple):
    """What does."""

    z: Floats
    """(k,): the unknowns in standard deviations of their priors."""
    ground: Floats
    control_ground: Floats
    """(points, 3): longitude, latitude, height."""
    allowed: Flags
    keep: Flags
    """(images, points): measurements that may be used, and those that are."""
    scale: float


class _Solution(NamedTuple):
    z: Floats
    vectors: Floats
    """(k, k): directions in columns, in standard deviations of the priors."""
    variance: Floats
    """(k,): of each direction; 1 is the prior's."""
    held: Flags
    """(k,): directions that are not estimated."""


def adjust(
    rpcs: Sequence[Rpc],
    row: Floats,
    col: Floats,
    sigma: Floats,
    prior_px: Sequence[float],
    *,
    control: Sequence[ControlPoint] = (),
    affine_px: float = 0.0,
    names: Sequence[str] = (),
) -> Adjustment:
    """Refine sensor models.

    Parameters
    ----------
    rpcs
        Models of two images or more.
    row, col, sigma
        Tie points, (images, points), NaN where an image does not show one; sigma is the standard
        deviation of row and of col in pixels.
    prior_px
        Standard deviation of each model's bias in row and in col before, pixels; see
        :func:`core.geometry.bias.bias_sigma_m`.
    control
        Ground control.
    affine_px
        The same for what shear and stretch do at the edge of the points; 0 leaves them out.
    names
        Of the images, for the report; their numbers from 1 by default.
    """
    names = tuple(names) or tuple(str(number + 1) for number in range(len(rpcs)))
    tie, fixed = Measured(row, col, sigma), measured(control, len(rpcs))
    extent = frame(np.hstack([row, fixed.row]), np.hstack([col, fixed.col]))
    prior = np.array([[p, p, *[affine_px] * 4] for p in prior_px]).ravel()
    block = _Block(rpcs, tie, fixed, prior, extent)
    state = _begun(block)
    for number in range(ROUNDS):
        state, _, _ = _round(block, state, soft=number < SOFT_ROUNDS)
        if number == ROUNDS // 2:
            state = state._replace(allowed=_salvaged(block, state))
    state, solution, response = _round(block, state, soft=False)
    corrections = _corrections(solution.z, block)
    refined = tuple(corrected(*both) for both in zip(rpcs, corrections, strict=True))
    used = state.keep
    believed = Measured(np.where(used, row, np.nan), np.where(used, col, np.nan), sigma)
    chosen = used.any(axis=0)
    effect, places = response[chosen] * prior, state.ground[chosen]
    report = Report(
        image_residuals(names, (rpcs, refined), believed, corrections, _sigmas(solution, prior)),
        pair_residuals(names, (rpcs, refined), believed),
        tuple(judged(rpcs, refined, point) for point in control),
        int(chosen.sum()),
        int((np.isfinite(row).any(axis=0) & ~chosen).sum()),
        state.scale,
        directions(names, solution.vectors[:, solution.held], prior, effect, places),
        model_sigma(solution.vectors, solution.variance, effect, places),
    )
    return Adjustment(refined, corrections, used, report)


def _begun(block: _Block) -> _State:
    begin = intersect(block.rpcs, block.tie.row, block.tie.col)
    allowed = (block.tie.seen > 0) & begin.valid
    count = int(begin.valid.sum())
    if count < LEAST_POINTS:
        raise ValueError(f"{count} tie points are too few; {LEAST_POINTS} are the least")
    ground = np.stack([begin.lon, begin.lat, begin.height], axis=-1)
    # Points that are nowhere take no part; they only need a place where nothing is undefined.
    ground[~begin.valid] = ground[begin.valid][0]
    assert block.control.known is not None
    start = np.zeros(block.prior.size)
    return _State(start, ground, block.control.known, allowed, allowed, 1.0)


def _round(block: _Block, state: _State, *, soft: bool) -> tuple[_State, _Solution, Floats]:
    """Judge the residuals, solve, and move the points."""
    theta = state.z * block.prior
    place = state.ground, theta, block.extent
    free = normal(block.rpcs, block.tie, state.allowed.astype(np.float64), *place)
    freedom = np.maximum(2 * state.allowed.sum(axis=0) - 3, 1)
    size = np.sqrt(free.square / freedom)
    scale = _scale(size, freedom, state.keep.any(axis=0))
    keep = state.allowed & (soft | (size <= REJECTED * scale))
    weight = np.minimum(1, HUBER * scale / np.maximum(size, 1e-9))
    ties = normal(block.rpcs, block.tie, keep.astype(np.float64) * weight, *place)
    control, fixed = block.control, (state.control_ground, theta, block.extent)
    alone = normal(block.rpcs, control, control.seen, *fixed)
    trusted, pull = _trusted(alone, control)
    known = normal(block.rpcs, trusted, trusted.seen * pull, *fixed)
    # At first residuals are mostly what is to be estimated: as noise they would hide it.
    spread = min(scale, 1.0) if soft else scale
    solution = _solved(block, state.z, ties, known, _tempered(block.tie, keep, spread))
    change = (solution.z - state.z) * block.prior
    moved = _State(
        solution.z,
        shifted(state.ground, free.step + free.response @ change),
        shifted(state.control_ground, known.step + known.response @ change),
        state.allowed,
        keep,
        scale,
    )
    return moved, solution, free.response


def _solved(block: _Block, z: Floats, ties: Normal, control: Normal, tempered: float) -> _Solution:
    """The directions, and the estimate in those that are determined."""
    prior = block.prior
    matrix = prior[:, None] * (tempered * ties.matrix + control.matrix) * prior
    side = matrix @ z + prior * (tempered * ties.side + control.side)
    values, vectors = np.linalg.eigh(matrix)
    held = values < LEAST_GAIN**2
    along = np.where(held, 0.0, vectors.T @ side / (values + 1))
    return _Solution(vectors @ along, vectors, np.where(held, 1.0, 1 / (values + 1)), held)


def _tempered(tie: Measured, keep: Flags, scale: float) -> float:
    """Factor of all weights that keeps the mean of the points from being too well known."""
    inverse = float((keep / np.where(keep, tie.sigma, 1.0) ** 2).sum()) / scale**2
    return min(1.0, 1 / (SYSTEMATIC_PX**2 * max(inverse, 1e-9))) / scale**2


def _scale(size: Floats, freedom: Floats, used: Flags) -> float:
    """Spread of the residuals: their median over what normal errors of that freedom have."""
    expected = np.sqrt(stats.chi2.ppf(0.5, freedom[used]) / freedom[used])
    return float(max(np.median(size[used] / expected), LEAST_SCALE))


def _trusted(alone: Normal, control: Measured) -> tuple[Measured, Floats]:
    """Control whose places are less exact, and factors, where the others disagree with it.

    A blunder then has no more pull than any other point.
    """
    size = np.sqrt(alone.square / np.maximum(2 * control.seen.sum(axis=0), 1))
    scale = max(float(np.median(size)), 1.0) if size.size else 1.0
    pull = np.minimum(1, HUBER * scale / np.maximum(size, 1e-9))
    assert control.known_sigma_m is not None
    return replace(control, known_sigma_m=control.known_sigma_m / np.sqrt(pull)[:, None]), pull


def _salvaged(block: _Block, state: _State) -> Flags:
    """Measurements that may be used, without the one image that spoils a rejected point."""
    allowed = state.allowed.copy()
    lost = np.flatnonzero(~state.keep.any(axis=0) & (allowed.sum(axis=0) > 2))
    if lost.size == 0:
        return allowed
    rpcs = [corrected(*both) for both in zip(block.rpcs, _corrections(state.z, block), strict=True)]
    best = np.full(lost.size, REJECTED * state.scale)
    for without in range(len(rpcs)):
        seen = state.allowed[:, lost].copy()
        seen[without] = False
        row, col = (
            np.where(seen, part[:, lost], np.nan) for part in (block.tie.row, block.tie.col)
        )
        spot = intersect(rpcs, row, col)
        off = misses(rpcs, row, col, spot.lon, spot.lat, spot.height)
        square = np.nansum((off**2 / block.tie.sigma[:, lost, None] ** 2).sum(axis=-1), axis=0)
        size = np.sqrt(square / np.maximum(2 * seen.sum(axis=0) - 3, 1))
        better = spot.valid & state.allowed[without, lost] & (size < best)
        best[better] = size[better]
        allowed[:, lost[better]] = seen[:, better]
    return allowed


def _corrections(z: Floats, block: _Block) -> tuple[Correction, ...]:
    """The unknowns as corrections of the images."""
    theta = (z * block.prior).reshape(-1, TERMS)
    found = []
    for terms, middle, half in zip(theta, block.extent.middle, block.extent.half, strict=True):
        a, b, c, d, e, f = map(float, terms)
        place = (float(middle[0]), float(middle[1])), (float(half[0]), float(half[1]))
        found.append(Correction(a, b, c, d, e, f, *place))
    return tuple(found)


def _sigmas(solution: _Solution, prior: Floats) -> Floats:
    """Standard deviations of the corrections, (images, 6), pixels."""
    variance = (solution.vectors**2 * solution.variance).sum(axis=1)
    return (np.sqrt(variance) * prior).reshape(-1, TERMS)
