"""Polygons of a GeoPackage, read with sqlite3 and not with GDAL.

One table of geometries is all that is wanted, from a file that is opened read-only and may do
nothing but be selected from.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

import shapely
from shapely.geometry.base import BaseGeometry

MAGIC = b"SQLite format 3\0"
MAX_CELL = 128 << 20
"""Bytes of one value."""

_ALLOWED = {sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ}


def shapes(path: Path) -> Iterator[tuple[str, str, BaseGeometry | None]]:
    """Layer, coordinate reference system and geometry of all features.

    The system is ``EPSG:n`` or WKT; "" where the file says that it is not known.

    Raises
    ------
    ValueError, sqlite3.Error, shapely.errors.ShapelyError
        The file is damaged, or a layer is no plain table.
    """
    address = f"file:{quote(str(path.resolve()))}?mode=ro&immutable=1"
    with closing(sqlite3.connect(address, uri=True)) as database:
        database.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, MAX_CELL)
        for pragma in ("trusted_schema=OFF", "cell_size_check=ON", "mmap_size=0"):
            database.execute(f"PRAGMA {pragma}")
        database.set_authorizer(
            lambda action, *_: sqlite3.SQLITE_OK if action in _ALLOWED else sqlite3.SQLITE_DENY
        )
        layers = database.execute(
            "SELECT g.table_name, g.column_name, s.organization, s.organization_coordsys_id, "
            "s.definition FROM gpkg_geometry_columns g, gpkg_spatial_ref_sys s "
            "WHERE s.srs_id = g.srs_id ORDER BY g.table_name"
        ).fetchall()
        for table, column, organization, number, definition in layers:
            crs = _system(organization, number, definition)
            # A view or a virtual table may hide any computation; only plain tables are read.
            plain = database.execute(
                "SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = ? AND rootpage > 0",
                (table,),
            ).fetchone()
            if plain is None:
                raise ValueError
            query = f"SELECT {_quoted(column)} FROM {_quoted(table)}"  # noqa: S608
            for (blob,) in database.execute(query):
                yield table, crs, None if blob is None else _geometry(blob)


def _system(organization: str, number: int, definition: str) -> str:
    if organization.upper() == "EPSG":
        return f"EPSG:{number}"
    return "" if organization.upper() == "NONE" else definition


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _geometry(blob: bytes) -> BaseGeometry:
    """The geometry in a GeoPackage's binary form: a header, perhaps an envelope, then WKB."""
    if blob[:2] != b"GP":
        raise ValueError
    envelope = (0, 32, 48, 48, 64)[(blob[3] >> 1) & 0x07]
    return shapely.from_wkb(blob[8 + envelope :])
