"""What a band shows, from its name, its wavelength, its colour or the user's word."""

import re
from collections.abc import Mapping, Sequence

from rasterio.enums import ColorInterp

from core.errors import BandMissing
from core.roles import Role

WAVELENGTHS_NM: dict[Role, tuple[float, float, float]] = {
    Role.BLUE: (450, 515, 485),
    Role.GREEN: (520, 600, 560),
    Role.RED: (620, 690, 660),
    Role.REDEDGE: (690, 745, 705),
    Role.NIR: (760, 910, 840),
    Role.SWIR1: (1500, 1760, 1610),
    Role.SWIR2: (2050, 2380, 2200),
}
"""Least and largest central wavelength of a role, and the best one where several bands fit."""

SENTINEL2 = {
    "B2": Role.BLUE, "B3": Role.GREEN, "B4": Role.RED, "B5": Role.REDEDGE, "B8": Role.NIR,
    "B11": Role.SWIR1, "B12": Role.SWIR2,
}  # fmt: skip
"""Of its three bands on the red edge the first, which lies farthest from the near infrared."""
LANDSAT_OLI = {
    "B2": Role.BLUE, "B3": Role.GREEN, "B4": Role.RED, "B5": Role.NIR, "B6": Role.SWIR1,
    "B7": Role.SWIR2,
}  # fmt: skip
"""Landsat 8 and 9."""
LANDSAT_TM = {
    "B1": Role.BLUE, "B2": Role.GREEN, "B3": Role.RED, "B4": Role.NIR, "B5": Role.SWIR1,
    "B7": Role.SWIR2,
}  # fmt: skip
"""Landsat 4, 5 and 7."""

_NARROW = "B8A"
"""Sentinel-2's near infrared of 20 m, taken where that of 10 m is not there."""
_ONLY_SENTINEL2 = {"B8", _NARROW, "B11", "B12"}

_WORDS = (
    (r"red[\s_-]?edge[\s_-]?1?|vre[\s_-]?1|re1?", Role.REDEDGE),
    (r"near[\s_-]?infra[\s_-]?red|nir(?:[\s_-]?(?:0?8|1|wide))?", Role.NIR),
    (r"(?:swir|mir)[\s_-]?1(?:6)?|short[\s_-]?wave[\s_-]?infra[\s_-]?red[\s_-]?1", Role.SWIR1),
    (r"(?:swir|mir)[\s_-]?2(?:2)?|short[\s_-]?wave[\s_-]?infra[\s_-]?red[\s_-]?2", Role.SWIR2),
    (r"blue", Role.BLUE),
    (r"green(?:[\s_-]?2)?", Role.GREEN),
    (r"red", Role.RED),
)
_NAMES = tuple(
    (re.compile(rf"(?<![a-z0-9])(?:{words})(?![a-z0-9])"), role) for words, role in _WORDS
)
_OTHERS = re.compile(r"coastal|deep|yellow|panchro|thermal|cirrus|mask|alpha|quality")
_CODE = re.compile(r"(?:sr_)?(?:b|band[\s_-]?)0?(\d{1,2}a?)", re.IGNORECASE)
_COLOURS = {
    ColorInterp.blue: Role.BLUE,
    ColorInterp.green: Role.GREEN,
    ColorInterp.red: Role.RED,
    ColorInterp.rededge: Role.REDEDGE,
    ColorInterp.nir: Role.NIR,
}

Found = dict[Role, int]
"""Position of the band of each role."""


def from_order(order: str, count: int, *, pointer: str = "") -> Found:
    """Roles as the user lists them, from the first band.

    >>> {str(role): place for role, place in from_order("blue, green, red, -, NIR", 5).items()}
    {'blue': 0, 'green': 1, 'red': 2, 'nir': 4}
    """
    words = [word.strip().casefold() for word in order.split(",")]
    known = {str(role) for role in Role}
    wrong = [word for word in words if word not in known | {"-"}]
    given = [word for word in words if word != "-"]
    why = ""
    if wrong:
        why = f"{', '.join(map(repr, wrong))} is not known"
    elif len(set(given)) < len(given):
        why = "a band is named twice"
    elif len(words) > count:
        why = f"it names {len(words)} bands and the image has {count}"
    if why:
        raise BandMissing(
            f"The order of bands {order!r} cannot be used: {why}.",
            pointer=pointer,
            value=order,
            allowed=f"{', '.join(Role)}, or - for a band to pass over, from the first band on",
        )
    return {Role(word): place for place, word in enumerate(words) if word != "-"}


def from_names(names: Sequence[str]) -> Found:
    """Roles from descriptions: words such as "Blue" or "NIR", or codes such as "B04".

    A code that two families of sensors use for different bands, with nothing to tell which it is,
    gives none.
    """
    codes = {
        found[1].upper(): place
        for place, name in enumerate(names)
        if (found := _CODE.fullmatch(name.strip()))
    }
    coded = _from_codes({f"B{code}": place for code, place in codes.items()})
    worded: Found = {}
    for place, name in enumerate(names):
        if (role := _from_word(name)) is not None:
            worded.setdefault(role, place)
    return {**coded, **worded}


def _from_word(name: str) -> Role | None:
    text = name.casefold()
    if _OTHERS.search(text):
        return None
    for pattern, role in _NAMES:
        if pattern.search(text):
            return role
    return None


def _from_codes(codes: Mapping[str, int]) -> Found:
    if codes.keys() & _ONLY_SENTINEL2:
        family = SENTINEL2 if "B8" in codes else {**SENTINEL2, _NARROW: Role.NIR}
    elif {"B6", "B7"} <= codes.keys():
        family = LANDSAT_OLI
    else:
        # Blue, green and red have the same numbers in both.
        family = {code: role for code, role in SENTINEL2.items() if LANDSAT_OLI.get(code) == role}
    return {family[code]: place for code, place in codes.items() if code in family}


def from_wavelengths(wavelengths_nm: Sequence[float | None]) -> Found:
    """Roles from central wavelengths; of several bands that fit, the one nearest to the best."""
    found: Found = {}
    for role, (low, high, best) in WAVELENGTHS_NM.items():
        fitting = [
            (abs(length - best), place)
            for place, length in enumerate(wavelengths_nm)
            if length is not None and low <= length <= high
        ]
        if fitting:
            found[role] = min(fitting)[1]
    return found


def from_colours(colours: Sequence[ColorInterp]) -> Found:
    """Roles from the meaning of colours that a file gives to its bands."""
    found: Found = {}
    for place, colour in enumerate(colours):
        if colour in _COLOURS:
            found.setdefault(_COLOURS[colour], place)
    return found
