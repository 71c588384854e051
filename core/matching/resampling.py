"""Images at places of their own choosing: cubic B-splines at any lattice of positions."""

from typing import NamedTuple

from core.matching.arrays import Floats, Layer
from core.matching.interpolation import Places, sampled, spline_coefficients


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

    def at(self, row: Places, col: Places) -> Layer:
        """Values at pixels of the full image; 0, and a weight of 0, where there is none.

        Parameters
        ----------
        row, col
            Fractional; NaN is nowhere.
        """
        side = 2**self.level
        # The first pixel of a halved image has its centre between the first two of the whole.
        rows, cols = ((place - (side - 1) / 2) / side for place in (row, col))
        return sampled(self.coefficients, self.weights, rows, cols)


def resampler(image: Layer, level: int = 0) -> Resampler:
    """Prepare an image that was halved `level` times."""
    return Resampler(spline_coefficients(image.values), image.weights, level)
