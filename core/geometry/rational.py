"""Compiled loops over rational polynomials: ground to image, image to ground, intersection.

They stand together because compiled code and the compiled helpers that it calls share a file.  The
arrays that describe one sensor model are those of :attr:`core.geometry.rpc.Rpc.packed`:

``frame``
    (5, 3): offset, scale and largest normalised value of lon, lat, height, row, col.
``terms``
    (4, 20): numerator and denominator of row, then of col, in the order of RPC00B
    (1, L, P, H, LP, LH, PH, LL, PP, HH, PLH, LLL, LPP, LHH, LLP, PPP, PHH, LLH, PPH, HHH with L the
    normalised longitude, P the latitude, H the height).
"""

import numpy as np
from numpy.typing import NDArray

from core.kernel import kernel

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

SETTLED = 1e-6
"""Last step of Newton, normalised, after which a pixel is located: the error left is its square,
nanometres."""

SETTLED_M = 0.1
"""Last step, metres, after which lines of sight intersect: over so short a way they are straight,
and the error left is below a micrometre."""

STEPS = 12
"""Steps after which a search that has not settled has failed; 3 or 4 are usual."""

FARTHEST = 10.0
"""Normalised coordinate beyond which a search is lost."""

LEAST_BASE = 1e-3
"""Least ratio of base to height at which two lines of sight intersect (0.06 degrees)."""

SEMI_MAJOR = 6378137.0
"""Semi-major axis of WGS84, metres."""

ECCENTRICITY_SQUARED = 6.69437999014e-3
"""Of WGS84."""


@kernel
def metres_per_degree[N: (float, Floats)](lat: N, height: N) -> tuple[N, N]:
    """Length of a degree of longitude and of latitude at points above the ellipsoid, metres."""
    sine = np.sin(np.radians(lat))
    root = 1 - ECCENTRICITY_SQUARED * sine * sine
    across = SEMI_MAJOR / np.sqrt(root)
    along = across * (1 - ECCENTRICITY_SQUARED) / root
    degree = np.pi / 180
    return (across + height) * np.cos(np.radians(lat)) * degree, (along + height) * degree


@kernel
def _turned(lon: float) -> float:
    """A difference of longitudes, -180 to 180 degrees: models may lie across the date line."""
    return float(lon - 360 * np.round(lon / 360))


@kernel
def _normalised(frame: Floats, lon: float, lat: float, height: float) -> tuple[float, float, float]:
    return (
        _turned(lon - frame[0, 0]) / frame[0, 1],
        (lat - frame[1, 0]) / frame[1, 1],
        (height - frame[2, 0]) / frame[2, 1],
    )


@kernel
def _in_range(frame: Floats, x: float, y: float, z: float) -> bool:
    # NaN is not in range.
    return bool(abs(x) <= frame[0, 2] and abs(y) <= frame[1, 2] and abs(z) <= frame[2, 2])


@kernel
def _value(c: Floats, x: float, y: float, z: float) -> float:
    """A cubic polynomial of normalised longitude, latitude, height."""
    on_x = c[1] + x * (c[7] + x * c[11] + y * c[14] + z * c[17])
    on_x += y * (c[4] + y * c[12] + z * c[10]) + z * (c[5] + z * c[13])
    on_y = c[2] + y * (c[8] + y * c[15] + z * c[18]) + z * (c[6] + z * c[16])
    return float(c[0] + x * on_x + y * on_y + z * (c[3] + z * (c[9] + z * c[19])))


@kernel
def _slopes(c: Floats, x: float, y: float, z: float) -> tuple[float, float, float]:
    """Derivatives of :func:`_value` by x, y and z."""
    on_x = c[1] + x * (2 * c[7] + 3 * x * c[11] + 2 * y * c[14] + 2 * z * c[17])
    on_x += y * (c[4] + y * c[12] + z * c[10]) + z * (c[5] + z * c[13])
    on_y = c[2] + y * (2 * c[8] + 3 * y * c[15] + 2 * x * c[12] + 2 * z * c[18])
    on_y += x * (c[4] + x * c[14] + z * c[10]) + z * (c[6] + z * c[16])
    on_z = c[3] + z * (2 * c[9] + 3 * z * c[19] + 2 * x * c[13] + 2 * y * c[16])
    on_z += x * (c[5] + x * c[17] + y * c[10]) + y * (c[6] + y * c[18])
    return on_x, on_y, on_z


@kernel
def _ratio(
    top: Floats, bottom: Floats, x: float, y: float, z: float
) -> tuple[float, float, float, float]:
    """A rational function and its derivatives by x, y and z."""
    below = 1 / _value(bottom, x, y, z)
    ratio = _value(top, x, y, z) * below
    top_x, top_y, top_z = _slopes(top, x, y, z)
    bottom_x, bottom_y, bottom_z = _slopes(bottom, x, y, z)
    return (
        ratio,
        (top_x - ratio * bottom_x) * below,
        (top_y - ratio * bottom_y) * below,
        (top_z - ratio * bottom_z) * below,
    )


@kernel
def project_into(
    frame: Floats,
    terms: Floats,
    lon: Floats,
    lat: Floats,
    height: Floats,
    row: Floats,
    col: Floats,
    inside: Flags,
) -> None:
    """Image coordinates of points, all (n,); NaN outside the model's range."""
    for k in range(lon.size):
        x, y, z = _normalised(frame, lon[k], lat[k], height[k])
        inside[k] = _in_range(frame, x, y, z)
        row[k] = np.nan
        col[k] = np.nan
        if inside[k]:
            down = _value(terms[0], x, y, z) / _value(terms[1], x, y, z)
            right = _value(terms[2], x, y, z) / _value(terms[3], x, y, z)
            row[k] = frame[3, 0] + frame[3, 1] * down
            col[k] = frame[4, 0] + frame[4, 1] * right


@kernel
def derivatives_into(
    frame: Floats, terms: Floats, lon: Floats, lat: Floats, height: Floats, out: Floats
) -> None:
    """Derivatives of (row, col) by (lon, lat, height), (n, 2, 3); NaN outside the range."""
    for k in range(lon.size):
        x, y, z = _normalised(frame, lon[k], lat[k], height[k])
        if not _in_range(frame, x, y, z):
            out[k] = np.nan
            continue
        for axis in range(2):
            _, on_x, on_y, on_z = _ratio(terms[2 * axis], terms[2 * axis + 1], x, y, z)
            out[k, axis, 0] = on_x * frame[3 + axis, 1] / frame[0, 1]
            out[k, axis, 1] = on_y * frame[3 + axis, 1] / frame[1, 1]
            out[k, axis, 2] = on_z * frame[3 + axis, 1] / frame[2, 1]


@kernel
def _located(
    frame: Floats, terms: Floats, row: float, col: float, z: float, steps: int
) -> tuple[float, float, bool]:
    """Normalised lon and lat of a pixel at normalised height, and whether they have settled.

    Newton from the middle of the model's range: the first step is the linear guess.
    """
    x = 0.0
    y = 0.0
    for _ in range(steps):
        down, down_x, down_y, _z = _ratio(terms[0], terms[1], x, y, z)
        right, right_x, right_y, _z = _ratio(terms[2], terms[3], x, y, z)
        miss_row = (row - frame[3, 0]) / frame[3, 1] - down
        miss_col = (col - frame[4, 0]) / frame[4, 1] - right
        determinant = down_x * right_y - down_y * right_x
        if determinant == 0:
            return x, y, False
        step_x = (miss_row * right_y - miss_col * down_y) / determinant
        step_y = (miss_col * down_x - miss_row * right_x) / determinant
        x += step_x
        y += step_y
        if not (abs(x) < FARTHEST and abs(y) < FARTHEST):
            return x, y, False
        if abs(step_x) + abs(step_y) < SETTLED:
            return x, y, True
    return x, y, False


@kernel
def locate_into(
    frame: Floats,
    terms: Floats,
    row: Floats,
    col: Floats,
    height: Floats,
    lon: Floats,
    lat: Floats,
    inside: Flags,
) -> None:
    """Ground coordinates of pixels at heights, all (n,); NaN outside the range or not found."""
    for k in range(row.size):
        z = (height[k] - frame[2, 0]) / frame[2, 1]
        lon[k] = np.nan
        lat[k] = np.nan
        inside[k] = False
        if not _in_range(frame, 0.0, 0.0, z):
            continue
        x, y, found = _located(frame, terms, row[k], col[k], z, STEPS)
        if found and _in_range(frame, x, y, z):
            inside[k] = True
            lon[k] = _turned(frame[0, 0] + x * frame[0, 1])
            lat[k] = frame[1, 0] + y * frame[1, 1]


@kernel
def _normal_equations(
    frames: Floats,
    terms: Floats,
    rows: Floats,
    cols: Floats,
    weights: Floats,
    lon: float,
    lat: float,
    height: float,
    slopes: Floats,
    misses: Floats,
    normal: Floats,
) -> None:
    """Fill the linearised problem at one point: what one image after the other adds.

    ``slopes`` (n, 2, 3) are derivatives of (row, col) by (east, north, up), pixels per metre,
    ``misses`` (n, 2) measured less projected, pixels, ``normal`` (9,): the upper triangle
    ee, en, eu, nn, nu, uu of the normal matrix, then its right side e, n, u.
    """
    lon_metres, lat_metres = metres_per_degree(lat, height)
    normal[:] = 0
    for i in range(frames.shape[0]):
        if weights[i] <= 0:
            continue
        frame = frames[i]
        x, y, z = _normalised(frame, lon, lat, height)
        for axis in range(2):
            ratio, on_x, on_y, on_z = _ratio(terms[i, 2 * axis], terms[i, 2 * axis + 1], x, y, z)
            scale = frame[3 + axis, 1]
            east = on_x * scale / (frame[0, 1] * lon_metres)
            north = on_y * scale / (frame[1, 1] * lat_metres)
            up = on_z * scale / frame[2, 1]
            measured = rows[i] if axis == 0 else cols[i]
            miss = measured - frame[3 + axis, 0] - ratio * scale
            slopes[i, axis, 0] = east
            slopes[i, axis, 1] = north
            slopes[i, axis, 2] = up
            misses[i, axis] = miss
            normal[0] += weights[i] * east * east
            normal[1] += weights[i] * east * north
            normal[2] += weights[i] * east * up
            normal[3] += weights[i] * north * north
            normal[4] += weights[i] * north * up
            normal[5] += weights[i] * up * up
            normal[6] += weights[i] * east * miss
            normal[7] += weights[i] * north * miss
            normal[8] += weights[i] * up * miss


@kernel
def _solved(normal: Floats, least: float) -> tuple[float, float, float, float]:
    """Step east, north, up, and the weight of the height; that is 0 where lines are parallel.

    ``least`` is the share of the horizontal weights that the height must have.
    """
    ee, en, eu, nn, nu, uu = normal[0], normal[1], normal[2], normal[3], normal[4], normal[5]
    if not ee > 0:
        return 0.0, 0.0, 0.0, 0.0
    n_left = nn - en * en / ee
    if not n_left > 0:
        return 0.0, 0.0, 0.0, 0.0
    nu_left = nu - en * eu / ee
    u_left = uu - eu * eu / ee - nu_left * nu_left / n_left
    if not u_left > least * (ee + nn):
        return 0.0, 0.0, 0.0, 0.0
    n_side = normal[7] - en * normal[6] / ee
    up = (normal[8] - eu * normal[6] / ee - nu_left * n_side / n_left) / u_left
    north = (n_side - nu_left * up) / n_left
    east = (normal[6] - en * north - eu * up) / ee
    return east, north, up, u_left


@kernel
def _distance(slopes: Floats, misses: Floats) -> float:
    """Square of the distance, metres, of a point from one line of sight that misses it."""
    rr = slopes[0, 0] ** 2 + slopes[0, 1] ** 2 + slopes[0, 2] ** 2
    cc = slopes[1, 0] ** 2 + slopes[1, 1] ** 2 + slopes[1, 2] ** 2
    rc = slopes[0, 0] * slopes[1, 0] + slopes[0, 1] * slopes[1, 1] + slopes[0, 2] * slopes[1, 2]
    row, col = misses[0], misses[1]
    square = cc * row * row - 2 * rc * row * col + rr * col * col
    return float(square / (rr * cc - rc * rc))


@kernel
def _intersection_error(
    slopes: Floats, misses: Floats, weights: Floats, east: float, north: float, up: float
) -> float:
    """See :class:`core.geometry.triangulation.Intersections`."""
    total, inverse, count = 0.0, 0.0, 0
    for i in range(weights.size):
        if weights[i] > 0:
            for axis in range(2):
                slope = slopes[i, axis]
                misses[i, axis] -= slope[0] * east + slope[1] * north + slope[2] * up
            total += weights[i] * _distance(slopes[i], misses[i])
            inverse += 1 / weights[i]
            count += 1
    return float(np.sqrt(2 * total * inverse / (count * (2 * count - 3))))


@kernel
def _intersected(
    frames: Floats,
    terms: Floats,
    rows: Floats,
    cols: Floats,
    weights: Floats,
    start: float,
    slopes: Floats,
    misses: Floats,
    normal: Floats,
    out: Floats,
) -> bool:
    """Fill ``out`` (5,): lon, lat, height, error, sigma of the height; whether it is a point."""
    first, seen = -1, 0
    total, inverse = 0.0, 0.0
    for i in range(weights.size):
        if weights[i] > 0:
            seen += 1
            first = i if first < 0 else first
            total += weights[i]
            inverse += 1 / weights[i]
    if seen < 2:
        return False
    # With weights v and w, and pixels of size g, a pair of base to height b has a weight of the
    # height of (b / g)^2 v w / (v + w), and horizontal ones of 2 (v + w) / g^2 together.
    least = LEAST_BASE * LEAST_BASE / (2 * total * inverse)
    frame = frames[first]
    z = (start - frame[2, 0]) / frame[2, 1]
    x, y, _ = _located(frame, terms[first], rows[first], cols[first], z, 2)
    lon = frame[0, 0] + x * frame[0, 1]
    lat = frame[1, 0] + y * frame[1, 1]
    height = start
    settled = False
    east, north, up, weight = 0.0, 0.0, 0.0, 0.0
    for _ in range(STEPS):
        _normal_equations(
            frames, terms, rows, cols, weights, lon, lat, height, slopes, misses, normal
        )
        east, north, up, weight = _solved(normal, least)
        if not weight > 0:
            return False
        lon_metres, lat_metres = metres_per_degree(lat, height)
        lon += east / lon_metres
        lat += north / lat_metres
        height += up
        if not abs(lat) < 90:
            return False
        settled = abs(east) + abs(north) + abs(up) < SETTLED_M
        if settled:
            break
    for i in range(weights.size):
        if weights[i] > 0:
            frame = frames[i]
            x, y, z = _normalised(frame, lon, lat, height)
            settled = settled and _in_range(frame, x, y, z)
    out[0] = _turned(lon)
    out[1] = lat
    out[2] = height
    out[3] = _intersection_error(slopes, misses, weights, east, north, up)
    out[4] = np.sqrt(1 / weight)
    return settled


@kernel
def intersect_into(
    frames: Floats,
    terms: Floats,
    rows: Floats,
    cols: Floats,
    weights: Floats,
    start: Floats,
    out: Floats,
    valid: Flags,
) -> None:
    """Points on the ground from pixels in n images; see :mod:`core.geometry.triangulation`.

    ``frames`` (n, 5, 3), ``terms`` (n, 4, 20), ``rows``, ``cols``, ``weights`` (points, n), ``out``
    (points, 5): lon, lat, height, error, sigma of the height.  A weight of 0 leaves an image out.
    """
    images = frames.shape[0]
    slopes = np.empty((images, 2, 3))
    misses = np.empty((images, 2))
    normal = np.empty(9)
    for k in range(start.size):
        valid[k] = _intersected(
            frames,
            terms,
            rows[k],
            cols[k],
            weights[k],
            start[k],
            slopes,
            misses,
            normal,
            out[k],
        )
        if not valid[k]:
            out[k] = np.nan
