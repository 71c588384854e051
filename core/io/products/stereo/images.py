"""What the header of one file of pixels says."""

import datetime as dt
import math
import re
import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
from rasterio.enums import ColorInterp
from rasterio.errors import NotGeoreferencedWarning

from core.errors import BadRaster, TooLarge, UnknownFormat
from core.geometry.rpc import Rpc
from core.io.gdal import DRIVERS, leash, open_dataset
from core.io.products.stereo.files import Entry
from core.io.products.stereo.integrity import check_blocks, check_whole
from core.io.products.stereo.models import model_in_tags
from core.io.products.stereo.view import GroundControl

IMAGE_DRIVERS = (*DRIVERS, "NITF")
IMAGE_ENDINGS = (".tif", ".tiff", ".jp2", ".j2k", ".ntf", ".nitf")
MAX_PIXELS = 20_000_000_000
"""Long strips have 33,000 x 135,000; only windows of them are ever read."""
MAX_BLOCK_BYTES = 512 << 20
_MADE_UP_TIME = "20021216151629"
"""What GDAL writes into a NITF whose time it does not know."""


@dataclass(frozen=True)
class Header:
    """A file of pixels.

    Parameters
    ----------
    entry
        The file.
    driver
        GDAL's.
    shape
        Rows and columns.
    bands
        Names of the bands without alpha, "1", "2", … where they have none.
    colours
        Numbers of the red, green and blue band, () where the file does not tell.
    dtype, bits, nodata
        As in :class:`~core.io.products.stereo.view.View`.
    rpc
        The model in the file itself.
    control
        Ground control points in the file.
    mapped
        Whether its pixels lie on a map: it has a reference system and a geotransform.
    time
        When it was taken, as far as the file says.
    """

    entry: Entry
    driver: str
    shape: tuple[int, int]
    bands: tuple[str, ...]
    colours: tuple[int, ...]
    dtype: str
    bits: int
    nodata: float | None
    rpc: Rpc | None
    control: tuple[GroundControl, ...]
    mapped: bool
    time: dt.datetime | None


def open_header(entry: Entry) -> Header:
    """The header of a GeoTIFF, JPEG 2000 or NITF file.

    Raises
    ------
    UnknownFormat, BadRaster, TooLarge
        It is of another format, damaged, truncated, or holds what no image of a sensor holds.
    """
    if entry.size == 0:
        raise BadRaster(f"{entry.base} is empty.", pointer=entry.pointer)
    check_whole(entry.location, entry.base, pointer=entry.pointer)
    with warnings.catch_warnings(), leash():
        # Images of a sensor lie on no map.
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        with _opened(entry) as dataset:
            _check(dataset, entry)
            return _header(dataset, entry)


def _opened(entry: Entry) -> Any:
    try:
        return open_dataset(entry.location, drivers=IMAGE_DRIVERS, pointer=entry.pointer)
    except UnknownFormat as error:
        raise UnknownFormat(
            f"{entry.base} cannot be opened as an image: it is damaged, truncated, or of another "
            "format.",
            pointer=entry.pointer,
            allowed="GeoTIFF, JPEG 2000 or NITF",
        ) from error


def _check(dataset: Any, entry: Entry) -> None:
    name, pointer = entry.base, entry.pointer
    if len(set(dataset.dtypes)) > 1 or np.dtype(dataset.dtypes[0]).kind not in "uif":
        raise BadRaster(
            f"The bands of {name} have the types {', '.join(sorted(set(dataset.dtypes)))}.",
            pointer=pointer,
            allowed="real numbers of one type",
        )
    if dataset.width * dataset.height > MAX_PIXELS:
        raise TooLarge(
            f"{name} has {dataset.width} x {dataset.height} pixels.",
            pointer=pointer,
            value=dataset.width * dataset.height,
            allowed=f"at most {MAX_PIXELS} pixels",
        )
    rows, cols = dataset.block_shapes[0]
    if rows * cols * np.dtype(dataset.dtypes[0]).itemsize > MAX_BLOCK_BYTES:
        raise TooLarge(
            f"{name} stores the whole image in one block of {cols} x {rows} pixels.",
            pointer=pointer,
            value=rows * cols,
            allowed="a tiled file; gdal_translate -co TILED=YES makes one",
        )
    if dataset.driver == "GTiff":
        check_blocks(dataset, entry.size, name, pointer=pointer)


def _header(dataset: Any, entry: Entry) -> Header:
    meaning = dataset.colorinterp
    bands = [i for i in dataset.indexes if meaning[i - 1] != ColorInterp.alpha]
    if not bands:
        raise BadRaster(f"{entry.base} has no band but an alpha channel.", pointer=entry.pointer)
    red_green_blue = (ColorInterp.red, ColorInterp.green, ColorInterp.blue)
    dtype = dataset.dtypes[0]
    tags = dataset.tags(ns="RPC")
    bits = dataset.tags(bands[0], ns="IMAGE_STRUCTURE").get("NBITS", "")
    return Header(
        entry=entry,
        driver=dataset.driver,
        shape=(dataset.height, dataset.width),
        bands=tuple(dataset.descriptions[i - 1] or str(i) for i in bands),
        colours=tuple(meaning.index(c) + 1 for c in red_green_blue)
        if set(red_green_blue) <= set(meaning)
        else (),
        dtype=dtype,
        bits=int(bits) if bits.isdigit() else 8 * np.dtype(dtype).itemsize,
        nodata=dataset.nodata,
        rpc=model_in_tags(tags, entry.base, entry.pointer) if tags else None,
        control=_control(dataset),
        # A NITF has the corners of its footprint, which GDAL takes for a map.
        mapped=dataset.driver != "NITF"
        and dataset.crs is not None
        and not dataset.transform.is_identity,
        time=_time(dataset),
    )


def _control(dataset: Any) -> tuple[GroundControl, ...]:
    points, crs = dataset.gcps
    if dataset.driver != "GTiff" or (crs is not None and not crs.is_geographic):
        return ()
    # GDAL counts from the upper-left corner of the first pixel.
    return tuple(
        GroundControl(p.id, p.row - 0.5, p.col - 0.5, p.x, p.y, p.z or 0.0) for p in points
    )


def _time(dataset: Any) -> dt.datetime | None:
    tags = {key.upper(): value for key, value in dataset.tags().items()}
    if moment := iso_time(tags.get("ACQUISITION_DATE", "")):
        return moment
    text = tags.get("NITF_IDATIM", "")
    return None if text == _MADE_UP_TIME else iso_time(text)


def iso_time(text: str) -> dt.datetime | None:
    """A moment (UTC) from ISO 8601 or 14 digits; None if it is none.

    >>> iso_time("2024-06-18T10:41:52.5Z")
    datetime.datetime(2024, 6, 18, 10, 41, 52, 500000, tzinfo=datetime.timezone.utc)
    >>> iso_time("20240618104152").isoformat(), iso_time("soon")
    ('2024-06-18T10:41:52+00:00', None)
    """
    text = text.strip()
    if re.fullmatch(r"\d{14}", text):
        text = f"{text[:8]}T{text[8:]}"
    try:
        moment = dt.datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment.astimezone(dt.UTC) if moment.tzinfo else moment.replace(tzinfo=dt.UTC)


def natural(text: str) -> int | None:
    """A number of rows, columns or the like; None if it is none.

    >>> natural("4096"), natural("-1"), natural("²"), natural("9" * 5000)
    (4096, None, None, None)
    """
    return int(text) if re.fullmatch(r"[0-9]{1,9}", text) else None


def real(text: str) -> float | None:
    """A finite number; None if it is none.

    >>> real("4.5e-1"), real("nan"), real("")
    (0.45, None, None)
    """
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


_TIME_IN_NAME = re.compile(r"(?<!\d)((?:19|20)\d{6})[T_]?(\d{6})\d?(?!\d)")


def time_in_name(name: str) -> dt.datetime | None:
    """The moment in a file's name, as in ``PHR1A_P_201308051042194_SEN``.

    >>> time_in_name("IMG_PHR1A_P_201308051042194_SEN_690908101-001").isoformat()
    '2013-08-05T10:42:19+00:00'
    """
    moments = {iso_time("".join(found)) for found in _TIME_IN_NAME.findall(name)} - {None}
    return moments.pop() if len(moments) == 1 else None
