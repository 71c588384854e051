"""Orthoimages of a finished model: which images, tile by tile, and the files of them."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from core.declare import File, RasterProduct
from core.geometry.companion import companion_model
from core.geometry.rpc import Rpc
from core.grid import Grid
from core.io.blockwise import counted, spread, spread_over_threads
from core.io.cog import write_cog
from core.io.planes import SIDE as PLANE
from core.io.planes import Plane
from core.io.products.stereo import unpacked
from core.io.products.stereo.bands import BandPixels, stage_bands
from core.io.products.stereo.staging import StagedImage
from core.io.products.stereo.view import View
from core.pipelines.dsm_opt.ancillary import WATER, fetched
from core.pipelines.dsm_opt.declaration import DsmOptParameters
from core.pipelines.dsm_opt.filling import Layers, filled_surface
from core.pipelines.dsm_opt.model import Model
from core.pipelines.dsm_opt.orientation import Eye
from core.pipelines.dsm_opt.orthography import (
    SPLINE_PX,
    Lens,
    Pixels,
    Screen,
    best_of,
    by_incidence,
    ortho_tile,
)
from core.pipelines.dsm_opt.preparation import PER_SIDE
from core.pipelines.dsm_opt.prism import outline, prism
from core.pipelines.dsm_opt.walls import walled_surface
from core.progress import Progress
from core.tiling import Window, tiles
from core.workspace import Context

TILE = 512
"""Side of a tile, cells, at most."""

TILE_PX = 2048
"""Side of what a tile shows of an image, pixels, about: where cells are large, tiles have fewer."""

MEDIA_TYPE = "image/tiff; application=geotiff; profile=cloud-optimized"

Wanted = Callable[[Window], NDArray[np.bool_]]
"""Tells which cells of a window are asked for."""

STAGED, WALLED, LAID = 0.2, 0.35, 0.7
"""Where the steps end in the time of all of them."""


class Orthos(NamedTuple):
    """The files that were asked for.

    Parameters
    ----------
    images
        One per image, the panchromatic ones first.
    best
        Of all panchromatic images.
    notes
        What the user should know, a sentence each.
    """

    images: tuple[File, ...] = ()
    best: File | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class OneBand:
    """A staged image of one band, read as one of several bands is."""

    image: StagedImage

    @property
    def window(self) -> Window:
        """The pixels that are there."""
        return self.image.window

    def read(self, window: Window) -> BandPixels:
        """A window of the image; may reach outside of what is there."""
        pixels = self.image.read(window)
        return BandPixels(pixels.values[None], pixels.weights)


def write_orthos(
    model: Model,
    eyes: Sequence[Eye],
    parameters: DsmOptParameters,
    context: Context,
    progress: Progress,
) -> Orthos:
    """Make the orthoimages that the request asks for, and of all images the best view."""
    if not (parameters.orthoimages or parameters.colour_orthoimages):
        return Orthos()
    low, high = height_range(model.surface, model.target.grid)
    lenses = _lenses(model, eyes, parameters, context, (low, high), progress.part(0, STAGED))
    if not lenses:
        return Orthos()
    water = fetched(parameters.water, WATER, context)
    filled = filled_surface(model.surface, model.target.grid, water)
    ground = walled_surface(filled, eyes, context, progress.part(STAGED, WALLED))
    screen = Screen(ground, high, ground.doubtful)
    fused = _fused(
        lenses, len(eyes) if parameters.orthoimages else 0, screen.grid, (low + high) / 2
    )
    folder = context.workspace.scratch / "orthos"
    sheets = _laid_out(screen, lenses, fused, folder, context, progress.part(WALLED, LAID))
    files = _written(sheets, screen.grid, model.target.wanted, context, progress.part(LAID, 1.0))
    for sheet in sheets:
        sheet.close()
    ground.close()
    best = files.pop() if fused else None
    left_out = [lens.name for lens in lenses[: len(eyes)] if fused and lens not in fused]
    note = f"{', '.join(left_out)} has other bands: it is not part of ortho_best."
    return Orthos(tuple(files), best, (note,) if left_out else ())


def height_range(layers: Layers, grid: Grid) -> tuple[float, float]:
    """The lowest and the highest height of a surface; 0 where it has none."""
    low, high = np.inf, -np.inf
    for tile in tiles(grid.shape, 2 * TILE):
        height = layers.read("height", tile.core)
        known = height[np.isfinite(height)]
        if known.size:
            low, high = min(low, float(known.min())), max(high, float(known.max()))
    return (low, high) if low <= high else (0.0, 0.0)


class Sheet(NamedTuple):
    """An orthoimage on scratch.

    Parameters
    ----------
    path
        Of its file below the outputs.
    key, title
        Of the output.
    bands
        Names.
    planes
        One per band.
    tags
        Of the file.
    """

    path: str
    key: str
    title: str
    bands: tuple[str, ...]
    planes: tuple[Plane, ...]
    tags: dict[str, object]

    def write(self, window: Window, values: NDArray[Any]) -> None:
        """Put (bands, rows, cols) into a window."""
        for plane, band in zip(self.planes, values, strict=True):
            plane.write(window, band)

    def read(self, window: Window) -> NDArray[Any]:
        """(bands, rows, cols) of a window."""
        return np.stack([plane.read(window) for plane in self.planes])

    def close(self) -> None:
        """Close and delete the files."""
        for plane in self.planes:
            plane.close()
            plane.path.unlink(missing_ok=True)


def _lenses(
    model: Model,
    eyes: Sequence[Eye],
    parameters: DsmOptParameters,
    context: Context,
    heights: tuple[float, float],
    progress: Progress,
) -> tuple[Lens, ...]:
    """The images that are asked for, panchromatic ones first, pixels on scratch."""
    scratch = context.workspace.scratch
    found = []
    if parameters.orthoimages:
        for image, eye in zip(model.images, eyes, strict=True):
            # Its pixels are there already: they were matched.
            pixels = eye.image.bands or OneBand(eye.image)
            found.append(_lens(image.view, image.key, eye.rpc, pixels))
    if parameters.colour_orthoimages:
        for image, eye in zip(model.images, eyes, strict=True):
            if image.view.colour is not None:
                rpc = companion_model(
                    image.view.rpc, eye.rpc, image.view.colour.rpc, image.view.colour.shape
                )
                view = unpacked(image.view.colour, scratch / "unpacked")
                window = _window_of(rpc, view, model.target.grid, heights)
                key = f"{image.key}-colour"
                staged = stage_bands(view, window, scratch / "bands" / key, progress)
                found.append(_lens(view, key, rpc, staged))
    return tuple(found)


def _lens(view: View, key: str, rpc: Rpc, pixels: Pixels) -> Lens:
    return Lens(key, view.name, view.bands, view.dtype, view.gsd_m, rpc, pixels)


def _window_of(rpc: Rpc, view: View, grid: Grid, heights: tuple[float, float]) -> Window:
    """The pixels of an image that the cells of a grid lie in."""
    seen = prism(rpc, *outline(grid, PER_SIDE), grid.crs, heights)
    return seen.around(2 * SPLINE_PX) & Window(0, 0, *view.shape)


def _fused(lenses: tuple[Lens, ...], count: int, grid: Grid, height: float) -> tuple[Lens, ...]:
    """The first `count` images from the steepest on, as far as they have the same bands."""
    order = by_incidence(lenses[:count], grid, height)
    first = [lenses[order[0]]] if order else []
    return tuple(
        lenses[n]
        for n in order
        if (lenses[n].bands, lenses[n].dtype) == (first[0].bands, first[0].dtype)
    )


def _laid_out(
    screen: Screen,
    lenses: tuple[Lens, ...],
    fused: tuple[Lens, ...],
    folder: Path,
    context: Context,
    progress: Progress,
) -> list[Sheet]:
    """All orthoimages on scratch, the best view last."""
    folder.mkdir(parents=True, exist_ok=True)
    shape = screen.grid.shape
    sheets = [_sheet(lens, folder, shape) for lens in lenses]
    best = _best_sheet(fused, folder, shape) if fused else None
    order = [lenses.index(lens) for lens in fused]
    windows = [tile.core for tile in tiles(shape, tile_side(lenses, screen.grid))]
    work = partial(ortho_tile, screen, lenses)
    results = spread(work, windows, context.executor, context.compute.workers)
    for window, laid in counted(results, len(windows), progress, "orthoimages, tile"):
        for sheet, one in zip(sheets, laid, strict=True):
            sheet.write(window, one.image)
        if best is not None:
            best.write(window, best_of([laid[n] for n in order]))
    return sheets if best is None else [*sheets, best]


def tile_side(lenses: tuple[Lens, ...], grid: Grid) -> int:
    """Side of a tile in cells, whole tiles of the planes."""
    finest = min(lens.gsd_m for lens in lenses)
    fitting = int(TILE_PX * finest / grid.pixel_size[0]) // PLANE * PLANE
    return min(max(fitting, PLANE), TILE)


def _sheet(lens: Lens, folder: Path, shape: tuple[int, int]) -> Sheet:
    title = f"Orthoimage of {lens.name}"
    tags: dict[str, object] = {"LONG_NAME": title, "IMAGE": lens.name}
    planes = _planes(folder, lens.key, lens, shape)
    return Sheet(f"orthoimages/{lens.key}.tif", lens.key, title, lens.bands, planes, tags)


def _best_sheet(fused: tuple[Lens, ...], folder: Path, shape: tuple[int, int]) -> Sheet:
    title = "Orthoimage of the best view in each place"
    tags: dict[str, object] = {
        "LONG_NAME": title,
        "IMAGES": ", ".join(lens.name for lens in fused),
        "ORDER": "each cell from the first of these images that sees it; values are as stored, "
        "nothing is adjusted where two images meet",
    }
    planes = _planes(folder, "best view", fused[0], shape)
    return Sheet("ortho_best.tif", "", title, fused[0].bands, planes, tags)


def _planes(folder: Path, name: str, lens: Lens, shape: tuple[int, int]) -> tuple[Plane, ...]:
    return tuple(
        Plane(folder / f"{name} {number}", shape, lens.dtype) for number in range(len(lens.bands))
    )


def _written(
    sheets: list[Sheet],
    grid: Grid,
    wanted: Wanted,
    context: Context,
    progress: Progress,
) -> list[File]:
    """The files, in the order of the sheets."""
    work = partial(_publish, grid, wanted, context)
    results = spread_over_threads(work, sheets, context.compute.workers)
    done: Iterator[tuple[Sheet, File]] = counted(
        results, len(sheets), progress, "writing orthoimages,"
    )
    return [file for _, file in done]


def _publish(grid: Grid, wanted: Wanted, context: Context, sheet: Sheet) -> File:
    def read(window: Window) -> NDArray[Any]:
        # What lies outside of the area was only there to hide what lies in it.
        values = sheet.read(window)
        values[:, ~wanted(window)] = 0
        return values

    def produce(path: Path) -> None:
        write_cog(
            path,
            read,
            grid,
            RasterProduct("", dtype=str(sheet.planes[0].dtype), nodata=0.0),
            tags=sheet.tags,
            scratch=context.workspace.scratch,
            bands=sheet.bands,
        )

    return context.workspace.publish(
        sheet.path, produce, type=MEDIA_TYPE, key=sheet.key, title=sheet.title
    )
