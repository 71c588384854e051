"""Single images with a model in their tags or in a file beside them."""

import re
from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from core.errors import RpcMissing, WrongLevel
from core.geometry.rpc import Rpc
from core.io.products.stereo.files import Entry, Files
from core.io.products.stereo.images import Header, open_header, time_in_name
from core.io.products.stereo.models import holds_model, read_model
from core.io.products.stereo.view import Tile, View, looking

COARSE = 0.01
"""Pixels by which two models may differ in their offsets for being the same."""
_TILE = re.compile(r"_R(\d+)C(\d+)(?=[-_.]|$)", re.IGNORECASE)
_SIDE_FILES = ("{}.RPB", "{}_RPC.TXT", "{}.RPC.TXT", "RPC_{}.XML", "{}_RPC.XML", "{}.XML")
_PICTURE = re.compile(r"^(?:ICON|PREVIEW)_|-BROWSE$", re.IGNORECASE)


def is_picture(entry: Entry) -> bool:
    """Whether a file is only to be looked at."""
    return bool(_PICTURE.search(entry.stem))


def tile_of(entry: Entry) -> tuple[int, int] | None:
    """Row and column, from 1, of a tile named R1C1; None if the name has none."""
    found = _TILE.search(entry.stem)
    return (int(found[1]), int(found[2])) if found else None


def whole_name(entry: Entry) -> str:
    """A file's name without ending and without what makes it a tile."""
    return _TILE.sub("", entry.stem)


def side_files(files: Files, image: Entry) -> Iterator[Entry]:
    """Files beside an image that may hold its model, the most special one first."""
    seen = set()
    whole = whole_name(image)
    names = dict.fromkeys((image.stem, whole, re.sub(r"^IMG_", "", whole)))
    for pattern in (*(p.format(n) for n in names for p in _SIDE_FILES), f"{image.base}.aux.xml"):
        found = files.find(pattern, image)
        if found is None or found.location in seen:
            continue
        seen.add(found.location)
        # GDAL keeps statistics there too, which are no model.
        if found.suffix != ".xml" or holds_model(found):
            yield found


def open_single(files: Files, image: Entry) -> View:
    """The view of one file of pixels.

    Raises
    ------
    RpcMissing
        Neither the file nor one beside it holds a model.
    WrongLevel
        Its pixels lie on a map.
    """
    header = open_header(image)
    rpc, notes = model_of(files, header)
    if header.mapped:
        raise WrongLevel(
            f"{image.base} is map-projected: it has a coordinate reference system and a "
            "geotransform.",
            pointer=image.pointer,
            allowed="an image in sensor geometry with its RPC",
        )
    return view_of(header, rpc, image.stem, notes)


def model_of(files: Files, header: Header) -> tuple[Rpc, tuple[str, ...]]:
    """The model of an image: of a file beside it, else its own."""
    image = header.entry
    beside = next(side_files(files, image), None)
    if beside is None:
        if header.rpc is None:
            raise missing(image)
        return header.rpc, ()
    if (tile_of(image) or (1, 1)) != (1, 1):
        raise RpcMissing(
            f"{image.base} is a tile, and {beside.base} holds the RPC of the whole image: where "
            "the tile lies is told by the DIM_*.XML or the .TIL of the delivery.",
            pointer=image.pointer,
            allowed="the whole delivery",
        )
    rpc = read_model(beside)
    if header.rpc is not None and not _same(rpc, header.rpc):
        return rpc, (f"{beside.base} differs from the RPC in {image.base}, and was taken.",)
    return rpc, ()


def missing(image: Entry) -> RpcMissing:
    """The error for an image without a model."""
    stem = image.stem if len(image.stem) < 60 else image.stem[:59] + "…"
    return RpcMissing(
        f"{image.base} has no RPC: neither in its tags nor in a file beside it.",
        pointer=image.pointer,
        allowed=f"tags with an RPC, {stem}.RPB, {stem}_RPC.TXT, RPC_{stem}.XML or {stem}.XML",
    )


def _same(a: Rpc, b: Rpc) -> bool:
    return (
        abs(a.row_offset - b.row_offset) < COARSE
        and abs(a.col_offset - b.col_offset) < COARSE
        and replace(a, row_offset=0.0, col_offset=0.0, error_bias_m=None, error_random_m=None)
        == replace(b, row_offset=0.0, col_offset=0.0, error_bias_m=None, error_random_m=None)
    )


def view_of(header: Header, rpc: Rpc, name: str, notes: tuple[str, ...] = ()) -> View:
    """A view of one file as its header tells it."""
    rows, cols = header.shape
    seen = looking(rpc, header.shape, header.entry.base, header.entry.pointer)
    location = header.entry.location
    return View(
        name=name,
        path=location,
        driver=header.driver,
        bands=header.bands,
        matched=matched(header),
        shape=header.shape,
        dtype=header.dtype,
        rpc=rpc,
        gsd_m=seen.gsd_m,
        azimuth_deg=seen.azimuth_deg,
        incidence_deg=seen.incidence_deg,
        time=header.time or time_in_name(name),
        nodata=nodata_of(header),
        saturated=2.0**header.bits - 1 if 8 < header.bits < 16 else None,
        bits=header.bits,
        control=header.control,
        tiles=(Tile(location, 0, 0, rows, cols, 0, len(header.bands)),),
        source=header.entry.source,
        pointer=header.entry.pointer,
        warnings=(*notes, *depth_warnings(name, header.dtype)),
    )


def nodata_of(header: Header) -> float | None:
    """The stored value that means no data.

    Where the file does not tell it is 0, which no sensor of 11 or 12 bits records.  Images of 8
    bits were stretched: their zeros are dark pixels.
    """
    if header.nodata is None and np.dtype(header.dtype).itemsize > 1:
        return 0.0
    return header.nodata


def matched(header: Header) -> tuple[int, ...]:
    """Bands whose mean stands for the brightness."""
    return header.colours or tuple(range(1, min(len(header.bands), 3) + 1))


def depth_warnings(name: str, dtype: str) -> tuple[str, ...]:
    """What 8 bits mean for matching."""
    if dtype not in ("uint8", "int8"):
        return ()
    note = (
        f"{name} has 8 bits: its values were stretched or cut, and shadows and bright roofs match "
        "worse than in the original of 11 or 12 bits."
    )
    return (note,)
