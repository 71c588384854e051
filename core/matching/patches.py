"""Sub-pixel places of small patches in epipolar bands, by least squares.

Gruen, A., 1985. Adaptive least squares correlation: a powerful image matching technique. South
African Journal of Photogrammetry, Remote Sensing and Cartography 14(3), 175-187.

A patch of level or sloping ground has a plane of disparities along the epipolar direction and one
shift across it, so four numbers are estimated; gain and offset drop out by normalisation.  With a
shift alone a slope would leak into the shift across, which is what tie points are for.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from core.matching.arrays import Layer
from core.matching.bands import Bands, Found, Prepared
from core.matching.interpolation import Places

RADIUS = 8
"""Half side of the patch, pixels."""

STEPS = 8
"""Gauss-Newton steps."""

FARTHEST = 3.0
"""Pixels that a patch may move from where the search found it."""

SETTLED = 0.02
"""Length of the last step, pixels, from which on a patch has not settled."""

LEAST_SHARE = 0.9
"""Share of the patch that must hold data in both images."""

STEEPEST = 0.6
"""Disparity per pixel of the patch; steeper ground is no plane in a window."""

NOISE_CORRELATION = 1.5
"""Factor from the formal to the true deviation: neighbouring differences are not independent."""

LEAST_SIGMA = 0.02
"""Standard deviation below which no place is believed, pixels: the error of interpolation."""


class Placed(NamedTuple):
    """Patches found, (points,)."""

    u: Places
    v: Places
    """Pixels of the reference along and across the band."""
    sigma: Places
    """Standard deviation of the place, root mean square of both directions, pixels."""
    score: Places
    """Correlation of the patches; 0 where none was found."""


def placed(reference: Prepared, secondary: Prepared, lines: Bands, start: Found) -> Placed:
    """Places of patches to a small part of a pixel, from places that are right to about one."""
    x, y, weight = _patch(lines.reach.size)
    template = reference.levels[0].at(*lines.here(x, y))
    known = _inner(template.weights)
    flat = _normal(_inner(template.values), known)
    own = _slopes(template, flat.deviation)
    # Along: shift, by x, by y; across: shift.
    state = np.zeros((lines.reach.size, 4))
    state[:, 0], state[:, 3] = start.u, start.v
    step = np.zeros_like(state)
    for _ in range(STEPS):
        seen = secondary.levels[0].at(*lines.there(*_moved(x, y, state)))
        both = known * _inner(seen.weights) * weight
        other = _normal(_inner(seen.values), both)
        first = _normal(_inner(template.values), both)
        slope = [(a + b) / 2 for a, b in zip(own, _slopes(seen, other.deviation), strict=True)]
        inner_x, inner_y = _inner(x), _inner(y)
        design = np.stack([slope[0], slope[0] * inner_x, slope[0] * inner_y, slope[1]], axis=-1)
        design -= (design * both[..., None]).sum((1, 2), keepdims=True) / np.maximum(
            both.sum((1, 2))[:, None, None, None], 1
        )
        miss = first.values - other.values
        normal = np.einsum("pijk,pijl,pij->pkl", design, design, both)
        side = np.einsum("pijk,pij,pij->pk", design, miss, both)
        step = np.linalg.solve(normal + 1e-6 * np.eye(4), side[..., None])[..., 0]
        step = np.clip(step, -1, 1)
        state = state + step
        state[:, 1:3] = np.clip(state[:, 1:3], -STEEPEST, STEEPEST)
    return _judged(state, step, start, first, other, both, normal)


class _Normal(NamedTuple):
    values: Places
    deviation: Places


def _patch(count: int) -> tuple[Places, Places, Places]:
    """Offsets of a patch with a rim of a pixel for its slopes, and weights within the rim."""
    place = np.arange(-RADIUS - 1, RADIUS + 2, dtype=np.float64)
    shape = (count, place.size, place.size)
    x, y = np.broadcast_to(place, shape), np.broadcast_to(place[:, None], shape)
    inner = place[1:-1]
    weight = np.exp(-(inner[:, None] ** 2 + inner[None, :] ** 2) / (2 * (0.6 * RADIUS) ** 2))
    return x, y, weight[None]


def _moved(x: Places, y: Places, state: Places) -> tuple[Places, Places]:
    shift, by_x, by_y, across = (part[:, None, None] for part in state.T)
    return x + shift + by_x * x + by_y * y, y + across


def _inner(values: NDArray[np.float32] | Places) -> Places:
    return values[:, 1:-1, 1:-1].astype(np.float64)


def _normal(values: Places, weights: Places) -> _Normal:
    """Values less their weighted mean, over their weighted deviation."""
    total = np.maximum(weights.sum((1, 2), keepdims=True), 1e-9)
    centred = values - (values * weights).sum((1, 2), keepdims=True) / total
    variance = (centred**2 * weights).sum((1, 2), keepdims=True) / total
    deviation = np.sqrt(np.maximum(variance, 1e-6))
    return _Normal(centred / deviation, deviation)


def _slopes(seen: Layer, deviation: Places) -> tuple[Places, Places]:
    """Central differences along x and y, normalised."""
    values = seen.values.astype(np.float64)
    return (
        (values[:, 1:-1, 2:] - values[:, 1:-1, :-2]) / (2 * deviation),
        (values[:, 2:, 1:-1] - values[:, :-2, 1:-1]) / (2 * deviation),
    )


def _judged(
    state: Places,
    step: Places,
    start: Found,
    first: _Normal,
    other: _Normal,
    weights: Places,
    normal: Places,
) -> Placed:
    total = np.maximum(weights.sum((1, 2)), 1e-9)
    score = (first.values * other.values * weights).sum((1, 2)) / total
    # Two equal images with independent noise: their difference has the variance 2 (1 - score).
    noise = np.maximum(2 * (1 - score), 0)
    covariance = np.linalg.inv(normal + 1e-6 * np.eye(4))
    variance = noise * (covariance[:, 0, 0] + covariance[:, 3, 3]) / 2
    sigma = np.maximum(NOISE_CORRELATION * np.sqrt(variance), LEAST_SIGMA)
    settled = np.hypot(step[:, 0], step[:, 3]) < SETTLED
    near = np.hypot(state[:, 0] - start.u, state[:, 3] - start.v) < FARTHEST
    fine = settled & near & (np.abs(state[:, 1:3]).max(axis=1) < STEEPEST)
    full = _patch(1)[2].sum() * LEAST_SHARE
    score = np.where(fine & (weights.sum((1, 2)) >= full), score, 0.0)
    return Placed(state[:, 0], state[:, 3], sigma, score)
