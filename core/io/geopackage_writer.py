"""Writes polygons as a GeoPackage (OGC 12-128r17, version 1.3), with sqlite3.

Layers have no spatial index: viewers make one where they want it, and its triggers are code that a
reader of strangers' files must not run.
"""

import sqlite3
import struct
from collections.abc import Iterable, Iterator
from contextlib import closing
from datetime import UTC, datetime
from itertools import batched, chain
from pathlib import Path

import numpy as np
import shapely
from numpy.typing import NDArray
from pyproj import CRS
from shapely.geometry.base import BaseGeometry

from core.io.layers import Field, Layer, Row, told

_APPLICATION = 0x47504B47
"""The letters GPKG."""
_VERSION = 10300
_OWN_SYSTEM = 100_000
"""First number of systems without an EPSG code."""
_TYPES = {"integer": "INTEGER", "real": "REAL", "text": "TEXT", "boolean": "BOOLEAN"}
_AT_ONCE = 1000

_TABLES = """
CREATE TABLE gpkg_spatial_ref_sys (
  srs_name TEXT NOT NULL, srs_id INTEGER NOT NULL PRIMARY KEY, organization TEXT NOT NULL,
  organization_coordsys_id INTEGER NOT NULL, definition TEXT NOT NULL, description TEXT);
CREATE TABLE gpkg_contents (
  table_name TEXT NOT NULL PRIMARY KEY, data_type TEXT NOT NULL, identifier TEXT UNIQUE,
  description TEXT DEFAULT '',
  last_change DATETIME NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ','now')),
  min_x DOUBLE, min_y DOUBLE, max_x DOUBLE, max_y DOUBLE, srs_id INTEGER,
  CONSTRAINT fk_gc_r_srs_id FOREIGN KEY (srs_id) REFERENCES gpkg_spatial_ref_sys(srs_id));
CREATE TABLE gpkg_geometry_columns (
  table_name TEXT NOT NULL, column_name TEXT NOT NULL, geometry_type_name TEXT NOT NULL,
  srs_id INTEGER NOT NULL, z TINYINT NOT NULL, m TINYINT NOT NULL,
  CONSTRAINT pk_geom_cols PRIMARY KEY (table_name, column_name),
  CONSTRAINT uk_gc_table_name UNIQUE (table_name),
  CONSTRAINT fk_gc_tn FOREIGN KEY (table_name) REFERENCES gpkg_contents(table_name),
  CONSTRAINT fk_gc_srs FOREIGN KEY (srs_id) REFERENCES gpkg_spatial_ref_sys(srs_id));
CREATE TABLE gpkg_extensions (
  table_name TEXT, column_name TEXT, extension_name TEXT NOT NULL, definition TEXT NOT NULL,
  scope TEXT NOT NULL, CONSTRAINT ge_tce UNIQUE (table_name, column_name, extension_name));
CREATE TABLE gpkg_data_columns (
  table_name TEXT NOT NULL, column_name TEXT NOT NULL, name TEXT, title TEXT, description TEXT,
  mime_type TEXT, constraint_name TEXT,
  CONSTRAINT pk_gdc PRIMARY KEY (table_name, column_name),
  CONSTRAINT gdc_tn UNIQUE (table_name, name));
CREATE TABLE gpkg_data_column_constraints (
  constraint_name TEXT NOT NULL, constraint_type TEXT NOT NULL, value TEXT, min NUMERIC,
  min_is_inclusive BOOLEAN, max NUMERIC, max_is_inclusive BOOLEAN, description TEXT,
  CONSTRAINT gdcc_ntv UNIQUE (constraint_name, constraint_type, value));
INSERT INTO gpkg_spatial_ref_sys VALUES
  ('Undefined Cartesian SRS', -1, 'NONE', -1, 'undefined', 'undefined Cartesian system'),
  ('Undefined geographic SRS', 0, 'NONE', 0, 'undefined', 'undefined geographic system');
INSERT INTO gpkg_extensions VALUES
  ('gpkg_data_columns', NULL, 'gpkg_schema', 'http://www.geopackage.org/spec/#extension_schema',
   'read-write'),
  ('gpkg_data_column_constraints', NULL, 'gpkg_schema',
   'http://www.geopackage.org/spec/#extension_schema', 'read-write');
"""


def write_geopackage(
    path: Path, layers: Iterable[Layer], *, changed: datetime | None = None
) -> None:
    """Write layers of polygons into a new file.

    Parameters
    ----------
    path
        Must not exist.
    layers
        Of different names.  Polygons become multipolygons, so that a layer has one type.
    changed
        The moment that the file gives as that of its last change; by default now.
    """
    moment = (changed or datetime.now(UTC)).astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")
    # A half-written file is thrown away, so nothing needs to be rolled back.
    path.touch(exist_ok=False)
    with closing(sqlite3.connect(path, isolation_level=None)) as database:
        for pragma in (
            f"application_id = {_APPLICATION}",
            f"user_version = {_VERSION}",
            "journal_mode = OFF",
            "synchronous = OFF",
        ):
            database.execute(f"PRAGMA {pragma}")
        database.executescript(_TABLES)
        _add_system(database, CRS.from_epsg(4326))
        for layer in layers:
            _write(database, layer, moment)


def _add_system(database: sqlite3.Connection, system: CRS) -> int:
    """Number of a coordinate reference system, entered where it is not yet there."""
    authority = system.to_authority(min_confidence=100)
    wkt = system.to_wkt("WKT1_GDAL")
    found = database.execute(
        "SELECT srs_id FROM gpkg_spatial_ref_sys WHERE definition = ?", (wkt,)
    ).fetchone()
    if found:
        return int(found[0])
    if authority and authority[0] == "EPSG":
        organization, number = "EPSG", int(authority[1])
    else:
        (count,) = database.execute(
            "SELECT count(*) FROM gpkg_spatial_ref_sys WHERE organization = 'OptiGround'"
        ).fetchone()
        organization, number = "OptiGround", _OWN_SYSTEM + int(count)
    database.execute(
        "INSERT INTO gpkg_spatial_ref_sys VALUES (?, ?, ?, ?, ?, NULL)",
        (system.name, number, organization, number, wkt),
    )
    return number


def _write(database: sqlite3.Connection, layer: Layer, moment: str) -> None:
    number = _add_system(database, CRS.from_user_input(layer.crs))
    database.execute("BEGIN")
    database.execute(
        "INSERT INTO gpkg_contents VALUES (?, 'features', ?, ?, ?, NULL, NULL, NULL, NULL, ?)",
        (layer.name, layer.title or layer.name, layer.text, moment, number),
    )
    database.execute(
        "INSERT INTO gpkg_geometry_columns VALUES (?, 'geom', 'MULTIPOLYGON', ?, 0, 0)",
        (layer.name, number),
    )
    _describe(database, layer)
    columns = "".join(f', "{field.name}" {_TYPES[field.kind]}' for field in layer.fields)
    database.execute(
        f'CREATE TABLE "{layer.name}" '
        f"(fid INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL, geom MULTIPOLYGON{columns})"
    )
    places = ", ".join("?" * (1 + len(layer.fields)))
    names = ", ".join(["geom", *(f'"{field.name}"' for field in layer.fields)])
    insert = f'INSERT INTO "{layer.name}" ({names}) VALUES ({places})'  # noqa: S608
    bounds = np.full(4, np.nan)
    for rows in batched(layer.rows, _AT_ONCE):
        shapes = [_several(shape) for shape, _ in rows]
        boxes = shapely.bounds(shapes)
        bounds[:2] = np.fmin(bounds[:2], np.fmin.reduce(boxes[:, :2]))
        bounds[2:] = np.fmax(bounds[2:], np.fmax.reduce(boxes[:, 2:]))
        blobs = _blobs(shapes, boxes, number)
        database.executemany(insert, _records(blobs, rows, layer.fields))
    if np.isfinite(bounds).all():
        database.execute(
            "UPDATE gpkg_contents SET min_x = ?, min_y = ?, max_x = ?, max_y = ? "
            "WHERE table_name = ?",
            (*bounds.tolist(), layer.name),
        )
    database.execute("COMMIT")


def _describe(database: sqlite3.Connection, layer: Layer) -> None:
    described = [(layer.name, field.name, field.text) for field in layer.fields if field.text]
    database.executemany(
        "INSERT INTO gpkg_data_columns VALUES (?, ?, NULL, NULL, ?, NULL, NULL)", described
    )


def _records(
    blobs: Iterable[bytes], rows: Iterable[Row], fields: tuple[Field, ...]
) -> Iterator[tuple[object, ...]]:
    for blob, (_, values) in zip(blobs, rows, strict=True):
        if len(values) != len(fields):
            message = f"a feature has {len(values)} attributes, its layer {len(fields)}"
            raise ValueError(message)
        yield tuple(chain((blob,), map(told, values)))


def _several(shape: BaseGeometry) -> BaseGeometry:
    if shape.geom_type not in ("Polygon", "MultiPolygon"):
        message = f"a layer of polygons holds a {shape.geom_type}"
        raise ValueError(message)
    return shapely.MultiPolygon([shape]) if shape.geom_type == "Polygon" else shape


def _blobs(shapes: list[BaseGeometry], boxes: NDArray[np.float64], number: int) -> Iterator[bytes]:
    """A header with the envelope (x first, then y), then WKB, little-endian."""
    parts = shapely.to_wkb(shapes, output_dimension=2, byte_order=1)
    for wkb, (west, south, east, north) in zip(parts, boxes.tolist(), strict=True):
        yield struct.pack("<2sBBi4d", b"GP", 0, 0b011, number, west, east, south, north) + wkb
