"""Panchromatic and coloured images of one moment belong together, whatever their orders say."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

from core.io.products.stereo.view import View

SAME_MOMENT = timedelta(seconds=3)
"""The detectors of one camera look a fraction of a second apart, the images of a triplet are taken
eight seconds apart at least."""
_RANK = {"P": 0, "PMS": 1, "MS": 2}


def bundled(views: Sequence[View]) -> tuple[View, ...]:
    """One view for each moment: the panchromatic one, to which the coloured one is attached.

    A multispectral image by itself is left out where others are finer.
    """
    leaders = []
    for view in views:
        same = [other for other in views if other is not view and _one_moment(view, other)]
        if any(_RANK[other.kind] < _RANK[view.kind] for other in same):
            continue
        coloured = [other for other in same if other.kind != "P"]
        if view.kind == "P" and coloured:
            view = replace(view, colour=min(coloured, key=lambda other: other.gsd_m))  # noqa: PLW2901
        leaders.append(view)
    if not any(view.kind in ("P", "PMS") for view in leaders):
        return tuple(leaders)
    notes = tuple(
        f"{view.name} is multispectral, and no panchromatic image of its moment was given: it is "
        "not used."
        for view in leaders
        if view.kind == "MS"
    )
    kept = [view for view in leaders if view.kind != "MS"]
    return (replace(kept[0], warnings=(*kept[0].warnings, *notes)), *kept[1:])


def _one_moment(a: View, b: View) -> bool:
    if not a.kind or not b.kind or a.time is None or b.time is None:
        return False
    return a.sensor == b.sensor and abs(a.time - b.time) <= SAME_MOMENT
