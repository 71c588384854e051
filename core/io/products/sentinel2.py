"""Compact Sentinel-2 products, L1C and L2A of any baseline, as a folder or an archive.

Files are found by their own names, because product names, dates and baselines do not tell the
layout: reprocessed old scenes have new masks, repackaged ones old granules inside.  Pixels are
opened file by file; GDAL's SENTINEL2 driver reads missing files as zeros without a word.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date as Date  # noqa: N812
from pathlib import Path, PurePosixPath
from typing import Literal, NamedTuple
from xml.etree.ElementTree import Element

from core.errors import BadMetadata, BadRaster, BandMissing, UnknownFormat
from core.io import xml
from core.io.archives import Members
from core.io.products.geotiff import iso_day, open_geotiff
from core.io.products.scene import CloudLayer, Scene

DEFAULT_BAND = "B04"
RESOLUTION_M = dict.fromkeys(("B02", "B03", "B04", "B08"), 10) | dict.fromkeys(
    ("B05", "B06", "B07", "B8A", "B11", "B12"), 20
)
"""Native pixel sizes in metres; the bands not listed have 60 m."""

_IMAGE = r"\.(?:jp2|tiff?)$"
_BAND = re.compile(rf"(?:^|_)(B(?:0[1-9]|1[0-2]|8A))(?:_(10|20|60)m)?{_IMAGE}", re.IGNORECASE)
_CLOUD: tuple[tuple[Literal["scl", "classi", "gml"], re.Pattern[str]], ...] = (
    ("scl", re.compile(rf"(?:^|_)SCL_(?:\w+_)?(?:20|60)m{_IMAGE}", re.IGNORECASE)),
    ("classi", re.compile(rf"MSK_CLASSI_\w+{_IMAGE}", re.IGNORECASE)),
    ("gml", re.compile(r"MSK_CLOUDS_\w+\.gml$", re.IGNORECASE)),
)
_PRODUCT_XML = re.compile(r"(?:MTD_MSI|S2\w_\w{4}_MTD_SAF)L(?:1C|2A)\w*\.xml$", re.IGNORECASE)
_GRANULE_XML = re.compile(r"(?:MTD_TL|S2\w_\w{4}_MTD_L(?:1C|2A)_TL_\w+)\.xml$", re.IGNORECASE)
_PRODUCT_NAME = re.compile(
    r"(S2\w)_MSI(L1C|L2A)_(\d{8})T\d{6}_N(\d\d)(\d\d)_R(\d{3})_T(\w{5})_\w+", re.IGNORECASE
)
_GRANULE = re.compile(r"(.*(?:^|/)GRANULE/[^/]+)/", re.IGNORECASE)
_TILE = re.compile(r"_T(\d\d[A-Z]{3})(?:_|$)")
_PATHS = ("IMAGE_FILE", "IMAGE_ID", "MASK_FILENAME", "PVI_FILENAME")


def wanted(name: str, band: str | None) -> bool:
    """Whether a member is needed to read `band`: metadata, cloud layers and the band itself."""
    base = PurePosixPath(name).name
    found = _BAND.search(base)
    return (
        any(pattern.match(base) for pattern in (_PRODUCT_XML, _GRANULE_XML))
        or any(pattern.search(base) for _, pattern in _CLOUD)
        or bool(found and found[1].upper() == band_file_name(band))
    )


def band_file_name(band: str | None) -> str:
    """A band's name as files have it.

    >>> band_file_name("b4"), band_file_name("B8A"), band_file_name(None)
    ('B04', 'B8A', 'B04')
    """
    name = (band or DEFAULT_BAND).strip().upper()
    return f"B0{name[1]}" if re.fullmatch(r"B\d", name) else name


def open_sentinel2(
    files: Members,
    *,
    band: str | None = None,
    date: Date | None = None,
    nodata: float | None = None,
    pointer: str = "",
) -> Scene:
    """The scene of one band of a compact product.

    Parameters
    ----------
    files
        The product's files.
    band
        B01 to B12 or B8A; B04 by default.
    date, nodata
        Over what the product says.
    pointer
        Where the request names the product.

    Raises
    ------
    UnknownFormat
        It is no Sentinel-2 product of one granule.
    BandMissing
        It has no such band.
    """
    granule = _only_granule(files, pointer)
    band = band_file_name(band)
    member = _band_file(files, granule, band, pointer)
    if files.size(member) == 0:
        raise BadRaster(f"The file of band {band} is empty.", pointer=pointer, value=band)
    about = _about(files, granule, member, pointer)
    scene = open_geotiff(
        files.location(member),
        band="1",
        date=date or about.day,
        nodata=0.0 if nodata is None else nodata,
        pointer=pointer,
        name=about.name,
    )
    return replace(
        scene,
        band_name=band,
        sensor=about.sensor,
        level=about.level,
        tile=about.tile,
        orbit=about.orbit,
        baseline=about.baseline,
        validity="zeros" if nodata is None else scene.validity,
        cloud=_cloud_layer(files, granule),
        source=files.source if files.source.is_file() else Path(files.location(member)),
        warnings=(*scene.warnings, *about.warnings, *_size_warnings(scene, band, member, about)),
    )


def band_names(files: Members, *, pointer: str = "") -> tuple[str, ...]:
    """Names of the bands of a compact product, such as B04."""
    granule = _only_granule(files, pointer)
    return tuple(sorted({band for band, *_ in _bands(files, granule)}))


class Metadata(NamedTuple):
    """What a compact product says of itself: of all of it, and of its one granule."""

    product: Element | None
    tile: Element | None


def metadata(files: Members, *, pointer: str = "") -> Metadata:
    """The documents of a compact product; None for one that is missing."""
    granule = _only_granule(files, pointer)
    folder = granule.rpartition("/")[0].rpartition("/")[0]
    return Metadata(
        _root(files, folder, _PRODUCT_XML, pointer), _root(files, granule, _GRANULE_XML, pointer)
    )


def _inside(files: Members, granule: str) -> Iterator[str]:
    return (name for name in files.names if name.startswith(granule + "/"))


def _bands(files: Members, granule: str = "") -> Iterator[tuple[str, int, str]]:
    """Band, pixel size in metres (0 where the name has none) and path of each band file."""
    for name in _inside(files, granule) if granule else files.names:
        found = _BAND.search(PurePosixPath(name).name)
        if found and "QI_DATA" not in name.upper().split("/"):
            yield found[1].upper(), int(found[2] or 0), name


def _only_granule(files: Members, pointer: str) -> str:
    granules = {match[1] for *_, name in _bands(files) if (match := _GRANULE.match(name))}
    if len(granules) == 1:
        return granules.pop()
    allowed = "a compact Sentinel-2 product (one tile, .SAFE folder or zip)"
    if not granules:
        raise UnknownFormat(
            "The archive or folder holds no Sentinel-2 product: no band in a GRANULE folder.",
            pointer=pointer,
            allowed=allowed,
        )
    names = ", ".join(sorted(_TILE.search(g)[1] if _TILE.search(g) else g for g in granules))  # type: ignore[index]
    raise UnknownFormat(
        f"The product holds {len(granules)} granules ({names}); only products of one tile are "
        "read.",
        pointer=pointer,
        allowed=allowed,
    )


def _band_file(files: Members, granule: str, band: str, pointer: str) -> str:
    found = sorted((size, name) for key, size, name in _bands(files, granule) if key == band)
    if found:
        return found[0][1]
    listed = ", ".join(sorted({key for key, *_ in _bands(files, granule)}))
    raise BandMissing(
        f"The product has no band {band!r}, it has {listed}.",
        pointer=pointer,
        value=band,
        allowed=f"one of {listed}",
    )


@dataclass(frozen=True)
class _About:
    """What a product says of itself."""

    name: str
    sensor: str
    level: str
    tile: str
    orbit: int | None
    baseline: str
    day: Date | None
    rows: dict[int, int]
    warnings: tuple[str, ...]


def _about(files: Members, granule: str, member: str, pointer: str) -> _About:
    product = _root(files, granule.rpartition("/")[0].rpartition("/")[0], _PRODUCT_XML, pointer)
    tile = _root(files, granule, _GRANULE_XML, pointer)
    said = _PRODUCT_NAME.search(f"{files.source.name}/{granule}")
    warnings = []
    if product is None or tile is None:
        what = " and ".join(
            kind for kind, root in (("product", product), ("granule", tile)) if root is None
        )
        warnings.append(f"The metadata of the {what} are missing; its name is used instead.")
    baseline = _product_text(product, "PROCESSING_BASELINE") or (
        f"{said[4]}.{said[5]}" if said else ""
    )
    if baseline == "02.03":
        warnings.append("Baseline 02.03 was withdrawn: its bands are not registered well.")
    orbit = _product_text(product, "SENSING_ORBIT_NUMBER") or (said[6] if said else "")
    spacecraft = _product_text(product, "SPACECRAFT_NAME")
    found = _TILE.search(xml.text(tile, "TILE_ID") if tile is not None else "") or _TILE.search(
        granule
    )
    level = _product_text(product, "PROCESSING_LEVEL").removeprefix("Level-")[:2]
    moment = xml.text(tile, "SENSING_TIME") if tile is not None else ""
    return _About(
        name=said[0] if said else PurePosixPath(member).stem,
        sensor=spacecraft or (f"Sentinel-{said[1][1:].upper()}" if said else "Sentinel-2"),
        level=f"L{level}" if level else (said[2].upper() if said else ""),
        tile=found[1] if found else "",
        orbit=int(orbit) if orbit.isdigit() else None,
        baseline=baseline,
        day=iso_day(moment) or (iso_day(said[3]) if said else None),
        rows=_rows(tile),
        warnings=tuple(warnings),
    )


def _product_text(product: Element | None, name: str) -> str:
    return xml.text(product, name) if product is not None else ""


def _root(files: Members, folder: str, pattern: re.Pattern[str], pointer: str) -> Element | None:
    """The metadata directly in a folder of the product, with all paths in them checked."""
    prefix = f"{folder}/" if folder else ""
    for name in files.names:
        base = name.removeprefix(prefix)
        if name.startswith(prefix) and pattern.match(base) and files.size(name):
            root = xml.parse(files.read(name, xml.MAX_BYTES), base, pointer=pointer)
            _check_paths(root, base, pointer)
            return root
    return None


def _check_paths(root: Element, what: str, pointer: str) -> None:
    """Refuse metadata whose paths lead out of the product; files are found by name all the same."""
    for tag in _PATHS:
        for text in xml.texts(root, tag):
            if text.startswith("/") or ".." in text.split("/") or "\\" in text or ":" in text:
                raise BadMetadata(
                    f"{what} names a file outside the product.", pointer=pointer, value=text
                )


def _rows(tile: Element | None) -> dict[int, int]:
    """Rows of the tile's images by pixel size, as the metadata say."""
    if tile is None:
        return {}
    sizes = ((e.get("resolution", ""), xml.text(e, "NROWS")) for e in xml.elements(tile, "Size"))
    return {int(size): int(rows) for size, rows in sizes if size.isdigit() and rows.isdigit()}


def _size_warnings(scene: Scene, band: str, member: str, about: _About) -> Iterator[str]:
    found = _BAND.search(member)
    resolution = int(found[2] or RESOLUTION_M.get(band, 60)) if found else 0
    rows = about.rows.get(resolution, scene.grid.shape[0])
    if scene.grid.shape[0] != rows:
        yield (
            f"Band {band} has {scene.grid.shape[0]} rows of pixels, the metadata of "
            f"{about.name} say {rows}."
        )


def _cloud_layer(files: Members, granule: str) -> CloudLayer | None:
    """The product's own cloud mask: the newest kind, the finest resolution."""
    for kind, pattern in _CLOUD:
        for name in sorted(_inside(files, granule), key=lambda n: ("60m" in n.lower(), n)):
            if pattern.search(PurePosixPath(name).name) and files.size(name):
                return CloudLayer(kind, files.location(name))
    return None
