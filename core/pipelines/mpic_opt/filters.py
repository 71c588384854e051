"""Which measurements are removed, and the bit that each removal sets."""

from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from core.declare import Area
from core.errors import NothingMeasured
from core.grid import Grid
from core.io.areas import area_mask
from core.io.blockwise import counted, spread
from core.io.products import Scene
from core.io.rasters import cloud, user_mask
from core.masking.cloud import clouded
from core.matching.arrays import Bits, Field
from core.matching.dense import Match
from core.matching.filtering import outliers, small_patches
from core.pipelines.mpic_opt.corrections import Corrections, ground
from core.pipelines.mpic_opt.declaration import CloudMask, MpicOptParameters
from core.pipelines.mpic_opt.lattice import Lattice
from core.pipelines.mpic_opt.pairing import Pair
from core.pipelines.mpic_opt.planes import Planes
from core.progress import Progress
from core.reasons import TEXT, Reason
from core.report.statistics import ReasonCounter
from core.tiling import Tile, Window, tiles
from core.workspace import Context

SIDE = 1024
"""Rows and columns of a tile of the filters that look at neighbours."""


@dataclass(frozen=True)
class Marks:
    """The removals that look at each pixel alone.

    Parameters
    ----------
    scenes
        Reference and secondary; their cloud layers.
    lattice
        Where they meet.
    aoi, mask
        Area of interest; file with the user's mask.
    """

    parameters: MpicOptParameters
    scenes: tuple[Scene, Scene]
    lattice: Lattice
    mask: Path | None

    @property
    def uses_clouds(self) -> bool:
        """Whether a cloud layer of a product is looked at."""
        wanted = self.parameters.cloud_mask in (CloudMask.AUTO, CloudMask.PRODUCT)
        return wanted and any(scene.cloud is not None for scene in self.scenes)

    def marked(self, core: Window, found: Match) -> Bits:
        """The reasons of a tile with all bits that its pixels earn by themselves.

        `core` is a window of the reference.
        """
        parameters, reasons = self.parameters, found.reasons.copy()
        matched = reasons == 0
        minimum = parameters.minimum_score or 0.0
        _mark(reasons, matched & (found.score < np.float32(minimum)), Reason.LOW_SCORE)
        tolerance = parameters.forward_backward_tolerance
        if tolerance > 0:
            agree = np.hypot(*found.difference) <= np.float32(tolerance)
            _mark(reasons, matched & ~agree, Reason.FORWARD_BACKWARD)
        if self.uses_clouds:
            _mark(reasons, matched & self._cloud(core, found.score), Reason.CLOUD_MASK)
        if self.mask is not None:
            masked = user_mask(self.mask, self.lattice.reference, core, pointer="/inputs/mask")
            _mark(reasons, masked, Reason.USER_MASK)
        if parameters.aoi is not None:
            _mark(reasons, ~_inside(parameters.aoi, self.lattice.reference, core), Reason.OUTSIDE)
        return reasons

    def _cloud(self, core: Window, score: NDArray[np.float32]) -> NDArray[np.bool_]:
        windows = (core, self.lattice.in_secondary(core))
        layer = np.zeros(core.shape, np.bool_)
        for scene, window in zip(self.scenes, windows, strict=True):
            if scene.cloud is not None:
                layer |= cloud(scene, window)
        return clouded(layer, score) if self.parameters.cloud_mask is CloudMask.AUTO else layer


@dataclass(frozen=True)
class Neighbours:
    """The removals that look at a pixel's neighbours, and at the corrected displacement."""

    parameters: MpicOptParameters
    planes: Planes
    grid: Grid
    unit: float
    corrections: Corrections

    @property
    def halo(self) -> int:
        """Pixels around a tile that are looked at."""
        return self.parameters.outlier_window // 2 + self.parameters.minimum_patch

    def marked(self, tile: Tile) -> Bits:
        """The reasons of a tile's core with all bits."""
        parameters, window = self.parameters, tile.padded
        reasons = self.planes.reasons.read(window)
        field = Field(self.planes.rows.read(window), self.planes.cols.read(window))
        limit = parameters.maximum_displacement
        if limit:
            far = self._length(field, window) > limit
            _mark(reasons, (reasons == 0) & far, Reason.TOO_LARGE)
        if parameters.outlier_window:
            lone = outliers(
                field, reasons == 0, parameters.outlier_window, parameters.outlier_threshold
            )
            _mark(reasons, lone, Reason.OUTLIER)
        if parameters.minimum_patch:
            _mark(reasons, small_patches(reasons == 0, parameters.minimum_patch), Reason.ISOLATED)
        core: Bits = reasons[tile.core_in_padded]
        return core

    def _length(self, field: Field, window: Window) -> NDArray[np.float64]:
        east, north = self.corrections.at(*ground(self.grid, window))
        x, y = self.grid.metres(field.rows, field.cols)
        length: NDArray[np.float64] = np.hypot(x * self.unit - east, y * self.unit - north)
        return length


def remove(neighbours: Neighbours, context: Context, progress: Progress) -> float:
    """Run the filters that look at neighbours over the whole map; the share that is left."""
    left = 0
    pieces = list(tiles(neighbours.grid.shape, SIDE, neighbours.halo))
    work = partial(Neighbours.marked, neighbours)
    results = spread(work, pieces, context.executor, context.compute.workers)
    for tile, reasons in counted(results, len(pieces), progress, "filtering, tile"):
        neighbours.planes.kept.write(tile.core, reasons)
        left += int(np.count_nonzero(reasons == 0))
    return left / (neighbours.grid.shape[0] * neighbours.grid.shape[1])


def check_measured(pair: Pair, left: float, planes: Planes) -> None:
    """Refuse a map without a single value, and say what took them.

    Raises
    ------
    NothingMeasured
        No pixel is left.
    """
    if left > 0:
        return
    counter = ReasonCounter()
    height, width = planes.kept.shape
    for tile in tiles((height, width), SIDE):
        counter.add(planes.kept.read(tile.core))
    shares = sorted(counter.shares().items(), key=lambda item: -item[1])
    told = ", ".join(f"{TEXT[Reason[name.upper()]]} {share:.0%}" for name, share in shares[:3])
    raise NothingMeasured(f"No pixel of {pair.title} could be measured: {told}.")


def _inside(aoi: Area, grid: Grid, window: Window) -> NDArray[np.bool_]:
    return area_mask(aoi, grid.crop(window))


def _mark(reasons: Bits, where: NDArray[np.bool_], reason: Reason) -> None:
    reasons[where] |= np.uint16(reason)
