"""Writes the rasters of a surface model, each with its summary."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pyproj import Transformer

from core.declare import File, Output, RasterProduct
from core.geometry.hillshade import hillshade
from core.grid import GEOGRAPHIC, Grid
from core.io.blockwise import spread_over_threads
from core.io.cog import write_cog
from core.pipelines.dsm_opt.ancillary import WATER, fetched
from core.pipelines.dsm_opt.declaration import DsmOptParameters
from core.pipelines.dsm_opt.filling import FilledSurface, filled_surface
from core.pipelines.dsm_opt.model import Model
from core.pipelines.written import Meter, Written
from core.progress import Progress
from core.reasons import TEXT, Reason
from core.report.statistics import Gatherer, ReasonCounter
from core.tiling import Window
from core.workspace import Context

Values = NDArray[Any]

PLAIN = {
    "dsm_error": "error",
    "intersection_error": "intersection",
    "score": "score",
    "contributing_pairs": "pairs",
}
"""Outputs that are planes as they are."""

HEIGHTS = ("dsm", "dsm_filled")
BITS = "reasons"

ERROR_STEPS = 50
"""Heights and errors are rounded to at most this part of the median error."""

LEAST_STEP_M = 2.0**-13
"""Rounding step at least, metres: what is below is arithmetic, not measurement."""

SAMPLES = 1000
"""Rows of the sample from which the median error is taken, at most."""

FINISHED = 1.0


@dataclass(frozen=True)
class Layers:
    """The rasters' values by window.

    Parameters
    ----------
    model
        What they come from.
    filled
        The surface without holes, where it is wanted.
    """

    model: Model
    filled: FilledSurface | None

    def read(self, name: str, window: Window) -> Values:
        """Values of an output in a window inside the grid."""
        surface = self.model.surface
        if name == "contributing_pairs":
            lost = self._lost(window) != 0
            return np.where(lost, np.uint8(0), surface.read(PLAIN[name], window))
        if name in PLAIN:
            return surface.read(PLAIN[name], window)
        if name == BITS:
            return self._reasons(window)
        if name == "hillshade":
            return self._shaded(window)
        return self._above_datum(self._heights(name, window), window)

    def _heights(self, name: str, window: Window) -> Values:
        if name == "dsm":
            return self.model.surface.read("height", window)
        assert self.filled is not None
        outside = self.model.surface.read("reasons", window) & np.uint16(Reason.OUTSIDE)
        return np.where(outside == 0, self.filled.read(window), np.float32(np.nan))

    def _reasons(self, window: Window) -> Values:
        reasons = self._lost(window)
        if self.filled is not None:
            made = np.isfinite(self._heights("dsm_filled", window)) & (reasons != 0)
            reasons[made] |= np.uint16(Reason.FILLED)
        return reasons

    def _lost(self, window: Window) -> Values:
        """Why cells have no height above the datum, before anything is filled."""
        reasons = self.model.surface.read("reasons", window)
        if self.model.datum.system is not None:
            # A geoid's grid may end within the model.
            height = self.model.surface.read("height", window)
            beyond = np.isfinite(height) & np.isnan(self._above_datum(height, window))
            reasons[beyond] |= np.uint16(Reason.OUTSIDE)
        return reasons

    def _shaded(self, window: Window) -> Values:
        grid = self.model.target.grid
        wide = window.pad(1) & grid.window
        light = hillshade(self.model.surface.read("height", wide), grid.pixel_size[0])
        return light[window.inside(wide).slices]

    def _above_datum(self, height: Values, window: Window) -> Values:
        """Heights above the ellipsoid as heights above the datum that is wanted."""
        datum = self.model.datum
        if datum.system is None:
            return height
        grid = self.model.target.grid.crop(window)
        project = Transformer.from_crs(grid.crs, GEOGRAPHIC, always_xy=True)
        lon, lat = project.transform(*grid.centres())
        return datum.above(lon, lat, height).astype(np.float32)


def write_products(
    model: Model, parameters: DsmOptParameters, context: Context, progress: Progress
) -> dict[str, Written]:
    """Write all rasters of the model as cloud-optimised GeoTIFFs, by the ids of their outputs."""
    filled = None
    if parameters.filled:
        water = fetched(parameters.water, WATER, context)
        filled = filled_surface(model.surface, model.target.grid, water)
    layers = Layers(model, filled)
    names = list(_names(parameters))
    listed = {output.id: output for output in context.pipeline.output_list}
    work = partial(_write, layers, listed, _step(model), context, Meter(names, progress))
    return dict(spread_over_threads(work, names, context.compute.workers))


def _names(parameters: DsmOptParameters) -> Iterator[str]:
    yield from ("dsm", *PLAIN, BITS, "hillshade")
    if parameters.filled:
        yield "dsm_filled"


def _write(
    layers: Layers,
    listed: Mapping[str, Output],
    step: float,
    context: Context,
    meter: Meter,
    name: str,
) -> Written:
    output, model = listed[name], layers.model
    product = output.product
    assert isinstance(product, RasterProduct)
    grid = _grid(model, name)
    gatherer, counter = Gatherer(grid.shape, product.unit), ReasonCounter()

    def read(window: Window) -> Values:
        values = layers.read(name, window)
        _count(name, window, values, gatherer, counter)
        return values

    file = _published(name, output, product, grid, read, _rounding(product, step), model, context)
    meter.advance(name, FINISHED)
    if name == BITS:
        return Written(name, file, None, counter.shares())
    return Written(name, file, gatherer.summary(), {})


def _published(
    name: str,
    output: Output,
    product: RasterProduct,
    grid: Grid,
    read: Callable[[Window], Values],
    step: float | None,
    model: Model,
    context: Context,
) -> File:
    classes = product.dtype != "float32" and name != "hillshade"

    def produce(path: Path) -> None:
        write_cog(
            path,
            read,
            grid,
            product,
            tags=_tags(name, output.title, model),
            step=step,
            scratch=context.workspace.scratch,
            overviews="nearest" if classes else "average",
            description=output.title,
        )

    return context.workspace.publish(
        f"{name}.tif", produce, type=product.media_type, title=output.title
    )


def _count(
    name: str, window: Window, values: Values, gatherer: Gatherer, counter: ReasonCounter
) -> None:
    if name == BITS:
        counter.add(values)
    elif values.dtype.kind == "f":
        gatherer.add(window, values)
    else:
        gatherer.add(window, np.where(values == 0, np.nan, values).astype(np.float32))


def _grid(model: Model, name: str) -> Grid:
    """The output's grid; that of heights says what they are counted from.

    Heights above the ellipsoid are told in words alone: GeoTIFF has no keys for a projected system
    in three dimensions, and GDAL would put it into a second file.
    """
    grid = model.target.grid
    if name not in HEIGHTS or model.datum.system is None:
        return grid
    return Grid(grid.shape, grid.transform, model.datum.compound(grid.crs))


def _rounding(product: RasterProduct, step: float) -> float | None:
    if product.dtype != "float32":
        return None
    return step if product.unit == "m" else product.step


def _tags(name: str, title: str, model: Model) -> dict[str, str]:
    tags = {
        "LONG_NAME": title,
        "IMAGES": ", ".join(image.name for image in model.images),
        "CONVERGENCE_DEG": f"{model.target.grid.convergence_deg:.4f}",
    }
    if name in HEIGHTS:
        tags["HEIGHTS_ABOVE"] = model.datum.words
        tags["HEIGHT_TRANSFORMATION"] = model.datum.transformation
    if name == BITS:
        tags |= {f"BIT_{int(reason):05d}": meaning for reason, meaning in TEXT.items()}
    return tags


def _step(model: Model) -> float:
    """Rounding step of heights, from the median error of what was measured, metres."""
    error = _sampled_errors(model)
    if not error.size:
        return LEAST_STEP_M
    return max(float(np.median(error)) / ERROR_STEPS, LEAST_STEP_M)


def _sampled_errors(model: Model) -> NDArray[np.float32]:
    height, width = model.target.grid.shape
    stride = max(1, height // SAMPLES)
    found: list[NDArray[np.float32]] = [np.empty(0, np.float32)]
    for row in range(0, height, stride):
        window = Window(row, 0, 1, width)
        measured = model.surface.read("reasons", window) == 0
        found.append(model.surface.read("error", window)[measured])
    return np.concatenate(found)
