"""What inputs of ALADIM have to do with each other."""

from collections.abc import Iterator
from itertools import combinations

from core.declare import Given
from core.errors import Inconsistent, MissingInput, Problem
from core.pipelines.aladim.choices import BandRole, ThresholdRule

VISIBLE = (BandRole.RED, BandRole.GREEN, BandRole.BLUE)
SAMPLES = ("training_samples", "training_areas")
TEACHERS = ("training", "training_samples", "model", "probability")
"""Ways to know landslides; none of them means without samples."""


def rules(given: Given) -> Iterator[Problem]:
    """Inputs that do not fit together."""
    yield from _image_rules(given)
    yield from _band_rules(given)
    yield from _sample_rules(given)
    yield from _sun_rules(given)
    yield from _threshold_rules(given)


def _image_rules(given: Given) -> Iterator[Problem]:
    if "after" not in given and "probability" not in given:
        yield _missing("after", "An image after the event is needed: give after.")
    for name in ("after", "before"):
        dates, images = f"{name}_dates", _count(given, name)
        if dates in given and _count(given, dates) != images:
            message = f"{dates} has {_count(given, dates)} dates for {images} images."
            yield Problem(
                Inconsistent.code,
                f"/inputs/{dates}",
                _count(given, dates),
                f"{images} dates, or none",
                message,
            )


def _band_rules(given: Given) -> Iterator[Problem]:
    bands = given.get("bands")
    if not isinstance(bands, list) or not bands:
        return
    lacking = [role.value for role in VISIBLE if role.value not in bands]
    twice = {name for name in bands if bands.count(name) > 1} - {BandRole.OTHER.value}
    if lacking:
        message = f"bands lacks {', '.join(lacking)}."
        yield Problem(
            Inconsistent.code, "/inputs/bands", bands, "red, green and blue at least", message
        )
    if twice:
        message = f"bands names {', '.join(sorted(map(str, twice)))} more than once."
        yield Problem(Inconsistent.code, "/inputs/bands", bands, "each band once", message)


def _sample_rules(given: Given) -> Iterator[Problem]:
    for one, other in (SAMPLES, SAMPLES[::-1]):
        if one in given and other not in given:
            yield _missing(other, f"{one} was given without {other}: both are needed.")
    for one, other in combinations([name for name in TEACHERS if name in given], 2):
        message = f"{one} and {other} were given; the one makes the other idle."
        yield Problem(Inconsistent.code, f"/inputs/{other}", None, f"{one} or {other}", message)


def _sun_rules(given: Given) -> Iterator[Problem]:
    for date in ("after", "before"):
        names = (f"{date}_sun_azimuth", f"{date}_sun_elevation")
        for one, other in (names, names[::-1]):
            if one in given and other not in given:
                yield _missing(other, f"{one} was given without {other}: both are needed.")


def _threshold_rules(given: Given) -> Iterator[Problem]:
    by_value = given.get("threshold_rule") == ThresholdRule.VALUE.value
    if by_value and "threshold" not in given:
        yield _missing("threshold", "threshold_rule value needs a threshold.")
    if "threshold" in given and not by_value:
        message = "threshold was given, but threshold_rule is not value."
        allowed = "threshold only with threshold_rule value"
        yield Problem(Inconsistent.code, "/inputs/threshold", given["threshold"], allowed, message)


def _count(given: Given, name: str) -> int:
    value = given.get(name, [])
    return len(value) if isinstance(value, list) else 1


def _missing(name: str, message: str) -> Problem:
    return Problem(MissingInput.code, f"/inputs/{name}", None, f"a value for {name}", message)
