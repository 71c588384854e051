"""Polygons with their numbers, and shapefiles of them in a zip or a flat tar.gz."""

import gzip
import io
import struct
import tarfile
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import numpy as np
import shapely
from numpy.typing import NDArray
from pyproj import CRS
from shapely.geometry import MultiPolygon, Polygon
from shapely.geometry.polygon import orient

from core.io.layers import Field, Layer

WRITTEN = datetime(2024, 1, 1, tzinfo=UTC)
"""Of all files, so that the same polygons make the same bytes."""

Shapes = Sequence[Polygon | MultiPolygon]


class Polygons(NamedTuple):
    """Polygons with a name, numbered from 1, in a coordinate reference system."""

    name: str
    shapes: Shapes
    crs: str

    @property
    def layer(self) -> Layer:
        """The polygons as they are written to GeoJSON and GeoPackages."""
        rows = [(shape, (number,)) for number, shape in enumerate(self.shapes, 1)]
        return Layer(self.name, self.crs, (Field("id", "integer"),), rows)


def zipped_shapefile(path: Path, layer: Polygons) -> None:
    """A zip with the files of one shapefile."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in shapefile(layer).items():
            archive.writestr(zipfile.ZipInfo(name, WRITTEN.timetuple()[:6]), content)


def packed_shapefiles(path: Path, layers: Iterable[Polygons]) -> None:
    """A tar.gz without folders with the files of several shapefiles."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        for layer in layers:
            for name, content in shapefile(layer).items():
                member = tarfile.TarInfo(name)
                member.size = len(content)
                archive.addfile(member, io.BytesIO(content))
    path.write_bytes(gzip.compress(packed.getvalue(), mtime=int(WRITTEN.timestamp())))


def shapefile(layer: Polygons) -> Mapping[str, bytes]:
    """The files of a shapefile by name."""
    records = [_record(shape) for shape in layer.shapes]
    box = shapely.total_bounds(list(layer.shapes)) if records else np.zeros(4)
    body, index, place = b"", b"", 50
    for number, record in enumerate(records, 1):
        body += struct.pack(">2i", number, len(record) // 2) + record
        index += struct.pack(">2i", place, len(record) // 2)
        place += 4 + len(record) // 2
    return {
        f"{layer.name}.shp": _header(len(body), box) + body,
        f"{layer.name}.shx": _header(len(index), box) + index,
        f"{layer.name}.dbf": _table(layer.shapes),
        f"{layer.name}.prj": CRS.from_user_input(layer.crs).to_wkt("WKT1_ESRI").encode(),
        f"{layer.name}.cpg": b"UTF-8",
    }


_POLYGON = 5
"""The number of polygons among a shapefile's kinds of geometry."""


def _header(size: int, box: NDArray[np.float64]) -> bytes:
    return (
        struct.pack(">7i", 9994, 0, 0, 0, 0, 0, (100 + size) // 2)
        + struct.pack("<2i", 1000, _POLYGON)
        + struct.pack("<8d", *box, 0, 0, 0, 0)
    )


def _record(shape: Polygon | MultiPolygon) -> bytes:
    """A polygon as a shapefile holds it: outer rings clockwise, holes the other way."""
    parts = shape.geoms if isinstance(shape, MultiPolygon) else (shape,)
    turned = [orient(part, sign=-1.0) for part in parts]
    rings = [ring for part in turned for ring in (part.exterior, *part.interiors)]
    points = [np.asarray(ring.coords)[:, :2] for ring in rings]
    starts = np.cumsum([0, *(len(ring) for ring in points[:-1])])
    return (
        struct.pack("<i4d2i", _POLYGON, *shape.bounds, len(rings), sum(map(len, points)))
        + starts.astype("<i4").tobytes()
        + np.concatenate(points).astype("<f8").tobytes()
    )


def _table(shapes: Shapes) -> bytes:
    """The attributes of a shapefile as dBASE III: a number, and the area in the square of units."""
    fields = (("id", 9, 0), ("area", 15, 2))
    width = 1 + sum(length for _, length, _ in fields)
    head = struct.pack("<4B i 2H 20x", 3, 124, 1, 1, len(shapes), 33 + 32 * len(fields), width)
    for name, length, decimals in fields:
        head += struct.pack("<11s c 4x 2B 14x", name.encode(), b"N", length, decimals)
    rows = "".join(f" {number:9d}{shape.area:15.2f}" for number, shape in enumerate(shapes, 1))
    return head + b"\r" + rows.encode() + b"\x1a"
