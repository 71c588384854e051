"""What differs from event to event: the mountains, the seasons, the light, the air, the soil."""

from dataclasses import dataclass
from datetime import date, timedelta
from typing import NamedTuple

import numpy as np

from core.simulate.landslides.fields import Generator

Spectrum = tuple[float, float, float, float]
"""Reflectance in B02, B03, B04 and B08."""

HOUR_ANGLE_DEG = -22.5
"""Of the sun when the satellite passes, at 10:30."""


class Season(NamedTuple):
    """The state of the plants at a date.

    Parameters
    ----------
    day
        Day of the year around which it is so.
    leaves
        Share of their leaves that the broad-leaved trees carry.
    colour
        Share of these that are yellow or red.
    grass
        Share of the grass that is green.
    crops
        Shares of the fields that are bare, green and ripe.
    snow
        Share of the ground under snow.
    """

    day: int
    leaves: float
    colour: float
    grass: float
    crops: tuple[float, float, float]
    snow: float


SPRING = Season(112, 0.25, 0.0, 0.55, (0.35, 0.6, 0.05), 0.03)
EARLY_SUMMER = Season(160, 1.0, 0.0, 0.95, (0.12, 0.78, 0.1), 0.0)
SUMMER = Season(215, 0.97, 0.02, 0.7, (0.2, 0.4, 0.4), 0.0)
AUTUMN = Season(285, 0.75, 0.65, 0.6, (0.45, 0.4, 0.15), 0.01)
DRY = Season(70, 0.6, 0.15, 0.35, (0.35, 0.25, 0.4), 0.01)
WET = Season(235, 0.95, 0.0, 0.9, (0.2, 0.75, 0.05), 0.0)

SEASONS = (
    (SPRING, AUTUMN, 0.68),
    (EARLY_SUMMER, SUMMER, 0.58),
    (SUMMER, AUTUMN, 0.74),
    (EARLY_SUMMER, AUTUMN, 0.79),
    (DRY, WET, 0.45),
    (WET, DRY, 0.9),
    (SPRING, EARLY_SUMMER, 0.64),
    (AUTUMN, SUMMER, 0.72),
)
"""Before, after, and the share of scars to which no plant has come back between."""

SOILS: tuple[Spectrum, ...] = (
    (0.112, 0.148, 0.192, 0.245),
    (0.075, 0.105, 0.168, 0.222),
    (0.110, 0.132, 0.152, 0.188),
    (0.095, 0.118, 0.140, 0.172),
    (0.092, 0.128, 0.180, 0.245),
)
"""Fresh ground: pumice, red clay, schist, dark shale, loam."""


class Sun(NamedTuple):
    """Where the sun stands: clockwise from north, and above the horizon."""

    azimuth_deg: float
    elevation_deg: float


class Air(NamedTuple):
    """What lies between ground and satellite at a date.

    Parameters
    ----------
    haze
        Reflectance that it adds in B02 where it is thickest.
    clouds
        Share of the scene under clouds.
    gain
        Error of the calibration.
    """

    haze: float
    clouds: float
    gain: float


class Visit(NamedTuple):
    """One of the two images."""

    day: date
    season: Season
    sun: Sun
    air: Air


@dataclass(frozen=True)
class Style:
    """The character of an event.

    Parameters
    ----------
    slope
        Rise over run of the hillsides where the ground rises as usual.
    hollow_m2
        Ground that drains through the head of a channel: the larger, the longer the hillsides.
    hardness, unevenness
        Deviations of the logarithms of the rock's resistance (over 600 m) and of the rise (2.5 km).
    bend_px
        Amplitude of what keeps water from flowing in eight directions.
    roughness_m, rounding_px
        Small relief, and how far it is smoothed.
    open_sides
        Where the large rivers leave.
    river_m2, floor_m
        Ground that drains through a river with a valley floor; half the floor's width.
    latitude
        Degrees north.
    forest, conifers
        Share of the slopes under forest, and of the trees that keep their needles.
    soil, other_soil
        Fresh ground, and what is mixed into it.
    fresh
        Share of scars to which no plant has come back when the after image is taken.
    shift_px
        By which the before image lies off, down and right.
    before, after
        The two images.
    """

    slope: float
    hollow_m2: float
    hardness: float
    unevenness: float
    bend_px: float
    roughness_m: float
    rounding_px: float
    open_sides: tuple[str, ...]
    river_m2: float
    floor_m: float
    latitude: float
    forest: float
    conifers: float
    soil: Spectrum
    other_soil: Spectrum
    fresh: float
    shift_px: tuple[float, float]
    before: Visit
    after: Visit


SHIFT_PX = 0.5
"""By which the images do not lie on each other."""


def drawn_style(seed: int) -> Style:
    """The character of the event of a seed."""
    generator = np.random.default_rng((seed, 1))
    uniform = generator.uniform
    first, second, fresh = SEASONS[generator.integers(len(SEASONS))]
    soil, other = generator.permutation(len(SOILS))[:2]
    latitude = float(uniform(24, 44))
    direction = uniform(0, 2 * np.pi)
    sides = generator.permutation(("north", "east", "south", "west"))
    early = date(int(generator.integers(2018, 2024)), 1, 1)
    late = early if second.day > first.day + 20 else early.replace(year=early.year + 1)
    return Style(
        slope=float(uniform(0.5, 0.68)),
        hollow_m2=float(np.exp(uniform(np.log(1.5e4), np.log(5e4)))),
        hardness=float(uniform(0.15, 0.35)),
        unevenness=float(uniform(0.35, 0.7)),
        bend_px=float(uniform(3.0, 5.0)),
        roughness_m=float(uniform(1.0, 3.0)),
        rounding_px=float(uniform(1.0, 2.0)),
        open_sides=tuple(str(side) for side in sides[: generator.integers(1, 3)]),
        river_m2=float(uniform(2e6, 4e6)),
        floor_m=float(uniform(35, 80)),
        latitude=latitude,
        forest=float(uniform(0.64, 0.84)),
        conifers=float(uniform(0.1, 0.6)),
        soil=SOILS[soil],
        other_soil=SOILS[other],
        fresh=fresh,
        shift_px=(float(SHIFT_PX * np.sin(direction)), float(SHIFT_PX * np.cos(direction))),
        before=_visit(early, first, latitude, generator),
        after=_visit(late, second, latitude, generator),
    )


def _visit(year: date, season: Season, latitude: float, generator: Generator) -> Visit:
    day = year + timedelta(days=season.day - 1 + int(generator.integers(-12, 13)))
    return Visit(
        day=day,
        season=season,
        sun=sun(latitude, day),
        air=Air(
            haze=float(generator.uniform(0.01, 0.06)),
            clouds=float(generator.uniform(0.0, 0.05)),
            gain=float(generator.uniform(0.97, 1.03)),
        ),
    )


def sun(latitude: float, day: date) -> Sun:
    """Where the sun stands on a day at 10:30, solar time.

    >>> sun(0.0, date(2024, 3, 20)).elevation_deg > 66
    True
    """
    turn = 2 * np.pi * (day.timetuple().tm_yday + 10) / 365
    declination, north = np.radians(-23.44) * np.cos(turn), np.radians(latitude)
    hour = np.radians(HOUR_ANGLE_DEG)
    up = np.sin(north) * np.sin(declination) + np.cos(north) * np.cos(declination) * np.cos(hour)
    east = -np.cos(declination) * np.sin(hour)
    ahead = np.cos(north) * np.sin(declination) - np.sin(north) * np.cos(declination) * np.cos(hour)
    return Sun(float(np.degrees(np.arctan2(east, ahead)) % 360), float(np.degrees(np.arcsin(up))))
