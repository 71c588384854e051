"""Writes the rasters and polygons of a job."""

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.declare import File, FileProduct, Output, RasterProduct, VectorProduct
from core.io.blockwise import spread_over_threads
from core.io.cog import write_cog
from core.io.geojson import write_geojson
from core.io.geopackage_writer import write_geopackage
from core.pipelines.aladim.detection import Detection
from core.pipelines.aladim.inventory import Inventory
from core.pipelines.aladim.stack import Stack
from core.pipelines.written import Meter, Written
from core.progress import Progress
from core.reasons import TEXT
from core.report.statistics import Gatherer, ReasonCounter
from core.tiling import Window
from core.workspace import Context

Values = NDArray[Any]
Read = Callable[[Window], Values]

BITS = "reasons"
UNKNOWN = np.uint8(255)


def write_rasters(
    stack: Stack,
    found: Detection,
    inventory: Inventory,
    names: Mapping[str, str],
    context: Context,
    progress: Progress,
) -> dict[str, Written]:
    """Write the rasters as cloud-optimised GeoTIFFs, by the ids of their outputs.

    Parameters
    ----------
    names
        What their tags say of the images, by date.
    """
    reads: dict[str, Read] = {
        "landslides": partial(_landslides, stack, inventory),
        "probability": found.probability,
        "uncertainty": found.uncertainty,
        BITS: stack.reasons.read,
    }
    listed = {output.id: output for output in context.pipeline.output_list}
    meter = Meter(list(reads), progress)

    def write(name: str) -> Written:
        return _write(listed[name], reads[name], stack, names, context, meter)

    return dict(spread_over_threads(write, list(reads), context.compute.workers))


def write_polygons(stack: Stack, inventory: Inventory, context: Context) -> dict[str, File]:
    """Write the inventory, by the ids of its outputs."""
    listed = {output.id: output for output in context.pipeline.output_list}

    def packed(path: Path) -> None:
        write_geopackage(path, [inventory.layer(stack.grid)])

    def plain(path: Path) -> None:
        write_geojson(path, inventory.layer(stack.grid))

    return {
        "inventory": _published(listed["inventory"], packed, context),
        "inventory_geojson": _published(listed["inventory_geojson"], plain, context),
    }


def _published(output: Output, produce: Callable[[Path], None], context: Context) -> File:
    product = output.product
    assert isinstance(product, FileProduct | VectorProduct)
    name = output.id.removesuffix("_geojson")
    return context.workspace.publish(
        f"{name}.{product.extension}", produce, type=product.media_type, title=output.title
    )


def _landslides(stack: Stack, inventory: Inventory, window: Window) -> Values:
    known = stack.reasons.read(window) == 0
    covered = inventory.mask.read(window)
    # Holes that were filled may hold pixels of which nothing is known.
    return np.where(known | (covered > 0), covered, UNKNOWN)


def _write(
    output: Output,
    read: Read,
    stack: Stack,
    names: Mapping[str, str],
    context: Context,
    meter: Meter,
) -> Written:
    product = output.product
    assert isinstance(product, RasterProduct)
    gatherer, counter = Gatherer(stack.shape, product.unit), ReasonCounter()

    def counting(window: Window) -> Values:
        values = read(window)
        if output.id == BITS:
            counter.add(values)
        elif values.dtype.kind == "f":
            gatherer.add(window, values)
        else:
            gatherer.add(window, np.where(values == UNKNOWN, np.nan, values).astype(np.float32))
        return values

    tags = {"LONG_NAME": output.title, **names}
    if output.id == BITS:
        tags |= {f"BIT_{int(reason):07d}": meaning for reason, meaning in TEXT.items()}

    def produce(path: Path) -> None:
        write_cog(
            path,
            counting,
            stack.grid,
            product,
            tags=tags,
            step=product.step,
            scratch=context.workspace.scratch,
            overviews="average" if product.dtype == "float32" else "nearest",
            description=output.title,
            advance=partial(meter.advance, output.id),
        )

    file = context.workspace.publish(
        f"{output.id}.tif", produce, type=product.media_type, title=output.title
    )
    if output.id == BITS:
        return Written(output.id, file, None, counter.shares())
    return Written(output.id, file, gatherer.summary(), {})
