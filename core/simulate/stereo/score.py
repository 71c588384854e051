"""How exact a surface model of a simulated scene is, cell by cell against the truth."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import rasterio
from numpy.typing import NDArray

from core.grid import Grid
from core.simulate.stereo.making import Stereo
from core.simulate.stereo.truth import Truth

NORMAL = 1.4826
"""Standard deviation of normal errors over the median of their sizes."""
NEAR_M = 1.0
"""A height that is closer to the truth is called right."""


class Compared(NamedTuple):
    """A surface model and the truth on its grid, metres above the ellipsoid.

    Parameters
    ----------
    grid
        The model's.
    measured
        Its heights, NaN where there are none.
    truth
        What is true there.
    """

    grid: Grid
    measured: NDArray[np.float64]
    truth: Truth

    def error(self) -> NDArray[np.float64]:
        """Measured less true; NaN where nothing was measured."""
        return self.measured - self.truth.height


class Score(NamedTuple):
    """Figures of a surface model.

    Parameters
    ----------
    median, nmad, rmse
        Of the errors of all measured cells, metres; the second of normal errors' standard
        deviation, by the median.
    near
        Share of the cells truly seen in two images, without water, cloud, saturation or moved cars,
        whose height is there and right within a metre.
    """

    median: float
    nmad: float
    rmse: float
    near: float


def compare(stereo: Stereo, path: Path) -> Compared:
    """A surface model in the projection of the scene, beside the truth."""
    with rasterio.open(path) as dataset:
        grid = Grid(dataset.shape, dataset.transform, stereo.scene.crs)
        measured = dataset.read(1).astype(np.float64)
    return Compared(grid, measured, stereo.truth(grid))


def score(compared: Compared) -> Score:
    """How exact the model is; cells that hold a moved car, water or cloud count in `near` only."""
    measurable = compared.truth.measurable()
    error = compared.error()[measurable]
    known = error[np.isfinite(error)]
    if not known.size:
        return Score(np.nan, np.nan, np.nan, 0.0)
    median = float(np.median(known))
    return Score(
        median,
        NORMAL * float(np.median(np.abs(known - median))),
        float(np.sqrt(np.mean(known**2))),
        float(np.mean(np.abs(error) < NEAR_M)),
    )
