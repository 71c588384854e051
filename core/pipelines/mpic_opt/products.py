"""Writes the rasters of a pair, each with its summary."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.declare import Output, RasterProduct
from core.grid import Grid
from core.io.blockwise import spread_over_threads
from core.io.cog import write_cog
from core.pipelines.mpic_opt.declaration import MpicOptParameters, Units
from core.pipelines.mpic_opt.layers import Layers
from core.pipelines.mpic_opt.pairing import Pair
from core.pipelines.mpic_opt.selection import wanted_layers
from core.pipelines.written import Meter, Written
from core.progress import Progress
from core.reasons import TEXT
from core.report.statistics import Gatherer, ReasonCounter
from core.tiling import Window
from core.workspace import Context

IN_METRES = ("forward_backward",)
"""Measured in metres whatever the units asked for."""

SIGMA_STEPS = 50
"""Values are rounded to at most this part of the median sigma."""

LEAST_STEP_PX = 2.0**-13
"""Rounding step at least, pixels: what is below is arithmetic, not measurement."""

SAMPLES = 1000
"""Rows and columns of the sample from which the median sigma is taken, at most."""


def write_layers(
    layers: Layers,
    pair: Pair,
    parameters: MpicOptParameters,
    context: Context,
    progress: Progress,
) -> dict[str, Written]:
    """Write all rasters of a pair as cloud-optimised GeoTIFFs."""
    names = wanted_layers(parameters)
    products = {output.id: output for output in context.pipeline.output_list}
    steps = _steps(layers)
    meter = Meter(names, progress)
    work = partial(_write, layers, pair, parameters.units, products, steps, context, meter)
    return dict(spread_over_threads(work, names, context.compute.workers))


def raster_product(output: Output, units: Units) -> RasterProduct:
    """What an output is, in the units asked for."""
    product = output.product
    assert isinstance(product, RasterProduct)
    if product.unit == "m" and output.id not in IN_METRES:
        return replace(product, unit=UCUM[units])
    return product


UCUM: Mapping[Units, str] = {Units.METRES: "m", Units.PER_DAY: "m/d", Units.PER_YEAR: "m/a"}
"""Codes of the units of displacement."""


def _write(
    layers: Layers,
    pair: Pair,
    units: Units,
    products: Mapping[str, Output],
    steps: Mapping[str, float],
    context: Context,
    meter: Meter,
    name: str,
) -> Written:
    output = products[name]
    product = raster_product(output, units)
    grid = layers.output_grid
    gatherer, counter = Gatherer(grid.shape, product.unit), ReasonCounter()
    bits = name == "reasons"

    def read(window: Window) -> NDArray[Any]:
        values = layers.read(name, window)
        if bits:
            counter.add(values)
        else:
            gatherer.add(window, values)
        return values

    def produce(path: Path) -> None:
        write_cog(
            path,
            read,
            grid,
            product,
            tags=_tags(name, pair, output.title, grid),
            step=product.step or steps.get(product.unit),
            scratch=context.workspace.scratch,
            overviews="nearest" if bits else "average",
            description=output.title,
            advance=partial(meter.advance, name),
        )

    file = context.workspace.publish(
        f"{name}/{pair.key}.tif",
        produce,
        type=product.media_type,
        key=pair.key,
        title=f"{output.title}, {pair.title}",
    )
    meter.advance(name, 1.0)
    if bits:
        return Written(name, file, None, counter.shares())
    return Written(name, file, gatherer.summary(), {})


def _tags(name: str, pair: Pair, title: str, grid: Grid) -> dict[str, str]:
    tags = {
        "LONG_NAME": title,
        "REFERENCE": pair.reference.name,
        "SECONDARY": pair.secondary.name,
        "CONVERGENCE_DEG": f"{grid.convergence_deg:.4f}",
    }
    for role, image in (("REFERENCE_DATE", pair.reference), ("SECONDARY_DATE", pair.secondary)):
        if image.scene is not None and image.scene.date is not None:
            tags[role] = image.scene.date.isoformat()
    if name == "reasons":
        tags |= {f"BIT_{int(reason):05d}": meaning for reason, meaning in TEXT.items()}
    return tags


def _steps(layers: Layers) -> dict[str, float]:
    """Rounding steps by unit, from the median sigma of what is published."""
    sigma = _median_sigma(layers)
    pixel = float(np.sqrt(np.prod(layers.grid.pixel_size)))
    step_px = max(sigma / SIGMA_STEPS, LEAST_STEP_PX)
    metres = step_px * pixel * layers.unit
    rate = metres * abs(layers.factor)
    return {"{pixel}": step_px, "m": metres} | dict.fromkeys(("m/d", "m/a"), rate)


def _median_sigma(layers: Layers) -> float:
    """Median standard deviation of a component of the kept measurements, pixels."""
    found = [part for part in _sampled_sigma(layers) if part.size]
    return float(np.median(np.concatenate(found))) if found else 0.0


def _sampled_sigma(layers: Layers) -> Iterator[NDArray[np.float32]]:
    planes, (height, width) = layers.planes, layers.grid.shape
    stride = max(1, height // SAMPLES), max(1, width // SAMPLES)
    for row in range(0, height, stride[0]):
        window = Window(row, 0, 1, width)
        kept = (planes.kept.read(window) == 0)[:, :: stride[1]]
        for plane in (planes.sigma_rows, planes.sigma_cols):
            yield plane.read(window)[:, :: stride[1]][kept]
