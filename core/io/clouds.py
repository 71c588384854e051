"""Cloud layers that come with products, brought near once and read by windows."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from xml.etree.ElementTree import Element

import numpy as np
import rasterio
import shapely
from affine import Affine
from numpy.typing import NDArray
from pyproj import CRS
from pyproj.exceptions import CRSError

from core.errors import BadMetadata, InputError
from core.grid import Grid
from core.io import xml
from core.io.archives import read_location, unpack_member
from core.io.gdal import created, opened, raster_window, reading, writing
from core.io.gml import polygon
from core.io.products.scene import CloudLayer, Scene
from core.io.vectors import burned
from core.tiling import Window

SCL_CLOUD = (8, 9)
"""Cloud of medium and of high probability.  Not 10, cirrus: it takes bright soil for cloud."""
CLASSI_BANDS = (1, 2)
"""Opaque clouds and cirrus; the third is snow."""
GML_TYPES = ("OPAQUE", "CIRRUS")
GML_PIXEL = 60.0
"""Metres; the polygons were drawn around pixels of this size."""
ROWS = 1024


def staged_cloud(scene: Scene, path: Path) -> Scene:
    """The scene with its cloud layer as a raster of zeros and ones in the scene's CRS.

    A layer that cannot be read is left out, with a warning: the image can be used without.
    """
    if scene.cloud is None or scene.cloud.near:
        return scene
    try:
        if scene.cloud.kind == "gml":
            _stage_polygons(scene, scene.cloud, path)
        else:
            _stage_classes(scene.cloud, path, scene.pointer)
    except InputError as error:
        note = f"The cloud layer of {scene.name} is not used: {error.message}"
        return replace(scene, cloud=None, warnings=(*scene.warnings, note))
    return replace(scene, cloud=replace(scene.cloud, path=str(path), near=True))


def cloud(scene: Scene, window: Window) -> NDArray[np.bool_]:
    """Where the product's cloud layer says cloud, for a window of a staged scene.

    False where there is no layer, and outside it.
    """
    result = np.zeros(window.shape, np.bool_)
    if scene.cloud is None:
        return result
    if not scene.cloud.near:
        message = "the cloud layer is read from a staged scene"
        raise ValueError(message)
    with reading(f"the cloud layer of {scene.name}"), opened(scene.cloud.path) as layer:
        rows, cols = _indices(scene.grid, window, layer.transform)
        inside = (rows >= 0) & (rows < layer.height) & (cols >= 0) & (cols < layer.width)
        if not inside.any():
            return result
        top, left = int(rows[inside].min()), int(cols[inside].min())
        height = int(rows[inside].max()) - top + 1
        width = int(cols[inside].max()) - left + 1
        values = layer.read(1, window=raster_window(Window(top, left, height, width)))
    result[inside] = values[rows[inside] - top, cols[inside] - left] != 0
    return result


def _indices(
    grid: Grid, window: Window, layer: Affine
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Row and column of the layer under the centre of each pixel of a window."""
    change = ~layer @ grid.transform
    cols = np.arange(window.col, window.col + window.width) + 0.5
    rows = np.arange(window.row, window.row + window.height)[:, None] + 0.5
    across = change.a * cols + change.b * rows + change.c
    down = change.d * cols + change.e * rows + change.f
    return np.floor(down).astype(np.int64), np.floor(across).astype(np.int64)


def write_bits(path: Path, grid: Grid, strips: Iterator[tuple[Window, NDArray[np.bool_]]]) -> None:
    """Write zeros and ones as a tiled, packed raster."""
    with (
        writing("a cloud layer"),
        created(path, grid, dtype="uint8", compress="DEFLATE", ZLEVEL=1) as target,
    ):
        for window, bits in strips:
            target.write(bits.astype(np.uint8), 1, window=raster_window(window))


def _stage_classes(layer: CloudLayer, path: Path, pointer: str) -> None:
    location = layer.path
    packed = path.with_name(path.name + ".packed")
    if location.startswith("/vsizip/"):
        unpack_member(location, packed, pointer=pointer)
        location = str(packed)
    try:
        with reading("the cloud layer", pointer=pointer), opened(location) as source:
            grid = Grid(source.shape, source.transform, source.crs.to_wkt())
            write_bits(path, grid, _classes(source, layer.kind))
    finally:
        packed.unlink(missing_ok=True)


def _classes(
    source: rasterio.DatasetReader, kind: str
) -> Iterator[tuple[Window, NDArray[np.bool_]]]:
    for row in range(0, source.height, ROWS):
        window = Window(row, 0, min(ROWS, source.height - row), source.width)
        part = raster_window(window)
        if kind == "scl":
            yield window, np.isin(source.read(1, window=part), SCL_CLOUD)
        else:
            bands = [band for band in CLASSI_BANDS if band <= source.count]
            yield window, (source.read(bands, window=part) != 0).any(axis=0)


def _stage_polygons(scene: Scene, layer: CloudLayer, path: Path) -> None:
    data = read_location(layer.path, xml.MAX_BYTES, pointer=scene.pointer)
    shapes = _polygons(xml.parse(data, "The cloud mask", pointer=scene.pointer), scene)
    step = max(1, round(GML_PIXEL / max(scene.grid.pixel_size)))
    height, width = scene.grid.shape
    coarse = Grid(
        (-(-height // step), -(-width // step)),
        scene.grid.transform @ Affine.scale(step),
        scene.grid.crs,
    )
    write_bits(path, coarse, iter([(coarse.window, burned(shapes, coarse))]))


def _polygons(root: Element, scene: Scene) -> tuple[shapely.Polygon, ...]:
    """Polygons of opaque clouds and cirrus; they must be in the CRS of the image."""
    names = {e.get("srsName", "") for e in root.iter()} - {""}
    try:
        same = all(CRS.from_user_input(_crs_name(name)) == scene.grid.system for name in names)
    except CRSError as error:
        raise BadMetadata("The cloud mask names no known coordinate reference system.") from error
    if not same:
        raise BadMetadata("The cloud mask is in another coordinate reference system.")
    return tuple(
        polygon(element)
        for feature in xml.elements(root, "MaskFeature")
        if xml.text(feature, "maskType") in GML_TYPES
        for element in xml.elements(feature, "Polygon")
    )


def _crs_name(name: str) -> str:
    """The code in ``urn:ogc:def:crs:EPSG:8.7:32748``, whatever version it names."""
    return f"EPSG:{name.rpartition(':')[2]}" if "EPSG" in name else name
