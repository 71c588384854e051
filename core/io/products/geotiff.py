"""Ordinary georeferenced rasters (GeoTIFF, COG, JPEG 2000), with their traps."""

import math
import re
import warnings
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from pyproj import CRS
from pyproj.exceptions import CRSError
from rasterio.enums import ColorInterp, MaskFlags
from rasterio.errors import NotGeoreferencedWarning

from core.errors import BadRaster, BandMissing, NoGeoreference, TooLarge, UnsupportedGrid
from core.grid import Grid
from core.io.gdal import opened
from core.io.products.scene import Scene, Validity

MAX_PIXELS = 2_500_000_000
"""Pixels of an image, about 50,000 x 50,000: more than any scene, less than a bomb."""
MAX_BLOCK_BYTES = 512 << 20
"""Bytes of one decoded block: some writers put the whole image into one strip."""
UNTAGGED_FILL = {"int16": -10000.0}
"""Values that mean no data without a tag: -10000 in the signed products of Theia and others."""

SATURATION = {"uint16": 65535.0}
"""Stored values that mean saturation.  255 of an 8-bit picture is as often plain white."""


class Marking(NamedTuple):
    """How a file marks pixels without a value."""

    validity: Validity
    nodata: float | None
    zero_border: bool
    warnings: tuple[str, ...]


def open_geotiff(
    path: str | Path,
    *,
    band: str | None = None,
    date: date | None = None,
    nodata: float | None = None,
    pointer: str = "",
    name: str = "",
) -> Scene:
    """The scene of a single raster file.

    Parameters
    ----------
    path
        A file that GDAL opens.
    band
        Index from 1 or name of the band; may be left out where there is only one.
    date
        Day of acquisition; by default what the file says.
    nodata
        Value without data, over what the file says.
    pointer
        Where the request names the file.
    name
        Name of the scene; by default the file's.
    """
    name = name or Path(path).stem
    with warnings.catch_warnings():
        # A missing georeference is an error of its own here.
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        with opened(path, pointer=pointer) as dataset:
            _check_size(dataset, name, pointer)
            index, band_name = _choose_band(dataset, band, pointer)
            grid, unit = _grid_of(dataset, name, pointer)
            alpha = _alpha_of(dataset)
            marking = _marking_of(dataset, index, alpha, nodata)
            day, notes = (date, ()) if date else _date_of(dataset, name)
            rows, cols = dataset.block_shapes[index - 1]
            dtype = dataset.dtypes[index - 1]
    return Scene(
        name=name,
        path=str(path),
        band=index,
        band_name=band_name,
        grid=grid,
        dtype=dtype,
        date=day,
        nodata=marking.nodata,
        validity=marking.validity,
        zero_border=marking.zero_border,
        unit_metres=unit,
        warnings=marking.warnings + notes,
        source=Path(path),
        alpha=alpha,
        pointer=pointer,
        block_bytes=rows * cols * np.dtype(dtype).itemsize,
        saturation=SATURATION.get(dtype),
    )


def _check_size(dataset: Any, name: str, pointer: str) -> None:
    if any(kind.startswith("complex") for kind in dataset.dtypes):
        raise BadRaster(f"{name} holds complex numbers.", pointer=pointer, allowed="real numbers")
    pixels = dataset.width * dataset.height
    if pixels > MAX_PIXELS:
        raise TooLarge(
            f"{name} has {dataset.width} x {dataset.height} pixels.",
            pointer=pointer,
            value=pixels,
            allowed=f"at most {MAX_PIXELS} pixels",
        )
    for (rows, cols), kind in zip(dataset.block_shapes, dataset.dtypes, strict=True):
        if rows * cols * np.dtype(kind).itemsize > MAX_BLOCK_BYTES:
            raise TooLarge(
                f"{name} stores the whole image in one block of {cols} x {rows} pixels.",
                pointer=pointer,
                value=rows * cols,
                allowed="a tiled file; gdal_translate -co TILED=YES makes one",
            )


def _choose_band(dataset: Any, wanted: str | None, pointer: str) -> tuple[int, str]:
    names = {
        index: dataset.descriptions[index - 1] or str(index)
        for index in dataset.indexes
        if dataset.colorinterp[index - 1] != ColorInterp.alpha
    }
    listed = ", ".join(f"{i}" if n == str(i) else f"{i} ({n})" for i, n in names.items())
    if not names:
        raise BandMissing("The file has no band but an alpha channel.", pointer=pointer)
    if wanted is None:
        if len(names) > 1:
            raise BandMissing(
                f"The file has {len(names)} bands and none was chosen: {listed}.",
                pointer=pointer,
                allowed=f"band: one of {listed}",
            )
        return next(iter(names.items()))
    for index, band_name in names.items():
        if wanted.strip().casefold() in (str(index), band_name.casefold()):
            return index, band_name
    raise BandMissing(
        f"The file has no band {wanted!r}, it has {listed}.",
        pointer=pointer,
        value=wanted,
        allowed=f"one of {listed}",
    )


def _alpha_of(dataset: Any) -> int | None:
    for index, meaning in zip(dataset.indexes, dataset.colorinterp, strict=True):
        if meaning == ColorInterp.alpha:
            return int(index)
    return None


def _grid_of(dataset: Any, name: str, pointer: str) -> tuple[Grid, float]:
    transform = dataset.transform
    if dataset.crs is None or transform.is_identity:
        what = "coordinate reference system" if dataset.crs is None else "geotransform"
        hint = " Its ground control points are not used." if dataset.gcps[0] else ""
        raise NoGeoreference(
            f"{name} has no {what}.{hint}",
            pointer=pointer,
            allowed="an image in a projected coordinate reference system, such as UTM",
        )
    terms = (transform.a, transform.b, transform.c, transform.d, transform.e, transform.f)
    if not all(map(math.isfinite, terms)) or transform.determinant == 0:
        raise UnsupportedGrid(f"The geotransform of {name} cannot be inverted.", pointer=pointer)
    authority = dataset.crs.to_authority(confidence_threshold=100)
    text = ":".join(authority) if authority else dataset.crs.to_wkt()
    unit = _unit_of(text, name, pointer)
    return Grid((dataset.height, dataset.width), transform, text), unit


def _unit_of(text: str, name: str, pointer: str) -> float:
    """Metres in a unit of the CRS; refuses what is not projected with east and north axes."""
    try:
        system = CRS.from_user_input(text)
    except CRSError as error:
        raise UnsupportedGrid(
            f"The coordinate reference system of {name} is not understood.", pointer=pointer
        ) from error
    plane = system.sub_crs_list[0] if system.is_compound else system
    if not plane.is_projected:
        kind = "geographic (degrees)" if plane.is_geographic else "not a projected one"
        raise UnsupportedGrid(
            f"The coordinate reference system of {name} ({plane.name}) is {kind}.",
            pointer=pointer,
            value=plane.name,
            allowed="a projected one: reproject the image first, for example "
            "gdalwarp -t_srs EPSG:326NN -r cubic (NN is the UTM zone)",
        )
    axes = plane.axis_info[:2]
    words = " ".join(f"{axis.name} {axis.abbrev}" for axis in axes).casefold()
    if any(axis.direction == "west" for axis in axes) or "southing" in words:
        raise UnsupportedGrid(
            f"The axes of {plane.name} point west or south.",
            pointer=pointer,
            value=plane.name,
            allowed="a projected coordinate reference system with axes to east and north",
        )
    return float(axes[0].unit_conversion_factor)


def _marking_of(dataset: Any, index: int, alpha: int | None, nodata: float | None) -> Marking:
    dtype = np.dtype(dataset.dtypes[index - 1])
    value = dataset.nodatavals[index - 1] if nodata is None else nodata
    notes: tuple[str, ...] = ()
    if value is not None and not _occurs(value, dtype):
        notes = (f"The nodata value {value:g} cannot occur in {dtype.name} and is ignored.",)
        value = None
    validity: Validity = "none"
    if MaskFlags.per_dataset in dataset.mask_flag_enums[index - 1] and alpha is None:
        validity = "mask"
    elif alpha is not None:
        validity = "alpha"
    elif value is not None:
        validity = "nan" if math.isnan(value) else "tag"
    unmarked = validity == "none"
    if unmarked:
        value = UNTAGGED_FILL.get(dtype.name)
    return Marking(validity, value, unmarked, notes)


def _occurs(value: float, dtype: np.dtype[Any]) -> bool:
    if dtype.kind == "f":
        return True
    if not value.is_integer():
        return False
    info = np.iinfo(dtype)
    return bool(info.min <= value <= info.max)


_DAY_IN_NAME = re.compile(r"(?<!\d)((?:19|20)\d\d)-?([01]\d)-?([0-3]\d)(?!\d)")


def _date_of(dataset: Any, name: str) -> tuple[date | None, tuple[str, ...]]:
    """Day of acquisition: its own tag, the file's name, then the date of the file as such."""
    tags = {key.upper(): value for key, value in dataset.tags().items()}
    imagery = dataset.tags(ns="IMAGERY")
    for text in (tags.get("ACQUISITION_DATE"), imagery.get("ACQUISITIONDATETIME")):
        if day := iso_day(text or ""):
            return day, ()
    days = {iso_day("-".join(found)) for found in _DAY_IN_NAME.findall(name)} - {None}
    if len(days) == 1:
        day = days.pop()
        return day, (f"The date {day} of {name} was taken from its file name.",)
    if day := iso_day(tags.get("TIFFTAG_DATETIME", "").replace(":", "-", 2)):
        return day, (f"The date {day} of {name} was taken from the TIFF tag DateTime.",)
    return None, ()


def iso_day(text: str) -> date | None:
    """The day (UTC) of an ISO date or date with time; None if it is none."""
    try:
        moment = datetime.fromisoformat(text.strip())
    except ValueError:
        return None
    return (moment.astimezone(UTC) if moment.tzinfo else moment).date()
