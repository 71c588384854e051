"""What a surface model costs: time, memory, disk; known before any pixel is read."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from pyproj import Transformer
from shapely import union_all

from core.compute import MIB
from core.geometry.rational import metres_per_degree
from core.geometry.rpc import Floats, Rpc
from core.grid import GEOGRAPHIC
from core.io.products.stereo import View
from core.pipelines.dsm_opt.area import Target
from core.pipelines.dsm_opt.declaration import DsmOptParameters
from core.pipelines.dsm_opt.images import Image
from core.pipelines.dsm_opt.overlap import Overlap
from core.pipelines.dsm_opt.pairing import ImagePair

START_S = 10.0
"""CPU seconds for the start, the pictures and the documents."""

IMAGE_S = 3.0
"""For the tie points of an image, and its part of the coarse model."""

MATCH_S = 17.0
"""For a million pixels of a pair: lattice, matching, intersection."""

DECODE_S, DECODE_JP2_S = 0.04, 0.25
"""For a million stored pixels, at full resolution and reduced."""

CELL_S = 2.0
"""For a million cells: fusion, filters, products."""

ORTHO_S, WALLED_S, FILLED_S = 1.0, 1.5, 1.0
"""For a million cells of an orthoimage, of what they are laid on, of the filled model."""

CLOUD_S = 1.0
"""For a million points of a cloud, of which each pixel of a pair gives one."""

BASE_BYTES = 320 * MIB
"""Memory of the libraries and of the writing of results."""

TILE_BYTES = 200 * MIB
"""Memory of a tile, of which each worker has one."""

SURFACE_BYTES = 4 * 4 + 1 + 2
"""Scratch of a cell: heights, errors, distances, scores; pairs; reasons."""

WALLED_BYTES = 4 + 1
"""Of a cell of the surface that images are laid on."""

RESULT_BYTES = SURFACE_BYTES + 1
"""Results of a cell before compression: the same and the hillshade."""

POINT_BYTES, KEPT_POINT_BYTES = 7, 48
"""Of a point in a compressed cloud, 4.7 to 7.1 measured; and until it is written."""

COMPRESSED = 0.7
"""Size of a result over its size in memory."""

REDUCED = 1.1
"""Scratch of a staged image and its reduced copy, over the former."""


class Extent(NamedTuple):
    """What there is to be done.

    Parameters
    ----------
    matched
        Pixels of each pair.
    staged
        Pixels of each image that are read.
    cells
        Of the output.
    """

    matched: tuple[int, ...]
    staged: tuple[int, ...]
    cells: int


def extent_of(
    images: Sequence[Image],
    pairs: Sequence[ImagePair],
    overlaps: Sequence[Overlap],
    target: Target,
    heights: tuple[float, float],
) -> Extent:
    """The pixels and cells of a job.

    Parameters
    ----------
    overlaps
        Of the pairs.
    heights
        Between which ground is looked for.
    """
    rows, cols = target.grid.shape
    area = rows * cols * target.resolution**2
    matched = []
    for pair, common in zip(pairs, overlaps, strict=True):
        views = [images[number].view for number in (pair.first, pair.second)]
        smaller = min(view.shape[0] * view.shape[1] for view in views)
        gsd = min(view.gsd_m for view in views)
        matched.append(round(min(common.share * smaller, area / gsd**2)))
    staged = tuple(_staged(image.view, target, heights) for image in images)
    # Without an area of interest the grid holds ground at any height; what pairs see is less.
    seen = union_all([common.polygon for common in overlaps])
    lon_metres, lat_metres = metres_per_degree(float(seen.centroid.y), 0.0)
    cells = seen.area * lon_metres * lat_metres / target.resolution**2
    return Extent(tuple(matched), staged, round(min(rows * cols, cells)))


def cpu_seconds(extent: Extent, images: Sequence[Image], parameters: DsmOptParameters) -> float:
    """CPU time of the job."""
    decoding = sum(
        (DECODE_JP2_S if _is_jp2(image.view) else DECODE_S) * pixels
        for image, pixels in zip(images, extent.staged, strict=True)
    )
    cell = CELL_S + FILLED_S * parameters.filled
    if _orthos(images, parameters):
        cell += WALLED_S + ORTHO_S * _orthos(images, parameters)
    pixel = MATCH_S + CLOUD_S * parameters.point_cloud
    work = pixel * sum(extent.matched) + decoding + cell * extent.cells
    return START_S + IMAGE_S * len(images) + work / 1e6


def result_bytes(extent: Extent, images: Sequence[Image], parameters: DsmOptParameters) -> int:
    """Size of the results."""
    cell = COMPRESSED * (RESULT_BYTES + 4 * parameters.filled)
    if parameters.orthoimages:
        stored = [len(i.view.bands) * np.dtype(i.view.dtype).itemsize for i in images]
        cell += COMPRESSED * (sum(stored) + max(stored))
    if parameters.colour_orthoimages:
        coloured = [i.view.colour for i in images if i.view.colour is not None]
        cell += COMPRESSED * sum(len(c.bands) * np.dtype(c.dtype).itemsize for c in coloured)
    points = sum(extent.matched) * parameters.point_cloud
    return round(cell * extent.cells + POINT_BYTES * points)


def scratch_bytes(extent: Extent, images: Sequence[Image], parameters: DsmOptParameters) -> int:
    """Room that the job needs while it runs, results not counted."""
    points = sum(extent.matched) * parameters.point_cloud
    total = 2.0 * SURFACE_BYTES * extent.cells + KEPT_POINT_BYTES * points
    if parameters.orthoimages or parameters.colour_orthoimages:
        total += WALLED_BYTES * extent.cells
    for image, pixels in zip(images, extent.staged, strict=True):
        view = image.view
        size = np.dtype(view.dtype).itemsize
        total += REDUCED * pixels * ((size if len(view.matched) == 1 else 4) + 1)
        if view.archived:
            total += view.shape[0] * view.shape[1] * len(view.bands) * size
    return round(total)


def memory_bytes(workers: int) -> int:
    """Memory of the job with so many workers."""
    return BASE_BYTES + workers * TILE_BYTES


def _staged(view: View, target: Target, heights: tuple[float, float]) -> int:
    """Pixels of an image that may show the output at any height."""
    west, south, east, north = target.grid.bounds
    x, y = np.meshgrid(np.linspace(west, east, 9), np.linspace(south, north, 9))
    project = Transformer.from_crs(target.grid.crs, GEOGRAPHIC, always_xy=True)
    return _pixels(view.rpc, view.shape, *project.transform(x, y), heights)


def _pixels(
    rpc: Rpc,
    shape: tuple[int, int],
    lon: Floats,
    lat: Floats,
    heights: tuple[float, float],
) -> int:
    seen = [rpc.project(lon, lat, height) for height in np.linspace(*heights, 3)]
    count = 1
    for axis, size in zip(("row", "col"), shape, strict=True):
        values = np.stack([getattr(part, axis) for part in seen])
        if not np.isfinite(values).all():
            return shape[0] * shape[1]
        low, high = np.clip([values.min(), values.max()], -0.5, size - 0.5)
        count *= max(round(float(high - low)), 1)
    return count


def _orthos(images: Sequence[Image], parameters: DsmOptParameters) -> int:
    """Orthoimages of a job, the fused one among them."""
    count = len(images) + 1 if parameters.orthoimages else 0
    if parameters.colour_orthoimages:
        count += sum(image.view.colour is not None for image in images)
    return count


def _is_jp2(view: View) -> bool:
    return view.driver.startswith("JP2") or any(
        tile.path.lower().endswith((".jp2", ".j2k")) for tile in view.tiles
    )
