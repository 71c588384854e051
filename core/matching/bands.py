"""Matching along epipolar bands: where a pixel can appear in another image, and where it does.

A pixel's line of sight is seen in another image as a line, and all that the heights allow lies on
a piece of it.  A band is that piece, some pixels wide because sensor models are wrong by some.
Around each point the reference is sampled on a lattice turned so that its columns run along the
epipolar direction; the secondary on the lattice that level ground makes of it.  On these the ground
moves along the columns by its height and across them not at all.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from core.geometry.rpc import Rpc, transferred
from core.kernel import kernel
from core.matching.arrays import Floats, Layer
from core.matching.interpolation import Places
from core.matching.pyramid import pyramid
from core.matching.resampling import Resampler, resampler

RADIUS = 7
"""Half side of the correlation window at every level, pixels of the level."""

LEAST_SHARE = 0.6
"""Share of a window that must hold data in both images."""

LONGEST = 100
"""Half length of a band, pixels of the coarsest level; that level follows from it."""

WIDEST = 6
"""Half width of a band, pixels of the coarsest level."""

MOST_LEVELS = 5
"""Halvings, at most."""

NEAR = (2, 3)
"""Half width and half length searched at the finer levels, pixels of the level."""

LEAD = 0.04
"""By which the best correlation in the band must exceed all that are not beside it."""

COARSE_SCORE = 0.45
"""Least correlation at coarse levels."""

STEP = 8.0
"""Pixels over which the secondary's lattice is found from the reference's."""

NOWHERE = np.float32(-2)
"""Score where nothing could be compared."""


class Prepared(NamedTuple):
    """An image to be matched.

    Parameters
    ----------
    levels
        Its pyramid, finest first.
    rpc
        Its sensor model.
    """

    levels: list[Resampler]
    rpc: Rpc


class Bands(NamedTuple):
    """Bands of points; the last axis of each is (row, col).

    Places in the secondary are ``middle + slope t + bend t^2 + v across`` with t from -1 to 1 over
    the range of heights, and v pixels of the reference across.
    """

    start: Places
    """(points, 2): the points in the reference."""
    along: Places
    """(points, 2): the epipolar direction there, a unit vector; heights grow along it in the
    secondary."""
    middle: Places
    slope: Places
    bend: Places
    across: Places
    """(points, 2): what a pixel of the reference across the direction is in the secondary."""
    reach: Places
    """(points,): pixels of the reference for which t grows by 1; NaN where there is no band."""

    def taken(self, chosen: NDArray[np.intp] | NDArray[np.bool_]) -> "Bands":
        """Some of the bands."""
        return Bands(*(part[chosen] for part in self))

    def here(self, x: Places, y: Places) -> tuple[Places, Places]:
        """Rows and cols in the reference of lattices (points, rows, cols)."""
        row, col = (part[:, None, None] for part in self.along.T)
        return (
            self.start[:, 0, None, None] + x * row - y * col,
            self.start[:, 1, None, None] + x * col + y * row,
        )

    def there(self, u: Places, v: Places) -> tuple[Places, Places]:
        """Rows and cols in the secondary of lattices (points, rows, cols)."""
        t = u / self.reach[:, None, None]
        row, col = (
            self.middle[:, k, None, None]
            + t * (self.slope[:, k, None, None] + t * self.bend[:, k, None, None])
            + v * self.across[:, k, None, None]
            for k in (0, 1)
        )
        return row, col


def prepared(image: Layer, rpc: Rpc, levels: int) -> Prepared:
    """Prepare an image for matching at a number of halvings."""
    layers = pyramid(image, levels)
    return Prepared([resampler(layer, level) for level, layer in enumerate(layers)], rpc)


def bands(
    reference: Rpc, secondary: Rpc, row: Places, col: Places, heights: tuple[float, float]
) -> Bands:
    """The bands of pixels of the reference, at ground between two heights."""
    low, high = heights
    middle = (low + high) / 2
    ends = [_seen(reference, secondary, row, col, level) for level in (low, middle, high)]
    slope, bend = (ends[2] - ends[0]) / 2, (ends[2] + ends[0]) / 2 - ends[1]
    columns = [
        (
            _seen(reference, secondary, row + STEP * down, col + STEP * right, middle)
            - _seen(reference, secondary, row - STEP * down, col - STEP * right, middle)
        )
        / (2 * STEP)
        for down, right in ((1, 0), (0, 1))
    ]
    by_row, by_col = columns
    determinant = by_row[:, 0] * by_col[:, 1] - by_row[:, 1] * by_col[:, 0]
    backward = np.stack(
        [
            (slope[:, 0] * by_col[:, 1] - slope[:, 1] * by_col[:, 0]) / determinant,
            (slope[:, 1] * by_row[:, 0] - slope[:, 0] * by_row[:, 1]) / determinant,
        ],
        axis=-1,
    )
    reach = np.hypot(*backward.T)
    # Lines of sight that are all but parallel have no epipolar direction.
    reach = np.where(reach > 1e-6 * (high - low), reach, np.nan)
    along = backward / reach[:, None]
    across = by_col * along[:, :1] - by_row * along[:, 1:]
    start = np.stack([row, col], axis=-1)
    return Bands(start, along, ends[1], slope, bend, across, reach)


def _seen(reference: Rpc, secondary: Rpc, row: Places, col: Places, height: float) -> Places:
    seen = transferred(reference, secondary, row, col, height)
    return np.stack([seen.row, seen.col], axis=-1)


def coarsest(reach: float, across_px: float, shape: tuple[int, int]) -> int:
    """The level at which bands so long and wide are searched through, for images of a shape."""
    level = 0
    while (
        (reach / 2**level > LONGEST or across_px / 2**level > WIDEST)
        and level < MOST_LEVELS
        # A window must leave most of the image to be searched.
        and min(shape) // 2 ** (level + 1) > 3 * (2 * RADIUS + 1)
    ):
        level += 1
    return level


class Found(NamedTuple):
    """Places in bands, (points,): pixels of the reference along (u) and across (v)."""

    u: Places
    v: Places
    score: Places


def search(
    reference: Prepared, secondary: Prepared, lines: Bands, across_px: float, level: int
) -> Found:
    """The most alike place in each band, to a pixel; the score is 0 where none stands out.

    Parameters
    ----------
    lines
        Bands that exist, see :attr:`Bands.reach`.
    across_px
        Half width of the bands, pixels.
    level
        The coarsest, see :func:`coarsest`.
    """
    nought = np.zeros(lines.reach.size)
    far = (
        int(np.ceil(across_px / 2**level)),
        int(np.ceil(lines.reach.max(initial=0.0) / 2**level)) + 1,
    )
    found = _best(reference, secondary, lines, Found(nought, nought, nought), level, far)
    for finer in range(level - 1, -1, -1):
        nearby = _best(reference, secondary, lines, found, finer, NEAR)
        score = np.where(found.score > COARSE_SCORE, nearby.score, 0.0)
        found = Found(nearby.u, nearby.v, score)
    return found


def _best(
    reference: Prepared,
    secondary: Prepared,
    lines: Bands,
    around: Found,
    level: int,
    half: tuple[int, int],
) -> Found:
    side = 2.0**level
    x = side * np.arange(-RADIUS, RADIUS + 1, dtype=np.float64)
    template = reference.levels[level].at(*lines.here(*_lattice(x, x, lines.reach.size)))
    u = side * np.arange(-RADIUS - half[1], RADIUS + half[1] + 1, dtype=np.float64)
    v = side * np.arange(-RADIUS - half[0], RADIUS + half[0] + 1, dtype=np.float64)
    along, over = _lattice(u, v, lines.reach.size)
    strip = secondary.levels[level].at(
        *lines.there(along + around.u[:, None, None], over + around.v[:, None, None])
    )
    scores = np.empty((lines.reach.size, 2 * half[0] + 1, 2 * half[1] + 1), np.float32)
    _correlate_into(*template, *strip, np.float32(LEAST_SHARE), scores)
    place = np.argmax(scores.reshape(len(scores), -1), axis=1)
    down, right = np.divmod(place, scores.shape[2])
    score = scores[np.arange(len(scores)), down, right].astype(np.float64)
    if half != NEAR:
        score = np.where(score - _elsewhere(scores, down, right) > LEAD, score, 0.0)
    return Found(
        around.u + side * (right - half[1]),
        around.v + side * (down - half[0]),
        np.maximum(score, 0.0),
    )


def _lattice(x: Places, y: Places, count: int) -> tuple[Places, Places]:
    shape = (count, y.size, x.size)
    return np.broadcast_to(x, shape), np.broadcast_to(y[:, None], shape)


def _elsewhere(
    scores: NDArray[np.float32], down: NDArray[np.intp], right: NDArray[np.intp]
) -> NDArray[np.float32]:
    """The best score that is not beside the place (down, right)."""
    rows, cols = np.arange(scores.shape[1]), np.arange(scores.shape[2])
    beside = (abs(rows[None, :] - down[:, None]) <= 3)[:, :, None] & (
        abs(cols[None, :] - right[:, None]) <= 3
    )[:, None, :]
    best: NDArray[np.float32] = np.where(beside, NOWHERE, scores).max(axis=(1, 2))
    return best


@kernel
def _correlate_into(
    template: Floats,
    known: Floats,
    strip: Floats,
    strip_known: Floats,
    share: np.float32,
    scores: Floats,
) -> None:
    """Zero-mean normalised correlation of each template with each place in its strip."""
    points, side, _ = template.shape
    least = share * side * side
    for k in range(points):
        for i in range(scores.shape[1]):
            for j in range(scores.shape[2]):
                count, a, b, aa, bb, ab = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
                for m in range(side):
                    for n in range(side):
                        weight = known[k, m, n] * strip_known[k, i + m, j + n]
                        p = float(template[k, m, n] * weight)
                        q = float(strip[k, i + m, j + n] * weight)
                        count += weight
                        a += p
                        b += q
                        aa += p * p
                        bb += q * q
                        ab += p * q
                scores[k, i, j] = NOWHERE
                if count < least:
                    continue
                spread = (aa - a * a / count) * (bb - b * b / count)
                if spread > 1e-6:
                    scores[k, i, j] = (ab - a * b / count) / np.sqrt(spread)
