"""The supplier's mask of clouds in an image: outlines in its own rows and columns, as GML."""

from dataclasses import dataclass
from xml.etree.ElementTree import Element

import numpy as np
import shapely
from affine import Affine
from numpy.typing import NDArray
from rasterio.features import rasterize
from shapely.geometry.base import BaseGeometry

from core.errors import BadMetadata, InputError
from core.io import xml
from core.io.archives import read_location
from core.io.gml import polygon
from core.io.products.stereo.view import View
from core.tiling import Window

BESIDE_PX = 64.0
"""Outlines that reach farther beyond the image than this are no rows and columns of it."""


@dataclass(frozen=True)
class CloudMask:
    """Outlines of clouds.

    Parameters
    ----------
    shapes
        In columns (x) and rows (y), the outer corner of the first pixel 0.
    note
        Why the product's mask is not used; "" where it is, or where there is none.
    """

    shapes: tuple[BaseGeometry, ...] = ()
    note: str = ""

    def cloudy(self, window: Window, level: int = 1) -> NDArray[np.bool_]:
        """Pixels of a window whose centres lie under a cloud.

        Each stands for the `level`-th pixel of the image, the first one for its first.
        """
        if not self.shapes:
            return np.zeros(window.shape, np.bool_)
        first = (1 - level) / 2
        place = Affine.translation(first, first) @ Affine.scale(level)
        place = place @ Affine.translation(window.col, window.row)
        burnt = rasterize(self.shapes, out_shape=window.shape, transform=place, dtype="uint8")
        cloudy: NDArray[np.bool_] = burnt != 0
        return cloudy


def cloud_mask(view: View) -> CloudMask:
    """The clouds that a product knows of; one that cannot be used is left out with a note."""
    if view.cloud is None:
        return CloudMask()
    try:
        data = read_location(view.cloud, xml.MAX_BYTES, pointer=view.pointer)
        root = xml.parse(data, "The cloud mask", pointer=view.pointer)
        shapes = tuple(_shape(one, view.first_pixel) for one in xml.elements(root, "Polygon"))
        _check_inside(shapes, view)
    except (InputError, OSError) as error:
        told = error.message if isinstance(error, InputError) else str(error)
        return CloudMask(note=f"The cloud mask of {view.name} is not used: {told}")
    return CloudMask(shapes)


def _shape(element: Element, first_pixel: int) -> BaseGeometry:
    """An outline; the product counts columns and rows from the centre of the first pixel."""
    told = polygon(element)
    return shapely.transform(told, lambda corners: corners - first_pixel + 0.5).buffer(0)


def _check_inside(shapes: tuple[BaseGeometry, ...], view: View) -> None:
    """Masks in coordinates on the ground exist too: their numbers are no rows and columns."""
    rows, cols = view.shape
    for shape in shapes:
        west, north, east, south = shape.bounds
        beside = min(west, north) < -BESIDE_PX or east > cols + BESIDE_PX
        if beside or south > rows + BESIDE_PX:
            raise BadMetadata("its outlines are not in rows and columns of the image.")
