"""Images of very high resolution in sensor geometry: from what a user gives to :class:`View`."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path, PurePosixPath

from core.errors import InputError, Refused, UnknownFormat, problems_of
from core.io.archives import MAX_UNPACKED, Members, members
from core.io.products.stereo import dimap, worldview
from core.io.products.stereo.bundles import bundled
from core.io.products.stereo.files import Delivery, Entry, Files, Loose, wanted
from core.io.products.stereo.images import IMAGE_ENDINGS, open_header
from core.io.products.stereo.mosaic import opened_view, unpacked
from core.io.products.stereo.single import is_picture, open_single, side_files
from core.io.products.stereo.view import GroundControl, Kind, View

__all__ = ["GroundControl", "Kind", "View", "open_views", "opened_view", "unpacked"]


def open_views(
    paths: Sequence[Path],
    *,
    scratch: Path,
    pointers: Sequence[str] = (),
    max_unpacked: int = MAX_UNPACKED,
) -> tuple[View, ...]:
    """The images in what a user gives; no pixel is read.

    Parameters
    ----------
    paths
        Archives and folders of deliveries, documents of metadata, images and files beside them, in
        any mixture.  A file beside a given one is found by itself.
    scratch
        Folder for what has to be unpacked and for descriptions of tiled images.
    pointers
        Where the request names each path.
    max_unpacked
        Bytes that an archive may unpack to.

    Raises
    ------
    Refused
        Several products cannot be used; each with its own reason.
    InputError
        One cannot.
    """
    views: list[View] = []
    errors: list[InputError] = []
    notes: list[str] = []
    for files in _sorted_out(paths, scratch, pointers, max_unpacked):
        for open_one in _images(files, scratch, errors, notes):
            try:
                views.append(open_one())
            except InputError as error:
                errors.append(error)
    if len(errors) == 1:
        raise errors[0]
    if errors:
        raise Refused(problem for error in errors for problem in problems_of(error))
    if not views:
        raise UnknownFormat(
            "There is no image in what was given.",
            pointer=pointers[0] if pointers else "",
            allowed="a delivery of Pleiades, Pleiades Neo, SPOT 6/7 or WorldView, or images with "
            "their RPC",
        )
    first, *rest = bundled(views)
    return replace(first, warnings=(*first.warnings, *notes)), *rest


def _images(
    files: Files, scratch: Path, errors: list[InputError], notes: list[str]
) -> Iterator[Callable[[], View]]:
    """What opens each product, then each image that belongs to none."""
    try:
        described = dimap.products(files)
        taken = {f.location for product in described for f in dimap.pixel_files(files, product)}
        imaged = worldview.products(files, taken)
        taken |= {f.location for product in imaged for f in worldview.pixel_files(files, product)}
    except InputError as error:
        errors.append(error)
        return
    yield from (partial(dimap.open_dimap, files, product, scratch) for product in described)
    yield from (partial(worldview.open_worldview, files, product, scratch) for product in imaged)
    for image in files.entries:
        if image.suffix not in IMAGE_ENDINGS or image.location in taken or is_picture(image):
            continue
        if (described or imaged) and not _has_model(files, image, errors):
            notes.append(f"{image.base} belongs to no product and has no RPC: it is not used.")
        else:
            yield partial(open_single, files, image)


def _has_model(files: Files, image: Entry, errors: list[InputError]) -> bool:
    try:
        return next(side_files(files, image), None) is not None or bool(open_header(image).rpc)
    except InputError as error:
        errors.append(error)
        return False


def _sorted_out(
    paths: Sequence[Path], scratch: Path, pointers: Sequence[str], max_unpacked: int
) -> list[Files]:
    """Each archive or folder by itself, and all single files together.

    A folder of archives stands for what they hold.
    """
    deliveries: list[Files] = []
    loose: list[tuple[Path, str]] = []
    for number, path in enumerate(paths):
        pointer = pointers[number] if number < len(pointers) else ""
        # A description of tiles names them wherever it lies itself.
        path = path.absolute()  # noqa: PLW2901
        found = members(path, scratch, wanted, pointer=pointer, max_unpacked=max_unpacked)
        if found is None:
            loose.append((path, pointer))
        elif packed := _packed_deliveries(found):
            inner = (
                members(part, scratch, wanted, pointer=pointer, max_unpacked=max_unpacked)
                for part in packed
            )
            deliveries += [Delivery(part, pointer) for part in inner if part is not None]
        else:
            deliveries.append(Delivery(found, pointer))
    return [*deliveries, Loose(loose)] if loose else deliveries


def _packed_deliveries(found: Members) -> list[Path]:
    """The archives in a folder that holds no image itself; an archive never holds another."""
    if not found.source.is_dir():
        return []
    suffixes = {PurePosixPath(name).suffix.lower() for name in found.names}
    if suffixes & set(IMAGE_ENDINGS):
        return []
    return [
        Path(found.location(name))
        for name in found.names
        if PurePosixPath(name).suffix.lower() in (".zip", ".tar", ".tgz", ".gz")
    ]
