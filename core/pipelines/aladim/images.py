"""The images of a request: opened, dated, told apart by the date they belong to."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date as Day  # noqa: N812

from core.change.scene import Date, Sun
from core.declare import Source
from core.errors import Inconsistent
from core.io.products.bands import Image
from core.io.products.multispectral import open_image
from core.pipelines.aladim.choices import BandRole
from core.pipelines.aladim.declaration import AladimParameters
from core.roles import Role
from core.workspace import Context

PASSED_OVER = "-"


@dataclass(frozen=True)
class Dated:
    """One image of the request.

    Parameters
    ----------
    date
        Whether it shows the ground before or after.
    pointer
        Where the request names it.
    href
        Its reference without credentials.
    image
        What its headers say.
    """

    date: Date
    pointer: str
    href: str
    image: Image

    @property
    def key(self) -> str:
        """A name for files: ``after0``."""
        number = self.pointer.rpartition("/")[2]
        return f"{self.date}{number if number.isdigit() else 0}"


def open_images(parameters: AladimParameters, context: Context) -> tuple[Dated, ...]:
    """All images of the request, those after first.

    Raises
    ------
    InputError
        One of them cannot be used.
    """
    images = tuple(_open(*wanted, parameters, context) for wanted in _wanted(parameters))
    _check_twice(images)
    return images


def of_date(images: Sequence[Dated], date: Date) -> tuple[Dated, ...]:
    """The images of a date."""
    return tuple(one for one in images if one.date is date)


def common_roles(images: Sequence[Dated]) -> tuple[Role, ...]:
    """What every image shows."""
    return tuple(role for role in Role if all(role in one.image.bands for one in images))


def sun_of(parameters: AladimParameters, images: Sequence[Dated], date: Date) -> Sun | None:
    """The sun of a date: what the request says, else the only image's; None where none is known.

    Several images have no one sun.
    """
    given = (getattr(parameters, f"{date}_sun_{name}") for name in ("azimuth", "elevation"))
    azimuth, elevation = given
    if azimuth is not None and elevation is not None:
        return Sun(azimuth, elevation)
    ours = of_date(images, date)
    known = ours[0].image.sun if len(ours) == 1 else None
    return None if known is None else Sun(*known)


def _wanted(parameters: AladimParameters) -> Iterator[tuple[Date, str, Source, Day | None]]:
    for date in (Date.AFTER, Date.BEFORE):
        sources: tuple[Source, ...] = getattr(parameters, date)
        days = getattr(parameters, f"{date}_dates") or (None,) * len(sources)
        for number, (source, day) in enumerate(zip(sources, days, strict=True)):
            place = f"/{number}" if len(sources) > 1 else ""
            yield date, f"/inputs/{date}{place}", source, day


def _open(
    date: Date,
    pointer: str,
    source: Source,
    day: Day | None,
    parameters: AladimParameters,
    context: Context,
) -> Dated:
    image = open_image(
        context.sources.fetch(source, pointer),
        order=_order(parameters),
        date=day,
        nodata=parameters.nodata,
        scratch=context.workspace.scratch,
        pointer=pointer,
        max_unpacked=context.sources.policy.max_unpacked,
    )
    return Dated(date, pointer, context.sources.redact(source.href), image)


def _order(parameters: AladimParameters) -> str | None:
    names = (PASSED_OVER if band is BandRole.OTHER else band.value for band in parameters.bands)
    return ",".join(names) or None


def _check_twice(images: Sequence[Dated]) -> None:
    seen: dict[str, Dated] = {}
    for one in images:
        checksum = next(iter(one.image.bands.values())).scene.checksum()
        first = seen.setdefault(checksum, one)
        if first is not one:
            raise Inconsistent(
                f"{one.image.name} is the same file as {first.pointer}.",
                pointer=one.pointer,
                allowed="each image once",
            )
