"""Layers that come with products and say where clouds, shadows, snow and water are."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import IntFlag
from pathlib import Path
from typing import Any, Literal

import numpy as np
import rasterio
from affine import Affine
from numpy.typing import NDArray
from rasterio.warp import Resampling, reproject

from core.errors import BandMissing, NoGeoreference
from core.grid import Grid
from core.io import gml, xml
from core.io.archives import read_location, unpacked
from core.io.gdal import created, opened, raster_window, reading, writing
from core.io.products.scene import Scene
from core.io.vectors import burned
from core.tiling import Window

ROWS = 1024
GML_PIXEL = 60.0
"""Metres; the polygons were drawn around pixels of this size."""

Kind = Literal["scl", "classi", "gml", "qa_pixel", "bqa", "pixel_qa"]
Bits = NDArray[np.uint8]


class Cover(IntFlag):
    """What hides or changes the ground; may be combined."""

    CLOUD = 1
    SHADOW = 2
    """Of a cloud."""
    SNOW = 4
    WATER = 8


ALL = ~Cover(0)

SCL = {
    3: Cover.SHADOW,
    6: Cover.WATER,
    8: Cover.CLOUD,
    9: Cover.CLOUD,
    11: Cover.SNOW,
}
"""Scene classification of Sentinel-2.  Not 10, cirrus: it takes bright soil for cloud; not 2, dark
areas: they are the shaded slopes that terrain tells better."""

CLASSI = (Cover.CLOUD, Cover.CLOUD, Cover.SNOW)
"""Bands of Sentinel-2's MSK_CLASSI: opaque clouds, cirrus, snow."""

QA_PIXEL = {1: Cover.CLOUD, 3: Cover.CLOUD, 4: Cover.SHADOW, 5: Cover.SNOW, 7: Cover.WATER}
"""Bits of Landsat Collection 2: dilated cloud, cloud, cloud shadow, snow, water.  Not 2, cirrus."""
PIXEL_QA = {2: Cover.WATER, 3: Cover.SHADOW, 4: Cover.SNOW, 5: Cover.CLOUD}
"""Bits of surface reflectance of Landsat Collection 1."""
BQA_CLOUD = 4
BQA_HIGH = {7: Cover.SHADOW, 9: Cover.SNOW}
"""Bits of Landsat Collection 1: cloud, and the lower of two bits of confidence, both set: high."""

_BITS = ("qa_pixel", "bqa", "pixel_qa")

_WORDS: dict[Kind, str] = {
    "scl": "scene classification (SCL)",
    "classi": "MSK_CLASSI",
    "gml": "MSK_CLOUDS polygons",
    "qa_pixel": "QA_PIXEL",
    "bqa": "BQA",
    "pixel_qa": "pixel_qa",
}


@dataclass(frozen=True)
class ClassLayer:
    """A product's layer of classes or bits.

    Parameters
    ----------
    kind
        ``scl``, ``classi``, ``gml`` (Sentinel-2; the last, of old products, has clouds alone),
        ``qa_pixel`` (Landsat Collection 2), ``bqa`` or ``pixel_qa`` (Collection 1).
    path
        What GDAL opens: a local file, or a member of a local archive.
    near
        Whether it is a raster of :class:`Cover`, made by :func:`staged_classes`.
    """

    kind: Kind
    path: str
    near: bool = False

    @property
    def text(self) -> str:
        """The layer in words, for reports."""
        return _WORDS[self.kind]


def cover(kind: Kind, bands: NDArray[Any]) -> Bits:
    """Bits of :class:`Cover` from the bands of a layer, (bands, rows, cols)."""
    values = bands[0]
    found = np.zeros(values.shape, np.uint8)
    if kind == "scl":
        for number, meaning in SCL.items():
            found[values == number] |= np.uint8(meaning)
    elif kind == "classi":
        for band, meaning in zip(bands, CLASSI, strict=False):
            found[band != 0] |= np.uint8(meaning)
    elif kind == "bqa":
        found[values & (1 << BQA_CLOUD) != 0] |= np.uint8(Cover.CLOUD)
        for bit, meaning in BQA_HIGH.items():
            found[(values >> bit) & 3 == 3] |= np.uint8(meaning)
    else:
        known = values & 1 == 0 if kind == "qa_pixel" else np.ones(values.shape, np.bool_)
        for bit, meaning in (QA_PIXEL if kind == "qa_pixel" else PIXEL_QA).items():
            found[(values & (1 << bit) != 0) & known] |= np.uint8(meaning)
    return found


def staged_classes(layer: ClassLayer, scene: Scene, path: Path) -> ClassLayer:
    """The layer as a raster of :class:`Cover`, from which windows are read quickly.

    Parameters
    ----------
    layer
        As it was opened.
    scene
        A band of the same product.
    path
        The file to make.

    Raises
    ------
    InputError
        It cannot be read; the image can be used without.
    """
    if layer.near:
        return layer
    draw(layer.kind, layer.path, scene, path)
    return replace(layer, path=str(path), near=True)


def draw(kind: Kind, location: str, scene: Scene, path: Path, wanted: Cover = ALL) -> None:
    """Write a layer as a raster of bits of :class:`Cover`, those of them that are wanted.

    Parameters
    ----------
    kind, location
        The layer, as :class:`ClassLayer` has it.
    scene
        A band of the same product.
    path
        The file to make.
    wanted
        Other bits are left out.

    Raises
    ------
    InputError
        The layer cannot be read.
    """
    if kind == "gml":
        coarse, clouds = _polygons(location, scene)
        write_bits(path, coarse, iter([(coarse.window, clouds & np.uint8(wanted))]))
        return
    what, pointer = _WORDS[kind], scene.pointer
    packed = path.with_name(path.name + ".packed")
    with (
        unpacked(location, packed, pointer=pointer) as near,
        reading(what, pointer=pointer),
        opened(near, pointer=pointer) as source,
    ):
        if source.crs is None:
            raise NoGeoreference(
                f"The layer {what} has no coordinate reference system.", pointer=pointer
            )
        if kind in _BITS and not source.dtypes[0].startswith(("uint", "int")):
            raise BandMissing(f"The layer {what} holds {source.dtypes[0]}, no bits.",
                              pointer=pointer)  # fmt: skip
        grid = Grid(source.shape, source.transform, source.crs.to_wkt())
        write_bits(path, grid, _strips(source, kind, wanted))


def write_bits(path: Path, grid: Grid, strips: Iterator[tuple[Window, NDArray[Any]]]) -> None:
    """Write bits, or zeros and ones, as a tiled, packed raster."""
    with (
        writing("a layer of classes"),
        created(path, grid, dtype="uint8", compress="DEFLATE", ZLEVEL=1) as target,
    ):
        for window, bits in strips:
            target.write(bits.astype(np.uint8), 1, window=raster_window(window))


def _strips(
    source: rasterio.DatasetReader, kind: Kind, wanted: Cover
) -> Iterator[tuple[Window, Bits]]:
    for row in range(0, source.height, ROWS):
        window = Window(row, 0, min(ROWS, source.height - row), source.width)
        found = cover(kind, source.read(window=raster_window(window)))
        yield window, found & np.uint8(wanted)


def _polygons(location: str, scene: Scene) -> tuple[Grid, Bits]:
    """The clouds of an old product, and the grid of their pixels."""
    data = read_location(location, xml.MAX_BYTES, pointer=scene.pointer)
    root = xml.parse(data, "The cloud mask", pointer=scene.pointer)
    step = max(1, round(GML_PIXEL / max(scene.grid.pixel_size)))
    height, width = scene.grid.shape
    coarse = Grid(
        (-(-height // step), -(-width // step)),
        scene.grid.transform @ Affine.scale(step),
        scene.grid.crs,
    )
    inside = burned(gml.clouds(root, scene.grid.system), coarse)
    return coarse, inside * np.uint8(Cover.CLOUD)


def cover_of(layer: ClassLayer, grid: Grid) -> Bits:
    """Bits of :class:`Cover` on the pixels of a small grid; 0 outside the layer.

    Parameters
    ----------
    layer
        Staged.
    grid
        In any coordinate reference system; a pixel gets the class at its centre.
    """
    if not layer.near:
        message = "a layer of classes is read when it is staged"
        raise ValueError(message)
    found = np.zeros(grid.shape, np.uint8)
    with reading(layer.text), opened(layer.path) as source:
        reproject(
            rasterio.band(source, 1),
            found,
            dst_transform=grid.transform,
            dst_crs=grid.crs,
            init_dest_nodata=False,
            resampling=Resampling.nearest,
            num_threads=1,
            tolerance=0.0,
        )
    return found
