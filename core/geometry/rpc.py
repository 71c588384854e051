"""The rational polynomial camera (RPC): where a point on the ground appears in an image, and back.

Rows and columns are fractional and 0-based, whole numbers are the centres of pixels (RPC00B);
ground is longitude and latitude in degrees (WGS84) and height in metres above the ellipsoid.

Tao, C. V., Hu, Y., 2001. A comprehensive study of the rational function model for photogrammetric
processing. Photogrammetric Engineering & Remote Sensing 67(12), 1347-1357.
Grodecki, J., Dial, G., 2003. Block adjustment of high-resolution satellite images described by
rational polynomials. Photogrammetric Engineering & Remote Sensing 69(1), 59-68.
https://doi.org/10.14358/PERS.69.1.59
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from core.errors import BadRpc
from core.geometry.rational import derivatives_into, locate_into, project_into

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

TERMS = 20
"""Coefficients of a polynomial."""

PLANE_RANGE = 1.1
"""Largest normalised longitude and latitude at which a model is used.  RPC00B promises 1; the
domains that producers call valid reach 1.05."""

HEIGHT_RANGE = 1.5
"""Largest normalised height.  A line of sight is straight: the curves that models of Pleiades,
SPOT, WorldView, QuickBird and IKONOS locate bend by less than 0.009 px up to here, and no more than
between -1 and 1.  Producers take the range from a coarse relief without buildings."""

LEAST_HEIGHT_MARGIN = 150.0
"""Metres above and below the stated range of heights that are used in any case: on flat ground the
range may be narrower than towers are high."""


class ImagePoints(NamedTuple):
    """Points in an image; all of the shape that the arguments broadcast to."""

    row: Floats
    col: Floats
    inside: Flags
    """Whether the ground lies in the model's range; where not, row and col are NaN."""


class GroundPoints(NamedTuple):
    """Points on the ground, degrees; all of the shape that the arguments broadcast to."""

    lon: Floats
    lat: Floats
    inside: Flags
    """Whether the point was found, and in the model's range; where not, lon and lat are NaN."""


class Packed(NamedTuple):
    """A model as the compiled loops take it, see :mod:`core.geometry.rational`."""

    frame: Floats
    terms: Floats


@dataclass(frozen=True)
class Rpc:
    """A sensor model of four cubic polynomials, in the order of terms of RPC00B.

    Its range is told by longitude, latitude and height alone: normalised values of at most
    :data:`PLANE_RANGE` and :data:`HEIGHT_RANGE`.  Rows and columns tell nothing: in a crop whose
    offsets were changed, and its scales too, good pixels may have normalised rows of -36.

    Parameters
    ----------
    row_offset, col_offset, lat_offset, lon_offset, height_offset
        What normalised 0 stands for.
    row_scale, col_scale, lat_scale, lon_scale, height_scale
        What normalised 1 is away from it.  Some producers give negative ones.
    row_numerator, row_denominator, col_numerator, col_denominator
        20 coefficients each.
    error_bias_m, error_random_m
        Accuracy on the ground as the producer states it, metres; None where not stated.
    """

    row_offset: float
    col_offset: float
    lat_offset: float
    lon_offset: float
    height_offset: float
    row_scale: float
    col_scale: float
    lat_scale: float
    lon_scale: float
    height_scale: float
    row_numerator: tuple[float, ...]
    row_denominator: tuple[float, ...]
    col_numerator: tuple[float, ...]
    col_denominator: tuple[float, ...]
    error_bias_m: float | None = None
    error_random_m: float | None = None

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            numbers = value if isinstance(value, tuple) else (value,)
            if isinstance(value, tuple) and len(value) != TERMS:
                raise BadRpc(
                    f"The RPC has {len(value)} coefficients in {field.name}; it must have {TERMS}.",
                    value=len(value),
                    allowed=f"{TERMS} coefficients",
                )
            if not all(number is None or math.isfinite(number) for number in numbers):
                raise BadRpc(
                    f"The RPC's {field.name} is not a finite number.",
                    value=value,
                    allowed="finite numbers",
                )
            if value == 0 and field.name.endswith("_scale"):
                raise BadRpc(
                    f"The RPC's {field.name} is 0.", value=value, allowed="any other number"
                )

    @cached_property
    def packed(self) -> Packed:
        """The model as arrays for the compiled loops; not to be written to."""
        height_range = max(HEIGHT_RANGE, 1 + LEAST_HEIGHT_MARGIN / abs(self.height_scale))
        frame = [
            (self.lon_offset, self.lon_scale, PLANE_RANGE),
            (self.lat_offset, self.lat_scale, PLANE_RANGE),
            (self.height_offset, self.height_scale, height_range),
            (self.row_offset, self.row_scale, math.inf),
            (self.col_offset, self.col_scale, math.inf),
        ]
        terms = [
            self.row_numerator,
            self.row_denominator,
            self.col_numerator,
            self.col_denominator,
        ]
        return Packed(np.array(frame, np.float64), np.array(terms, np.float64))

    def project(self, lon: ArrayLike, lat: ArrayLike, height: ArrayLike) -> ImagePoints:
        """Where points on the ground appear in the image.

        Parameters
        ----------
        lon, lat
            Degrees; longitudes may differ by whole turns.
        height
            Metres above the ellipsoid.  The three are broadcast.
        """
        return ImagePoints(*self._places(project_into, lon, lat, height))

    def locate(self, row: ArrayLike, col: ArrayLike, height: ArrayLike) -> GroundPoints:
        """Where pixels lie on the ground if the ground has this height: the inverse of `project`.

        Exact to 1e-6 px by Newton's method, which starts from the middle of the model's range.

        Parameters
        ----------
        row, col
            Pixels, fractional.
        height
            Metres above the ellipsoid.  The three are broadcast.
        """
        return GroundPoints(*self._places(locate_into, row, col, height))

    def _places(
        self, into: Callable[..., None], *places: ArrayLike
    ) -> tuple[Floats, Floats, Flags]:
        """Two coordinates and whether they are known, of the shape that places broadcast to."""
        flat, shape = flattened(*places)
        first, second = np.empty_like(flat[0]), np.empty_like(flat[0])
        inside = np.empty(flat[0].shape, np.bool_)
        into(*self.packed, *flat, first, second, inside)
        return first.reshape(shape), second.reshape(shape), inside.reshape(shape)

    def derivatives(self, lon: ArrayLike, lat: ArrayLike, height: ArrayLike) -> Floats:
        """How points move in the image when they move on the ground.

        Returns
        -------
        Floats
            Shape (..., 2, 3): derivatives of row and col (pixels) by lon and lat (degrees) and
            height (metres); NaN outside the model's range.
        """
        (lon, lat, height), shape = flattened(lon, lat, height)
        out = np.empty((lon.size, 2, 3))
        derivatives_into(*self.packed, lon, lat, height, out)
        return out.reshape(*shape, 2, 3)

    def moved(self, rows: float, cols: float) -> "Rpc":
        """The model of an image in which everything appears `rows` lower and `cols` further right.

        A crop that starts at pixel (row, col) is ``moved(-row, -col)``; a bias of the pointing of
        (row, col) pixels is added by ``moved(row, col)``.
        """
        return replace(self, row_offset=self.row_offset + rows, col_offset=self.col_offset + cols)

    def reduced(self, factor: float) -> "Rpc":
        """The model of the image with pixels `factor` times as long, the upper-left corner kept."""
        return replace(
            self,
            # Corners of pixels scale, and a corner lies half a pixel before the centre.
            row_offset=(self.row_offset + 0.5) / factor - 0.5,
            col_offset=(self.col_offset + 0.5) / factor - 0.5,
            row_scale=self.row_scale / factor,
            col_scale=self.col_scale / factor,
        )


def transferred(
    reference: Rpc, secondary: Rpc, row: ArrayLike, col: ArrayLike, height: ArrayLike
) -> ImagePoints:
    """Where pixels of one image appear in another if the ground has this height."""
    ground = reference.locate(row, col, height)
    return secondary.project(ground.lon, ground.lat, height)


def flattened(*values: ArrayLike) -> tuple[list[Floats], tuple[int, ...]]:
    """Values broadcast to one shape, as flat float64 arrays of their own, and that shape."""
    arrays = np.broadcast_arrays(*(np.asarray(value, np.float64) for value in values))
    # Copies: compiled loops have one signature, and what was broadcast may not be written to.
    return [array.flatten() for array in arrays], arrays[0].shape
