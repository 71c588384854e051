"""Polygons as users send them: GeoJSON, GeoPackage, and shapefiles in a zip or a flat tar.gz."""

import io
import json
import sqlite3
import struct
import tarfile
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

import numpy as np
import shapely
from numpy.typing import NDArray
from pyproj import CRS, Transformer
from shapely.geometry import MultiPolygon, Polygon, mapping
from shapely.geometry.polygon import orient

from core.grid import GEOGRAPHIC

WRITTEN = "2024-01-01T00:00:00.000Z"
"""Of all files, so that the same polygons make the same bytes."""

Shapes = Sequence[Polygon | MultiPolygon]


class Polygons(NamedTuple):
    """Polygons with a name, numbered from 1, in a coordinate reference system given as EPSG:n."""

    name: str
    shapes: Shapes
    crs: str


def moved(layer: Polygons, crs: str) -> Polygons:
    """The same polygons in another coordinate reference system, x first."""
    change = Transformer.from_crs(layer.crs, crs, always_xy=True)

    def there(points: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.column_stack(change.transform(points[:, 0], points[:, 1]))

    return Polygons(layer.name, [shapely.transform(shape, there) for shape in layer.shapes], crs)


def write_geojson(path: Path, layer: Polygons) -> None:
    """GeoJSON in longitude and latitude, outer rings anticlockwise, to a tenth of a millimetre."""
    features = [
        {
            "type": "Feature",
            "properties": {"id": number},
            "geometry": mapping(shapely.set_precision(shape, 1e-9, mode="pointwise")),
        }
        for number, shape in enumerate(map(_anticlockwise, moved(layer, GEOGRAPHIC).shapes), 1)
    ]
    document = {"type": "FeatureCollection", "name": layer.name, "features": features}
    path.write_text(json.dumps(document))


def write_geopackage(path: Path, layers: Iterable[Polygons]) -> None:
    """A GeoPackage 1.3 with a table of polygons for each layer."""
    path.unlink(missing_ok=True)
    with closing(sqlite3.connect(path)) as database, database:
        database.executescript(_GEOPACKAGE)
        for layer in layers:
            _geopackage_layer(database, layer)


def zipped_shapefile(path: Path, layer: Polygons) -> None:
    """A zip with the files of one shapefile."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in shapefile(layer).items():
            archive.writestr(zipfile.ZipInfo(name, (2024, 1, 1, 0, 0, 0)), content)


def packed_shapefiles(path: Path, layers: Iterable[Polygons]) -> None:
    """A tar.gz without folders with the files of several shapefiles."""
    with tarfile.open(path, "w:gz") as archive:
        for layer in layers:
            for name, content in shapefile(layer).items():
                member = tarfile.TarInfo(name)
                member.size = len(content)
                archive.addfile(member, io.BytesIO(content))


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


def _anticlockwise(shape: Polygon | MultiPolygon) -> Polygon | MultiPolygon:
    if isinstance(shape, MultiPolygon):
        return MultiPolygon([orient(part) for part in shape.geoms])
    return orient(shape)


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


def _geopackage_layer(database: sqlite3.Connection, layer: Polygons) -> None:
    system = CRS.from_user_input(layer.crs)
    number = int(layer.crs.removeprefix("EPSG:"))
    database.execute(
        "INSERT OR IGNORE INTO gpkg_spatial_ref_sys VALUES (?, ?, 'EPSG', ?, ?, NULL)",
        (system.name, number, number, system.to_wkt("WKT1_GDAL")),
    )
    box = shapely.total_bounds(list(layer.shapes)) if layer.shapes else [None] * 4
    database.execute(
        "INSERT INTO gpkg_contents VALUES (?, 'features', ?, '', ?, ?, ?, ?, ?, ?)",
        (layer.name, layer.name, WRITTEN, *(None if v is None else float(v) for v in box), number),
    )
    database.execute(
        "INSERT INTO gpkg_geometry_columns VALUES (?, 'geom', 'MULTIPOLYGON', ?, 0, 0)",
        (layer.name, number),
    )
    table = '"' + layer.name.replace('"', '""') + '"'
    database.execute(
        f"CREATE TABLE {table} (fid INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL, "
        "geom MULTIPOLYGON, id INTEGER)"
    )
    for row, shape in enumerate(layer.shapes, 1):
        several = shape if isinstance(shape, MultiPolygon) else MultiPolygon([shape])
        blob = b"GP" + struct.pack("<2Bi", 0, 1, number) + shapely.to_wkb(several, byte_order=1)
        database.execute(f"INSERT INTO {table} (geom, id) VALUES (?, ?)", (blob, row))  # noqa: S608


_GEOPACKAGE = """
PRAGMA application_id = 1196444487;
PRAGMA user_version = 10300;
CREATE TABLE gpkg_spatial_ref_sys (srs_name TEXT NOT NULL, srs_id INTEGER PRIMARY KEY,
  organization TEXT NOT NULL, organization_coordsys_id INTEGER NOT NULL, definition TEXT NOT NULL,
  description TEXT);
INSERT INTO gpkg_spatial_ref_sys VALUES
  ('Undefined cartesian SRS', -1, 'NONE', -1, 'undefined', NULL),
  ('Undefined geographic SRS', 0, 'NONE', 0, 'undefined', NULL),
  ('WGS 84 geodetic', 4326, 'EPSG', 4326, 'GEOGCS["WGS 84",DATUM["WGS_1984",SPHEROID["WGS 84",'
  || '6378137,298.257223563,AUTHORITY["EPSG","7030"]],AUTHORITY["EPSG","6326"]],PRIMEM["Greenwich",'
  || '0,AUTHORITY["EPSG","8901"]],UNIT["degree",0.0174532925199433,AUTHORITY["EPSG","9122"]],'
  || 'AUTHORITY["EPSG","4326"]]', NULL);
CREATE TABLE gpkg_contents (table_name TEXT NOT NULL PRIMARY KEY, data_type TEXT NOT NULL,
  identifier TEXT UNIQUE, description TEXT DEFAULT '', last_change DATETIME NOT NULL,
  min_x DOUBLE, min_y DOUBLE, max_x DOUBLE, max_y DOUBLE, srs_id INTEGER,
  FOREIGN KEY (srs_id) REFERENCES gpkg_spatial_ref_sys(srs_id));
CREATE TABLE gpkg_geometry_columns (table_name TEXT NOT NULL, column_name TEXT NOT NULL,
  geometry_type_name TEXT NOT NULL, srs_id INTEGER NOT NULL, z TINYINT NOT NULL,
  m TINYINT NOT NULL, PRIMARY KEY (table_name, column_name));
"""
