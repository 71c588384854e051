"""Polygons from users' files: GeoJSON and GeoPackage.

A GeoPackage is read with sqlite3 and not with GDAL: one table of geometries is all that is wanted,
from a file that is opened read-only and may do nothing but be selected from.
"""

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from functools import lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
import shapely
from numpy.typing import NDArray
from pyproj import CRS, Transformer
from pyproj.exceptions import CRSError, ProjError
from rasterio.features import rasterize
from shapely.errors import ShapelyError
from shapely.geometry.base import BaseGeometry

from core.errors import SourceTooLarge, UnknownFormat
from core.grid import GEOGRAPHIC, Grid
from core.io.gdal import leash

MAX_BYTES = 128 << 20
MAX_VERTICES = 5_000_000

_SQLITE = b"SQLite format 3\0"
_ALLOWED = {sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ}


def polygons(path: Path, crs: str, *, pointer: str = "") -> tuple[BaseGeometry, ...]:
    """The polygons of a file in another coordinate reference system.

    Parameters
    ----------
    path
        GeoJSON (CRS84, or what its ``crs`` member says) or GeoPackage.
    crs
        The coordinate reference system wanted; x first.
    pointer
        Where the request names the file.

    Raises
    ------
    UnknownFormat
        It is neither, is damaged, or holds lines or points.
    """
    return _polygons(path, path.stat().st_mtime_ns, crs, pointer)


@lru_cache(maxsize=4)
def _polygons(path: Path, _changed: int, crs: str, pointer: str) -> tuple[BaseGeometry, ...]:
    if path.stat().st_size > MAX_BYTES:
        raise SourceTooLarge(
            f"The file of polygons is larger than {MAX_BYTES >> 20} MiB.", pointer=pointer
        )
    with path.open("rb") as file:
        head = file.read(len(_SQLITE))
    try:
        layers = _geopackage(path) if head == _SQLITE else _geojson(path)
        found = tuple(_moved(shape, source, crs) for source, shape in layers)
        if not found:
            raise ValueError
        vertices = sum(shapely.get_num_coordinates(shape) for shape in found)
    except (
        ValueError, TypeError, KeyError, AttributeError, IndexError, RecursionError,
        sqlite3.Error, ShapelyError, CRSError, ProjError,
    ) as error:  # fmt: skip
        raise UnknownFormat(
            "The file holds no polygons that can be read.",
            pointer=pointer,
            allowed="polygons as GeoJSON or GeoPackage, or a raster",
        ) from error
    if vertices > MAX_VERTICES:
        raise SourceTooLarge(
            f"The polygons have more than {MAX_VERTICES} vertices.", pointer=pointer
        )
    return found


def burned(shapes: tuple[BaseGeometry, ...], grid: Grid) -> NDArray[np.bool_]:
    """Whether the centre of each pixel of a grid lies in one of the polygons."""
    corners = [grid.transform @ (col * grid.shape[1], row * grid.shape[0])
               for row in (0, 1) for col in (0, 1)]  # fmt: skip
    box = shapely.MultiPoint(corners).envelope
    near = [shape for shape in shapes if shapely.intersects(shape.envelope, box)]
    if not near:
        return np.zeros(grid.shape, np.bool_)
    with leash():
        image = rasterize(near, out_shape=grid.shape, transform=grid.transform, dtype=np.uint8)
    result: NDArray[np.bool_] = image != 0
    return result


def _moved(shape: BaseGeometry, source: str, crs: str) -> BaseGeometry:
    if shape.geom_type not in ("Polygon", "MultiPolygon"):
        raise ValueError
    flat = shapely.force_2d(shape)
    if CRS.from_user_input(source) == CRS.from_user_input(crs):
        return flat
    change = Transformer.from_crs(source, crs, always_xy=True)

    def moved(points: NDArray[np.float64]) -> NDArray[np.float64]:
        x, y = change.transform(points[:, 0], points[:, 1], errcheck=True)
        return np.column_stack([x, y])

    return shapely.transform(flat, moved)


def _geojson(path: Path) -> Iterator[tuple[str, BaseGeometry]]:
    document = json.loads(path.read_bytes())
    name = ((document.get("crs") or {}).get("properties") or {}).get("name", GEOGRAPHIC)
    for geometry in _geometries(document):
        yield name, shapely.from_geojson(json.dumps(geometry))


def _geometries(document: dict[str, Any]) -> Iterator[dict[str, Any]]:
    match document["type"]:
        case "FeatureCollection":
            for feature in document["features"]:
                yield from _geometries(feature)
        case "Feature":
            if document["geometry"] is not None:
                yield from _geometries(document["geometry"])
        case "GeometryCollection":
            for geometry in document["geometries"]:
                yield from _geometries(geometry)
        case _:
            yield document


def _geopackage(path: Path) -> Iterator[tuple[str, BaseGeometry]]:
    address = f"file:{quote(str(path.resolve()))}?mode=ro&immutable=1"
    with closing(sqlite3.connect(address, uri=True)) as database:
        database.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, MAX_BYTES)
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
            crs = f"EPSG:{number}" if organization.upper() == "EPSG" else definition
            # A view or a virtual table may hide any computation; only plain tables are read.
            plain = database.execute(
                "SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = ? AND rootpage > 0",
                (table,),
            ).fetchone()
            if plain is None:
                raise ValueError
            query = f"SELECT {_quoted(column)} FROM {_quoted(table)}"  # noqa: S608
            for (blob,) in database.execute(query):
                if blob is not None:
                    yield crs, _geometry(blob)


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _geometry(blob: bytes) -> BaseGeometry:
    """The geometry in a GeoPackage's binary form: a header, perhaps an envelope, then WKB."""
    if blob[:2] != b"GP":
        raise ValueError
    envelope = (0, 32, 48, 48, 64)[(blob[3] >> 1) & 0x07]
    return shapely.from_wkb(blob[8 + envelope :])
