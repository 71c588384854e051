"""One image as the surface models see it: pixels in the geometry of the sensor, and its RPC."""

import datetime as dt
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np

from core.errors import BadRpc
from core.geometry.rpc import Rpc
from core.geometry.viewing import ground_sampling, line_of_sight

Kind = Literal["P", "PMS", "MS", ""]
"""Panchromatic, pansharpened, multispectral, or not known."""

LARGEST_DIFFERENCE_DEG = 1.0
"""Between the incidence that metadata state and that of the model; strips bend by a few tenths."""

_COLOURS = (("B2", "R", "RED"), ("B1", "G", "GREEN"), ("B0", "B", "BLUE"))
"""What suppliers call red, green and blue."""


class Tile(NamedTuple):
    """A file of pixels in an image.

    Parameters
    ----------
    path
        What GDAL opens: a file, or a member of an archive.
    row, col
        Of its first pixel in the image.
    rows, cols
        What it contributes to the image.
    band
        Number of its first band among the image's, from 0.
    bands
        How many it has.
    """

    path: str
    row: int
    col: int
    rows: int
    cols: int
    band: int
    bands: int


class GroundControl(NamedTuple):
    """A ground control point that is stored in an image; row and col as for :class:`Rpc`."""

    name: str
    row: float
    col: float
    lon: float
    lat: float
    height: float


class Looking(NamedTuple):
    """How an image sees the ground at its middle."""

    gsd_m: float
    azimuth_deg: float
    incidence_deg: float


@dataclass(frozen=True)
class View:
    """An image known from its headers and metadata; no pixel was read for it.

    Parameters
    ----------
    name
        The product's, or the file's without its ending.
    path, driver
        What GDAL opens, by :func:`~core.io.products.stereo.opened_view`.
    bands
        Names in the order of the file; "1", "2", … where they have none.
    matched
        Numbers from 1 of the bands whose mean is matched: one, or red, green and blue.
    shape
        Rows and columns.
    dtype
        Type of the stored pixels, numpy's name.
    rpc
        Its model; whole numbers are the centres of pixels, the first one is 0.
    gsd_m
        Side of a pixel on level ground in the image's middle, from the model.
    azimuth_deg, incidence_deg
        Where the sensor stands seen from there, from the model.  Suppliers disagree on what they
        call azimuth; their incidence is compared and a difference is a warning.
    kind
        What was recorded.
    sensor, level
        As the product says, "" where it says nothing.
    time
        Of the acquisition (UTC).
    nodata, saturated
        Stored values that mean no data and saturation; None where there is no such value.
    bits
        Of the recorded values, at most those of `dtype`.
    cloud
        The product's own mask of clouds (GML), as GDAL's path.
    first_pixel
        Row and column that the product's own files, masks too, give the centre of the first pixel.
    colour
        The multispectral image of the same moment, with its own model.
    control
        Ground control points stored in the file.
    tiles
        The files of the pixels.
    source
        The file as it came.
    pointer
        Where the request names it.
    warnings
        What the user should know, one sentence each.
    """

    name: str
    path: str
    driver: str
    bands: tuple[str, ...]
    matched: tuple[int, ...]
    shape: tuple[int, int]
    dtype: str
    rpc: Rpc
    gsd_m: float
    azimuth_deg: float
    incidence_deg: float
    kind: Kind = ""
    sensor: str = ""
    level: str = ""
    time: dt.datetime | None = None
    nodata: float | None = None
    saturated: float | None = None
    bits: int = 16
    cloud: str | None = None
    first_pixel: int = 0
    colour: "View | None" = None
    control: tuple[GroundControl, ...] = ()
    tiles: tuple[Tile, ...] = ()
    source: Path = Path()
    pointer: str = ""
    warnings: tuple[str, ...] = ()

    @property
    def archived(self) -> bool:
        """Whether pixels lie in an archive, where each window is unpacked anew."""
        return any(tile.path.startswith("/vsi") for tile in self.tiles)


def looking(rpc: Rpc, shape: tuple[int, int], name: str, pointer: str) -> Looking:
    """How a model sees the ground in the middle of an image of `shape`, at its mean height."""
    middle = [(size - 1) / 2 for size in shape]
    ground = rpc.locate(middle[0], middle[1], rpc.height_offset)
    if not bool(ground.inside):
        raise BadRpc(
            f"The RPC of {name} does not reach the middle of its {shape[1]} x {shape[0]} pixels. "
            "Is it the RPC of another image, or of the uncropped one?",
            pointer=pointer,
            allowed="the RPC of this very image",
        )
    where = ground.lon, ground.lat, np.float64(rpc.height_offset)
    sight = line_of_sight(rpc, *where)
    return Looking(
        float(ground_sampling(rpc, *where).mean),
        float(sight.azimuth_deg),
        float(sight.incidence_deg),
    )


def angle_warnings(name: str, seen: Looking, incidence_deg: float | None) -> tuple[str, ...]:
    """Whether the model sees the ground as the metadata say."""
    if incidence_deg is None or abs(seen.incidence_deg - incidence_deg) <= LARGEST_DIFFERENCE_DEG:
        return ()
    note = (
        f"The metadata of {name} state an incidence of {incidence_deg:.1f} degrees, its RPC has "
        f"{seen.incidence_deg:.1f}."
    )
    return (note,)


def luminance(bands: tuple[str, ...]) -> tuple[int, ...]:
    """Numbers of the bands whose mean stands for the brightness: red, green, blue or the first.

    >>> luminance(("B", "G", "R", "N")), luminance(("P",)), luminance(("1", "2", "3", "4"))
    ((3, 2, 1), (1,), (1, 2, 3))
    """
    told = [band.upper() for band in bands]
    found = [told.index(name) + 1 for names in _COLOURS for name in names if name in told]
    return tuple(found) if len(found) == 3 else tuple(range(1, min(len(bands), 3) + 1))
