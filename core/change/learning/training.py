"""Training of trees by scikit-learn, and what it grew as flat arrays.

Breiman, L., 2001. Random forests. Machine Learning 45, 5-32.
https://doi.org/10.1023/A:1010933404324

Friedman, J. H., 2001. Greedy function approximation: a gradient boosting machine. The Annals of
Statistics 29, 1189-1232. https://doi.org/10.1214/aos/1013203451
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import (
    ExtraTreesClassifier,
    HistGradientBoostingClassifier,
    RandomForestClassifier,
)
from threadpoolctl import threadpool_limits

from core.change.learning.arrays import Doubles, Flags, Floats
from core.change.learning.trees import EDGES, LEAF, MOST_NODES, Link, Trees, binned, packed
from core.errors import TooFewSamples


class Method(StrEnum):
    """How trees are grown."""

    FOREST = "forest"
    """Random forest: each tree on a draw of the samples."""
    EXTRA = "extra-trees"
    """Forest whose splits are drawn as well."""
    BOOSTING = "boosting"
    """Gradient boosting: each tree mends what those before it leave."""


@dataclass(frozen=True)
class Recipe:
    """How to train.

    Parameters
    ----------
    trees
        Their number.
    deepest
        Most steps from root to leaf; what prediction costs at most.
    leaf_samples
        Samples of a leaf, at least.
    leaves
        Leaves of a tree, at most.
    tried
        Share of the features among which a split is chosen.
    rate
        Boosting: part of each tree that is added.
    penalty
        Boosting: L2 penalty on leaf values.
    balance
        0: classes weigh what they do in the samples; 1: alike; between: a power between.
    seed
        Of all draws.
    """

    method: Method = Method.FOREST
    trees: int = 100
    deepest: int = 12
    leaf_samples: int = 5
    leaves: int = 4096
    tried: float = 0.15
    rate: float = 0.1
    penalty: float = 0.0
    balance: float = 1.0
    seed: int = 0


RECIPES: Mapping[Method, Recipe] = MappingProxyType(
    {
        Method.FOREST: Recipe(),
        Method.EXTRA: Recipe(Method.EXTRA, tried=0.3),
        Method.BOOSTING: Recipe(Method.BOOSTING, leaves=31, tried=0.1, rate=0.06, penalty=10.0),
    }
)
"""What is usual of each: a hundred trees, predicted in the same time."""


def train(samples: Floats, labels: Flags, weights: Doubles, recipe: Recipe) -> Trees:
    """Trees that tell landslides from the rest; one thread, the same bits for the same seed.

    Parameters
    ----------
    samples
        (samples, features) float32, finite.
    labels
        True: landslide.
    weights
        Pixels that a sample stands for.

    Raises
    ------
    TooFewSamples
        All samples are of one class.
    """
    edges = edges_of(samples, balanced(labels, weights, 1.0))
    grown = fitted(
        binned(samples, edges), labels, balanced(labels, weights, recipe.balance), recipe
    )
    return flattened(grown, edges)


def balanced(labels: Flags, weights: Doubles, balance: float) -> Doubles:
    """Weights with a mean of 1 whose classes are moved from what they weigh towards the same."""
    total = np.array([weights[~labels].sum(), weights[labels].sum()])
    if total.min() <= 0:
        missing = "landslide" if total[1] <= 0 else "pixel without one"
        raise TooFewSamples(f"there is no {missing} among the training samples")
    factor = total**-balance
    moved = weights * np.where(labels, factor[1], factor[0])
    out: Doubles = moved * (moved.size / moved.sum())
    return out


def edges_of(samples: Floats, weights: Doubles) -> Floats:
    """Borders at equal steps of the summed weight, each where a value stands: (features, 255)."""
    edges = np.full((samples.shape[1], EDGES), np.inf, np.float32)
    for feature, values in enumerate(samples.T):
        order = np.argsort(values, kind="stable")
        sum_below = np.cumsum(weights[order])
        at = np.searchsorted(sum_below, np.arange(1, EDGES) / EDGES * sum_below[-1])
        # The greatest value parts nothing.
        borders = np.setdiff1d(values[order[at]], values[order[-1]])
        edges[feature, : borders.size] = borders
    return edges


def fitted(intervals: NDArray[np.uint8], labels: Flags, weights: Doubles, recipe: Recipe) -> Any:
    """The classifier that scikit-learn trained on intervals of features."""
    common = {"min_samples_leaf": recipe.leaf_samples, "max_depth": recipe.deepest}
    if recipe.method is Method.BOOSTING:
        model = HistGradientBoostingClassifier(
            max_iter=recipe.trees,
            learning_rate=recipe.rate,
            max_leaf_nodes=recipe.leaves,
            max_features=recipe.tried,
            l2_regularization=recipe.penalty,
            early_stopping=False,
            random_state=recipe.seed,
            **common,
        )
    else:
        kind = RandomForestClassifier if recipe.method is Method.FOREST else ExtraTreesClassifier
        model = kind(
            recipe.trees,
            max_features=recipe.tried,
            max_leaf_nodes=recipe.leaves if recipe.leaves < 2**recipe.deepest else None,
            random_state=recipe.seed,
            n_jobs=1,
            **common,
        )
    with threadpool_limits(1):
        return model.fit(intervals.astype(np.float32), labels, sample_weight=weights)


class Tree(NamedTuple):
    """A tree with its nodes in any order; a leaf has a left child below 0."""

    feature: NDArray[np.int64]
    last: NDArray[np.int64]
    left: NDArray[np.int64]
    right: NDArray[np.int64]
    value: Doubles


def flattened(grown: Any, edges: Floats) -> Trees:
    """A classifier that was trained on intervals, as flat arrays."""
    if isinstance(grown, HistGradientBoostingClassifier):
        # Its trees are no part of its public names: the test against predict_proba watches them.
        trees = [_of_boosting(stage[0].nodes) for stage in grown._predictors]
        base, link = float(np.ravel(grown._baseline_prediction)[0]), Link.LOGISTIC
    else:
        trees = [_of_forest(one.tree_, len(grown.estimators_)) for one in grown.estimators_]
        base, link = 0.0, Link.IDENTITY
    return assembled(trees, edges, base, link)


def _of_forest(tree: Any, trees: int) -> Tree:
    shares = tree.value[:, 0, :]
    landslide = shares[:, 1] / shares.sum(axis=1) / trees
    last = np.floor(tree.threshold).astype(np.int64)
    left, right = tree.children_left.astype(np.int64), tree.children_right.astype(np.int64)
    return Tree(tree.feature.astype(np.int64), last, left, right, landslide)


def _of_boosting(nodes: NDArray[np.void]) -> Tree:
    leaf = nodes["is_leaf"].astype(bool)
    last = np.floor(np.where(leaf, 0, nodes["num_threshold"])).astype(np.int64)
    left = np.where(leaf, -1, nodes["left"].astype(np.int64))
    feature, right = nodes["feature_idx"].astype(np.int64), nodes["right"].astype(np.int64)
    return Tree(feature, last, left, right, nodes["value"].astype(np.float64))


def assembled(trees: Iterable[Tree], edges: Floats, base: float, link: Link) -> Trees:
    """One ensemble of several trees."""
    nodes, leaves, starts = [], [], [0]
    for tree in trees:
        if tree.left.size > MOST_NODES:
            raise ValueError(f"a tree of {tree.left.size} nodes, {MOST_NODES} are possible")
        order = _by_level(tree.left, tree.right)
        place = np.empty(order.size, np.int64)
        place[order] = np.arange(order.size)
        left = tree.left[order]
        leaf = left < 0
        child = np.where(leaf, np.arange(order.size), place[left])
        feature = np.where(leaf, 0, tree.feature[order])
        nodes.append(packed(feature, np.where(leaf, LEAF, tree.last[order]), child))
        leaves.append(np.where(leaf, tree.value[order], 0.0))
        starts.append(starts[-1] + order.size)
    return Trees(edges, np.concatenate(nodes), np.array(starts), np.concatenate(leaves), base, link)


def _by_level(left: NDArray[np.int64], right: NDArray[np.int64]) -> NDArray[np.int64]:
    """Nodes in the order root, its children, theirs: siblings side by side."""
    order = [np.zeros(1, np.int64)]
    while (inner := order[-1][left[order[-1]] >= 0]).size:
        order.append(np.column_stack([left[inner], right[inner]]).ravel())
    return np.concatenate(order)
