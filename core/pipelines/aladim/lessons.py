"""What is learned from samples: pixels drawn from the training areas, and a classifier of them."""

from collections.abc import Mapping, Sequence
from functools import reduce

import numpy as np
import shapely

from core.change.learning.decisions import Aim, Criterion
from core.change.learning.folds import strata
from core.change.learning.model import Fitted, Samples, fit
from core.change.learning.sampling import Tally, drawn, labelled, tally
from core.change.learning.training import Method, Recipe
from core.errors import TooFewSamples
from core.pipelines.aladim.choices import Classifier, ThresholdRule
from core.pipelines.aladim.declaration import AladimParameters
from core.pipelines.aladim.lattice import anchor_of
from core.pipelines.aladim.scan import Scene, strips
from core.pipelines.aladim.training import Training
from core.progress import Progress
from core.tiling import Tile, Window

MOST = 40_000
"""Pixels of each class that are learned from, about: more make training slow and nothing better."""

METHODS: Mapping[Classifier, Method] = {
    Classifier.FOREST: Method.FOREST,
    Classifier.BOOSTING: Method.BOOSTING,
}


def recipe_of(parameters: AladimParameters) -> Recipe:
    """How the classifier is trained."""
    return Recipe(
        method=METHODS[parameters.classifier], trees=parameters.trees, seed=parameters.seed
    )


def aim_of(parameters: AladimParameters) -> Aim:
    """What the threshold is the best for."""
    rule = parameters.threshold_rule
    if rule is ThresholdRule.VALUE:
        assert parameters.threshold is not None
        return Aim(Criterion.VALUE, parameters.threshold)
    if rule is ThresholdRule.COST:
        return Aim(Criterion.COST, parameters.cost_ratio)
    return Aim(Criterion(rule.value))


def samples_of(
    scene: Scene,
    training: Training,
    parameters: AladimParameters,
    progress: Progress,
) -> Samples:
    """Pixels of the training areas with features and labels.

    Raises
    ------
    TooFewSamples
        No pixel that is known lies in a training area, or all are of one class.
    """
    near = _near(scene, training)
    over = parameters.positive_fraction
    tallies = [_tallied(scene, training, over, tile.core) for tile in near]
    whole = reduce(Tally.plus, tallies, Tally(0, 0))
    _check(whole)
    parts = []
    for number, tile in enumerate(near):
        progress.report(number / len(near), f"sampling, tile {number + 1} of {len(near)}")
        parts += list(_drawn(scene, training, parameters, whole, tile))
    samples = _joined(parts)
    if np.unique(samples.group).size > 1:
        return samples
    # Of one area strata take the place of areas.
    groups = strata(samples.place, parameters.folds, parameters.seed)
    return Samples(samples.features, samples.landslide, samples.weight, groups, samples.place)


def fitted(samples: Samples, parameters: AladimParameters) -> Fitted:
    """The classifier, judged out of fold."""
    return fit(samples, recipe_of(parameters), parameters.folds)


def _near(scene: Scene, training: Training) -> list[Tile]:
    """Tiles that training areas reach into."""
    searched = shapely.union_all(training.areas.shapes)
    grid = scene.stack.grid
    return [
        tile
        for tile in scene.tiles()
        if searched.intersects(shapely.box(*grid.crop(tile.core).bounds))
    ]


def _tallied(scene: Scene, training: Training, over: float, window: Window) -> Tally:
    labels = training.labels(scene.stack.grid, window)
    usable = scene.stack.layers(window).usable(heights=scene.schema.heights)
    return tally(labelled(labels.fraction, usable & (labels.area > 0), over))


def _check(whole: Tally) -> None:
    if whole.landslide and whole.rest:
        return
    if not (whole.landslide or whole.rest):
        message = "No pixel of the training areas is known: masks hide all, or they lie outside."
    elif whole.landslide:
        message = "The training areas hold landslides only; ground without them is needed too."
    else:
        message = "No pixel of the training areas is covered by samples as far as it takes."
    raise TooFewSamples(
        message,
        pointer="/inputs/training_areas",
        allowed="areas on clear ground, with landslides and ground without",
    )


def _drawn(
    scene: Scene,
    training: Training,
    parameters: AladimParameters,
    whole: Tally,
    tile: Tile,
) -> Sequence[Samples]:
    found = []
    grid, origin = scene.stack.grid, anchor_of(scene.stack.grid)
    for window, features in strips(scene, tile):
        labels = training.labels(grid, window)
        # Features are known together or not at all.
        usable = ~np.isnan(features[0]) & (labels.area > 0)
        if not usable.any():
            continue
        mapped = labelled(labels.fraction, usable, parameters.positive_fraction)
        anchor = origin[0] + window.row, origin[1] + window.col
        some = drawn(mapped, anchor, whole, MOST, parameters.seed)
        x, y = grid.crop(window).centres()
        found.append(
            Samples(
                np.ascontiguousarray(features[:, some.row, some.col].T),
                some.landslide,
                some.weight,
                labels.area[some.row, some.col].astype(np.int64),
                np.column_stack([x[some.row, some.col], y[some.row, some.col]]),
            )
        )
    return found


def _joined(parts: Sequence[Samples]) -> Samples:
    """All samples by their place, from north to south: trees depend on the order."""
    names = ("features", "landslide", "weight", "group", "place")
    found = Samples(*(np.concatenate([getattr(part, name) for part in parts]) for name in names))
    order = np.lexsort((found.place[:, 0], -found.place[:, 1]))
    return Samples(*(getattr(found, name)[order] for name in names))
