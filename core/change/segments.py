"""Segments: patches of like pixels, joined while they stay alike.

In each round a segment and its neighbour are joined if each is the other's best, and joining them
makes them little less uniform: the criterion of region growing of

Benz, U. C., et al., 2004. Multi-resolution, object-oriented fuzzy analysis of remote sensing data
for GIS-ready information. ISPRS Journal of Photogrammetry and Remote Sensing 58, 239-258.
https://doi.org/10.1016/j.isprsjprs.2003.10.002

with quantities measured in their deviations over the scene, so that one scale serves all images.  A
fixed number of rounds and a largest extent bound what a segment depends on: there are no lines
between tiles, and a crop has the scene's segments.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from core.change import superpixels
from core.change.scene import Flags
from core.change.superpixels import UNIT, Integers, Labels, Pixels
from core.kernel import kernel

Doubles = NDArray[np.float64]

ROUNDS = 3
"""Rounds of joining; each leaves about two thirds of the segments."""

FORCED = 1e12
"""By how much joining what is too small goes before all else."""


@dataclass(frozen=True)
class Segmentation:
    """How segments are made."""

    cell_px: int = 4
    """Side of the cells of the first patches; the largest extent of a segment is four of them."""
    scale: float = 2.0
    """Its square is the least growth of heterogeneity that keeps neighbours apart: pixels times
    deviations.  Larger makes fewer segments."""
    colour: float = 0.9
    """Weight of the channels against the shape, 0 to 1."""
    compactness: float = 0.5
    """Of the shape: weight of a short border for the area, against one for the extent, 0 to 1."""
    least_px: int = 8
    """Smaller segments join their best neighbour whatever the scale, where the rounds and the
    largest extent allow."""

    @property
    def extent(self) -> int:
        """Rows, or columns, that a segment has at most."""
        return max(4 * self.cell_px, superpixels.extent(self.cell_px))

    @property
    def halo(self) -> int:
        """Pixels around a tile that its segments, in all their extent, depend on.

        A round looks at a segment, its neighbours and theirs.
        """
        first = 3 * superpixels.extent(self.cell_px)
        return superpixels.halo(self.cell_px) + first + 3 * self.extent * (ROUNDS - 1)


@dataclass(frozen=True)
class Segments:
    """Segments of a tile; those nearer to its border than the halo are not those of the image."""

    labels: Labels
    """Number of the segment, (rows, cols), in the order of their first pixels; -1 where unknown."""
    ids: Integers
    """(n,): what names a segment in all tiles: its first pixel's row times 2**32, plus its column,
    counted from the origin of the CRS."""
    touching: "Edges"
    """Which segments have sides of pixels in common."""

    @property
    def count(self) -> int:
        """How many there are."""
        return self.ids.size


def segments(
    pixels: Pixels, known: Flags, anchor: tuple[int, int], options: Segmentation
) -> Segments:
    """Divide a tile into segments, each joined by the sides of its pixels.

    Parameters
    ----------
    pixels
        (rows, cols, channels): quantities in :data:`core.change.superpixels.UNIT` steps for a
        deviation, at most 2**12.
    known
        Pixels that belong to a segment.
    anchor
        Row and column of the first pixel, counted from the origin of the CRS.
    """
    labels = superpixels.patches(pixels, known, anchor, options.cell_px)
    nodes = _patches(pixels, labels)
    edges = _touching(labels)
    numbers = np.arange(nodes.sizes.size)
    for _ in range(ROUNDS):
        target = np.arange(nodes.sizes.size)
        costs = np.empty(edges.one.size)
        _price(nodes, edges, *_terms(options), costs)
        _join(nodes, edges, costs, anchor, target)
        kept = target == np.arange(target.size)
        ranks = (np.cumsum(kept) - 1)[target]
        nodes = Nodes(*(part[kept] for part in nodes))
        edges = _once(ranks, edges, nodes.sizes.size)
        numbers = ranks[numbers]
    ids = (nodes.first[:, 0] + anchor[0]) * (1 << 32) + nodes.first[:, 1] + anchor[1]
    # The last one is for what has no label: -1.
    return Segments(np.append(numbers, -1)[labels].astype(np.int32), ids, edges)


class Nodes(NamedTuple):
    """What is known of each segment."""

    sizes: Integers
    """(n,): pixels."""
    sums: Integers
    """(n, channels): of the steps."""
    squares: Integers
    """(n, channels): of their squares."""
    bounds: Integers
    """(n, 4): first row and column, last row and column."""
    border: Integers
    """(n,): sides of its pixels on something else."""
    first: Integers
    """(n, 2): row and column of the first pixel."""


class Edges(NamedTuple):
    """Which segments touch; (m,) each."""

    one: Integers
    """The lower number."""
    other: Integers
    shared: Integers
    """Sides of pixels that the two have in common."""


def _patches(pixels: Pixels, labels: Labels) -> Nodes:
    count = int(labels.max(initial=-1)) + 1
    channels = pixels.shape[2]
    shapes = ((count,), (count, channels), (count, channels), (count, 4), (count,), (count, 2))
    nodes = Nodes(*(np.zeros(shape, np.int64) for shape in shapes))
    _collect(pixels, labels, nodes)
    return nodes


def _touching(labels: Labels) -> Edges:
    """Each pair of segments whose pixels have sides in common, once."""
    size = int(labels.max(initial=-1)) + 1
    keys = []
    for one, other in ((labels[:, :-1], labels[:, 1:]), (labels[:-1], labels[1:])):
        apart = (one != other) & (one >= 0) & (other >= 0)
        low, high = np.minimum(one, other)[apart], np.maximum(one, other)[apart]
        keys.append(low.astype(np.int64) * size + high)
    pairs, shared = np.unique(np.concatenate(keys), return_counts=True)
    return Edges(pairs // max(size, 1), pairs % max(size, 1), shared.astype(np.int64))


def _terms(options: Segmentation) -> tuple[float, float, float, int, int]:
    """The numbers of the criterion, as the kernel takes them."""
    return (
        options.scale**2,
        options.colour,
        options.compactness,
        options.least_px,
        options.extent,
    )


def _once(ranks: Integers, edges: Edges, size: int) -> Edges:
    """The edges between what has been joined, each pair once and none within a segment."""
    one, other = ranks[edges.one], ranks[edges.other]
    low, high = np.minimum(one, other), np.maximum(one, other)
    apart = low != high
    pairs, place = np.unique(low[apart] * size + high[apart], return_inverse=True)
    shared = np.zeros(pairs.size, np.int64)
    np.add.at(shared, place, edges.shared[apart])
    return Edges(pairs // max(size, 1), pairs % max(size, 1), shared)


@kernel
def _collect(pixels: Pixels, labels: Labels, nodes: Nodes) -> None:
    """Counts, sums, extents and borders of patches."""
    rows, cols = labels.shape
    for i in range(rows):
        for j in range(cols):
            n = labels[i, j]
            if n < 0:
                continue
            if nodes.sizes[n] == 0:
                nodes.first[n, 0], nodes.first[n, 1] = i, j
                nodes.bounds[n, 0], nodes.bounds[n, 1] = i, j
                nodes.bounds[n, 3] = j
            nodes.sizes[n] += 1
            nodes.bounds[n, 1] = min(nodes.bounds[n, 1], j)
            nodes.bounds[n, 2] = i
            nodes.bounds[n, 3] = max(nodes.bounds[n, 3], j)
            nodes.border[n] += i == 0 or labels[i - 1, j] != n
            nodes.border[n] += j == 0 or labels[i, j - 1] != n
            nodes.border[n] += i == rows - 1 or labels[i + 1, j] != n
            nodes.border[n] += j == cols - 1 or labels[i, j + 1] != n
            for k in range(pixels.shape[2]):
                value = np.int64(pixels[i, j, k])
                nodes.sums[n, k] += value
                nodes.squares[n, k] += value * value


@kernel
def _price(
    nodes: Nodes,
    edges: Edges,
    most: float,
    colour: float,
    compactness: float,
    least: int,
    extent: int,
    costs: Doubles,
) -> None:
    """Growth of heterogeneity by joining the two of an edge; infinite where they stay apart."""
    channels = nodes.sums.shape[1]
    spread = np.empty(nodes.sizes.size)
    for n in range(nodes.sizes.size):
        spread[n] = 0.0
        for k in range(channels):
            sums = nodes.sums[n, k]
            # The count times the standard deviation, from whole numbers.
            spread[n] += np.sqrt(float(nodes.sizes[n] * nodes.squares[n, k] - sums * sums))
    for e in range(costs.size):
        a, b = edges.one[e], edges.other[e]
        high = (
            max(nodes.bounds[a, 2], nodes.bounds[b, 2])
            - min(nodes.bounds[a, 0], nodes.bounds[b, 0])
            + 1
        )
        wide = (
            max(nodes.bounds[a, 3], nodes.bounds[b, 3])
            - min(nodes.bounds[a, 1], nodes.bounds[b, 1])
            + 1
        )
        costs[e] = np.inf
        if high > extent or wide > extent:
            continue
        count = nodes.sizes[a] + nodes.sizes[b]
        growth = -spread[a] - spread[b]
        for k in range(channels):
            sums = nodes.sums[a, k] + nodes.sums[b, k]
            squares = nodes.squares[a, k] + nodes.squares[b, k]
            growth += np.sqrt(float(count * squares - sums * sums))
        border = float(nodes.border[a] + nodes.border[b] - 2 * edges.shared[e])
        short = np.sqrt(float(count)) * border - _short(nodes, a) - _short(nodes, b)
        plain = count * border / (2.0 * (high + wide)) - _plain(nodes, a) - _plain(nodes, b)
        shape = compactness * short + (1.0 - compactness) * plain
        cost = colour * growth / (UNIT * channels) + (1.0 - colour) * shape
        if min(nodes.sizes[a], nodes.sizes[b]) < least:
            costs[e] = cost - FORCED
        elif cost < most:
            costs[e] = cost


@kernel
def _short(nodes: Nodes, n: int) -> float:
    """Length of the border for the area, times the count."""
    return float(np.sqrt(float(nodes.sizes[n])) * nodes.border[n])


@kernel
def _plain(nodes: Nodes, n: int) -> float:
    """Length of the border for that of the rectangle around, times the count."""
    high = nodes.bounds[n, 2] - nodes.bounds[n, 0] + 1
    wide = nodes.bounds[n, 3] - nodes.bounds[n, 1] + 1
    return float(nodes.sizes[n] * nodes.border[n] / (2.0 * (high + wide)))


@kernel
def _lot(nodes: Nodes, edges: Edges, anchor: tuple[int, int], e: int) -> np.uint64:
    """A number that an edge always draws: on level ground it decides, and not who comes first."""
    mixed = np.uint64(0)
    for n in (edges.one[e], edges.other[e]):
        for k in range(2):
            mixed = (mixed ^ np.uint64(nodes.first[n, k] + anchor[k])) * np.uint64(
                0x9E3779B97F4A7C15
            )
            mixed ^= mixed >> np.uint64(29)
    return mixed


@kernel
def _better(
    nodes: Nodes, edges: Edges, costs: Doubles, anchor: tuple[int, int], e: int, than: int
) -> bool:
    if than < 0 or costs[e] != costs[than]:
        return bool(than < 0 or costs[e] < costs[than])
    return bool(_lot(nodes, edges, anchor, e) < _lot(nodes, edges, anchor, than))


@kernel
def _join(
    nodes: Nodes, edges: Edges, costs: Doubles, anchor: tuple[int, int], target: Integers
) -> None:
    """Join each two that are each other's best into the one that comes first."""
    best = np.full(target.size, -1)
    for e in range(costs.size):
        if costs[e] < np.inf:
            for n in (edges.one[e], edges.other[e]):
                if _better(nodes, edges, costs, anchor, e, best[n]):
                    best[n] = e
    for e in range(costs.size):
        a, b = edges.one[e], edges.other[e]
        if best[a] != e or best[b] != e:
            continue
        target[b] = a
        nodes.sizes[a] += nodes.sizes[b]
        nodes.border[a] += nodes.border[b] - 2 * edges.shared[e]
        for k in range(nodes.sums.shape[1]):
            nodes.sums[a, k] += nodes.sums[b, k]
            nodes.squares[a, k] += nodes.squares[b, k]
        for k in range(2):
            nodes.bounds[a, k] = min(nodes.bounds[a, k], nodes.bounds[b, k])
            nodes.bounds[a, 2 + k] = max(nodes.bounds[a, 2 + k], nodes.bounds[b, 2 + k])
