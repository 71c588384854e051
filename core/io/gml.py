"""Polygons of GML, as masks that come with products tell them."""

from xml.etree.ElementTree import Element

import numpy as np
import shapely
from numpy.typing import NDArray
from pyproj import CRS
from pyproj.exceptions import CRSError

from core.errors import BadMetadata
from core.io import xml

CLOUDS = ("OPAQUE", "CIRRUS")


def clouds(root: Element, system: CRS) -> tuple[shapely.Polygon, ...]:
    """Polygons of opaque clouds and cirrus; they must be in the CRS of the image.

    Raises
    ------
    BadMetadata
        They are not, or are damaged.
    """
    names = {e.get("srsName", "") for e in root.iter()} - {""}
    try:
        same = all(CRS.from_user_input(_crs_name(name)) == system for name in names)
    except CRSError as error:
        raise BadMetadata("The cloud mask names no known coordinate reference system.") from error
    if not same:
        raise BadMetadata("The cloud mask is in another coordinate reference system.")
    return tuple(
        polygon(element)
        for feature in xml.elements(root, "MaskFeature")
        if xml.text(feature, "maskType") in CLOUDS
        for element in xml.elements(feature, "Polygon")
    )


def _crs_name(name: str) -> str:
    """The code in ``urn:ogc:def:crs:EPSG:8.7:32748``, whatever version it names."""
    return f"EPSG:{name.rpartition(':')[2]}" if "EPSG" in name else name


def polygon(element: Element) -> shapely.Polygon:
    """A polygon of a cloud mask, in the coordinates that it is written in.

    Raises
    ------
    BadMetadata
        It is damaged.
    """
    outer = [_ring(e) for e in xml.elements(element, "exterior")]
    inner = [_ring(e) for e in xml.elements(element, "interior")]
    if len(outer) != 1:
        raise BadMetadata("A polygon of the cloud mask has no outer ring.")
    return shapely.Polygon(outer[0], inner)


def _ring(element: Element) -> NDArray[np.float64]:
    try:
        positions = next(xml.elements(element, "posList"))
        size = int(positions.get("srsDimension", "2"))
        numbers = np.array((positions.text or "").split(), np.float64)
        points = numbers.reshape(-1, size)[:, [0, 1]]
    except (StopIteration, ValueError, IndexError) as error:
        raise BadMetadata("A polygon of the cloud mask cannot be read.") from error
    if len(points) < 4 or not np.isfinite(points).all():
        raise BadMetadata("A polygon of the cloud mask has too few points.")
    return points
