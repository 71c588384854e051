"""What is taken out of the whole map: the shift of the images, and a ramp."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from core.grid import Grid
from core.matching.trend import robust_plane
from core.pipelines.mpic_opt.declaration import MpicOptParameters
from core.pipelines.mpic_opt.planes import Planes
from core.report.statistics import Correction, Ramp
from core.tiling import Window

SAMPLES = 250_000
"""Measurements on a regular lattice from which the corrections are estimated, at most."""

TRUSTED_SCORE = 0.6
"""Score from which a measurement takes part in the estimate."""

TRUSTED_PX = 0.5
"""Forward-backward difference, pixels (of the mean side), up to which it does."""

LEAST = 100
"""Trusted measurements that an estimate needs."""

Numbers = NDArray[np.float64]


@dataclass(frozen=True)
class Corrections:
    """What is removed, in the order in which it is removed, and what could not be estimated."""

    removed: tuple[Correction, ...] = ()
    notes: tuple[str, ...] = ()
    unit: float = 1.0
    """Metres in a unit of the coordinates."""

    def at(self, x: Numbers, y: Numbers) -> tuple[Numbers, Numbers]:
        """East and north, metres, of all corrections together at ground coordinates."""
        east, north = np.zeros(np.broadcast(x, y).shape), np.zeros(np.broadcast(x, y).shape)
        for correction in self.removed:
            east += correction.east.at(x, y, self.unit)
            north += correction.north.at(x, y, self.unit)
        return east, north


@dataclass(frozen=True)
class Sample:
    """Trusted measurements: ground coordinates and displacement, metres."""

    x: Numbers
    y: Numbers
    east: Numbers
    north: Numbers


def estimate(planes: Planes, grid: Grid, unit: float, parameters: MpicOptParameters) -> Corrections:
    """Estimate the corrections that are switched on.

    Parameters
    ----------
    grid
        Of the measured window.
    unit
        Metres in a unit of its CRS.
    """
    wanted = [name for name in ("coregistration", "deramp") if getattr(parameters, name)]
    if not wanted:
        return Corrections()
    sample = _sample(planes, grid, unit)
    if sample.x.size < LEAST:
        note = f"{' and '.join(wanted)} left out: only {sample.x.size} measurements can be trusted."
        return Corrections((), (note,))
    removed = []
    centre = (float(sample.x.mean()), float(sample.y.mean()))
    east, north = sample.east, sample.north
    if parameters.coregistration:
        shift = [Ramp(constant=float(np.median(part)), centre=centre) for part in (east, north)]
        removed.append(Correction(id="coregistration", east=shift[0], north=shift[1]))
        east, north = east - shift[0].constant, north - shift[1].constant
    if parameters.deramp:
        ramps = [_ramp(sample, part, centre, unit) for part in (east, north)]
        removed.append(Correction(id="deramp", east=ramps[0], north=ramps[1]))
    return Corrections(tuple(removed), unit=unit)


def ground(grid: Grid, window: Window) -> tuple[Numbers, Numbers]:
    """Coordinates of the centres of the pixels of a window, each (rows, cols)."""
    t = grid.transform
    col = np.arange(window.col, window.col + window.width)[None, :] + 0.5
    row = np.arange(window.row, window.row + window.height)[:, None] + 0.5
    return t.c + t.a * col + t.b * row, t.f + t.d * col + t.e * row


def _ramp(sample: Sample, values: Numbers, centre: tuple[float, float], unit: float) -> Ramp:
    to_km = unit / 1000
    x, y = (sample.x - centre[0]) * to_km, (sample.y - centre[1]) * to_km
    plane = robust_plane(x, y, values)
    return Ramp(
        constant=plane.constant,
        per_km_east=plane.x_slope,
        per_km_north=plane.y_slope,
        centre=centre,
    )


def _sample(planes: Planes, grid: Grid, unit: float) -> Sample:
    """Every n-th row and column of what is trusted, n from the size of the map alone."""
    height, width = grid.shape
    stride = max(1, int(np.ceil(np.sqrt(height * width / SAMPLES))))
    parts = [_row(planes, grid, unit, row, stride) for row in range(stride // 2, height, stride)]
    x, y, east, north = (np.concatenate(column) for column in zip(*parts, strict=True))
    return Sample(x, y, east, north)


def _row(
    planes: Planes, grid: Grid, unit: float, row: int, stride: int
) -> tuple[Numbers, Numbers, Numbers, Numbers]:
    window = Window(row, 0, 1, grid.shape[1])
    trusted = (
        (planes.reasons.read(window) == 0)
        & (planes.score.read(window) >= TRUSTED_SCORE)
        & (planes.forward_backward.read(window) <= TRUSTED_PX * np.sqrt(np.prod(grid.pixel_size)))
    )
    trusted[:, np.arange(grid.shape[1]) % stride != stride // 2] = False
    x, y = ground(grid, window)
    rows = planes.rows.read(window)[trusted].astype(np.float64)
    cols = planes.cols.read(window)[trusted].astype(np.float64)
    east, north = grid.metres(rows, cols)
    return (
        np.broadcast_to(x, trusted.shape)[trusted],
        np.broadcast_to(y, trusted.shape)[trusted],
        east * unit,
        north * unit,
    )
