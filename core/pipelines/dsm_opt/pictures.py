"""The quick-looks of a surface model."""

from collections.abc import Mapping
from functools import partial
from pathlib import Path

import numpy as np

from core.declare import File, RasterProduct
from core.io.preview import preview
from core.pipelines.drawing import (
    SIDE,
    Draw,
    output_of,
    path_of,
    publish_pictures,
    reasons_of,
    values_of,
)
from core.pipelines.dsm_opt.model import Model
from core.pipelines.dsm_opt.orthos import Orthos
from core.pipelines.written import Written
from core.report.pictures import quicklook
from core.workspace import Context

VALUES = ("dsm_error", "intersection_error", "score", "contributing_pairs")
"""Shown in colours, none of them shaded."""

FULL_LIGHT = 255.0
"""Of a hillshade."""


def write_pictures(
    model: Model, written: Mapping[str, Written], orthos: Orthos, context: Context
) -> tuple[File, ...]:
    """Draw the rasters that people look at first."""
    drawn: dict[str, Draw] = {
        "dsm": partial(_draw_heights, model, written, context),
        **{name: values_of(written[name], context) for name in VALUES},
        "reasons": reasons_of(written["reasons"], context),
    }
    if orthos.best is not None:
        drawn["ortho_best"] = partial(_draw_ortho, orthos.best, context)
    return publish_pictures(drawn, context)


def _draw_heights(
    model: Model, written: Mapping[str, Written], context: Context, path: Path
) -> None:
    """Colours by height, shaded as a relief."""
    heights, shade = written["dsm"], written["hillshade"]
    small, light = (preview(path_of(one.file, context), SIDE) for one in (heights, shade))
    output = output_of("dsm", context)
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


def _draw_ortho(file: File, context: Context, path: Path) -> None:
    small = preview(path_of(file, context), SIDE)
    values = np.where(small.values == 0, np.nan, small.values).astype(np.float32)
    known = values[np.isfinite(values)]
    low, high = np.percentile(known, (2, 98)) if known.size else (0.0, 1.0)
    quicklook(
        path,
        values,
        small.grid,
        title=output_of("ortho_best", context).title,
        unit="1",
        low=float(low),
        high=float(max(high, low + 1)),
        colours="grey",
        side=SIDE,
    )
