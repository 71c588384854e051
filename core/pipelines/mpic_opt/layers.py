"""The rasters of a result: how each follows from what was measured, window by window."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.grid import Grid
from core.io.rasters import Plane
from core.matching.filtering import median_of_valid
from core.pipelines.mpic_opt.corrections import Corrections, ground
from core.pipelines.mpic_opt.planes import Planes
from core.tiling import Window

STRIP = 256
"""Rows of full resolution that are read at once where the result is coarser."""

Values = NDArray[np.float32]


@dataclass(frozen=True)
class Layers:
    """The rasters of one pair, by the ids of the outputs.

    Parameters
    ----------
    planes
        What was measured, at full resolution, pixels of the reference.
    grid
        Of the measured window, full resolution.
    step
        Every `step`-th row and column is written.
    unit
        Metres in a unit of the CRS.
    factor
        From metres to the units asked for.
    corrections
        What is taken out, metres.
    smoothing
        Side of the median of the smooth outputs, output pixels.
    """

    planes: Planes
    grid: Grid
    step: int
    unit: float
    factor: float
    corrections: Corrections
    smoothing: int

    @property
    def output_grid(self) -> Grid:
        """The lattice of the results."""
        return self.grid.decimate(self.step)

    def read(self, name: str, window: Window) -> NDArray[Any]:
        """Values of an output in a window of the output grid; NaN where there is none."""
        values = _READERS[name](self, window)
        return values if name == "reasons" else values.astype(np.float32, copy=False)

    def decimated(self, plane: Plane, window: Window) -> NDArray[Any]:
        """A plane in a window of the output grid."""
        step = self.step
        if step == 1:
            return plane.read(window)
        height, width = self.grid.shape
        left = window.col * step
        right = min(left + window.width * step, width)
        rows = max(1, STRIP // step)
        strips = []
        for first in range(window.row, window.row + window.height, rows):
            count = min(rows, window.row + window.height - first)
            bottom = min((first + count) * step, height)
            part = Window(first * step, left, bottom - first * step, right - left)
            strips.append(plane.read(part)[::step, ::step])
        return np.concatenate(strips)

    def field(self, window: Window) -> tuple[Values, Values]:
        """Measured rows and columns, pixels, before any filter."""
        return self.decimated(self.planes.rows, window), self.decimated(self.planes.cols, window)

    def removed(self, window: Window) -> NDArray[np.bool_]:
        """Pixels without a value in the primary rasters."""
        removed: NDArray[np.bool_] = self.decimated(self.planes.kept, window) != 0
        return removed

    def displacement(self, window: Window) -> tuple[Values, Values]:
        """East and north, corrected, in the units asked for, before any filter."""
        x, y = self.grid.metres(*self.field(window))
        east, north = self.correction(window)
        scale = np.float32(self.unit * self.factor)
        return x * scale - east, y * scale - north

    def correction(self, window: Window) -> tuple[Values, Values]:
        """East and north that are taken out, in the units asked for."""
        east, north = self.corrections.at(*ground(self.output_grid, window))
        return (
            (east * self.factor).astype(np.float32),
            (north * self.factor).astype(np.float32),
        )

    def sigma(self, window: Window) -> tuple[Values, Values]:
        """Standard uncertainty of east and north, in the units asked for."""
        rows = self.decimated(self.planes.sigma_rows, window)
        cols = self.decimated(self.planes.sigma_cols, window)
        t, scale = self.grid.transform, np.float32(self.unit * abs(self.factor))
        return (
            np.hypot(np.float32(t.a) * cols, np.float32(t.b) * rows) * scale,
            np.hypot(np.float32(t.d) * cols, np.float32(t.e) * rows) * scale,
        )

    def filtered(self, window: Window) -> tuple[Values, Values]:
        """East and north as they are published."""
        removed = self.removed(window)
        east, north = self.displacement(window)
        return _without(east, removed), _without(north, removed)

    def smooth(self, window: Window) -> tuple[Values, Values]:
        """The filtered components after a median; gaps stay gaps."""
        radius = self.smoothing // 2
        wide = window.pad(radius) & self.output_grid.window
        inner = window.inside(wide).slices
        east, north = (median_of_valid(part, radius)[inner] for part in self.filtered(wide))
        return east, north

    def forward_backward(self, window: Window) -> Values:
        """Forward-backward difference, metres."""
        distance: Values = self.decimated(self.planes.forward_backward, window) * np.float32(
            self.unit
        )
        return distance


def _without(values: Values, removed: NDArray[np.bool_]) -> Values:
    values[removed] = np.nan
    return values


_READERS: Mapping[str, Callable[[Layers, Window], NDArray[Any]]] = {
    "displacement_east": lambda layers, window: layers.filtered(window)[0],
    "displacement_north": lambda layers, window: layers.filtered(window)[1],
    "magnitude": lambda layers, window: np.hypot(*layers.filtered(window)),
    "score": lambda layers, window: layers.decimated(layers.planes.score, window),
    "sigma_east": lambda layers, window: layers.sigma(window)[0],
    "sigma_north": lambda layers, window: layers.sigma(window)[1],
    "forward_backward": Layers.forward_backward,
    "reasons": lambda layers, window: layers.decimated(layers.planes.kept, window),
    "correction_east": lambda layers, window: layers.correction(window)[0],
    "correction_north": lambda layers, window: layers.correction(window)[1],
    "displacement_east_raw": lambda layers, window: layers.displacement(window)[0],
    "displacement_north_raw": lambda layers, window: layers.displacement(window)[1],
    "displacement_east_smooth": lambda layers, window: layers.smooth(window)[0],
    "displacement_north_smooth": lambda layers, window: layers.smooth(window)[1],
    "px1": lambda layers, window: _without(layers.field(window)[1], layers.removed(window)),
    "px2": lambda layers, window: _without(layers.field(window)[0], layers.removed(window)),
}
