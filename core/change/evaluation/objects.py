"""Objects against objects, one to one."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from core.change.evaluation.pixels import Counted, ratio
from core.change.learning.arrays import Doubles, Flags

IOU = 0.3
"""Common area over joint area from which two objects are the same."""

LEAST_PX = 25
"""Pixels from which an object counts."""

Labels = NDArray[np.int64]
"""Number of the object that each pixel belongs to; 0: none."""


class Pairs(NamedTuple):
    """Objects that are the same: numbers of both, and how well they agree."""

    truth: Labels
    found: Labels
    iou: Doubles


class Detection(NamedTuple):
    """What was found; those of several scenes add up by :meth:`plus`.

    Parameters
    ----------
    slides, matched
        True objects that count, and those of them that were found.
    area, matched_area
        The same, pixels.
    objects, false
        Predicted objects that count, and those of them that are none.
    """

    slides: int
    matched: int
    area: int
    matched_area: int
    objects: int
    false: int

    def plus(self, other: "Detection") -> "Detection":
        """Both together."""
        return Detection(*(a + b for a, b in zip(self, other, strict=True)))

    @property
    def rate(self) -> float:
        """Part of the true objects that was found; NaN without any."""
        return ratio(self.matched, self.slides)

    @property
    def area_rate(self) -> float:
        """The same by their area."""
        return ratio(self.matched_area, self.area)

    @property
    def false_rate(self) -> float:
        """Part of the predicted objects that match none; NaN without any."""
        return ratio(self.false, self.objects)


def parts(mask: Flags) -> Labels:
    """Objects of a mask: pixels joined by sides or corners."""
    labels: Labels = ndimage.label(mask, np.ones((3, 3)))[0].astype(np.int64)
    return labels


def matched(truth: Labels, found: Labels, iou: float = IOU) -> Pairs:
    """Pairs of objects, those that agree best first; each object is in one pair at most."""
    names, areas = zip(
        *(np.unique(side, return_counts=True) for side in (truth, found)), strict=True
    )
    both = (truth > 0) & (found > 0)
    pair, common = np.unique(np.stack([truth[both], found[both]]), axis=1, return_counts=True)
    size = [areas[side][np.searchsorted(names[side], pair[side])] for side in (0, 1)]
    agreement = common / (size[0] + size[1] - common)
    kept: list[int] = []
    used: tuple[set[int], set[int]] = set(), set()
    for number in np.lexsort((pair[1], pair[0], -agreement)):
        one, other = int(pair[0, number]), int(pair[1, number])
        if agreement[number] < iou:
            break
        if one not in used[0] and other not in used[1]:
            kept.append(int(number))
            used[0].add(one)
            used[1].add(other)
    return Pairs(pair[0][kept], pair[1][kept], agreement[kept])


def detection(
    truth: Labels, found: Labels, least_px: int = LEAST_PX, iou: float = IOU
) -> Detection:
    """What of the true objects was found, by number and area, and what was found besides.

    Objects below `least_px` take part in the matching and are not counted.
    """
    pairs = matched(truth, found, iou)
    names, areas = _sizes(truth, least_px)
    hit = np.isin(names, pairs.truth)
    objects, _ = _sizes(found, least_px)
    false = ~np.isin(objects, pairs.found)
    return Detection(
        names.size,
        int(hit.sum()),
        int(areas.sum()),
        int(areas[hit].sum()),
        objects.size,
        int(false.sum()),
    )


def _sizes(labels: Labels, least_px: int) -> tuple[Labels, Labels]:
    names, areas = np.unique(labels[labels > 0], return_counts=True)
    counts = areas >= least_px
    return names[counts], areas[counts]


def tolerant(called: Flags, truth: Flags, assessed: Flags, pixels: int = 1) -> Counted:
    """Decisions where an error of a few pixels is none.

    What is called a landslide is right if one lies within `pixels` (by rows and columns, not only
    sides); a landslide is found if something within that distance was called so.  The F score of
    these is that of both shares.

    Parameters
    ----------
    assessed
        Where the truth is known: nothing else is counted, or excuses anything.
    """
    square = np.ones((2 * pixels + 1, 2 * pixels + 1))
    called, truth = called & assessed, truth & assessed
    near_truth = ndimage.binary_dilation(truth, square)
    near_called = ndimage.binary_dilation(called, square)
    right, calls = int((called & near_truth).sum()), int(called.sum())
    hit, slides = int((truth & near_called).sum()), int(truth.sum())
    # In parts of the true pixels: so precision and recall come out as their shares.
    false = hit * (calls - right) / right if right else float(calls)
    return Counted(float(hit), float(false), float(slides - hit))
