"""What users mapped: samples of landslides, the areas that were searched, the area of interest."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import shapely
from affine import Affine
from numpy.typing import NDArray

from core.errors import Inconsistent, MissingInput
from core.grid import Grid
from core.io.areas import area_shape
from core.io.repair import Polygons
from core.io.vectors import burned, layer_names, read_polygons
from core.pipelines.aladim.declaration import AladimParameters
from core.pipelines.aladim.lattice import Shapes
from core.tiling import Window
from core.workspace import Context

SAMPLES, AREAS, AOI = "training_samples", "training_areas", "aoi"
"""Inputs, and names of the layers in the archive of the original."""

PARTS = 4
"""Parts of a pixel's side that are looked at for the share of it which samples cover."""


class Labels(NamedTuple):
    """What is known of a window: all (rows, cols)."""

    area: NDArray[np.int32]
    """Number of the training area that holds the pixel's centre, from 1; 0 outside."""
    fraction: NDArray[np.float32]
    """Share of the pixel that samples cover, in sixteenths."""


@dataclass(frozen=True)
class Training:
    """Samples and areas in the coordinate reference system of the image after."""

    samples: Polygons
    areas: Polygons

    def labels(self, grid: Grid, window: Window) -> Labels:
        """What is known of a window of a grid."""
        part = grid.crop(window)
        return Labels(_numbered(self.areas.shapes, part), _fraction(self.samples.shapes, part))

    def sentences(self, grid: Grid) -> Iterator[str]:
        """What became of the polygons, and what of them lies where it teaches nothing."""
        for name, read in ((SAMPLES, self.samples), (AREAS, self.areas)):
            yield from (f"{name}: {sentence}" for sentence in read.report.sentences)
        searched = shapely.union_all(self.areas.shapes)
        outside = [shape for shape in self.samples.shapes if not searched.intersects(shape)]
        if outside:
            yield (
                f"{SAMPLES}: {len(outside)} of {len(self.samples.shapes)} polygons lie outside "
                f"{AREAS} and are not used."
            )
        pixel = abs(grid.transform.determinant)
        small = sum(shape.area < pixel for shape in self.samples.shapes)
        if small:
            yield f"{SAMPLES}: {small} polygons are smaller than a pixel."


def training_of(parameters: AladimParameters, context: Context, grid: Grid) -> Training:
    """The samples and areas of the request.

    Raises
    ------
    MissingInput
        There are none, or the archive lacks one of them.
    Inconsistent
        No sample lies in an area.
    """
    if parameters.training is not None:
        path = context.sources.fetch(parameters.training, "/inputs/training")
        _check_layers(layer_names(path, pointer="/inputs/training"))
        read = [_read(path, "training", grid, name) for name in (SAMPLES, AREAS)]
    elif parameters.training_samples is not None and parameters.training_areas is not None:
        sources = ((SAMPLES, parameters.training_samples), (AREAS, parameters.training_areas))
        read = [
            _read(context.sources.fetch(source, f"/inputs/{name}"), name, grid)
            for name, source in sources
        ]
    else:
        raise MissingInput(
            "No samples were given.", pointer=f"/inputs/{SAMPLES}", allowed=f"{SAMPLES} and {AREAS}"
        )
    training = Training(*read)
    if not shapely.union_all(training.areas.shapes).intersects(
        shapely.union_all(training.samples.shapes)
    ):
        raise Inconsistent(
            f"None of the {len(training.samples.shapes)} training samples lies in a training area.",
            pointer=f"/inputs/{SAMPLES}",
            allowed="samples in the areas that were searched for them",
        )
    return training


def wanted_area(parameters: AladimParameters, context: Context, grid: Grid) -> Shapes | None:
    """The area of interest: that of the request, else that of the original's archive.

    Parameters
    ----------
    grid
        Of the image after.
    """
    if parameters.aoi is not None:
        return (area_shape(parameters.aoi, grid),)
    if parameters.training is None:
        return None
    path = context.sources.fetch(parameters.training, "/inputs/training")
    if AOI not in layer_names(path, pointer="/inputs/training"):
        return None
    return _read(path, "training", grid, AOI).shapes


def _read(path: Path, name: str, grid: Grid, layer: str | None = None) -> Polygons:
    return read_polygons(path, grid.crs, layer=layer, pointer=f"/inputs/{name}")


def _check_layers(names: tuple[str, ...]) -> None:
    lacking = [name for name in (SAMPLES, AREAS) if name not in names]
    if lacking:
        raise MissingInput(
            f"The archive lacks {' and '.join(f'{name}.shp' for name in lacking)}; it holds "
            f"{', '.join(names) or 'no layer'}.",
            pointer="/inputs/training",
            allowed=f"a flat archive of {SAMPLES}.shp and {AREAS}.shp with their .shx, .dbf, .prj",
        )


def _numbered(shapes: Shapes, grid: Grid) -> NDArray[np.int32]:
    """Of areas that overlap, a pixel belongs to the first."""
    found = np.zeros(grid.shape, np.int32)
    for number in range(len(shapes), 0, -1):
        found[burned(shapes[number - 1 : number], grid)] = number
    return found


def _fraction(shapes: Shapes, grid: Grid) -> NDArray[np.float32]:
    rows, cols = grid.shape
    fine = Grid((rows * PARTS, cols * PARTS), grid.transform @ Affine.scale(1 / PARTS), grid.crs)
    parts = burned(shapes, fine).reshape(rows, PARTS, cols, PARTS)
    share: NDArray[np.float32] = parts.mean(axis=(1, 3), dtype=np.float32)
    return share
