"""Ground control that images carry in their own files, compared with their models."""

import math
from typing import NamedTuple

import numpy as np

from core.io.products.stereo import View


class Miss(NamedTuple):
    """How far an image's model misses a ground control point that its file holds.

    Parameters
    ----------
    name
        The point's.
    row_px, col_px
        Projected by the model less stored; NaN outside the model's range.
    """

    name: str
    row_px: float
    col_px: float

    @property
    def distance_px(self) -> float:
        """Length of the miss."""
        return math.hypot(self.row_px, self.col_px)


def control_misses(view: View) -> tuple[Miss, ...]:
    """The misses of all points, in the order of the file; empty where it holds none."""
    found = []
    for point in view.control:
        seen = view.rpc.project(point.lon, point.lat, point.height)
        found.append(Miss(point.name, float(seen.row) - point.row, float(seen.col) - point.col))
    return tuple(found)


def rms_px(misses: tuple[Miss, ...]) -> float | None:
    """Root mean square of the misses; None where none is known."""
    lengths = [miss.distance_px for miss in misses if math.isfinite(miss.distance_px)]
    return float(np.sqrt(np.mean(np.square(lengths)))) if lengths else None


def control_words(view: View) -> str:
    """The misses in a sentence; empty where the file holds no ground control.

    A mean is told beside them: what all have in common is a bias of the model, which an adjustment
    takes out.
    """
    known = [miss for miss in control_misses(view) if math.isfinite(miss.distance_px)]
    if not known:
        return ""
    rms = rms_px(tuple(known))
    row, col = (
        float(np.mean([getattr(miss, axis) for miss in known])) for axis in ("row_px", "col_px")
    )
    each = ", ".join(f"{miss.name}: {miss.distance_px:.1f}" for miss in known)
    points = "point" if len(known) == 1 else "points"
    return (
        f"The RPC of {view.name} misses the {len(known)} ground control {points} in its file by "
        f"{rms:.1f} pixels (root mean square; {each}); {row:+.1f} rows and {col:+.1f} columns of "
        "it are common to all."
    )
