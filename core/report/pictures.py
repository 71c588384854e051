"""Maps as PNG: colour bar with its unit, scale bar, north arrow, title.  The only renderer.

Drawn with pillow alone, so that a server needs neither a display nor a plotting library.
"""

import base64
import io
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from core.grid import Grid
from core.reasons import TEXT, Reason
from core.report import keys
from core.report.colours import Scale
from core.report.keys import INK, LINE, MARGIN, TEXT_PT, TITLE_PT

Values = NDArray[np.floating]
"""A layer, [row, col], NaN where there is no value."""

PAPER = (255, 255, 255)
EMPTY = (214, 214, 214)
"""Shown where there is no value and no backdrop."""
DARKEST = 0.25
"""Brightness of colours in full shade."""
ARROW_SPACING = 36
"""Pixels of the picture between two arrows, about."""


class Arrows(NamedTuple):
    """Components of a displacement that are drawn as arrows over a map."""

    east: Values
    north: Values


@dataclass(frozen=True, eq=False)
class Map:
    """One panel of a picture.

    Parameters
    ----------
    values
        The layer shown, NaN where there is none.
    grid
        Its place on the ground; gives the scale bar and the north arrow.
    title
        First line.
    unit
        Unit above the colour bar, UCUM; "1" (a plain number) is not written.
    scale
        Range and colour map.
    note
        Second line, smaller.
    arrows
        Drawn over the layer, of its shape and unit.
    backdrop
        Brightness shown in grey where the layer has no value, of its shape.
    light
        How brightly the layer's colours shine, 0 to 1, of its shape: the shade of a relief.
    """

    values: Values
    grid: Grid
    title: str
    unit: str
    scale: Scale
    note: str = ""
    arrows: Arrows | None = None
    backdrop: Values | None = None
    light: Values | None = None

    @property
    def written_unit(self) -> str:
        """The unit as people write it."""
        return {"1": "", "{pixel}": "px"}.get(self.unit, self.unit)


def quicklook(
    path: Path,
    values: Values,
    grid: Grid,
    *,
    title: str,
    unit: str,
    low: float,
    high: float,
    colours: str,
    note: str = "",
    arrows: Arrows | None = None,
    backdrop: Values | None = None,
    light: Values | None = None,
    side: int = 900,
) -> None:
    """Write a map of one layer as PNG.

    Parameters
    ----------
    low, high
        Values at the ends of the colour bar.
    colours
        A name of ``core.report.colours.NAMES``.
    side
        Longer side of the map in pixels of the picture.
    """
    scale = Scale(low, high, colours)
    panel = Map(values, grid, title, unit, scale, note, arrows, backdrop, light)
    _save(path, draw(panel, side))


def reasons_map(
    path: Path,
    reasons: NDArray[np.uint16] | NDArray[np.uint32],
    grid: Grid,
    *,
    title: str,
    side: int = 900,
) -> None:
    """Write a map of why pixels have no value, with the share of each reason.

    A pixel with several reasons has the colour of the first of them.
    """
    block = max(1, math.ceil(max(reasons.shape) / side))
    seen = reasons[::block, ::block]
    first = seen & -seen.astype(np.int64)
    picture = np.zeros((*seen.shape, 3), np.uint8)
    entries = []
    groups: list[tuple[int, str]] = [(0, "measured"), *((int(r), TEXT[r]) for r in Reason)]
    for bit, text in groups:
        colour, here = keys.CLASSES[bit.bit_length()], first == bit
        if here.any():
            picture[here] = colour
            entries.append(keys.Entry(colour, f"{text}, {100 * here.mean():.1f} %"))
    ground = _enlarged(Image.fromarray(picture), side)
    _save(path, _page(ground, grid, (title, ""), keys.Legend(tuple(entries))))


def sheet(path: Path, maps: Sequence[Sequence[Map]], *, title: str, side: int = 420) -> None:
    """Write several maps on one sheet, row by row, under a common title."""
    rows = [[draw(panel, side) for panel in row] for row in maps]
    heights = [max(panel.height for panel in row) for row in rows]
    width = max(sum(panel.width for panel in row) for row in rows)
    top = MARGIN + TITLE_PT + MARGIN
    page = Image.new("RGB", (width, top + sum(heights)), PAPER)
    ImageDraw.Draw(page).text((MARGIN, MARGIN), title, INK, font=keys.font(TITLE_PT))
    for row, height in zip(rows, heights, strict=True):
        left = 0
        for panel in row:
            # Aligned at the bottom: a panel with a second line above it is taller.
            page.paste(panel, (left, top + height - panel.height))
            left += panel.width
        top += height
    _save(path, page)


def draw(panel: Map, side: int) -> Image.Image:
    """A map with everything around it; the map's longer side is at most `side` pixels long."""
    ground = _ground(panel, side)
    titles = (panel.title, panel.note)
    page = _page(ground, panel.grid, titles, keys.ColourBar(panel.scale, panel.written_unit))
    if panel.arrows is not None:
        _draw_arrows(page, panel, panel.arrows, (MARGIN, _top(panel.note)), ground.size)
    return page


def reduce(values: Values, side: int) -> Values:
    """Means over square blocks such that no side is longer than `side`; NaN only where all are."""
    block = max(1, math.ceil(max(values.shape) / side))
    if block == 1:
        return values
    rows, cols = (-(-length // block) for length in values.shape)
    padded = np.full((rows * block, cols * block), np.nan, np.float32)
    padded[: values.shape[0], : values.shape[1]] = values
    blocks = padded.reshape(rows, block, cols, block)
    known = np.isfinite(blocks)
    count = known.sum(axis=(1, 3))
    total = np.where(known, blocks, 0).sum(axis=(1, 3), dtype=np.float64)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def _ground(panel: Map, side: int) -> Image.Image:
    values = reduce(panel.values, side)
    pixels = panel.scale.paint(values)
    empty = ~np.isfinite(values)
    if panel.light is not None:
        light = np.nan_to_num(reduce(panel.light, side), nan=1.0)
        shade = DARKEST + (1 - DARKEST) * np.clip(light, 0, 1)
        pixels = (pixels * shade[..., None]).astype(np.uint8)
    if panel.backdrop is not None and empty.any():
        behind = reduce(panel.backdrop, side)
        known = behind[np.isfinite(behind)]
        low, high = np.percentile(known, (2, 98)) if known.size else (0.0, 1.0)
        pixels[empty] = Scale(float(low), float(high), "grey").paint(behind)[empty]
        empty &= ~np.isfinite(behind)
    pixels[empty] = EMPTY
    return _enlarged(Image.fromarray(pixels), side)


def _enlarged(picture: Image.Image, side: int) -> Image.Image:
    # A pixel of the map must stay a square, so small maps grow by whole factors only.
    factor = max(1, side // max(picture.size))
    size = (picture.width * factor, picture.height * factor)
    return picture.resize(size, Image.Resampling.NEAREST)


def _top(note: str) -> int:
    """Where the map begins, below the title and the note."""
    return MARGIN + TITLE_PT + 8 + (TEXT_PT + 6 if note else 0)


def _page(ground: Image.Image, grid: Grid, titles: tuple[str, str], key: keys.Key) -> Image.Image:
    """A map with its titles, its key, the scale bar and the north arrow."""
    title, note = titles
    top, below = _top(note), 2 * MARGIN + TEXT_PT + 10
    key_height = key.height(ground.height)
    longest = max(keys.text_width(title, TITLE_PT), keys.text_width(note, TEXT_PT))
    width = MARGIN + max(ground.width + MARGIN + key.width, longest) + MARGIN
    height = top + max(ground.height + below, key_height + MARGIN)
    page = Image.new("RGB", (width, height), PAPER)
    pen = ImageDraw.Draw(page)
    pen.text((MARGIN, MARGIN), title, INK, font=keys.font(TITLE_PT))
    pen.text((MARGIN, MARGIN + TITLE_PT + 6), note, (90, 90, 90), font=keys.font(TEXT_PT))
    page.paste(ground, (MARGIN, top))
    frame = (MARGIN - 1, top - 1, MARGIN + ground.width, top + ground.height)
    pen.rectangle(frame, outline=LINE)
    key.draw(page, (MARGIN + ground.width + MARGIN, top), key_height)
    foot = top + ground.height + MARGIN
    keys.scale_bar(pen, _metres_per_pixel(grid, ground.width), ground.width, (MARGIN, foot))
    keys.north_arrow(pen, grid, (MARGIN + ground.width - 14, foot + 8))
    return page


def _metres_per_pixel(grid: Grid, width: int) -> float:
    unit = grid.system.axis_info[0].unit_conversion_factor if grid.system.axis_info else 1.0
    return grid.pixel_size[0] * unit * grid.shape[1] / width


def _draw_arrows(
    page: Image.Image, panel: Map, arrows: Arrows, corner: tuple[int, int], size: tuple[int, int]
) -> None:
    """Arrows at the centres of blocks, and below the map how long a round number is."""
    pen = ImageDraw.Draw(page)
    across = max(1, max(size) // ARROW_SPACING)
    east, north = (reduce(component, across) for component in arrows)
    length = np.hypot(east, north)
    measured = reduce(np.isfinite(arrows.east).astype(np.float32), across)
    known = np.isfinite(length) & (measured > 0.5)
    longest = float(np.percentile(length[known], 98)) if known.any() else 0.0
    if longest == 0:
        return
    stretch = 0.9 * max(size) / across / longest
    block = math.ceil(max(arrows.east.shape) / across) * size[0] / arrows.east.shape[1]
    for row, col in zip(*np.nonzero(known), strict=True):
        x, y = corner[0] + (col + 0.5) * block, corner[1] + (row + 0.5) * block
        # The last block of a row or column may lie half outside.
        if x <= corner[0] + size[0] and y <= corner[1] + size[1]:
            right, down = keys.in_picture(panel.grid, east[row, col], north[row, col])
            half = (right * stretch / 2, down * stretch / 2)
            keys.arrow(pen, (x - half[0], y - half[1]), (x + half[0], y + half[1]), edge=True)
    _explain_arrows(pen, panel.written_unit, longest, stretch, corner, size)


def _explain_arrows(
    pen: ImageDraw.ImageDraw,
    unit: str,
    longest: float,
    stretch: float,
    corner: tuple[int, int],
    size: tuple[int, int],
) -> None:
    key = keys.round_length(longest)
    y = corner[1] + size[1] + MARGIN + 4
    left = corner[0] + size[0] * 0.62
    keys.arrow(pen, (left, y), (left + key * stretch, y))
    place = (left + key * stretch + 8, y)
    text = f"{keys.number(key)} {unit}"
    pen.text(place, text, INK, font=keys.font(TEXT_PT), anchor="lm")


def _save(path: Path, picture: Image.Image) -> None:
    _few_colours(picture).save(path, "PNG")


def _few_colours(picture: Image.Image) -> Image.Image:
    """With a palette of 256 colours: a quarter of the bytes, and maps use few."""
    return picture.quantize(256, dither=Image.Dither.NONE)


def data_address(path: Path, side: int = 420) -> str:
    """A small version of a picture as a ``data:`` address, to stand in a page."""
    buffer = io.BytesIO()
    with Image.open(path) as picture:
        small = picture.convert("RGB")
    small.thumbnail((side, side))
    _few_colours(small).save(buffer, "PNG")
    return f"data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode('ascii')}"
