"""The supplier's mask of clouds: outlines in rows and columns of the image, as GML."""

import numpy as np
from rasterio import features

from core.simulate.stereo.markup import Element, element
from core.simulate.stereo.views import View

OPAQUE = 0.1
"""Opacity from which on the supplier sees a cloud."""
_GML = "http://www.opengis.net/gml"


def cloud_mask(view: View, origin: int) -> Element:
    """Outlines of the view's cloud; `origin` is the number of the first pixel's centre.

    A product in sensor geometry has its masks in the image: x is the column, y the row.
    """
    clouded = (view.cloud > OPAQUE).astype(np.uint8)
    outlines = [
        shape["coordinates"][0]
        for shape, _ in features.shapes(clouded, mask=clouded == 1, connectivity=8)
    ]
    members = [
        _member(number, outline, origin - 0.5) for number, outline in enumerate(outlines, start=1)
    ]
    return Element("gml:FeatureCollection", members, (("xmlns:gml", _GML),))


def _member(number: int, outline: list[tuple[float, float]], shift: float) -> Element:
    """`shift` turns corners of pixels counted from 0 into the product's coordinates."""
    places = " ".join(f"{x + shift:g} {y + shift:g}" for x, y in outline)
    ring = element("gml:LinearRing", element("gml:posList", places))
    polygon = element("gml:Polygon", element("gml:exterior", ring))
    feature = Element(
        "gml:MaskFeature",
        [element("gml:maskType", "CLOUD"), element("gml:extentOf", polygon)],
        (("gml:id", f"cloud{number}"),),
    )
    return element("gml:featureMember", feature)
