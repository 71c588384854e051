"""Which images are matched with which, and what each pair is called."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date

from core.errors import DateMissing, NoOverlap, TooLarge
from core.pipelines.mpic_opt.declaration import (
    Direction,
    MpicOptParameters,
    Pairing,
    RangeUnit,
    Units,
)
from core.pipelines.mpic_opt.scenes import Image

DAYS_OF_YEAR = 365.25

MAX_PAIRS = 200
"""Pairs of one job at most: each writes ten rasters or more."""


@dataclass(frozen=True)
class Pair:
    """Two images, and the name that the pair has in the names of its files."""

    key: str
    reference: Image
    secondary: Image

    @property
    def days(self) -> float | None:
        """Signed days from reference to secondary; None where a date is missing."""
        first, last = _day(self.reference), _day(self.secondary)
        return None if first is None or last is None else float((last - first).days)

    @property
    def title(self) -> str:
        """The pair in words."""
        names = (_day(image) or image.name for image in (self.reference, self.secondary))
        return " to ".join(str(name) for name in names)


def pairs_of(parameters: MpicOptParameters, images: list[Image]) -> tuple[Pair, ...]:
    """The pairs that the request asks for, named.

    Raises
    ------
    DateMissing
        The pairing rule or the units need a date that neither request nor product gives.
    NoOverlap
        The rule makes no pair of these images.
    """
    usable = [image for image in images if image.scene is not None]
    if parameters.scenes:
        couples = list(_couples(parameters, usable))
        if not couples:
            raise NoOverlap(
                f"The pairing rule {parameters.pairing.value} makes no pair of the "
                f"{len(usable)} usable scenes.",
                pointer="/inputs/scenes",
                allowed="a wider pair range, another split date, or more scenes",
            )
    else:
        couples = [(usable[0], usable[1])]
    if len(couples) > MAX_PAIRS:
        raise TooLarge(
            f"The pairing rule makes {len(couples)} pairs.",
            pointer="/inputs/scenes",
            value=len(couples),
            allowed=f"at most {MAX_PAIRS} pairs; a narrower pair range makes fewer",
        )
    pairs = tuple(_named(couples))
    if not parameters.scenes:
        check_rate(parameters, pairs[0])
    return pairs


def time_factor(parameters: MpicOptParameters, pair: Pair) -> float:
    """What metres are multiplied with for the units asked for; the sign is that of the days."""
    if parameters.units is Units.METRES:
        return 1.0
    assert pair.days
    return (DAYS_OF_YEAR if parameters.units is Units.PER_YEAR else 1.0) / pair.days


def check_rate(parameters: MpicOptParameters, pair: Pair) -> None:
    """Refuse a rate where a pair has no two different dates.

    Raises
    ------
    DateMissing
        It has not.
    """
    if parameters.units is Units.METRES or pair.days:
        return
    lacking = next((i for i in (pair.reference, pair.secondary) if _day(i) is None), pair.secondary)
    what = "has no date" if pair.days is None else "has the date of its reference"
    raise DateMissing(
        f"{lacking.name} {what}, so there is no rate in {parameters.units.value}.",
        pointer=lacking.pointer,
        allowed="units m, or two different dates",
    )


def _couples(parameters: MpicOptParameters, images: list[Image]) -> Iterator[tuple[Image, Image]]:
    ordered = _ordered(parameters, images)
    for later in range(1, len(ordered)):
        for earlier in range(later):
            if _wanted(parameters, ordered, earlier, later):
                first, last = ordered[earlier], ordered[later]
                if parameters.direction in (Direction.FORWARD, Direction.BOTH):
                    yield first, last
                if parameters.direction in (Direction.BACKWARD, Direction.BOTH):
                    yield last, first


def _ordered(parameters: MpicOptParameters, images: list[Image]) -> list[Image]:
    """By date, or as listed where no date is known; dates of some only are refused."""
    undated = [image for image in images if _day(image) is None]
    by_date = (
        parameters.pairing is Pairing.SPLIT_DATE
        or parameters.pair_range_unit is RangeUnit.DAYS
        or len(undated) < len(images)
    )
    if not by_date:
        return images
    if undated:
        raise DateMissing(
            f"{undated[0].name} has no date, and the pairs follow from the dates.",
            pointer=undated[0].pointer,
            allowed="a date for each scene in dates",
        )
    return sorted(images, key=lambda image: (_day(image) or date.min, image.number))


def _wanted(parameters: MpicOptParameters, images: list[Image], earlier: int, later: int) -> bool:
    first, last = _day(images[earlier]), _day(images[later])
    if parameters.pairing is Pairing.ALL:
        return True
    if parameters.pairing is Pairing.SPLIT_DATE:
        assert first is not None
        assert last is not None
        assert parameters.split_date is not None
        return first < parameters.split_date <= last
    distance = later - earlier
    if parameters.pair_range_unit is RangeUnit.DAYS:
        assert first is not None
        assert last is not None
        distance = (last - first).days
    return parameters.pair_minimum <= distance <= parameters.pair_maximum


def _named(couples: Iterable[tuple[Image, Image]]) -> Iterator[Pair]:
    used: dict[str, int] = {}
    for number, (reference, secondary) in enumerate(couples, 1):
        first, last = _day(reference), _day(secondary)
        key = f"{first:%Y%m%d}_{last:%Y%m%d}" if first and last else f"pair{number:03d}"
        used[key] = used.get(key, 0) + 1
        yield Pair(key if used[key] == 1 else f"{key}_{used[key]}", reference, secondary)


def _day(image: Image) -> date | None:
    return image.scene.date if image.scene else None
