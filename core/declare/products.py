"""What an output is: the meaning, unit, sign and format of what a service makes."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import nan
from typing import Any, ClassVar

GEOTIFF = "image/tiff; application=geotiff; profile=cloud-optimized"


@dataclass(frozen=True)
class RasterProduct:
    """A raster of one band, written as a cloud-optimised GeoTIFF.

    Parameters
    ----------
    unit
        UCUM code, ``1`` for a pure number; "" for classes and bits.
    sign
        What a positive value means; "" where there is no sign.
    dtype, nodata
        Of the pixels.
    low, high
        Range of the colours of pictures; both None: taken from the data.
    colours
        Name of the colour map of pictures.
    step
        Values are rounded to multiples of this; None: the writer is told per file, or not at all.
    """

    unit: str
    sign: str = ""
    dtype: str = "float32"
    nodata: float = nan
    low: float | None = None
    high: float | None = None
    colours: str = "grey"
    step: float | None = None

    media_type: ClassVar[str] = GEOTIFF
    extension: ClassVar[str] = "tif"


@dataclass(frozen=True)
class VectorProduct:
    """Points, lines or polygons, written as a GeoPackage."""

    geometry: str

    media_type: ClassVar[str] = "application/geopackage+sqlite3"
    extension: ClassVar[str] = "gpkg"


@dataclass(frozen=True)
class FileProduct:
    """A file of any other format."""

    media_type: str
    extension: str


@dataclass(frozen=True)
class ValueProduct:
    """A value that stands in the answer itself.

    Parameters
    ----------
    schema
        JSON schema; None: that of the output's type.
    """

    schema: Mapping[str, Any] | None = None


Product = RasterProduct | VectorProduct | FileProduct | ValueProduct
