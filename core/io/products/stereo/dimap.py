"""Products in DIMAP: Pleiades and SPOT 6/7 (version 2), Pleiades Neo (version 3)."""

import datetime as dt
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from xml.etree.ElementTree import Element

from core.errors import BadMetadata, IncompleteProduct, RpcMissing, WrongLevel
from core.geometry.rpc import Rpc
from core.io import xml
from core.io.products.stereo.files import Entry, Files
from core.io.products.stereo.images import (
    IMAGE_ENDINGS,
    Header,
    iso_time,
    natural,
    open_header,
    real,
    time_in_name,
)
from core.io.products.stereo.models import first_pixel, model_in_xml, read_model
from core.io.products.stereo.mosaic import MAX_TILES, assembled
from core.io.products.stereo.single import depth_warnings, nodata_of, whole_name
from core.io.products.stereo.view import Kind, View, angle_warnings, looking, luminance

_LEVELS = ("", "SENSOR", "PRIMARY")
_ASIDE = {"lineage", "masks", "library"}
"""Folders in which no product is described."""
_PLAIN = ("", "NONE", "BASIC", "REFLECTANCE", "FALSE")
"""How radiometry is processed without being stretched."""


@dataclass(frozen=True)
class Product:
    """A product's own description.

    Parameters
    ----------
    entry
        The file.
    root
        What it says.
    """

    entry: Entry
    root: Element

    @property
    def name(self) -> str:
        """Its name, as files carry it."""
        return re.sub(r"^DIM_", "", self.entry.stem, flags=re.IGNORECASE)

    @property
    def groups(self) -> list[Element]:
        """The sets of bands; each has tiles of its own."""
        return list(xml.elements(self.root, "Data_Files"))

    def hrefs(self, group: Element) -> Iterator[tuple[tuple[int, int], str]]:
        """Place from (1, 1) and name of each file of pixels."""
        for element in xml.elements(group, "Data_File"):
            row, col = (natural(element.get(f"tile_{axis}", "1")) for axis in "RC")
            path = next(xml.elements(element, "DATA_FILE_PATH"), None)
            href = "" if path is None else path.get("href", "")
            if not (href and row and col):
                raise BadMetadata(
                    f"{self.entry.base} names a file of pixels without its path or place.",
                    pointer=self.entry.pointer,
                )
            yield (row, col), href


def products(files: Files) -> list[Product]:
    """The products that are described in the files, or beside those that were given.

    Raises
    ------
    IncompleteProduct
        A list of products names one that is not there.
    BadMetadata
        A description is damaged.
    """
    seen: set[str] = set()
    return [product for entry in files.entries for product in _descriptions(files, entry, seen)]


def _descriptions(files: Files, entry: Entry, seen: set[str]) -> Iterator[Product]:
    """The products that a file describes, lists or is a tile of; each file is looked at once."""
    if entry.location in seen:
        return
    seen.add(entry.location)
    folders = {part.casefold() for part in PurePosixPath(entry.name).parts[:-1]}
    if folders & _ASIDE:
        return
    if entry.suffix == ".xml" and not entry.base.upper().startswith("RPC_"):
        root = _document(entry)
        if root is None:
            return
        if xml.text(root, "METADATA_SUBPROFILE") == "PRODUCT" or _has_pixels(root):
            yield Product(entry, root)
        for href in _listed(root):
            below = files.find(href, entry)
            if below is None:
                raise IncompleteProduct(
                    f"{entry.base} lists {PurePosixPath(href).name}, which is not there.",
                    pointer=entry.pointer,
                    allowed="the whole delivery",
                )
            yield from _descriptions(files, below, seen)
    elif tile := re.match(r"IMG_(.+)", whole_name(entry), re.IGNORECASE):
        description = files.find(f"DIM_{tile[1]}.XML", entry)
        if description is not None:
            yield from _descriptions(files, description, seen)


def _document(entry: Entry) -> Element | None:
    """The root of a DIMAP document; None for any other file."""
    try:
        root = xml.parse(entry.read(), entry.base, pointer=entry.pointer)
    except BadMetadata:
        # Other files of a delivery do not matter.
        if entry.base.upper().startswith(("DIM_", "VOL_")):
            raise
        return None
    return root if xml.local(root.tag) == "Dimap_Document" else None


def _has_pixels(root: Element) -> bool:
    return next(xml.elements(root, "Data_File"), None) is not None


def _listed(root: Element) -> Iterator[str]:
    """The products that a list of a whole delivery names."""
    if xml.text(root, "METADATA_PROFILE").upper() != "VOLUME" or _has_pixels(root):
        return
    for component in xml.elements(root, "Component"):
        for path in xml.elements(component, "COMPONENT_PATH"):
            href = path.get("href", "")
            if xml.text(component, "COMPONENT_TYPE") == "DIMAP" and href.upper().endswith(".XML"):
                yield href


def pixel_files(files: Files, product: Product) -> Iterator[Entry]:
    """The files of pixels that a product names, or that are named after it."""
    name = f"img_{product.name}".casefold()
    for entry in files.entries:
        if entry.suffix in IMAGE_ENDINGS and whole_name(entry).casefold() == name:
            yield entry
    for group in product.groups:
        for _, href in product.hrefs(group):
            found = files.find(href, product.entry)
            if found is not None:
                yield found


def open_dimap(files: Files, product: Product, scratch: Path) -> View:
    """The view of a product.

    Raises
    ------
    WrongLevel
        It is projected or orthorectified.
    RpcMissing, IncompleteProduct
        A file that it names is not there.
    """
    root, entry = product.root, product.entry
    _check_level(product)
    rpc = _model(files, product)
    layers = [_tiles(files, product, group) for group in product.groups]
    if not layers or not all(layers):
        raise BadMetadata(f"{entry.base} names no file of pixels.", pointer=entry.pointer)
    whole = assembled(scratch, layers, product.name, entry.pointer)
    said = tuple(_number(root, name) for name in ("NROWS", "NCOLS"))
    if None not in said and whole.shape != said:
        raise IncompleteProduct(
            f"The files of {product.name} make {whole.shape[1]} x {whole.shape[0]} pixels, its "
            f"metadata say {said[1]:g} x {said[0]:g}.",
            pointer=entry.pointer,
            allowed="all tiles, without overlap",
        )
    bands = _bands(product, whole.bands)
    kind = kind_of(xml.text(root, "SPECTRAL_PROCESSING"), len(bands))
    seen = looking(rpc, whole.shape, product.name, entry.pointer)
    header = next(iter(layers[0].values()))
    bits = _number(root, "PRODUCT_RANGE") or _number(root, "NBITS") or header.bits
    special = _special(root)
    centre = _centre(root)
    return View(
        name=product.name,
        path=whole.path,
        driver=whole.driver,
        bands=bands,
        matched=luminance(bands),
        shape=whole.shape,
        dtype=whole.dtype,
        rpc=rpc,
        gsd_m=seen.gsd_m,
        azimuth_deg=seen.azimuth_deg,
        incidence_deg=seen.incidence_deg,
        kind=kind,
        sensor=_sensor(root),
        level=xml.text(root, "PROCESSING_LEVEL") or "SENSOR",
        time=_time(root, centre, product.name),
        nodata=special.get("NODATA", nodata_of(header)),
        saturated=special.get("SATURATED"),
        bits=min(int(bits), header.bits),
        cloud=_cloud(files, product),
        first_pixel=first_pixel(root),
        tiles=whole.tiles,
        source=entry.source,
        pointer=entry.pointer,
        warnings=(
            *depth_warnings(product.name, whole.dtype),
            *_stretch_warnings(root, product.name, whole.dtype),
            *angle_warnings(product.name, seen, _number(centre, "INCIDENCE_ANGLE")),
        ),
    )


def _check_level(product: Product) -> None:
    level = xml.text(product.root, "PROCESSING_LEVEL").upper()
    geometry = xml.text(product.root, "RASTER_GEOMETRY").upper()
    if level in _LEVELS and geometry in ("", "SENSOR"):
        return
    shown = level if level not in _LEVELS else f"{geometry} geometry"
    raise WrongLevel(
        f"{product.name} is of the level {shown[:50]}: its pixels lie on a map.",
        pointer=product.entry.pointer,
        value=shown,
        allowed="the level SENSOR (primary), in which the RPC is delivered",
    )


def _model(files: Files, product: Product) -> Rpc:
    """The model in the file that the description names, or of the usual name, or in itself."""
    root, entry = product.root, product.entry
    if next(xml.elements(root, "Global_RFM"), None) is not None:
        return model_in_xml(root, entry)
    named = [
        path.get("href", "")
        for component in xml.elements(root, "Component")
        for path in xml.elements(component, "COMPONENT_PATH")
        if PurePosixPath(path.get("href", "")).name.upper().startswith("RPC_")
    ]
    names = dict.fromkeys([*filter(None, named), f"RPC_{product.name}.XML"])
    for href in names:
        found = files.find(href, entry)
        if found is not None:
            return read_model(found)
    raise RpcMissing(
        f"The RPC of {product.name} is not there.",
        pointer=entry.pointer,
        allowed=PurePosixPath(next(iter(names))).name,
    )


def _tiles(files: Files, product: Product, group: Element) -> dict[tuple[int, int], Header]:
    headers = {}
    missing = []
    named = list(product.hrefs(group))
    if len(named) > MAX_TILES:
        raise BadMetadata(
            f"{product.entry.base} names {len(named)} files of pixels.",
            pointer=product.entry.pointer,
            allowed=f"at most {MAX_TILES}",
        )
    for place, href in named:
        found = files.find(href, product.entry)
        if found is None:
            missing.append(PurePosixPath(href).name)
        else:
            headers[place] = open_header(found)
    if missing:
        more = f" and {len(missing) - 3} more" if len(missing) > 3 else ""
        raise IncompleteProduct(
            f"{product.name} lacks {', '.join(missing[:3])}{more}.",
            pointer=product.entry.pointer,
            value=missing[0],
            allowed="all tiles of the product",
        )
    return headers


def _bands(product: Product, count: int) -> tuple[str, ...]:
    """Names in the order of the files: red, green, blue and what else is told."""
    names: list[str] = []
    groups = product.groups
    for group in groups:
        # Version 3 tells the bands of each set beside its files, version 2 elsewhere.
        told = group if next(xml.elements(group, "Raster_Display"), None) is not None else None
        names += _names(product.root if told is None else told)
        if told is None:
            break
    return tuple(names) if len(names) == count else tuple(map(str, range(1, count + 1)))


def _names(root: Element) -> list[str]:
    shown = [xml.text(root, f"{name}_CHANNEL") for name in ("RED", "GREEN", "BLUE", "ALPHA")]
    listed = [
        (xml.text(index, "BAND_INDEX"), xml.text(index, "BAND_ID"))
        for index in xml.elements(root, "Raster_Index")
    ]
    numbers = [natural(number) or 0 for number, _ in listed]
    if sorted(numbers) == list(range(1, len(listed) + 1)) and listed:
        return [name for _, (_, name) in sorted(zip(numbers, listed, strict=True))]
    return list(dict.fromkeys(filter(None, [*shown, *(name for _, name in listed)])))


def kind_of(processing: str, count: int) -> Kind:
    """What a product recorded, from its own word and the number of its bands.

    >>> kind_of("PAN", 1), kind_of("PMS-FS", 6), kind_of("MS", 4), kind_of("", 1)
    ('P', 'PMS', 'MS', 'P')
    """
    word = processing.upper()
    if word in ("P", "PAN") or (not word and count == 1):
        return "P"
    if word.startswith("PMS"):
        return "PMS"
    return "MS" if count > 1 else "P"


def _sensor(root: Element) -> str:
    mission, index = xml.text(root, "MISSION").upper(), xml.text(root, "MISSION_INDEX")
    names = {"PHR": "Pleiades", "PNEO": "Pleiades Neo", "SPOT": "SPOT", "S6": "SPOT", "S7": "SPOT"}
    return f"{names.get(mission, mission)} {index}".strip()


def _special(root: Element) -> dict[str, float]:
    """Stored values with a meaning."""
    values = {}
    for element in xml.elements(root, "Special_Value"):
        number = _number(element, "SPECIAL_VALUE_COUNT")
        if number is not None:
            values[xml.text(element, "SPECIAL_VALUE_TEXT").upper()] = number
    return values


def _centre(root: Element) -> Element:
    """What is told of the middle of the image."""
    for element in xml.elements(root, "Located_Geometric_Values"):
        if xml.text(element, "LOCATION_TYPE") == "Center":
            return element
    return Element("nothing")


def _time(root: Element, centre: Element, name: str) -> dt.datetime | None:
    day, hour = xml.text(root, "IMAGING_DATE"), xml.text(root, "IMAGING_TIME")
    return iso_time(xml.text(centre, "TIME")) or iso_time(f"{day}T{hour}") or time_in_name(name)


def _number(root: Element, name: str) -> float | None:
    return real(xml.text(root, name))


def _cloud(files: Files, product: Product) -> str | None:
    for path in xml.elements(product.root, "COMPONENT_PATH"):
        href = path.get("href", "")
        if PurePosixPath(href).name.upper().startswith("CLD_"):
            found = files.find(href, product.entry)
            if found is not None and found.suffix == ".gml" and found.size:
                return found.location
    return None


def _stretch_warnings(root: Element, name: str, dtype: str) -> tuple[str, ...]:
    told = [
        xml.text(root, tag).upper()
        for tag in ("RADIOMETRIC_PROCESSING", "RADIOMETRIC_STRETCH", "ADJUSTMENT_TYPE")
    ]
    unusual = [word for word in told if word not in _PLAIN]
    if not unusual or dtype == "uint8":
        return ()
    word = "stretched" if unusual[0] == "TRUE" else unusual[0][:40]
    note = (
        f"The values of {name} were changed for display ({word}): shadows and bright roofs may "
        "have lost detail."
    )
    return (note,)
