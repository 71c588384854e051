"""Sensor models (RPC) as suppliers write them, brought to one convention.

Which number the centre of the first pixel has differs: DIMAP of Pleiades and SPOT calls it (1, 1),
Pleiades Neo (0, 0), as do RPB, ``_RPC.TXT``, WorldView's XML, NITF and TIFF tags.  The first row
and column of a validity domain are no origin: strips begin at -791 there.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any
from xml.etree.ElementTree import Element

from core.errors import BadMetadata, BadRpc
from core.geometry.rpc import Rpc
from core.io import xml
from core.io.products.stereo.files import Entry

_SINGLE = {
    "LINE_OFF": "row_offset",
    "SAMP_OFF": "col_offset",
    "LAT_OFF": "lat_offset",
    "LONG_OFF": "lon_offset",
    "HEIGHT_OFF": "height_offset",
    "LINE_SCALE": "row_scale",
    "SAMP_SCALE": "col_scale",
    "LAT_SCALE": "lat_scale",
    "LONG_SCALE": "lon_scale",
    "HEIGHT_SCALE": "height_scale",
}
_LISTS = {
    "LINE_NUM_COEFF": "row_numerator",
    "LINE_DEN_COEFF": "row_denominator",
    "SAMP_NUM_COEFF": "col_numerator",
    "SAMP_DEN_COEFF": "col_denominator",
}
_ERRORS = {"ERR_BIAS": "error_bias_m", "ERR_RAND": "error_random_m"}

# As RPB and WorldView's XML spell them, in small letters.
_SPELLED = {
    name.lower().replace("_off", "offset").replace("_coeff", "coef").replace("_", ""): name
    for name in (*_SINGLE, *_LISTS, *_ERRORS)
}

Numbers = Mapping[str, tuple[float, ...]]
"""Numbers by the names that ``_RPC.TXT`` uses."""


def read_model(entry: Entry) -> Rpc:
    """The model in a side file of any kind.

    Raises
    ------
    BadRpc, BadMetadata
        It is damaged, incomplete, or holds no model.
    """
    data = entry.read()
    if data.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"<"):
        return model_in_xml(xml.parse(data, entry.base, pointer=entry.pointer), entry)
    text = data.decode("latin-1")
    if re.search(r"BEGIN_GROUP|lineOffset", text):
        return _model_in_blocks(text, entry)
    return _model_in_lines(text, entry)


def model_in_xml(root: Element, entry: Entry) -> Rpc:
    """The model in an XML document: DIMAP, its forerunner of the CNES, or WorldView's ISD."""
    kind = xml.local(root.tag)
    if kind == "isd":
        return _model_in_isd(root, entry)
    if kind == "PHR_Dimap_Document":
        return _model_of_cnes(root, entry)
    if kind == "Dimap_Document":
        return _model_in_dimap(root, entry)
    tags = _tags_in_xml(root)
    if tags:
        return model_in_tags(tags, entry.base, entry.pointer)
    raise BadRpc(
        f"{entry.base} holds no RPC that is known here.",
        pointer=entry.pointer,
        value=kind[:100],
        allowed="the RPC of DIMAP, of WorldView's XML or RPB, or a _RPC.TXT",
    )


def _tags_in_xml(root: Element) -> dict[str, str]:
    """Tags with a model that GDAL keeps beside an image."""
    return {
        item.get("key", ""): item.text or ""
        for block in xml.elements(root, "Metadata")
        if block.get("domain") == "RPC"
        for item in xml.elements(block, "MDI")
    }


def first_pixel(root: Element) -> int:
    """Row and column of the centre of the first pixel in a DIMAP's model and masks.

    ``PIXEL_ORIGIN`` says 1 for Pleiades Neo too, whose numbers begin at 0.
    """
    profile = xml.text(root, "METADATA_PROFILE").upper()
    versions = [e.get("version", "") for e in xml.elements(root, "METADATA_FORMAT")]
    newer = any(version.split(".")[0] in ("3", "4") for version in versions)
    return 0 if profile.startswith("PNEO") or newer else 1


def model_in_tags(tags: Mapping[str, str], name: str, pointer: str) -> Rpc:
    """The model in a file's own tags, as GDAL tells them."""
    numbers = {
        key: _floats(text.split(), key, name, pointer)
        for key, text in tags.items()
        if key in _SINGLE or key in _LISTS or key in _ERRORS
    }
    return _rpc(numbers, name, pointer)


def _model_in_dimap(root: Element, entry: Entry) -> Rpc:
    forth = [
        element
        for name in ("Inverse_Model", "GroundtoImage_Values")
        for element in xml.elements(root, name)
    ]
    if len(forth) != 1:
        raise BadRpc(
            f"{entry.base} does not hold one model from the ground to the image.",
            pointer=entry.pointer,
            value=len(forth),
            allowed="an Inverse_Model or GroundtoImage_Values",
        )
    numbers = {
        name: _floats(
            [xml.text(forth[0], f"{name}_{n}") for n in range(1, 21)],
            name,
            entry.base,
            entry.pointer,
        )
        for name in _LISTS
    }
    for name in _SINGLE:
        if text := xml.text(root, name):
            numbers[name] = _floats([text], name, entry.base, entry.pointer)
    # ERR_BIAS tells how well the model fits the camera, in pixels, not where the ground lies.
    origin = first_pixel(root)
    return _rpc(numbers, entry.base, entry.pointer).moved(-origin, -origin)


def _model_of_cnes(root: Element, entry: Entry) -> Rpc:
    """Version 1.4: numerator and denominator in one list, scale A and offset B."""
    numbers: dict[str, tuple[float, ...]] = {}
    inverse = next(xml.elements(root, "Inverse_Model"), root)
    for tag, axis in (("F_ROW", "LINE"), ("F_COL", "SAMP")):
        both = _floats(xml.text(inverse, tag).split(), tag, entry.base, entry.pointer)
        numbers[f"{axis}_NUM_COEFF"], numbers[f"{axis}_DEN_COEFF"] = both[:20], both[20:]
    domain = next(xml.elements(root, "RFM_Validity"), root)
    axes = {"Lon": "LONG", "Lat": "LAT", "Alt": "HEIGHT", "Col": "SAMP", "Row": "LINE"}
    for tag, axis in axes.items():
        element = next(xml.elements(domain, tag), None)
        if element is not None:
            for part, kind in (("A", "SCALE"), ("B", "OFF")):
                name = f"{axis}_{kind}"
                text = xml.text(element, part)
                numbers[name] = _floats([text], name, entry.base, entry.pointer)
    return _rpc(numbers, entry.base, entry.pointer).moved(-1, -1)


def _model_in_isd(root: Element, entry: Entry) -> Rpc:
    block = next(xml.elements(root, "RPB"), None)
    if block is None:
        raise BadRpc(f"{entry.base} holds no RPC.", pointer=entry.pointer, allowed="a block RPB")
    _check_order(xml.text(block, "SPECID"), entry)
    numbers = {}
    for element in block.iter():
        name = _SPELLED.get(xml.local(element.tag).lower())
        if name is not None:
            numbers[name] = _floats((element.text or "").split(), name, entry.base, entry.pointer)
    return _rpc(numbers, entry.base, entry.pointer)


def _model_in_blocks(text: str, entry: Entry) -> Rpc:
    order = re.search(r'\bSpecId\s*=\s*"?(\w+)', text, re.IGNORECASE)
    _check_order(order[1] if order else "", entry)
    numbers = {}
    for key, several, one in re.findall(r"(\w+)\s*=\s*(?:\(([^)]*)\)|([^;\n]*))\s*;", text):
        name = _SPELLED.get(key.lower())
        if name is not None:
            words = (several or one).replace(",", " ").split()
            numbers[name] = _floats(words, name, entry.base, entry.pointer)
    return _rpc(numbers, entry.base, entry.pointer)


def _check_order(spec: str, entry: Entry) -> None:
    if spec.upper() == "RPC00A":
        raise BadRpc(
            f"The terms of the RPC in {entry.base} are in the order of RPC00A.",
            pointer=entry.pointer,
            value=spec,
            allowed="RPC00B",
        )


def _model_in_lines(text: str, entry: Entry) -> Rpc:
    found: dict[str, list[str]] = {}
    for name, value in re.findall(r"^\s*(\w+)\s*[:=]\s*(\S+)", text, re.MULTILINE):
        list_name = re.sub(r"_\d+$", "", name.upper())
        found.setdefault(list_name, []).append(value)
    numbers = {
        name: _floats(words, name, entry.base, entry.pointer)
        for name, words in found.items()
        if name in _SINGLE or name in _LISTS or name in _ERRORS
    }
    return _rpc(numbers, entry.base, entry.pointer)


def _floats(words: Iterable[str], name: str, what: str, pointer: str) -> tuple[float, ...]:
    try:
        return tuple(float(word) for word in words)
    except ValueError as error:
        raise BadRpc(
            f"{name} in the RPC of {what} is not a number.", pointer=pointer, allowed="numbers"
        ) from error


def _rpc(numbers: Numbers, what: str, pointer: str) -> Rpc:
    missing = [name for name in (*_SINGLE, *_LISTS) if not numbers.get(name)]
    if missing:
        raise BadRpc(
            f"The RPC of {what} lacks {', '.join(missing)}.",
            pointer=pointer,
            value=missing[0],
            allowed="a complete RPC00B",
        )
    single = {field: numbers[name][0] for name, field in _SINGLE.items()}
    # A negative error means that none is stated.
    stated = {
        field: numbers[name][0]
        for name, field in _ERRORS.items()
        if numbers.get(name) and numbers[name][0] >= 0
    }
    lists = {field: numbers[name] for name, field in _LISTS.items()}
    fields: dict[str, Any] = {**single, **lists, **stated}
    try:
        return Rpc(**fields)
    except BadRpc as error:
        raise BadRpc(
            f"{what}: {error.message}", pointer=pointer, value=error.value, allowed=error.allowed
        ) from error


def holds_model(entry: Entry) -> bool:
    """Whether an XML beside an image is meant to hold a model; a damaged one is."""
    root = parsed(entry)
    if root is None:
        return True
    marks = ("Global_RFM", "RPB", "Rational_Sensor_Model")
    return any(next(xml.elements(root, mark), None) is not None for mark in marks) or bool(
        _tags_in_xml(root)
    )


def parsed(entry: Entry) -> Element | None:
    """The root of an XML file; None if it is none that can be read."""
    try:
        return xml.parse(entry.read(), entry.base, pointer=entry.pointer)
    except BadMetadata:
        return None
