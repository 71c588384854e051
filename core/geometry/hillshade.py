"""A surface lit from the side, for looking at.

Horn, B. K. P., 1981. Hill shading and the reflectance map. Proceedings of the IEEE 69(1), 14-47.
https://doi.org/10.1109/PROC.1981.11918
"""

import numpy as np
from numpy.typing import NDArray

HALO = 1
"""Cells around a window that its shading depends on."""

BRIGHTEST = 255


def hillshade(
    height: NDArray[np.floating],
    cell: float,
    azimuth_deg: float = 315.0,
    altitude_deg: float = 45.0,
) -> NDArray[np.uint8]:
    """Brightness of a matt surface under one distant lamp.

    Parameters
    ----------
    height
        (rows, cols), rows to the south, columns to the east, metres; NaN where there is none.  At
        the border, and beside a hole, the missing neighbours are taken to be as high as the cell.
    cell
        Side of a cell, metres.
    azimuth_deg, altitude_deg
        Where the lamp stands: clockwise from north, and above the horizon.

    Returns
    -------
    NDArray[np.uint8]
        1 where no light falls to 255 where all does; 0 where there is no height.
    """
    east, south = _slopes(np.asarray(height, np.float32), cell)
    azimuth, altitude = np.radians(azimuth_deg), np.radians(altitude_deg)
    # The surface's normal is (-east, south, 1) in east, north and up.
    light = np.sin(altitude) + np.cos(altitude) * (south * np.cos(azimuth) - east * np.sin(azimuth))
    light /= np.sqrt(1 + east**2 + south**2)
    shade = 1 + np.rint((BRIGHTEST - 1) * np.clip(light, 0, 1))
    result: NDArray[np.uint8] = np.where(np.isnan(height), 0, shade).astype(np.uint8)
    return result


def _slopes(
    height: NDArray[np.float32], cell: float
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Rise per metre towards east and south, from eight neighbours; 0 where there is no height."""
    rows, cols = height.shape
    wide = np.pad(height, 1, constant_values=np.nan)

    def rise(down: int, right: int) -> NDArray[np.float32]:
        there = wide[1 + down : 1 + down + rows, 1 + right : 1 + right + cols]
        step = there - height
        step[np.isnan(step)] = 0
        return step

    east = rise(-1, 1) + 2 * rise(0, 1) + rise(1, 1)
    east -= rise(-1, -1) + 2 * rise(0, -1) + rise(1, -1)
    south = rise(1, -1) + 2 * rise(1, 0) + rise(1, 1)
    south -= rise(-1, -1) + 2 * rise(-1, 0) + rise(-1, 1)
    scale = np.float32(1 / (8 * cell))
    return east * scale, south * scale
