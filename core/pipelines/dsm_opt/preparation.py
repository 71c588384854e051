"""From opened images to what tiles are made of: refined models, coarse ground, pixels at hand."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from pyproj import Transformer

from core.errors import NoOverlap
from core.geometry.adjustment import Report
from core.geometry.control import ControlPoint
from core.geometry.ground import Ground
from core.geometry.rpc import Rpc
from core.grid import GEOGRAPHIC, Grid
from core.io.products.stereo.staging import StagedImage
from core.matching.arrays import Layer
from core.matching.tiepoints import TieImage
from core.pipelines.dsm_opt.area import Target, cells_holding
from core.pipelines.dsm_opt.choices import Adjust
from core.pipelines.dsm_opt.coarse import ALIGNED, Overview, coarse_ground
from core.pipelines.dsm_opt.declaration import DsmOptParameters
from core.pipelines.dsm_opt.images import Image
from core.pipelines.dsm_opt.orientation import Eye, adjusted, fine_points, rough_points
from core.pipelines.dsm_opt.pairing import ImagePair
from core.pipelines.dsm_opt.prism import outline, prism
from core.pipelines.dsm_opt.supply import Supply, supply
from core.progress import Progress
from core.tiling import Window
from core.workspace import Context

OVERVIEW_PX = 1300
"""Rows or columns of a reduced image, at most."""

LEAST_FACTOR = 4
"""Images are reduced so far at least, where they are not small."""

SMALL_PX = 512
"""Rows and columns below which they are reduced half as far."""

TIED_WHOLE_PX = 1280
"""Rows and columns up to which tie points are looked for in whole images."""

PER_SIDE = 9
"""Places along each side of the output at which images are asked for its ground."""

PRISM_PX = 96
"""Pixels around the wanted ground that are used too."""

COARSE_PX = 200
"""The same of reduced images: the coarse ground follows from more than what is above it."""

HEIGHTS_PAD_M = 30.0
"""Heights beyond those of the coarse ground for which pixels are made ready."""

CROP_PAD_PX = 16.0
"""Pixels around a crop whose coarse ground is looked at."""

OVERVIEWS, ADJUSTED, COARSE, STAGED = 0.3, 0.5, 0.7, 0.9
"""Where the steps end in the time of all of them."""


@dataclass(frozen=True)
class Prepared:
    """What tiles are made of.

    Parameters
    ----------
    eyes
        Images with refined models.
    ground
        The coarse model.
    target
        The output, no larger than what pairs see.
    levels
        Halvings at which a tile's matching begins.
    report
        Of the refinement; None where none was wanted.
    notes
        What the user should know, a sentence each.
    """

    eyes: tuple[Eye, ...]
    ground: Ground
    target: Target
    levels: int
    report: Report | None
    notes: tuple[str, ...] = ()


def prepared(
    parameters: DsmOptParameters,
    context: Context,
    images: Sequence[Image],
    pairs: Sequence[ImagePair],
    target: Target,
    heights: tuple[float, float],
    progress: Progress,
    control: Sequence[ControlPoint] = (),
) -> Prepared:
    """Reduce, refine the models, find the ground, and make the pixels ready.

    Parameters
    ----------
    heights
        Between which ground is looked for, metres above the ellipsoid.
    control
        Ground control.
    """
    work = _Work(parameters, context, tuple(images), pairs, heights)
    rpcs = [image.view.rpc for image in images]
    windows = work.windows(rpcs, target.grid, heights, COARSE_PX)
    side = max(max(window.shape) for window in windows)
    factor, whole = _factor(side), side <= TIED_WHOLE_PX
    supplies = work.supplies(windows, factor, small=whole)
    overviews = _overviews(supplies, progress.part(0, OVERVIEWS))
    staged = _full(supplies, windows, progress.part(OVERVIEWS, OVERVIEWS)) if whole else []
    report: Report | None = None
    if work.refines:
        progress.report(OVERVIEWS, "tie points")
        rpcs, report = work.adjusted(rpcs, staged or overviews, control if whole else ())
    ground = work.ground(rpcs, overviews, target, progress.part(ADJUSTED, COARSE))
    target = _trimmed(target, ground, rpcs, images, pairs)
    if not whole:
        windows = work.windows(rpcs, target.grid, _narrowed(ground, target), PRISM_PX)
        staged = _full(supplies, windows, progress.part(COARSE, STAGED))
    eyes = tuple(
        Eye(view, rpc, image.view.gsd_m, image.view.shape)
        for view, rpc, image in zip(staged, rpcs, images, strict=True)
    )
    if work.refines and not whole:
        eyes, report = work.adjusted_finely(
            eyes, ground, target, control, progress.part(STAGED, 1.0)
        )
    notes = tuple(dict.fromkeys(note for view in staged for note in view.warnings))
    return Prepared(eyes, ground, target, factor.bit_length() - 2, report, notes)


@dataclass(frozen=True)
class _Work:
    """What the steps of the preparation share."""

    parameters: DsmOptParameters
    context: Context
    images: tuple[Image, ...]
    pairs: Sequence[ImagePair]
    heights: tuple[float, float]

    @property
    def refines(self) -> bool:
        """Whether the models are to be refined."""
        return self.parameters.adjustment is not Adjust.NONE

    @property
    def affine(self) -> bool:
        """Whether by more than shifts."""
        return self.parameters.adjustment is Adjust.AFFINE

    def windows(
        self, rpcs: Sequence[Rpc], grid: Grid, heights: tuple[float, float], around: int
    ) -> list[Window]:
        """The pixels of each image that may show the grid, and so many more on each side."""
        return [
            prism_window(rpc, image.view.shape, grid, heights, around)
            for rpc, image in zip(rpcs, self.images, strict=True)
        ]

    def supplies(self, windows: Sequence[Window], factor: int, *, small: bool) -> list[Supply]:
        """What decodes each image."""
        return [
            supply(
                image.view,
                window,
                factor,
                self.context.workspace.scratch,
                f"image{image.number}",
                small=small,
                all_bands=self.parameters.orthoimages and len(image.view.bands) > 1,
            )
            for image, window in zip(self.images, windows, strict=True)
        ]

    def adjusted(
        self,
        rpcs: Sequence[Rpc],
        staged: Sequence[StagedImage],
        control: Sequence[ControlPoint],
    ) -> tuple[list[Rpc], Report]:
        """Models refined by tie points of whole images, reduced or not."""
        factor = staged[0].factor
        ties = [
            TieImage(_layer(view), view.model(rpc)) for view, rpc in zip(staged, rpcs, strict=True)
        ]
        points = rough_points(ties, self.heights, factor)
        if factor == 1:
            for number, view in enumerate(staged):
                points.row[number] += view.window.row
                points.col[number] += view.window.col
            result = adjusted(self.images, rpcs, points, control, affine=self.affine)
            return list(result.rpcs), result.report
        models = [tie.rpc for tie in ties]
        result = adjusted(self.images, models, points, (), affine=False, factor=factor)
        return [
            rpc.moved(shift.row * factor, shift.col * factor)
            for rpc, shift in zip(rpcs, result.corrections, strict=True)
        ], result.report

    def adjusted_finely(
        self,
        eyes: Sequence[Eye],
        ground: Ground,
        target: Target,
        control: Sequence[ControlPoint],
        progress: Progress,
    ) -> tuple[tuple[Eye, ...], Report]:
        """Images with models refined by tie points at full resolution all over the ground."""
        corners, workers = np.array(target.grid.bounds), self.context.compute.workers
        points = fine_points(eyes, ground, corners, workers, progress)
        rpcs = [eye.rpc for eye in eyes]
        result = adjusted(self.images, rpcs, points, control, affine=self.affine)
        refined = zip(eyes, result.rpcs, strict=True)
        return tuple(replace(eye, rpc=rpc) for eye, rpc in refined), result.report

    def ground(
        self,
        rpcs: Sequence[Rpc],
        overviews: Sequence[StagedImage],
        target: Target,
        progress: Progress,
    ) -> Ground:
        """The coarse model of all ground that reduced images show."""
        factor = overviews[0].factor
        reduced = [
            _overview(view, rpc, image)
            for view, rpc, image in zip(overviews, rpcs, self.images, strict=True)
        ]
        halvings = factor.bit_length() - 1
        crs = target.grid.crs
        return coarse_ground(reduced, self.pairs, self.heights, crs, halvings, progress)


def _overview(view: StagedImage, rpc: Rpc, image: Image) -> Overview:
    """A reduced image with no data around it, so that it begins where halved pixels do."""
    there = view.pixels
    top, left = there.row // ALIGNED * ALIGNED, there.col // ALIGNED * ALIGNED
    bottom, right = there.row + there.height, there.col + there.width
    pixels = view.read(Window(top, left, bottom - top, right - left))
    height, width = image.view.shape
    return Overview(
        Layer(pixels.values, pixels.weights),
        top,
        left,
        (height // view.factor, width // view.factor),
        view.model_of_all(rpc),
        image.view.gsd_m * view.factor,
    )


def _overviews(supplies: Sequence[Supply], progress: Progress) -> list[StagedImage]:
    spans = _spans(progress, len(supplies))
    return [one.overview(span) for one, span in zip(supplies, spans, strict=True)]


def _full(
    supplies: Sequence[Supply], windows: Sequence[Window], progress: Progress
) -> list[StagedImage]:
    spans = _spans(progress, len(supplies))
    return [one.full(part, span) for one, part, span in zip(supplies, windows, spans, strict=True)]


def _spans(progress: Progress, count: int) -> list[Progress]:
    return [progress.part(number / count, (number + 1) / count) for number in range(count)]


def _narrowed(ground: Ground, target: Target) -> tuple[float, float]:
    """The heights for which pixels are made ready when the ground is known."""
    low, high = ground.range(*outline(target.grid, PER_SIDE), 0.0)
    return low - HEIGHTS_PAD_M, high + HEIGHTS_PAD_M


def prism_window(
    rpc: Rpc, shape: tuple[int, int], grid: Grid, heights: tuple[float, float], around: int
) -> Window:
    """The pixels of an image that may show a grid's ground between two heights, and some more.

    Raises
    ------
    NoOverlap
        There are none.
    """
    seen = prism(rpc, *outline(grid, PER_SIDE), grid.crs, np.linspace(*heights, 3))
    whole = Window(0, 0, *shape)
    if not seen.complete:
        # Some of the ground lies outside of the model: what is inside does not tell how far.
        return whole
    window = seen.around(around) & whole
    if window.empty:
        raise NoOverlap("An image shows none of the wanted ground.", pointer="/inputs/images")
    return window


def _factor(side: int) -> int:
    factor = LEAST_FACTOR if side >= SMALL_PX else LEAST_FACTOR // 2
    while side / factor > OVERVIEW_PX:
        factor *= 2
    return factor


def _layer(image: StagedImage) -> Layer:
    pixels = image.read(image.pixels)
    return Layer(pixels.values, pixels.weights)


def _trimmed(
    target: Target,
    ground: Ground,
    rpcs: Sequence[Rpc],
    images: Sequence[Image],
    pairs: Sequence[ImagePair],
) -> Target:
    """The output without what no pair sees; an area of interest stays whole."""
    if target.area is not None:
        return target
    x, y = ground.grid.centres()
    project = Transformer.from_crs(ground.grid.crs, GEOGRAPHIC, always_xy=True)
    lon, lat = project.transform(x, y)
    inside = []
    for rpc, image in zip(rpcs, images, strict=True):
        place = rpc.project(lon, lat, ground.height)
        height, width = image.view.shape
        inside.append(
            (place.row > -0.5)
            & (place.row < height - 0.5)
            & (place.col > -0.5)
            & (place.col < width - 0.5)
        )
    seen = np.zeros(ground.grid.shape, np.bool_)
    for pair in pairs:
        seen |= inside[pair.first] & inside[pair.second]
    if target.crop is not None:
        place = rpcs[target.crop.image].project(lon, lat, ground.height)
        seen &= target.crop.holds(place.row, place.col, CROP_PAD_PX)
    if not seen.any():
        raise NoOverlap(
            "No pair of images sees the ground that was found.", pointer="/inputs/images"
        )
    half = ground.grid.pixel_size[0] / 2
    x, y = (np.concatenate([axis[seen] - half, axis[seen] + half]) for axis in (x, y))
    window = cells_holding(target.grid, x, y) & target.grid.window
    return target.over(target.grid.crop(window))
