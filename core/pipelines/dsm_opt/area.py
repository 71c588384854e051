"""The output lattice: its projection, its cells, the part that is wanted, and its tiles."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from affine import Affine
from numpy.typing import NDArray
from pyproj import CRS, Transformer
from pyproj.exceptions import CRSError
from shapely import Polygon, intersection_all, union_all
from shapely.geometry.base import BaseGeometry

from core.declare import Area
from core.errors import NoOverlap, OutOfRange, UnsupportedGrid
from core.geometry.rpc import Rpc
from core.geometry.viewing import footprint
from core.grid import GEOGRAPHIC, Grid
from core.io.areas import area_mask, area_window
from core.pipelines.dsm_opt.declaration import DsmOptParameters
from core.pipelines.dsm_opt.images import Image
from core.pipelines.dsm_opt.pairing import ImagePair
from core.tiling import Window

TILE_PX = 600
"""Side of a tile in pixels of the images, at most: larger ones take more memory, smaller ones more
time for their margins.  A constant: sums along whole rows depend on where tiles end."""

LEAST_TILE = 32
"""The same in cells, at least."""

FINEST_STEP = 0.05
"""A pitch that follows from the images is a multiple of this, metres."""

LEVELS = 3
"""Heights at which the ground of images is looked at: lowest, middle, highest of the models."""


@dataclass(frozen=True)
class Crop:
    """A rectangle of pixels of one image, first pixel and size; 0-based."""

    image: int
    window: Window

    def holds(
        self, row: NDArray[np.float64], col: NDArray[np.float64], pad: float = 0.0
    ) -> NDArray[np.bool_]:
        """Whether places lie in it, or within `pad` pixels of it; NaN lies nowhere."""
        window, half = self.window, 0.5 + pad
        inside: NDArray[np.bool_] = (
            (row >= window.row - half)
            & (row < window.row + window.height - 1 + half)
            & (col >= window.col - half)
            & (col < window.col + window.width - 1 + half)
        )
        return inside


@dataclass(frozen=True)
class Target:
    """What is to be made.

    Parameters
    ----------
    grid
        Cells of the output on multiples of the resolution.
    tile
        Side of a tile at most, cells.
    area
        The wanted part, where the user gave one; cells outside stay empty.
    crop
        The same as pixels of an image.
    bounds
        West, south, east, north of all that may be asked, degrees.
    """

    grid: Grid
    tile: int
    area: Area | None
    crop: Crop | None
    bounds: tuple[float, float, float, float]

    @property
    def resolution(self) -> float:
        """Side of a cell, metres."""
        return self.grid.pixel_size[0]

    def tiles(self) -> Iterator[Window]:
        """The tiles as windows of the grid, row by row, of about one size."""
        rows, cols = (_edges(length, self.tile) for length in self.grid.shape)
        for top, bottom in pairwise(rows):
            for left, right in pairwise(cols):
                yield Window(top, left, bottom - top, right - left)

    def wanted(self, window: Window) -> NDArray[np.bool_]:
        """Cells of a window whose centres lie in the wanted area."""
        if self.area is None:
            return np.ones(window.shape, np.bool_)
        return area_mask(self.area, self.grid.crop(window))

    def over(self, grid: Grid) -> "Target":
        """The same for another part of the lattice."""
        return Target(grid, self.tile, self.area, self.crop, self.bounds)


def target_of(
    parameters: DsmOptParameters, images: Sequence[Image], pairs: Sequence[ImagePair]
) -> Target:
    """The output as it follows from the request and the images' models.

    Without an area of interest the grid holds what two images of a pair see at any height of their
    models; :func:`trimmed` makes it smaller when the ground is known.

    Raises
    ------
    NoOverlap
        No pair sees any of the area.
    UnsupportedGrid
        The coordinate reference system of the output is not projected in metres.
    """
    crop = crop_of(parameters, images)
    outlines = [_common(images, pair, crop) for pair in pairs]
    whole = np.array([outline.bounds for outline in outlines if not outline.is_empty])
    if not whole.size:
        raise NoOverlap("No pair of images sees common ground.", pointer="/inputs/images")
    west, south, east, north = (*whole[:, :2].min(axis=0), *whole[:, 2:].max(axis=0))
    bounds = (float(west), float(south), float(east), float(north))
    crs = output_crs(parameters, (bounds[0] + bounds[2]) / 2, (bounds[1] + bounds[3]) / 2)
    resolution = resolution_of(parameters, images)
    tile = max(round(TILE_PX * finest(images) / resolution), LEAST_TILE)
    lattice = Grid((1, 1), Affine(resolution, 0, 0, 0, -resolution, 0), crs)
    if parameters.aoi is not None:
        window = area_window(parameters.aoi, lattice)
        _check_seen(parameters.aoi, outlines)
    else:
        window = _holding(lattice, outlines)
    return Target(lattice.crop(window), tile, parameters.aoi, crop, bounds)


def _edges(length: int, side: int) -> list[int]:
    """Where equal parts of at most `side` begin, and where the last one ends."""
    count = -(-length // side)
    return [round(length * number / count) for number in range(count + 1)]


def finest(images: Sequence[Image]) -> float:
    """The smallest pixel of the images, metres on level ground."""
    return min(image.view.gsd_m for image in images)


def resolution_of(parameters: DsmOptParameters, images: Sequence[Image]) -> float:
    """Side of the output's cells, metres."""
    if parameters.resolution is not None:
        return parameters.resolution
    wanted = parameters.resolution_factor * finest(images)
    return max(round(wanted / FINEST_STEP), 1) * FINEST_STEP


def output_crs(parameters: DsmOptParameters, lon: float, lat: float) -> str:
    """The projection of the output: the one asked for, else UTM, near the poles UPS."""
    if parameters.output_crs is None:
        return projection_at(lon, lat)
    try:
        system = CRS.from_user_input(parameters.output_crs)
    except CRSError:
        system = None
    units = {axis.unit_conversion_factor for axis in system.axis_info} if system else set()
    if system is None or not system.is_projected or units != {1.0}:
        raise UnsupportedGrid(
            f"{parameters.output_crs} is not a projected coordinate reference system in metres.",
            pointer="/inputs/output_crs",
            value=parameters.output_crs,
            allowed="EPSG:n of a projected system in metres, or nothing for UTM",
        )
    return parameters.output_crs


def projection_at(lon: float, lat: float) -> str:
    """UTM zone of a place, or UPS beyond 84 degrees north and 80 degrees south.

    >>> projection_at(55.65, -21.23), projection_at(5.4, 43.3), projection_at(0.0, 86.0)
    ('EPSG:32740', 'EPSG:32631', 'EPSG:32661')
    """
    if lat > 84 or lat < -80:
        return "EPSG:32661" if lat > 0 else "EPSG:32761"
    zone = math.floor(((lon + 180) % 360) / 6) + 1
    return f"EPSG:{32600 + zone if lat >= 0 else 32700 + zone}"


def ground_of(
    rpc: Rpc, shape: tuple[int, int], heights: tuple[float, float] | None = None
) -> BaseGeometry:
    """What an image may see of ground between two heights, by default those of its model."""
    low, high = heights or height_range(rpc)
    outlines = [footprint(rpc, shape, h) for h in np.linspace(low, high, LEVELS)]
    seen = [outline for outline in outlines if not outline.is_empty]
    # A line of sight is straight: what is seen between two heights is their hull.
    hull: BaseGeometry = union_all(seen).convex_hull
    return hull


def height_range(rpc: Rpc) -> tuple[float, float]:
    """The heights for which a model was made, metres."""
    half = abs(rpc.height_scale)
    return rpc.height_offset - half, rpc.height_offset + half


def common_heights(rpcs: Sequence[Rpc]) -> tuple[float, float]:
    """The heights for which all of several models were made."""
    ranges = [height_range(rpc) for rpc in rpcs]
    return max(low for low, _ in ranges), min(high for _, high in ranges)


def _common(images: Sequence[Image], pair: ImagePair, crop: Crop | None) -> BaseGeometry:
    views = [images[number].view for number in (pair.first, pair.second)]
    parts = [ground_of(view.rpc, view.shape) for view in views]
    if crop is not None:
        rpc, window = images[crop.image].view.rpc, crop.window
        parts.append(ground_of(rpc.moved(-window.row, -window.col), window.shape))
    return intersection_all(parts)


def _holding(lattice: Grid, outlines: Sequence[BaseGeometry]) -> Window:
    """The cells that hold polygons in longitude and latitude."""
    project = Transformer.from_crs(GEOGRAPHIC, lattice.crs, always_xy=True)
    corners = []
    for outline in outlines:
        if isinstance(outline, Polygon) and not outline.is_empty:
            lon, lat = outline.exterior.segmentize(1e-3).coords.xy
            corners.append(np.stack(project.transform(lon, lat)))
    x, y = np.concatenate(corners, axis=1)
    return cells_holding(lattice, x, y)


def cells_holding(lattice: Grid, x: NDArray[np.float64], y: NDArray[np.float64]) -> Window:
    """The window of a grid that holds all of some places."""
    col, row = ~lattice.transform @ (x, y)
    top, left = math.floor(row.min()), math.floor(col.min())
    return Window(top, left, math.ceil(row.max()) - top, math.ceil(col.max()) - left)


def _check_seen(area: Area, outlines: Sequence[BaseGeometry]) -> None:
    """An area that no pair sees is refused before any work."""
    x, y = np.array(area.rings[0]).T
    lon, lat = Transformer.from_crs(area.crs, GEOGRAPHIC, always_xy=True).transform(x, y)
    wanted = Polygon(np.column_stack([lon, lat])).buffer(0)
    if any(outline.intersects(wanted) for outline in outlines):
        return
    seen = [round(float(part), 4) for part in union_all(outlines).bounds]
    raise NoOverlap(
        "No pair of images sees the area of interest.",
        pointer="/inputs/aoi",
        value=[round(float(part), 4) for part in wanted.bounds],
        allowed=f"an area that lies in part within {seen} (west, south, east, north)",
    )


def crop_of(parameters: DsmOptParameters, images: Sequence[Image]) -> Crop | None:
    """The pixels that are wanted, where the request names some.

    Raises
    ------
    OutOfRange
        They do not lie in the image.
    """
    parts = (
        parameters.crop_row,
        parameters.crop_column,
        parameters.crop_rows,
        parameters.crop_columns,
    )
    if None in parts:
        return None
    number = reference_of(parameters, images)
    row, col, height, width = (int(part) for part in parts if part is not None)
    rows, cols = images[number].view.shape
    if row + height > rows or col + width > cols:
        raise OutOfRange(
            f"The crop ends at row {row + height} and column {col + width}; "
            f"{images[number].name} has {rows} rows and {cols} columns.",
            pointer="/inputs/crop_row",
            value=[row, col, height, width],
            allowed=f"a crop inside {rows} rows and {cols} columns",
        )
    return Crop(number, Window(row, col, height, width))


def reference_of(parameters: DsmOptParameters, images: Sequence[Image]) -> int:
    """Index of the image whose pixels a crop counts: by number from 1, name, or the first.

    Raises
    ------
    OutOfRange
        No image has this number or name, or several have.
    """
    wanted = parameters.reference
    if wanted is None:
        return 0
    names = [image.name for image in images]
    if wanted.isdecimal() and 1 <= int(wanted) <= len(images):
        return int(wanted) - 1
    found = [number for number, name in enumerate(names) if wanted in name]
    exact = [number for number in found if names[number] == wanted]
    if len(exact or found) == 1:
        return (exact or found)[0]
    raise OutOfRange(
        f"reference {wanted!r} names {len(found)} of the images.",
        pointer="/inputs/reference",
        value=wanted,
        allowed=", ".join(f"{number} ({name})" for number, name in enumerate(names, 1)),
    )
