"""What a surface says of its own error, against the errors that simulated scenes tell."""

from typing import Any, Literal, NamedTuple

import numpy as np
import pytest
from numpy.typing import NDArray

from core.simulate.stereo.making import make_stereo

SIDE = 400
FIFTHS = 5
LEAST, MOST = 0.75, 1.3
"""Over many scenes it is 0.8 to 1.25; of one, the satellite's trembling shifts the whole."""
NEAR_CELLS, FAR_M = 3, 5.0
"""Of the edge of a building: beside it, and away from any."""


class Errors(NamedTuple):
    """Of measured cells: metres, the standard deviations that they claim, and where they lie."""

    error: NDArray[np.float64]
    claimed: NDArray[np.float64]
    place: dict[str, NDArray[np.bool_]]


def errors(made: Any) -> Errors:
    grid = made.job.target.grid
    truth, error = made.stereo.truth(grid), made.error()
    pixel = grid.pixel_size[0]
    slope = np.hypot(*np.gradient(truth.height, pixel))
    away, known = truth.edge_m > FAR_M, np.isfinite(error)
    place = {
        "flat": away & (slope < 0.1),
        "slope": away & (slope > 0.3),
        "edge": truth.edge_m <= NEAR_CELLS * pixel,
    }
    claimed = made.plane("error").astype(np.float64)
    return Errors(error[known], claimed[known], {name: one[known] for name, one in place.items()})


def by_fifth(error: NDArray[np.float64], claimed: NDArray[np.float64]) -> NDArray[np.float64]:
    """Normalised median absolute deviation of errors over what is claimed, surest cells first."""
    parts = np.array_split((error / claimed)[np.argsort(claimed)], FIFTHS)
    return np.array([1.4826 * np.median(np.abs(one - np.median(one))) for one in parts])


@pytest.fixture(scope="module")
def found(steps, tmp_path_factory):
    known: dict[tuple[str, str, int], Errors] = {}

    def of(kind: Literal["relief", "city"], views: Literal["pair", "triplet"], seed: int) -> Errors:
        key = kind, views, seed
        if key not in known:
            drawn = make_stereo(kind, views, shape=(SIDE, SIDE), seed=seed)
            known[key] = errors(steps.made(drawn, tmp_path_factory.mktemp(kind)))
        return known[key]

    return of


@pytest.mark.parametrize(
    ("kind", "views", "seed", "place"),
    [
        ("relief", "pair", 33, "slope"),
        ("city", "triplet", 33, "flat"),
        ("city", "triplet", 33, "edge"),
    ],
)
def test_errors_are_as_large_as_is_claimed_in_each_fifth_of_the_cells(
    found, kind: str, views: str, seed: int, place: str
) -> None:
    one = found(kind, views, seed)
    there = one.place[place]
    assert there.sum() > 5000
    ratio = by_fifth(one.error[there], one.claimed[there])
    assert ratio.min() > LEAST
    assert ratio.max() < MOST


def test_the_least_certain_fifth_holds_most_errors_over_a_metre(found) -> None:
    one = found("city", "triplet", 33)
    large = np.abs(one.error) > 1
    assert large.sum() > 100
    least = one.claimed >= np.quantile(one.claimed, 0.8)
    assert large[least].sum() > 0.8 * large.sum()
