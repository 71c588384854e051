"""Elevation models that users bring: where to look for the ground, and what to compare it with.

They may have any coordinate reference system, resolution, gaps and mistakes; nothing of them gets
into a result.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from pyproj import CRS, Transformer
from scipy import ndimage

from core.errors import Inconsistent, InputError
from core.geometry.datum import ELLIPSOID, HeightDatum, vertical_system
from core.grid import GEOGRAPHIC
from core.io.gdal import leash
from core.io.heights import Floats, HeightFile, height_file, opened_heights, system_of
from core.tiling import Window, whole

STRIP_CELLS = 4_000_000
"""Cells that are read at a time."""

MOST_CELLS = 64_000_000
"""Cells that are looked at for the lowest and highest; of more, some are left out."""


class Heights(NamedTuple):
    """The lowest and the highest ground of an area, metres above the ellipsoid."""

    low: float
    high: float


@dataclass(frozen=True)
class ElevationPrior:
    """An elevation model, its heights above the ellipsoid.  May be sent to other processes.

    Parameters
    ----------
    file
        The stored heights.
    datum
        What they are counted from.
    """

    file: HeightFile
    datum: HeightDatum

    def sampled(self, lon: ArrayLike, lat: ArrayLike) -> Floats:
        """Heights at places in degrees (broadcast), bilinear; NaN where the model has none."""
        lon, lat = np.broadcast_arrays(np.asarray(lon, np.float64), np.asarray(lat, np.float64))
        row, col = self._cells(lon, lat)
        found = np.full(lon.shape, np.nan)
        rows, cols = self.file.grid.shape
        inside = (np.abs(row - (rows - 1) / 2) <= rows / 2) & (
            np.abs(col - (cols - 1) / 2) <= cols / 2
        )
        if not inside.any():
            return found
        window = _holding(row[inside], col[inside], self.file.grid.shape)
        factor = _factor(window, STRIP_CELLS)
        values = next(self.file.strips(window, factor, window.height))
        # Of a reduced piece, a cell's middle is that of the cells it stands for.
        places = [
            (axis[inside] - start + 0.5) * size / length - 0.5
            for axis, start, size, length in zip(
                (row, col), (window.row, window.col), values.shape, window.shape, strict=True
            )
        ]
        heights = ndimage.map_coordinates(values, places, order=1, mode="nearest")
        found[inside] = self.datum.ellipsoidal(lon[inside], lat[inside], heights)
        return found

    def range(self, lon: ArrayLike, lat: ArrayLike) -> Heights | None:
        """The lowest and highest ground of the rectangle of cells that holds all of some places.

        None where the model has no height there.
        """
        lon, lat = np.asarray(lon, np.float64).ravel(), np.asarray(lat, np.float64).ravel()
        row, col = self._cells(lon, lat)
        known = np.isfinite(row) & np.isfinite(col)
        if not known.any():
            return None
        window = _holding(row[known], col[known], self.file.grid.shape)
        if window.empty:
            return None
        low, high = np.inf, -np.inf
        factor = _factor(window, MOST_CELLS)
        for values in self.file.strips(window, factor, max(STRIP_CELLS // window.width, 1)):
            if np.isfinite(values).any():
                low, high = min(low, np.nanmin(values)), max(high, np.nanmax(values))
        if low > high:
            return None
        # A geoid is smooth: its heights at the places stand for those in between.
        ends = [self.datum.ellipsoidal(lon[known], lat[known], level) for level in (low, high)]
        if not all(np.isfinite(end).any() for end in ends):
            return None
        return Heights(float(np.nanmin(ends[0])), float(np.nanmax(ends[1])))

    def _cells(self, lon: Floats, lat: Floats) -> tuple[Floats, Floats]:
        """Fractional rows and columns of places; whole numbers are middles of cells."""
        grid = self.file.grid
        x, y = Transformer.from_crs(GEOGRAPHIC, grid.crs, always_xy=True).transform(lon, lat)
        col, row = ~grid.transform @ (np.asarray(x), np.asarray(y))
        return np.asarray(row) - 0.5, np.asarray(col) - 0.5


def open_elevation(
    path: Path,
    bounds: tuple[float, float, float, float],
    *,
    datum: str | None = None,
    pointer: str = "",
    datum_pointer: str = "",
) -> ElevationPrior:
    """An elevation model, from its header.

    Parameters
    ----------
    path
        The file.
    bounds
        West, south, east, north of all that will be asked, degrees.
    datum
        What its heights are counted from, where the file does not tell.  Neither: the ellipsoid.
    pointer, datum_pointer
        Where the request names the file and the datum.

    Raises
    ------
    UnknownFormat, BandMissing, NoGeoreference
        It is no raster of heights that lies on the Earth.
    Inconsistent
        The file tells another datum.
    GridMissing, UnknownDatum
        Its heights cannot be turned into ellipsoidal ones here.
    """
    with leash(), opened_heights(path, pointer) as dataset:
        system = system_of(dataset, pointer)
        told = _vertical(system)
        _check_datum(told, datum, datum_pointer)
        try:
            heights = HeightDatum(told or datum or ELLIPSOID, bounds)
        except InputError as error:
            error.pointer = pointer if told else datum_pointer
            raise
        return ElevationPrior(height_file(path, dataset, system, pointer, told=told), heights)


def _vertical(system: CRS) -> str | None:
    """The vertical system of a file; None where it tells none."""
    if system.is_compound:
        return system.to_wkt()
    return ELLIPSOID if len(system.axis_info) == 3 else None


def _check_datum(told: str | None, asked: str | None, pointer: str) -> None:
    if told is None or asked is None:
        return
    systems = [vertical_system(name) for name in (told, asked)]
    names = [ELLIPSOID if system is None else system.name for system in systems]
    if names[0] != names[1]:
        raise Inconsistent(
            f"The elevation model tells that its heights are counted from {names[0]}, dem_datum "
            f"says {asked}.",
            pointer=pointer,
            value=asked,
            allowed="no dem_datum, or a file without a vertical system",
        )


def _holding(row: Floats, col: Floats, shape: tuple[int, int]) -> Window:
    """The cells around places, inside the raster."""
    top, left = int(np.floor(row.min())), int(np.floor(col.min()))
    bottom, right = int(np.ceil(row.max())), int(np.ceil(col.max()))
    return Window(top, left, bottom - top + 1, right - left + 1) & whole(shape)


def _factor(window: Window, most: int) -> int:
    """Every how many cells are read, so that they are no more than allowed."""
    return max(int(np.ceil(np.sqrt(window.height * window.width / most))), 1)
