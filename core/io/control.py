"""Ground control points from a user's file: where points lie, and where images show them.

CSV has one line for each point and image, GeoJSON one feature for each point.  Both state what rows
and columns are counted from, for every program has a convention of its own, and half a pixel is
more than good points are wrong by.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np

from core.errors import BadControl, InputError, Problem, Refused
from core.geometry.control import ControlPoint
from core.geometry.datum import ELLIPSOID, HIGHEST_M, LOWEST_M, HeightDatum
from core.io.control_records import COLUMNS, Record, UnreadableError, records

ORIGINS = {"0-centre": 0.0, "1-centre": -1.0, "0-corner": -0.5, "1-corner": -1.5}
"""What rows and columns may be counted from: the number that the first pixel's centre, or its outer
corner, has; and what turns them into those in which its centre is 0."""

SIGMA_M = 0.5
"""Standard deviation of points on the ground where the file tells none, metres."""

MOST_POINTS = 10_000
MOST_PROBLEMS = 20


class ImageFrame(NamedTuple):
    """An image in which points may be seen: its name, and its rows and columns."""

    name: str
    shape: tuple[int, int]


class _Seen(NamedTuple):
    image: int
    row: float
    col: float


class _Point(NamedTuple):
    """A point as one record tells it, the height above its own datum."""

    ground: tuple[float, float, float]
    sigma: tuple[float, float, float | None]
    datum: str
    check: bool


def control_points(
    path: Path, images: Sequence[ImageFrame], *, pointer: str = ""
) -> tuple[ControlPoint, ...]:
    """The points of a file, in its order.

    Parameters
    ----------
    path
        CSV with a line of names, or GeoJSON.  ``id``, ``lon``, ``lat`` (degrees, WGS 84),
        ``height`` (metres), ``image`` (number from 1, or a part of the name), ``row``, ``col`` and
        ``origin`` (one of :data:`ORIGINS`) are needed; ``sigma``, ``height_sigma`` (metres),
        ``pixel_sigma`` (pixels), ``datum`` and ``check`` are not.
    images
        Of the job, in their order.
    pointer
        Where the request names the file.

    Raises
    ------
    BadControl, Refused
        It is neither, or something in it is wrong: with the line or the feature.
    GridMissing, UnknownDatum
        Heights are counted from a datum that cannot be computed here.
    """
    try:
        found = records(path)
    except UnreadableError as error:
        raise BadControl(
            f"The ground control points cannot be read: {error}.",
            pointer=pointer,
            allowed=f"CSV with a first line that names {', '.join(COLUMNS)}, or GeoJSON of points",
        ) from error
    block = _Block(images)
    problems = []
    for record in found:
        try:
            block.add(record)
        except ValueError as error:
            problems.append(_problem(f"{record.where}: {error}.", pointer))
    if not problems:
        problems = [_problem(f"{text}.", pointer) for text in block.lacks()]
    if len(problems) == 1:
        raise BadControl(problems[0].message, pointer=pointer, allowed=problems[0].allowed)
    if problems:
        raise Refused(problems[:MOST_PROBLEMS])
    return _ellipsoidal(block, path.name, pointer)


def _problem(text: str, pointer: str) -> Problem:
    message = f"Ground control points, {text}"
    return Problem(BadControl.code, pointer, None, "a file as the manual has it", message)


class _Block:
    """The points that were read so far."""

    def __init__(self, images: Sequence[ImageFrame]) -> None:
        self.images = images
        self.points: dict[str, _Point] = {}
        self.seen: dict[str, dict[int, _Seen]] = {}

    def add(self, record: Record) -> None:
        """Take up what a record tells of a point and of one or more images.

        Raises
        ------
        ValueError
            What is wrong, without the record's place.
        """
        name = record.text("id")
        ground = (
            record.number("lon", -180, 180),
            record.number("lat", -90, 90),
            record.number("height", LOWEST_M, HIGHEST_M),
        )
        sigma = record.number("sigma", 1e-3, 1e3, SIGMA_M)
        point = _Point(
            ground,
            (
                sigma,
                record.number("height_sigma", 1e-3, 1e3, sigma),
                record.number("pixel_sigma", 1e-3, 1e2) if record.has("pixel_sigma") else None,
            ),
            record.text("datum", ELLIPSOID),
            record.flag("check"),
        )
        known = self.points.setdefault(name, point)
        if known != point:
            raise ValueError(f"the point {name} was given before with other values")
        if len(self.points) > MOST_POINTS:
            raise ValueError(f"there are more than {MOST_POINTS} points")
        for place in record.places:
            seen = self._place(place)
            spots = self.seen.setdefault(name, {})
            if seen.image in spots:
                raise ValueError(f"the point {name} has a second place in image {seen.image + 1}")
            spots[seen.image] = seen

    def _place(self, place: Record) -> _Seen:
        number = self._image(place.text("image"))
        origin = place.text("origin").lower().replace("center", "centre").replace("_", "-")
        if origin not in ORIGINS:
            raise ValueError(f"origin is {origin[:40]!r}; it has to be one of {', '.join(ORIGINS)}")
        image = self.images[number]
        values = []
        for axis, size in zip(("row", "col"), image.shape, strict=True):
            value = place.number(axis) + ORIGINS[origin]
            if not -0.5 <= value <= size - 0.5:
                raise ValueError(
                    f"{axis} {value - ORIGINS[origin]:g} lies outside the {size} {axis}s of "
                    f"{image.name}"
                )
            values.append(value)
        return _Seen(number, *values)

    def _image(self, wanted: str) -> int:
        """Index of an image by its number from 1, its name, or a part that no other name has."""
        if wanted.isdecimal() and 1 <= int(wanted) <= len(self.images):
            return int(wanted) - 1
        names = [image.name for image in self.images]
        found = [n for n, name in enumerate(names) if name == wanted]
        found = found or [n for n, name in enumerate(names) if wanted in name]
        if len(found) != 1:
            listed = ", ".join(f"{n} ({name})" for n, name in enumerate(names, 1))
            raise ValueError(f"image {wanted[:80]!r} is {len(found)} of the images {listed}")
        return found[0]

    def lacks(self) -> list[str]:
        """What is wrong with the file as a whole."""
        if not self.points:
            return ["there is no point in the file"]
        return [
            f"the point {name} has no place in any image"
            for name in self.points
            if name not in self.seen
        ]


def _ellipsoidal(block: _Block, source: str, pointer: str) -> tuple[ControlPoint, ...]:
    """The points with heights above the ellipsoid."""
    made = {
        name: _control_point(name, point, block, source) for name, point in block.points.items()
    }
    for datum in dict.fromkeys(point.datum for point in block.points.values()):
        names = [name for name, point in block.points.items() if point.datum == datum]
        lon, lat, height = np.array([block.points[name].ground for name in names]).T
        bounds = (float(lon.min()), float(lat.min()), float(lon.max()), float(lat.max()))
        try:
            heights = HeightDatum(datum, bounds).ellipsoidal(lon, lat, height)
        except InputError as error:
            error.pointer = pointer
            raise
        for name, value in zip(names, heights, strict=True):
            if not np.isfinite(value):
                raise BadControl(
                    f"Ground control points: {name} lies where {datum} has no values.",
                    pointer=pointer,
                )
            made[name] = replace(made[name], height=float(value))
    return tuple(made.values())


def _control_point(name: str, point: _Point, block: _Block, source: str) -> ControlPoint:
    spots = block.seen[name]
    rows, cols = (
        tuple(
            getattr(spots[number], axis) if number in spots else None
            for number in range(len(block.images))
        )
        for axis in ("row", "col")
    )
    sigma = {} if point.sigma[2] is None else {"sigma_px": point.sigma[2]}
    return ControlPoint(
        name=name,
        lon=point.ground[0],
        lat=point.ground[1],
        height=point.ground[2],
        sigma_m=point.sigma[0],
        height_sigma_m=point.sigma[1],
        row=rows,
        col=cols,
        source=source,
        check=point.check,
        **sigma,
    )
