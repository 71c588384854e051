"""Names for the arrays that the matcher passes around."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
"""Float32 [row, col]."""

Indices = NDArray[np.intp]
"""Positions along one axis."""

Bits = NDArray[np.uint16]
"""Bits of :class:`core.reasons.Reason` [row, col]."""


class Layer(NamedTuple):
    """One image, or one level of its pyramid.

    ``values`` are finite everywhere, ``weights`` are 1 where there is data and 0 elsewhere;
    both (rows, cols), float32.
    """

    values: Floats
    weights: Floats


class Field(NamedTuple):
    """A displacement per pixel, (rows, cols), float32, pixels: rows down, cols to the right."""

    rows: Floats
    cols: Floats
