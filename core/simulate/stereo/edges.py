"""Edges of roofs where the width of a step in a surface model can be measured."""

from typing import NamedTuple

import numpy as np

from core.simulate.stereo.rational import Points
from core.simulate.stereo.scenes import Scene
from core.simulate.stereo.solids import PLAIN_ROOF

APART_M = 2.0
"""Between places along a wall."""
CORNER_M = 6.0
"""From the ends of a wall."""
LEVEL_M = 0.3
"""By so much roof and ground may vary along a profile."""
STEP_M = 4.0
"""A lower wall is no step worth measuring."""


class RoofEdges(NamedTuple):
    """Places on walls, one per row.

    Parameters
    ----------
    x, y
        Easting and northing of the wall.
    east, north
        Unit vector square to the wall, away from the roof.
    roof, ground
        Heights on either side, metres above the ellipsoid.
    """

    x: Points
    y: Points
    east: Points
    north: Points
    roof: Points
    ground: Points


def roof_edges(scene: Scene, reach_m: float = 4.0) -> RoofEdges:
    """Places where a level roof ends over level ground, `reach_m` metres of both in a line.

    Whatever is no clean step (a gable, a neighbour, a lift on the roof) is left out.
    """
    x, y, east, north = (np.concatenate(part) for part in zip(*_walls(scene), strict=True))
    away = np.linspace(0.05, reach_m, 24)[:, None]
    inside = scene.height(x - away * east, y - away * north)
    outside = scene.height(x + away * east, y + away * north)
    clean = (np.ptp(inside, axis=0) < LEVEL_M) & (np.ptp(outside, axis=0) < LEVEL_M)
    clean &= inside[0] - outside[0] > STEP_M
    return RoofEdges(
        x[clean],
        y[clean],
        east[clean],
        north[clean],
        inside.mean(axis=0)[clean],
        outside.mean(axis=0)[clean],
    )


def _walls(scene: Scene) -> list[tuple[Points, Points, Points, Points]]:
    """Places along all walls of flat roofs, with the directions away from them."""
    none = np.empty(0)
    found = [(none, none, none, none)]
    for box in scene.solid.boxes[scene.solid.boxes[:, 10] == PLAIN_ROOF]:
        along = np.array([box[2], box[3]])
        across = np.array([-box[3], box[2]])
        sides = ((along, across, box[4], box[5]), (across, along, box[5], box[4]))
        for out, side, depth, length in sides:
            place = np.arange(-length + CORNER_M, length - CORNER_M, APART_M)
            for sign in (-1.0, 1.0):
                x = box[0] + sign * depth * out[0] + place * side[0] + scene.origin[0]
                y = box[1] + sign * depth * out[1] + place * side[1] + scene.origin[1]
                normal = [np.full(place.size, sign * part) for part in out]
                found.append((x, y, normal[0], normal[1]))
    return found
