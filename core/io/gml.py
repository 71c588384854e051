"""Polygons of GML, as masks that come with products tell them."""

from xml.etree.ElementTree import Element

import numpy as np
import shapely
from numpy.typing import NDArray

from core.errors import BadMetadata
from core.io import xml


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
