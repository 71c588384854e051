"""What inputs of DSM-OPT have to do with each other."""

from collections.abc import Iterator
from typing import Any, TypeGuard

from core.declare import Given
from core.errors import Inconsistent, MissingInput, Problem

CROP = ("crop_row", "crop_column", "crop_rows", "crop_columns")
"""First pixel and size of a crop of the reference image: all four or none."""


def rules(given: Given) -> Iterator[Problem]:
    """Inputs that do not fit together."""
    yield from _crop_rules(given)
    yield from _height_rules(given)
    yield from _pair_rules(given)
    if "dem_datum" in given and "dem" not in given:
        yield _lost("dem_datum", "dem_datum tells what the heights of dem are counted from", "dem")


def pair_count(given: Given) -> int:
    """How many pairs are asked for; 0 where only the images can tell."""
    pairs = given.get("pairs")
    return len(pairs) if isinstance(pairs, list) else int(isinstance(pairs, str))


def _crop_rules(given: Given) -> Iterator[Problem]:
    there = [name for name in CROP if name in given]
    if not there:
        if "reference" in given:
            yield _lost("reference", "reference says whose pixels a crop counts", "crop_row")
        return
    for name in CROP:
        if name not in given:
            message = f"{name} is missing: a crop needs {', '.join(CROP)}."
            yield Problem(
                MissingInput.code, f"/inputs/{name}", None, f"a value for {name}", message
            )
    if "aoi" in given:
        message = "An area of interest and a crop were given; give the one or the other."
        yield Problem(Inconsistent.code, "/inputs/aoi", None, "aoi, or a crop in pixels", message)


def _height_rules(given: Given) -> Iterator[Problem]:
    low, high = given.get("minimum_height"), given.get("maximum_height")
    if _is_number(low) and _is_number(high) and low >= high:
        message = f"minimum_height {low} is not below maximum_height {high}."
        allowed = "minimum_height below maximum_height"
        yield Problem(Inconsistent.code, "/inputs/minimum_height", low, allowed, message)


def _pair_rules(given: Given) -> Iterator[Problem]:
    pairs = given.get("pairs")
    seen: dict[frozenset[str], str] = {}
    for number, key in enumerate(pairs if isinstance(pairs, list) else [pairs]):
        if not isinstance(key, str):
            continue
        where = f"/inputs/pairs/{number}" if isinstance(pairs, list) else "/inputs/pairs"
        ends = frozenset(key.split("-"))
        if len(ends) == 1 and "-" in key:
            message = f"The pair {key} is one image twice."
            yield Problem(Inconsistent.code, where, key, "two different images", message)
        elif ends in seen:
            message = f"The pair {key} was given before, as {seen[ends]}."
            yield Problem(Inconsistent.code, where, key, "each pair once", message)
        seen.setdefault(ends, key)


def _lost(name: str, what: str, needed: str) -> Problem:
    message = f"{name} was given without {needed}: {what}."
    return Problem(
        Inconsistent.code, f"/inputs/{name}", None, f"{name} only with {needed}", message
    )


def _is_number(value: Any) -> TypeGuard[int | float]:
    return isinstance(value, int | float) and not isinstance(value, bool)
