"""Compiles the kernels of all services once, so that no job waits for it."""

import numpy as np

from core.matching.arrays import Field, Layer
from core.matching.dense import match
from core.matching.filtering import median_of_valid, outliers
from core.matching.options import Matching
from core.tiling import Window

SIDE = 96
"""Pixels of a scene that reaches every kernel."""


def warm() -> None:
    """Run every kernel on a small scene: numba compiles it and keeps it in its cache folder."""
    values = np.random.default_rng(0).normal(size=(SIDE, SIDE)).astype(np.float32)
    layer = Layer(values, np.ones_like(values))
    found = match(layer, layer, Window(0, 0, SIDE, SIDE), Matching(texture_floor=0.01))
    field = Field(*(np.ascontiguousarray(part) for part in found.field))
    outliers(field, np.isfinite(field.rows), 9, 5.0)
    median_of_valid(field.rows, 2)
