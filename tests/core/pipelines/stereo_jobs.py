"""Whole jobs of DSM-OPT on a simulated scene, each run once, and what is true of their results.

Pictures are half of the time of so small a job: they are drawn only where they are asked for.
"""

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from numpy.typing import NDArray
from pyproj import Transformer

from core.declare import SourcePolicy, validate
from core.grid import Grid
from core.pipelines.dsm_opt.declaration import DSM_OPT, DsmOptOutputs
from core.pipelines.dsm_opt.run import run
from core.reasons import Reason
from core.simulate.stereo.making import Stereo
from core.simulate.stereo.truth import Truth
from core.tiling import Window

Raster = NDArray[Any]

truth_of = cache(Stereo.truth)


@dataclass(frozen=True, eq=False)
class Result:
    """What a job wrote, and what is true."""

    stereo: Stereo
    folder: Path
    outputs: DsmOptOutputs
    grid: Grid

    def raster(self, name: str) -> Raster:
        with rasterio.open(self.folder / f"{name}.tif") as file:
            values: Raster = file.read(1)
            return values

    @property
    def dsm(self) -> Raster:
        return self.raster("dsm")

    @property
    def truth(self) -> Truth:
        return truth_of(self.stereo, self.grid)

    @property
    def error(self) -> Raster:
        """Of measured cells whose truth is known."""
        error = self.dsm - self.truth.height
        return error[np.isfinite(error) & self.truth.measurable()]

    @property
    def document(self) -> Any:
        return json.loads((self.folder / self.outputs.report.path).read_text())

    def cells(self, reason: Reason) -> int:
        return int(((self.raster("reasons") & np.uint16(reason)) != 0).sum())

    def on(self, grid: Grid) -> Raster:
        """The surface on other cells of its lattice; NaN beyond its own."""
        west, _, _, north = self.grid.bounds
        half = self.grid.pixel_size[0] / 2
        row, col = (round(float(part)) for part in grid.rowcol(west + half, north - half))
        there = grid.window & Window(row, col, *self.grid.shape)
        found = np.full(grid.shape, np.nan)
        found[there.slices] = self.dsm[there.shift(-row, -col).slices]
        return found

    def centres(self, crs: str) -> tuple[Raster, Raster]:
        change = Transformer.from_crs(self.grid.crs, crs, always_xy=True)
        x, y = change.transform(*self.grid.centres())
        return np.asarray(x), np.asarray(y)


@dataclass(frozen=True, eq=False)
class Place:
    """A scene, its images, and the jobs that were run on them."""

    stereo: Stereo
    paths: tuple[Path, ...]
    folder: Path
    context: Callable[..., Any]
    done: dict[str, Result] = field(default_factory=dict)

    def __call__(self, **inputs: Any) -> Result:
        """The result of a request, without pictures.

        The same request is run once, whether it names defaults or not.
        """
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("core.pipelines.dsm_opt.run.write_pictures", lambda *given: ())
            return self._once(inputs, "")

    def illustrated(self, **inputs: Any) -> Result:
        """The same with its pictures."""
        return self._once(inputs, "illustrated ")

    def _once(self, inputs: dict[str, Any], kind: str) -> Result:
        given = inputs | {"images": [{"href": path.as_uri()} for path in self.paths]}
        request = validate(DSM_OPT, json.dumps({"inputs": given}), SourcePolicy(roots=("/",)))
        key = kind + json.dumps(request.document, sort_keys=True)
        if key not in self.done:
            self.done[key] = self._run(self.folder / f"job{len(self.done)}", given)
        return self.done[key]

    def _run(self, folder: Path, given: dict[str, Any]) -> Result:
        with ThreadPoolExecutor(2) as pool:
            parameters, context, _ = self.context(folder, given, pool, DSM_OPT)
            outputs = run(parameters, context)
        with rasterio.open(folder / "output" / "dsm.tif") as file:
            grid = Grid(file.shape, file.transform, file.crs.to_wkt())
        assert isinstance(outputs, DsmOptOutputs)
        return Result(self.stereo, folder / "output", outputs, grid)
