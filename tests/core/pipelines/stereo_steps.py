"""The steps of DSM-OPT on a simulated scene, one by one, up to the surface."""

from collections.abc import Callable, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from core.compute import Compute
from core.declare import Source
from core.io.products.stereo import open_views
from core.pipelines.dsm_opt.ancillary import searched_heights
from core.pipelines.dsm_opt.area import target_of
from core.pipelines.dsm_opt.declaration import DSM_OPT, DsmOptParameters
from core.pipelines.dsm_opt.images import Image
from core.pipelines.dsm_opt.matching import stereopairs
from core.pipelines.dsm_opt.model import Surface
from core.pipelines.dsm_opt.pairing import ImagePair, pairs_of
from core.pipelines.dsm_opt.preparation import Prepared, prepared
from core.pipelines.dsm_opt.surface import surface_of
from core.pipelines.dsm_opt.tiles import Job
from core.progress import QUIET
from core.simulate.stereo.making import Stereo
from core.workspace import Context, Workspace

THREADS = partial(ThreadPoolExecutor, 2)
RESOLUTION = 0.5


class Made(NamedTuple):
    """A surface, what it was made of, and what is true."""

    stereo: Stereo
    parameters: DsmOptParameters
    context: Context
    images: Sequence[Image]
    pairs: Sequence[ImagePair]
    ready: Prepared
    job: Job
    surface: Surface

    def plane(self, name: str) -> NDArray[Any]:
        return self.surface.read(name, self.job.target.grid.window)

    def error(self) -> NDArray[np.float64]:
        """Of each cell's height; NaN where the truth does not count or nothing was measured."""
        truth = self.stereo.truth(self.job.target.grid)
        height = self.plane("height").astype(np.float64)
        return np.where(truth.measurable(), height - truth.height, np.nan)


def bare(folder: Path, pool: Executor | None = None) -> Context:
    """A context without sources: the images are opened already."""
    compute = Compute(workers=2)
    return Context(None, Workspace(folder), QUIET, pool, compute, {"inputs": {}}, DSM_OPT)


def made(
    stereo: Stereo,
    folder: Path,
    *,
    true_model: bool = True,
    executor: Callable[[], Executor] = THREADS,
    tile: int | None = None,
    **given: object,
) -> Made:
    """The surface of a scene, in tiles of a side in cells where one is given."""
    (folder / "views").mkdir(parents=True, exist_ok=True)
    paths = stereo.write(folder / "views", true_model=true_model)
    values = {"resolution": RESOLUTION, "output_crs": stereo.scene.crs, **given}
    with executor() as pool:
        context = bare(folder / "job", pool)
        parameters, images, pairs, ready = readied(paths, context, **values)
        job = Job(
            target=replace(ready.target, tile=tile or ready.target.tile),
            ground=ready.ground,
            eyes=ready.eyes,
            pairs=stereopairs(parameters, images, pairs, ready, context.compute.workers, QUIET),
            minimum_patch=parameters.minimum_patch,
            point_cloud=parameters.point_cloud,
        )
        surface, _ = surface_of(job, context, QUIET)
    return Made(stereo, parameters, context, images, pairs, ready, job, surface)


def retiled(one: Made, folder: Path, tile: int) -> Made:
    """The same surface in other tiles."""
    job = replace(one.job, target=replace(one.job.target, tile=tile))
    with THREADS() as pool:
        context = bare(folder, pool)
        surface, _ = surface_of(job, context, QUIET)
    return one._replace(context=context, job=job, surface=surface)


def readied(
    paths: Sequence[Path], context: Context, **given: object
) -> tuple[DsmOptParameters, Sequence[Image], Sequence[ImagePair], Prepared]:
    """Images as they are before they are matched."""
    views = sorted(open_views(paths, scratch=context.workspace.scratch), key=lambda view: view.name)
    images = [Image(number, view, view.name) for number, view in enumerate(views, 1)]
    sources = tuple(Source(href=f"file:{path}") for path in paths)
    parameters = DsmOptParameters(images=sources, **given)
    pairs = pairs_of(parameters, images)
    target = target_of(parameters, images, pairs)
    heights = searched_heights(parameters, images)
    return (
        parameters,
        images,
        pairs,
        prepared(parameters, context, images, pairs, target, heights, QUIET),
    )
