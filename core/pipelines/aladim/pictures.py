"""The quick-looks of a landslide inventory."""

from collections.abc import Mapping
from functools import partial
from pathlib import Path

import numpy as np

from core.change.scene import Date
from core.declare import File, Output, RasterProduct
from core.io.preview import preview
from core.pipelines.aladim.report import Done
from core.pipelines.aladim.stack import Stack
from core.pipelines.written import Written
from core.report.pictures import quicklook, reasons_map
from core.roles import Role
from core.tiling import Window
from core.workspace import Context

SIDE = 900
"""Longer side of a picture's map, pixels."""


def write_pictures(
    done: Done, written: Mapping[str, Written], context: Context
) -> tuple[File, ...]:
    """Draw what people look at first."""
    titles = {output.id: output.title for output in context.pipeline.output_list}
    drawn = {
        "landslides": partial(_draw_landslides, done, written, context),
        "probability": partial(_draw_values, written["probability"], context),
        "uncertainty": partial(_draw_values, written["uncertainty"], context),
        "reasons": partial(_draw_reasons, written["reasons"], context),
    }
    return tuple(
        context.workspace.publish(
            f"quicklook/{name}.png", draw, type="image/png", key=name, title=titles[name]
        )
        for name, draw in drawn.items()
    )


def _draw_landslides(
    done: Done, written: Mapping[str, Written], context: Context, path: Path
) -> None:
    """Probability of the landslides over the image after."""
    covered = preview(_path(written["landslides"], context), SIDE, classes=True)
    probability = preview(_path(written["probability"], context), SIDE, classes=True)
    values = np.where(covered.values == 1, probability.values, np.float32(np.nan))
    quicklook(
        path,
        values,
        covered.grid,
        title=_output("landslides", context).title,
        unit="1",
        low=0.0,
        high=1.0,
        colours="magma",
        note=f"{len(done.inventory.landslides)} landslides, by probability, over the image after",
        backdrop=_backdrop(done.scene.stack, covered.values.shape),
        side=SIDE,
    )


def _backdrop(
    stack: Stack, shape: tuple[int, ...]
) -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
    """The red band after, thinned to a picture's size."""
    rows, cols = (
        np.minimum(((np.arange(small) + 0.5) * large / small).astype(int), large - 1)
        for small, large in zip(shape, stack.shape, strict=True)
    )
    plane = stack.bands[Date.AFTER, Role.RED]
    lines = [plane.read(Window(int(row), 0, 1, stack.shape[1]))[0, cols] for row in rows]
    return np.stack(lines).astype(np.float32)


def _draw_values(one: Written, context: Context, path: Path) -> None:
    output = _output(one.output, context)
    product = output.product
    assert isinstance(product, RasterProduct)
    small = preview(_path(one, context), SIDE)
    low, high = one.colour_range(product)
    quicklook(
        path,
        small.values.astype(np.float32),
        small.grid,
        title=output.title,
        unit=product.unit,
        low=low,
        high=high,
        colours=product.colours,
        side=SIDE,
    )


def _draw_reasons(one: Written, context: Context, path: Path) -> None:
    small = preview(_path(one, context), SIDE, classes=True)
    title = _output(one.output, context).title
    reasons_map(path, small.values, small.grid, title=title, side=SIDE)


def _output(name: str, context: Context) -> Output:
    return next(output for output in context.pipeline.output_list if output.id == name)


def _path(one: Written, context: Context) -> Path:
    return context.workspace.output / one.file.path
