"""How far matches lie off their rows."""

import numpy as np
import pytest
from scipy import ndimage

from core.matching.across import across
from core.matching.arrays import Floats, Layer

SHAPE = (160, 200)
INNER = (slice(20, -20), slice(20, -30))


def layer(values: np.ndarray) -> Layer:
    return Layer(values.astype(np.float32), np.ones(values.shape, np.float32))


def pair(rows: float, cols: float, noise: float = 1.0) -> tuple[Layer, Layer, Floats]:
    """The right image shows everything `rows` further down and `cols` further right."""
    lot = np.random.default_rng(5)
    texture = 40 * ndimage.gaussian_filter(lot.normal(size=SHAPE), 1.2) / 0.23 + 300
    there = ndimage.shift(texture, (rows, cols), order=5, mode="reflect")
    left = texture + noise * lot.normal(size=SHAPE)
    right = 1.1 * there + 12.0 + noise * lot.normal(size=SHAPE)
    return layer(left), layer(right), np.full(SHAPE, cols, np.float32)


@pytest.mark.parametrize("rows", [-0.8, -0.2, 0.0, 0.1, 0.7])
def test_rows_between_a_point_and_its_match_are_told_with_their_sign(rows: float) -> None:
    found = across(*pair(rows, 3.0))[INNER]
    assert np.median(found) == pytest.approx(rows, abs=0.02 + 0.06 * abs(rows))
    assert np.abs(found - np.median(found)).max() < 0.1


def test_what_is_not_matched_tells_nothing_and_spoils_nothing() -> None:
    left, right, disparity = pair(0.4, 3.0)
    disparity[60:90, 50:100] = np.nan
    right.values[60:90, 53:103] = 4000.0
    found = across(left, right, disparity)
    assert np.isnan(found[60:90, 50:100]).all()
    beside = found[INNER][np.isfinite(found[INNER])]
    assert np.median(beside) == pytest.approx(0.4, abs=0.05)
    assert np.abs(beside - 0.4).max() < 0.3


def test_even_images_tell_of_no_difference() -> None:
    lot = np.random.default_rng(6)
    left, right = (layer(300 + 3 * lot.normal(size=SHAPE)) for _ in range(2))
    found = across(left, right, np.zeros(SHAPE, np.float32))
    assert np.abs(found[INNER]).max() < 0.5


def test_the_arguments_stay_as_they_are() -> None:
    left, right, disparity = pair(0.4, 3.0)
    before = [part.copy() for part in (*left, *right, disparity)]
    across(left, right, disparity)
    for part, copy in zip((*left, *right, disparity), before, strict=True):
        assert np.array_equal(part, copy)
