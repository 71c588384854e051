"""Which images are matched with which, and how well the geometry of each pair serves heights."""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import NamedTuple

from core.errors import InputError, NoOverlap, OutOfRange
from core.geometry.viewing import base_to_height, convergence_deg, line_of_sight
from core.io.products.stereo import View
from core.pipelines.dsm_opt.declaration import DsmOptParameters
from core.pipelines.dsm_opt.images import POINTER, Image
from core.pipelines.dsm_opt.overlap import Overlap, overlap

LEAST_CONVERGENCE_DEG = 1.0
"""Below, an error of a tenth of a pixel is one of six pixels of height, or more."""

MOST_CONVERGENCE_DEG = 45.0
"""Above, images of one place look too different for much of it to be matched."""

BEST_CONVERGENCE_DEG = 12.0
"""Where heights are exact enough and images still look alike."""

ALL_OF = 3
"""Images up to which all pairs are matched."""

PAIRS_OF_IMAGE = 2
"""Pairs of each of more images, at most."""

SEASON_DAYS = 180.0
"""Days between two images that count as much as e times too large or too small a convergence."""


@dataclass(frozen=True)
class ImagePair:
    """Two images that are matched.

    Parameters
    ----------
    first, second
        Indices among the images of the request.
    convergence_deg
        Angle between their lines of sight.
    base_to_height
        Metres of parallax on level ground per metre of height.
    days
        From the first to the second; None where a time is not known.
    """

    first: int
    second: int
    convergence_deg: float
    base_to_height: float
    days: float | None

    @property
    def key(self) -> str:
        """Name of the pair in requests, reports and files."""
        return f"{self.first + 1}-{self.second + 1}"


class Candidate(NamedTuple):
    """Two images that may be a pair.

    Parameters
    ----------
    pair
        With its geometry; zero where they share no ground.
    share
        Of the smaller image that both see, 0 to 1.
    problem
        Why they are none; None where they can be.
    """

    pair: ImagePair
    share: float
    problem: InputError | None


def pairs_of(parameters: DsmOptParameters, images: Sequence[Image]) -> tuple[ImagePair, ...]:
    """The pairs that are matched, in the order of their images.

    Raises
    ------
    OutOfRange
        The request names an image that is not there, or a pair whose lines of sight are too close
        to parallel.
    NoOverlap
        The request names a pair that shares no ground.
    """
    if parameters.pairs:
        return tuple(_asked(parameters.pairs, images))
    candidates = candidates_of(images)
    usable = [candidate for candidate in candidates if candidate.problem is None]
    if not usable:
        raise _problem(max(candidates, key=lambda candidate: candidate.pair.convergence_deg))
    chosen = usable if len(images) <= ALL_OF else list(_best(usable, len(images)))
    return tuple(sorted((c.pair for c in chosen), key=lambda pair: (pair.first, pair.second)))


def candidates_of(images: Sequence[Image]) -> tuple[Candidate, ...]:
    """Every two images, with what makes them a pair or keeps them from it."""
    return tuple(
        _candidate(images, first, second) for first, second in combinations(range(len(images)), 2)
    )


def pair_warnings(pair: ImagePair, images: Sequence[Image]) -> tuple[str, ...]:
    """What the user should know of a pair, one sentence each."""
    if pair.convergence_deg <= MOST_CONVERGENCE_DEG:
        return ()
    note = (
        f"{images[pair.first].name} and {images[pair.second].name} look from directions "
        f"{pair.convergence_deg:.0f} degrees apart: walls and slopes that one sees the other does "
        "not, and much will not be matched."
    )
    return (note,)


def _asked(keys: Sequence[str], images: Sequence[Image]) -> Iterator[ImagePair]:
    found = []
    for place, key in enumerate(keys):
        pointer = f"/inputs/pairs/{place}"
        first, second = sorted(int(number) - 1 for number in key.split("-"))
        if second >= len(images):
            listed = ", ".join(f"{image.number} ({image.name})" for image in images)
            raise OutOfRange(
                f"The pair {key} names image {second + 1}; there are {len(images)}.",
                pointer=pointer,
                value=key,
                allowed=f"two of {listed}",
            )
        candidate = _candidate(images, first, second, pointer)
        if candidate.problem is not None:
            raise candidate.problem
        found.append(candidate.pair)
    yield from sorted(found, key=lambda pair: (pair.first, pair.second))


def _candidate(
    images: Sequence[Image], first: int, second: int, pointer: str = POINTER
) -> Candidate:
    views = images[first].view, images[second].view
    days = _days(*views)
    ground = overlap(*views)
    if ground is None:
        problem: InputError | None = NoOverlap(
            f"By their RPC, {views[0].name} and {views[1].name} show no common ground.",
            pointer=pointer,
            allowed="two images of the same ground",
        )
        return Candidate(ImagePair(first, second, 0.0, 0.0, days), 0.0, problem)
    angle, ratio = _geometry(views, ground)
    problem = None
    if angle < LEAST_CONVERGENCE_DEG:
        problem = OutOfRange(
            f"{views[0].name} and {views[1].name} look from the same direction: their convergence "
            f"angle is {angle:.2f} degrees, so that heights move nothing between them.",
            pointer=pointer,
            value=round(angle, 3),
            allowed=f"at least {LEAST_CONVERGENCE_DEG:g} degrees; 5 to 20 are best",
        )
    return Candidate(ImagePair(first, second, angle, ratio, days), ground.share, problem)


def _geometry(views: tuple[View, View], ground: Overlap) -> tuple[float, float]:
    """Convergence in degrees and base over height in the middle of common ground."""
    middle = ground.polygon.representative_point()
    sights = [line_of_sight(view.rpc, middle.x, middle.y, ground.height) for view in views]
    return float(convergence_deg(*sights)), float(base_to_height(*sights))


def _days(first: View, second: View) -> float | None:
    if first.time is None or second.time is None:
        return None
    return (second.time - first.time).total_seconds() / 86400


def _problem(candidate: Candidate) -> InputError:
    assert candidate.problem is not None
    return candidate.problem


def _best(candidates: Iterable[Candidate], count: int) -> Iterator[Candidate]:
    """Good pairs, at most two of each image; first those that bring images together."""
    ranked = sorted(candidates, key=lambda c: (_penalty(c), c.pair.first, c.pair.second))
    used = [0] * count
    group = list(range(count))
    left = []
    for candidate in ranked:
        ends = candidate.pair.first, candidate.pair.second
        if group[ends[0]] == group[ends[1]] or max(used[end] for end in ends) >= PAIRS_OF_IMAGE:
            left.append(candidate)
            continue
        group = [group[ends[0]] if one == group[ends[1]] else one for one in group]
        for end in ends:
            used[end] += 1
        yield candidate
    for candidate in left:
        ends = candidate.pair.first, candidate.pair.second
        if max(used[end] for end in ends) < PAIRS_OF_IMAGE:
            for end in ends:
                used[end] += 1
            yield candidate


def _penalty(candidate: Candidate) -> float:
    pair = candidate.pair
    angle = abs(math.log(pair.convergence_deg / BEST_CONVERGENCE_DEG))
    return angle + abs(pair.days or 0.0) / SEASON_DAYS + 1 - candidate.share
