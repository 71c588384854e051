"""What inputs of MPIC-OPT have to do with each other."""

from collections.abc import Iterator
from datetime import date
from itertools import combinations
from typing import Any

from core.declare import Given
from core.errors import Inconsistent, MissingInput, Problem
from core.pipelines.mpic_opt.choices import CloudMask, Direction, Pairing, RangeUnit


def rules(given: Given) -> Iterator[Problem]:
    """Inputs that do not fit together."""
    yield from _image_rules(given)
    yield from _date_rules(given)
    yield from _pair_rules(given)
    if given.get("cloud_mask") == CloudMask.USER.value and "mask" not in given:
        yield _missing("mask", "cloud_mask user needs a mask.")


def pair_count(given: Given) -> int:
    """How many pairs the scenes make; 0 where only their dates can tell."""
    scenes = _items(given, "scenes")
    count, pairing = len(scenes), given.get("pairing", Pairing.CONSECUTIVE.value)
    both = 2 if given.get("direction") == Direction.BOTH.value else 1
    if pairing == Pairing.ALL.value:
        return both * count * (count - 1) // 2
    low, high = given.get("pair_minimum", 1), given.get("pair_maximum", 5)
    days = _days(given)
    if pairing == Pairing.SPLIT_DATE.value:
        split = _day(given.get("split_date"))
        if len(days) != count or split is None:
            return 0
        earlier = sum(day < split for day in days)
        return both * earlier * (count - earlier)
    by_number = given.get("pair_range_unit", "acquisitions") == RangeUnit.ACQUISITIONS.value
    if not (isinstance(low, int) and isinstance(high, int)):
        return 0
    if not by_number:
        # Without all dates nothing is known, and nothing is counted.
        gaps = (abs((b - a).days) for a, b in combinations(days, 2)) if len(days) == count else ()
        return both * sum(low <= gap <= high for gap in gaps)
    distances = range(max(low, 1), min(high, count - 1) + 1)
    return both * sum(count - distance for distance in distances)


def _days(given: Given) -> list[date]:
    """The dates of the scenes that are dates."""
    return [day for text in _items(given, "dates") if (day := _day(text)) is not None]


def _day(text: Any) -> date | None:
    try:
        return date.fromisoformat(text) if isinstance(text, str) else None
    except ValueError:
        return None


def _image_rules(given: Given) -> Iterator[Problem]:
    pair = [name for name in ("reference", "secondary") if name in given]
    if "scenes" in given and pair:
        for name in pair:
            message = f"{name} was given besides scenes: give reference and secondary, or scenes."
            allowed = "reference and secondary, or scenes"
            yield Problem(Inconsistent.code, f"/inputs/{name}", None, allowed, message)
        return
    if "scenes" in given:
        count = len(_items(given, "scenes"))
        if isinstance(given["scenes"], list) and count < 2:
            message = f"scenes has {count} image; at least two are needed."
            yield Problem(Inconsistent.code, "/inputs/scenes", count, "two or more", message)
        return
    for name in ("reference", "secondary"):
        if name not in given:
            yield _missing(name, f"{name} is missing: give reference and secondary, or scenes.")


def _date_rules(given: Given) -> Iterator[Problem]:
    if "dates" in given:
        scenes, dates = len(_items(given, "scenes")), len(_items(given, "dates"))
        if dates != scenes:
            allowed = f"{scenes} dates, or none" if scenes else "dates only with scenes"
            message = f"dates has {dates} for {scenes} scenes; give one for each scene, or none."
            yield Problem(Inconsistent.code, "/inputs/dates", dates, allowed, message)
    for name in ("reference", "secondary"):
        if f"{name}_date" in given and "scenes" in given:
            allowed = "dates, a list as long as scenes"
            message = f"{name}_date goes with {name}; for scenes give dates."
            yield Problem(Inconsistent.code, f"/inputs/{name}_date", None, allowed, message)


def _pair_rules(given: Given) -> Iterator[Problem]:
    splits = given.get("pairing") == Pairing.SPLIT_DATE.value
    if splits and "split_date" not in given:
        yield _missing("split_date", "pairing split_date needs a split_date.")
    if "split_date" in given and not splits:
        message = "split_date was given, but pairing is not split_date."
        yield Problem(
            Inconsistent.code,
            "/inputs/split_date",
            None,
            "split_date only with pairing split_date",
            message,
        )
    low, high = given.get("pair_minimum", 1), given.get("pair_maximum", 5)
    if isinstance(low, int) and isinstance(high, int) and low > high:
        where = "pair_minimum" if "pair_minimum" in given else "pair_maximum"
        message = f"pair_minimum {low} is larger than pair_maximum {high}."
        allowed = "pair_minimum of at most pair_maximum"
        yield Problem(Inconsistent.code, f"/inputs/{where}", given[where], allowed, message)


def _items(given: Given, name: str) -> list[Any]:
    value = given.get(name)
    return value if isinstance(value, list) else []


def _missing(name: str, message: str) -> Problem:
    return Problem(MissingInput.code, f"/inputs/{name}", None, f"a value for {name}", message)
