"""All figures of a prediction at once: what bench and report show."""

from typing import NamedTuple

import numpy as np

from core.change.evaluation import bootstrap
from core.change.evaluation.objects import LEAST_PX, Detection, detection, parts, tolerant
from core.change.evaluation.pixels import (
    Counted,
    Curve,
    area_under_roc,
    average_precision,
    counted,
    curve,
)
from core.change.evaluation.reliability import Reliability, reliability
from core.change.learning.arrays import Flags, Floats, Groups


class Scores(NamedTuple):
    """How well a prediction agrees with the truth.

    Parameters
    ----------
    pixels, prevalence
        How many were assessed, and the share of landslides among them: all scores hold for it.
    decisions
        Hits, false and missed pixels: precision, recall, F1, F2.
    f1_interval, average_precision_interval
        95 %, blocks drawn anew.
    line
        Precision-recall and ROC curve.
    average_precision, area_under_roc
        Of that.
    reliability
        Whether the probabilities hold.
    """

    pixels: int
    prevalence: float
    decisions: Counted
    f1_interval: bootstrap.Interval
    line: Curve
    average_precision: float
    average_precision_interval: bootstrap.Interval
    area_under_roc: float
    reliability: Reliability


class MapScores(NamedTuple):
    """What needs neighbours: F1 with a pixel's tolerance, and objects."""

    tolerant: Counted
    detection: Detection


def scores(
    probabilities: Floats, called: Flags, truth: Flags, block: Groups, seed: int = 0
) -> Scores:
    """Scores of assessed pixels, (pixels,) each.

    Parameters
    ----------
    called
        Decisions: thresholds may differ from fold to fold.
    block
        Block of each pixel for the intervals.
    """
    line = curve(probabilities, truth)
    return Scores(
        truth.size,
        float(truth.mean()),
        counted(called, truth),
        bootstrap.interval(bootstrap.decisions(called, truth, block), bootstrap.f1, seed),
        line,
        average_precision(line),
        bootstrap.interval(
            bootstrap.ranks(probabilities, truth, block), bootstrap.average_precision, seed
        ),
        area_under_roc(line),
        reliability(probabilities, truth),
    )


def map_scores(called: Flags, truth: Flags, assessed: Flags, least_px: int = LEAST_PX) -> MapScores:
    """Scores of a map, (rows, cols) each; only what is assessed counts."""
    objects = [parts(np.asarray(mask & assessed, np.bool_)) for mask in (truth, called)]
    return MapScores(tolerant(called, truth, assessed), detection(objects[0], objects[1], least_px))
