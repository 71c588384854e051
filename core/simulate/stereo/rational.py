"""Rational polynomials that survive the printed digits of every format that carries them.

RPC00B (STDI-0002, appendix E) prints whole lines, samples and metres, four decimals of a degree and
seven significant digits of a coefficient.  A model fitted here has exactly such numbers, so that a
GeoTIFF, a DIMAP, an RPB and a NITF hold the same model to the last bit.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from rasterio.rpc import RPC
from rasterio.transform import RPCTransformer

Points = NDArray[np.float64]
"""Coordinates of points, float64, any shape."""

DEGREE_DIGITS = 4
COEFFICIENT_DIGITS = 6
"""After the first one."""
SMALLEST_EXPONENT = -9
RIDGE = 1e-9
"""Weight of small coefficients against residuals: the denominators are poorly determined."""
GDAL_CORNER_PX = 0.5
"""rasterio counts from the corner of the first pixel, RPC00B from its centre."""


class Range(NamedTuple):
    """Middle and half width of a coordinate, as an RPC normalises it."""

    offset: float
    scale: float

    def normalise(self, values: Points) -> Points:
        """Values as -1 to 1 over the range."""
        return (values - self.offset) / self.scale


def printable_range(values: Points, digits: int) -> Range:
    """The range of values, widened to numbers with so many decimals."""
    low, high = float(values.min()), float(values.max())
    offset = round((low + high) / 2, digits)
    unit = 10.0**-digits
    scale = np.ceil(max(high - offset, offset - low) / unit) * unit
    return Range(offset, round(max(float(scale), unit), digits))


def printable_coefficient(value: float) -> float:
    """The nearest number that twelve characters of RPC00B hold, such as ``-1.234567E-4``."""
    printed = float(f"{value:.{COEFFICIENT_DIGITS}E}")
    if abs(printed) < 10.0**SMALLEST_EXPONENT:
        return 0.0
    return printed


def terms(lon: Points, lat: Points, height: Points) -> Points:
    """The twenty cubic terms of RPC00B of normalised coordinates, last axis."""
    x, y, h = lon, lat, height
    one = np.ones_like(x)
    columns = [one, x, y, h, x * y, x * h, y * h, x * x, y * y, h * h, x * y * h]
    columns += [x**3, x * y * y, x * h * h, x * x * y, y**3, y * h * h, x * x * h, y * y * h, h**3]
    return np.stack(columns, axis=-1)


class Fraction(NamedTuple):
    """Numerator and denominator, twenty coefficients each, the denominator's first is 1."""

    numerator: list[float]
    denominator: list[float]


def fit(columns: Points, values: Points) -> Fraction:
    """The fraction with printable coefficients that is nearest to normalised values.

    Three rounds of linear least squares, each weighted by the denominator of the one before.
    """
    weight = np.ones(values.shape)
    solution = np.zeros(39)
    for _ in range(3):
        design = np.hstack([columns, -values[:, None] * columns[:, 1:]]) * weight[:, None]
        normal = design.T @ design / len(values) + RIDGE * np.eye(39)
        solution = np.linalg.solve(normal, design.T @ (values * weight) / len(values))
        weight = 1.0 / (1.0 + columns[:, 1:] @ solution[20:])
    numerator = [printable_coefficient(value) for value in solution[:20]]
    denominator = [1.0] + [printable_coefficient(value) for value in solution[20:]]
    return Fraction(numerator, denominator)


class Correspondences(NamedTuple):
    """Points on the ground and where a camera sees them; rows and columns from pixel centres."""

    lon: Points
    lat: Points
    height: Points
    row: Points
    col: Points


class Accuracy(NamedTuple):
    """What a supplier says of the errors of its model, metres."""

    bias: float
    random: float


def fit_rpc(seen: Correspondences, accuracy: Accuracy) -> RPC:
    """The printable RPC nearest to a camera."""
    lon = printable_range(seen.lon, DEGREE_DIGITS)
    lat = printable_range(seen.lat, DEGREE_DIGITS)
    height = printable_range(seen.height, 0)
    row, col = printable_range(seen.row, 0), printable_range(seen.col, 0)
    columns = terms(lon.normalise(seen.lon), lat.normalise(seen.lat), height.normalise(seen.height))
    line = fit(columns, row.normalise(seen.row))
    sample = fit(columns, col.normalise(seen.col))
    return RPC(
        height_off=height.offset,
        height_scale=height.scale,
        lat_off=lat.offset,
        lat_scale=lat.scale,
        line_den_coeff=line.denominator,
        line_num_coeff=line.numerator,
        line_off=row.offset,
        line_scale=row.scale,
        long_off=lon.offset,
        long_scale=lon.scale,
        samp_den_coeff=sample.denominator,
        samp_num_coeff=sample.numerator,
        samp_off=col.offset,
        samp_scale=col.scale,
        err_bias=accuracy.bias,
        err_rand=accuracy.random,
    )


def moved(rpc: RPC, rows: float, cols: float) -> RPC:
    """The model under which every point is seen so many rows further down and columns right."""
    values = rpc.to_dict()
    values["line_off"] += rows
    values["samp_off"] += cols
    return RPC(**values)


def rescaled(rpc: RPC, scale_px: float) -> RPC:
    """The same model with another scale of rows and columns, as tools that cut images write it.

    A small scale makes an image that lies far from its strip's middle a large normalised number.
    """
    values = rpc.to_dict()
    for name in ("line", "samp"):
        factor = values[f"{name}_scale"] / scale_px
        values[f"{name}_num_coeff"] = [factor * value for value in values[f"{name}_num_coeff"]]
        values[f"{name}_scale"] = scale_px
    return RPC(**values)


class Direct(NamedTuple):
    """The way back, from the image to the ground, that a DIMAP carries beside the other."""

    lon: Fraction
    lat: Fraction


def fit_direct(rpc: RPC, seen: Correspondences) -> Direct:
    """Fractions of normalised (sample, line, height), in this order, in the ranges of `rpc`."""
    columns = terms(
        Range(rpc.samp_off, rpc.samp_scale).normalise(seen.col),
        Range(rpc.line_off, rpc.line_scale).normalise(seen.row),
        Range(rpc.height_off, rpc.height_scale).normalise(seen.height),
    )
    return Direct(
        fit(columns, Range(rpc.long_off, rpc.long_scale).normalise(seen.lon)),
        fit(columns, Range(rpc.lat_off, rpc.lat_scale).normalise(seen.lat)),
    )


class ImagePoints(NamedTuple):
    """Rows and columns; a whole number is the centre of a pixel."""

    row: Points
    col: Points


def project(rpc: RPC, lon: Points, lat: Points, height: Points) -> ImagePoints:
    """Where GDAL sees points on the ground, degrees and metres above the ellipsoid."""
    shape = np.broadcast_shapes(np.shape(lon), np.shape(lat), np.shape(height))
    ground = [np.ascontiguousarray(np.broadcast_to(v, shape)).ravel() for v in (lon, lat, height)]
    with RPCTransformer(rpc) as transformer:
        row, col = transformer.rowcol(*ground, op=_as_it_is)
    return ImagePoints(
        np.asarray(row, np.float64).reshape(shape) - GDAL_CORNER_PX,
        np.asarray(col, np.float64).reshape(shape) - GDAL_CORNER_PX,
    )


def _as_it_is(values: Points) -> Points:
    return values
