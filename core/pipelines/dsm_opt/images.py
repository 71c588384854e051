"""The images of a request: found in what was given, opened, put in order, checked as a set."""

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np

from core.errors import Inconsistent, NoOverlap, TooLarge
from core.geometry.rpc import Rpc
from core.io.gdal import reading
from core.io.products.stereo import View, open_views, opened_view
from core.pipelines.dsm_opt.declaration import DsmOptParameters
from core.pipelines.dsm_opt.embedded import control_words
from core.pipelines.dsm_opt.overlap import overlap
from core.workspace import Context

POINTER = "/inputs/images"

MOST_IMAGES = 6
"""Images of one model, at most."""

COMPARED_PX = 64
"""Rows and columns of the middle of two images that are compared where their models are one."""

_ODD = re.compile(r"[^A-Za-z0-9_.-]+")


@dataclass(frozen=True)
class Image:
    """One image of the request.

    Parameters
    ----------
    number
        From 1, in the order of the times.
    view
        What its headers and metadata say; no two images of a request have one name.
    href
        The reference that it came by, without credentials.
    """

    number: int
    view: View
    href: str

    @property
    def name(self) -> str:
        """Name for people."""
        return self.view.name

    @property
    def key(self) -> str:
        """Name for files: as :attr:`name`, with signs that paths and addresses bear."""
        return file_name(self.view.name)


def open_images(parameters: DsmOptParameters, context: Context) -> tuple[Image, ...]:
    """The images of the request in the order of their times; those without one last, as given.

    Raises
    ------
    InputError
        One of them cannot be used; there are too few, or too many; one was given twice; one shows
        no ground that another shows.
    """
    pointers = [f"{POINTER}/{number}" for number in range(len(parameters.images))]
    paths = [
        context.sources.fetch(source, pointer)
        for source, pointer in zip(parameters.images, pointers, strict=True)
    ]
    views = open_views(
        paths,
        scratch=context.workspace.scratch,
        pointers=pointers,
        max_unpacked=context.sources.policy.max_unpacked,
    )
    hrefs = {
        pointer: context.sources.redact(source.href)
        for source, pointer in zip(parameters.images, pointers, strict=True)
    }
    ordered = sorted(
        views, key=lambda view: (view.time is None, view.time and view.time.timestamp())
    )
    images = tuple(
        Image(number, view, hrefs.get(view.pointer, hrefs[pointers[0]]))
        for number, view in enumerate(_with_own_names(ordered), 1)
    )
    _check_count(images)
    _check_doubles(images)
    _check_common(images)
    return images


def file_name(name: str) -> str:
    """A name as files may have it.

    >>> file_name("ortho of 5 März")
    'ortho_of_5_M_rz'
    """
    return _ODD.sub("_", name).strip("._") or "image"


def _moment(view: View) -> float:
    return math.inf if view.time is None else view.time.timestamp()


def _with_own_names(views: Sequence[View]) -> Iterator[View]:
    """The views, numbers added to names of which the files would be the same."""
    used: set[str] = set()
    for view in views:
        name, count = view.name, 1
        while file_name(name).casefold() in used:
            count += 1
            name = f"{view.name}_{count}"
        used.add(file_name(name).casefold())
        yield view if name == view.name else replace(view, name=name)


def _check_count(images: Sequence[Image]) -> None:
    if len(images) < 2:
        told = control_words(images[0].view)
        raise Inconsistent(
            f"{images[0].name} is the only image, and one image makes no pair: heights come from "
            f"two views of the same ground.{' ' if told else ''}{told}",
            pointer=POINTER,
            value=1,
            allowed=f"2 to {MOST_IMAGES} images",
        )
    if len(images) > MOST_IMAGES:
        raise TooLarge(
            f"There are {len(images)} images in what was given.",
            pointer=POINTER,
            value=len(images),
            allowed=f"2 to {MOST_IMAGES} images",
        )


def _check_doubles(images: Sequence[Image]) -> None:
    """Two images with one model: one image given twice, or the wrong file beside one of them."""
    for first, second in combinations(images, 2):
        if _model(first.view.rpc) != _model(second.view.rpc):
            continue
        if _same_pixels(first.view, second.view):
            what = "are the same image: it was given twice"
            allowed = "each image once"
        else:
            what = "have the same RPC: that of one of them was given for the other"
            allowed = "the RPC of this very image"
        raise Inconsistent(
            f"{first.name} and {second.name} {what}.",
            pointer=second.view.pointer or POINTER,
            value=second.href,
            allowed=allowed,
        )


def _check_common(images: Sequence[Image]) -> None:
    """Every image has to share ground with another."""
    alone = set(range(len(images)))
    for first, second in combinations(range(len(images)), 2):
        if not {first, second} & alone:
            continue
        if overlap(images[first].view, images[second].view) is not None:
            alone -= {first, second}
    if not alone:
        return
    image = images[max(alone)]
    others = "the other image" if len(images) == 2 else "any other image"
    raise NoOverlap(
        f"By its RPC, {image.name} shows no ground that {others} shows, at no height. Is it the "
        "RPC of the uncropped image, or of another one?",
        pointer=image.view.pointer or POINTER,
        value=image.href,
        allowed="images of the same ground, each with the RPC of its own pixels",
    )


def _model(rpc: Rpc) -> Rpc:
    return replace(rpc, error_bias_m=None, error_random_m=None)


def _same_pixels(first: View, second: View) -> bool:
    """Whether two images are one, told from their middles."""
    if first.shape != second.shape or len(first.bands) != len(second.bands):
        return False
    return np.array_equal(_middle(first), _middle(second))


def _middle(view: View) -> np.ndarray:
    top, left = (max((size - COMPARED_PX) // 2, 0) for size in view.shape)
    rows, cols = ((start, start + COMPARED_PX) for start in (top, left))
    with reading(view.name, pointer=view.pointer), opened_view(view) as dataset:
        values: np.ndarray = dataset.read(1, window=(rows, cols))
    return values
