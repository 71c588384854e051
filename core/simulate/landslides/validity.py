"""Whether an event is worth judging by: neither solved by a threshold nor hidden from all."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from core.simulate.landslides.fields import Layer
from core.simulate.landslides.making import Event
from core.simulate.landslides.spectra import BANDS
from core.simulate.landslides.terrain import PIXEL_M

VALID = (0.3, 0.6)
"""F1 that the best threshold of an index, chosen with the labels, may reach."""
STEEP_DEG = 10.0
LEAST = 1e-4
"""One step of reflectance as images are written."""


class Best(NamedTuple):
    """The best that a threshold reaches.

    Parameters
    ----------
    f1
        Of the clear pixels.
    measure
        The index.
    steep
        Whether only slopes over 10 degrees were taken.
    threshold
        Pixels of at least this are landslide.
    """

    f1: float
    measure: str
    steep: bool
    threshold: float


def indices(event: Event) -> dict[str, Layer]:
    """Change between the images in several measures that grow where plants give way to soil."""
    before, after = (dict(zip(BANDS, image, strict=True)) for image in (event.before, event.after))
    ndvi = [_ratio(image["B08"], image["B04"]) for image in (before, after)]
    change = event.after - event.before
    middle = np.median(change[:, event.truth.clear], axis=1)[:, None, None]
    spread = np.median(np.abs(change - middle)[:, event.truth.clear], axis=1)
    unit = np.maximum(spread, LEAST)[:, None, None]
    return {
        "NDVI": ndvi[0] - ndvi[1],
        "relative NDVI": (ndvi[0] - ndvi[1]) / np.sqrt(np.clip(ndvi[0] + ndvi[1], 0.05, None)),
        "brightness": change[:3].mean(axis=0),
        "change vector": np.sqrt((change**2).sum(axis=0)),
        "normalised change vector": np.sqrt((((change - middle) / unit) ** 2).sum(axis=0)),
    }


def _ratio(first: Layer, second: Layer) -> Layer:
    ratio: Layer = (first - second) / np.maximum(first + second, 1e-3)
    return ratio


def best_threshold(event: Event) -> Best:
    """The best threshold of an index, chosen with the labels of the clear pixels."""
    down, right = np.gradient(event.dem, PIXEL_M)
    steep = np.hypot(down, right) > np.tan(np.radians(STEEP_DEG))
    clear, labels = event.truth.clear, event.truth.labels
    found = []
    for name, index in indices(event).items():
        for only_steep in (False, True):
            taken = clear & steep if only_steep else clear
            f1, threshold = _best(index[taken], labels[taken], int(labels[clear].sum()))
            found.append(Best(f1, name, only_steep, threshold))
    return max(found)


def _best(index: Layer, label: NDArray[np.bool_], positives: int) -> tuple[float, float]:
    order = np.argsort(-index, kind="stable")
    hits = np.cumsum(label[order])
    f1 = 2 * hits / (np.arange(1, hits.size + 1) + max(positives, 1))
    place = int(np.argmax(f1))
    return float(f1[place]), float(index[order[place]])
