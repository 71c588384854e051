"""What the report of a job says."""

from collections.abc import Mapping

import numpy as np

from core.change.evaluation.pixels import average_precision, counted, curve
from core.change.evaluation.scores import Scores, scores
from core.change.inventory.frequency import Frequency, frequency
from core.change.learning.decisions import called
from core.change.quantities import Constants
from core.errors import TooFewSamples
from core.pipelines.aladim.declaration import AladimParameters
from core.pipelines.aladim.inventory import Inventory
from core.pipelines.aladim.lessons import aim_of
from core.pipelines.aladim.model import Done, Lesson
from core.pipelines.aladim.preparation import Prepared
from core.pipelines.written import Written
from core.report.landslides import (
    Bin,
    Counts,
    Decision,
    FoldRecord,
    ImageRecord,
    LandslideReport,
    Law,
    Learning,
    Point,
    Registration,
    Relation,
)

SUPERVISED = "samples of this scene"

POINTS = 200
"""Of a curve, at most."""


def report_of(
    done: Done, written: Mapping[str, Written], parameters: AladimParameters
) -> LandslideReport:
    """The report of a job."""
    ready, stack, schema = done.ready, done.scene.stack, done.scene.schema
    rows, cols = stack.shape
    reasons = written["reasons"]
    probability = written["probability"].summary
    known = probability.share if probability is not None else 0.0
    return LandslideReport(
        mode=SUPERVISED,
        images=tuple(_images(ready)),
        crs=stack.grid.system.name,
        pixel_m=stack.pixel_m,
        rows=rows,
        columns=cols,
        registration=_registration(ready),
        relations=tuple(_relations(done.scene.constants)),
        unchanged=_unchanged(done.scene.constants),
        known=known,
        reasons=dict(reasons.shares),
        polygons=done.polygons,
        features=schema.names,
        left_out=schema.left_out,
        learning=_learning(done.lesson, parameters),
        decision=Decision(
            rule=parameters.threshold_rule.text,
            level=done.detection.level,
            prevalence=done.detection.prevalence,
            estimated=done.detection.estimated,
        ),
        inventory=_counts(done.inventory, known * rows * cols * stack.pixel_m**2),
        layers={name: one.summary for name, one in written.items() if one.summary is not None},
        notes=(*ready.notes, *_notes(done)),
    )


def _images(ready: Prepared) -> list[ImageRecord]:
    return [
        ImageRecord(
            date=str(one.date),
            name=one.image.name,
            day=one.image.date.isoformat() if one.image.date else None,
            bands=tuple(str(role) for role in one.image.bands),
            told=one.image.told,
            unused=one.image.unused,
            source=one.href,
        )
        for one in ready.images
    ]


def _registration(ready: Prepared) -> Registration | None:
    if ready.shift is None:
        return None
    found = ready.shift
    return Registration(
        rows=found.rows,
        cols=found.cols,
        spread=found.spread,
        matches=found.matches,
        corrected=ready.corrected,
    )


def _relations(constants: Constants) -> list[Relation]:
    found = constants.normalisation
    if found is None:
        return []
    return [
        Relation(band=str(role), gain=one.gain, offset=one.offset, noise=one.noise)
        for role, one in found.relations.items()
    ]


def _unchanged(constants: Constants) -> float | None:
    return None if constants.normalisation is None else constants.normalisation.unchanged


def _notes(done: Done) -> list[str]:
    if len(done.scene.stack.dates) > 1:
        return []
    return ["There is no image before: old landslides cannot be told from new ones."]


def _learning(lesson: Lesson, parameters: AladimParameters) -> Learning:
    samples, fitted = lesson.samples, lesson.fitted
    told, classifier = fitted.out_of_fold, fitted.classifier
    level = classifier.threshold(aim_of(parameters))
    found = scores(told, called(told, level), samples.landslide, samples.group, parameters.seed)
    return Learning(
        classifier=parameters.classifier.value,
        trees=parameters.trees,
        pixels=int(samples.landslide.size),
        landslide=int(samples.landslide.sum()),
        areas=int(np.unique(samples.group).size),
        folds=tuple(_folds(lesson, level)),
        note=fitted.folds.note,
        prevalence=classifier.calibration.prevalence,
        precision=found.decisions.precision,
        recall=found.decisions.recall,
        f1=found.decisions.f(),
        f1_low=found.f1_interval.low,
        f1_high=found.f1_interval.high,
        average_precision=found.average_precision,
        area_under_roc=found.area_under_roc,
        curve=tuple(_points(found)),
        calibration=tuple(_bins(found)),
        calibration_slope=found.reliability.slope,
        brier_skill=found.reliability.skill,
    )


def _folds(lesson: Lesson, level: float) -> list[FoldRecord]:
    samples, told = lesson.samples, lesson.fitted.out_of_fold
    records = []
    for number in range(lesson.fitted.folds.number):
        held = lesson.fitted.folds.of == number
        truth = samples.landslide[held]
        decided = counted(called(told[held], level), truth)
        records.append(
            FoldRecord(
                number=number + 1,
                areas=int(np.unique(samples.group[held]).size),
                pixels=int(held.sum()),
                landslide=int(truth.sum()),
                precision=decided.precision,
                recall=decided.recall,
                f1=decided.f(),
                average_precision=average_precision(curve(told[held], truth)),
            )
        )
    return records


def _points(found: Scores) -> list[Point]:
    line = found.line
    step = max(1, -(-line.level.size // POINTS))
    return [
        Point(level=float(a), precision=float(b), recall=float(c), alarmed=float(d))
        for a, b, c, d in zip(
            line.level[::step],
            line.precision[::step],
            line.recall[::step],
            line.alarmed[::step],
            strict=True,
        )
    ]


def _bins(found: Scores) -> list[Bin]:
    held = found.reliability
    return [
        Bin(told=float(told), true=float(true), pixels=float(pixels))
        for told, true, pixels in zip(held.told, held.true, held.pixels, strict=True)
    ]


def _counts(inventory: Inventory, known_m2: float) -> Counts:
    areas = inventory.areas_m2
    law, note = _law(inventory)
    measured = [one.measures for one in inventory.landslides]
    return Counts(
        landslides=len(areas),
        area_m2=float(areas.sum()),
        share=float(areas.sum()) / known_m2 if known_m2 else 0.0,
        median_m2=float(np.median(areas)) if areas.size else None,
        largest_m2=float(areas.max()) if areas.size else None,
        split=sum(one.parts > 1 for one in inventory.landslides),
        clouded=sum(one.cloud for one in measured),
        law=law,
        law_note=note,
    )


def _law(inventory: Inventory) -> tuple[Law | None, str]:
    try:
        found: Frequency = frequency(inventory.areas_m2)
    except TooFewSamples as error:
        return None, error.message
    law = Law(
        count=found.count,
        complete_m2=found.complete_m2,
        exponent=found.exponent,
        exponent_low=found.rho_low + 1,
        exponent_high=found.rho_high + 1,
        rollover_m2=found.rollover_m2,
        holds=found.holds,
    )
    return law, ""
