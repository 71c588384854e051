"""Speckles of a disparity map: small pieces of surface that hang together with nothing else."""

import numpy as np
from numpy.typing import NDArray

from core.kernel import kernel
from core.matching.arrays import Floats

Labels = NDArray[np.int32]
Mask = NDArray[np.bool_]


def pieces(disparity: Floats, kept: Mask, step: float = 1.0) -> Labels:
    """Number the connected pieces of a surface.

    Parameters
    ----------
    disparity
        Shape (rows, cols), float32, pixels.
    kept
        Pixels that belong to the surface.
    step
        Neighbours, by a side, hang together if their disparities differ by this at most, pixels.

    Returns
    -------
    Labels
        1, 2, … in the order of the pieces' first pixels; 0 where not kept.
    """
    labels = np.zeros(disparity.shape, np.int32)
    _pieces_into(disparity, kept, np.float32(step), np.empty(disparity.size, np.int32), labels)
    return labels


def speckles(disparity: Floats, kept: Mask, least: int, step: float = 1.0) -> Mask:
    """Pixels of pieces of fewer than `least` pixels; see :func:`pieces`."""
    labels = pieces(disparity, kept, step)
    small = np.bincount(labels.ravel()) < least
    small[0] = False
    found: Mask = small[labels]
    return found


@kernel
def _pieces_into(
    disparity: Floats, kept: Mask, step: np.float32, queue: Labels, labels: Labels
) -> None:
    height, width = disparity.shape
    count = 0
    for start in range(height * width):
        i, j = start // width, start % width
        if not kept[i, j] or labels[i, j] > 0:
            continue
        count += 1
        labels[i, j] = count
        queue[0] = start
        waiting = 1
        while waiting > 0:
            waiting -= 1
            i, j = queue[waiting] // width, queue[waiting] % width
            own = disparity[i, j]
            for side in range(4):
                k = i + (side == 0) - (side == 1)
                m = j + (side == 2) - (side == 3)
                if not (0 <= k < height and 0 <= m < width) or not kept[k, m]:
                    continue
                if labels[k, m] == 0 and abs(disparity[k, m] - own) <= step:
                    labels[k, m] = count
                    queue[waiting] = k * width + m
                    waiting += 1
