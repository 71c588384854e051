"""Passes over the scene, tile by tile: the first for its constants, later ones with features."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial, reduce
from operator import add

from core.change import features
from core.change.features import Schema
from core.change.quantities import Constants, constants
from core.change.scene import Floats
from core.change.statistics import Statistics, sampling, statistics
from core.io.blockwise import counted, spread
from core.pipelines.aladim.stack import Stack
from core.progress import Progress
from core.tiling import Tile, Window, tiles
from core.workspace import Context

SIDE = 1024
"""Rows and columns of a tile's core: beyond, what lies around it costs little."""

STRIP = 64
"""Rows whose features are in memory at a time."""


@dataclass(frozen=True)
class Scene:
    """What every pass needs.  May be sent to other processes."""

    stack: Stack
    schema: Schema
    constants: Constants
    side: int = SIDE

    def tiles(self) -> list[Tile]:
        """The tiles of the scene with the halo of its features."""
        return list(tiles(self.stack.shape, self.side, self.schema.halo))


def constants_of(stack: Stack, context: Context, progress: Progress) -> Constants:
    """The first pass: exact, whatever the tiles."""
    windows = [tile.core for tile in tiles(stack.shape, SIDE)]
    rate = sampling(stack.shape[0] * stack.shape[1])
    work = partial(_counted, stack, rate)
    results = spread(work, windows, context.executor, context.compute.workers)
    parts = (found for _, found in counted(results, len(windows), progress, "counting, tile"))
    return constants(reduce(add, parts))


def _counted(stack: Stack, rate: float, window: Window) -> Statistics:
    return statistics(stack.layers(window), rate)


def strips(scene: Scene, tile: Tile) -> Iterator[tuple[Window, Floats]]:
    """The features of a tile's core, some rows at a time: the window in the scene, and them."""
    at_work = features.tile(scene.stack.layers(tile.padded), scene.schema, scene.constants)
    core = tile.core
    for row in range(core.row, core.row + core.height, STRIP):
        window = Window(row, core.col, STRIP, core.width) & core
        yield window, features.strip(at_work, scene.schema, window.inside(tile.padded))


def over_tiles[Result](
    scene: Scene,
    work: Callable[[Scene, Tile], Result],
    context: Context,
    progress: Progress,
    message: str,
) -> Iterator[tuple[Tile, Result]]:
    """What `work` makes of each tile, in order."""
    pieces = scene.tiles()
    results = spread(partial(work, scene), pieces, context.executor, context.compute.workers)
    yield from counted(results, len(pieces), progress, message)
