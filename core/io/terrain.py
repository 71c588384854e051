"""Heights of a user's elevation model on the pixels of an image; of any datum, for differences."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rasterio.enums import Resampling
from rasterio.errors import RasterioError
from rasterio.warp import reproject

from core.errors import NoOverlap, UnsupportedGrid
from core.grid import Grid
from core.io.elevation import height_unit, opened_elevation, plausible, system_of
from core.io.gdal import leash, open_dataset, raster_window, reading
from core.io.warping import source_window
from core.tiling import Window

FINER = 1.5
"""An elevation model whose cells are smaller than the image's pixels by more than this is averaged;
others are interpolated."""


@dataclass(frozen=True)
class Terrain:
    """An elevation model, known from its header.  May be sent to other processes.

    Parameters
    ----------
    path, driver
        The file and how GDAL opens it.
    grid
        Its cells.
    unit_m
        Metres of a unit of the stored heights, scale apart.
    pointer
        Where the request names it.
    """

    path: Path
    driver: str
    grid: Grid
    unit_m: float
    pointer: str

    def heights(self, part: Grid) -> NDArray[np.float32]:
        """Metres on the pixels of a small grid; NaN where the model has none.

        Interpolated by cubic convolution where its cells are larger than the pixels: slopes of a
        bilinear surface are steps.

        Raises
        ------
        UnsupportedGrid
            The coordinate systems cannot be brought together.
        """
        result = np.full(part.shape, np.nan, np.float32)
        found = source_window(self.grid, part)
        if found is None:
            return result
        window = found[0] & self.grid.window
        values = self._read(window)
        finer = max(window.shape) / max(part.shape) > FINER
        try:
            with leash():
                reproject(
                    values,
                    result,
                    src_transform=self.grid.crop(window).transform,
                    src_crs=self.grid.crs,
                    src_nodata=np.nan,
                    dst_transform=part.transform,
                    dst_crs=part.crs,
                    dst_nodata=np.nan,
                    resampling=Resampling.average if finer else Resampling.cubic,
                    num_threads=1,
                    tolerance=0.01,
                )
        except RasterioError as error:
            raise UnsupportedGrid(
                "The elevation model cannot be laid over the images.", pointer=self.pointer
            ) from error
        return result

    def _read(self, window: Window) -> NDArray[np.float32]:
        with (
            reading("the elevation model", pointer=self.pointer),
            leash(),
            open_dataset(self.path, drivers=(self.driver,), pointer=self.pointer) as dataset,
        ):
            values = dataset.read(1, window=raster_window(window), masked=True)
            scale, offset = dataset.scales[0] * self.unit_m, dataset.offsets[0] * self.unit_m
        return plausible(values, scale, offset).astype(np.float32)


def open_terrain(path: Path, *, pointer: str = "") -> Terrain:
    """An elevation model, from its header.

    Raises
    ------
    UnknownFormat, BandMissing, NoGeoreference
        It is no raster of heights that lies on the Earth.
    """
    with leash(), opened_elevation(path, pointer) as dataset:
        system = system_of(dataset, pointer)
        plane = system.sub_crs_list[0] if system.is_compound else system.to_2d()
        grid = Grid(dataset.shape, dataset.transform, plane.to_wkt())
        return Terrain(path, dataset.driver, grid, height_unit(dataset, None), pointer)


def check_covered(share: float, pointer: str) -> None:
    """Refuse an elevation model that has no height in the area.

    Raises
    ------
    NoOverlap
        It has none.
    """
    if share == 0:
        raise NoOverlap(
            "The elevation model has no height where the images are.",
            pointer=pointer,
            allowed="an elevation model of the same place",
        )
