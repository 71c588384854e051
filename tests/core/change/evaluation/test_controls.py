"""What a score must do if it is one."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from core.change.evaluation.controls import block_noise, permuted
from core.change.evaluation.crossvalidation import Judged, Service, out_of_fold
from core.change.evaluation.importance import importance
from core.change.evaluation.pixels import average_precision, counted, curve
from core.change.learning.folds import dealt
from core.change.learning.model import Samples, fit
from core.change.learning.training import Recipe

SERVICE = Service(Recipe(trees=8, deepest=8), folds=2)


def of_blocks(samples: Samples, seed: int) -> tuple[Samples, np.ndarray]:
    """The samples with blocks of 100 m as groups, and folds of those."""
    block = samples.group * 25 + (samples.place[:, 0] % 500 // 100 * 5).astype(int)
    block += (samples.place[:, 1] // 100).astype(int)
    _, block = np.unique(block, return_inverse=True)
    order = np.random.default_rng(seed).permutation(block.max() + 1)
    return replace(samples, group=block), order[block] % 4


@pytest.fixture
def everywhere(event: Callable[..., Samples]) -> Samples:
    """Landslides in all areas, half of them so faint that they are not seen."""
    samples = event(11, areas=6, each=800, share=0.1, apart=1.2, effect=0.0)
    rng = np.random.default_rng(12)
    return replace(samples, landslide=samples.landslide | (rng.random(4800) < 0.03))


def test_permuted_labels_keep_their_share_and_their_neighbours() -> None:
    block = np.random.default_rng(1).permutation(np.repeat(np.arange(30), 40))
    truth = block < 10
    found = permuted(truth, block, seed=2)
    assert found.sum() == truth.sum()
    # Blocks are alike in size, so each has the labels of one other block.
    shares = [found[block == name].mean() for name in range(30)]
    assert sorted(shares) == [0.0] * 20 + [1.0] * 10
    assert shares != [truth[block == name].mean() for name in range(30)]
    assert (permuted(truth, block, seed=2) == found).all()


def test_blocks_of_different_size_hand_on_what_does_not_fit() -> None:
    block = np.repeat(np.arange(5), [3, 50, 7, 40, 20])
    truth = block == 1
    found = permuted(truth, block, seed=1)
    assert found.sum() == 50
    assert (found != truth).any()


def test_labels_permuted_by_block_give_an_average_precision_of_the_prevalence(
    everywhere: Samples,
) -> None:
    samples, folds = of_blocks(everywhere, 0)
    plain = out_of_fold(samples, folds, SERVICE)
    share = samples.landslide.mean()
    assert average_precision(curve(plain.probabilities, samples.landslide)) > share + 0.2
    found = []
    for seed in range(3):
        lied = replace(samples, landslide=permuted(samples.landslide, samples.group, seed))
        told = out_of_fold(lied, folds, SERVICE)
        found.append(average_precision(curve(told.probabilities, lied.landslide)))
    assert np.mean(found) == pytest.approx(share, abs=0.02)


def test_a_random_constant_per_block_helps_a_random_split_and_no_block_split(
    everywhere: Samples,
) -> None:
    samples, folds = of_blocks(everywhere, 1)
    # Landslides come in blocks, which the features hardly show.
    rng = np.random.default_rng(3)
    rich = rng.random(samples.group.max() + 1) < 0.15
    labels = np.where(rich[samples.group], rng.random(4800) < 0.8, rng.random(4800) < 0.02)
    features = rng.normal(size=samples.features.shape).astype(np.float32)
    features[:, 0] += labels
    plain = replace(samples, landslide=labels, features=features)
    noise = block_noise(samples.group, seed=4)
    knowing = replace(plain, features=np.column_stack([features, noise]))
    service = Service(Recipe(trees=8, tried=0.5), folds=2)

    def f1(given: Samples, parts: np.ndarray, groups: np.ndarray) -> float:
        found = out_of_fold(replace(given, group=groups), parts, service)
        return counted(found.called, given.landslide).f()

    order = rng.permutation(4800)
    split = order % 4, order % 60
    assert f1(knowing, *split) > f1(plain, *split) + 0.1
    assert f1(knowing, folds, samples.group) < f1(plain, folds, samples.group) + 0.02


def test_labels_of_the_scored_fold_change_no_prediction(everywhere: Samples) -> None:
    """Neither the trees, nor calibration, prevalence, threshold: nothing is known of them."""
    samples, folds = of_blocks(everywhere, 2)
    plain = out_of_fold(samples, folds, SERVICE)
    for fold in range(2):
        held = folds == fold
        lied = replace(samples, landslide=np.where(held, ~samples.landslide, samples.landslide))
        found = out_of_fold(lied, folds, SERVICE)
        np.testing.assert_array_equal(found.probabilities[held], plain.probabilities[held])
        np.testing.assert_array_equal(found.called[held], plain.called[held])
        assert found.levels[fold] == plain.levels[fold]
        assert (found.probabilities[~held] != plain.probabilities[~held]).any()


def test_a_buffer_hides_what_lies_beside_the_scored_fold(everywhere: Samples) -> None:
    samples, folds = of_blocks(everywhere, 3)
    seen: list[int] = []

    def learner(given: Samples, features: np.ndarray) -> Judged:
        seen.append(given.landslide.size)
        return Judged(np.full(len(features), 0.3, np.float32), 0.2 + 0.1 * len(seen))

    shown = samples.place[:, 0] % 500 > 100
    found = out_of_fold(samples, folds, learner, lambda fold: shown if fold else ~shown)
    assert seen[0] == (~shown & (folds != 0)).sum()
    assert seen[1:] == [(shown & (folds != fold)).sum() for fold in (1, 2, 3)]
    assert found.levels == pytest.approx((0.3, 0.4, 0.5, 0.6))
    assert (found.called == (folds == 0)).all()
    assert not np.isnan(found.probabilities).any()


def test_importance_is_the_loss_without_a_feature(event: Callable[..., Samples]) -> None:
    samples = event(13)
    # The first two tell the same; the last four tell nothing.
    samples.features[:, 1] = samples.features[:, 0]
    fitted = fit(samples, Recipe(trees=15, tried=0.4), folds=3)
    found = importance(samples, fitted, [[0], [0, 1], [2], [3], [4, 5, 6, 7]], seed=1)
    assert found[1] > 0.1 > found[3]
    assert found[1] > found[0]
    assert found[2] > 0.05
    np.testing.assert_allclose(found[3:], 0, atol=0.05)
    again = importance(samples, fitted, [[0, 1], [2]], seed=1)
    np.testing.assert_array_equal(again, found[[1, 2]])


def test_a_learner_s_folds_keep_groups_whole(everywhere: Samples) -> None:
    samples, _ = of_blocks(everywhere, 4)
    found = dealt(samples.group, samples.landslide, 5)
    for group in np.unique(samples.group):
        assert len(np.unique(found.of[samples.group == group])) == 1
