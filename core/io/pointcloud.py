"""Writes point clouds as LAZ, in bounded memory; the bytes follow from the points alone.

LAS 1.4 (ASPRS, revision 15), point format 6, compressed by chunks of 50 000 points.  Coordinates
are whole steps of 1/1024 m from an origin at whole metres.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import laspy
import numpy as np
from laspy.vlrs.known import WktCoordinateSystemVlr
from numpy.typing import NDArray
from pyproj import CRS
from pyproj.exceptions import CRSError

import core
from core.io.gdal import writing

MEDIA_TYPE = "application/vnd.laszip"

STEPS = 1024
"""Of coordinates, errors and scores in a metre, or in 1: a power of two, so that they compress."""

BLOCK = 1 << 18
"""Points that are packed at once."""

REACH = 2**31 - 1
"""Steps from the origin at most."""

BRIGHTEST = 2**16 - 1
"""Of the intensity that a point can hold."""

EXTRA = (
    ("error", "standard deviation of z, metres"),
    ("score", "correlation, -1 to 1"),
)
"""Further values of each point, float32, and what they are in at most 32 letters."""

CREATION_DATE = 90
"""Byte of the header at which day and year stand, two bytes each."""

HEIGHT_ABOVE_ELLIPSOID = (
    'VERT_CS["Ellipsoid (metre)",VERT_DATUM["Ellipsoid",2002],'
    'UNIT["metre",1,AUTHORITY["EPSG","9001"]],AXIS["Up",UP]]'
)
"""How the first WKT, which has no axes in three dimensions, is understood by GDAL and PROJ."""


class CloudPoints(NamedTuple):
    """Points, one array of float64 (n) or float32 (n) for each of their values.

    Parameters
    ----------
    x, y, z
        In the reference system of the cloud, metres.
    error
        Standard deviation of z, metres.
    score
        Correlation, -1 to 1.
    brightness
        Stored value of the image; kept as a whole number from 0 to 65535.
    """

    x: NDArray[np.floating]
    y: NDArray[np.floating]
    z: NDArray[np.floating]
    error: NDArray[np.floating]
    score: NDArray[np.floating]
    brightness: NDArray[np.floating]


def write_laz(
    path: Path, chunks: Iterable[CloudPoints], crs: str, origin: tuple[int, int, int]
) -> None:
    """Write points in the order in which they come.

    The file's date and the times of the points are not set: equal points make equal bytes.

    Parameters
    ----------
    path
        The file.
    chunks
        Taken one at a time.
    crs
        Projected system in three dimensions, or compound, as WKT.
    origin
        x, y and z, whole metres, near the points: none may be farther than 2097 km in an axis.

    Raises
    ------
    DiskFull
        There is no space left.
    ValueError
        A point is too far from the origin, or nowhere.
    """
    header = _header(crs, origin)
    with writing("the point cloud"):
        with laspy.open(path, "w", header=header, laz_backend=laspy.LazBackend.Lazrs) as file:
            for chunk in chunks:
                for start in range(0, len(chunk.x), BLOCK):
                    block = CloudPoints(*(values[start : start + BLOCK] for values in chunk))
                    file.write_points(_packed(block, header))
        with path.open("r+b") as written:
            # laspy writes today's date where it is given none.
            written.seek(CREATION_DATE)
            written.write(bytes(4))


def las_wkt(crs: str) -> str:
    """A reference system in the first WKT, which LAS prescribes; as it is where that is too poor.

    >>> flat = "EPSG:32631"
    >>> CRS(las_wkt(CRS(flat).to_3d().to_wkt())).equals(CRS(flat).to_3d(), ignore_axis_order=True)
    True
    """
    system = CRS(crs)
    try:
        if system.is_compound or len(system.axis_info) < 3:
            return system.to_wkt("WKT1_GDAL")
        flat = system.to_2d()
        name = f"{flat.name} + height above the ellipsoid"
        return f'COMPD_CS["{name}",{flat.to_wkt("WKT1_GDAL")},{HEIGHT_ABOVE_ELLIPSOID}]'
    except CRSError:
        return crs


def _header(crs: str, origin: tuple[int, int, int]) -> laspy.LasHeader:
    header = laspy.LasHeader(version="1.4", point_format=6)
    header.generating_software = f"OptiGround {core.__version__}"
    header.scales = np.full(3, 1.0 / STEPS)
    header.offsets = np.array(origin, np.float64)
    header.add_extra_dims(
        [laspy.ExtraBytesParams(name, np.float32, words) for name, words in EXTRA]
    )
    for record in header.vlrs.get("ExtraBytesVlr")[0].extra_bytes_structs:
        # The ranges that laspy would note are of the first points of its blocks only.
        record.options &= ~(record.MIN_BIT_MASK | record.MAX_BIT_MASK)
    header.vlrs.append(WktCoordinateSystemVlr(las_wkt(crs)))
    header.global_encoding.wkt = True
    return header


def _packed(points: CloudPoints, header: laspy.LasHeader) -> laspy.PackedPointRecord:
    packed = laspy.PackedPointRecord.zeros(len(points.x), header.point_format)
    for name, values, origin in zip("XYZ", points[:3], header.offsets, strict=True):
        steps = np.rint((values - origin) * STEPS)
        if not (np.abs(steps) <= REACH).all():
            raise ValueError(f"a point's {name} cannot be counted from {origin:g}")
        packed[name] = steps.astype(np.int32)
    packed["intensity"] = np.rint(np.clip(points.brightness, 0, BRIGHTEST)).astype(np.uint16)
    # The only answer of the only pulse: without these numbers readers take points for damaged.
    packed["return_number"] = packed["number_of_returns"] = np.ones(len(points.x), np.uint8)
    packed["error"] = np.rint(points.error * STEPS) / STEPS
    packed["score"] = np.rint(points.score * STEPS) / STEPS
    return packed
