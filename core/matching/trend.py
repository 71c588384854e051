"""Robust constant and plane of a displacement component: what co-registration and deramp remove."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.float64]
"""Float64 [sample]."""

TUKEY = 4.685
"""Tuning constant of the bisquare: 95 % efficient on normal errors."""

ITERATIONS = 20
SETTLED = 1e-5
"""Change of the plane, in robust deviations, at which it is done."""


class Plane(NamedTuple):
    """``constant + x_slope * x + y_slope * y`` in the units of the samples."""

    constant: float
    x_slope: float
    y_slope: float

    def at(self, x: Numbers, y: Numbers) -> Numbers:
        """Values at positions."""
        return self.constant + self.x_slope * x + self.y_slope * y


def robust_plane(x: Numbers, y: Numbers, values: Numbers) -> Plane:
    """Plane through samples by iteratively reweighted least squares with Tukey's bisquare.

    Parameters
    ----------
    x, y
        Positions, centred and of the order of 1.
    values
        Samples; at least three, not on a line.

    References
    ----------
    Holland, P. W., Welsch, R. E., 1977. Robust regression using iteratively reweighted least
    squares. Communications in Statistics 6(9), 813-827. https://doi.org/10.1080/03610927708827533
    """
    design = np.column_stack([np.ones_like(x), x, y])
    plane = np.array([np.median(values), 0.0, 0.0])
    for _ in range(ITERATIONS):
        residual = values - design @ plane
        spread = max(1.4826 * float(np.median(np.abs(residual - np.median(residual)))), 1e-12)
        weight = np.clip(1 - (residual / (TUKEY * spread)) ** 2, 0, None) ** 2
        weighted = design * weight[:, None]
        update = np.linalg.lstsq(weighted.T @ design, weighted.T @ values, rcond=None)[0]
        change = float(np.abs(update - plane).max())
        plane = update
        if change < SETTLED * spread:
            break
    return Plane(*(float(term) for term in plane))
