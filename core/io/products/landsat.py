"""Landsat products of Collection 1 and 2, as a folder or an archive of one file per band.

Level 1 becomes reflectance at the top of the atmosphere, corrected for the sun's elevation; level 2
and the surface reflectance of Collection 1 are what they say.
"""

import math
import re
from datetime import date as Date  # noqa: N812
from pathlib import Path, PurePosixPath

from core.errors import BadMetadata, UnknownFormat
from core.io.archives import Members
from core.io.class_layers import ClassLayer, Kind
from core.io.products.bands import Band, Image, Scaling, visible
from core.io.products.geotiff import iso_day, open_geotiff
from core.io.products.naming import LANDSAT_OLI, LANDSAT_TM
from core.roles import Role

MAX_MTL = 1 << 20
_TIFF = r"\.tiff?$"
_PRODUCT = r"(?P<product>L[COTE]0\d_\w{4}_\d{6}_\d{8}_\d{8}_0\d_(?:T1|T2|RT))"
_BAND = re.compile(
    rf"{_PRODUCT}_(?:(?P<sr>SR)_B|(?P<espa>sr)_band|B)(?P<number>\d\d?){_TIFF}", re.IGNORECASE
)
_QA: tuple[tuple[Kind, re.Pattern[str]], ...] = (
    ("qa_pixel", re.compile(rf"_QA_PIXEL{_TIFF}", re.IGNORECASE)),
    ("pixel_qa", re.compile(rf"_pixel_qa{_TIFF}", re.IGNORECASE)),
    ("bqa", re.compile(rf"_BQA{_TIFF}", re.IGNORECASE)),
)
_MTL = re.compile(r"_MTL\.txt$", re.IGNORECASE)
_DAY = re.compile(r"_(\d{4})(\d\d)(\d\d)_")
_LINE = re.compile(r"^\s*(\w+)\s*=\s*(.+?)\s*$")

_LEVEL2 = Scaling(2.75e-5, -0.2)
"""Surface reflectance of Collection 2, as its documents say."""
_ESPA = Scaling(1e-4)
"""Surface reflectance of Collection 1."""

Metadata = dict[str, dict[str, str]]
"""Values by their groups and names."""


def is_landsat(files: Members) -> bool:
    """Whether these are the files of a Landsat product."""
    return any(_BAND.search(PurePosixPath(name).name) for name in files.names)


def wanted(name: str) -> bool:
    """Whether a member is needed: metadata, layers of quality, and bands."""
    base = PurePosixPath(name).name
    return bool(
        _BAND.search(base) or _MTL.search(base) or any(pattern.search(base) for _, pattern in _QA)
    )


def open_landsat(
    files: Members,
    *,
    date: Date | None = None,
    nodata: float | None = None,
    pointer: str = "",
) -> Image:
    """The bands of a product by what they show.

    Parameters
    ----------
    files
        The product's files.
    date, nodata
        Over what the product says.
    pointer
        Where the request names the product.

    Raises
    ------
    UnknownFormat
        There are several products.
    BandMissing
        Blue, green or red is missing.
    """
    found = {name: match for name in files.names
             if (match := _BAND.search(PurePosixPath(name).name))}  # fmt: skip
    products = {match["product"].upper() for match in found.values()}
    if len(products) != 1:
        raise UnknownFormat(
            f"The archive or folder holds {len(products)} Landsat products "
            f"({', '.join(sorted(products))}).",
            pointer=pointer,
            allowed="one product",
        )
    product = products.pop()
    roles = LANDSAT_OLI if int(product[2:4]) >= 8 else LANDSAT_TM
    said = _metadata(files, pointer)
    day = date or iso_day(_value(said, "DATE_ACQUIRED")) or _day_in(product)
    bands, notes = {}, []
    for name, match in found.items():
        role = roles.get(f"B{int(match['number'])}")
        if role is None or files.size(name) == 0:
            continue
        scene = open_geotiff(
            files.location(name),
            band="1",
            date=day,
            nodata=nodata if nodata is not None else (None if match["espa"] else 0.0),
            pointer=pointer,
            name=product,
        )
        scaling = _scaling(said, match, product)
        if scaling is None:
            notes.append(f"Nothing tells the scale of {product}; its numbers were kept.")
        bands[role] = Band(scene, scaling)
        notes += scene.warnings
    there = ", ".join(sorted(PurePosixPath(name).stem for name in found))
    bands = visible(bands, f"the files {there}", pointer=pointer)
    grid = bands[Role.RED].scene.grid
    return Image(
        name=product,
        bands=bands,
        told="the product's own names",
        unused=tuple(
            PurePosixPath(name).stem
            for name, match in found.items()
            if f"B{int(match['number'])}" not in roles
        ),
        date=day,
        sun=_sun(said, grid.convergence_deg),
        classes=_classes(files),
        warnings=tuple(dict.fromkeys(notes)),
        source=files.source if files.source.is_file() else Path(bands[Role.RED].scene.path),
    )


def _metadata(files: Members, pointer: str) -> Metadata:
    """The values of the MTL file, by groups; none where it is missing."""
    groups: Metadata = {}
    for name in files.names:
        if not _MTL.search(name):
            continue
        inside: list[str] = []
        for line in files.read(name, MAX_MTL).decode("utf-8", "replace").splitlines():
            if (match := _LINE.match(line)) is None:
                continue
            key, value = match[1], match[2].strip('"')
            if key == "GROUP":
                inside.append(value)
            elif key == "END_GROUP":
                if not inside or inside.pop() != value:
                    raise BadMetadata(f"The groups of {PurePosixPath(name).name} do not nest.",
                                      pointer=pointer, value=value)  # fmt: skip
            elif inside:
                groups.setdefault(inside[-1], {}).setdefault(key, value)
        break
    return groups


def _value(said: Metadata, key: str, group: str = "") -> str:
    """A value by its name, from the groups whose name holds `group`."""
    return next((g[key] for name, g in said.items() if key in g and group in name), "")


def _number(said: Metadata, key: str, group: str = "") -> float | None:
    try:
        return float(_value(said, key, group))
    except ValueError:
        return None


def _scaling(said: Metadata, match: re.Match[str], product: str) -> Scaling | None:
    if match["espa"]:
        return _ESPA
    number = int(match["number"])
    surface = bool(match["sr"])
    group = "SURFACE_REFLECTANCE" if surface else "RADIOMETRIC_RESCALING"
    gain = _number(said, f"REFLECTANCE_MULT_BAND_{number}", group)
    offset = _number(said, f"REFLECTANCE_ADD_BAND_{number}", group)
    if surface:
        known = gain is not None and offset is not None
        if known or "_02_" in product:
            return Scaling(gain, offset) if gain is not None and offset is not None else _LEVEL2
        return None
    elevation = _number(said, "SUN_ELEVATION")
    if gain is None or offset is None or elevation is None or elevation <= 0:
        return None
    height = math.sin(math.radians(elevation))
    return Scaling(gain / height, offset / height)


def _sun(said: Metadata, convergence_deg: float) -> tuple[float, float] | None:
    azimuth, elevation = _number(said, "SUN_AZIMUTH"), _number(said, "SUN_ELEVATION")
    if azimuth is None or elevation is None:
        return None
    return ((azimuth - convergence_deg) % 360, elevation)


def _day_in(product: str) -> Date | None:
    found = _DAY.search(product)
    return iso_day("-".join(found.groups())) if found else None


def _classes(files: Members) -> ClassLayer | None:
    for kind, pattern in _QA:
        for name in files.names:
            if pattern.search(name) and files.size(name):
                return ClassLayer(kind, files.location(name))
    return None
