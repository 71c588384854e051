"""The model of an image that was taken together with another one whose model was refined.

The colour of a bundle comes from the same pointing as its panchromatic image: what was wrong with
that one's model is wrong with its own, by the same distance on the ground.
"""

import numpy as np

from core.geometry.bias import Correction, corrected
from core.geometry.rpc import Floats, Rpc
from core.geometry.viewing import metric_slopes

SIDE = 7
"""Points along each side of the image in which the models are compared."""


def companion_model(given: Rpc, refined: Rpc, other: Rpc, shape: tuple[int, int]) -> Rpc:
    """The model of the other image, refined as much as the first one's was.

    Parameters
    ----------
    given, refined
        Model of the first image as it came and as it was refined.
    other
        Model of the other image as it came.
    shape
        Rows and columns of the other image.
    """
    middle = [(size - 1) / 2 for size in shape]
    half = [max(size / 2, 1.0) for size in shape]
    rows, cols = np.meshgrid(
        *(m + h * np.linspace(-1, 1, SIDE) for m, h in zip(middle, half, strict=True)),
        indexing="ij",
    )
    height = other.height_offset
    ground = other.locate(rows, cols, height)
    before = given.project(ground.lon, ground.lat, height)
    after = refined.project(ground.lon, ground.lat, height)
    moved = np.stack([after.row - before.row, after.col - before.col], axis=-1)
    known = ground.inside & np.isfinite(moved).all(axis=-1)
    if known.sum() < 3 or not moved[known].any():
        return other
    place = ground.lon[known], ground.lat[known], height
    shift = _carried(metric_slopes(given, *place), metric_slopes(other, *place), moved[known])
    down, right = (rows[known] - middle[0]) / half[0], (cols[known] - middle[1]) / half[1]
    design = np.stack([np.ones_like(down), down, right], axis=-1)
    (row, col), (row_by_row, col_by_row), (row_by_col, col_by_col) = np.linalg.lstsq(
        design, shift, rcond=None
    )[0].tolist()
    correction = Correction(
        row, col, row_by_row, row_by_col, col_by_row, col_by_col,
        middle=(middle[0], middle[1]), half=(half[0], half[1]),
    )  # fmt: skip
    return corrected(other, correction)


def _carried(here: Floats, there: Floats, moved: Floats) -> Floats:
    """Rows and columns of one image as those of another that see the same step on level ground."""
    metres = np.linalg.solve(here[..., :2], moved[..., None])
    step: Floats = (there[..., :2] @ metres)[..., 0]
    return step
