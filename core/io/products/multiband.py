"""Rasters of several bands (GeoTIFF, COG, JPEG 2000, ENVI) by what the bands show."""

import warnings
from collections.abc import Sequence
from dataclasses import replace
from datetime import date as Date  # noqa: N812
from pathlib import Path
from typing import Any

import numpy as np
from rasterio.enums import ColorInterp
from rasterio.errors import NotGeoreferencedWarning

from core.io.gdal import opened, raster_window, reading
from core.io.products.bands import Band, Image, Scaling, visible
from core.io.products.geotiff import open_geotiff
from core.io.products.naming import Found, from_colours, from_names, from_order, from_wavelengths
from core.tiling import Window

_NM = {"nanometers": 1.0, "nm": 1.0, "micrometers": 1e3, "um": 1e3, "µm": 1e3, "microns": 1e3}

SAMPLES = 3
SAMPLE = 128
"""Windows along each side, and pixels along each, from which the unit of an image of floats is
told."""
LARGEST_REFLECTANCE = 2.0
"""Nine tenths of the pixels of an image of reflectance as such lie below this."""


def open_multiband(
    path: Path,
    *,
    order: str | None = None,
    date: Date | None = None,
    nodata: float | None = None,
    pointer: str = "",
) -> Image:
    """The bands of a raster by what they show.

    In this order: the user's word, descriptions, wavelengths, colours.

    Parameters
    ----------
    path
        A file that GDAL opens.
    order
        What the bands show, from the first: "blue,green,red,nir"; ``-`` for one to pass over.
    date, nodata
        Over what the file says.
    pointer
        Where the request names the file.

    Raises
    ------
    BandMissing
        It is not known which bands show blue, green and red.
    """
    with warnings.catch_warnings():
        # A missing georeference is an error of its own, when the bands are opened.
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        with opened(path, pointer=pointer) as dataset:
            places = [
                place
                for place, colour in enumerate(dataset.colorinterp)
                if colour != ColorInterp.alpha
            ]
            names = [dataset.descriptions[place] or "" for place in places]
            told, found = _roles(dataset, places, names, order, pointer)
            scalings = _scalings(dataset, path.stem, pointer)
    shown = [
        f"{place + 1} ({name})" if name else f"{place + 1}"
        for place, name in zip(places, names, strict=True)
    ]
    bands = {}
    for role, number in found.items():
        scene = open_geotiff(
            path, band=str(places[number] + 1), date=date, nodata=nodata, pointer=pointer
        )
        bands[role] = Band(replace(scene, band_name=str(role)), scalings[places[number]])
    bands = visible(bands, f"bands {', '.join(shown)}", pointer=pointer)
    scenes = [band.scene for band in bands.values()]
    return Image(
        name=scenes[0].name,
        bands=bands,
        told=told,
        unused=tuple(shown[k] for k in range(len(shown)) if k not in found.values()),
        date=scenes[0].date,
        warnings=tuple(dict.fromkeys(note for scene in scenes for note in scene.warnings)),
        source=path,
    )


def _roles(
    dataset: Any, places: list[int], names: list[str], order: str | None, pointer: str
) -> tuple[str, Found]:
    if order is not None:
        return "the order of bands given", from_order(order, len(places), pointer=pointer)
    lengths = [_wavelength(dataset, place + 1) for place in places]
    colours = [dataset.colorinterp[place] for place in places]
    ways: Sequence[tuple[str, Found]] = (
        ("the descriptions of the bands", from_names(names)),
        ("the wavelengths of the bands", from_wavelengths(lengths)),
        ("the colours of the bands", from_colours(colours)),
    )
    return max(ways, key=lambda way: len(way[1]))


def _wavelength(dataset: Any, index: int) -> float | None:
    """Central wavelength of a band in nanometres, where the file says it."""
    tags = {key.lower(): value for key, value in dataset.tags(index).items()}
    said = dataset.tags(index, ns="IMAGERY").get("CENTRAL_WAVELENGTH_UM")
    unit = 1e3
    if said is None:
        said, unit = tags.get("wavelength"), _NM.get(tags.get("wavelength_units", "").lower(), 0.0)
    try:
        return float(said) * unit or None
    except (TypeError, ValueError):
        return None


def _scalings(dataset: Any, name: str, pointer: str) -> list[Scaling | None]:
    """From the file's own scale and offset; floats may be reflectance as they are."""
    said: list[Scaling | None] = [
        None if (scale, offset) == (1.0, 0.0) else Scaling(scale, offset)
        for scale, offset in zip(dataset.scales, dataset.offsets, strict=True)
    ]
    floats = [dtype.startswith("float") for dtype in dataset.dtypes]
    if not any(floats) or any(said):
        return said
    plain = Scaling(1.0) if _are_reflectances(dataset, name, pointer) else None
    return [plain if real else None for real in floats]


def _are_reflectances(dataset: Any, name: str, pointer: str) -> bool:
    height, width = dataset.shape
    found = []
    with reading(name, pointer=pointer):
        for row in range(SAMPLES):
            for col in range(SAMPLES):
                top = (2 * row + 1) * height // (2 * SAMPLES) - SAMPLE // 2
                left = (2 * col + 1) * width // (2 * SAMPLES) - SAMPLE // 2
                window = Window(top, left, SAMPLE, SAMPLE) & Window(0, 0, height, width)
                part = dataset.read(window=raster_window(window), masked=True)
                found.append(np.ma.masked_invalid(part).compressed())
    values = np.concatenate(found)
    return bool(values.size) and float(np.quantile(values, 0.9)) <= LARGEST_REFLECTANCE
