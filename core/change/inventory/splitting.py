"""Splits slides that run together in a channel: each has a crown of its own.

An object is looked at from above downwards: pixels are added by their height, and what hangs
together grows and meets.  Two parts of one slide lie side by side and meet close to their tops; two
slides that meet in a channel have ground between them that did not slide, and meet only there.
(Of joined slides in inventories, and what they do to them: Marc, O., Hovius, N., 2015. Amalgamation
in landslide maps: effects and automatic detection. Natural Hazards and Earth System Sciences 15,
723-733. https://doi.org/10.5194/nhess-15-723-2015)
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from core.change.inventory.ways import Cells, Flags, Heights
from core.kernel import kernel

Labels = NDArray[np.int32]


@dataclass(frozen=True)
class Splitting:
    """When a part of an object is a slide of its own.

    Parameters
    ----------
    least_px
        Pixels above the place where the parts meet, at least, of both.
    area_share, drop_share
        Pixels above that place, and the height of the crown above it: of the part with the lower
        crown over those of the other, at least.
    channel_m
        How far from a channel the parts may meet: slides touch with their flanks before their
        middles come to the channel.
    """

    least_px: int = 6
    area_share: float = 0.05
    drop_share: float = 0.15
    channel_m: float = 80.0


def split(
    inside: Flags,
    height: Heights,
    channel: Flags,
    pixel_m: float,
    rule: Splitting | None = None,
) -> Labels:
    """The parts of an object, numbered from 1 in the order of their first pixels; 0 outside.

    Parameters
    ----------
    inside
        The pixels of an object, connected by sides or corners, (rows, cols).
    height
        Metres, known in all of them.
    channel
        Where enough ground drains through.
    pixel_m
        Side of a pixel.
    rule
        When a part is a slide of its own.
    """
    rule = rule or Splitting()
    labels = inside.astype(np.int32)
    near = _grown(channel, round(rule.channel_m / pixel_m))
    if np.count_nonzero(inside) < 2 * rule.least_px or not near[inside].any():
        return labels
    # Heights of a coarse model have noise; a slide is wider than a pixel.
    smooth = _smooth(np.asarray(height, np.float64))
    cells = np.flatnonzero(inside)
    order = cells[np.argsort(-smooth.flat[cells], kind="stable")]
    limits = (rule.least_px, rule.area_share, rule.drop_share)
    parts = _parts(order, smooth, inside, near, limits)
    return _numbered(inside, parts)


def _numbered(inside: Flags, parts: Labels) -> Labels:
    """Parts by their first pixels; what of a part does not hang together goes to a neighbour."""
    whole = _held(inside, parts)
    values, first = np.unique(whole[inside], return_index=True)
    table = np.zeros(int(values.max()) + 1, np.int32)
    table[values[np.argsort(first)]] = np.arange(1, values.size + 1)
    labels = np.zeros(inside.shape, np.int32)
    labels[inside] = table[whole[inside]]
    return labels


def _smooth(height: Heights) -> Heights:
    """Mean of the known heights among a pixel and its eight neighbours."""
    rows, cols = height.shape
    padded = np.pad(height, 1, constant_values=np.nan)
    total, count = np.zeros(height.shape), np.zeros(height.shape)
    for row in range(3):
        for col in range(3):
            part = padded[row : row + rows, col : col + cols]
            known = ~np.isnan(part)
            total[known] += part[known]
            count += known
    return total / np.maximum(count, 1)


def _grown(mask: Flags, reach: int) -> Flags:
    """With all pixels at most `reach` rows and columns away."""
    for axis in (0, 1):
        size = mask.shape[axis]
        sums = np.insert(np.cumsum(mask, axis=axis, dtype=np.int64), 0, 0, axis=axis)
        place = np.arange(size)
        high, low = np.minimum(place + reach + 1, size), np.maximum(place - reach, 0)
        mask = np.take(sums, high, axis=axis) > np.take(sums, low, axis=axis)
    return mask


@kernel
def _root(parent: Cells, cell: int) -> int:
    while parent[cell] != cell:
        parent[cell] = parent[parent[cell]]
        cell = parent[cell]
    return cell


@kernel
def _own(
    lower: int, upper: int, drop: float, other: float, limits: tuple[int, float, float]
) -> bool:
    """Whether parts that meet, of so many pixels and so high above the place, are two slides."""
    least_px, area_share, drop_share = limits
    return (
        min(lower, upper) >= least_px
        and lower >= area_share * upper
        and drop > 0
        and drop >= drop_share * other
    )


@kernel
def _parts(
    order: Cells, height: Heights, inside: Flags, near: Flags, limits: tuple[int, float, float]
) -> Labels:
    """Number of the slide of each pixel: 0 the one that is left, from 1 those that were found.

    A pixel below the place where slides meet goes to that of the neighbour towards which it rises
    most steeply.
    """
    rows, cols = height.shape
    parent = np.full(rows * cols, -1, np.int64)
    size = np.zeros(rows * cols, np.int64)
    crown = np.zeros(rows * cols)
    slide = np.zeros((rows, cols), np.int32)
    count = 0
    for number in range(order.size):
        cell = order[number]
        row, col = cell // cols, cell % cols
        level = height[row, col]
        parent[cell], size[cell], crown[cell] = cell, 1, level
        steepest, towards = 0.0, cell
        for i in range(max(row - 1, 0), min(row + 2, rows)):
            for j in range(max(col - 1, 0), min(col + 2, cols)):
                if not inside[i, j] or parent[i * cols + j] < 0 or (i == row and j == col):
                    continue
                rise = (height[i, j] - level) / math.hypot(i - row, j - col)
                if rise > steepest:
                    steepest, towards = rise, i * cols + j
                upper, lower = _root(parent, cell), _root(parent, i * cols + j)
                if upper == lower:
                    continue
                if crown[lower] > crown[upper]:
                    upper, lower = lower, upper
                drops = crown[lower] - level, crown[upper] - level
                if near[row, col] and _own(size[lower], size[upper], drops[0], drops[1], limits):
                    count += 1
                    for k in range(number):
                        done = order[k]
                        if slide[done // cols, done % cols] == 0 and _root(parent, done) == lower:
                            slide[done // cols, done % cols] = count
                    size[lower] = 0
                parent[lower] = upper
                size[upper] += size[lower]
        slide[row, col] = slide[towards // cols, towards % cols]
    return slide


def _held(inside: Flags, parts: Labels) -> Labels:
    """Parts that hang together: of each number the piece with most pixels, and what touches it.

    Other pieces take the number of the first held pixel that reaches them.
    """
    piece = np.full(inside.shape, -1, np.int64)
    _spread(np.flatnonzero(inside), inside, parts, piece)
    names, pixels = np.unique(piece[inside], return_counts=True)
    held = np.full(inside.shape, -1, np.int32)
    numbers = parts.flat[names]
    for number in np.unique(numbers):
        mine = numbers == number
        # Of equally large pieces the one with the first pixel.
        held[piece == names[mine][np.argmax(pixels[mine])]] = number
    _reach(np.flatnonzero(held >= 0), inside, held)
    return held


@kernel
def _spread(cells: Cells, inside: Flags, parts: Labels, piece: Cells) -> None:
    """Name pieces of one number that hang together by their first pixels."""
    rows, cols = inside.shape
    waiting = np.empty(rows * cols, np.int64)
    for start in cells:
        if piece[start // cols, start % cols] >= 0:
            continue
        part = parts[start // cols, start % cols]
        piece[start // cols, start % cols] = start
        waiting[0], size, at = start, 1, 0
        while at < size:
            row, col = waiting[at] // cols, waiting[at] % cols
            at += 1
            for i in range(max(row - 1, 0), min(row + 2, rows)):
                for j in range(max(col - 1, 0), min(col + 2, cols)):
                    if inside[i, j] and piece[i, j] < 0 and parts[i, j] == part:
                        piece[i, j] = start
                        waiting[size] = i * cols + j
                        size += 1


@kernel
def _reach(cells: Cells, inside: Flags, held: Labels) -> None:
    """Give pixels without a number that of the nearest one with one, step by step."""
    rows, cols = inside.shape
    waiting = np.empty(rows * cols, np.int64)
    waiting[: cells.size] = cells
    size, at = cells.size, 0
    while at < size:
        row, col = waiting[at] // cols, waiting[at] % cols
        at += 1
        for i in range(max(row - 1, 0), min(row + 2, rows)):
            for j in range(max(col - 1, 0), min(col + 2, cols)):
                if inside[i, j] and held[i, j] < 0:
                    held[i, j] = held[row, col]
                    waiting[size] = i * cols + j
                    size += 1
