"""Fusion against a plain twin, and what it must do where pairs agree and where one is wrong."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.geometry import fusion
from core.geometry.fusion import fused
from core.geometry.gridding import Cells
from core.geometry.uncertainty import deviation, wary_deviation


def cells(
    height: np.ndarray, sigma: np.ndarray | float, score: float = 0.95, side: float = 1.0
) -> Cells:
    height = np.asarray(height, np.float32)
    known = np.where(np.isnan(height), np.nan, 1).astype(np.float32)
    return Cells(
        height,
        np.asarray(sigma * known, np.float32),
        np.float32(0.2) * known,
        np.float32(score) * known,
        np.where(np.isnan(height), 0, 3).astype(np.uint16),
        side,
    )


def even(height: float, sigma: float, score: float = 0.95) -> Cells:
    """A level plain."""
    return cells(np.full((9, 9), height), sigma, score)


def layers(one: Cells) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, float]:
    return one.height, one.sigma, one.score, one.count.astype(np.float32), one.side


def alone(one: Cells) -> np.ndarray:
    return deviation(*layers(one))


def slow_cell(
    h: np.ndarray, s: np.ndarray, whole: np.ndarray, score: np.ndarray
) -> tuple[float, int]:
    """Height of one cell and number of pairs, by the definitions."""
    known = np.flatnonzero(np.isfinite(h))
    groups = []
    for n in known:
        allowed = fusion.AGREEMENT_M + fusion.AGREEMENT * np.hypot(s[n], s[known])
        group = known[abs(h[known] - h[n]) <= allowed]
        weight = 1 / (s[group] * whole[group])
        weight, total = weight / weight.sum(), float(weight.sum())
        groups.append((total, float(weight @ h[group]), group.size, float(weight @ score[group])))
    most, level, _, _ = largest = max(groups, key=lambda one: one[0])
    lower = [one for one in groups if one[1] < level - fusion.LOWER_M]
    lower = [one for one in lower if one[0] > most / fusion.LOWER and one[3] >= 0.9]
    _, level, size, _ = max(lower, key=lambda one: one[0]) if lower else largest
    return level, size


@settings(deadline=None, max_examples=40)
@given(seed=st.integers(0, 10_000), number=st.integers(1, 6))
def test_cells_are_those_of_the_plain_definition(seed: int, number: int) -> None:
    rng = np.random.default_rng(seed)
    heights = rng.choice([100, 104], (number, 3, 4)) + rng.normal(0, 0.4, (number, 3, 4))
    heights[rng.random(heights.shape) < 0.2] = np.nan
    sigmas = rng.uniform(0.05, 0.4, heights.shape)
    scores = rng.choice([0.8, 0.95], number)
    given = [cells(*pair) for pair in zip(heights, sigmas, scores, strict=True)]
    stacks = [
        np.stack(parts).astype(float)
        for parts in zip(
            *((one.height, one.sigma, wary_deviation(*layers(one)), one.score) for one in given),
            strict=True,
        )
    ]
    found = fused(given)
    for i, j in np.ndindex(3, 4):
        if np.isnan(heights[:, i, j]).all():
            assert found.pairs[i, j] == 0
            assert all(np.isnan(layer[i, j]) for layer in found[:4])
            continue
        height, pairs = slow_cell(*(stack[:, i, j] for stack in stacks))
        assert found.height[i, j] == pytest.approx(height, abs=1e-4)
        assert found.pairs[i, j] == pairs
        assert scores.min() - 1e-6 <= found.score[i, j] <= scores.max() + 1e-6


def test_one_pair_alone_keeps_its_heights_and_has_the_deviation_of_its_surface() -> None:
    rng = np.random.default_rng(2)
    one = cells(np.where(rng.random((9, 9)) < 0.1, np.nan, rng.normal(100, 1, (9, 9))), 0.2)
    found = fused([one])
    assert found.height == pytest.approx(one.height, nan_ok=True)
    assert found.sigma == pytest.approx(alone(one), nan_ok=True)
    assert (found.pairs == np.isfinite(one.height)).all()


def test_a_pair_with_half_the_deviation_weighs_four_times() -> None:
    found = fused([even(100.0, 0.1), even(100.5, 0.2)])
    assert found.height == pytest.approx(100.1)
    assert (found.pairs == 2).all()


def test_pairs_that_agree_outvote_one_that_is_as_good() -> None:
    given = [even(100.0, 0.3), even(100.2, 0.3), even(107.0, 0.25)]
    found = fused(given)
    assert found.height == pytest.approx(100.1)
    assert (found.pairs == 2).all()
    assert (found.sigma > fused(given[:2]).sigma).all()


def test_a_pair_that_correlates_badly_gives_way_to_a_worse_base() -> None:
    found = fused([even(100.0, 0.3), even(107.0, 0.15, score=0.3)])
    assert found.height == pytest.approx(100)


def test_of_two_pairs_that_disagree_the_more_certain_one_counts_with_less_certainty() -> None:
    found = fused([even(100.0, 0.1), even(105.0, 0.3)])
    assert found.height == pytest.approx(100)
    assert (found.pairs == 1).all()
    assert (found.sigma > 1.5 * alone(even(100.0, 0.1))).all()


@pytest.mark.parametrize(
    ("deviation_m", "score", "height"),
    [
        (0.17, 0.95, 100.0),
        (0.18, 0.95, 112.0),
        (0.11, 0.85, 112.0),
    ],
)
def test_of_a_roof_and_the_ground_beside_it_ground_that_correlates_needs_a_third_of_the_weight(
    deviation_m: float, score: float, height: float
) -> None:
    # Weights are those of variances.
    found = fused([even(112.0, 0.1), even(100.0, deviation_m, score)])
    assert found.height == pytest.approx(height)


def test_three_pairs_are_not_taken_for_independent() -> None:
    one = even(100.0, 0.2)
    found = fused([one] * 3)
    share = math.sqrt((1 + 2 * fusion.CORRELATION) / 3)
    assert 3**-0.5 < share < 1
    assert found.sigma == pytest.approx(share * alone(one), rel=1e-4)


def test_the_order_of_the_pairs_does_not_matter() -> None:
    rng = np.random.default_rng(1)
    given = [cells(100 + rng.normal(0, 1, (20, 20)), rng.uniform(0.1, 0.3)) for _ in range(4)]
    one, other = fused(given), fused(given[::-1])
    assert one.height == pytest.approx(other.height, abs=1e-4)
    assert one.sigma == pytest.approx(other.sigma, rel=1e-3)
    assert (one.pairs == other.pairs).all()


def test_cells_of_different_grids_or_none_are_refused() -> None:
    with pytest.raises(ValueError, match="different grids"):
        fused([cells(np.zeros((2, 2)), 0.1), cells(np.zeros((2, 3)), 0.1)])
    with pytest.raises(ValueError, match="different grids"):
        fused([cells(np.zeros((2, 2)), 0.1), cells(np.zeros((2, 2)), 0.1, side=2.0)])
    with pytest.raises(ValueError, match="no pair"):
        fused([])
