"""Sun and shadow on a scene."""

from itertools import pairwise

import numpy as np

from core.simulate.fault import texture
from core.simulate.stereo.rays import CELL_M, Points, Raster, Solid, heights
from core.simulate.stereo.scenes import TURN_DEG, Scene
from core.simulate.stereo.shading import Paint

SUN_AZIMUTH_DEG = 152.0
SUN_ELEVATION_DEG = 52.0
TILE = 1024
CHUNK = 256
SHADOW_M = 0.5
"""Between nodes at which the shadow's height is known."""


def sun_direction() -> tuple[float, float, float]:
    """Towards the sun: east, north, up."""
    azimuth, elevation = np.radians(SUN_AZIMUTH_DEG), np.radians(SUN_ELEVATION_DEG)
    flat = np.cos(elevation)
    return float(flat * np.sin(azimuth)), float(flat * np.cos(azimuth)), float(np.sin(elevation))


def paint(scene: Scene, solid: Solid, view: int) -> Paint:
    """The brightness of a scene under the sun, as one view has it (its cars and its water)."""
    site, direction = scene.site, sun_direction()
    turn = np.radians(TURN_DEG)
    lot = np.random.default_rng((scene.seed, 5, view))
    return Paint(
        tile=texture((TILE, TILE), scene.seed + 1, mean=0, deviation=1, roughness=1.0, blur_px=0.0),
        shadow=shadow(solid, SHADOW_M, direction),
        shadow_spacing=SHADOW_M,
        sun=_sun_on(solid, direction),
        sun_spacing=solid.spacing,
        raw=solid.terrain,
        level=solid.level,
        direction=direction,
        style=site.style,
        pitch=site.pitch,
        street=site.street,
        turn=(float(np.cos(turn)), float(np.sin(turn))),
        shift=(float(lot.uniform(0, TILE)), float(lot.uniform(0, TILE))),
        phase=scene.seed * 31 + 7,
    )


def shadow(solid: Solid, spacing: float, direction: tuple[float, float, float]) -> Raster:
    """Height below which the sun is hidden, at nodes `spacing` apart.

    Swept away from the sun, line by line: what hides a node is the surface one step nearer to the
    sun, or what hides that, less what the ray loses on the step.
    """
    surface = _surface(solid, spacing)
    east, north, up = direction
    if abs(east) > abs(north):
        return np.ascontiguousarray(_sweep(surface.T, north, east, up, spacing).T)
    return _sweep(surface, east, north, up, spacing)


def _surface(solid: Solid, spacing: float) -> Raster:
    rows, cols = (round(count * CELL_M / spacing) + 1 for count in solid.top.shape)
    surface = np.empty((rows, cols), np.float32)
    x = np.tile(np.arange(cols) * spacing, CHUNK)
    for start in range(0, rows, CHUNK):
        lines = np.arange(start, min(start + CHUNK, rows))
        y = np.repeat(lines * spacing, cols)
        surface[lines] = heights(solid, x[: y.size], y).reshape(-1, cols)
    return surface


def _sweep(surface: Raster, across: float, along: float, up: float, spacing: float) -> Raster:
    """`along` is the sun's part along rows' numbers; its part along columns is smaller."""
    drift = across / abs(along)
    loss = spacing * up / abs(along)
    first = min(max(int(np.floor(drift)), -1), 0)
    share = np.float32(drift - first)
    hidden = np.full(surface.shape, -np.inf, np.float32)
    lines = range(surface.shape[0])
    order = list(lines)[::-1] if along > 0 else list(lines)
    for nearer, line in pairwise(order):
        level = np.maximum(surface[nearer], hidden[nearer])
        padded = np.pad(level, 1, mode="edge")
        start = 1 + first
        left, right = (padded[start + k : start + k + level.size] for k in (0, 1))
        hidden[line] = (1 - share) * left + share * right - np.float32(loss)
    hidden[order[0]] = surface[order[0]] - np.float32(1.0)
    return hidden


def _sun_on(solid: Solid, direction: tuple[float, float, float]) -> Raster:
    """Light on the terrain over that on level ground."""
    flooded = np.maximum(solid.terrain, np.float32(solid.level))
    north, east = np.gradient(flooded, solid.spacing)
    facing = direction[2] - direction[0] * east - direction[1] * north
    sun: Points = facing / np.sqrt(1.0 + east**2 + north**2) / direction[2]
    return sun.astype(np.float32)
