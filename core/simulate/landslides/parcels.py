"""Fields: rectangles in districts that each have their own direction, each with a crop."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import spatial

from core.simulate.landslides.bodies import FINE
from core.simulate.landslides.fields import Generator
from core.simulate.landslides.style import Style

DISTRICT_PX = 110.0
"""Mean distance of the districts' centres."""
WIDTH_PX, LENGTH_PX = (5.0, 14.0), (9.0, 30.0)
"""Of the fields of a district."""

BARE, GREEN, RIPE = 0, 1, 2


class Parcels(NamedTuple):
    """The crops of a scene's fine cells; 0 where there is no field.

    Parameters
    ----------
    before, after
        0 bare, 1 green, 2 ripe.
    tone
        A number of the field, 0 to 255: its soil and how densely it is sown.
    """

    before: NDArray[np.uint8]
    after: NDArray[np.uint8]
    tone: NDArray[np.uint8]


def parcels(farmed: NDArray[np.bool_], style: Style, generator: Generator) -> Parcels:
    """Fields on the fine cells that are farmed."""
    layers = Parcels(*(np.zeros(farmed.shape, np.uint8) for _ in range(3)))
    salt = int(generator.integers(1, 2**31))
    count = max(2, round(farmed.size / (FINE * DISTRICT_PX) ** 2))
    centres = generator.uniform(0, farmed.shape, (count, 2))
    angle = generator.uniform(0, np.pi, count)
    width = FINE * generator.uniform(*WIDTH_PX, count)
    length = FINE * generator.uniform(*LENGTH_PX, count)
    row, col = np.nonzero(farmed)
    if row.size == 0:
        return layers
    _, home = spatial.cKDTree(centres).query(np.column_stack([row, col]))
    down, right = row - centres[home, 0], col - centres[home, 1]
    across = down * np.cos(angle[home]) + right * np.sin(angle[home])
    strip = np.floor(across / width[home]).astype(np.int64)
    offset = _chance(salt, home, strip, 0, 0)
    along = right * np.cos(angle[home]) - down * np.sin(angle[home])
    place = np.floor(along / length[home] + offset).astype(np.int64)
    for layer, season, turn in (
        (layers.before, style.before.season, 1),
        (layers.after, style.after.season, 2),
    ):
        drawn = _chance(salt, home, strip, place, turn)
        layer[row, col] = np.searchsorted(np.cumsum(season.crops)[:-1], drawn)
    layers.tone[row, col] = (256 * _chance(salt, home, strip, place, 3)).astype(np.uint8)
    return layers


def _chance(
    salt: int, home: NDArray[np.int64], strip: NDArray[np.int64], place: object, turn: int
) -> NDArray[np.float64]:
    """Numbers from 0 to 1 that are the same for the same field: a hash of what names it."""
    mixed = np.full(home.shape, np.uint64(salt))
    for part in (home, strip, np.asarray(place), np.asarray(turn)):
        mixed = mixed ^ part.astype(np.int64).view(np.uint64)
        mixed = mixed * np.uint64(0x9E3779B97F4A7C15)
        mixed = mixed ^ (mixed >> np.uint64(29))
    return (mixed >> np.uint64(11)).astype(np.float64) / 2.0**53
