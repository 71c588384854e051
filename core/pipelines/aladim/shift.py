"""How far the image before lies off the image after, to a small part of a pixel."""

from dataclasses import dataclass

import numpy as np

from core.change.scene import Date
from core.matching.arrays import Layer
from core.matching.coregistration import global_shift
from core.matching.dense import match
from core.matching.options import Matching, halo
from core.pipelines.aladim.stack import Stack
from core.roles import Role
from core.tiling import Window

PATCH = 256
"""Side of the windows that are matched, pixels."""

PATCHES = 5
"""Windows along each side of the scene, at most; none overlap."""

WIDE_PX = 16.0
"""Shift that a product can have: more is another place."""

CLOSE_PX = 2.0
"""What is left after whole pixels, and some: ground that slid is no measure of the rest."""

LEAST_SCORE = 0.6
"""Correlation from which a match counts."""

FEWEST = 500
"""Matches from which a shift is believed."""

CORRECTED_PX = 0.5
"""Shift from which the image before is moved."""


@dataclass(frozen=True)
class Found:
    """The shift of the ground from its place after to its place before, pixels."""

    rows: float
    cols: float
    spread: float
    """Robust standard deviation of single matches, pixels."""
    matches: int

    @property
    def believed(self) -> bool:
        """Whether there are enough matches."""
        return self.matches >= FEWEST

    @property
    def large(self) -> bool:
        """Whether the image before has to be moved."""
        return self.believed and max(abs(self.rows), abs(self.cols)) > CORRECTED_PX


def shift_of(stack: Stack) -> Found:
    """Match windows spread over the scene, in the red band, and take the medians."""
    patches = _patches(stack.shape)
    layers = [(_layer(stack, Date.AFTER, p), _layer(stack, Date.BEFORE, p)) for p in patches]
    floor = _floor([after for after, _ in layers])
    start = global_shift(layers, floor)
    whole = (start.rows, start.cols) if start.found else (0, 0)
    if max(map(abs, whole)) > WIDE_PX:
        whole = (0, 0)
    options = Matching(search_px=CLOSE_PX, texture_floor=floor)
    rows, cols = [], []
    for patch, (after, _) in zip(patches, layers, strict=True):
        moved = patch.shift(*whole)
        core = patch.pad(-min(halo(options), patch.height // 4, patch.width // 4))
        if (moved & Window(0, 0, *stack.shape)) != moved:
            continue
        before = _layer(stack, Date.BEFORE, moved)
        found = match(after, before, core.inside(patch), options)
        good = (found.reasons == 0) & (found.score >= LEAST_SCORE)
        rows.append(found.field.rows[good] + np.float32(whole[0]))
        cols.append(found.field.cols[good] + np.float32(whole[1]))
    return _summary(rows, cols)


def _summary(rows: list[np.ndarray], cols: list[np.ndarray]) -> Found:
    down = np.concatenate([np.zeros(0, np.float32), *rows]).astype(np.float64)
    right = np.concatenate([np.zeros(0, np.float32), *cols]).astype(np.float64)
    if down.size == 0:
        return Found(0.0, 0.0, float("nan"), 0)
    middle = float(np.median(down)), float(np.median(right))
    spread = 1.4826 * float(np.median(np.hypot(down - middle[0], right - middle[1])))
    return Found(*middle, spread, int(down.size))


def _layer(stack: Stack, date: Date, window: Window) -> Layer:
    values = stack.bands[date, Role.RED].read(window).astype(np.float32)
    weights = (stack.reasons.read(window) == 0).astype(np.float32)
    return Layer(np.where(weights > 0, values, np.float32(0)), weights)


def _floor(layers: list[Layer]) -> float:
    """Local deviation below which nothing counts as texture: a hundredth of the scene's."""
    spreads = [float(one.values[one.weights > 0].std(dtype=np.float64))
               for one in layers if one.weights.mean() > 0.3]  # fmt: skip
    return max(0.01 * float(np.median(spreads)) if spreads else 0.0, 0.29)


def _patches(shape: tuple[int, int]) -> list[Window]:
    height, width = min(PATCH, shape[0]), min(PATCH, shape[1])
    rows, cols = (
        np.linspace(0, length - side, min(PATCHES, length // side)).astype(int)
        for length, side in zip(shape, (height, width), strict=True)
    )
    return [Window(int(row), int(col), height, width) for row in rows for col in cols]
