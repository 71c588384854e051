"""What ground two images have in common by their models, before anything of it is known."""

from typing import NamedTuple

import numpy as np
from shapely import Polygon

from core.geometry.viewing import common_ground, footprint
from core.io.products.stereo import View

HEIGHTS = 17
"""Heights that are tried.  Models made for 2600 m of relief move small crops over each other by
their own width: at a wrong height, images of one place seem to show different ones."""


class Overlap(NamedTuple):
    """Ground that two images see.

    Parameters
    ----------
    polygon
        Longitude and latitude in degrees, at the height at which it is largest.
    height
        That height, metres above the ellipsoid.
    share
        Of the smaller image, 0 to 1.
    """

    polygon: Polygon
    height: float
    share: float


def overlap(first: View, second: View) -> Overlap | None:
    """The ground that two images have in common at the height of their models that fits best.

    None where they have none at any height: most often because a model is that of another image,
    or of the whole image of which this is a part.
    """
    best = Overlap(Polygon(), 0.0, 0.0)
    for height in np.linspace(*_heights(first, second), HEIGHTS):
        outlines = [footprint(view.rpc, view.shape, float(height)) for view in (first, second)]
        ground = common_ground(outlines)
        if ground.share > best.share and isinstance(ground.polygon, Polygon):
            best = Overlap(ground.polygon, float(height), ground.share)
    return None if best.polygon.is_empty else best


def _heights(first: View, second: View) -> tuple[float, float]:
    """The heights for which both models were made, or those between the two."""
    ranges = [
        (rpc.height_offset - abs(rpc.height_scale), rpc.height_offset + abs(rpc.height_scale))
        for rpc in (first.rpc, second.rpc)
    ]
    ends = max(low for low, _ in ranges), min(high for _, high in ranges)
    return min(ends), max(ends)
