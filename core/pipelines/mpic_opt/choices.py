"""The values that inputs of MPIC-OPT choose from, and what each preset decides."""

from collections.abc import Mapping
from typing import Any

from core.declare import Choice, DecidedBy

PRESETS: Mapping[str, Mapping[str, Any]] = {
    "general": {
        "window": 15,
        "search_range": 60.0,
        "minimum_score": 0.5,
        "deramp": True,
        "maximum_displacement": 100.0,
    },
    "earthquake": {
        "window": 21,
        "search_range": 60.0,
        "minimum_score": 0.45,
        "deramp": True,
        "maximum_displacement": 60.0,
    },
    "landslide": {
        "window": 11,
        "search_range": 100.0,
        "minimum_score": 0.5,
        "deramp": True,
        "maximum_displacement": 100.0,
    },
    "glacier": {
        "window": 21,
        "search_range": 400.0,
        "minimum_score": 0.45,
        "deramp": False,
        "maximum_displacement": 1000.0,
    },
}
"""What each preset decides: pixels, metres, score from 0 to 1, whether, metres."""


def decided(name: str) -> DecidedBy:
    """The mark of an input that the preset decides."""
    return DecidedBy("preset", {preset: values[name] for preset, values in PRESETS.items()})


def _told(preset: str, use: str) -> str:
    values = PRESETS[preset]
    deramp = "removed" if values["deramp"] else "kept"
    return (
        f"{use} Window {values['window']} pixels, search range {values['search_range']:g} m, "
        f"minimum score {values['minimum_score']:g}, ramps {deramp}, "
        f"maximum displacement {values['maximum_displacement']:g} m."
    )


class Preset(Choice):
    """What kind of motion is looked for."""

    GENERAL = "general", _told("general", "Metres of motion of any kind.")
    EARTHQUAKE = (
        "earthquake",
        _told("earthquake", "Broad motion with sharp faults, often below one pixel."),
    )
    LANDSLIDE = "landslide", _told("landslide", "Small bodies that move by metres.")
    GLACIER = (
        "glacier",
        _told("glacier", "Fast ice that may fill the image, so that no ramp can be told from it."),
    )


class Units(Choice):
    """Units of the displacement."""

    METRES = "m", "Metres between the two dates."
    PER_DAY = "m/day", "Metres per day: divided by the days from reference to secondary."
    PER_YEAR = "m/year", "Metres per year of 365.25 days."


class CloudMask(Choice):
    """How clouds are kept out."""

    AUTO = (
        "auto",
        (
            "The cloud layer of the product, applied only where the images also match badly (score "
            "below 0.7), so that bright deserts and towns stay. Products without such a layer: the "
            "score and the forward-backward difference alone."
        ),
    )
    NONE = "none", "No mask; score and filters alone decide."
    PRODUCT = "product", "The cloud layer of the product as it is; an error where there is none."
    USER = "user", "The mask given as the input mask, and no other."


class Pairing(Choice):
    """Which of several scenes are matched with each other."""

    CONSECUTIVE = (
        "consecutive",
        "Each scene with those that follow it, as far as the pair range reaches.",
    )
    ALL = "all", "Every scene with every later one; the pair range is not looked at."
    SPLIT_DATE = (
        "split_date",
        (
            "Every scene before the split date with every scene on or after it; the pair range is "
            "not looked at."
        ),
    )


class RangeUnit(Choice):
    """What the pair range counts."""

    ACQUISITIONS = "acquisitions", "Scenes, in the order of their dates: 1 is the next one."
    DAYS = "days", "Days between the two scenes."


class Direction(Choice):
    """Which scene of a pair is the reference."""

    FORWARD = "forward", "The earlier scene is the reference."
    BACKWARD = "backward", "The later scene is the reference; every sign turns round."
    BOTH = "both", "Each pair both ways, as two pairs."


class Extra(Choice):
    """Outputs that are made only when asked for."""

    RAW = "raw", "The displacement as matched, before any filter: displacement_*_raw."
    PIXELS = "pixels", "The displacement in pixels in MicMac's convention: px1, px2."
    SMOOTH = "smooth", "The filtered displacement, smoothed by a median: displacement_*_smooth."
