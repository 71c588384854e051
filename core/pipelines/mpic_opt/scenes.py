"""The images of a request: opened, dated, named; those that cannot be used with the reason."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date

from core.declare import Source
from core.errors import DateMissing, InputError, OptiGroundError, Problem
from core.io.products import Scene, open_scene
from core.pipelines.mpic_opt.declaration import MpicOptParameters
from core.workspace import Context


@dataclass(frozen=True)
class Image:
    """One image of the request.

    Parameters
    ----------
    number
        Position in the request.
    pointer
        Where the request names it.
    href
        Its reference without credentials.
    scene
        What its headers say; None if it cannot be used.
    problem
        Why it cannot be used.
    """

    number: int
    pointer: str
    href: str
    scene: Scene | None = None
    problem: Problem | None = None

    @property
    def name(self) -> str:
        """Name for people."""
        return self.scene.name if self.scene else self.href.rsplit("/", 1)[-1]


def open_images(parameters: MpicOptParameters, context: Context) -> list[Image]:
    """All images of the request in its order.

    Raises
    ------
    InputError
        The reference or the secondary cannot be used.  One of several scenes that cannot be used
        is only marked.
    """
    images = [
        _open(number, pointer, source, day, parameters, context)
        for number, (pointer, source, day) in enumerate(_wanted(parameters))
    ]
    return _without_undated(_without_doubles(images)) if parameters.scenes else images


def _wanted(parameters: MpicOptParameters) -> Iterator[tuple[str, Source, date | None]]:
    if parameters.scenes:
        dates = parameters.dates or (None,) * len(parameters.scenes)
        for number, (source, day) in enumerate(zip(parameters.scenes, dates, strict=True)):
            yield f"/inputs/scenes/{number}", source, day
        return
    assert parameters.reference is not None
    assert parameters.secondary is not None
    yield "/inputs/reference", parameters.reference, parameters.reference_date
    yield "/inputs/secondary", parameters.secondary, parameters.secondary_date


def _open(
    number: int,
    pointer: str,
    source: Source,
    day: date | None,
    parameters: MpicOptParameters,
    context: Context,
) -> Image:
    image = Image(number, pointer, context.sources.redact(source.href))
    try:
        scene = open_scene(
            context.sources.fetch(source, pointer),
            band=parameters.band,
            date=day,
            nodata=parameters.nodata,
            scratch=context.workspace.scratch,
            pointer=pointer,
            max_unpacked=context.sources.policy.max_unpacked,
        )
    except InputError as error:
        if not parameters.scenes:
            raise
        return _unusable(image, error)
    return Image(number, pointer, image.href, scene)


def _unusable(image: Image, error: OptiGroundError) -> Image:
    return Image(image.number, image.pointer, image.href, None, error.problem())


def _without_undated(images: list[Image]) -> list[Image]:
    """Mark images without a date where others have one: nothing says between which they belong."""
    if not any(image.scene and image.scene.date for image in images):
        return images
    return [
        _unusable(image, _undated(image)) if image.scene and not image.scene.date else image
        for image in images
    ]


def _undated(image: Image) -> DateMissing:
    return DateMissing(
        f"{image.name} has no date, and the pairs follow from the dates.",
        pointer=image.pointer,
        allowed="a date for each scene in dates",
    )


def _without_doubles(images: list[Image]) -> list[Image]:
    """Mark a file that stands in the list a second time: matching it with itself says nothing."""
    seen: dict[str, Image] = {}
    kept = []
    for image in images:
        if image.scene is None:
            kept.append(image)
            continue
        checksum = f"{image.scene.checksum()}#{image.scene.band}"
        if checksum in seen:
            first = seen[checksum]
            message = f"{image.name} is the same file as image {first.number + 1} of the list."
            kept.append(_unusable(image, InputError(message, pointer=image.pointer)))
        else:
            seen[checksum] = image
            kept.append(image)
    return kept
