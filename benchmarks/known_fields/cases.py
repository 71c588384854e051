"""Pairs warped from a real Sentinel-2 image by known fields: mpic-opt as a user calls it.

All defaults, but co-registration and deramp off.  Scored by the `score.py` that lies beside the
data, all outliers included.  Our sub-command runs as a process of its own.
"""

import importlib.util
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import numpy as np
import rasterio

from benchmarks.result import Result, Stopwatch

SHARED = Path(os.environ.get("OPTIGROUND_SHARED", Path(__file__).parents[3] / "shared"))
DATA = SHARED / "data" / "displacement" / "known_fields"
PAIRS = ("etq_noisy", "ramp_noisy", "ramp_clean", "slide_noisy")
PIXEL_M = 10.0


def run() -> Iterator[Result]:
    for pair in PAIRS:
        with tempfile.TemporaryDirectory() as folder, Stopwatch() as watch:
            east, north = measured(pair, Path(folder) / "out")
        yield Result("known_fields", pair, "mpic-opt", figures(pair, east, north, watch))


def measured(pair: str, output: Path) -> tuple[np.ndarray, np.ndarray]:
    """East and north in pixels."""
    images = [
        "--reference",
        str(DATA / f"{pair}_1.tif"),
        "--secondary",
        str(DATA / f"{pair}_2.tif"),
    ]
    command = [Path(sys.executable).with_name("optiground"), "mpic-opt", *images]
    options = ["--no-coregistration", "--no-deramp", "--output", str(output)]
    subprocess.run([*command, *options], check=True, stdout=subprocess.DEVNULL)
    components = []
    for name in ("displacement_east", "displacement_north"):
        with rasterio.open(next((output / name).glob("*.tif"))) as dataset:
            components.append(dataset.read(1) / PIXEL_M)
    return components[0], components[1]


def figures(pair: str, east: np.ndarray, north: np.ndarray, watch: Stopwatch) -> dict[str, float]:
    rows, cols = np.mgrid[: east.shape[0], : east.shape[1]]
    truth = DATA / f"{pair}_truth.npz"
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "result.npz"
        # The truth counts south as positive.
        np.savez(path, x=cols, y=rows, ew=east, ns=-north, t=watch.wall_s, cpu=watch.cpu_s, rss=0)
        found = scorer().score(path, truth)
    known = np.load(truth)
    inner, edge = (border_rmse(east, north, known, *band) for band in ((64, 10_000), (4, 32)))
    return {
        "rmse_px": found["rmse"],
        "inlier_rmse_px": found["rmse_in"],
        "moving_rmse_px": found["rmse_mov"],
        "near_fault_rmse_px": found["rmse_near"],
        "outliers_percent": 100 * found["out"],
        "coverage_percent": 100 * found["cov"],
        "edge_over_inner": edge / inner,
        "wall_s": watch.wall_s,
        "cpu_s_per_mpx": watch.cpu_s / (east.size / 1e6),
    }


def border_rmse(east: np.ndarray, north: np.ndarray, truth: object, near: int, far: int) -> float:
    """RMSE of the ground that lies `near` to `far` pixels from the border."""
    height, width = east.shape
    rows, cols = np.mgrid[:height, :width]
    depth = np.minimum(np.minimum(rows, height - 1 - rows), np.minimum(cols, width - 1 - cols))
    counted = (depth >= near) & (depth < far) & ~truth["dec"]
    errors = np.concatenate([(east - truth["ew"])[counted], (-north - truth["ns"])[counted]])
    return float(np.sqrt(np.nanmean(errors**2)))


def scorer() -> ModuleType:
    """The module that scores results, from the folder of the data."""
    specification = importlib.util.spec_from_file_location("score", DATA / "score.py")
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module
