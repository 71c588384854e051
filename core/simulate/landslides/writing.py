"""Events as deliveries that a user would upload: images, a model of heights, masks, polygons."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from affine import Affine
from numpy.typing import NDArray
from scipy import ndimage

from core.grid import Grid
from core.io.geojson import write_geojson
from core.io.geopackage_writer import write_geopackage
from core.simulate.landslides.fields import Layer, smooth
from core.simulate.landslides.making import Event
from core.simulate.landslides.style import Sun
from core.simulate.landslides.terrain import MARGIN, PIXEL_M
from core.simulate.landslides.training import Training
from core.simulate.landslides.truth import Hidden
from core.simulate.landslides.vectors import (
    WRITTEN,
    Polygons,
    packed_shapefiles,
    zipped_shapefile,
)

SCALE = 10_000
"""Of reflectance in the files."""
DEM_M = 30.0
DEM_CORNER_M = (-113.0, 126.0)
"""Of the model of heights from that of the images, east and north."""
DEM_NOISE_M = (1.2, 2.0)
"""Deviation of its errors from cell to cell, and over some cells."""
DEM_ERRORS_ALIKE = 6.0

CLASSES = {Hidden.SHADOW: 2, Hidden.CLOUD_SHADOW: 3, Hidden.SNOW: 11, Hidden.CLOUD: 9}
"""The numbers that Sentinel-2's scene classification has for what hides the ground."""
SEEN = 4


@dataclass(frozen=True)
class Delivery:
    """The files of an event.

    Parameters
    ----------
    before, after
        GeoTIFFs, uint16, reflectance times 10,000, 0 without data, bands B02, B03, B04 and B08.
    dem
        A GeoTIFF of heights (float32) in cells of 30 m on a lattice of its own, with errors.
    before_classes, after_classes
        What hides the ground, as Sentinel-2's scene classification numbers it.
    """

    before: Path
    after: Path
    dem: Path
    before_classes: Path
    after_classes: Path


def written(event: Event, folder: Path) -> Delivery:
    """Write an event into an existing folder."""
    early, late = (f"{day:%Y%m%d}" for day in event.dates)
    delivery = Delivery(
        folder / f"before_{early}.tif",
        folder / f"after_{late}.tif",
        folder / "dem.tif",
        folder / f"before_{early}_classes.tif",
        folder / f"after_{late}_classes.tif",
    )
    for path, image, day, sun in (
        (delivery.before, event.before, event.dates[0], event.suns[0]),
        (delivery.after, event.after, event.dates[1], event.suns[1]),
    ):
        with rasterio.open(path, "w", **profile(event.grid, len(event.bands), "uint16")) as file:
            describe(file, event.bands, day, sun)
            file.write(digital(image))
    for path, reasons in (
        (delivery.before_classes, event.truth.before),
        (delivery.after_classes, event.truth.after),
    ):
        with rasterio.open(path, "w", **profile(event.grid, 1, "uint8")) as file:
            file.write(_classes(reasons), 1)
    _write_dem(delivery.dem, event)
    return delivery


def write_training(given: Training, folder: Path) -> Mapping[str, tuple[Path, ...]]:
    """Write training data in every form that users have, by the form's name.

    Each form is the areas' and the samples' file, or one file that holds both.
    """
    layers = given.layers
    forms: dict[str, tuple[Path, ...]] = {
        "geojson": tuple(folder / f"{layer.name}.geojson" for layer in layers),
        "gpkg": tuple(folder / f"{layer.name}.gpkg" for layer in layers),
        "zip": tuple(folder / f"{layer.name}.zip" for layer in layers),
        "tar.gz": (folder / "training.tar.gz",),
    }
    for number, layer in enumerate(layers):
        write_geojson(forms["geojson"][number], layer.layer)
        write_geopackage(forms["gpkg"][number], [layer.layer], changed=WRITTEN)
        zipped_shapefile(forms["zip"][number], layer)
    packed_shapefiles(forms["tar.gz"][0], layers)
    return forms


def write_inventory(event: Event, path: Path) -> None:
    """Write the true outlines as a GeoPackage with the layer `landslides`."""
    outlines = [slide.outline for slide in event.truth.slides]
    slides = Polygons("landslides", outlines, event.grid.crs)
    write_geopackage(path, [slides.layer], changed=WRITTEN)


def profile(grid: Grid, count: int, dtype: str) -> dict[str, Any]:
    """How a GeoTIFF of an event is written."""
    return {
        "driver": "GTiff",
        "height": grid.shape[0],
        "width": grid.shape[1],
        "count": count,
        "dtype": dtype,
        "crs": grid.crs,
        "transform": grid.transform,
        "nodata": None if dtype == "float32" else 0,
        "compress": "deflate",
        "predictor": 3 if dtype == "float32" else 2,
        "tiled": True,
        "BIGTIFF": "IF_SAFER",
    }


def describe(file: Any, bands: tuple[str, ...], day: date, sun: Sun) -> None:
    """Say in an image's file what its bands are, when it was taken, and where the sun stood."""
    file.descriptions = bands
    file.update_tags(
        TIFFTAG_DATETIME=f"{day:%Y:%m:%d} 00:00:00",
        ACQUISITION_DATE=day.isoformat(),
        SUN_AZIMUTH=f"{sun.azimuth_deg:.3f}",
        SUN_ELEVATION=f"{sun.elevation_deg:.3f}",
    )


def digital(image: Layer) -> NDArray[np.uint16]:
    """Reflectance as whole numbers; 0 stays free for "no data"."""
    return np.clip(np.rint(SCALE * image), 1, 65535).astype(np.uint16)


def _classes(reasons: NDArray[np.uint8]) -> NDArray[np.uint8]:
    classes = np.full(reasons.shape, SEEN, np.uint8)
    for reason, number in CLASSES.items():
        classes[reasons & reason > 0] = number
    return classes


def dem_grid(grid: Grid) -> Grid:
    """The lattice of the model of heights that comes with images on a grid."""
    east, north = DEM_CORNER_M
    corner = (grid.transform.c + east, grid.transform.f + north)
    rows, cols = (int((side * PIXEL_M + 250) // DEM_M) for side in grid.shape)
    return Grid((rows, cols), Affine(DEM_M, 0.0, corner[0], 0.0, -DEM_M, corner[1]), grid.crs)


def _write_dem(path: Path, event: Event) -> None:
    coarse = dem_grid(event.grid)
    broad = ndimage.gaussian_filter(event.around, DEM_M / PIXEL_M / 2)
    x, y = coarse.centres()
    first = event.grid.transform
    places = ((first.f - y) / PIXEL_M - 0.5 + MARGIN, (x - first.c) / PIXEL_M - 0.5 + MARGIN)
    height = ndimage.map_coordinates(broad, places, order=1, mode="nearest")
    generator = np.random.default_rng((event.grid.shape[0], int(first.f)))
    height += DEM_NOISE_M[0] * generator.standard_normal(coarse.shape, dtype=np.float32)
    height += DEM_NOISE_M[1] * smooth(coarse.shape, generator, DEM_ERRORS_ALIKE)
    with rasterio.open(path, "w", **profile(coarse, 1, "float32")) as file:
        file.write(height.astype(np.float32), 1)
