"""Points on the ground where lines of sight from several images meet.

Gauss-Newton on the differences between measured and projected pixels, in metres east, north and up:
the estimate of least variance for equal noise in all images (Grodecki and Dial 2003,
https://doi.org/10.14358/PERS.69.1.59).
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from core.geometry.rational import intersect_into
from core.geometry.rpc import Flags, Floats, Rpc


class Intersections(NamedTuple):
    """Points on the ground; all of the shape of one image's rows, NaN where not `valid`."""

    lon: Floats
    lat: Floats
    """Degrees."""
    height: Floats
    """Metres above the ellipsoid."""
    error: Floats
    """Intersection error, metres, unsigned.

    For two images the distance of the two lines of sight where they come closest.  For n images
    ``sqrt(2 sum(w d^2) / ((2 n - 3) w_mean))`` with `d` the distances of the point from the lines
    and `w_mean` the harmonic mean of the weights: it has the same expectation for any number of
    images, the square root of 2 times the noise of a coordinate on the ground.  It sees errors
    across the epipolar direction; what lies along it goes into the height, unseen.
    """
    height_sigma: Floats
    """Standard deviation of the height, metres, for noise of variance ``1 / weight`` px^2 in each
    row and column: multiply by the standard deviation of matches in pixels if weights are 1."""
    valid: Flags
    """Whether two images at least see the point on lines that are not parallel, and the point lies
    in the range of all of them."""


def intersect(
    rpcs: Sequence[Rpc],
    rows: ArrayLike,
    cols: ArrayLike,
    weights: ArrayLike | None = None,
    start: ArrayLike | None = None,
) -> Intersections:
    """Intersect the lines of sight of matched pixels.

    Parameters
    ----------
    rpcs
        Sensor models of n images, two at least.
    rows, cols
        Matched pixels, (n, ...), fractional; NaN where an image has no match.
    weights
        Broadcast to the shape of `rows`: inverse variances of the pixels' coordinates, px^-2; 0
        leaves a match out.  One by default.
    start
        Height to start from, metres, broadcast to the shape of one image's rows; by default, and
        where NaN, the middle of the first model's range.  The result does not depend on it.
    """
    rows, cols = np.asarray(rows, np.float64), np.asarray(cols, np.float64)
    if not len(rpcs) == len(rows) == len(cols) or rows.shape != cols.shape or len(rpcs) < 2:
        raise ValueError(
            f"{len(rpcs)} models do not fit rows of shape {rows.shape} and cols of {cols.shape}"
        )
    images, shape = len(rpcs), rows.shape[1:]
    count = math.prod(shape)
    given = np.broadcast_to(1.0 if weights is None else np.asarray(weights, np.float64), rows.shape)
    matched = np.isfinite(rows) & np.isfinite(cols) & np.isfinite(given)
    middle = rpcs[0].height_offset
    begin = np.broadcast_to(middle if start is None else np.asarray(start, np.float64), shape)
    out, valid = np.empty((count, 5)), np.empty(count, np.bool_)
    intersect_into(
        np.stack([rpc.packed.frame for rpc in rpcs]),
        np.stack([rpc.packed.terms for rpc in rpcs]),
        _by_point(rows, images),
        _by_point(cols, images),
        _by_point(np.where(matched, given, 0.0), images),
        np.where(np.isfinite(begin), begin, middle).ravel(),
        out,
        valid,
    )
    lon, lat, height, error, height_sigma = np.ascontiguousarray(out.T).reshape(5, *shape)
    return Intersections(lon, lat, height, error, height_sigma, valid.reshape(shape))


def misses(
    rpcs: Sequence[Rpc],
    rows: Floats,
    cols: Floats,
    lon: ArrayLike,
    lat: ArrayLike,
    height: ArrayLike,
) -> Floats:
    """Measured less projected (row, col), (n, ..., 2), pixels; NaN where one of them is."""
    seen = [rpc.project(lon, lat, height) for rpc in rpcs]
    return np.stack(
        [
            rows - np.stack([image.row for image in seen]),
            cols - np.stack([image.col for image in seen]),
        ],
        axis=-1,
    )


def _by_point(values: Floats, images: int) -> Floats:
    """Values (images, ...) as (points, images), contiguous."""
    return np.ascontiguousarray(values.reshape(images, -1).T)
