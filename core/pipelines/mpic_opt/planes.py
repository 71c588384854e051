"""Scratch planes that hold what was measured of a pair."""

from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np

from core.io.rasters import Plane
from core.matching.arrays import Bits, Floats
from core.matching.dense import Match
from core.tiling import Window

FLOATS = ("rows", "cols", "score", "sigma_rows", "sigma_cols", "forward_backward")


@dataclass(frozen=True)
class Planes:
    """What was measured, in pixels of the reference, on the lattice of the measured window.

    NaN where nothing was matched; ``reasons`` says why.
    """

    rows: Plane
    cols: Plane
    score: Plane
    sigma_rows: Plane
    sigma_cols: Plane
    forward_backward: Plane
    """Units of the CRS, not pixels: on the ground a row may be longer than a column."""
    reasons: Plane
    kept: Plane
    """``reasons`` and what the filters that look at neighbours added."""

    @classmethod
    def create(cls, folder: Path, shape: tuple[int, int]) -> Self:
        """Empty planes in a new folder."""
        folder.mkdir(parents=True)
        floats = (Plane(folder / name, shape, np.float32) for name in FLOATS)
        bits = (Plane(folder / name, shape, np.uint16) for name in ("reasons", "kept"))
        return cls(*floats, *bits)

    def write(self, window: Window, result: Match, distance: Floats, reasons: Bits) -> None:
        """Put a tile's result into its window."""
        values = (*result.field, result.score, *result.sigma, distance)
        for plane, value in zip(self._floats(), values, strict=True):
            plane.write(window, value)
        self.reasons.write(window, reasons)

    def close(self) -> None:
        """Close and delete the files."""
        for plane in (*self._floats(), self.reasons, self.kept):
            plane.close()
            plane.path.unlink(missing_ok=True)
        self.rows.path.parent.rmdir()

    def _floats(self) -> tuple[Plane, ...]:
        return tuple(getattr(self, name) for name in FLOATS)
