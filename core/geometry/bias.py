"""Errors of sensor models: how large they may be, and models without them.

An error of the pointing moves an image's content by a few pixels, an error of the attitude's rate
or of the focal length shears or stretches it by less.  Both are added to what the model projects
(Grodecki and Dial 2003, https://doi.org/10.14358/PERS.69.1.59).
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

import numpy as np

from core.geometry.rpc import Floats, Rpc

CIRCULAR_90 = 2.146
"""Radius that holds nine of ten points, in standard deviations of one axis."""

ACCURACY_M: Mapping[str, float] = MappingProxyType(
    {
        "PLEIADESNEO": 5.0,
        "PNEO": 5.0,
        "PLEIADES": 8.5,
        "PHR": 8.5,
        "SPOT": 10.0,
        "WORLDVIEW": 5.0,
        "WV": 5.0,
        "GE": 5.0,
        "QUICKBIRD": 23.0,
        "QB": 23.0,
        "IK": 15.0,
    }
)
"""Circular errors, 90 %, metres, of images without ground control as their producers specify them,
by the beginning of the sensor's name, without spaces and hyphens; the longer one comes first."""

UNKNOWN_M = 15.0
"""The same for any other sensor."""

LEAST_SIGMA_M = 0.2
"""Least standard deviation of a bias: statements of 0 mean "not stated"."""


@dataclass(frozen=True)
class Correction:
    """What is added to the rows and columns that a model projects.

    Parameters
    ----------
    row, col
        Pixels in the middle.
    row_by_row, row_by_col, col_by_row, col_by_col
        Change from the middle to the edge, pixels.
    middle, half
        Row and column of the middle, and the distance from there to the edge.
    """

    row: float = 0.0
    col: float = 0.0
    row_by_row: float = 0.0
    row_by_col: float = 0.0
    col_by_row: float = 0.0
    col_by_col: float = 0.0
    middle: tuple[float, float] = (0.0, 0.0)
    half: tuple[float, float] = (1.0, 1.0)

    @property
    def largest(self) -> float:
        """What the terms beside the shift add at the edges, pixels, at most."""
        return max(
            abs(self.row_by_row) + abs(self.row_by_col),
            abs(self.col_by_row) + abs(self.col_by_col),
        )


def bias_sigma_m(rpc: Rpc, sensor: str = "") -> float:
    """Standard deviation per axis on the ground of a model's bias, before anything was measured.

    Parameters
    ----------
    rpc
        What its producer states counts (RPC00B's ERR_BIAS is a root mean square per axis).
    sensor
        Name of the sensor, for :data:`ACCURACY_M` where nothing is stated.
    """
    if rpc.error_bias_m:
        return max(rpc.error_bias_m, LEAST_SIGMA_M)
    name = sensor.upper().replace("-", "").replace(" ", "")
    for beginning, circular in ACCURACY_M.items():
        if name.startswith(beginning):
            return circular / CIRCULAR_90
    return UNKNOWN_M / CIRCULAR_90


def corrected(rpc: Rpc, correction: Correction) -> Rpc:
    """A model that projects where `rpc` and the correction do.

    A shift is exact.  The other terms are fitted by what is linear on the ground over the
    correction's rows and columns and the model's heights: exact to a thousandth of them.
    """
    moved = rpc.moved(correction.row, correction.col)
    if correction.largest == 0:
        return moved
    by_row, by_col = _linear(rpc, correction)
    return replace(
        moved,
        row_numerator=_with(rpc.row_numerator, by_row),
        col_numerator=_with(rpc.col_numerator, by_col),
    )


def _linear(rpc: Rpc, correction: Correction) -> tuple[Floats, Floats]:
    """What the terms beside the shift add to the first four coefficients of both numerators."""
    rows, cols, levels = np.meshgrid(
        correction.middle[0] + correction.half[0] * np.linspace(-1, 1, 7),
        correction.middle[1] + correction.half[1] * np.linspace(-1, 1, 7),
        rpc.height_offset + rpc.height_scale * np.linspace(-1, 1, 5),
        indexing="ij",
    )
    ground = rpc.locate(rows, cols, levels)
    seen = ground.inside
    y = (rows[seen] - correction.middle[0]) / correction.half[0]
    x = (cols[seen] - correction.middle[1]) / correction.half[1]
    turned = (ground.lon[seen] - rpc.lon_offset + 180) % 360 - 180
    place = np.stack(
        [
            np.ones_like(y),
            turned / rpc.lon_scale,
            (ground.lat[seen] - rpc.lat_offset) / rpc.lat_scale,
            (levels[seen] - rpc.height_offset) / rpc.height_scale,
        ],
        axis=-1,
    )
    by_row = correction.row_by_row * y + correction.row_by_col * x
    by_col = correction.col_by_row * y + correction.col_by_col * x
    return (
        _fitted(place, by_row / rpc.row_scale, rpc.row_denominator),
        _fitted(place, by_col / rpc.col_scale, rpc.col_denominator),
    )


def _fitted(place: Floats, values: Floats, denominator: tuple[float, ...]) -> Floats:
    # Denominators stray from 1 by what is not linear: a ten-thousandth.
    below = place @ np.array(denominator[:4])
    found: Floats = np.linalg.lstsq(place, values * below, rcond=None)[0]
    return found


def _with(numerator: tuple[float, ...], linear: Floats) -> tuple[float, ...]:
    """Coefficients with something added to the constant and the linear ones."""
    first = (float(a + b) for a, b in zip(numerator[:4], linear, strict=True))
    return (*first, *numerator[4:])
