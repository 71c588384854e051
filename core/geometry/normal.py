"""The normal equations of a block of images, the points on the ground eliminated.

Unknown are corrections of every image, six each (see :class:`core.geometry.bias.Correction`), and
three coordinates of every point.  Each point is a block of its own, so it is solved for and drops
out (Triggs et al. 2000, https://doi.org/10.1007/3-540-44480-7_21, section 6.1).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from core.geometry.rational import metres_per_degree
from core.geometry.rpc import Floats, Rpc
from core.geometry.triangulation import misses
from core.geometry.viewing import metric_slopes

TERMS = 6
"""Row and col in the middle, row by row, row by col, col by row, col by col."""


@dataclass(frozen=True, eq=False)
class Measured:
    """Points measured in images.

    Parameters
    ----------
    row, col
        (images, points), pixels, NaN where not measured.
    sigma
        The same shape: standard deviation of row and of col.
    known
        (points, 3): longitude, latitude, height; None for tie points.
    known_sigma_m
        (points, 3): standard deviations east, north, up.
    """

    row: Floats
    col: Floats
    sigma: Floats
    known: Floats | None = None
    known_sigma_m: Floats | None = None

    @property
    def seen(self) -> Floats:
        """1 where measured, else 0; (images, points)."""
        return (np.isfinite(self.row) & np.isfinite(self.col)).astype(np.float64)


@dataclass(frozen=True)
class Frame:
    """Middle and half size of the part of each image that holds points: (images, 2)."""

    middle: Floats
    half: Floats

    def basis(self, row: Floats, col: Floats) -> Floats:
        """1, row and col from the middle, -1 to 1: (images, points, 3); 0 where not measured."""
        place = np.stack([row, col], axis=-1)
        plane = (place - self.middle[:, None]) / self.half[:, None]
        full = np.concatenate([np.ones((*row.shape, 1)), plane], axis=-1)
        return np.where(np.isfinite(full).all(axis=-1, keepdims=True), full, 0.0)


def frame(row: Floats, col: Floats) -> Frame:
    """The frame of points (images, points), one at least in each image."""
    place = np.stack([row, col], axis=-1)
    low, high = np.nanmin(place, axis=1), np.nanmax(place, axis=1)
    return Frame((low + high) / 2, np.maximum((high - low) / 2, 1.0))


class Normal(NamedTuple):
    """What a set of points adds, for k = 6 times the number of images unknowns."""

    matrix: Floats
    """(k, k)."""
    side: Floats
    """(k,)."""
    square: Floats
    """(points,): what is left once the points have moved, squared, weighted and summed."""
    step: Floats
    """(points, 3): what the points move east, north, up, if the corrections stay, metres."""
    response: Floats
    """(points, 3, k): what the points move for a unit of each unknown, metres."""


def normal(
    rpcs: Sequence[Rpc],
    measured: Measured,
    weights: Floats,
    ground: Floats,
    corrections: Floats,
    extent: Frame,
) -> Normal:
    """Linearise at points on the ground and at corrections.

    Parameters
    ----------
    weights
        (images, points): factors of the inverse variances.
    ground
        (points, 3): longitude, latitude, height.
    corrections
        (k,): six of each image, pixels.
    """
    effect = _effects(extent.basis(measured.row, measured.col))
    added = effect @ corrections
    inverse, left, design = _linearised(rpcs, measured, weights, ground, added)
    trust, away = _held(measured, ground)
    own = np.einsum("ip,ipax,ipay->pxy", inverse, design, design)
    pull = np.einsum("ip,ipax,ipa->px", inverse, design, left) + trust * away
    # Points seen by nothing stay where they are.
    own[:, range(3), range(3)] += trust + 1e-9
    cross = np.einsum("ip,ipax,ipak->pxk", inverse, design, effect)
    back = np.linalg.inv(own)
    response = -back @ cross
    flat = (effect * np.sqrt(inverse)[..., None, None]).reshape(-1, effect.shape[-1])
    matrix = flat.T @ flat
    matrix += np.einsum("pxk,pxl->kl", cross, response)
    step = np.einsum("pxy,py->px", back, pull)
    side = np.einsum("ip,ipak,ipa->k", inverse, effect, left)
    side -= np.einsum("pxk,px->k", cross, step)
    rest = left - np.einsum("ipax,px->ipa", design, step)
    square = np.einsum("ip,ipa->p", inverse, rest**2) + (trust * (away - step) ** 2).sum(axis=1)
    return Normal((matrix + matrix.T) / 2, side, square, step, response)


def _linearised(
    rpcs: Sequence[Rpc],
    measured: Measured,
    weights: Floats,
    ground: Floats,
    added: Floats,
) -> tuple[Floats, Floats, Floats]:
    """Inverse variances (images, points), misses (..., 2) and slopes (..., 2, 3); 0 if unknown.

    `added` (images, points, 2) is what the corrections add to the projected places.
    """
    slopes = np.stack([metric_slopes(rpc, *ground.T) for rpc in rpcs])
    left = misses(rpcs, measured.row, measured.col, *ground.T) - added
    fine = np.isfinite(left).all(axis=-1) & np.isfinite(slopes).all(axis=(-1, -2))
    inverse = np.where(fine, weights / measured.sigma**2, 0.0)
    return (
        np.where(np.isfinite(inverse), inverse, 0.0),
        np.where(fine[..., None], left, 0.0),
        np.where(fine[..., None, None], slopes, 0.0),
    )


def _held(measured: Measured, ground: Floats) -> tuple[Floats, Floats]:
    """Weights of the known places, and how far the points are from them; (points, 3), metres."""
    if measured.known is None or measured.known_sigma_m is None:
        return np.zeros_like(ground), np.zeros_like(ground)
    lon, lat = _metres(ground)
    scale = np.stack([lon, lat, np.ones_like(lon)], axis=-1)
    return 1 / measured.known_sigma_m**2, (measured.known - ground) * scale


def shifted(ground: Floats, step: Floats) -> Floats:
    """Points (lon, lat, height) moved by metres east, north, up."""
    lon, lat = _metres(ground)
    return ground + step / np.stack([lon, lat, np.ones_like(lon)], axis=-1)


def _metres(ground: Floats) -> tuple[Floats, Floats]:
    lat, height = (np.ascontiguousarray(ground[:, k]) for k in (1, 2))
    return metres_per_degree(lat, height)


def _effects(basis: Floats) -> Floats:
    """What each unknown adds to row and col: (images, points, 2, k)."""
    images, count, _ = basis.shape
    effect = np.zeros((images, count, 2, images, TERMS))
    for i in range(images):
        effect[i, :, 0, i, [0, 2, 3]] = basis[i].T
        effect[i, :, 1, i, [1, 4, 5]] = basis[i].T
    return effect.reshape(images, count, 2, images * TERMS)
