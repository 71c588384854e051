"""The file of a saved model: a skops container of dictionaries, text, numbers and plain arrays.

Nothing in the file names a class or a function of anybody, so loading one runs nothing; whatever is
more than that is refused before it is read, and no array is believed before it was looked at.  The
same model gives the same bytes.
"""

import io
import json
import math
import re
import zipfile
import zlib
from collections.abc import Mapping
from typing import Any

import numpy as np
import skops.io
from numpy.typing import NDArray

from core.change.learning.calibration import Calibration
from core.change.learning.decisions import Evidence
from core.change.learning.domain import Domain
from core.change.learning.model import Card, Classifier, Model
from core.change.learning.prevalence import STEPS
from core.change.learning.trees import Link, Trees, fault
from core.errors import BadModel

FORM = "optiground-landslide-model"
FORM_VERSION = 1

MOST_BYTES = 256 * 2**20
"""What a file may unpack to: a forest of 500 trees has a tenth of it."""

MOST_FILES = 64
DEEPEST = 8
"""Dictionaries in dictionaries; ours go three deep."""

LONGEST_TEXT = 20_000

PLAIN = {
    "DictNode": ("builtins", "dict"),
    "ListNode": ("builtins", "list"),
    "TypeNode": ("builtins", "str"),
    "JsonNode": ("builtins", "str"),
    "NdArrayNode": ("numpy", "ndarray"),
}
"""All that our files are made of: how skops names them, and the class that each stands for.  A
TypeNode is the type of a dictionary's keys."""

SCHEMA = "schema.json"

MAGIC = b"\x93NUMPY\x01\x00"
HEADER = re.compile(
    rb"\{'descr': '[<|][fiu](?P<bytes>[1248])', 'fortran_order': (?:False|True), "
    rb"'shape': \((?P<shape>(?:(?:0|[1-9]\d{0,11}), ?)*(?:0|[1-9]\d{0,11})?)\), \} *\n"
)
"""How a file of NumPy begins, and its header of an array of plain numbers."""

LARGEST = 1e30
"""Size of a number in an array: what is larger overflows when it is squared."""


def written(model: Model) -> bytes:
    """The bytes of a model's file."""
    return _canonical(skops.io.dumps(_plain(model)))


def _plain(model: Model) -> dict[str, Any]:
    trees, domain, card = model.classifier.trees, model.domain, model.card
    calibration, evidence = model.classifier.calibration, model.classifier.evidence
    return {
        "form": FORM,
        "form_version": FORM_VERSION,
        "trees": {
            "edges": trees.edges,
            "nodes": trees.nodes,
            "starts": trees.starts,
            "leaves": trees.leaves,
            "base": trees.base,
            "link": trees.link.value,
        },
        "calibration": {
            "slope": calibration.slope,
            "offset": calibration.offset,
            "prevalence": calibration.prevalence,
        },
        "evidence": {
            "rest": evidence.rest,
            "landslide": evidence.landslide,
            "prevalence": evidence.prevalence,
        },
        "domain": {
            "low": domain.low,
            "high": domain.high,
            "middle": domain.middle,
            "spread": domain.spread,
            "turn": domain.turn,
            "centres": domain.centres,
            "limit": domain.limit,
        },
        "card": {
            "features": [str(name) for name in card.features],
            "units": [str(unit) for unit in card.units],
            "bands": {role: float(middle) for role, middle in card.bands.items()},
            "normalisation": {k: np.array(v, np.float64) for k, v in card.normalisation.items()},
            "versions": dict(card.versions),
            "notes": dict(card.notes),
        },
    }


def _canonical(data: bytes) -> bytes:
    """The same container with numbers in place of memory addresses, and without the time."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as source, zipfile.ZipFile(out, "w") as target:
        tree = json.loads(source.read(SCHEMA))
        numbers: dict[object, int] = {}
        files: dict[str, str] = {}
        _renumber(tree, numbers, files)
        for name, new in files.items():
            _put(target, new, source.read(name))
        _put(target, SCHEMA, json.dumps(tree).encode())
    return out.getvalue()


def _renumber(node: object, numbers: dict[object, int], files: dict[str, str]) -> None:
    if isinstance(node, list):
        for part in node:
            _renumber(part, numbers, files)
    if not isinstance(node, dict):
        return
    if "__id__" in node:
        # Each node its own: what is one object only in this run must not be one in the file.
        node["__id__"] = numbers[len(numbers)] = len(numbers)
    if node.get("__loader__") == "NdArrayNode":
        node["file"] = files.setdefault(node["file"], f"{len(files)}.npy")
    for part in node.values():
        _renumber(part, numbers, files)


def _put(target: zipfile.ZipFile, name: str, data: bytes) -> None:
    entry = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
    target.writestr(entry, data, zipfile.ZIP_DEFLATED, 6)


def read(data: bytes) -> Model:
    """A model from the bytes of its file.

    Raises
    ------
    BadModel
        The bytes are no such file, are damaged, or hold anything else: with the reason.
    """
    if not zipfile.is_zipfile(io.BytesIO(data)):
        raise _bad("it is no skops file (a pickle, for example, is none, whatever its name)")
    try:
        _audit(data)
        content = skops.io.loads(data, trusted=[])
    except BadModel:
        raise
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
        raise _bad("it is damaged or cut off") from error
    except (ValueError, TypeError, KeyError, AttributeError, OSError, MemoryError) as error:
        raise _bad("its parts do not fit together") from error
    return _model(_Part(content, "the file"))


def _bad(reason: str) -> BadModel:
    return BadModel(
        f"the file is no model that this service saved: {reason}",
        allowed="a model file that a job of this service wrote",
    )


def _audit(data: bytes) -> None:
    """Refuse what no file of ours holds, before anything is built from it."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        entries = archive.infolist()
        names = [entry.filename for entry in entries]
        if len(names) > MOST_FILES or len(set(names)) < len(names):
            raise _bad(f"it holds {len(names)} parts, or one of them twice")
        if sum(entry.file_size for entry in entries) > MOST_BYTES:
            raise _bad(f"it unpacks to more than {MOST_BYTES >> 20} MB")
        if SCHEMA not in names:
            raise _bad("it is a zip file, but none of skops")
        arrays: set[str] = set()
        _audit_node(json.loads(archive.read(SCHEMA)), arrays, 0)
        if arrays != set(names) - {SCHEMA}:
            raise _bad("it holds files that it does not name, or names some that it lacks")
        for name in arrays:
            _audit_array(archive.read(name))


def _audit_node(node: object, arrays: set[str], depth: int) -> None:
    if not isinstance(node, dict) or depth > DEEPEST:
        raise _bad("its table of contents has another form")
    loader = node.get("__loader__")
    named = (node.get("__module__"), node.get("__class__"))
    if not isinstance(loader, str) or PLAIN.get(loader) != named:
        raise _bad(f"it holds {named[0]}.{named[1]}, and only text, numbers and arrays are read")
    content = node.get("content")
    if loader == "NdArrayNode":
        if node.get("type") != "numpy" or not isinstance(node.get("file"), str):
            raise _bad("it holds an array of objects")
        arrays.add(node["file"])
    elif loader == "DictNode":
        _audit_node(node.get("key_types"), arrays, depth + 1)
        if not isinstance(content, dict):
            raise _bad("its table of contents has another form")
        for part in content.values():
            _audit_node(part, arrays, depth + 1)
    elif loader == "ListNode":
        if not isinstance(content, list):
            raise _bad("its table of contents has another form")
        for part in content:
            _audit_node(part, arrays, depth + 1)


def _audit_array(data: bytes) -> None:
    """Refuse an array that is not plain numbers, or not as long as it says.

    NumPy's own reader of headers takes them for Python, and mends what is none.
    """
    begin = len(MAGIC) + 2
    end = begin + int.from_bytes(data[len(MAGIC) : begin], "little")
    header = HEADER.fullmatch(data[begin:end])
    if not data.startswith(MAGIC) or header is None:
        raise _bad("an array holds something else than numbers, or has another form")
    sides = [int(side) for side in header["shape"].split(b",") if side.strip()]
    if math.prod(sides) * int(header["bytes"]) != len(data) - end:
        raise _bad("an array is cut off, or larger than it says")


class _Part:
    """A dictionary of the file, whose parts are taken out by name and type."""

    def __init__(self, content: object, name: str) -> None:
        if not isinstance(content, dict):
            raise _bad(f"{name} is no dictionary")
        self.content, self.name = content, name

    def _taken(self, key: str) -> object:
        if key not in self.content:
            raise _bad(f"{self.name} has no {key}")
        return self.content[key]

    def part(self, key: str) -> "_Part":
        return _Part(self._taken(key), key)

    def text(self, key: str) -> str:
        value = self._taken(key)
        if not isinstance(value, str) or len(value) > LONGEST_TEXT:
            raise _bad(f"{key} of {self.name} is no text")
        return value

    def number(self, key: str, low: float = -1e9, high: float = 1e9) -> float:
        value = self._taken(key)
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise _bad(f"{key} of {self.name} is no number")
        if not low <= value <= high:
            raise _bad(f"{key} of {self.name} is {value}, and not {low:g} to {high:g}")
        return float(value)

    def array(self, key: str, kind: type, shape: tuple[int | None, ...]) -> NDArray[Any]:
        value = self._taken(key)
        if not isinstance(value, np.ndarray) or value.dtype != kind:
            raise _bad(f"{key} of {self.name} is no array of {np.dtype(kind)}")
        fits = [want in (None, has) for want, has in zip(shape, value.shape, strict=False)]
        if value.ndim != len(shape) or not all(fits):
            raise _bad(f"{key} of {self.name} has the shape {value.shape}")
        return np.ascontiguousarray(value)

    def finite(self, key: str, kind: type, shape: tuple[int | None, ...]) -> NDArray[Any]:
        value = self.array(key, kind, shape)
        if not (abs(value) < LARGEST).all():
            raise _bad(f"{key} of {self.name} holds values that are no numbers, or too large")
        return value

    def texts(self, key: str) -> tuple[str, ...]:
        value = self._taken(key)
        if not isinstance(value, list):
            raise _bad(f"{key} of {self.name} is no list")
        part = _Part({str(place): text for place, text in enumerate(value)}, key)
        return tuple(part.text(place) for place in part.content)


def _model(file: _Part) -> Model:
    if file.text("form") != FORM:
        raise _bad("it says that it is something else")
    version = file.number("form_version")
    if version != FORM_VERSION:
        raise _bad(f"its form has version {version:g}, {FORM_VERSION} is read here")
    trees = _trees(file.part("trees"))
    part = file.part("calibration")
    calibration = Calibration(
        part.number("slope", 0.0), part.number("offset"), part.number("prevalence", 1e-9, 1 - 1e-9)
    )
    return Model(
        Classifier(trees, calibration, _evidence(file.part("evidence"))),
        _domain(file.part("domain"), trees.features),
        _card(file.part("card"), trees.features),
    )


def _trees(part: _Part) -> Trees:
    nodes = part.array("nodes", np.uint32, (None,))
    link = part.text("link")
    if link not in set(Link):
        raise _bad(f"link of trees is {link}")
    trees = Trees(
        part.array("edges", np.float32, (None, None)),
        nodes,
        part.array("starts", np.int64, (None,)),
        part.finite("leaves", np.float64, (nodes.size,)),
        part.number("base"),
        Link(link),
    )
    if reason := fault(trees):
        raise _bad(reason)
    return trees


def _evidence(part: _Part) -> Evidence:
    sides = [part.finite(key, np.float64, (STEPS,)) for key in ("rest", "landslide")]
    if any(side.min() < 0 or side.sum() <= 0 for side in sides):
        raise _bad("its evidence has no samples of one class, or fewer than none")
    return Evidence(sides[0], sides[1], part.number("prevalence", 1e-9, 1 - 1e-9))


def _domain(part: _Part, features: int) -> Domain:
    spread = part.finite("spread", np.float64, (features,))
    if spread.min() <= 0:
        raise _bad("spread of domain is not above 0")
    centres = part.finite("centres", np.float64, (None, features))
    if len(centres) == 0:
        raise _bad("its domain has no centres")
    return Domain(
        part.finite("low", np.float32, (features,)),
        part.finite("high", np.float32, (features,)),
        part.finite("middle", np.float64, (features,)),
        spread,
        part.finite("turn", np.float64, (features, features)),
        centres,
        part.number("limit", 0.0),
    )


def _card(part: _Part, features: int) -> Card:
    names, units = part.texts("features"), part.texts("units")
    if len(names) != features or len(units) != features or len(set(names)) < features:
        raise _bad(f"it names {len(names)} features, its trees have {features}")
    bands, normalisation = part.part("bands"), part.part("normalisation")
    return Card(
        names,
        units,
        {role: _nanometres(bands, role) for role in bands.content},
        {
            key: tuple(normalisation.finite(key, np.float64, (None,)).tolist())
            for key in normalisation.content
        },
        _words(part.part("versions")),
        _words(part.part("notes")),
    )


def _nanometres(bands: _Part, role: str) -> float:
    value = bands.content[role]
    if isinstance(value, float) and np.isnan(value):
        return value
    return bands.number(role, 0.0, 1e6)


def _words(part: _Part) -> Mapping[str, str]:
    return {key: part.text(key) for key in part.content}
