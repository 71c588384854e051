"""Polygons of a shapefile, read from its bytes.

The form is small and has not changed since it was described (ESRI Shapefile Technical Description,
July 1998), and geometries are all that is wanted: numbers of a stranger's file are taken for what
they are only after they were found to lie within the file.
"""

import struct
from collections.abc import Iterator

import numpy as np
import shapely
from numpy.typing import NDArray
from shapely.geometry.base import BaseGeometry

MAGIC = b"\x00\x00\x27\x0a"
"""First bytes of the file with the geometries."""

FARTHEST = 1e9
"""Coordinates beyond this are in no system: they come from damaged files."""

_NULL = 0
_POLYGONS = (5, 15, 25)
"""Polygons; with heights; with measures.  Both come after the points, and are not wanted."""
_OTHERS = {
    1: "Point", 11: "Point", 21: "Point",
    3: "LineString", 13: "LineString", 23: "LineString",
    8: "MultiPoint", 18: "MultiPoint", 28: "MultiPoint",
    31: "MultiPatch",
}  # fmt: skip
_HEADER = 100
_DELETED = ord("*")

Floats = NDArray[np.float64]


def shapes(shp: bytes, dbf: bytes | None = None) -> Iterator[BaseGeometry | str | None]:
    """The geometries of a shapefile, in their order.

    Parameters
    ----------
    shp
        The file with the geometries.
    dbf
        The table of attributes, which marks the records that were deleted.

    Yields
    ------
    BaseGeometry, str or None
        A polygon or several, perhaps not valid; the name of a geometry that is none; None for a
        record without a geometry.  Deleted records are passed over.

    Raises
    ------
    ValueError
        It is damaged.
    """
    if shp[:4] != MAGIC or len(shp) < _HEADER:
        raise ValueError
    gone = _deleted(dbf) if dbf else np.zeros(0, np.bool_)
    position, record = _HEADER, 0
    end = min(len(shp), 2 * int(struct.unpack_from(">i", shp, 24)[0]))
    while position + 12 <= end:
        _, words, kind = struct.unpack_from(">ii", shp, position) + struct.unpack_from(
            "<i", shp, position + 8
        )
        content = shp[position + 8 : position + 8 + 2 * words]
        if words < 2 or len(content) < 2 * words:
            raise ValueError
        position += 8 + 2 * words
        record += 1
        if record > gone.size or not gone[record - 1]:
            yield _shape(kind, content)
    if record == 0 and end > _HEADER:
        raise ValueError


def _deleted(dbf: bytes) -> NDArray[np.bool_]:
    if len(dbf) < 32:
        raise ValueError
    count, header, length = struct.unpack_from("<IHH", dbf, 4)
    if length < 1:
        raise ValueError
    flags = np.frombuffer(dbf[header:], np.uint8)[::length][:count]
    gone: NDArray[np.bool_] = flags == _DELETED
    return gone


def _shape(kind: int, content: bytes) -> BaseGeometry | str | None:
    if kind == _NULL:
        return None
    if kind in _OTHERS:
        return _OTHERS[kind]
    if kind not in _POLYGONS or len(content) < 44:
        raise ValueError
    parts, points = struct.unpack_from("<2i", content, 36)
    if parts < 0 or points < 0 or 44 + 4 * parts + 16 * points > len(content):
        raise ValueError
    starts = np.frombuffer(content, "<i4", parts, 44)
    xy = np.frombuffer(content, "<f8", 2 * points, 44 + 4 * parts).reshape(points, 2)
    if parts == 0 or points == 0:
        return None
    ends = np.append(starts[1:], points)
    if starts[0] != 0 or (starts >= ends).any() or not (np.abs(xy) <= FARTHEST).all():
        raise ValueError
    return _assembled([xy[a:b] for a, b in zip(starts, ends, strict=True)])


def _assembled(rings: list[Floats]) -> BaseGeometry | None:
    """Rings to polygons: outlines run clockwise, holes the other way, in any order."""
    closed = [ring for ring in map(_closed, rings) if len(ring) >= 4]
    if not closed:
        return None
    areas = np.array([_signed_area(ring) for ring in closed])
    outer = areas <= 0
    if len(closed) == 1 or not outer.any():
        # A lone ring has an inside whatever way it runs.
        outer[:] = True
    outlines = [shapely.Polygon(ring) for ring, out in zip(closed, outer, strict=True) if out]
    holes: list[list[Floats]] = [[] for _ in outlines]
    for ring in (ring for ring, out in zip(closed, outer, strict=True) if not out):
        around = _around(outlines, ring)
        if around is None:
            outlines.append(shapely.Polygon(ring))
            holes.append([])
        else:
            holes[around].append(ring)
    polygons = [
        shapely.Polygon(outline.exterior, inner) if inner else outline
        for outline, inner in zip(outlines, holes, strict=True)
    ]
    return polygons[0] if len(polygons) == 1 else shapely.MultiPolygon(polygons)


def _around(outlines: list[shapely.Polygon], hole: Floats) -> int | None:
    """The smallest outline around a hole; None where the hole lies in no outline."""
    if len(outlines) == 1:
        return 0
    x, y = hole[:, 0].mean(), hole[:, 1].mean()
    box = (*hole.min(axis=0), *hole.max(axis=0))
    fitting = [
        (shapely.area(outline), number)
        for number, outline in enumerate(outlines)
        if _within(box, outline.bounds)
        and (
            shapely.intersects_xy(outline, x, y)
            or shapely.intersects_xy(outline, hole[:, 0], hole[:, 1]).all()
        )
    ]
    return min(fitting)[1] if fitting else None


def _within(box: tuple[float, ...], outer: tuple[float, ...]) -> bool:
    return box[0] >= outer[0] and box[1] >= outer[1] and box[2] <= outer[2] and box[3] <= outer[3]


def _closed(ring: Floats) -> Floats:
    return ring if (ring[0] == ring[-1]).all() else np.vstack([ring, ring[:1]])


def _signed_area(ring: Floats) -> float:
    """Positive where the ring runs against the clock; about its first point, to lose no digits."""
    x, y = (ring - ring[0]).T
    return float(np.dot(x[:-1], y[1:]) - np.dot(x[1:], y[:-1])) / 2
