"""The probability of a landslide in each pixel, and where it is called one."""

from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from core.change.learning.calibration import log_odds
from core.change.learning.decisions import Aim, called, uncertainty
from core.change.learning.model import Classifier
from core.change.learning.prevalence import STEPS, counted, prevalence
from core.io.planes import Plane
from core.pipelines.aladim.scan import Scene, over_tiles, strips
from core.progress import Progress
from core.tiling import Tile, Window
from core.workspace import Context

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Detection:
    """Probabilities on scratch, and how they are read.

    Parameters
    ----------
    plane
        Probability for the prevalence of the training areas, float32; NaN where not known.
    trained, prevalence
        Share of landslides in the training areas, and in the scene.
    estimated
        Whether the scene's was estimated, and not given.
    level
        Probability, for the scene's prevalence, from which a pixel is called a landslide.
    """

    plane: Plane
    trained: float
    prevalence: float
    estimated: bool
    level: float

    def probability(self, window: Window) -> Floats:
        """For the prevalence of the scene."""
        return moved(self.plane.read(window), self.trained, self.prevalence)

    def called(self, window: Window) -> NDArray[np.bool_]:
        """Pixels that are called landslides."""
        return called(self.probability(window), self.level)

    def uncertainty(self, window: Window) -> Floats:
        """Probability that the decision is wrong."""
        return uncertainty(self.probability(window), self.level)


def moved(probabilities: Floats, trained: float, prevalence: float) -> Floats:
    """Probabilities for another share of landslides: their odds times the ratio of its odds."""
    if trained == prevalence:
        return probabilities
    factor = np.exp(log_odds(prevalence) - log_odds(trained))
    p = probabilities.astype(np.float64)
    result: Floats = (p * factor / (p * factor + (1 - p))).astype(np.float32)
    return result


def detection(
    scene: Scene,
    classifier: Classifier,
    aim: Aim,
    given: float | None,
    context: Context,
    progress: Progress,
) -> Detection:
    """Predict every tile.

    Parameters
    ----------
    given
        Share of landslides in the scene; estimated from its probabilities where it is None.
    """
    path = context.workspace.scratch / "probability"
    plane = Plane(path, scene.stack.shape, np.float32)
    counts = np.zeros(STEPS, np.int64)
    work = partial(_predict, classifier=classifier, path=path)
    for _, found in over_tiles(scene, work, context, progress, "predicting, tile"):
        counts += found
    trained = classifier.calibration.prevalence
    share = prevalence(counts, trained) if given is None else given
    level = classifier.threshold(aim, share)
    return Detection(plane, trained, share, given is None, level)


def _predict(scene: Scene, tile: Tile, classifier: Classifier, path: Path) -> NDArray[np.int64]:
    counts = np.zeros(STEPS, np.int64)
    with Plane(path, scene.stack.shape, np.float32) as plane:
        for window, features in strips(scene, tile):
            values = classifier.probability(features, None, ~np.isnan(features[0]))
            plane.write(window, values)
            counts += counted(values)
    return counts
