"""Parts of a scene that are left out in turn, with room around them."""

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from core.change.learning.arrays import Flags, Groups

NONE = -1
"""Fold of a pixel that takes no part."""


def lattice_blocks(
    shape: tuple[int, int], corner: tuple[float, float], pixel_m: float, side_m: float
) -> Groups:
    """Squares on multiples of `side_m`, numbered by row from the north, then column.

    Parameters
    ----------
    corner
        x and y of the outer corner of the first pixel, metres; rows run south.

    Returns
    -------
    Groups
        Number of the block that each pixel's centre lies in.
    """
    row = np.floor((corner[1] - (np.arange(shape[0]) + 0.5) * pixel_m) / side_m).astype(np.int64)
    col = np.floor((corner[0] + (np.arange(shape[1]) + 0.5) * pixel_m) / side_m).astype(np.int64)
    down, right = row.max() - row, col - col.min()
    block: Groups = down[:, None] * (right.max() + 1) + right[None, :]
    return block


def folds(block: Groups, assessed: Flags, count: int, seed: int) -> Groups:
    """Fold of each pixel: blocks that hold an assessed pixel, shuffled and dealt in turn.

    Parameters
    ----------
    block
        Numbers of blocks; they are dealt in the order that ``default_rng(seed).permutation`` gives
        them when they stand in ascending order.

    Returns
    -------
    Groups
        0 to `count` - 1 where assessed, else -1.
    """
    names = np.unique(block[assessed])
    order = np.random.default_rng(seed).permutation(names.size)
    fold = np.empty(names.size, np.int64)
    fold[order] = np.arange(names.size) % count
    place = np.minimum(np.searchsorted(names, block), names.size - 1)
    return np.where(assessed, fold[place], NONE)


def quadrants(assessed: Flags) -> Groups:
    """The same with four folds, split at the middle row and column of what is assessed."""
    rows, cols = (np.flatnonzero(assessed.any(axis=axis)) for axis in (1, 0))
    south = np.arange(assessed.shape[0]) > (rows[0] + rows[-1]) / 2
    east = np.arange(assessed.shape[1]) > (cols[0] + cols[-1]) / 2
    return np.where(assessed, 2 * south[:, None] + east[None, :], NONE)


def clear_of(held_out: Flags, distance_m: float, pixel_m: float) -> Flags:
    """Pixels whose centres lie farther than a distance from the centre of any held-out pixel."""
    if not held_out.any():
        return np.ones(held_out.shape, np.bool_)
    away: NDArray[np.float64] = ndimage.distance_transform_edt(~held_out)
    clear: Flags = away * pixel_m > distance_m
    return clear
