"""One image as all services see it: a band on its grid, its date, and how no data is marked."""

import datetime as dt
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from core.grid import Grid
from core.io.checksum import checksum

Validity = Literal["tag", "mask", "alpha", "zeros", "nan", "none"]
"""How pixels without a value are marked: a nodata value, the dataset's mask, an alpha band, zeros
(Sentinel-2), NaN, or not at all.  NaN and infinity never count as values."""


@dataclass(frozen=True)
class CloudLayer:
    """The cloud mask that came with a product.

    Parameters
    ----------
    kind
        ``scl`` (scene classification of L2A: classes 8 and 9), ``classi`` (L1C since baseline
        04.00: opaque clouds and cirrus) or ``gml`` (L1C before: polygons).
    path
        The layer: a raster that GDAL opens, or the GML file (perhaps a member of an archive).
    near
        Whether `path` is a raster of zeros and ones in the scene's CRS, made when it was staged.
    """

    kind: Literal["scl", "classi", "gml"]
    path: str
    near: bool = False

    @property
    def text(self) -> str:
        """The layer in words, for reports."""
        return {
            "scl": "scene classification (SCL), classes 8 and 9",
            "classi": "MSK_CLASSI, opaque clouds and cirrus",
            "gml": "MSK_CLOUDS polygons",
        }[self.kind]


@dataclass(frozen=True)
class Scene:
    """A band of an image, known from its headers; no pixel was read for it.

    Parameters
    ----------
    name
        Name of the product or file, without folder and extension.
    path
        What GDAL opens: a local file, or a member of a local archive (``/vsizip/``).
    band, band_name
        Index from 1, and its name ("B04"; "1" where bands have no names).
    grid
        Pixels on the ground; the CRS is projected.
    date
        Day of acquisition (UTC) where known.
    sensor, level, tile, orbit, baseline
        What the product says of itself, "" or None where it says nothing.
    dtype
        Type of the stored pixels, numpy's name.
    nodata
        Value that means no data; None where there is none.
    validity
        How pixels without a value are marked.
    zero_border
        Whether zeros connected with the border are to be taken for no data (nothing else marks it).
    cloud
        The product's own cloud layer.
    unit_metres
        Metres in one unit of the CRS.
    warnings
        What the user should know about this image, one sentence each.
    source
        The file as it came, of which :meth:`checksum` is taken.
    alpha
        Index of the alpha band where `validity` is "alpha".
    pointer
        Where the request names the image.
    block_bytes
        Bytes that one block of the file takes when it is decoded.
    saturation
        Stored value that means saturation.
    """

    name: str
    path: str
    band: int
    band_name: str
    grid: Grid
    dtype: str
    date: dt.date | None = None
    sensor: str = ""
    level: str = ""
    tile: str = ""
    orbit: int | None = None
    baseline: str = ""
    nodata: float | None = None
    validity: Validity = "none"
    zero_border: bool = False
    cloud: CloudLayer | None = None
    unit_metres: float = 1.0
    warnings: tuple[str, ...] = ()
    source: Path = Path()
    alpha: int | None = None
    pointer: str = ""
    block_bytes: int = 0
    saturation: float | None = None

    def checksum(self) -> str:
        """SHA-256 of the file as it came, hexadecimal."""
        return checksum(self.source)

    @property
    def archived(self) -> bool:
        """Whether the pixels lie in an archive, where each window is unpacked anew."""
        return self.path.startswith("/vsi")
