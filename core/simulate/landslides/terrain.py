"""Invented mountains that rivers have cut: slopes, hollows and channels where water makes them.

Ground rises evenly and is worn down by dh/dt = U - K A^m S, with the drainage area A never under
that of a hollow: above the channels' heads all slopes are then equally steep, below them they
flatten as A^-m [1]_.  The equation is solved with steps in time of any length [2]_, on lattices
that become finer.

References
----------
.. [1] Montgomery, D. R., Foufoula-Georgiou, E., 1993. Channel network source representation using
   digital elevation models. Water Resources Research 29(12), 3925-3934, doi:10.1029/93WR02463.
.. [2] Braun, J., Willett, S. D., 2013. A very efficient O(n), implicit and parallel method to solve
   the stream power equation governing fluvial incision and landscape evolution. Geomorphology
   180-181, 170-179, doi:10.1016/j.geomorph.2012.10.008.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from core.kernel import kernel
from core.simulate.landslides.drainage import Cells, Drainage, Height, areas, drainage
from core.simulate.landslides.fields import Generator, Layer, fractal, smooth
from core.simulate.landslides.style import Style

PIXEL_M = 10.0
MARGIN = 64
"""Pixels of ground around the scene: what drains into it, and what throws shadows into it."""

CONCAVITY = 0.45
"""The exponent m: how fast channels flatten downstream."""
LEVELS = ((8, 60), (4, 12), (2, 6), (1, 3))
"""Side of the cells in pixels and the number of steps in time, coarse to fine."""
FLOOR_M2 = 1e7
"""Ground that drains through a river whose valley's floor is `Style.floor_m` wide on each side."""
STEP_M = 40.0
"""Rise of the ground within one step in time."""


class Terrain(NamedTuple):
    """The ground of a scene and the water's ways over it, with a margin around it.

    Parameters
    ----------
    height
        Metres, [row, col], `MARGIN` pixels of 10 m more than the scene on every side.
    tree
        The water's ways over it.
    area
        Ground that drains through each cell, m2.
    above
        Height above the large river that each cell drains to, metres.
    """

    height: Layer
    tree: Drainage
    area: NDArray[np.float64]
    above: Layer


def terrain(size: int, style: Style, generator: Generator) -> Terrain:
    """Ground of `size` pixels of 10 m square."""
    side = -(-(size + 2 * MARGIN) // 8) * 8
    hardness = style.hardness * fractal((side, side), generator, 1.2, 60.0)
    # Hills beside mountains: the rise differs over kilometres.
    rise = np.exp(style.unevenness * (np.tanh(smooth((side, side), generator, 250.0)) - 0.6))
    start = 25.0 * fractal((side // 8, side // 8), generator, 1.8, side / 8)
    height: Height = 30.0 + start.astype(np.float64)
    for cell, steps in LEVELS:
        shape = (side // cell, side // cell)
        if height.shape != shape:
            height = _doubled(height)
        power = _thinned((np.exp(hardness) / rise).astype(np.float32), cell) / style.slope
        height = _worn(height, power, cell * PIXEL_M, steps, style)
    height = _bent(height, style, generator)
    height += style.roughness_m * fractal(height.shape, generator, 1.6, 40.0)
    height = ndimage.gaussian_filter(height, style.rounding_px)
    wide = size + 2 * MARGIN
    uneven = np.exp(0.6 * smooth((wide, wide), generator, 60.0))
    return _settled(height[:wide, :wide], style, uneven)


def _doubled(height: Height) -> Height:
    cells = height.shape[0]
    places = (np.arange(2 * cells) - 0.5) / 2
    finer: Height = ndimage.map_coordinates(
        height, np.meshgrid(places, places, indexing="ij"), order=1, mode="nearest"
    )
    return finer


def _thinned(layer: Layer, cell: int) -> Height:
    rows, cols = (side // cell for side in layer.shape)
    blocks: Height = layer.reshape(rows, cell, cols, cell).mean(axis=(1, 3), dtype=np.float64)
    return blocks


def _bent(height: Height, style: Style, generator: Generator) -> Height:
    """Ground moved sideways by some cells, for water on a lattice knows eight directions only."""
    rows, cols = np.mgrid[: height.shape[0], : height.shape[1]].astype(np.float32)
    for places in (rows, cols):
        for length, share in ((300.0, 4.0), (120.0, 2.0), (50.0, 1.0), (20.0, 0.3)):
            bend = np.float32(style.bend_px * share) * smooth(height.shape, generator, length)
            np.add(places, bend, out=places)
    bent: Height = ndimage.map_coordinates(height, (rows, cols), order=1, mode="nearest")
    return bent


def _outlet(shape: tuple[int, int], style: Style) -> NDArray[np.bool_]:
    outlet = np.zeros(shape, np.bool_)
    border = {"south": outlet[-1], "north": outlet[0], "west": outlet[:, 0], "east": outlet[:, -1]}
    for name in style.open_sides:
        border[name][:] = True
    return outlet


def _worn(height: Height, power: Height, cell: float, steps: int, style: Style) -> Height:
    outlet = _outlet(height.shape, style)
    height = np.where(outlet, 0.0, height)
    for _ in range(steps):
        tree = drainage(height, outlet)
        area = areas(tree, cell * cell)
        # Where ground rises by one metre, slopes above the channels' heads become `style.slope`.
        grown = power * np.maximum(area / style.hollow_m2, 1.0) ** CONCAVITY
        height = _lowered(tree.receiver, tree.order, tree.filled, grown, STEP_M, cell)
    return height


@kernel
def _lowered(
    receiver: Cells, order: Cells, height: Height, power: Height, rise: float, cell: float
) -> Height:
    cols = height.shape[1]
    lowered = height.copy()
    for cell_number in order:
        row, col = cell_number // cols, cell_number % cols
        down, right = receiver[cell_number] // cols, receiver[cell_number] % cols
        if down == row and right == col:
            continue
        length = cell * np.sqrt(float((down - row) ** 2 + (right - col) ** 2))
        factor = power[row, col] * rise / length
        lowered[row, col] = (height[row, col] + rise + factor * lowered[down, right]) / (1 + factor)
    return lowered


def _settled(height: Height, style: Style, uneven: Layer) -> Terrain:
    """The ground with gravel in the valleys of its large rivers, and the water's ways over it."""
    border = np.zeros(height.shape, np.bool_)
    border[[0, -1]] = border[:, [0, -1]] = True
    tree = drainage(height, border)
    area = areas(tree, PIXEL_M**2)
    filled = ndimage.gaussian_filter(_filled_valleys(tree.filled, area, style, uneven), 1.0)
    tree = drainage(filled, border)
    area = areas(tree, PIXEL_M**2)
    above = _above(tree.receiver, tree.order, tree.filled, area, style.river_m2)
    return Terrain(tree.filled.astype(np.float32), tree, area, above.astype(np.float32))


def _filled_valleys(height: Height, area: Height, style: Style, uneven: Layer) -> Height:
    """Ground with flat floors beside rivers, as wide as the root of what drains into them."""
    river = area >= style.river_m2
    if not river.any():
        return height
    distance, nearest = ndimage.distance_transform_edt(~river, PIXEL_M, return_indices=True)
    width = style.floor_m * np.sqrt(area / FLOOR_M2) * uneven
    # The nearest river changes along lines between two of them, which must not show.
    level, width = (
        ndimage.gaussian_filter(layer[tuple(nearest)], 5.0) for layer in (height, width)
    )
    part = np.clip(distance / width - 1, 0, 1)
    part = np.maximum(part * part * (3 - 2 * part), 0.03)
    filled: Height = level + (height - level) * part
    return filled


@kernel
def _above(receiver: Cells, order: Cells, height: Height, area: Height, river: float) -> Height:
    cols = height.shape[1]
    level = height.copy()
    for cell in order:
        row, col = cell // cols, cell % cols
        down, right = receiver[cell] // cols, receiver[cell] % cols
        if area[row, col] < river and receiver[cell] != cell:
            level[row, col] = level[down, right]
    return height - level
