from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.change.learning.model import Samples
from core.change.learning.training import (
    Method,
    Recipe,
    balanced,
    edges_of,
    fitted,
    flattened,
    train,
)
from core.change.learning.trees import (
    EDGES,
    LEAF,
    Link,
    Trees,
    binned,
    fault,
    packed,
    raw,
    unpacked,
)
from core.errors import TooFewSamples

RECIPES = {
    "forest": Recipe(trees=20, seed=3),
    "shallow forest": Recipe(trees=7, deepest=3, leaf_samples=40, balance=0.0),
    "few leaves": Recipe(trees=10, leaves=9),
    "extra-trees": Recipe(Method.EXTRA, trees=15, tried=0.5),
    "boosting": Recipe(Method.BOOSTING, trees=25, leaves=15, tried=1.0, leaf_samples=10),
    "regularised boosting": Recipe(
        Method.BOOSTING, trees=25, leaves=31, deepest=5, tried=0.3, penalty=5.0, balance=0.5
    ),
}


def slow_raw(trees: Trees, samples: np.ndarray) -> np.ndarray:
    """The same by the book: one sample down one tree after the other."""
    feature, last, left = unpacked(trees.nodes)
    out = np.full(len(samples), np.nan)
    for number, sample in enumerate(samples):
        if np.isnan(sample).any():
            continue
        total = trees.base
        for first, end in zip(trees.starts[:-1], trees.starts[1:], strict=True):
            at = 0
            while left[first + at] != at:
                node = first + at
                border = trees.edges[feature[node], last[node]]
                at = left[node] + (sample[feature[node]] > border)
            assert first + at < end
            total += trees.leaves[first + at]
        out[number] = total
    return out


def link(trees: Trees, total: np.ndarray) -> np.ndarray:
    return total if trees.link is Link.IDENTITY else 1 / (1 + np.exp(-total))


@pytest.mark.parametrize("name", RECIPES)
def test_the_kernel_says_what_scikit_learn_says(name: str, event: Callable[..., Samples]) -> None:
    samples, fresh = event(1), event(2)
    recipe = RECIPES[name]
    weights = balanced(samples.landslide, samples.weight, recipe.balance)
    edges = edges_of(samples.features, samples.weight)
    grown = fitted(binned(samples.features, edges), samples.landslide, weights, recipe)
    trees = flattened(grown, edges)
    assert fault(trees) == ""
    assert len(trees.depths) == recipe.trees
    assert trees.depths.max() <= recipe.deepest
    expected = grown.predict_proba(binned(fresh.features, edges).astype(np.float32))[:, 1]
    assert np.ptp(expected) > 0.3
    np.testing.assert_allclose(link(trees, raw(trees, fresh.features.T)), expected, atol=1e-6)


@pytest.mark.parametrize("name", ["forest", "boosting"])
def test_the_kernel_walks_as_its_slow_twin(name: str, event: Callable[..., Samples]) -> None:
    samples = event(3, areas=4, each=150)
    trees = train(samples.features, samples.landslide, samples.weight, RECIPES[name])
    fresh = event(4, areas=2, each=150).features
    fresh[17, 2] = np.nan
    found = raw(trees, fresh.T)
    assert np.isnan(found[17])
    np.testing.assert_array_equal(found, slow_raw(trees, fresh))


def test_a_tile_is_predicted_as_its_pixels_whatever_its_size(
    event: Callable[..., Samples],
) -> None:
    samples = event(5)
    trees = train(samples.features, samples.landslide, samples.weight, RECIPES["boosting"])
    planes = np.random.default_rng(5).normal(size=(8, 37, 53)).astype(np.float32)
    planes[3, 4, 5] = np.nan
    known = np.random.default_rng(6).random((37, 53)) > 0.3
    whole = raw(trees, planes, known)
    assert (np.isnan(whole) == (~known | np.isnan(planes[3]))).all()
    np.testing.assert_array_equal(
        whole[known], raw(trees, planes.reshape(8, -1).T[known.ravel()].T)
    )
    part = (slice(11, 30), slice(7, 44))
    np.testing.assert_array_equal(raw(trees, planes[:, *part], known[part]), whole[part])


@pytest.mark.parametrize("name", RECIPES)
def test_training_twice_gives_the_same_bits_and_another_seed_others(
    name: str, event: Callable[..., Samples]
) -> None:
    samples = event(6)
    given_ = samples.features, samples.landslide, samples.weight
    one, two = (train(*given_, RECIPES[name]) for _ in range(2))
    for field in ("edges", "nodes", "starts", "leaves"):
        assert getattr(one, field).tobytes() == getattr(two, field).tobytes()
    if RECIPES[name].tried < 1:
        other = train(*given_, Recipe(**vars(RECIPES[name]) | {"seed": 99}))
        assert other.nodes.tobytes() != one.nodes.tobytes()


def test_an_interval_is_the_number_of_edges_below(event: Callable[..., Samples]) -> None:
    samples = event(7)
    values = samples.features.copy()
    values[:, 1] = np.round(values[:, 1])
    values[:, 2] = 5.0
    edges = edges_of(values, samples.weight)
    assert edges.shape == (8, EDGES)
    assert np.isinf(edges[:, -1]).all()
    assert np.isinf(edges[2]).all()
    found = binned(values, edges)
    for feature in range(8):
        expected = np.searchsorted(edges[feature], values[:, feature], side="left")
        np.testing.assert_array_equal(found[:, feature], expected)
    assert len(np.unique(found[:, 1])) == len(np.unique(values[:, 1]))


def test_rare_landslides_get_half_of_the_edges() -> None:
    rng = np.random.default_rng(8)
    labels = np.arange(20_000) < 200
    values = np.where(labels, rng.uniform(10, 11, 20_000), rng.uniform(0, 1, 20_000))
    weights = balanced(labels, np.ones(20_000), 1.0)
    edges = edges_of(values.astype(np.float32)[:, None], weights)[0]
    assert 100 < ((edges > 10) & (edges < 11)).sum() < 150


def test_balancing_moves_the_weights_of_the_classes_and_not_their_sum() -> None:
    labels = np.arange(100) < 10
    for balance, share in ((0.0, 0.1), (0.5, 0.25), (1.0, 0.5)):
        weights = balanced(labels, np.ones(100), balance)
        assert weights.sum() == pytest.approx(100)
        assert weights[labels].sum() / 100 == pytest.approx(share)


def test_one_class_teaches_nothing(event: Callable[..., Samples]) -> None:
    samples = event(9)
    for labels, word in ((samples.landslide | True, "without"), (samples.landslide & False, "no ")):
        with pytest.raises(TooFewSamples, match=word):
            train(samples.features, labels, samples.weight, Recipe(trees=2))


def test_features_that_are_not_the_trees_are_refused(event: Callable[..., Samples]) -> None:
    samples = event(10)
    trees = train(samples.features, samples.landslide, samples.weight, Recipe(trees=2))
    with pytest.raises(ValueError, match="7 features for trees of 8"):
        raw(trees, samples.features[:, 1:].T)


def nodes(feature: int, last: int, left: int, second: int) -> np.ndarray:
    """The stump's three nodes, with one number changed."""
    return packed(np.array([feature, 0, 0]), np.array([0, LEAF, last]), np.array([left, 1, second]))


def stump() -> Trees:
    edges = np.full((2, EDGES), np.inf, np.float32)
    edges[:, 0] = 0.5
    return Trees(
        edges, nodes(1, LEAF, 1, 2), np.array([0, 3]), np.array([0.0, 0.2, 0.7]), 0.0, Link.IDENTITY
    )


def test_a_stump_parts_at_its_edge() -> None:
    values = np.array([[9, 9, 9], [0.4, 0.5, 0.6]], np.float32)
    np.testing.assert_array_equal(raw(stump(), values), [0.2, 0.2, 0.7])


BREAKS = {
    "feature": ("nodes", nodes(2, LEAF, 1, 2), "a feature that there is not"),
    "outside": ("nodes", nodes(1, LEAF, 2, 2), "outside its tree"),
    "far outside": ("nodes", nodes(1, LEAF, 60_000, 2), "outside its tree"),
    "back": ("nodes", nodes(1, LEAF, 1, 0), "or back"),
    "round": ("nodes", nodes(1, 3, 1, 2), "leads to itself"),
    "starts": ("starts", np.array([0, 2]), "do not cover"),
    "negative starts": ("starts", np.array([0, -5, 3]), "no node"),
    "no tree": ("starts", np.array([0]), "do not cover"),
    "edges": ("edges", np.full((2, EDGES), np.nan, np.float32), "do not ascend"),
    "narrow edges": ("edges", np.full((2, 9), np.inf, np.float32), "another type or shape"),
    "open edges": ("edges", np.zeros((2, EDGES), np.float32), "to infinity"),
    "leaves": ("leaves", np.array([0.0, np.nan, 0.0]), "not finite"),
    "few leaves": ("leaves", np.array([0.0, 1.0]), "another type or shape"),
    "types": ("nodes", np.zeros(3, np.int64), "another type or shape"),
}


@pytest.mark.parametrize("name", BREAKS)
def test_arrays_that_would_lead_out_of_memory_are_told(name: str) -> None:
    assert fault(stump()) == ""
    field, array, reason = BREAKS[name]
    assert reason in fault(Trees(**vars(stump()) | {field: array}))


@given(st.integers(0, 254), st.integers(0, 255), st.integers(0, 65_535))
def test_a_node_s_parts_come_back(feature: int, last: int, left: int) -> None:
    one = packed(np.array([feature]), np.array([last]), np.array([left]))
    assert one.dtype == np.uint32
    assert [int(part[0]) for part in unpacked(one)] == [feature, last, left]
