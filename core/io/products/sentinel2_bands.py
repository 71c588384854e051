"""The bands of a compact Sentinel-2 product by what they show, as reflectance."""

from datetime import date as Date  # noqa: N812
from xml.etree.ElementTree import Element

from core.grid import Grid
from core.io import xml
from core.io.archives import Members
from core.io.class_layers import ClassLayer
from core.io.products import sentinel2
from core.io.products.bands import Band, Image, Scaling, visible
from core.io.products.naming import SENTINEL2
from core.io.products.scene import Scene
from core.roles import REFLECTANCE, Role

ROLES = {sentinel2.band_file_name(band): role for band, role in SENTINEL2.items()}
"""Roles of the bands by their names in files; B8A stands in for B08 where that is missing."""
_STAND_IN = "B8A"

_ORDER = ("B01", "B02", "B03", "B04", "B05", "B06", "B07", "B08", "B8A", "B09", "B10", "B11", "B12")
"""Bands as the metadata number them."""
_OFFSET_SINCE = (4, 0)
"""Baseline from which 1000 was added to the numbers; the metadata say so, where they are there."""
_OFFSET = -1000.0


def wanted(name: str) -> bool:
    """Whether a member is needed: metadata, layers of classes, and bands with a role."""
    return any(sentinel2.wanted(name, band) for band in (*ROLES, _STAND_IN))


def open_sentinel2_bands(
    files: Members,
    *,
    date: Date | None = None,
    nodata: float | None = None,
    pointer: str = "",
) -> Image:
    """The bands of a compact product, L1C or L2A, of any baseline.

    Parameters
    ----------
    files
        The product's files.
    date, nodata
        Over what the product says.
    pointer
        Where the request names the product.
    """
    there = sentinel2.band_names(files, pointer=pointer)
    chosen = {role: name for name, role in ROLES.items() if name in there}
    if Role.NIR not in chosen and _STAND_IN in there:
        chosen[Role.NIR] = _STAND_IN
    said = sentinel2.metadata(files, pointer=pointer)
    bands, notes = {}, []
    for role, name in chosen.items():
        scene = sentinel2.open_sentinel2(
            files, band=name, date=date, nodata=nodata, pointer=pointer
        )
        scaling, note = _scaling(said.product, name, scene)
        bands[role] = Band(scene, scaling)
        notes += [*scene.warnings, *note]
    bands = visible(bands, f"the bands {', '.join(there)}", pointer=pointer)
    first = bands[Role.RED].scene
    return Image(
        name=first.name,
        bands=bands,
        told="the product's own names",
        unused=tuple(name for name in there if name not in chosen.values()),
        date=first.date,
        sun=_sun(said.tile, first.grid),
        classes=_classes(first),
        warnings=tuple(dict.fromkeys(notes)),
        source=first.source,
    )


def _scaling(product: Element | None, band: str, scene: Scene) -> tuple[Scaling, tuple[str, ...]]:
    """From the metadata; where they are missing, from the baseline in the product's name."""
    if product is not None:
        value = xml.text(product, "BOA_QUANTIFICATION_VALUE") or xml.text(
            product, "QUANTIFICATION_VALUE"
        )
        quantum = _number(value) or float(REFLECTANCE)
        return Scaling(1 / quantum, _offset(product, _ORDER.index(band)) / quantum), ()
    parts = [int(part) for part in scene.baseline.split(".") if part.isdigit()]
    if len(parts) == 2:
        offset = _OFFSET if tuple(parts) >= _OFFSET_SINCE else 0.0
        return Scaling(1 / REFLECTANCE, offset / REFLECTANCE), ()
    note = (
        f"Nothing tells the baseline of {scene.name}; its numbers were taken for reflectance x "
        f"{REFLECTANCE} without an offset."
    )
    return Scaling(1 / REFLECTANCE), (note,)


def _offset(product: Element, number: int) -> float:
    for name in ("BOA_ADD_OFFSET", "RADIO_ADD_OFFSET"):
        for element in xml.elements(product, name):
            if element.get("band_id") == str(number):
                return _number(element.text or "") or 0.0
    return 0.0


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _sun(tile: Element | None, grid: Grid) -> tuple[float, float] | None:
    """Azimuth clockwise from grid north, elevation; degrees."""
    for mean in xml.elements(tile, "Mean_Sun_Angle") if tile is not None else ():
        zenith = _number(xml.text(mean, "ZENITH_ANGLE"))
        azimuth = _number(xml.text(mean, "AZIMUTH_ANGLE"))
        if zenith is not None and azimuth is not None:
            return ((azimuth - grid.convergence_deg) % 360, 90 - zenith)
    return None


def _classes(scene: Scene) -> ClassLayer | None:
    return None if scene.cloud is None else ClassLayer(scene.cloud.kind, scene.cloud.path)
