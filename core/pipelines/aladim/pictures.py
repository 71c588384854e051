"""The quick-looks of a landslide inventory."""

from collections.abc import Mapping
from functools import partial
from pathlib import Path

import numpy as np

from core.change.scene import Date
from core.declare import File
from core.io.preview import preview
from core.pipelines.aladim.model import Done
from core.pipelines.aladim.stack import Stack
from core.pipelines.drawing import (
    SIDE,
    Draw,
    output_of,
    path_of,
    publish_pictures,
    reasons_of,
    values_of,
)
from core.pipelines.written import Written
from core.report.pictures import quicklook
from core.roles import Role
from core.tiling import Window
from core.workspace import Context


def write_pictures(
    done: Done, written: Mapping[str, Written], context: Context
) -> tuple[File, ...]:
    """Draw what people look at first."""
    drawn: dict[str, Draw] = {
        "landslides": partial(_draw_landslides, done, written, context),
        "probability": values_of(written["probability"], context),
        "uncertainty": values_of(written["uncertainty"], context),
        "reasons": reasons_of(written["reasons"], context),
    }
    return publish_pictures(drawn, context)


def _draw_landslides(
    done: Done, written: Mapping[str, Written], context: Context, path: Path
) -> None:
    """Probability of the landslides over the image after."""
    covered = preview(path_of(written["landslides"].file, context), SIDE, classes=True)
    probability = preview(path_of(written["probability"].file, context), SIDE, classes=True)
    values = np.where(covered.values == 1, probability.values, np.float32(np.nan))
    quicklook(
        path,
        values,
        covered.grid,
        title=output_of("landslides", context).title,
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
