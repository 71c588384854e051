"""MPIC-OPT: from images to maps of displacement."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from core.declare import File
from core.errors import InputError, NothingMeasured, OptiGroundError, Problem
from core.grid import Grid
from core.io.products import Scene
from core.io.rasters import Reader, stage, warp
from core.matching.coregistration import Shift
from core.matching.options import halo
from core.pipelines.mpic_opt.corrections import Corrections, estimate
from core.pipelines.mpic_opt.declaration import MpicOptOutputs, MpicOptParameters
from core.pipelines.mpic_opt.documents import write_documents
from core.pipelines.mpic_opt.effort import matching_options
from core.pipelines.mpic_opt.filters import Marks, Neighbours, check_measured, remove
from core.pipelines.mpic_opt.lattice import Lattice, lattice_of, same_lattice, warp_window
from core.pipelines.mpic_opt.layers import Layers
from core.pipelines.mpic_opt.measurement import Task, coarse_shift, measure, texture_floor
from core.pipelines.mpic_opt.mixing import check_clouds
from core.pipelines.mpic_opt.notes import notes_of
from core.pipelines.mpic_opt.pairing import Pair, check_rate, pairs_of, time_factor
from core.pipelines.mpic_opt.pictures import write_pictures
from core.pipelines.mpic_opt.planes import Planes
from core.pipelines.mpic_opt.products import write_layers
from core.pipelines.mpic_opt.scenes import open_images
from core.pipelines.written import Written
from core.progress import Progress
from core.report.statistics import PairStatistics
from core.workspace import Context

PREPARED, MATCHED, FILTERED, WRITTEN = 0.06, 0.6, 0.66, 0.97
"""Where the steps of a pair end in its time, measured on full tiles."""


@dataclass(frozen=True)
class PairResult:
    """What became of a pair: files and figures, or the problem that stopped it."""

    pair: Pair
    grid: Grid | None = None
    written: dict[str, Written] = field(default_factory=dict)
    pictures: tuple[File, ...] = ()
    statistics: PairStatistics | None = None
    problem: Problem | None = None


def run(parameters: MpicOptParameters, context: Context) -> MpicOptOutputs:
    """Measure every pair of the request.

    Raises
    ------
    InputError
        An input cannot be used, or the only pair failed because of one.
    NothingMeasured
        Every pair failed.
    """
    images = open_images(parameters, context)
    pairs = pairs_of(parameters, images)
    staged = _Staged(context)
    results = [
        _attempt(pair, parameters, context, staged, _span(context.progress, number, len(pairs)))
        for number, pair in enumerate(pairs)
    ]
    done = [result for result in results if result.problem is None]
    if not done:
        raise NothingMeasured(
            f"None of the {len(results)} pairs could be measured; the first: {_message(results[0])}"
        )
    context.progress.report(1.0, "writing the documents")
    rasters = _by_output(done)
    pictures = tuple(picture for result in done for picture in result.pictures)
    documents = write_documents(parameters, context, images, results, rasters, pictures)
    return MpicOptOutputs(**rasters, quicklook=pictures, **documents)


class _Staged:
    """The images of the job in a form that is quick to read, each made when first needed."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._scenes: dict[int, Scene] = {}

    def scene(self, number: int, scene: Scene, progress: Progress) -> Scene:
        """Image `number` of the request."""
        if number not in self._scenes:
            path = self._context.workspace.scratch / f"image{number:03d}.tif"
            self._scenes[number] = stage(scene, path, progress)
        return self._scenes[number]


def _attempt(
    pair: Pair,
    parameters: MpicOptParameters,
    context: Context,
    staged: _Staged,
    progress: Progress,
) -> PairResult:
    """A pair's result; one of several pairs that fails does not stop the others."""
    try:
        return _measured(pair, parameters, context, staged, progress)
    except OptiGroundError as error:
        if not parameters.scenes or not _of_the_pair(error):
            raise
        return PairResult(pair, problem=error.problem())


def _measured(
    pair: Pair,
    parameters: MpicOptParameters,
    context: Context,
    staged: _Staged,
    progress: Progress,
) -> PairResult:
    reference, secondary, lattice = _aligned(pair, parameters, context, staged, progress)
    unit, grid = reference.unit_metres, lattice.grid
    planes = Planes.create(context.workspace.scratch / f"planes-{pair.key}", grid.shape)
    try:
        marks = Marks(parameters, (reference, secondary), lattice, _mask(parameters, context))
        shift = _match(marks, planes, context, progress.part(PREPARED, MATCHED))
        corrections = estimate(planes, grid, unit, parameters)
        neighbours = Neighbours(parameters, planes, grid, unit, corrections)
        left = remove(neighbours, context, progress.part(MATCHED, FILTERED))
        check_measured(pair, left, planes)
        layers = _layers(neighbours, time_factor(parameters, pair))
        written = write_layers(layers, pair, parameters, context, progress.part(FILTERED, WRITTEN))
    finally:
        planes.close()
        _remove_warped(pair, context)
    progress.report(WRITTEN, "drawing")
    pictures = tuple(write_pictures(written, pair, parameters, context))
    statistics = _statistics(pair, written, corrections, notes_of(marks, shift, corrections, left))
    return PairResult(pair, layers.output_grid, written, pictures, statistics)


def _aligned(
    pair: Pair,
    parameters: MpicOptParameters,
    context: Context,
    staged: _Staged,
    progress: Progress,
) -> tuple[Scene, Scene, Lattice]:
    """Both images with the same kind of pixels, and their common ground."""
    assert pair.reference.scene is not None
    assert pair.secondary.scene is not None
    spans = [progress.part(PREPARED * n / 3, PREPARED * (n + 1) / 3) for n in range(3)]
    reference = staged.scene(pair.reference.number, pair.reference.scene, spans[0])
    secondary = staged.scene(pair.secondary.number, pair.secondary.scene, spans[1])
    check_rate(parameters, pair)
    check_clouds(parameters, reference, secondary)
    if not same_lattice(reference, secondary):
        border = halo(matching_options(parameters, reference, 1.0))
        target = warp_window(reference, secondary, parameters.aoi, border)
        path = _warped(pair, context)
        secondary = warp(secondary, reference.grid.crop(target), path, spans[2])
    window = parameters.window or 0
    return reference, secondary, lattice_of(reference, secondary.grid, parameters.aoi, window)


def _match(marks: Marks, planes: Planes, context: Context, progress: Progress) -> Shift:
    """Match the pair into the planes; the shift at which the search began."""
    parameters, lattice = marks.parameters, marks.lattice
    reference, secondary = marks.scenes
    with Reader(reference) as first, Reader(secondary) as second:
        floor = texture_floor(first, lattice.window)
        shift = Shift(0, 0, 0)
        if parameters.coregistration:
            progress.report(0.0, "co-registering")
            shift = coarse_shift(first, second, lattice, floor)
        options = matching_options(parameters, reference, floor)
        task = Task(first, second, lattice, (shift.rows, shift.cols), options, marks)
        measure(task, planes, context, progress)
    return shift


def _layers(neighbours: Neighbours, factor: float) -> Layers:
    parameters = neighbours.parameters
    return Layers(
        planes=neighbours.planes,
        grid=neighbours.grid,
        step=parameters.step,
        unit=neighbours.unit,
        factor=factor,
        corrections=neighbours.corrections,
        smoothing=parameters.smoothing_window,
    )


def _statistics(
    pair: Pair, written: dict[str, Written], corrections: Corrections, notes: Sequence[str]
) -> PairStatistics:
    return PairStatistics(
        key=pair.key,
        reference=pair.reference.name,
        secondary=pair.secondary.name,
        days=pair.days,
        layers={name: w.summary for name, w in written.items() if w.summary is not None},
        reasons=dict(written["reasons"].shares),
        corrections=corrections.removed,
        notes=tuple(notes),
    )


def _mask(parameters: MpicOptParameters, context: Context) -> Path | None:
    if parameters.mask is None:
        return None
    return context.sources.fetch(parameters.mask, "/inputs/mask")


def _by_output(results: Sequence[PairResult]) -> dict[str, tuple[File, ...]]:
    names = dict.fromkeys(name for result in results for name in result.written)
    return {name: tuple(result.written[name].file for result in results) for name in names}


def _of_the_pair(error: OptiGroundError) -> bool:
    """Whether an error is of these two images, and not of the machine or the whole job."""
    return isinstance(error, InputError | NothingMeasured) and error.pointer != "/inputs/mask"


def _warped(pair: Pair, context: Context) -> Path:
    return context.workspace.scratch / f"warped-{pair.key}.tif"


def _remove_warped(pair: Pair, context: Context) -> None:
    path = _warped(pair, context)
    for file in path.parent.glob(f"{path.stem}.*"):
        file.unlink()


def _span(progress: Progress, number: int, count: int) -> Progress:
    prefix = f"pair {number + 1} of {count}: "
    return progress.part(0.02 + 0.96 * number / count, 0.02 + 0.96 * (number + 1) / count, prefix)


def _message(result: PairResult) -> str:
    return result.problem.message if result.problem else ""
