"""Windows of an array, and tiles with the halo that a kernel declares."""

from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True)
class Window:
    """A rectangle of rows and columns; may reach outside the array it refers to."""

    row: int
    col: int
    height: int
    width: int

    @property
    def slices(self) -> tuple[slice, slice]:
        """Index of this window in an array; the window must lie inside it."""
        return (
            slice(self.row, self.row + self.height),
            slice(self.col, self.col + self.width),
        )

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return (self.height, self.width)

    @property
    def empty(self) -> bool:
        """Whether it holds no pixel."""
        return self.height <= 0 or self.width <= 0

    def __and__(self, other: "Window") -> "Window":
        """The common part; empty (height or width 0) where there is none."""
        row, col = max(self.row, other.row), max(self.col, other.col)
        bottom = min(self.row + self.height, other.row + other.height)
        right = min(self.col + self.width, other.col + other.width)
        return Window(row, col, max(bottom - row, 0), max(right - col, 0))

    def shift(self, rows: int, cols: int) -> "Window":
        """The same rectangle, `rows` further down and `cols` further right."""
        return Window(self.row + rows, self.col + cols, self.height, self.width)

    def pad(self, halo: int) -> "Window":
        """The window with `halo` pixels more on each side."""
        return Window(
            self.row - halo, self.col - halo, self.height + 2 * halo, self.width + 2 * halo
        )

    def inside(self, outer: "Window") -> "Window":
        """The same window, counted from the corner of `outer`."""
        return self.shift(-outer.row, -outer.col)


@dataclass(frozen=True)
class Tile:
    """A part of an array to be worked on: the core is written, the padded window is read."""

    core: Window
    padded: Window
    number: int
    count: int

    @property
    def core_in_padded(self) -> tuple[slice, slice]:
        """Index of the core in an array of the padded window."""
        return self.core.inside(self.padded).slices


def whole(shape: tuple[int, int]) -> Window:
    """The window of a whole array."""
    return Window(0, 0, shape[0], shape[1])


def tiles(shape: tuple[int, int], side: int, halo: int = 0, *, multiple: int = 1) -> Iterator[Tile]:
    """Square tiles over an array of `shape`, row by row.

    Parameters
    ----------
    side
        Rows and columns of a core; the last row and column of tiles may be smaller.
    halo
        Pixels around the core that are read too; clipped at the border of the array.
    multiple
        The padded window begins at a multiple of this in rows and columns (a pyramid's lattice).
    """
    area = whole(shape)
    corners = [(r, c) for r in range(0, shape[0], side) for c in range(0, shape[1], side)]
    for number, (row, col) in enumerate(corners):
        core = Window(row, col, side, side) & area
        padded = core.pad(halo) & area
        top, left = padded.row // multiple * multiple, padded.col // multiple * multiple
        aligned = Window(
            top, left, padded.row + padded.height - top, padded.col + padded.width - left
        )
        yield Tile(core, aligned, number, len(corners))
