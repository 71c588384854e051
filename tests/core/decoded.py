"""Counts what is decoded of files of pixels: each read of a dataset, in blocks of its file."""

from collections import Counter
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import rasterio


class Block(NamedTuple):
    """A block of a file at one of its resolutions."""

    file: str
    level: int
    row: int
    col: int


class Decoded:
    """Stands for rasterio's `open` while it counts."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.blocks: Counter[Block] = Counter()
        self._open = rasterio.open
        patch.setattr(rasterio, "open", self._opened)

    def at(self, level: int) -> dict[Block, int]:
        """How often each block of a resolution was decoded."""
        return {block: count for block, count in self.blocks.items() if block.level == level}

    def _opened(self, path: Any, *arguments: Any, **options: Any) -> Any:
        dataset = self._open(path, *arguments, **options)
        if Path(path).suffix.lower() != ".jp2" or "w" in arguments:
            return dataset
        level = 2 ** (options.get("overview_level", -1) + 1)
        return _Dataset(dataset, Path(path).name, level, self.blocks)


class _Dataset:
    def __init__(self, dataset: Any, name: str, level: int, blocks: Counter[Block]) -> None:
        self._dataset, self._name, self._level, self._blocks = dataset, name, level, blocks

    def __getattr__(self, name: str) -> Any:
        return getattr(self._dataset, name)

    def __enter__(self) -> "_Dataset":
        return self

    def __exit__(self, *exception: object) -> None:
        self._dataset.close()

    def read(self, indexes: Any = None, *, window: Any = None) -> Any:
        # All bands of a block are decoded at once.
        (height, width), *_ = self._dataset.block_shapes
        top, left = (0, 0) if window is None else (window.row_off, window.col_off)
        rows, cols = self._dataset.shape if window is None else (window.height, window.width)
        down = range(top // height, (top + rows - 1) // height + 1)
        across = range(left // width, (left + cols - 1) // width + 1)
        for row, col in product(down, across):
            self._blocks[Block(self._name, self._level, row, col)] += 1
        return self._dataset.read(indexes, window=window)
