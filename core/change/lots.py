"""Numbers that places on the ground always draw: a choice by them knows no tile and no area."""

import numpy as np
from numpy.typing import NDArray

from core.kernel import kernel

Doubles = NDArray[np.float64]


def hashed(shape: tuple[int, ...], anchor: tuple[int, int], seed: int) -> Doubles:
    """A number from 0 to 1, without 1, for each pixel, that follows from its place and the seed.

    Parameters
    ----------
    anchor
        Row and column of the first pixel, counted from the origin of the CRS.
    """
    out = np.empty(shape)
    _hashed_into(anchor[0], anchor[1], seed, out)
    return out


@kernel
def _hashed_into(first_row: int, first_col: int, seed: int, out: Doubles) -> None:
    start = _mixed(np.uint64(seed))
    for i in range(out.shape[0]):
        of_row = _mixed(start ^ np.uint64(first_row + i))
        for j in range(out.shape[1]):
            value = _mixed(of_row ^ np.uint64(first_col + j))
            out[i, j] = np.float64(value >> np.uint64(11)) * 2.0**-53


@kernel
def _mixed(value: np.uint64) -> np.uint64:
    """Steele, Lea and Flood's splitmix64 (https://doi.org/10.1145/2714064.2660195)."""
    value = value + np.uint64(0x9E3779B97F4A7C15)
    value = (value ^ (value >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    value = (value ^ (value >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return value ^ (value >> np.uint64(31))
