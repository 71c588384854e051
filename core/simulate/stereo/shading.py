"""What the surface looks like: brightness of every point, the same from wherever it is seen.

Only water is another from view to view.  Fine texture falls as 1 / frequency, from periodic tiles
that are laid at two scales and turned against each other, so that no scene is too large.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from core.kernel import kernel
from core.simulate.stereo.rays import Hits, Raster

AMBIENT = 0.22
"""Light of the sky over that of sun and sky on level ground."""
PENUMBRA_M = 0.25
METAL_GLINT = 9.0
"""A metal roof in the sun over what its brightness says."""
PLAIN, RELIEF, CITY = range(3)


class Paint(NamedTuple):
    """All that brightness depends on beside the place.

    Parameters
    ----------
    tile
        Periodic noise of unit variance.
    shadow, shadow_spacing
        Height below which the sun is hidden, at nodes.
    sun, sun_spacing
        Light on the terrain over that on level ground, at nodes.
    raw, level
        The terrain under water and the water's height.
    direction
        Towards the sun: east, north, up.
    style
        PLAIN, RELIEF or CITY.
    pitch, street
        Lengths of a parcel or block, and width of the way between, metres.
    turn
        Cosine and sine of the direction of parcels.
    shift
        Where this view's water begins in the tile.
    phase
        A number per scene, mixed into all that is drawn by lot.
    """

    tile: Raster
    shadow: Raster
    shadow_spacing: float
    sun: Raster
    sun_spacing: float
    raw: Raster
    level: float
    direction: tuple[float, float, float]
    style: int
    pitch: tuple[float, float]
    street: float
    turn: tuple[float, float]
    shift: tuple[float, float]
    phase: int


def radiance(paint: Paint, boxes: NDArray[np.float64], hits: Hits) -> Raster:
    """Brightness (DN of the reference illumination) of what lines of sight met."""
    result: Raster = _radiance(paint, boxes, hits.x, hits.y, hits.height, hits.what)
    return result


@kernel
def _bilinear(raster: Raster, spacing: float, x: float, y: float) -> float:
    u, v = x / spacing, y / spacing
    i = min(max(int(v), 0), raster.shape[0] - 2)
    j = min(max(int(u), 0), raster.shape[1] - 2)
    u, v = u - j, v - i
    south = raster[i, j] * (1.0 - u) + raster[i, j + 1] * u
    north = raster[i + 1, j] * (1.0 - u) + raster[i + 1, j + 1] * u
    return float(south * (1.0 - v) + north * v)


@kernel
def _noise(tile: Raster, u: float, v: float) -> float:
    """The periodic tile between its nodes."""
    mask = tile.shape[0] - 1
    i, j = int(np.floor(v)), int(np.floor(u))
    s, t = u - j, v - i
    i, j = i & mask, j & mask
    below, right = (i + 1) & mask, (j + 1) & mask
    first = tile[i, j] * (1.0 - s) + tile[i, right] * s
    second = tile[below, j] * (1.0 - s) + tile[below, right] * s
    return float(first * (1.0 - t) + second * t)


@kernel
def _texture(tile: Raster, x: float, y: float) -> float:
    """Noise of about unit variance whose amplitude falls as 1 / frequency from .6 m to 1 km."""
    fine = _noise(tile, x / 0.3, y / 0.3)
    wide = _noise(tile, (0.857 * x + 0.515 * y) / 1.9, (0.857 * y - 0.515 * x) / 1.9)
    return 0.75 * fine + 0.66 * wide


@kernel
def _lot(i: int, j: int, phase: int) -> float:
    """A number from 0 to 1 for a pair of whole numbers."""
    n = (i * 73856093) ^ (j * 19349663) ^ (phase * 83492791)
    n = (n ^ (n >> 13)) * 1274126177
    n = n ^ (n >> 16)
    return (n & 0xFFFFFF) / 16777216.0


@kernel
def _parcel(paint: Paint, x: float, y: float) -> float:
    """Fields: each with its tone; some bare and smooth, some planted in rows; tracks between."""
    u = x * paint.turn[0] + y * paint.turn[1]
    v = y * paint.turn[0] - x * paint.turn[1]
    # Borders of real fields are not straight.
    u += 1.5 * _noise(paint.tile, x / 9.0, y / 9.0)
    v += 1.5 * _noise(paint.tile, y / 11.0, x / 11.0)
    i, j = int(np.floor(u / paint.pitch[0])), int(np.floor(v / paint.pitch[1]))
    rest_u, rest_v = u - i * paint.pitch[0], v - j * paint.pitch[1]
    noise = _texture(paint.tile, x, y)
    if min(rest_u, rest_v) < paint.street:
        return 1150.0 * (1.0 + 0.07 * noise)
    tone = 380.0 + 750.0 * _lot(i, j, paint.phase)
    kind = _lot(i, j, paint.phase + 1)
    if kind < 0.12:
        return tone * (1.0 + 0.006 * noise)
    if kind < 0.40:
        period = 1.6 + 2.4 * _lot(i, j, paint.phase + 2)
        along = rest_u if _lot(i, j, paint.phase + 3) < 0.5 else rest_v
        stripe = np.sin(2.0 * np.pi * along / period)
        return float(tone * (1.0 + 0.22 * stripe + 0.07 * noise))
    return float(tone * (1.0 + (0.05 + 0.20 * _lot(i, j, paint.phase + 4)) * noise))


@kernel
def _slope(paint: Paint, x: float, y: float) -> float:
    """Wild ground: scrub and rock by turns, and smooth ash where nothing can be matched well."""
    patch = _noise(paint.tile, x / 3.1, y / 3.1) + 0.4 * _noise(paint.tile, y / 0.9, x / 0.9)
    bare = 1.0 / (1.0 + np.exp(-2.5 * patch))
    noise = _texture(paint.tile, x, y)
    ash = _noise(paint.tile, (x + 700.0) / 2.3, (y - 400.0) / 2.3)
    strength = 0.19 - 0.08 * bare
    if ash > 1.5:
        strength *= max(0.06, 1.0 - 2.5 * (ash - 1.5))
    return float((600.0 + 330.0 * bare) * (1.0 + strength * noise))


@kernel
def _street(paint: Paint, x: float, y: float) -> float:
    """Asphalt with a painted line, pavements, and yards behind the houses."""
    u = x * paint.turn[0] + y * paint.turn[1]
    v = y * paint.turn[0] - x * paint.turn[1]
    i, j = int(np.floor(u / paint.pitch[0])), int(np.floor(v / paint.pitch[1]))
    rest_u, rest_v = u - i * paint.pitch[0], v - j * paint.pitch[1]
    noise = _texture(paint.tile, x, y)
    inner = min(rest_u, rest_v)
    if inner < paint.street:
        middle = abs(inner - paint.street / 2)
        along = rest_v if rest_u < rest_v else rest_u
        if middle < 0.15 and along % 6.0 < 3.0:
            return 1600.0
        if middle > paint.street / 2 - 2.0:
            return 980.0 * (1.0 + 0.05 * noise)
        return 620.0 * (1.0 + 0.05 * noise)
    tone = 400.0 + 350.0 * _lot(i, j, paint.phase + 5)
    return tone * (1.0 + 0.22 * noise)


@kernel
def _water(paint: Paint, x: float, y: float) -> float:
    """Ripples that have nothing in common from view to view."""
    u, v = x / 0.6 + paint.shift[0], y / 0.9 + paint.shift[1]
    return 260.0 * (1.0 + 0.16 * _noise(paint.tile, u, v))


@kernel
def _lit(paint: Paint, x: float, y: float, height: float) -> float:
    """Share of the sun that reaches a point."""
    hidden = _bilinear(paint.shadow, paint.shadow_spacing, x, y)
    return min(max((height - hidden) / PENUMBRA_M + 0.5, 0.0), 1.0)


@kernel
def _ground(paint: Paint, x: float, y: float, height: float) -> float:
    lit = _lit(paint, x, y, height + 0.1)
    if _bilinear(paint.raw, paint.sun_spacing, x, y) < paint.level:
        return _water(paint, x, y) * (AMBIENT + (1.0 - AMBIENT) * lit)
    if paint.style == PLAIN:
        tone = _parcel(paint, x, y)
    elif paint.style == RELIEF:
        tone = _slope(paint, x, y)
    else:
        tone = _street(paint, x, y)
    sun = _bilinear(paint.sun, paint.sun_spacing, x, y)
    return tone * (AMBIENT + (1.0 - AMBIENT) * lit * max(sun, 0.0))


@kernel
def _box(paint: Paint, box: NDArray[np.float64], face: int, x: float, y: float, h: float) -> float:
    """A roof with its tiles or a wall with its windows."""
    u = (x - box[0]) * box[2] + (y - box[1]) * box[3]
    v = (y - box[1]) * box[2] - (x - box[0]) * box[3]
    kind, seed = int(box[10]), box[11] * 977.0
    east, north, up = paint.direction
    sun_u, sun_v = east * box[2] + north * box[3], north * box[2] - east * box[3]
    if face < 2:
        slope = box[7] / box[5]
        side = 1.0 if face == 0 else -1.0
        facing = (up + side * slope * sun_v) / np.sqrt(1.0 + slope * slope)
        noise = _texture(paint.tile, u + seed, v - seed)
        if kind == 1:
            rows = np.sin(2.0 * np.pi * v / 0.95) + 0.5 * np.sin(2.0 * np.pi * u / 1.3)
            tone = box[8] * (1.0 + 0.06 * rows + 0.08 * noise)
        elif kind == 2:
            tone = box[8] * METAL_GLINT * (1.0 + 0.02 * noise)
        elif kind == 3:
            tone = box[8] * (0.45 if abs(u) < 0.3 * box[4] else 1.0)
        else:
            tone = box[8] * (1.0 + 0.13 * noise)
        lit = _lit(paint, x, y, h + 0.1)
    else:
        along, facing = v, sun_u
        if face == 3:
            facing = -sun_u
        elif face == 4:
            along, facing = u, sun_v
        elif face == 5:
            along, facing = u, -sun_v
        noise = _texture(paint.tile, along + seed, h + 3.0 * face)
        window = along % 3.0 > 1.1 and along % 3.0 < 2.4 and h % 3.1 > 0.9 and h % 3.1 < 2.3
        tone = box[9] * (0.35 if window and kind != 3 else 1.0) * (1.0 + 0.06 * noise)
        # Before the wall: at it the shadow's lattice already holds what the house itself hides.
        out = 1.5 * paint.shadow_spacing * (1.0 if face in (2, 4) else -1.0)
        if face < 4:
            lit = _lit(paint, x + out * box[2], y + out * box[3], h)
        else:
            lit = _lit(paint, x - out * box[3], y + out * box[2], h)
    return float(tone * (AMBIENT + (1.0 - AMBIENT) * lit * max(facing, 0.0) / up))


@kernel
def _radiance(
    paint: Paint,
    boxes: NDArray[np.float64],
    x: NDArray[np.float64],
    y: NDArray[np.float64],
    height: NDArray[np.float64],
    what: NDArray[np.int32],
) -> Raster:
    result = np.empty(x.shape, np.float32)
    for i in range(x.shape[0]):
        for j in range(x.shape[1]):
            met = what[i, j]
            if met < 0:
                value = _ground(paint, x[i, j], y[i, j], height[i, j])
            else:
                box = boxes[met // 8]
                value = _box(paint, box, met % 8, x[i, j], y[i, j], height[i, j])
            result[i, j] = value
    return result
