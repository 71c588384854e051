"""What changed between two dates, band by band and in all bands together."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from core.change.indices import Bands, normalised
from core.change.scene import IMAGE, Floats
from core.roles import Role

LEAST_SUM = 0.05
"""Of the two NDVI under the root of rdNDVI: where nothing grows, it would be noise over nought."""


@dataclass(frozen=True)
class Change:
    """A measure of the change between two dates."""

    name: str
    text: str
    formula: str
    roles: tuple[Role, ...]
    """The least that it needs; with none, it takes all bands that there are."""
    doi: str
    function: Callable[[Bands, Bands], Floats]
    """Of the bands before, in the radiometry of those after, and after."""
    unit: str = "1"


def _relative_ndvi(before: Bands, after: Bands) -> Floats:
    old, new = (normalised(bands[Role.NIR], bands[Role.RED]) for bands in (before, after))
    root = np.sqrt(np.maximum(old + new, np.float32(LEAST_SUM)))
    result: Floats = np.float32(100) * (new - old) / root
    return result


def _magnitude(before: Bands, after: Bands) -> Floats:
    steps = [after[role] - before[role] for role in Role if role in before]
    total = sum(step * step for step in steps)
    result: Floats = np.sqrt(total * np.float32(1 / len(steps)))
    return result


def _turn(before: Bands, after: Bands) -> Floats:
    """Chord between the two spectra, each of length one: about the angle, radians."""
    roles = [role for role in Role if role in before]
    old, new = (
        np.sqrt(np.maximum(sum(bands[role] * bands[role] for role in roles), np.float32(1e-12)))
        for bands in (before, after)
    )
    steps = [after[role] / new - before[role] / old for role in roles]
    result: Floats = np.sqrt(sum(step * step for step in steps))
    return result


CHANGES: tuple[Change, ...] = (
    Change(
        "rdndvi",
        "relative difference of the vegetation index",
        "100 * (ndvi_after - ndvi_before) / sqrt(max(ndvi_after + ndvi_before, 0.05))",
        (Role.RED, Role.NIR),
        "10.5194/nhess-21-1495-2021",
        _relative_ndvi,
        "%",
    ),
    Change(
        "change_magnitude",
        "length of the change vector per band",
        "sqrt(mean over the bands of (after - before)**2)",
        (),
        "10.1016/0034-4257(94)90144-9",
        _magnitude,
        IMAGE,
    ),
    Change(
        "spectral_turn",
        "turn of the spectrum, the chord of the spectral angle",
        "sqrt(sum over the bands of (after / |after| - before / |before|)**2)",
        (),
        "10.1016/0034-4257(93)90013-N",
        _turn,
        "rad",
    ),
)


def ratio(before: Floats, after: Floats) -> Floats:
    """Normalised difference of one band between the dates, -1 to 1: a ratio on an even scale."""
    result: Floats = np.clip(normalised(after, before), np.float32(-1), np.float32(1))
    return result
