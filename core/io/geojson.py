"""Geometries of GeoJSON documents: those of RFC 7946, and older ones with a ``crs`` member."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import shapely
from shapely.geometry.base import BaseGeometry

from core.grid import GEOGRAPHIC


def shapes(path: Path) -> Iterator[tuple[str, BaseGeometry | None]]:
    """Coordinate reference system and geometry of all features; None for a feature without one.

    Raises
    ------
    ValueError, TypeError, KeyError, AttributeError, RecursionError, shapely.errors.ShapelyError
        It is no such document.
    """
    document = json.loads(path.read_bytes())
    name = ((document.get("crs") or {}).get("properties") or {}).get("name", GEOGRAPHIC)
    for geometry in _geometries(document):
        yield name, None if geometry is None else shapely.from_geojson(json.dumps(geometry))


def _geometries(document: dict[str, Any]) -> Iterator[dict[str, Any] | None]:
    match document["type"]:
        case "FeatureCollection":
            for feature in document["features"]:
                yield from _geometries(feature)
        case "Feature":
            if document["geometry"] is None:
                yield None
            else:
                yield from _geometries(document["geometry"])
        case "GeometryCollection":
            for geometry in document["geometries"]:
                yield from _geometries(geometry)
        case _:
            yield document
