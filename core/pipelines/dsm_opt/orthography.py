"""Images laid on the map: each cell gets what an image shows where its ground is seen."""

from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray
from pyproj import Transformer
from scipy import ndimage

from core.geometry.rpc import Flags, Floats, Rpc
from core.geometry.viewing import line_of_sight
from core.geometry.visibility import Slant, halo, slant, visible
from core.grid import GEOGRAPHIC, Grid
from core.io.products.stereo.bands import BandPixels
from core.matching.interpolation import sampled, spline_coefficients
from core.pipelines.dsm_opt.filling import Values
from core.tiling import Window

SPLINE_PX = 12
"""Pixels around those that are asked for: the reach of a spline's coefficients."""

NODE = 32
"""Cells between the places that are projected; between them the ground is flat to micrometres."""

FARTHEST = 1024
"""Cells within which something may hide a cell, whatever the heights say: one wrong height far
above all others must not make every tile read the whole model."""

MOST_SAMPLES = 8
"""Samples along a cell's side, at most."""


class Pixels(Protocol):
    """Where the pixels of an image are read from."""

    @property
    def window(self) -> Window:
        """The pixels that are there, counted as the sensor model counts them."""

    def read(self, window: Window) -> BandPixels:
        """A window of the image; may reach outside of what is there."""


@dataclass(frozen=True, eq=False)
class Lens:
    """An image to be laid on the map; may be sent to other processes.

    Parameters
    ----------
    key
        Name of its file.
    name
        For people.
    bands
        Their names.
    dtype
        Of the stored values.
    gsd_m
        Side of a pixel on level ground.
    rpc
        Its refined model.
    pixels
        What it shows.
    """

    key: str
    name: str
    bands: tuple[str, ...]
    dtype: str
    gsd_m: float
    rpc: Rpc
    pixels: Pixels


class Heights(Protocol):
    """A surface without holes, such as :class:`~core.pipelines.dsm_opt.walls.WalledSurface`."""

    @property
    def grid(self) -> Grid:
        """Its cells."""

    def around(self, window: Window) -> Values:
        """Known heights in and about a window, in no order."""

    def read(self, window: Window) -> Values:
        """Heights in a window inside the grid."""


class Cells(Protocol):
    """Something that is so or not in each cell."""

    def read(self, window: Window) -> NDArray[Any]:
        """Not 0 where it is so, in a window inside the grid."""


@dataclass(frozen=True, eq=False)
class Screen:
    """What images are laid on; may be sent to other processes.

    Parameters
    ----------
    surface
        Heights above the ellipsoid.
    highest
        Of all cells.
    doubtful
        Cells of roofs that may be ground; none by default.
    """

    surface: Heights
    highest: float
    doubtful: Cells | None = None

    @property
    def grid(self) -> Grid:
        """The cells."""
        return self.surface.grid

    def doubts(self, window: Window) -> Flags:
        """Which cells of a window may be ground."""
        if self.doubtful is None:
            return np.zeros(window.shape, np.bool_)
        return np.asarray(self.doubtful.read(window) != 0)


class Laid(NamedTuple):
    """An image in a window of the grid.

    Parameters
    ----------
    values
        (bands, rows, cols) of its dtype; 0 where the cell has no height, lies outside the image, or
        is hidden from it by something higher.
    sure
        Cells that are seen even if what is in doubt is ground, (rows, cols): where roofs are too
        wide, they reach over ground that the image does not see.
    """

    values: NDArray[Any]
    sure: Flags

    @property
    def image(self) -> NDArray[Any]:
        """The values of the cells that are surely seen, else 0."""
        return np.where(self.sure, self.values, self.values.dtype.type(0))


def ortho_tile(screen: Screen, lenses: tuple[Lens, ...], window: Window) -> list[Laid]:
    """Every image in a window of the grid."""
    grid, around = screen.grid, screen.surface.around(window)
    if not around.size:
        return [_nothing(lens, window) for lens in lenses]
    middle = float(np.median(around))
    lines = [slant(lens.rpc, grid, window, middle) for lens in lenses]
    rise = screen.highest - float(around.min())
    wide = window.pad(min(max(halo(line, rise) for line in lines), FARTHEST)) & grid.window
    surface, core = screen.surface.read(wide), window.inside(wide)
    height = surface[core.slices]
    lon, lat = geographic(grid, window)
    cell, doubts = grid.pixel_size[0], screen.doubts(window)
    laid = []
    for lens, line in zip(lenses, lines, strict=True):
        seen = visible(surface, core, line, cell)
        sure = visible(surface, core, line, cell, doubtful=doubts) if doubts.any() else seen
        place = lens.rpc.project(lon, lat, np.where(seen, height, np.nan))
        offsets = _offsets(lens, line, grid, window, middle)
        laid.append(Laid(_laid(lens, place.row, place.col, offsets), sure))
    return laid


def _nothing(lens: Lens, window: Window) -> Laid:
    values = np.zeros((len(lens.bands), *window.shape), lens.dtype)
    return Laid(values, np.zeros(window.shape, np.bool_))


def best_of(laid: list[Laid]) -> NDArray[Any]:
    """In each cell the first image that surely sees it, else the first that sees it.

    All have the same bands and dtype.
    """
    best = laid[0].image
    for values in (*(one.image for one in laid[1:]), *(one.values for one in laid)):
        np.copyto(best, values, where=~best.any(axis=0) & values.any(axis=0))
    return best


def by_incidence(lenses: tuple[Lens, ...], grid: Grid, height: float) -> list[int]:
    """The images from the one that looks down most steeply on the middle of the grid."""
    rows, cols = grid.shape
    lon, lat = geographic(grid, Window(rows // 2, cols // 2, 1, 1))
    angles = [
        float(line_of_sight(lens.rpc, lon, lat, height).incidence_deg[0, 0]) for lens in lenses
    ]
    return sorted(range(len(lenses)), key=lambda n: (np.nan_to_num(angles[n], nan=np.inf), n))


def geographic(grid: Grid, window: Window) -> tuple[Floats, Floats]:
    """Longitudes and latitudes of the centres of cells, degrees, (rows, cols)."""
    change = Transformer.from_crs(grid.plane, GEOGRAPHIC, always_xy=True)
    rows, cols = (_nodes(count) for count in window.shape)
    down, right = np.meshgrid(rows + window.row + 0.5, cols + window.col + 0.5, indexing="ij")
    t = grid.transform
    lon, lat = change.transform(t.a * right + t.b * down + t.c, t.d * right + t.e * down + t.f)
    # Across the date line longitudes run on.
    lon = lon[0, 0] + (np.asarray(lon) - lon[0, 0] + 180) % 360 - 180
    between = [
        _weights(nodes, count) for nodes, count in zip((rows, cols), window.shape, strict=True)
    ]
    lon, lat = (between[0] @ part @ between[1].T for part in (lon, np.asarray(lat)))
    return lon, lat


def _nodes(count: int) -> Floats:
    """Places from the first to the last of `count` cells, no more than NODE apart."""
    return np.linspace(0.0, count - 1.0, -(-(count - 1) // NODE) + 1)


def _weights(nodes: Floats, count: int) -> Floats:
    """(count, nodes): what each node adds to each cell."""
    if nodes.size == 1:
        return np.ones((count, 1))
    place = np.arange(count) / (nodes[1] - nodes[0])
    weights: Floats = np.maximum(0.0, 1.0 - np.abs(place[:, None] - np.arange(nodes.size)))
    return weights


def per_cell(rpc: Rpc, grid: Grid, window: Window, height: float) -> Floats:
    """By how much row and column grow from a cell to the one below, and to the right one, (2, 2).

    In the middle of a window, at a height.
    """
    middle = Window(window.row + window.height // 2, window.col + window.width // 2, 2, 2)
    seen = rpc.project(*geographic(grid, middle), height)
    return np.array(
        [[part[1, 0] - part[0, 0], part[0, 1] - part[0, 0]] for part in (seen.row, seen.col)]
    )


def _offsets(lens: Lens, line: Slant, grid: Grid, window: Window, height: float) -> Floats:
    """Rows and columns from where a cell's centre is seen to where parts of the cell are, (n, 2).

    A cell larger than a pixel shows the mean of what lies in it: one pixel for several would show
    patterns that are not there.
    """
    count = min(max(round(grid.pixel_size[0] / lens.gsd_m), 1), MOST_SAMPLES)
    if count == 1 or not line.known:
        return np.zeros((1, 2))
    parts = (np.arange(count) + 0.5) / count - 0.5
    down, right = (part.ravel() for part in np.meshgrid(parts, parts, indexing="ij"))
    found: Floats = np.stack([down, right], axis=-1) @ per_cell(lens.rpc, grid, window, height).T
    return found


def _laid(lens: Lens, row: Floats, col: Floats, offsets: Floats) -> NDArray[Any]:
    """The image at places; 0 where they are NaN or show nothing."""
    result = np.zeros((len(lens.bands), *row.shape), lens.dtype)
    window = _holding(row, col, float(np.abs(offsets).max())) & lens.pixels.window
    if window.empty:
        return result
    picture = lens.pixels.read(window)
    if not picture.weights.any():
        return result
    known = picture.weights > 0
    for band, values in zip(result, picture.values, strict=True):
        total, valid = np.zeros(row.shape), np.ones(row.shape, np.bool_)
        coefficients = spline_coefficients(_extended(values, known))
        for down, right in offsets:
            part = sampled(
                coefficients, picture.weights, row + (down - window.row), col + (right - window.col)
            )
            total += part.values
            valid &= part.weights > 0
        band[valid] = _stored(total[valid] / len(offsets), np.dtype(lens.dtype))
    return result


def _holding(row: Floats, col: Floats, beyond: float) -> Window:
    """The window that holds places, with what a spline reaches for around them."""
    if not np.isfinite(row).any():
        return Window(0, 0, 0, 0)
    top, left = (int(np.floor(np.nanmin(axis) - beyond)) for axis in (row, col))
    bottom, right = (int(np.ceil(np.nanmax(axis) + beyond)) for axis in (row, col))
    return Window(top, left, bottom - top + 1, right - left + 1).pad(SPLINE_PX)


def _extended(values: Values, known: Flags) -> Values:
    """Values with those of the nearest known pixel where there are none: splines ring at edges."""
    if known.all():
        return values
    nearest = ndimage.distance_transform_edt(~known, return_distances=False, return_indices=True)
    extended: Values = values[tuple(nearest)]
    return extended


def _stored(values: Floats, dtype: np.dtype[Any]) -> NDArray[Any]:
    """Values in the input's dtype, never 0, which means that there is none."""
    if dtype.kind == "f":
        return np.where(values == 0, np.finfo(dtype).tiny, values).astype(dtype)
    return np.clip(np.rint(values), 1, np.iinfo(dtype).max).astype(dtype)
