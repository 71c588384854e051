"""A model: trees, their calibration, the threshold's evidence, and what they were learned from."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np

from core.change.learning.arrays import Doubles, Flags, Floats, Groups
from core.change.learning.calibration import Calibration, calibrated_by, probability, score
from core.change.learning.decisions import Aim, Evidence, evidence, threshold
from core.change.learning.domain import PARTS, Domain, learned
from core.change.learning.folds import Folds, dealt, strata
from core.change.learning.training import Recipe, train
from core.change.learning.trees import Link, Trees, raw
from core.errors import ModelMismatch

FOLDS = 5
"""Folds for calibration and threshold, where nothing else is asked for."""


@dataclass(frozen=True, eq=False)
class Samples:
    """Pixels with labels.

    Parameters
    ----------
    features
        (samples, features) float32, finite.
    landslide
        Labels.
    weight
        Pixels that each stands for.
    group
        Which training area, cell or stratum each lies in: a group is never parted.
    place
        (samples, 2), metres.
    """

    features: Floats
    landslide: Flags
    weight: Doubles
    group: Groups
    place: Doubles

    def of(self, some: Flags) -> "Samples":
        """Some of them."""
        return Samples(
            self.features[some],
            self.landslide[some],
            self.weight[some],
            self.group[some],
            self.place[some],
        )


@dataclass(frozen=True)
class Card:
    """What else must be known to use a model on another scene, and what is told about it.

    Parameters
    ----------
    features, units
        Names and units of the features, in their order.
    bands
        Middle of each band by its role, nanometres; NaN where it is not known.
    normalisation
        Numbers of the radiometric normalisation, by name.
    versions
        Of the service and of the packages that trained it, by name.
    notes
        Anything else in words, by title.
    """

    features: tuple[str, ...]
    units: tuple[str, ...]
    bands: Mapping[str, float] = field(default_factory=dict)
    normalisation: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)
    notes: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Classifier:
    """What predicts.

    Parameters
    ----------
    trees, calibration
        From features to a probability, for the prevalence of the training areas.
    evidence
        Probabilities out of fold: a threshold for any criterion and prevalence follows from it.
    """

    trees: Trees
    calibration: Calibration
    evidence: Evidence

    def probability(
        self, values: Floats, prevalence: float | None = None, known: Flags | None = None
    ) -> Floats:
        """Probability of a landslide, float32, the shape of a plane; NaN where not known.

        Parameters
        ----------
        values
            (features, ...) float32.
        prevalence
            Share of landslides in the scene; that of the training areas by default.
        """
        share = self.calibration.prevalence if prevalence is None else prevalence
        return probability(raw(self.trees, values, known), self.trees.link, self.calibration, share)

    def score(self, values: Floats) -> Doubles:
        """Score of the trees, 0 to 1, before calibration: what areas to map are compared by."""
        return score(raw(self.trees, values), self.trees.link)

    def threshold(self, aim: Aim, prevalence: float | None = None) -> float:
        """Probability from which a pixel is called a landslide, for the same prevalence."""
        share = self.calibration.prevalence if prevalence is None else prevalence
        return threshold(aim, self.evidence, share)


@dataclass(frozen=True, eq=False)
class Model:
    """What is saved: a classifier, the scenes that it knows, and its card."""

    classifier: Classifier
    domain: Domain
    card: Card

    def check(self, features: tuple[str, ...], units: tuple[str, ...]) -> None:
        """Refuse features that are not the model's, stand in another order, or have other units.

        Raises
        ------
        ModelMismatch
            With the names that are missing, or too many.
        """
        wanted = self.card.features
        if features == wanted:
            self._check_units(units)
            return
        missing = [name for name in wanted if name not in features]
        more = [name for name in features if name not in wanted]
        parts = [f"lacks {', '.join(missing)}"] * bool(missing)
        parts += [f"has {', '.join(more)} besides"] * bool(more)
        told = " and ".join(parts) or "has them in another order"
        raise ModelMismatch(
            f"the model was trained on other features: the scene {told}",
            value=list(features),
            allowed=", ".join(wanted),
        )

    def _check_units(self, units: tuple[str, ...]) -> None:
        for name, wanted, given in zip(self.card.features, self.card.units, units, strict=True):
            if given != wanted:
                raise ModelMismatch(
                    f"the model was trained on {name} in {wanted}, the scene has it in {given}",
                    value=given,
                    allowed=wanted,
                )


class Fitted(NamedTuple):
    """A classifier, and what was learned about it on the way.

    Parameters
    ----------
    classifier
        Trained on all samples.
    out_of_fold
        Probability of each sample by trees that saw none of its fold, calibrated on all folds.
    folds
        How the samples were dealt.
    fold_trees
        The trees that saw none of each fold.
    """

    classifier: Classifier
    out_of_fold: Floats
    folds: Folds
    fold_trees: tuple[Trees, ...]


def fit(samples: Samples, recipe: Recipe, folds: int = FOLDS) -> Fitted:
    """A classifier from samples: trees, then calibration and evidence out of fold.

    Parameters
    ----------
    folds
        Parts that are left out in turn; fewer where the landslides lie in fewer groups.

    Raises
    ------
    TooFewSamples
        Fewer than two groups hold landslides.
    """
    parts = dealt(samples.group, samples.landslide, folds)
    fold_trees = trees_of_folds(samples, recipe, parts)
    scores = scores_out_of_fold(samples, fold_trees, parts)
    trees = train(samples.features, samples.landslide, samples.weight, recipe)
    calibration = calibrated_by(scores, samples.landslide, samples.weight)
    share = calibration.prevalence
    # These are scores already: nothing is left for a link to do.
    held_out = probability(scores, Link.IDENTITY, calibration, share)
    found = evidence(held_out, samples.landslide, samples.weight, share)
    return Fitted(Classifier(trees, calibration, found), held_out, parts, fold_trees)


def trees_of_folds(samples: Samples, recipe: Recipe, folds: Folds) -> tuple[Trees, ...]:
    """For each fold trees that saw no sample of it."""
    found = []
    for fold in range(folds.number):
        rest = samples.of(folds.of != fold)
        own = replace(recipe, seed=recipe.seed + fold + 1)
        found.append(train(rest.features, rest.landslide, rest.weight, own))
    return tuple(found)


def scores_out_of_fold(samples: Samples, trees: Sequence[Trees], folds: Folds) -> Doubles:
    """Score of each sample, 0 to 1, by the trees that saw no sample of its fold."""
    scores = np.empty(samples.landslide.size)
    for fold, own in enumerate(trees):
        held = folds.of == fold
        scores[held] = score(raw(own, samples.features[held].T), own.link)
    return scores


def modelled(samples: Samples, classifier: Classifier, card: Card, seed: int = 0) -> Model:
    """A classifier with the domain of the samples that it was trained on, to be saved."""
    places = strata(samples.place, PARTS, seed)
    domain = learned(samples.features, samples.weight, places, seed)
    return Model(classifier, domain, card)
