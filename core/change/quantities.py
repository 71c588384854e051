"""The few quantities whose windows, textures and segments are looked at.

Brightness and greenness of the image after, and their change.  Each is a whole number of steps, so
that all that is summed over many pixels is exact.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from core.change.indices import Bands, brightness, greenness
from core.change.radiometry import Normalisation, normalisation
from core.change.scene import IMAGE, Date, Flags, Floats, Layers, Numbers
from core.change.statistics import Statistics, histogram
from core.change.superpixels import UNIT, Pixels
from core.change.windows import Steps, in_steps
from core.roles import REFLECTANCE, VISIBLE, Role

NUMBER_STEP = 0.25
"""Of brightness, in stored numbers: 65,535 of them are the most that windows take."""

INDEX_STEP = 1e-4
"""Of greenness, which is at most 1."""

FARTHEST = 32
"""Deviations from the middle at most in the channels of segments."""

LEAST_STEPS = 4
"""Of a deviation: a scene without noise divides by no less."""


@dataclass(frozen=True)
class Quantity:
    """A quantity of the image after, or the change of one."""

    name: str
    text: str
    bright: bool
    """Whether it is of brightness; otherwise it is of greenness."""
    change: bool

    @property
    def unit(self) -> str:
        """That of bands, or none."""
        return IMAGE if self.bright else "1"

    @property
    def number_step(self) -> float:
        """Unit of a step where bands are stored numbers."""
        return NUMBER_STEP if self.bright else INDEX_STEP

    def step(self, scale: float) -> float:
        """Unit of a step where bands are stored numbers divided by `scale`."""
        return NUMBER_STEP / scale if self.bright else INDEX_STEP

    def of(self, before: Bands | None, after: Bands) -> Floats:
        """Its values from bands in stored numbers."""
        measure = brightness if self.bright else greenness
        if not self.change:
            return measure(after)
        if before is None:
            raise ValueError(f"{self.name} needs two dates")
        return measure(after) - measure(before)


QUANTITIES = (
    Quantity("brightness", "brightness after", bright=True, change=False),
    Quantity("greenness", "greenness after", bright=False, change=False),
    Quantity("brightness_change", "change of brightness", bright=True, change=True),
    Quantity("greenness_change", "change of greenness", bright=False, change=True),
)


@dataclass(frozen=True)
class Constants:
    """What a scene's first pass gives to each of its tiles."""

    normalisation: Normalisation | None
    """None for an image after without one before."""
    middles: Mapping[str, float]
    """Median of each quantity, with bands in stored numbers."""
    deviations: Mapping[str, float]
    """Robust standard deviation of each."""


def quantities(*, before: bool) -> tuple[Quantity, ...]:
    """Those that there are."""
    return tuple(quantity for quantity in QUANTITIES if before or not quantity.change)


def constants(statistics: Statistics) -> Constants:
    """Relations of the dates, and the spread of each quantity over the scene."""
    roles = {role for _, role in statistics.sample}
    before = any(date is Date.BEFORE for date, _ in statistics.sample)
    found = normalisation(statistics) if before else None
    sample = statistics.sample
    after = {role: sample[Date.AFTER, role].astype(np.float32) for role in roles}
    earlier = None
    if found is not None:
        earlier = {role: found.moved(sample[Date.BEFORE, role], role) for role in roles}
    middles, deviations = {}, {}
    for quantity in quantities(before=before):
        step = quantity.number_step
        counts = histogram(quantity.of(earlier, after), step)
        known = counts.total > 0
        middles[quantity.name] = counts.median if known else 0.0
        deviations[quantity.name] = max(counts.deviation if known else 0.0, LEAST_STEPS * step)
    return Constants(found, middles, deviations)


def numbers(layers: Layers, date: Date, role: Role, constants: Constants) -> Floats:
    """A band in the stored numbers of the image after."""
    band: Numbers = layers.bands(date)[role]
    if date is Date.BEFORE and constants.normalisation is not None:
        return constants.normalisation.moved(band, role)
    return band.astype(np.float32)


def in_whole_steps(layers: Layers, constants: Constants) -> dict[str, Steps]:
    """Each quantity of a padded tile; 0 where nothing is known."""
    roles = [role for role in (*VISIBLE, Role.NIR) if role in layers.after]
    bands = {
        date: {role: numbers(layers, date, role, constants) for role in roles}
        for date in layers.dates
    }
    found = {}
    for quantity in quantities(before=layers.before is not None):
        values = quantity.of(bands.get(Date.BEFORE), bands[Date.AFTER])
        steps = in_steps(values, quantity.number_step)
        steps[~layers.known] = 0
        found[quantity.name] = steps
    return found


def channels(steps: Mapping[str, Steps], known: Flags, constants: Constants) -> Pixels:
    """The quantities as segments see them: in deviations over the scene from its middle."""
    pixels = np.zeros((*known.shape, len(steps)), np.int16)
    for k, quantity in enumerate(q for q in QUANTITIES if q.name in steps):
        unit = constants.deviations[quantity.name] / UNIT
        middle = constants.middles[quantity.name]
        values = (steps[quantity.name] * quantity.number_step - middle) * (1 / unit)
        pixels[..., k] = np.clip(np.rint(values), -FARTHEST * UNIT, FARTHEST * UNIT)
    return pixels


def scale(*, physical: bool) -> float:
    """By what stored numbers are divided for the unit of features: reflectance, or themselves."""
    return float(REFLECTANCE) if physical else 1.0
