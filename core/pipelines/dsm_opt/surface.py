"""The surface of the whole area: its tiles through the executor, each kept when it is finished."""

import json
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import core
from core.errors import NothingMeasured
from core.geometry.block_report import NORMAL
from core.io.blockwise import counted, spread
from core.pipelines.dsm_opt.model import PLANES, Consistency, Surface
from core.pipelines.dsm_opt.tiles import BIN_M, BINS, Job, TileResult, make_tile
from core.progress import Progress
from core.tiling import Window
from core.workspace import Context

NPZ = ".npz"


def surface_of(
    job: Job, context: Context, progress: Progress
) -> tuple[Surface, tuple[Consistency, ...]]:
    """Make all tiles, in an order and with margins that no memory or number of workers changes.

    Tiles that an earlier run of the job has finished are not made again.

    Raises
    ------
    NothingMeasured
        No cell has a height.
    """
    windows = list(job.target.tiles())
    surface = Surface.create(context.workspace.scratch / "surface", job.target.grid.shape)
    differences = np.zeros((len(job.pairs), BINS), np.int64)
    found = False
    results = counted(_tiles(job, windows, context), len(windows), progress, "matching, tile")
    for window, result in results:
        surface.write(window, result.layers)
        differences += result.differences
        found |= bool((result.layers["reasons"] == 0).any())
    if not found:
        raise NothingMeasured(
            "Nothing could be measured: no cell of the area has a match in two images that passed "
            "the filters."
        )
    return surface, _consistency(job, differences)


def tile_points(window: Window, context: Context) -> NDArray[np.float64]:
    """The points of a tile that was made, as in :class:`TileResult`."""
    path = context.workspace.kept(tile_key(window, context), NPZ)
    assert path is not None
    with np.load(path, allow_pickle=False) as kept:
        points: NDArray[np.float64] = kept["points"]
        return points


def _tiles(
    job: Job, windows: Sequence[Window], context: Context
) -> Iterator[tuple[Window, TileResult]]:
    """Every tile once: first those that are there already."""
    keys = {window: tile_key(window, context) for window in windows}
    done = {window: context.workspace.kept(keys[window], NPZ) for window in windows}
    for window, path in done.items():
        if path is not None:
            yield window, _loaded(path)
    missing = [window for window, path in done.items() if path is None]
    made = spread(partial(make_tile, job), missing, context.executor, context.compute.workers)
    for window, result in made:
        context.workspace.once(keys[window], partial(_save, result), NPZ)
        yield window, result


def tile_key(window: Window, context: Context) -> str:
    """What a tile follows from; the job's folder holds no other sources."""
    request = json.dumps(context.document, sort_keys=True)
    return f"tile {window} of {context.pipeline.version} {core.__version__} {request}"


def _save(result: TileResult, path: Path) -> None:
    with path.open("wb") as file:
        layers: Any = {"differences": result.differences, "points": result.points, **result.layers}
        np.savez(file, **layers)


def _loaded(path: Path) -> TileResult:
    with np.load(path, allow_pickle=False) as kept:
        layers = {name: kept[name] for name in PLANES}
        return TileResult(layers, kept["differences"], kept["points"])


def _consistency(job: Job, differences: NDArray[np.int64]) -> tuple[Consistency, ...]:
    """Median and spread of each pair's differences, from their distribution."""
    centres = (np.arange(BINS) - BINS // 2) * np.float64(BIN_M)
    told = []
    for pair, counts in zip(job.pairs, differences, strict=True):
        total = int(counts.sum())
        if total == 0:
            continue
        median = _median(centres, counts)
        distance = np.abs(centres - median)
        order = np.argsort(distance, kind="stable")
        spread_m = NORMAL * _median(distance[order], counts[order])
        told.append(Consistency(pair.key, total, median, spread_m))
    return tuple(told)


def _median(values: NDArray[np.float64], counts: NDArray[np.int64]) -> float:
    """The median of sorted values that occur so often."""
    below = np.cumsum(counts)
    return float(values[np.searchsorted(below, (below[-1] + 1) // 2)])
