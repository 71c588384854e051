"""Records of points in CSV and GeoJSON, with the places that images show them at."""

import csv
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

MAX_BYTES = 8 << 20

COLUMNS = ("id", "lon", "lat", "height", "image", "row", "col", "origin")
"""What every point needs."""

PLACE = ("image", "row", "col", "origin")
"""What tells where an image shows a point."""

_MORE = ("sigma", "height_sigma", "pixel_sigma", "datum", "check")
_ALIASES = {
    "name": "id",
    "longitude": "lon",
    "latitude": "lat",
    "h": "height",
    "line": "row",
    "column": "col",
    "sample": "col",
    "sigma_height": "height_sigma",
}
_YES, _NO = {"1", "true", "yes", "y"}, {"", "0", "false", "no", "n"}
_CRS84 = ("CRS84", "EPSG::4326", "EPSG:4326", "EPSG::4979")


class UnreadableError(ValueError):
    """The file as a whole is no list of points; why, in words."""


@dataclass(frozen=True)
class Record:
    """Values of one line or feature.

    Parameters
    ----------
    where
        Which one, for messages.
    values
        By the names of the columns; texts of CSV, values of JSON.
    places
        Where images show the point: the same for each image.
    """

    where: str
    values: Mapping[str, Any]
    places: tuple["Record", ...] = ()

    def has(self, name: str) -> bool:
        """Whether it tells something by this name."""
        return self.values.get(name) not in (None, "")

    def text(self, name: str, default: str | None = None) -> str:
        """A text.

        Raises
        ------
        ValueError
            There is none, and no default.
        """
        value = self.values.get(name)
        if value is None or not str(value).strip():
            if default is None:
                raise ValueError(f"{name} is missing")
            return default
        return str(value).strip()

    def number(
        self,
        name: str,
        low: float = -math.inf,
        high: float = math.inf,
        default: float | None = None,
    ) -> float:
        """A finite number in a range, else ValueError; `default` where there is none."""
        text = self.text(name, None if default is None else str(default))
        try:
            # Tables that part values by semicolons may write decimals with commas.
            value = float(text.replace(",", "."))
        except ValueError:
            raise ValueError(f"{name} is {text[:40]!r}, which is no number") from None
        if not math.isfinite(value):
            raise ValueError(f"{name} is {text[:40]!r}, which is no number")
        if not low <= value <= high:
            raise ValueError(f"{name} is {value:g}; it has to be from {low:g} to {high:g}")
        return value

    def flag(self, name: str) -> bool:
        """Yes or no, no where nothing is told; else ValueError."""
        word = self.text(name, "").lower()
        if word not in _YES | _NO:
            raise ValueError(f"{name} is {word[:40]!r}; it has to be yes or no")
        return word in _YES


def records(path: Path) -> list[Record]:
    """The points of a file, in its order.

    Raises
    ------
    UnreadableError
        It is neither CSV with the columns that are needed nor GeoJSON of points.
    """
    if path.stat().st_size > MAX_BYTES:
        raise UnreadableError(f"the file is larger than {MAX_BYTES >> 20} MiB")
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError:
        raise UnreadableError("the file is no text in UTF-8") from None
    return list(_features(text) if text.lstrip()[:1] in ("{", "[") else _lines(text))


def _lines(text: str) -> Iterator[Record]:
    told = {
        number: line
        for number, line in enumerate(text.splitlines(), 1)
        if line.strip() and not line.startswith("#")
    }
    if not told:
        raise UnreadableError("the file is empty")
    numbers, lines = list(told), list(told.values())
    delimiter = max(",;\t", key=lines[0].count)
    rows = list(csv.reader(lines, delimiter=delimiter))
    if len(rows) != len(lines):
        raise UnreadableError("a quoted value runs over the end of its line")
    names = [_named(name) for name in rows[0]]
    missing = [name for name in COLUMNS if name not in names]
    if missing:
        raise UnreadableError(f"the first line names no {' and no '.join(missing)}")
    for number, row in zip(numbers[1:], rows[1:], strict=True):
        where = f"line {number}"
        values = dict(zip(names, (cell.strip() for cell in row), strict=False))
        place = Record(where, {name: values.get(name, "") for name in PLACE})
        yield Record(where, values, (place,))


def _named(name: str) -> str:
    plain = name.strip().lower()
    return _ALIASES.get(plain, plain)


def _features(text: str) -> Iterator[Record]:
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        raise UnreadableError("the file is damaged JSON") from None
    features = document.get("features") if isinstance(document, dict) else None
    if not isinstance(features, list):
        raise UnreadableError("the file is JSON, but no FeatureCollection")
    if not _in_degrees(document.get("crs")):
        raise UnreadableError("the coordinates are not longitude and latitude on WGS 84")
    for number, feature in enumerate(features, 1):
        yield _feature(f"feature {number}", feature if isinstance(feature, dict) else {})


def _in_degrees(crs: Any) -> bool:
    if crs is None:
        return True
    properties = crs.get("properties") if isinstance(crs, dict) else None
    name = properties.get("name") if isinstance(properties, dict) else None
    return isinstance(name, str) and name.endswith(_CRS84)


def _feature(where: str, feature: dict[str, Any]) -> Record:
    told = feature.get("properties")
    given = told if isinstance(told, dict) else {}
    properties = {_named(name): value for name, value in given.items()}
    values = {"id": feature.get("id")} | {
        name: value for name, value in properties.items() if name in (*COLUMNS, *_MORE)
    }
    geometry = feature.get("geometry")
    position = geometry.get("coordinates") if isinstance(geometry, dict) else None
    if isinstance(position, list) and geometry and geometry.get("type") == "Point":
        values |= dict(zip(("lon", "lat", "height"), position, strict=False))
    listed = properties.get("images")
    spots: Sequence[Any] = listed if isinstance(listed, list) else [values]
    shared = {name: values[name] for name in PLACE if name in values}
    places = []
    for spot in spots:
        told_here = spot if isinstance(spot, dict) else {}
        own = {_named(name): value for name, value in told_here.items()}
        places.append(Record(where, {**shared, **{n: own[n] for n in PLACE if n in own}}))
    return Record(where, values, tuple(places))
