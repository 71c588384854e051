"""Trees as flat arrays, and the kernel that predicts from them.

Features are reduced to the number of the interval that they fall into, at most 255 of them, so a
node is one number of 32 bits: feature, last interval that goes left, and place of the left child
(the right one follows it).  A leaf is a node that leads to itself.  All pixels of a block walk one
tree together, each as many steps as the tree is deep: there is no branch to be guessed wrong, and
a block with its tree stays in the nearest cache.
"""

from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from core.change.learning.arrays import Bins, Doubles, Flags, Floats
from core.kernel import kernel

EDGES = 255
"""Room for borders between intervals of a feature; the last is infinite, so there are 255 intervals
at most, which boosting takes as they are."""

MOST_FEATURES = 255
MOST_NODES = 65_536
"""What a node's number of 32 bits has room for."""

BLOCK = 256
"""Pixels that walk a tree together."""

LEAF = 255
"""Last interval that goes left, in a leaf: all do."""

Nodes = NDArray[np.uint32]
"""feature << 24 | last interval that goes left << 16 | place of the left child in its tree."""

Starts = NDArray[np.int64]
"""Where each tree's nodes begin, and the end."""


class Link(StrEnum):
    """How the sum over the trees becomes a probability."""

    IDENTITY = "identity"
    """It is one: a forest's leaves hold shares."""
    LOGISTIC = "logistic"
    """It is the logarithm of the odds: boosted trees."""


@dataclass(frozen=True, eq=False)
class Trees:
    """An ensemble of binary trees.

    Parameters
    ----------
    edges
        (features, 255) float32, ascending, infinite where a feature has fewer: a value's interval
        is the number of edges below it.
    nodes, starts
        All trees, one after the other; children stand behind their parent.
    leaves
        float64, beside `nodes`: what a leaf adds to the sum.
    base
        What the sum begins with.
    """

    edges: Floats
    nodes: Nodes
    starts: Starts
    leaves: Doubles
    base: float
    link: Link

    @property
    def features(self) -> int:
        """How many a pixel has."""
        return len(self.edges)

    @cached_property
    def depths(self) -> NDArray[np.int32]:
        """Steps to the deepest leaf of each tree."""
        return _depths(self.nodes, self.starts)


def fault(trees: Trees) -> str:
    """Why these arrays are no trees, in words; "" if they are: the kernel stays inside them."""
    edges, nodes, starts, leaves = trees.edges, trees.nodes, trees.starts, trees.leaves
    for name, array, kind, shape in (
        ("edges", edges, np.float32, (len(edges), EDGES)),
        ("nodes", nodes, np.uint32, (nodes.size,)),
        ("starts", starts, np.int64, (starts.size,)),
        ("leaves", leaves, np.float64, (nodes.size,)),
    ):
        if array.dtype != kind or array.shape != shape:
            return f"the array {name} of the trees has another type or shape"
    if not 1 <= trees.features <= MOST_FEATURES:
        return f"there are {trees.features} features, 1 to {MOST_FEATURES} are possible"
    if (
        np.isnan(edges).any()
        or (edges[:, 1:] < edges[:, :-1]).any()
        or (edges[:, -1] < np.inf).any()
    ):
        return "the borders of the intervals do not ascend to infinity"
    if not (np.isfinite(leaves).all() and np.isfinite(trees.base)):
        return "a leaf's value is not finite"
    counts = np.diff(starts)
    if starts.size < 2 or starts[0] != 0 or starts[-1] != nodes.size:
        return "the trees do not cover their nodes"
    if counts.min() < 1 or counts.max() > MOST_NODES:
        return f"a tree has no node, or more than {MOST_NODES}"
    return _fault_of_nodes(nodes, starts, trees.features)


def _fault_of_nodes(nodes: Nodes, starts: Starts, features: int) -> str:
    counts = np.diff(starts)
    place = np.arange(nodes.size) - np.repeat(starts[:-1], counts)
    feature, last, left = unpacked(nodes)
    if feature.max() >= features:
        return "a node asks for a feature that there is not"
    inner = left != place
    if (last[~inner] != LEAF).any():
        return "a node leads to itself"
    if (left[inner] <= place[inner]).any() or (left + 1 >= np.repeat(counts, counts))[inner].any():
        return "a node leads outside its tree, or back"
    return ""


def packed(feature: NDArray[np.int64], last: NDArray[np.int64], left: NDArray[np.int64]) -> Nodes:
    """Nodes from their three parts."""
    return (feature << 24 | last << 16 | left).astype(np.uint32)


def unpacked(nodes: Nodes) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Feature, last interval that goes left, place of the left child."""
    wide = nodes.astype(np.int64)
    return wide >> 24, wide >> 16 & 255, wide & 65_535


def binned(values: Floats, edges: Floats) -> Bins:
    """Intervals of samples, (samples, features); NaN falls into the first."""
    out = np.empty(values.shape[::-1], np.uint8)
    _binned_into(np.ascontiguousarray(values.T), edges, out)
    return np.ascontiguousarray(out.T)


def raw(trees: Trees, values: Floats, known: Flags | None = None) -> Doubles:
    """Sum over the trees, before the link.

    Parameters
    ----------
    values
        (features, ...) float32: planes of a tile, or transposed samples.
    known
        Pixels that are wanted, all by default.

    Returns
    -------
    Doubles
        float64, the shape of a plane.  NaN where not wanted, or where a feature is NaN.
    """
    if len(values) != trees.features:
        raise ValueError(f"{len(values)} features for trees of {trees.features}")
    flat = np.ascontiguousarray(values.reshape(len(values), -1), np.float32)
    wanted = np.ones(flat.shape[1], np.bool_) if known is None else known.reshape(-1)
    out = np.full(flat.shape[1], np.nan)
    _raw_into(
        flat, wanted, trees.edges, trees.nodes, trees.starts, trees.depths, trees.leaves,
        trees.base, out,
    )  # fmt: skip
    return out.reshape(values.shape[1:])


@kernel
def _depths(nodes: Nodes, starts: Starts) -> NDArray[np.int32]:
    depths = np.zeros(starts.size - 1, np.int32)
    level = np.zeros(MOST_NODES, np.int32)
    for tree in range(starts.size - 1):
        first, count = starts[tree], starts[tree + 1] - starts[tree]
        level[0] = 0
        deepest = 0
        for place in range(count):
            left = np.int64(nodes[first + place] & np.uint32(65_535))
            deepest = max(deepest, level[place])
            if left != place:
                level[left] = level[place] + 1
                level[left + 1] = level[place] + 1
        depths[tree] = deepest
    return depths


@kernel
def _interval(value: np.float32, edges: Floats) -> int:
    """How many edges lie below a value: eight halvings, without a branch."""
    below = 0
    for step in (128, 64, 32, 16, 8, 4, 2, 1):
        below += step if value > edges[below + step - 1] else 0
    return below


@kernel
def _binned_into(values: Floats, edges: Floats, out: Bins) -> None:
    for feature in range(values.shape[0]):
        for sample in range(values.shape[1]):
            out[feature, sample] = _interval(values[feature, sample], edges[feature])


@kernel
def _raw_into(
    values: Floats,
    wanted: Flags,
    edges: Floats,
    nodes: Nodes,
    starts: Starts,
    depths: NDArray[np.int32],
    leaves: Doubles,
    base: float,
    out: Doubles,
) -> None:
    features, pixels = values.shape
    place = np.empty(BLOCK, np.int64)
    bins = np.empty((features, BLOCK), np.uint8)
    gap = np.empty(BLOCK, np.bool_)
    total = np.empty(BLOCK, np.float64)
    at = np.empty(BLOCK, np.int32)
    following = 0
    while following < pixels:
        filled = 0
        while filled < BLOCK and following < pixels:
            if wanted[following]:
                place[filled] = following
                filled += 1
            following += 1
        gap[:filled] = False
        for feature in range(features):
            borders = edges[feature]
            plane = values[feature]
            for k in range(filled):
                value = plane[place[k]]
                gap[k] |= np.isnan(value)
                bins[feature, k] = _interval(value, borders)
        total[:filled] = base
        for tree in range(starts.size - 1):
            own = nodes[starts[tree] : starts[tree + 1]]
            at[:filled] = 0
            for _ in range(depths[tree]):
                for k in range(filled):
                    node = own[at[k]]
                    last = np.uint8(node >> np.uint32(16) & np.uint32(255))
                    right = bins[node >> np.uint32(24), k] > last
                    at[k] = np.int32(node & np.uint32(65_535)) + np.int32(right)
            added = leaves[starts[tree] : starts[tree + 1]]
            for k in range(filled):
                total[k] += added[at[k]]
        for k in range(filled):
            out[place[k]] = np.nan if gap[k] else total[k]
