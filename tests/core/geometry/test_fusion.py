"""Fusion against a plain twin, and what it must do where pairs agree and where one is wrong."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.geometry import fusion
from core.geometry.fusion import fused
from core.geometry.gridding import Cells


def cells(height: np.ndarray, sigma: np.ndarray | float, error: float = 0.2) -> Cells:
    height = np.asarray(height, np.float32)
    known = np.where(np.isnan(height), np.nan, 1).astype(np.float32)
    return Cells(
        height,
        np.asarray(sigma * known, np.float32),
        np.float32(error) * known,
        np.float32(0.9) * known,
        np.isfinite(height).astype(np.uint16),
    )


def slow_cell(heights: np.ndarray, sigmas: np.ndarray) -> tuple[float, float, int]:
    """Height, standard deviation and number of pairs of one cell, by the definitions."""
    known = np.isfinite(heights)
    h, s = heights[known].astype(float), np.maximum(sigmas[known].astype(float), 0.02)
    allowed = np.hypot(sigmas[known][:, None], sigmas[known])
    allowed = fusion.AGREEMENT_M + fusion.AGREEMENT * allowed
    alike = abs(h[:, None] - h) <= allowed
    members, weight = alike.sum(axis=1), alike @ (1 / s**2)
    best = max(range(h.size), key=lambda n: (members[n], weight[n], -n))
    same = alike[best]
    share = 1 / s**2 / weight[best]
    middle = float(share[same] @ h[same])
    matrix = np.outer(share[same] * s[same], share[same] * s[same])
    matrix *= np.where(np.eye(same.sum()) > 0, 1, fusion.CORRELATION)
    scatter = float(share[same] @ (h[same] - middle) ** 2) / members[best]
    doubt = (np.minimum(share, 1) * abs(h - h[best]))[~same].max(initial=0)
    variance = matrix.sum() + scatter + (fusion.DOUBT * doubt) ** 2
    return middle, float(np.sqrt(variance)), int(members[best])


@settings(deadline=None)
@given(seed=st.integers(0, 10_000), number=st.integers(1, 6))
def test_cells_are_those_of_the_plain_definition(seed: int, number: int) -> None:
    rng = np.random.default_rng(seed)
    heights = rng.choice([100, 104], (number, 3, 4)) + rng.normal(0, 0.4, (number, 3, 4))
    heights[rng.random(heights.shape) < 0.2] = np.nan
    sigmas = rng.uniform(0.05, 0.4, heights.shape)
    given = [cells(*pair) for pair in zip(heights, sigmas, strict=True)]
    found = fused(given)
    for i, j in np.ndindex(3, 4):
        if np.isnan(heights[:, i, j]).all():
            assert found.pairs[i, j] == 0
            assert all(np.isnan(layer[i, j]) for layer in found[:4])
            continue
        height, sigma, pairs = slow_cell(
            np.array([one.height[i, j] for one in given]),
            np.array([one.sigma[i, j] for one in given]),
        )
        assert found.height[i, j] == pytest.approx(height, abs=1e-4)
        assert found.sigma[i, j] == pytest.approx(sigma, rel=1e-3)
        assert found.pairs[i, j] == pairs
        assert found.score[i, j] == pytest.approx(0.9)


def test_one_pair_alone_keeps_its_heights_and_errors() -> None:
    alone = cells(np.array([[100.0, np.nan, 103.0]]), 0.2)
    found = fused([alone])
    assert found.height == pytest.approx(alone.height, nan_ok=True)
    assert found.sigma == pytest.approx(alone.sigma, nan_ok=True)
    assert found.pairs.tolist() == [[1, 0, 1]]


def test_a_pair_with_half_the_error_weighs_four_times() -> None:
    found = fused([cells(np.array([[100.0]]), 0.1), cells(np.array([[100.5]]), 0.2)])
    assert found.height[0, 0] == pytest.approx(100.1)


def test_two_pairs_that_agree_outvote_a_better_one() -> None:
    given = [cells(np.array([[h]]), s) for h, s in ((100.0, 0.3), (100.2, 0.3), (107.0, 0.15))]
    found = fused(given)
    assert found.height[0, 0] == pytest.approx(100.1)
    assert found.pairs[0, 0] == 2
    assert found.sigma[0, 0] > fused(given[:2]).sigma[0, 0]


def test_of_two_pairs_that_disagree_the_more_certain_one_counts_with_less_certainty() -> None:
    found = fused([cells(np.array([[100.0]]), 0.1), cells(np.array([[105.0]]), 0.3)])
    assert found.height[0, 0] == pytest.approx(100)
    assert found.pairs[0, 0] == 1
    assert found.sigma[0, 0] > 0.15


def test_three_pairs_are_not_taken_for_independent() -> None:
    found = fused([cells(np.array([[100.0]]), 0.2)] * 3)
    assert 0.2 * 3**-0.5 < found.sigma[0, 0] < 0.2


def test_the_order_of_the_pairs_does_not_matter() -> None:
    rng = np.random.default_rng(1)
    given = [cells(100 + rng.normal(0, 1, (20, 20)), rng.uniform(0.1, 0.3)) for _ in range(4)]
    one, other = fused(given), fused(given[::-1])
    assert one.height == pytest.approx(other.height, abs=1e-4)
    assert (one.pairs == other.pairs).all()


def test_cells_of_different_grids_or_none_are_refused() -> None:
    with pytest.raises(ValueError, match="different grids"):
        fused([cells(np.zeros((2, 2)), 0.1), cells(np.zeros((2, 3)), 0.1)])
    with pytest.raises(ValueError, match="no pair"):
        fused([])
