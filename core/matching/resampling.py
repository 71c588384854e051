"""Images at places of their own choosing: cubic B-splines at any lattice of positions."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from core.matching.arrays import Field, Floats, Layer
from core.matching.interpolation import spline_coefficients, warp


class Resampler(NamedTuple):
    """An image that can be asked for its values anywhere.

    Parameters
    ----------
    coefficients, weights
        Of the image's spline, and 1 where it has data.
    level
        How often the image was halved.
    """

    coefficients: Floats
    weights: Floats
    level: int

    def at(self, row: NDArray[np.float64], col: NDArray[np.float64]) -> Layer:
        """Values at pixels of the full image; 0, and a weight of 0, where there is none.

        Parameters
        ----------
        row, col
            Fractional; NaN is nowhere.
        """
        side = 2**self.level
        rows, cols = (
            # The first pixel of a halved image has its centre between the first two of the whole.
            np.ascontiguousarray((place - (side - 1) / 2) / side - index, np.float32)
            for place, index in (
                (row, np.arange(row.shape[0])[:, None]),
                (col, np.arange(col.shape[1])[None, :]),
            )
        )
        return warp(self.coefficients, self.weights, Field(rows, cols))


def resampler(image: Layer, level: int = 0) -> Resampler:
    """Prepare an image that was halved `level` times."""
    return Resampler(spline_coefficients(image.values), image.weights, level)
