"""The quick-looks of a surface model."""

from collections.abc import Mapping
from functools import partial
from pathlib import Path

import numpy as np

from core.declare import File, Output, RasterProduct
from core.io.preview import preview
from core.pipelines.dsm_opt.model import Model
from core.pipelines.dsm_opt.orthos import Orthos
from core.pipelines.written import Written
from core.report.pictures import quicklook, reasons_map
from core.workspace import Context

VALUES = ("dsm_error", "intersection_error", "score", "contributing_pairs")
"""Shown in colours, none of them shaded."""

SIDE = 900
"""Longer side of a picture's map, pixels."""

FULL_LIGHT = 255.0
"""Of a hillshade."""


def write_pictures(
    model: Model, written: Mapping[str, Written], orthos: Orthos, context: Context
) -> tuple[File, ...]:
    """Draw the rasters that people look at first."""
    titles = {output.id: output.title for output in context.pipeline.output_list}
    drawn = {
        "dsm": partial(_draw_heights, model, written, context),
        **{name: partial(_draw_values, written[name], context) for name in VALUES},
        "reasons": partial(_draw_reasons, written["reasons"], context),
    }
    if orthos.best is not None:
        drawn["ortho_best"] = partial(_draw_ortho, orthos.best, context)
    return tuple(
        context.workspace.publish(
            f"quicklook/{name}.png", draw, type="image/png", key=name, title=titles[name]
        )
        for name, draw in drawn.items()
    )


def _draw_heights(
    model: Model, written: Mapping[str, Written], context: Context, path: Path
) -> None:
    """Colours by height, shaded as a relief."""
    heights, shade = written["dsm"], written["hillshade"]
    small, light = (preview(_path(one.file, context), SIDE) for one in (heights, shade))
    output = _output("dsm", context)
    assert isinstance(output.product, RasterProduct)
    summary = heights.summary
    low, high = (summary.p2, summary.p98) if summary else (None, None)
    quicklook(
        path,
        small.values,
        small.grid,
        title=output.title,
        unit=output.product.unit,
        low=low or 0.0,
        high=max(high or 0.0, (low or 0.0) + 1.0),
        colours=output.product.colours,
        note=f"Heights above {model.datum.words}",
        light=light.values / FULL_LIGHT,
        side=SIDE,
    )


def _draw_values(one: Written, context: Context, path: Path) -> None:
    output = _output(one.output, context)
    product = output.product
    assert isinstance(product, RasterProduct)
    small = preview(_path(one.file, context), SIDE, classes=product.dtype != "float32")
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
    small = preview(_path(one.file, context), SIDE, classes=True)
    title = _output(one.output, context).title
    reasons_map(path, small.values, small.grid, title=title, side=SIDE)


def _draw_ortho(file: File, context: Context, path: Path) -> None:
    small = preview(_path(file, context), SIDE)
    values = np.where(small.values == 0, np.nan, small.values).astype(np.float32)
    known = values[np.isfinite(values)]
    low, high = np.percentile(known, (2, 98)) if known.size else (0.0, 1.0)
    quicklook(
        path,
        values,
        small.grid,
        title=_output("ortho_best", context).title,
        unit="1",
        low=float(low),
        high=float(max(high, low + 1)),
        colours="grey",
        side=SIDE,
    )


def _output(name: str, context: Context) -> Output:
    return next(output for output in context.pipeline.output_list if output.id == name)


def _path(file: File, context: Context) -> Path:
    return context.workspace.output / file.path
