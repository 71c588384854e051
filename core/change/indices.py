"""Indices of the bands of one date.

Two sets: `basic` is what bare ground, vegetation and water need; `advanced` adds what weighs haze,
soil, pigments and moisture otherwise.  An index that is a monotonic function of another one is left
out: trees, which decide by thresholds, learn nothing from it.  Only sums, products, quotients and
square roots: these are equal in bits wherever a tile begins.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from core.change.scene import IMAGE, Floats
from core.roles import Role

Bands = Mapping[Role, Floats]
"""Reflectances, or the numbers of an image without a physical unit."""

BLUE, GREEN, RED, REDEDGE, NIR, SWIR1, SWIR2 = Role


class IndexSet(StrEnum):
    """Which indices are made."""

    NONE = "none"
    BASIC = "basic"
    ADVANCED = "advanced"


@dataclass(frozen=True)
class Index:
    """An index of one date."""

    name: str
    text: str
    formula: str
    """In the names of the roles."""
    doi: str
    function: Callable[[Bands], Floats]
    limits: tuple[float, float] = (-1.0, 1.0)
    """Values beyond, where a divisor nears nought, become the limit."""
    basic: bool = False
    physical: bool = False
    """Whether it has constants of reflectance: an image without a physical unit cannot have it."""
    unit: str = "1"

    @property
    def roles(self) -> tuple[Role, ...]:
        """The bands that its formula names."""
        names = re.findall(r"\w+", self.formula)
        return tuple(role for role in Role if role in names)

    def of(self, bands: Bands) -> Floats:
        """Its values, float32, finite."""
        low, high = self.limits
        values: Floats = np.clip(self.function(bands), np.float32(low), np.float32(high))
        return values


def chosen(
    which: IndexSet, roles: Mapping[Role, object], *, physical: bool
) -> tuple[tuple[Index, ...], tuple[Index, ...]]:
    """The indices of a set that an image has bands for, and those that it has not."""
    wanted = [
        index
        for index in INDICES
        if which is IndexSet.ADVANCED or (which is IndexSet.BASIC and index.basic)
    ]
    made = tuple(
        index
        for index in wanted
        if all(role in roles for role in index.roles) and (physical or not index.physical)
    )
    return made, tuple(index for index in wanted if index not in made)


def brightness(bands: Bands) -> Floats:
    """Root mean square of the visible bands, in their unit."""
    squares = sum(bands[role] * bands[role] for role in (BLUE, GREEN, RED))
    result: Floats = np.sqrt(squares * np.float32(1 / 3))
    return result


def greenness(bands: Bands) -> Floats:
    """NDVI, or without near infrared the same of green and red."""
    return normalised(bands[NIR] if NIR in bands else bands[GREEN], bands[RED])


def quotient(above: Floats, below: Floats) -> Floats:
    """Quotient; what is divided by nought stays as it is."""
    divisor: Floats = np.where(below == 0, np.float32(1), below).astype(np.float32, copy=False)
    return above / divisor


def normalised(one: Floats, other: Floats) -> Floats:
    """Difference over sum."""
    return quotient(one - other, one + other)


def _enhanced(bands: Bands) -> Floats:
    nir, red, blue = bands[NIR], bands[RED], bands[BLUE]
    below = nir + np.float32(6) * red - np.float32(7.5) * blue + np.float32(1)
    return np.float32(2.5) * quotient(nir - red, below)


def _enhanced_of_two(bands: Bands) -> Floats:
    nir, red = bands[NIR], bands[RED]
    return np.float32(2.5) * quotient(nir - red, nir + np.float32(2.4) * red + np.float32(1))


def _modified_soil_adjusted(bands: Bands) -> Floats:
    twice = np.float32(2) * bands[NIR] + np.float32(1)
    under = twice * twice - np.float32(8) * (bands[NIR] - bands[RED])
    result: Floats = np.float32(0.5) * (twice - np.sqrt(np.maximum(under, np.float32(0))))
    return result


def _environment(bands: Bands) -> Floats:
    nir, red = bands[NIR], bands[RED]
    above = np.float32(2) * (nir * nir - red * red) + np.float32(1.5) * nir + np.float32(0.5) * red
    eta = quotient(above, nir + red + np.float32(0.5))
    return eta * (np.float32(1) - np.float32(0.25) * eta) - quotient(
        red - np.float32(0.125), np.float32(1) - red
    )


def _resistant(bands: Bands) -> Floats:
    return normalised(bands[NIR], np.float32(2) * bands[RED] - bands[BLUE])


def _bare(bands: Bands) -> Floats:
    return normalised(bands[SWIR1] + bands[RED], bands[NIR] + bands[BLUE])


def _difference(
    name: str, text: str, one: Role, other: Role, doi: str, *, basic: bool = False
) -> Index:
    """The normalised difference of two bands."""
    formula = f"({one} - {other}) / ({one} + {other})"
    return Index(name, text, formula, doi, lambda b: normalised(b[one], b[other]), basic=basic)


def _tasselled(name: str, what: str, *weights: float) -> Index:
    """An axis of the tasselled cap: weights of blue, green, red, NIR and the two SWIR bands."""
    parts = dict(zip((BLUE, GREEN, RED, NIR, SWIR1, SWIR2), weights, strict=True))

    def axis(bands: Bands) -> Floats:
        total: Floats = np.zeros_like(bands[RED])
        for role, weight in parts.items():
            total = total + np.float32(weight) * bands[role]
        return total

    formula = " + ".join(f"{weight} * {role}" for role, weight in parts.items())
    return Index(
        name,
        f"tasselled cap {what}",
        formula.replace("+ -", "- "),
        "10.1016/0034-4257(85)90102-6",
        axis,
        (-5.0, 5.0),
        physical=True,
    )


INDICES: tuple[Index, ...] = (
    Index(
        "brightness",
        "brightness of the visible bands",
        "sqrt((blue**2 + green**2 + red**2) / 3)",
        "10.1016/S0034-4257(98)00030-3",
        brightness,
        (0.0, 65535.0),
        basic=True,
        unit=IMAGE,
    ),
    _difference(
        "ngrdi",
        "normalised green-red difference",
        GREEN,
        RED,
        "10.1016/0034-4257(79)90013-0",
        basic=True,
    ),
    Index(
        "gli",
        "green leaf index",
        "(2 * green - red - blue) / (2 * green + red + blue)",
        "10.1080/10106040108542184",
        lambda b: normalised(np.float32(2) * b[GREEN], b[RED] + b[BLUE]),
        basic=True,
    ),
    _difference(
        "ikaw", "normalised red-blue difference", RED, BLUE, "10.1006/anbo.1997.0544", basic=True
    ),
    _difference(
        "ndvi",
        "normalised difference vegetation index",
        NIR,
        RED,
        "10.1016/0034-4257(79)90013-0",
        basic=True,
    ),
    _difference(
        "ndwi",
        "normalised difference water index",
        GREEN,
        NIR,
        "10.1080/01431169608948714",
        basic=True,
    ),
    Index(
        "osavi",
        "optimised soil-adjusted vegetation index",
        "(nir - red) / (nir + red + 0.16)",
        "10.1016/0034-4257(95)00186-7",
        lambda b: quotient(b[NIR] - b[RED], b[NIR] + b[RED] + np.float32(0.16)),
        basic=True,
        physical=True,
    ),
    _difference(
        "ndmi",
        "normalised difference moisture index",
        NIR,
        SWIR1,
        "10.1016/S0034-4257(96)00067-3",
        basic=True,
    ),
    _difference(
        "nbr", "normalised burn ratio", NIR, SWIR2, "10.1016/j.rse.2006.12.006", basic=True
    ),
    Index(
        "bsi",
        "bare soil index",
        "((swir1 + red) - (nir + blue)) / ((swir1 + red) + (nir + blue))",
        "10.3390/rs9121245",
        _bare,
        basic=True,
    ),
    Index(
        "vari",
        "visible atmospherically resistant index",
        "(green - red) / (green + red - blue)",
        "10.1016/S0034-4257(01)00289-9",
        lambda b: quotient(b[GREEN] - b[RED], b[GREEN] + b[RED] - b[BLUE]),
        (-2.0, 2.0),
    ),
    Index(
        "rgbvi",
        "red-green-blue vegetation index",
        "(green**2 - blue * red) / (green**2 + blue * red)",
        "10.1016/j.jag.2015.02.012",
        lambda b: normalised(b[GREEN] * b[GREEN], b[BLUE] * b[RED]),
    ),
    Index(
        "evi",
        "enhanced vegetation index",
        "2.5 * (nir - red) / (nir + 6 * red - 7.5 * blue + 1)",
        "10.1016/S0034-4257(02)00096-2",
        _enhanced,
        (-2.0, 2.0),
        physical=True,
    ),
    Index(
        "evi2",
        "enhanced vegetation index of two bands",
        "2.5 * (nir - red) / (nir + 2.4 * red + 1)",
        "10.1016/j.rse.2008.06.006",
        _enhanced_of_two,
        (-2.0, 2.0),
        physical=True,
    ),
    Index(
        "msavi",
        "modified soil-adjusted vegetation index",
        "(2 * nir + 1 - sqrt((2 * nir + 1)**2 - 8 * (nir - red))) / 2",
        "10.1016/0034-4257(94)90134-1",
        _modified_soil_adjusted,
        physical=True,
    ),
    Index(
        "arvi",
        "atmospherically resistant vegetation index",
        "(nir - (2 * red - blue)) / (nir + (2 * red - blue))",
        "10.1109/36.134076",
        _resistant,
        (-2.0, 2.0),
    ),
    Index(
        "gemi",
        "global environment monitoring index",
        "eta * (1 - 0.25 * eta) - (red - 0.125) / (1 - red), "
        "eta = (2 * (nir**2 - red**2) + 1.5 * nir + 0.5 * red) / (nir + red + 0.5)",
        "10.1007/BF00031911",
        _environment,
        (-2.0, 2.0),
        physical=True,
    ),
    Index(
        "nirv",
        "near-infrared reflectance of vegetation",
        "nir * (nir - red) / (nir + red)",
        "10.1126/sciadv.1602244",
        lambda b: b[NIR] * normalised(b[NIR], b[RED]),
        physical=True,
    ),
    Index(
        "cvi",
        "chlorophyll vegetation index",
        "nir * red / green**2",
        "10.1007/s11119-010-9204-3",
        lambda b: quotient(b[NIR] * b[RED], b[GREEN] * b[GREEN]),
        (0.0, 20.0),
    ),
    _difference(
        "ndre",
        "normalised difference of near infrared and red edge",
        NIR,
        REDEDGE,
        "10.1016/1011-1344(93)06963-4",
    ),
    Index(
        "psri",
        "plant senescence reflectance index",
        "(red - blue) / rededge",
        "10.1034/j.1399-3054.1999.106119.x",
        lambda b: quotient(b[RED] - b[BLUE], b[REDEDGE]),
        (-2.0, 2.0),
    ),
    _difference(
        "mndwi",
        "modified normalised difference water index",
        GREEN,
        SWIR1,
        "10.1080/01431160600589179",
    ),
    Index(
        "dbsi",
        "dry bare-soil index",
        "(swir1 - green) / (swir1 + green) - (nir - red) / (nir + red)",
        "10.3390/land7030081",
        lambda b: normalised(b[SWIR1], b[GREEN]) - normalised(b[NIR], b[RED]),
        (-2.0, 2.0),
    ),
    Index(
        "nmdi",
        "normalised multi-band drought index",
        "(nir - (swir1 - swir2)) / (nir + (swir1 - swir2))",
        "10.1029/2007GL031021",
        lambda b: normalised(b[NIR], b[SWIR1] - b[SWIR2]),
        (-2.0, 2.0),
    ),
    _tasselled("tcb", "brightness", 0.2043, 0.4158, 0.5524, 0.5741, 0.3124, 0.2303),
    _tasselled("tcg", "greenness", -0.1603, -0.2819, -0.4934, 0.7940, -0.0002, -0.1446),
    _tasselled("tcw", "wetness", 0.0315, 0.2021, 0.3102, 0.1594, -0.6806, -0.6109),
)
