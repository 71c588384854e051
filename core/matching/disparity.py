"""Disparities made exact: a fraction of a pixel on surfaces, the right side at their edges.

Semi-global matching leaves two errors.  Its fractions are drawn to whole disparities, and pixels
beside a roof take the roof's disparity, because their census windows hold its edge.

* :func:`refined` minimises the squared difference of the images in small windows by Gauss-Newton
  steps along the rows (Lucas and Kanade 1981), with gain and offset of each window free.  Windows
  end where the surface does.  Neighbours enter with their own deviation from a plane fitted to
  the surface around each pixel, see :mod:`core.matching.refinement`; the same plane is the prior.
  Pixels count less the worse the images agree there: beside a roof what it hides in one image
  fits to nothing, nor does what the sensor mixed with its edge.
* :func:`core.matching.surfaces.sharpened` lets each pixel near a jump choose again among the
  surfaces around it.

Images are epipolar: ``(row, col)`` on the left is ``(row, col + disparity)`` on the right.
"""

import numpy as np
from numpy.typing import NDArray

from core.matching.arrays import Floats, Layer
from core.matching.radiometry import Radiometry, relation
from core.matching.speckle import speckles
from core.matching.steps import Refined, planes, step
from core.matching.surfaces import JUMP, LIKENESS, hidden, row_splines, sharpened, warped

WINDOW = 2
"""Half side of the matching window as users count it, pixels; its weights reach a pixel farther."""

LARGEST_WINDOW = 7

WIDTH = 0.75
"""Standard deviation of the window's weights, in half sides."""

OUTLIER = 4.0
"""Difference between the images, in units of noise, at which a pixel's weight is a quarter."""

LEAST_TRUST = 1e-3
"""Smallest weight: where nothing agrees all pixels count alike."""

PLANE_RADIUS = 4
"""Half side of the window of the plane."""

PLANE_LIKENESS = 8.0
"""Difference of brightness, in units of noise, at which a pixel's weight in it is halved."""

ROUGHNESS = 0.15
"""Standard deviation of a surface about its plane, pixels: the strength of the prior."""

LOOSE = 0.1
"""Share of the prior in all steps but the last."""

FIRST_STEPS = 1
"""Gauss-Newton steps before surfaces are chosen anew."""

STEPS = 2
"""Gauss-Newton steps after that."""

LEAST_PIECE = 30
"""Pixels of the smallest piece of surface that is kept after the choice."""


def finished(
    left: Layer,
    right: Layer,
    disparity: Floats,
    window: int = WINDOW,
    between: Radiometry | None = None,
) -> Refined:
    """Refine, choose again at the edges, refine.

    Parameters
    ----------
    left, right
        Images of the same shape.
    disparity
        Right to about half a pixel; NaN where there is no match.
    window
        Half side of the matching window, pixels, 1 to 7: larger ones are steadier, and blur.  The
        time grows with their area.
    between
        How the images' values relate; found out by default.  Parts of one image that are matched by
        themselves agree best if it is the same for all of them.

    Notes
    -----
    Pixels without a match may get one beside an edge, unless a higher surface hides their partner.
    """
    first = refined(left, right, disparity, window, FIRST_STEPS, between).disparity
    chosen = sharpened(left, right, first, between or radiometry(left, right, first))
    # A comparison with NaN is false: what got a match has changed.
    changed = ~(np.abs(chosen - first) < JUMP)
    chosen[changed & hidden(chosen)] = np.nan
    chosen[speckles(chosen, np.isfinite(chosen), LEAST_PIECE)] = np.nan
    return refined(left, right, chosen, window, between=between)


def radiometry(left: Layer, right: Layer, disparity: Floats) -> Radiometry:
    """How the values of matched images relate."""
    seen, _ = warped(row_splines(right), disparity)
    return relation(left.values, seen, disparity)


def refined(
    left: Layer,
    right: Layer,
    disparity: Floats,
    window: int = WINDOW,
    steps: int = STEPS,
    between: Radiometry | None = None,
) -> Refined:
    """Disparities to a small fraction of a pixel; parameters as for :func:`finished`."""
    if not 1 <= window <= LARGEST_WINDOW:
        raise ValueError(f"window {window} is not from 1 to {LARGEST_WINDOW}")
    coefficients = row_splines(right)
    unknown = np.full_like(disparity, np.nan)
    current = Refined(disparity.copy(), unknown, unknown.copy())
    for number in range(steps):
        seen, slopes = warped(coefficients, current.disparity)
        # Its noise is smaller after each step: what a wrong disparity adds is no noise.
        relates = between or relation(left.values, seen, current.disparity)
        noise = relates.noise
        trust = _trust(left.values, seen, relates)
        alike = 1 / (PLANE_LIKENESS * noise)
        plane = planes(current.disparity, left.values, trust, alike, PLANE_RADIUS)
        step(
            (left.values, seen, slopes),
            trust,
            plane,
            disparity,
            _weights(window + 1, WIDTH * window),
            1 / (LIKENESS * noise),
            _prior(noise, last=number == steps - 1),
            current,
        )
    # Windows of one pixel or of one value tell nothing.
    current.disparity[np.isnan(current.sigma)] = np.nan
    return current


def _prior(noise: float, *, last: bool) -> float:
    """How fast the plane holds a disparity, in units of texture."""
    # Two noisy images, over the number of pixels that the default window counts for: who asks for
    # a smaller one expects a rougher surface.
    pixels = 2 * np.pi * (WIDTH * WINDOW) ** 2
    prior = 2 * (noise / ROUGHNESS) ** 2 / pixels
    # The plane of an earlier step holds the errors of the one before: it may not hold them fast.
    return prior if last else prior * LOOSE


def _trust(left: Floats, seen: Floats, between: Radiometry) -> Floats:
    """Weights of all pixels by the difference of the images there (Geman and McClure 1987).

    They fall faster than the difference grows: edges are where slopes, too, are largest.
    """
    miss = (left - between.gain * seen - between.offset) / (OUTLIER * between.noise)
    weights: Floats = np.maximum(1 / (1 + miss * miss) ** 2, LEAST_TRUST).astype(np.float32)
    return weights


def _weights(radius: int, width: float) -> Floats:
    """Weights of a matching window: a Gaussian that is cut off."""
    away = np.arange(-radius, radius + 1) ** 2
    weights: NDArray[np.float64] = np.exp(-(away[:, None] + away[None, :]) / (2 * width**2))
    return weights.astype(np.float32)
