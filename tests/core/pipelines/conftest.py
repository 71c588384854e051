"""Runs MPIC-OPT in this process and reads what it wrote."""

import json
from collections.abc import Callable
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from affine import Affine

from core.compute import Compute
from core.declare import SourcePolicy, validate
from core.grid import Grid
from core.io.sources import Sources
from core.pipelines import PIPELINES
from core.pipelines.mpic_opt.declaration import MpicOptOutputs
from core.pipelines.mpic_opt.inspection import inspect
from core.pipelines.mpic_opt.run import run
from core.progress import Progress
from core.workspace import Context, Workspace

UNCORRECTED = {"coregistration": False, "deramp": False}
UNFILTERED = UNCORRECTED | {
    "minimum_score": 0.0,
    "forward_backward_tolerance": 0.0,
    "outlier_window": 0,
    "minimum_patch": 0,
    "maximum_displacement": 0.0,
}


NORTH_UP = Affine(10, 0, 400000, 0, -10, 4700000)


def source(path: Path) -> dict[str, str]:
    return {"href": path.resolve().as_uri()}


@dataclass(frozen=True)
class Result:
    folder: Path
    outputs: MpicOptOutputs
    reports: list[tuple[float, str]]

    def dataset(self, output: str, number: int = 0) -> Any:
        return rasterio.open(self.folder / getattr(self.outputs, output)[number].path)

    def raster(self, output: str, number: int = 0) -> np.ndarray:
        with self.dataset(output, number) as dataset:
            return dataset.read(1)

    def document(self, output: str) -> Any:
        return json.loads((self.folder / getattr(self.outputs, output).path).read_text())

    @property
    def pair(self) -> Any:
        return self.document("statistics")["pairs"][0]


JOB = "https://example.org/ground/jobs/1"


def context(
    folder: Path, inputs: dict[str, Any], pool: Executor, **compute: Any
) -> tuple[Any, Context, list]:
    workspace, reports = Workspace(folder), []
    pipeline = PIPELINES["mpic-opt"]
    policy = SourcePolicy(roots=("/",))
    checked = validate(pipeline, json.dumps({"inputs": inputs}), policy)
    made = Context(
        sources=Sources(policy, {}, workspace.scratch / "sources"),
        workspace=workspace,
        progress=Progress(lambda done, message: reports.append((done, message))),
        executor=pool,
        compute=Compute(workers=2, scratch=workspace.scratch, **compute),
        document=checked.document,
        pipeline=pipeline,
        job_link=JOB,
    )
    return checked.parameters, made, reports


@pytest.fixture
def measure(tmp_path: Path) -> Callable[..., Result]:
    """Runs the service on sources given as paths; other inputs as in a request."""
    count = 0

    def run_service(
        reference: Path | None = None,
        secondary: Path | None = None,
        *,
        pool: Executor | None = None,
        memory: int = 1536 << 20,
        **inputs: Any,
    ) -> Result:
        nonlocal count
        count += 1
        folder = tmp_path / f"job{count}"
        if reference is not None and secondary is not None:
            inputs |= {"reference": source(reference), "secondary": source(secondary)}
        with ThreadPoolExecutor(2) as threads:
            parameters, made, reports = context(folder, inputs, pool or threads, memory=memory)
            outputs = run(parameters, made)
        return Result(folder / "output", outputs, reports)

    return run_service


@pytest.fixture
def look(tmp_path: Path) -> Callable[..., dict[str, Any]]:
    """Inspects a request."""

    def inspect_request(**inputs: Any) -> dict[str, Any]:
        with ThreadPoolExecutor(1) as threads:
            parameters, made, _ = context(tmp_path / "inspection", inputs, threads)
            return inspect(parameters, made)

    return inspect_request


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    """Writes an image as a GeoTIFF."""

    def write_image(
        name: str,
        values: np.ndarray,
        transform: Affine = NORTH_UP,
        crs: str = "EPSG:32633",
        **profile: Any,
    ) -> Path:
        path = tmp_path / f"{name}.tif"
        shape = {"height": values.shape[0], "width": values.shape[1], "count": 1}
        with rasterio.open(
            path,
            "w",
            driver="GTiff",
            dtype=values.dtype,
            crs=crs,
            transform=transform,
            **shape,
            **profile,
        ) as dataset:
            dataset.write(values, 1)
        return path

    return write_image


def grid_of(dataset: Any) -> Grid:
    return Grid(dataset.shape, dataset.transform, dataset.crs.to_wkt())
