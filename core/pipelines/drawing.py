"""Quick-looks of rasters that were written: what the services draw alike."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

import numpy as np

from core.declare import File, Output, RasterProduct
from core.io.preview import preview
from core.pipelines.written import Written
from core.report.pictures import data_address, quicklook, reasons_map
from core.workspace import Context

SIDE = 900
"""Longer side of a picture's map, pixels."""

Draw = Callable[[Path], None]


def publish_pictures(drawn: Mapping[str, Draw], context: Context) -> tuple[File, ...]:
    """Publish pictures, each by the id of the output that it shows."""
    return tuple(
        context.workspace.publish(
            f"quicklook/{name}.png",
            draw,
            type="image/png",
            key=name,
            title=output_of(name, context).title,
        )
        for name, draw in drawn.items()
    )


def beside_page(
    pictures: Sequence[File], context: Context
) -> tuple[list[tuple[str, str]], dict[str, str]]:
    """Pictures of a page beside them: paths and titles, and small versions that stand in it."""
    output = context.workspace.output
    shown = [(picture.path, picture.title) for picture in pictures]
    return shown, {picture.path: data_address(output / picture.path) for picture in pictures}


def values_of(one: Written, context: Context) -> Draw:
    """Draws a raster in its colours."""
    return partial(_draw_values, one, context)


def reasons_of(one: Written, context: Context) -> Draw:
    """Draws why there are no values."""
    return partial(_draw_reasons, one, context)


def output_of(name: str, context: Context) -> Output:
    """An output by its id."""
    return next(output for output in context.pipeline.output_list if output.id == name)


def path_of(file: File, context: Context) -> Path:
    """Where a published file is."""
    return context.workspace.output / file.path


def _draw_values(one: Written, context: Context, path: Path) -> None:
    output = output_of(one.output, context)
    product = output.product
    assert isinstance(product, RasterProduct)
    small = preview(path_of(one.file, context), SIDE, classes=product.dtype != "float32")
    values = small.values.astype(np.float32)
    if product.dtype != "float32":
        values[values == product.nodata] = np.nan
    low, high = one.colour_range(product)
    quicklook(
        path,
        values,
        small.grid,
        title=output.title,
        unit=product.unit,
        low=low,
        high=high,
        colours=product.colours,
        side=SIDE,
    )


def _draw_reasons(one: Written, context: Context, path: Path) -> None:
    small = preview(path_of(one.file, context), SIDE, classes=True)
    title = output_of(one.output, context).title
    reasons_map(path, small.values, small.grid, title=title, side=SIDE)
