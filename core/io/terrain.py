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
from core.io.gdal import leash
from core.io.heights import HeightFile, height_file, opened_heights, system_of
from core.io.warping import source_window

FINER = 1.5
"""An elevation model whose cells are smaller than the image's pixels by more than this is averaged;
others are interpolated."""


@dataclass(frozen=True)
class Terrain:
    """An elevation model, its heights counted from wherever.  May be sent to other processes."""

    file: HeightFile

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
        grid = self.file.grid
        found = source_window(grid, part)
        if found is None:
            return result
        window = found[0] & grid.window
        values = next(self.file.strips(window, 1, window.height)).astype(np.float32)
        finer = max(window.shape) / max(part.shape) > FINER
        try:
            with leash():
                reproject(
                    values,
                    result,
                    src_transform=grid.crop(window).transform,
                    src_crs=grid.crs,
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
                "The elevation model cannot be laid over the images.", pointer=self.file.pointer
            ) from error
        return result


def open_terrain(path: Path, *, pointer: str = "") -> Terrain:
    """An elevation model, from its header.

    Raises
    ------
    UnknownFormat, BandMissing, NoGeoreference
        It is no raster of heights that lies on the Earth.
    """
    with leash(), opened_heights(path, pointer) as dataset:
        return Terrain(height_file(path, dataset, system_of(dataset, pointer), pointer))


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
