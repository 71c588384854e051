"""Polygons from users' files: GeoJSON, GeoPackage, and shapefiles in an archive."""

import sqlite3
from collections.abc import Iterator
from functools import lru_cache
from itertools import count
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory

import numpy as np
import shapely
from numpy.typing import NDArray
from pyproj.exceptions import CRSError, ProjError
from rasterio.features import rasterize
from shapely.errors import ShapelyError
from shapely.geometry.base import BaseGeometry

from core.errors import LayerMissing, SourceTooLarge
from core.grid import Grid
from core.io import geojson, geopackage, shapefile
from core.io.archives import Members, members
from core.io.gdal import leash
from core.io.repair import Feature, Polygons, no_polygons, repaired

MAX_BYTES = 128 << 20
"""Of a file, or of a member of an archive."""
MAX_UNPACKED = 4 * MAX_BYTES

_PARTS = (".shp", ".dbf", ".prj")
_DAMAGED = (
    ValueError, TypeError, KeyError, AttributeError, IndexError, RecursionError,
    sqlite3.Error, ShapelyError, CRSError, ProjError,
)  # fmt: skip


def polygons(path: Path, crs: str, *, pointer: str = "") -> tuple[BaseGeometry, ...]:
    """The polygons of all layers of a file, as :func:`read_polygons` makes them."""
    return read_polygons(path, crs, pointer=pointer).shapes


def read_polygons(path: Path, crs: str, *, layer: str | None = None, pointer: str = "") -> Polygons:
    """The polygons of a file in another coordinate reference system, valid, with a report.

    Parameters
    ----------
    path
        GeoJSON (CRS84, or what its ``crs`` member says), GeoPackage, or shapefiles, each with its
        ``.prj``: one beside its parts, or any number in a folder, zip or tar file.
    crs
        The coordinate reference system wanted; x first.
    layer
        The table of a GeoPackage or the shapefile to read; by default all.
    pointer
        Where the request names the file.

    Raises
    ------
    UnknownFormat
        It is none of these, is damaged, or holds lines or points.
    NoGeoreference
        A shapefile comes without its ``.prj``.
    LayerMissing
        There is no such layer.
    """
    return _read(path, path.stat().st_mtime_ns, crs, layer, pointer)


def layer_names(path: Path, *, pointer: str = "") -> tuple[str, ...]:
    """Names of the layers with polygons in a file; none for GeoJSON, which has one without."""
    found = _features(path, pointer)
    return tuple(dict.fromkeys(feature.layer for feature in found if feature.layer))


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


@lru_cache(maxsize=4)
def _read(path: Path, _changed: int, crs: str, layer: str | None, pointer: str) -> Polygons:
    found = _features(path, pointer)
    if layer is not None:
        found = _chosen(found, layer, pointer)
    return repaired(found, crs, pointer=pointer)


def _chosen(features: tuple[Feature, ...], layer: str, pointer: str) -> tuple[Feature, ...]:
    chosen = tuple(f for f in features if f.layer.casefold() == layer.casefold())
    if not chosen:
        names = ", ".join(dict.fromkeys(f.layer for f in features if f.layer)) or "one without name"
        raise LayerMissing(
            f"The file has no layer {layer!r}, it has {names}.",
            pointer=pointer,
            value=layer,
            allowed=f"one of {names}",
        )
    return chosen


def _features(path: Path, pointer: str) -> tuple[Feature, ...]:
    if path.is_file() and path.stat().st_size > MAX_BYTES:
        raise SourceTooLarge(
            f"The file of polygons is larger than {MAX_BYTES >> 20} MiB.", pointer=pointer
        )
    try:
        return tuple(_numbered(path, pointer))
    except _DAMAGED as error:
        raise no_polygons(pointer) from error


def _numbered(path: Path, pointer: str) -> Iterator[Feature]:
    numbers: dict[str, count[int]] = {}
    for layer, crs, shape in _shapes(path, pointer):
        yield Feature(layer, next(numbers.setdefault(layer, count(1))), crs, shape)


def _shapes(path: Path, pointer: str) -> Iterator[tuple[str, str, BaseGeometry | str | None]]:
    head = b""
    if path.is_file():
        with path.open("rb") as file:
            head = file.read(16)
    if head.startswith(geopackage.MAGIC):
        yield from geopackage.shapes(path)
    elif head.startswith(shapefile.MAGIC):
        yield from _beside(path)
    else:
        with TemporaryDirectory(prefix="polygons-") as scratch:
            files = members(
                path, Path(scratch), _is_part, pointer=pointer, max_unpacked=MAX_UNPACKED
            )
            if files is not None:
                yield from _packed(files, pointer)
                return
        for crs, shape in geojson.shapes(path):
            yield "", crs, shape


def _is_part(name: str) -> bool:
    """Whether a member belongs to a shapefile; not where a Mac put its own notes of a file."""
    path = PurePosixPath(name)
    return path.suffix.lower() in _PARTS and not path.name.startswith("._")


def _beside(path: Path) -> Iterator[tuple[str, str, BaseGeometry | str | None]]:
    """A shapefile that is not packed, with the parts that lie beside it."""

    def part(suffix: str) -> bytes:
        beside = path.with_suffix(suffix)
        there = beside.is_file() and beside.stat().st_size <= MAX_BYTES
        return beside.read_bytes() if there else b""

    crs = part(".prj").decode("utf-8", "replace").strip("\0\ufeff \r\n\t")
    for shape in shapefile.shapes(path.read_bytes(), part(".dbf") or None):
        yield path.stem, crs, shape


def _packed(files: Members, pointer: str) -> Iterator[tuple[str, str, BaseGeometry | str | None]]:
    parts = {name.casefold(): name for name in files.names if _is_part(name)}
    outlines = [name for name in parts.values() if name.lower().endswith(".shp")]
    if not outlines:
        raise no_polygons(pointer, "There is no .shp in the archive.")
    for name in sorted(outlines):

        def part(suffix: str, stem: str = name[:-4]) -> bytes:
            member = parts.get((stem + suffix).casefold())
            return files.read(member, MAX_BYTES) if member else b""

        crs = part(".prj").decode("utf-8", "replace").strip("\0\ufeff \r\n\t")
        for shape in shapefile.shapes(part(".shp"), part(".dbf") or None):
            yield PurePosixPath(name).stem, crs, shape
