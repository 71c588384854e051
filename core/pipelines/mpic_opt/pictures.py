"""The quick-looks of a pair."""

from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path

from core.declare import File
from core.io.preview import preview
from core.pipelines.mpic_opt.declaration import MpicOptParameters
from core.pipelines.mpic_opt.pairing import Pair
from core.pipelines.mpic_opt.products import raster_product
from core.pipelines.written import Written
from core.report.pictures import Arrows, quicklook, reasons_map
from core.workspace import Context

SHOWN = ("displacement_east", "displacement_north", "magnitude", "score", "reasons")
SIDE = 900
"""Longer side of a picture's map, pixels."""


def write_pictures(
    written: Mapping[str, Written], pair: Pair, parameters: MpicOptParameters, context: Context
) -> Iterator[File]:
    """Draw the rasters that people look at first."""
    for name in SHOWN:
        yield context.workspace.publish(
            f"quicklook/{pair.key}_{name}.png",
            partial(_draw, name, written, pair, parameters, context),
            type="image/png",
            key=f"{pair.key}_{name}",
            title=f"{_title(name, context)}, {pair.title}",
        )


def _draw(
    name: str,
    written: Mapping[str, Written],
    pair: Pair,
    parameters: MpicOptParameters,
    context: Context,
    path: Path,
) -> None:
    title, raster = _title(name, context), _path(written[name], context)
    if name == "reasons":
        small = preview(raster, SIDE, classes=True)
        reasons_map(path, small.values, small.grid, title=f"{title}, {pair.title}", side=SIDE)
        return
    output = next(output for output in context.pipeline.output_list if output.id == name)
    product = raster_product(output, parameters.units)
    small = preview(raster, SIDE)
    low, high = written[name].colour_range(product)
    arrows = None
    if name == "magnitude":
        parts = (written[f"displacement_{side}"] for side in ("east", "north"))
        arrows = Arrows(*(preview(_path(part, context), SIDE).values for part in parts))
    quicklook(
        path,
        small.values,
        small.grid,
        title=title,
        unit=product.unit,
        low=low,
        high=high,
        colours=product.colours,
        note=f"{pair.title}{'. ' + product.sign if product.sign else ''}",
        arrows=arrows,
        side=SIDE,
    )


def _title(name: str, context: Context) -> str:
    return next(output.title for output in context.pipeline.output_list if output.id == name)


def _path(written: Written, context: Context) -> Path:
    return context.workspace.output / written.file.path
