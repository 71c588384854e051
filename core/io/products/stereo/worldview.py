"""Images of WorldView, GeoEye and QuickBird as their supplier delivers them.

Tiles have no model of their own: RPB and XML belong to the whole image, and only the .TIL says
where the tiles lie in it.
"""

import datetime as dt
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from core.errors import BadMetadata, IncompleteProduct, RpcMissing, WrongLevel
from core.geometry.rpc import Rpc
from core.io import xml
from core.io.products.stereo.files import Entry, Files, Loose
from core.io.products.stereo.images import (
    IMAGE_ENDINGS,
    Header,
    iso_time,
    natural,
    open_header,
    real,
)
from core.io.products.stereo.models import parsed, read_model
from core.io.products.stereo.mosaic import MAX_TILES, whole_of
from core.io.products.stereo.single import depth_warnings, missing, side_files, whole_name
from core.io.products.stereo.view import Kind, Tile, View, angle_warnings, looking, luminance

_SENSORS = {
    "WV01": "WorldView-1",
    "WV02": "WorldView-2",
    "WV03": "WorldView-3",
    "WV04": "WorldView-4",
    "GE01": "GeoEye-1",
    "QB02": "QuickBird-2",
}
LONGEST_S = 600
"""More than any strip takes."""
_STAMP = re.compile(r"(\d\d[A-Z]{3}\d\d\d{6})(?=[-_])", re.IGNORECASE)
_GROUP = re.compile(r"BEGIN_GROUP\s*=\s*(\w+)(.*?)END_GROUP\s*=\s*\1", re.DOTALL)
_PAIR = re.compile(r'^[ \t]*(\w+)\s*=\s*"?([^";(\n]*)"?\s*;', re.MULTILINE)


class Place(dict[str, str]):
    """A tile as the .TIL tells it, names in small letters."""

    def number(self, name: str, til: Entry) -> int:
        """One of its offsets."""
        number = natural(self.get(name.lower(), ""))
        if number is None:
            raise BadMetadata(
                f"{til.base} gives no {name} for {self.get('filename', 'a tile')[:100]}.",
                pointer=til.pointer,
            )
        return number


@dataclass(frozen=True)
class Product:
    """An image with metadata.

    Parameters
    ----------
    entry
        The .TIL, or the only file of pixels.
    facts
        What is said of it, by names in small letters.
    bands
        Names of the bands, as far as they are told.
    places
        The tiles of a .TIL.
    """

    entry: Entry
    facts: Mapping[str, str]
    bands: tuple[str, ...]
    places: tuple[Place, ...] = field(default=())

    @property
    def name(self) -> str:
        """As its files carry it."""
        return whole_name(self.entry)


def products(files: Files, taken: set[str]) -> list[Product]:
    """The images that a .TIL, .IMD or XML describes; those that belong to others are taken."""
    found: dict[str, Product] = {}
    for entry in files.entries:
        if entry.location in taken:
            continue
        for main in _main_file(files, entry):
            if main.location not in found:
                facts, bands = _facts(files, main)
                if facts or main.suffix == ".til":
                    found[main.location] = Product(main, facts, bands, tuple(_places(main)))
    return list(found.values())


def _main_file(files: Files, entry: Entry) -> Iterator[Entry]:
    """The .TIL of an image, else its only file of pixels."""
    if entry.suffix == ".til":
        yield entry
        return
    described = entry.suffix in (".imd", ".rpb", ".xml") and isinstance(files, Loose)
    if entry.suffix not in IMAGE_ENDINGS and not described:
        return
    whole = whole_name(entry)
    til = files.find(f"{whole}.TIL", entry)
    if til is not None:
        yield til
    elif not described:
        yield entry
    else:
        images = (files.find(f"{whole}{ending}", entry) for ending in IMAGE_ENDINGS)
        yield from filter(None, images)


def _places(main: Entry) -> Iterator[Place]:
    if main.suffix == ".til":
        text = main.read().decode("latin-1")
        for name, body in _GROUP.findall(text):
            if name.upper().startswith("TILE_"):
                yield Place({key.lower(): value.strip() for key, value in _PAIR.findall(body)})


def _facts(files: Files, main: Entry) -> tuple[dict[str, str], tuple[str, ...]]:
    """What the .IMD says, else the XML; the first of several equal names counts."""
    facts: dict[str, str] = {}
    imd = files.find(f"{whole_name(main)}.IMD", main)
    if imd is not None:
        text = imd.read().decode("latin-1")
        for key, value in _PAIR.findall(text):
            facts.setdefault(key.lower(), value.strip())
        bands = [name[5:] for name, _ in _GROUP.findall(text) if name.startswith("BAND_")]
        return facts, tuple(bands)
    document = files.find(f"{whole_name(main)}.XML", main)
    root = None if document is None else parsed(document)
    if root is None or xml.local(root.tag) != "isd":
        return {}, ()
    block = next(xml.elements(root, "IMD"), root)
    for element in block.iter():
        if element.text and element.text.strip():
            facts.setdefault(xml.local(element.tag).lower(), element.text.strip())
    names = [xml.local(element.tag) for element in block]
    return facts, tuple(name[5:] for name in names if name.startswith("BAND_"))


def pixel_files(files: Files, product: Product) -> Iterator[Entry]:
    """The files of pixels that are there, those too that the .TIL forgets."""
    if product.entry.suffix != ".til":
        yield product.entry
    name = product.name.casefold()
    for entry in files.entries:
        if entry.suffix in IMAGE_ENDINGS and whole_name(entry).casefold() == name:
            yield entry
    for place in product.places:
        found = files.find(place.get("filename", ""), product.entry)
        if found is not None:
            yield found


def open_worldview(files: Files, product: Product, scratch: Path) -> View:
    """The view of a described image.

    Raises
    ------
    WrongLevel
        It is projected or orthorectified.
    RpcMissing, IncompleteProduct
        A file is not there.
    """
    entry, facts = product.entry, product.facts
    _check_level(product)
    placed = list(_placed(files, product))
    headers = [header for header, *_ in placed]
    rpc = _model(files, product, headers)
    if any(header.mapped for header in headers):
        raise _on_a_map(product, "")
    tiles = [
        Tile(header.entry.location, row, col, *header.shape, 0, len(header.bands))
        for header, row, col in placed
    ]
    whole = whole_of(scratch, tiles, headers, product.name, entry.pointer)
    _check_extent(product, whole.shape, tiles)
    bands = product.bands if len(product.bands) == whole.bands else headers[0].bands
    kind = _kind(facts, whole.bands)
    seen = looking(rpc, whole.shape, product.name, entry.pointer)
    elevation = _number(facts, "meansatel")
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
        sensor=_SENSORS.get(facts.get("satid", "").upper(), facts.get("satid", "")),
        level=facts.get("productlevel", ""),
        time=_time(product),
        # Blackfill, of which nothing in the metadata speaks.
        nodata=0.0,
        bits=min(int(_number(facts, "bitsperpixel") or 99), headers[0].bits),
        control=headers[0].control if len(headers) == 1 else (),
        tiles=whole.tiles,
        source=entry.source,
        pointer=entry.pointer,
        warnings=(
            *depth_warnings(product.name, whole.dtype),
            *_stretch_warnings(product, whole.dtype),
            *angle_warnings(product.name, seen, None if elevation is None else 90 - elevation),
        ),
    )


def _check_level(product: Product) -> None:
    level = product.facts.get("productlevel", "")
    if level and "1B" not in level.upper():
        raise _on_a_map(product, level)


def _on_a_map(product: Product, level: str) -> WrongLevel:
    what = f"is of the level {level[:50]}" if level else "has a coordinate reference system"
    return WrongLevel(
        f"{product.name} {what}: its pixels lie on a map.",
        pointer=product.entry.pointer,
        value=level or None,
        allowed="the level 1B (Basic or Stereo), in sensor geometry",
    )


def _placed(files: Files, product: Product) -> Iterator[tuple[Header, int, int]]:
    """Each file of pixels with the row and column of its first pixel."""
    til = product.entry
    if til.suffix != ".til":
        yield open_header(til), 0, 0
        return
    if not product.places:
        raise BadMetadata(f"{til.base} names no tile.", pointer=til.pointer)
    if len(product.places) > MAX_TILES:
        raise BadMetadata(
            f"{til.base} names {len(product.places)} tiles.",
            pointer=til.pointer,
            allowed=f"at most {MAX_TILES}",
        )
    for place in product.places:
        name = place.get("filename", "")
        found = files.find(name, til) if name else None
        if found is None:
            raise IncompleteProduct(
                f"{product.name} lacks {name[:100] or 'a tile'}.",
                pointer=til.pointer,
                value=name,
                allowed="all tiles that the .TIL names",
            )
        header = open_header(found)
        row, col = place.number("ULRowOffset", til), place.number("ULColOffset", til)
        told = (
            place.number("LRRowOffset", til) - row + 1,
            place.number("LRColOffset", til) - col + 1,
        )
        if header.shape != told:
            raise BadMetadata(
                f"{found.base} has {header.shape[1]} x {header.shape[0]} pixels, {til.base} says "
                f"{told[1]} x {told[0]}.",
                pointer=til.pointer,
            )
        yield header, row, col


def _model(files: Files, product: Product, headers: list[Header]) -> Rpc:
    beside = next(side_files(files, product.entry), None)
    if beside is not None:
        return read_model(beside)
    if len(headers) > 1:
        raise RpcMissing(
            f"The RPC of {product.name} is not there: neither .RPB nor .XML.",
            pointer=product.entry.pointer,
            allowed=f"{product.name}.RPB or {product.name}.XML",
        )
    if headers[0].rpc is None:
        raise missing(headers[0].entry)
    return headers[0].rpc


def _check_extent(product: Product, shape: tuple[int, int], tiles: list[Tile]) -> None:
    rows, cols = (_number(product.facts, name) for name in ("numrows", "numcolumns"))
    covered = sum(tile.rows * tile.cols for tile in tiles)
    whole = rows is None or cols is None or shape == (rows, cols)
    if not whole or covered < shape[0] * shape[1]:
        told = "" if rows is None or cols is None else f", its metadata say {cols:g} x {rows:g}"
        raise IncompleteProduct(
            f"The files of {product.name} make {covered} of {shape[1]} x {shape[0]} pixels{told}. "
            "A crop needs an RPC of its own.",
            pointer=product.entry.pointer,
            allowed="all tiles of the image",
        )


def _kind(facts: Mapping[str, str], count: int) -> Kind:
    if facts.get("bandid", "").upper() == "P" or (count == 1 and "bandid" not in facts):
        return "P"
    sharpened = facts.get("pansharpenalgorithm", "None").upper()
    return "MS" if sharpened in ("NONE", "") else "PMS"


def _time(product: Product) -> dt.datetime | None:
    """Of the middle of the image where the rate of lines is told, else of its begin."""
    facts = product.facts
    first = iso_time(facts.get("firstlinetime", "")) or iso_time(facts.get("tlctime", ""))
    if first is None:
        return _time_in_name(product.name)
    rows, rate = _number(facts, "numrows"), _number(facts, "avglinerate")
    if not rows or not rate or not 0 < rows / rate < LONGEST_S:
        return first
    return first + dt.timedelta(seconds=rows / rate / 2)


def _time_in_name(name: str) -> dt.datetime | None:
    """The moment at the begin of a name.

    >>> _time_in_name("12FEB12053343-P1BS-052783824050_01_P001").isoformat()
    '2012-02-12T05:33:43+00:00'
    """
    stamp = _STAMP.match(name)
    if stamp is None:
        return None
    try:
        return dt.datetime.strptime(f"{stamp[1]}+0000", "%y%b%d%H%M%S%z")
    except ValueError:
        return None


def _number(facts: Mapping[str, str], name: str) -> float | None:
    return real(facts.get(name, ""))


def _stretch_warnings(product: Product, dtype: str) -> tuple[str, ...]:
    told = product.facts.get("radiometricenhancement", "Off")
    if told.upper() in ("OFF", "NONE", "") or dtype == "uint8":
        return ()
    note = (
        f"The values of {product.name} were changed for display ({told[:40]}): shadows and bright "
        "roofs may have lost detail."
    )
    return (note,)
