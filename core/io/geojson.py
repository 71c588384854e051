"""GeoJSON: reads documents of RFC 7946 and older ones with a ``crs`` member; writes RFC 7946."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray
from pyproj import Transformer
from shapely.geometry.base import BaseGeometry

from core.grid import GEOGRAPHIC
from core.io.layers import Layer, told

DECIMALS = 7
"""Digits after the point of degrees that are written: a centimetre, less than any pixel's tenth."""

Points = NDArray[np.float64]


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


def write_geojson(path: Path, layer: Layer) -> None:
    """Write a layer as GeoJSON of RFC 7946.

    Longitude and latitude on WGS 84, outlines against the clock; what reaches over the 180th
    meridian is cut there.  Attributes that are no numbers are null.

    Parameters
    ----------
    path
        The file to make.
    layer
        Its rows are read once.
    """
    change = Transformer.from_crs(layer.crs, GEOGRAPHIC, always_xy=True)
    names = [field.name for field in layer.fields]
    with path.open("x", encoding="utf-8") as file:
        file.write(f'{{"type": "FeatureCollection", "name": {json.dumps(layer.name)},\n')
        file.write('"features": [')
        between = "\n"
        for shape, values in layer.rows:
            feature = {
                "type": "Feature",
                "geometry": shapely.geometry.mapping(_placed(shape, change)),
                "properties": dict(zip(names, map(told, values), strict=True)),
            }
            file.write(between + json.dumps(feature, ensure_ascii=False, allow_nan=False))
            between = ",\n"
        file.write("\n]}\n")


def _placed(shape: BaseGeometry, change: Transformer) -> BaseGeometry:
    """A polygon in degrees, valid, its outlines against the clock."""

    def degrees(points: Points) -> Points:
        lon, lat = change.transform(points[:, 0], points[:, 1], errcheck=True)
        return np.round(np.column_stack([lon, lat]), DECIMALS)

    moved = shapely.transform(shapely.force_2d(shape), degrees)
    west, _, east, _ = moved.bounds
    if east - west > 180:
        moved = _cut(moved)
    if not shapely.is_valid(moved):
        # Corners that touched may overlap by a rounding.
        moved = shapely.make_valid(moved, method="structure", keep_collapsed=False)
    return shapely.orient_polygons(moved)


def _cut(shape: BaseGeometry) -> BaseGeometry:
    """In two at the 180th meridian, which a polygon of over half the globe's width crosses."""
    turned = shapely.transform(shape, lambda p: np.column_stack([p[:, 0] % 360, p[:, 1]]))
    west = shapely.intersection(turned, shapely.box(0, -90, 180, 90))
    east = shapely.intersection(turned, shapely.box(180, -90, 360, 90))
    back = shapely.transform(east, lambda p: p - (360, 0))
    return shapely.MultiPolygon(
        [part for half in (west, back) for part in shapely.get_parts(half) if part.area > 0]
    )
