"""Coarser and coarser versions of an image, and fields carried from level to level.

The centre of coarse pixel ``i`` lies at fine coordinate ``2 i + 0.5``: a coarse pixel is the mean
of two by two fine ones.
"""

import numpy as np

from core.matching.arrays import Field, Floats, Indices, Layer
from core.tiling import Window


def pyramid(image: Layer, levels: int) -> list[Layer]:
    """The image and `levels` halvings of it, finest first."""
    layers = [image]
    for _ in range(levels):
        layers.append(halve(layers[-1]))
    return layers


def halve(image: Layer) -> Layer:
    """Mean of the valid ones of two by two pixels; valid where at least three are."""
    rows, cols = image.values.shape[0] // 2, image.values.shape[1] // 2
    count = _quads(image.weights, rows, cols)
    values = _quads(image.values * image.weights, rows, cols)
    values /= np.maximum(count, np.float32(1))
    return Layer(values, (count >= 3).astype(np.float32))


def crop(image: Layer, window: Window) -> Layer:
    """A window of the image, copied so that kernels meet contiguous memory."""
    return Layer(
        np.ascontiguousarray(image.values[window.slices]),
        np.ascontiguousarray(image.weights[window.slices]),
    )


def finer(field: Field, window: Window, target: Window) -> Field:
    """A field of a coarse `window` on the `target` window of the next finer level.

    Bilinear; displacements double with the resolution.  Outside the coarse window the border value
    is repeated.
    """
    row, row_part = _axis(target.row, target.height, window.row, window.height)
    col, col_part = _axis(target.col, target.width, window.col, window.width)
    return Field(*(_bilinear(part, row, row_part, col, col_part) for part in field))


def _quads(values: Floats, rows: int, cols: int) -> Floats:
    even = values[: 2 * rows : 2] + values[1 : 2 * rows : 2]
    total: Floats = even[:, : 2 * cols : 2] + even[:, 1 : 2 * cols : 2]
    return total


def _axis(start: int, count: int, coarse_start: int, coarse_count: int) -> tuple[Indices, Floats]:
    """Lower neighbour and fraction for each fine index along one axis."""
    position = (np.arange(start, start + count) - 0.5) / 2.0 - coarse_start
    position = np.clip(position, 0.0, coarse_count - 1.0)
    lower = np.minimum(position.astype(np.intp), max(coarse_count - 2, 0))
    return lower, (position - lower).astype(np.float32)


def _bilinear(
    values: Floats, row: Indices, row_part: Floats, col: Indices, col_part: Floats
) -> Floats:
    below = np.minimum(row + 1, values.shape[0] - 1)
    right = np.minimum(col + 1, values.shape[1] - 1)
    lines = values[row] * (1 - row_part)[:, None] + values[below] * row_part[:, None]
    doubled: Floats = 2 * (lines[:, col] * (1 - col_part) + lines[:, right] * col_part)
    return doubled
