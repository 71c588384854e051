import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.change.learning.calibration import (
    Calibration,
    calibrated_by,
    log_odds,
    probability,
    score,
)
from core.change.learning.decisions import (
    Aim,
    Criterion,
    Evidence,
    called,
    evidence,
    threshold,
    uncertainty,
)
from core.change.learning.prevalence import counted, prevalence
from core.change.learning.trees import Link


def sigmoid(odds: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-odds))


def scene(share: float, count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Labels, and logarithms of odds of normal classes, that hold for one half of landslides."""
    rng = np.random.default_rng(seed)
    labels = rng.random(count) < share
    return labels, 4 * rng.normal(np.where(labels, 0.5, -0.5), 0.5, count)


def test_a_known_distortion_is_undone() -> None:
    labels, odds = scene(0.5, 60_000, 1)
    found = calibrated_by(sigmoid(0.5 * odds + 1.0), labels, np.ones(labels.size))
    assert found.slope == pytest.approx(2.0, abs=0.06)
    assert found.offset == pytest.approx(-2.0, abs=0.08)
    assert found.prevalence == pytest.approx(0.5, abs=0.01)


def test_weights_stand_for_pixels() -> None:
    labels, odds = scene(0.3, 20_000, 2)
    kept = ~labels | (np.arange(labels.size) % 4 == 0)
    weights = np.where(labels, 4.0, 1.0)[kept]
    thinned = calibrated_by(sigmoid(odds)[kept], labels[kept], weights)
    whole = calibrated_by(sigmoid(odds), labels, np.ones(labels.size))
    assert thinned.slope == pytest.approx(whole.slope, rel=0.06)
    assert thinned.offset == pytest.approx(whole.offset, abs=0.1)
    assert thinned.prevalence == pytest.approx(whole.prevalence, abs=0.01)


def test_classes_that_are_wholly_apart_give_no_certainty() -> None:
    labels = np.arange(100) < 20
    found = calibrated_by(np.where(labels, 0.9, 0.1), labels, np.ones(100))
    told = probability(np.array([0.1, 0.9]), Link.IDENTITY, found, found.prevalence)
    np.testing.assert_allclose(told, [1 / 82, 21 / 22], atol=1e-3)


def test_scores_that_fall_where_landslides_are_tell_the_prevalence() -> None:
    labels, odds = scene(0.2, 5000, 3)
    found = calibrated_by(sigmoid(-odds), labels, np.ones(labels.size))
    told = probability(np.array([0.01, 0.99]), Link.IDENTITY, found, found.prevalence)
    np.testing.assert_allclose(told, labels.mean(), rtol=1e-5)


@given(st.floats(0, 5), st.floats(-5, 5), st.floats(0.001, 0.999), st.floats(0.001, 0.999))
def test_a_greater_score_is_never_less_probable(
    slope: float, offset: float, trained: float, here: float
) -> None:
    raw = np.linspace(-0.1, 1.1, 200)
    told = probability(raw, Link.IDENTITY, Calibration(slope, offset, trained), here)
    assert (np.diff(told) >= 0).all()
    assert ((told >= 0) & (told <= 1)).all()


def test_the_prevalence_moves_the_odds_by_the_ratio_of_odds() -> None:
    known = Calibration(1.0, 0.0, 0.2)
    raw = np.array([[-1.0, 0.0], [2.0, np.nan]])
    told = probability(raw, Link.LOGISTIC, known, 0.05)
    expected = sigmoid(raw + log_odds(0.05) - log_odds(0.2))
    assert told.dtype == np.float32
    np.testing.assert_allclose(told, expected, rtol=1e-6)
    np.testing.assert_array_equal(score(raw, Link.LOGISTIC), sigmoid(raw))


@pytest.mark.parametrize("share", [0.003, 0.03, 0.4])
def test_the_prevalence_of_a_scene_is_found_without_its_labels(share: float) -> None:
    labels, odds = scene(share, 200_000, 4)
    # Calibrated where one in seven was a landslide.
    told = sigmoid(odds + log_odds(1 / 7)).astype(np.float32)
    found = prevalence(counted(told), 1 / 7)
    assert found == pytest.approx(labels.mean(), rel=0.15)


def test_counts_of_tiles_add_up() -> None:
    _, odds = scene(0.1, 10_000, 5)
    told = sigmoid(odds).astype(np.float32)
    told[7] = np.nan
    assert (counted(told) == counted(told[:3000]) + counted(told[3000:])).all()
    assert counted(told).sum() == 9999
    assert prevalence(0 * counted(told), 0.25) == 0.25


def test_a_scene_without_landslides_has_next_to_none() -> None:
    told = np.full(1000, 0.001, np.float32)
    assert prevalence(counted(told), 0.1) < 2e-5


def slow_f(probabilities: np.ndarray, labels: np.ndarray, level: float, beta: float) -> float:
    landslide = probabilities >= level
    hits = (landslide & labels).sum()
    false, missed = (landslide & ~labels).sum(), (~landslide & labels).sum()
    return (1 + beta**2) * hits / ((1 + beta**2) * hits + beta**2 * missed + false)


@pytest.mark.parametrize(("criterion", "beta"), [(Criterion.F1, 1.0), (Criterion.F2, 2.0)])
def test_the_threshold_has_the_best_f_score(criterion: Criterion, beta: float) -> None:
    labels, odds = scene(0.1, 20_000, 6)
    told = sigmoid(odds + log_odds(0.1)).astype(np.float32)
    known = evidence(told, labels, np.ones(labels.size), 0.1)
    level = threshold(Aim(criterion), known, 0.1)
    levels = np.unique(told)[::20]
    best = max(slow_f(told, labels, value, beta) for value in levels)
    assert slow_f(told, labels, level, beta) > best - 0.003


def test_a_threshold_for_another_prevalence_is_the_best_one_there() -> None:
    labels, odds = scene(0.3, 100_000, 7)
    told = sigmoid(odds + log_odds(0.3)).astype(np.float32)
    known = evidence(told, labels, np.ones(labels.size), 0.3)
    level = threshold(Aim(), known, 0.02)
    rare, there = scene(0.02, 100_000, 8)
    shifted = sigmoid(there + log_odds(0.02)).astype(np.float32)
    best = max(slow_f(shifted, rare, value, 1.0) for value in np.linspace(0.05, 0.95, 91))
    assert slow_f(shifted, rare, level, 1.0) > best - 0.01


def test_costs_and_values_are_thresholds_themselves() -> None:
    known = Evidence(np.ones(2400), np.ones(2400), 0.1)
    assert threshold(Aim(Criterion.COST, 1.0), known, 0.1) == 0.5
    assert threshold(Aim(Criterion.COST, 4.0), known, 0.01) == 0.2
    assert threshold(Aim(Criterion.VALUE, 0.37), known, 0.1) == 0.37


def test_between_classes_that_are_apart_the_threshold_is_in_the_middle() -> None:
    told = np.array([0.1] * 90 + [0.9] * 10, np.float32)
    known = evidence(told, told > 0.5, np.ones(100), 0.1)
    assert threshold(Aim(), known, 0.1) == pytest.approx(0.5, abs=0.005)


def test_uncertainty_is_the_probability_of_being_wrong() -> None:
    told = np.array([0.05, 0.29, 0.3, 0.9, np.nan], np.float32)
    found = uncertainty(told, 0.3)
    np.testing.assert_allclose(found, [0.05, 0.29, 0.7, 0.1, np.nan], rtol=1e-6)
    assert called(told, 0.3).tolist() == [False, False, True, True, False]


def test_the_mean_uncertainty_of_probabilities_that_hold_is_the_share_of_errors() -> None:
    labels, odds = scene(0.1, 200_000, 9)
    told = sigmoid(odds + log_odds(0.1)).astype(np.float32)
    wrong = called(told, 0.4) != labels
    assert uncertainty(told, 0.4).mean() == pytest.approx(wrong.mean(), rel=0.03)
