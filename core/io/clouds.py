"""Cloud layers that come with products, brought near once and read by windows."""

from dataclasses import replace
from pathlib import Path

import numpy as np
from affine import Affine
from numpy.typing import NDArray

from core.errors import InputError
from core.grid import Grid
from core.io.class_layers import Cover, draw
from core.io.gdal import opened, raster_window, reading
from core.io.products.scene import Scene
from core.tiling import Window


def staged_cloud(scene: Scene, path: Path) -> Scene:
    """The scene with its cloud layer as a raster of zeros and ones in the scene's CRS.

    A layer that cannot be read is left out, with a warning: the image can be used without.
    """
    if scene.cloud is None or scene.cloud.near:
        return scene
    try:
        draw(scene.cloud.kind, scene.cloud.path, scene, path, Cover.CLOUD)
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
