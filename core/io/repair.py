"""Polygons as users drew them, brought into one coordinate reference system and made valid.

Nothing vanishes without a word: what was repaired, with its area before and after, and what was
left out stands in a report.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray
from pyproj import CRS, Transformer
from pyproj.exceptions import CRSError, ProjError
from shapely.geometry.base import BaseGeometry
from shapely.validation import explain_validity

from core.errors import NoGeoreference, SourceTooLarge, UnknownFormat, UnsupportedGrid
from core.io.shapefile import FARTHEST

MAX_VERTICES = 5_000_000
SIDE_M = 1000.0
SIDE_DEG = 0.01
"""Longest side of a polygon that is moved as it is: sides are straight in their own coordinate
reference system, and the middle of one of a kilometre is 2 cm off that of its moved ends."""
MAX_ADDED = 20_000
"""Points that are added to a polygon at most: one around the Earth gets sides of 2 km."""

LISTED = 20
"""Features that a message lists by their numbers."""

Point = NDArray[np.float64]


@dataclass(frozen=True)
class Feature:
    """A geometry as it stands in a file.

    Parameters
    ----------
    layer
        Name of the layer; "" where the file has but one without a name.
    number
        Its place in the layer, from 1.
    crs
        What the file says of the coordinate reference system; "" where it says nothing.
    shape
        The geometry, the name of one that is not read, or None for a feature without one.
    """

    layer: str
    number: int
    crs: str
    shape: BaseGeometry | str | None

    @property
    def label(self) -> str:
        """The feature in words."""
        return f"{self.layer} {self.number}" if self.layer else str(self.number)


@dataclass(frozen=True)
class Repair:
    """A polygon that was not valid.

    Parameters
    ----------
    layer, number
        Where it stands in the file, counted from 1.
    reason
        What was wrong, and where, in the file's coordinates.
    area_before_m2
        Of the outline as it was drawn: loops that run the other way count negative.
    area_after_m2
        Of what was made of it.
    """

    layer: str
    number: int
    reason: str
    area_before_m2: float
    area_after_m2: float


@dataclass(frozen=True)
class Report:
    """What was read of a file of polygons.

    Parameters
    ----------
    layers
        Names of the layers that were read.
    moved
        How the coordinates were moved, a sentence for each system in the file.
    features
        In the file.
    polygons
        Of which polygons were made.
    area_before_m2, area_after_m2
        Of all of them, as drawn and as used; overlaps count twice.
    repaired
        Those that were not valid.
    left_out
        Features that no polygon was made of, a sentence for each.
    """

    layers: tuple[str, ...]
    moved: tuple[str, ...]
    features: int
    polygons: int
    area_before_m2: float
    area_after_m2: float
    repaired: tuple[Repair, ...]
    left_out: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        """The report as a JSON object."""
        return asdict(self)

    @property
    def sentences(self) -> tuple[str, ...]:
        """The report in words."""
        first = (
            f"{self.polygons} of {self.features} features were used, "
            f"{self.area_after_m2 / 1e6:.6g} km² in all."
        )
        return (first, *self.moved, *self.changes)

    @property
    def changes(self) -> tuple[str, ...]:
        """What was repaired and left out, a sentence each."""
        mended = tuple(
            f"Polygon {f'{r.layer} {r.number}'.strip()} was repaired ({r.reason}): "
            f"{r.area_before_m2:.6g} m² as drawn, {r.area_after_m2:.6g} m² as used."
            for r in self.repaired
        )
        return (*mended, *self.left_out)


@dataclass(frozen=True)
class Polygons:
    """Valid polygons in one coordinate reference system, and what became of the file's.

    Parameters
    ----------
    shapes
        Polygons and multipolygons, in the order of the file.
    labels
        Their layers and numbers in the file.
    report
        What was read, repaired and left out.
    """

    shapes: tuple[BaseGeometry, ...]
    labels: tuple[tuple[str, int], ...]
    report: Report


def repaired(features: Iterable[Feature], crs: str, *, pointer: str = "") -> Polygons:
    """Polygons moved into a coordinate reference system and made valid.

    Parameters
    ----------
    features
        As they stand in the file.
    crs
        The coordinate reference system wanted; x first.
    pointer
        Where the request names the file.

    Raises
    ------
    UnknownFormat
        There are lines or points, or there is no polygon.
    NoGeoreference, UnsupportedGrid
        A coordinate reference system is missing, or cannot be understood or left.
    """
    found = tuple(features)
    _check(found, pointer)
    moves = {name: _Move(name, crs, pointer) for name in {feature.crs for feature in found}}
    tally = _Tally(_square_metres(crs))
    # Nearly parallel sides overflow on the way to a valid result.
    with np.errstate(over="ignore", invalid="ignore"):
        for feature in found:
            tally.take(feature, moves[feature.crs])
    if not tally.shapes:
        raise no_polygons(pointer, " ".join(tally.left_out[:LISTED]))
    report = Report(
        layers=tuple(dict.fromkeys(feature.layer for feature in found if feature.layer)),
        moved=tuple(said for name in sorted(moves) if (said := moves[name].said)),
        features=len(found),
        polygons=len(tally.shapes),
        area_before_m2=tally.before,
        area_after_m2=tally.after,
        repaired=tuple(tally.repairs),
        left_out=tuple(tally.left_out),
    )
    return Polygons(tuple(tally.shapes), tuple(tally.labels), report)


class _Tally:
    """What became of each feature."""

    def __init__(self, square_metres: float) -> None:
        self._square_metres = square_metres
        self.shapes: list[BaseGeometry] = []
        self.labels: list[tuple[str, int]] = []
        self.repairs: list[Repair] = []
        self.left_out: list[str] = []
        self.before = self.after = 0.0

    def take(self, feature: Feature, move: "_Move") -> None:
        drawn = feature.shape
        if drawn is None or isinstance(drawn, str) or drawn.is_empty:
            self.left_out.append(f"Feature {feature.label} has no geometry and was left out.")
            return
        mended = _valid(drawn)
        # What is valid where it was drawn may cross itself where it was moved to, by a rounding.
        there = move.moved(mended) if mended is not None else None
        shape = _valid(there) if there is not None else None
        if shape is None:
            self.left_out.append(f"Polygon {feature.label} has no area and was left out.")
            return
        areas = [self._square_metres * float(s.area) for s in (move.moved(drawn), shape)]
        self.before, self.after = self.before + areas[0], self.after + areas[1]
        if mended is not drawn or shape is not there:
            why = explain_validity(drawn if mended is not drawn else there)
            self.repairs.append(Repair(feature.layer, feature.number, why, *areas))
        self.shapes.append(shape)
        self.labels.append((feature.layer, feature.number))


def no_polygons(pointer: str, why: str = "") -> UnknownFormat:
    """The error for a file of which no polygon can be made."""
    return UnknownFormat(
        f"The file holds no polygons that can be read. {why}".rstrip(),
        pointer=pointer,
        allowed="polygons as GeoJSON, GeoPackage, or a shapefile with its .prj in a zip or tar",
    )


def _check(features: tuple[Feature, ...], pointer: str) -> None:
    wrong: dict[str, list[str]] = {}
    vertices = 0
    for feature in features:
        kind = feature.shape if isinstance(feature.shape, str) else ""
        if isinstance(feature.shape, BaseGeometry):
            vertices += shapely.get_num_coordinates(feature.shape)
            kind = feature.shape.geom_type
            # NaN, of an empty geometry, lies not beyond.
            if np.abs(shapely.bounds(feature.shape)).max() > FARTHEST:
                raise no_polygons(
                    pointer, f"Coordinates of {feature.label} lie beyond {FARTHEST:g}."
                )
        if kind and kind not in ("Polygon", "MultiPolygon"):
            wrong.setdefault(kind, []).append(feature.label)
    if wrong:
        listed = "; ".join(
            f"{kind}: {', '.join(labels[:LISTED])}{' …' if len(labels) > LISTED else ''}"
            for kind, labels in sorted(wrong.items())
        )
        raise no_polygons(pointer, f"These features are lines or points: {listed}.")
    if vertices > MAX_VERTICES:
        raise _too_many(pointer)


def _too_many(pointer: str) -> SourceTooLarge:
    return SourceTooLarge(f"The polygons have more than {MAX_VERTICES} vertices.", pointer=pointer)


class _Move:
    """From one coordinate reference system to another."""

    def __init__(self, source: str, target: str, pointer: str) -> None:
        if not source:
            raise NoGeoreference(
                "The polygons have no coordinate reference system.",
                pointer=pointer,
                allowed="a shapefile with its .prj, or a file that names its system",
            )
        self._pointer = pointer
        self._from, wanted = _system(source, pointer), CRS.from_user_input(target)
        self._names = self._from.name, wanted.name
        self._change = (
            None
            if self._from == wanted
            else Transformer.from_crs(self._from, wanted, always_xy=True)
        )
        degrees = self._from.is_geographic
        unit = 1.0 if degrees else _unit(self._from)
        self._side = SIDE_DEG if degrees else SIDE_M / unit

    @property
    def said(self) -> str:
        """How points were moved, in words; "" where they were not."""
        if self._change is None:
            return ""
        first = f"The polygons were moved from {self._names[0]} to {self._names[1]}"
        accuracy = self._change.accuracy
        return f"{first} (to {accuracy:g} m)." if accuracy > 0 else f"{first}."

    def moved(self, shape: BaseGeometry) -> BaseGeometry:
        """A geometry in the target system, without heights."""
        flat = shapely.force_2d(shape)
        change = self._change
        if change is None:
            return flat
        side = max(self._side, flat.length / MAX_ADDED)

        def move(points: Point) -> Point:
            x, y = change.transform(points[:, 0], points[:, 1], errcheck=True)
            return np.column_stack([x, y])

        try:
            return shapely.transform(shapely.segmentize(flat, side), move)
        except ProjError as error:
            raise UnsupportedGrid(
                f"The polygons cannot be moved from {self._names[0]} to {self._names[1]}: their "
                "coordinates lie outside the area where that is defined.",
                pointer=self._pointer,
                allowed="coordinates in the system that the file names; longitude and latitude "
                "for GeoJSON, which names none",
            ) from error


_NAMED = re.compile(r"(?:urn:ogc:def:crs:|https?://www\.opengis\.net/def/crs/)?\w+[:/][\w.:/]*")


def _system(name: str, pointer: str) -> CRS:
    """A system by its code or WKT: no file on this machine, and no chain of operations."""
    try:
        return CRS.from_user_input(name) if _NAMED.fullmatch(name) else CRS.from_wkt(name)
    except CRSError as error:
        raise UnsupportedGrid(
            "The coordinate reference system of the polygons is not understood.",
            pointer=pointer,
            value=name,
        ) from error


def _unit(system: CRS) -> float:
    axes = system.axis_info
    return float(axes[0].unit_conversion_factor) if axes else 1.0


def _square_metres(crs: str) -> float:
    system = CRS.from_user_input(crs)
    return 1.0 if system.is_geographic else _unit(system) ** 2


def _valid(shape: BaseGeometry) -> BaseGeometry | None:
    """The same ground as a valid geometry; itself where it is valid, None where it has no area."""
    if shapely.is_valid(shape):
        return shape if shape.area > 0 else None
    # What overlaps itself is one ground, not a hole.
    mended = shapely.make_valid(shape, method="structure", keep_collapsed=False)
    parts = [part for part in _polygon_parts(mended) if part.area > 0]
    if not parts:
        return None
    return parts[0] if len(parts) == 1 else shapely.MultiPolygon(parts)


def _polygon_parts(shape: BaseGeometry) -> Iterator[BaseGeometry]:
    for part in shapely.get_parts(shape):
        if part.geom_type == "Polygon":
            yield part
        elif part.geom_type in ("MultiPolygon", "GeometryCollection"):
            yield from _polygon_parts(part)
