"""Options made from a service's list of inputs, and their texts made into JSON values."""

import argparse
import json
import math
import re
from collections.abc import Callable, Iterable, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

from core.declare import Input, Pipeline

SWITCH = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
EPSG = "http://www.opengis.net/def/crs/EPSG/0/"

_WHOLE = re.compile(r"[+-]?\d{1,300}", re.ASCII)
_SCHEME = re.compile(r"[a-z][a-z0-9+.-]+:", re.ASCII | re.IGNORECASE)
_NEGATIVE = re.compile(r"-[\d.]")


def add_inputs(parser: argparse.ArgumentParser, pipeline: Pipeline) -> None:
    """Give `parser` an option for each input of the service, in the groups of the declaration."""
    entries = sorted(pipeline.input_list, key=lambda entry: entry.advanced)
    for (advanced, name), members in groupby(entries, key=lambda e: (e.advanced, e.group)):
        group = parser.add_argument_group(f"{name} (advanced)" if advanced else name)
        for entry in members:
            _add(group, entry)


def given_inputs(pipeline: Pipeline, options: argparse.Namespace) -> dict[str, Any]:
    """The inputs that stand on the command line, as JSON values.

    What cannot be read as its kind stays a text, for the validation to name with all the others.
    """
    found: dict[str, Any] = {}
    for entry in pipeline.input_list:
        text = getattr(options, entry.id, None)
        if text is None:
            continue
        read = READERS.get(entry.kind, _json)
        found[entry.id] = [read(item) for item in text] if entry.many else read(text)
    return found


def joined(arguments: Sequence[str]) -> list[str]:
    """The arguments with ``--search_range`` as ``--search-range``, and negative values tied on.

    argparse takes ``-71.5,10,-70,11`` for an option unless it is written ``--aoi=-71.5,…``.

    >>> joined(["--search_range", "60", "--aoi", "-71.5,10,-70,11"])
    ['--search-range', '60', '--aoi=-71.5,10,-70,11']
    """
    made: list[str] = []
    for argument in arguments:
        previous = made[-1] if made else ""
        if argument.startswith("--"):
            name, mark, value = argument.partition("=")
            made.append(name.replace("_", "-") + mark + value)
        elif _NEGATIVE.match(argument) and previous.startswith("--") and "=" not in previous:
            made[-1] = f"{previous}={argument}"
        else:
            made.append(argument)
    return made


def _add(group: argparse._ArgumentGroup, entry: Input) -> None:
    name = entry.id.replace("_", "-")
    settings: dict[str, Any] = {"dest": entry.id, "help": _help(entry), "metavar": _metavar(entry)}
    if entry.kind == "boolean":
        group.add_argument(f"--{name}", nargs="?", const="true", **settings)
        off = f"same as --{name} false"
        group.add_argument(
            f"--no-{name}", dest=entry.id, action="store_const", const="false", help=off
        )
    elif entry.many:
        group.add_argument(f"--{name}", nargs="+", action="extend", **settings)
    else:
        group.add_argument(f"--{name}", **settings)


def _metavar(entry: Input) -> str:
    if entry.values:
        return "|".join(value.value for value in entry.values)
    words = {
        "integer": "N",
        "number": "X",
        "boolean": "true|false",
        "date": "YYYY-MM-DD",
        "source": "FILE|URL",
        "area": "W,S,E,N|GEOJSON",
    }
    return words.get(entry.kind, "VALUE")


def _help(entry: Input) -> str:
    parts = [entry.text]
    parts += [f"{value.value}: {value.text}" for value in entry.values]
    if entry.unit not in ("", "1"):
        parts.append(f"Unit: {entry.unit}.")
    if entry.required:
        parts.append("Required.")
    elif entry.default not in (None, [], ""):
        parts.append(f"Default: {_shown(entry.default)}.")
    return " ".join(parts).replace("%", "%%")


def _shown(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _integer(text: str) -> Any:
    return int(text) if _WHOLE.fullmatch(text) else _number(text)


def _number(text: str) -> Any:
    try:
        value = float(text)
    except ValueError:
        return text
    return value if math.isfinite(value) else text


def _boolean(text: str) -> Any:
    return SWITCH.get(text.lower(), text)


def _text(text: str) -> Any:
    return text


def _source(text: str) -> Any:
    """A reference as it stands, or that of a plain path."""
    if _SCHEME.match(text):
        return {"href": text}
    return {"href": Path(text).absolute().as_uri()}


def _box(text: str) -> Any:
    """Four numbers, then the coordinate reference system if it is not longitude, latitude.

    >>> _box("500000,4900000,510000,4910000,EPSG:32631")["crs"]
    'http://www.opengis.net/def/crs/EPSG/0/32631'
    """
    parts = [part.strip() for part in text.split(",")]
    if len(parts) not in (4, 5):
        return _json(text)
    box: dict[str, Any] = {"bbox": [_number(part) for part in parts[:4]]}
    if len(parts) == 5:
        box["crs"] = re.sub(r"(?i)^EPSG:", EPSG, parts[4])
    return box


def _area(text: str) -> Any:
    """A box, GeoJSON, or the path of a GeoJSON file with one polygon."""
    if text.lstrip().startswith("{"):
        return _polygon(_json(text))
    box = _box(text)
    if not isinstance(box, str):
        return _polygon(box)
    try:
        return _polygon(json.loads(Path(text).read_text(encoding="utf-8")))
    except (OSError, ValueError):
        return text


def _polygon(value: Any) -> Any:
    """The geometry of a GeoJSON document that holds one; anything else as it is."""
    if isinstance(value, dict) and value.get("type") == "FeatureCollection":
        features: Iterable[Any] = value.get("features") or ()
        geometries = [_polygon(feature) for feature in features]
        return geometries[0] if len(geometries) == 1 else value
    if isinstance(value, dict) and value.get("type") == "Feature":
        return value.get("geometry")
    return value


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


READERS: dict[str, Callable[[str], Any]] = {
    "integer": _integer,
    "number": _number,
    "boolean": _boolean,
    "text": _text,
    "choice": _text,
    "date": _text,
    "binary": _text,
    "source": _source,
    "area": _area,
    "box": _box,
}
"""How the text of an option is read, by the kind of the input; as JSON where nothing is said."""
