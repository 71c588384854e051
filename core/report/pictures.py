"""Maps as PNG: colour bar with its unit, scale bar, north arrow, title.  The only renderer.

Drawn with pillow alone, so that a server needs neither a display nor a plotting library.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from core.grid import Grid
from core.report.colours import Scale

Values = NDArray[np.floating]
"""A layer, [row, col], NaN where there is no value."""

INK = (34, 34, 34)
PAPER = (255, 255, 255)
EMPTY = (214, 214, 214)
"""Shown where there is no value and no backdrop."""
TITLE_PT, TEXT_PT = 20, 14
MARGIN = 16
BAR_WIDTH, BAR_HEIGHT = 18, 140
"""Of the colour bar; it is as high as the map where that is higher."""


class Arrows(NamedTuple):
    """Components of a displacement (metres) that are drawn as arrows over a map."""

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
        Drawn over the layer, of its shape.
    backdrop
        Brightness shown in grey where the layer has no value, of its shape.
    """

    values: Values
    grid: Grid
    title: str
    unit: str
    scale: Scale
    note: str = ""
    arrows: Arrows | None = None
    backdrop: Values | None = None


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
    panel = Map(values, grid, title, unit, scale, note, arrows, backdrop)
    _save(path, draw(panel, side))


def sheet(path: Path, maps: Sequence[Sequence[Map]], *, title: str, side: int = 420) -> None:
    """Write several maps on one sheet, row by row, under a common title."""
    rows = [[draw(panel, side) for panel in row] for row in maps]
    heights = [max(panel.height for panel in row) for row in rows]
    width = max(sum(panel.width for panel in row) for row in rows)
    top = MARGIN + TITLE_PT + MARGIN
    page = Image.new("RGB", (width, top + sum(heights)), PAPER)
    ImageDraw.Draw(page).text((MARGIN, MARGIN), title, INK, font=_font(TITLE_PT))
    for row, height in zip(rows, heights, strict=True):
        left = 0
        for panel in row:
            # Aligned at the bottom: a panel with a second line above it is taller.
            page.paste(panel, (left, top + height - panel.height))
            left += panel.width
        top += height
    _save(path, page)


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


def draw(panel: Map, side: int) -> Image.Image:
    """A map with everything around it; the map's longer side is at most `side` pixels long."""
    ground = _ground(panel, side)
    note = TEXT_PT + 6 if panel.note else 0
    top = MARGIN + TITLE_PT + 8 + note
    below = 2 * MARGIN + TEXT_PT + 10
    right = MARGIN + BAR_WIDTH + 8 + _label_width(panel) + MARGIN
    bar = max(ground.height, BAR_HEIGHT)
    width = max(MARGIN + ground.width + right, _title_width(panel))
    page = Image.new("RGB", (width, top + max(ground.height + below, bar + MARGIN)), PAPER)
    pen = ImageDraw.Draw(page)
    pen.text((MARGIN, MARGIN), panel.title, INK, font=_font(TITLE_PT))
    if panel.note:
        pen.text((MARGIN, MARGIN + TITLE_PT + 6), panel.note, (90, 90, 90), font=_font(TEXT_PT))
    page.paste(ground, (MARGIN, top))
    pen.rectangle(
        (MARGIN - 1, top - 1, MARGIN + ground.width, top + ground.height), outline=(120, 120, 120)
    )
    metres = _metres_per_pixel(panel.grid, ground.width)
    _arrow_field(pen, panel, (MARGIN, top), ground.size)
    _colour_bar(page, panel, (MARGIN + ground.width + MARGIN, top), bar)
    _scale_bar(pen, metres, ground.width, (MARGIN, top + ground.height + MARGIN))
    _north(pen, panel.grid, (MARGIN + ground.width - 14, top + ground.height + MARGIN + 8))
    return page


def _ground(panel: Map, side: int) -> Image.Image:
    values = reduce(panel.values, side)
    pixels = panel.scale.paint(values)
    empty = ~np.isfinite(values)
    if panel.backdrop is not None and empty.any():
        behind = reduce(panel.backdrop, side)
        known = behind[np.isfinite(behind)]
        low, high = np.percentile(known, (2, 98)) if known.size else (0.0, 1.0)
        pixels[empty] = Scale(float(low), float(high), "grey").paint(behind)[empty]
        empty &= ~np.isfinite(behind)
    pixels[empty] = EMPTY
    picture = Image.fromarray(pixels)
    # A pixel of the map must stay a square, so small maps grow by whole factors only.
    factor = max(1, side // max(picture.size))
    return picture.resize(
        (picture.width * factor, picture.height * factor), Image.Resampling.NEAREST
    )


def _metres_per_pixel(grid: Grid, width: int) -> float:
    unit = grid.system.axis_info[0].unit_conversion_factor if grid.system.axis_info else 1.0
    return grid.pixel_size[0] * unit * grid.shape[1] / width


def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)


def _text_width(text: str, size: int) -> int:
    left, _, right, _ = _font(size).getbbox(text)
    return math.ceil(right - left)


def _title_width(panel: Map) -> int:
    longest = max(_text_width(panel.title, TITLE_PT), _text_width(panel.note, TEXT_PT))
    return longest + 2 * MARGIN


def _ticks(low: float, high: float, wanted: int = 6) -> list[float]:
    """Round numbers between `low` and `high`, about `wanted` of them."""
    if not high > low:
        return [low]
    step = _round_length((high - low) / wanted)
    first = math.ceil(low / step - 1e-9)
    return [step * k for k in range(first, math.floor(high / step + 1e-9) + 1)]


def _round_length(length: float) -> float:
    """The number of 1, 2 or 5 times a power of ten that is next below `length`, at least."""
    power = 10.0 ** math.floor(math.log10(length))
    return max(digit * power for digit in (1, 2, 5) if digit * power <= length * (1 + 1e-9))


def _label_width(panel: Map) -> int:
    labels = [_number(tick) for tick in _ticks(panel.scale.low, panel.scale.high)]
    return max(_text_width(text, TEXT_PT) for text in (*labels, _unit(panel)))


def _unit(panel: Map) -> str:
    return {"1": "", "{pixel}": "px"}.get(panel.unit, panel.unit)


def _number(value: float) -> str:
    return f"{value + 0.0:.6g}"


def _colour_bar(page: Image.Image, panel: Map, corner: tuple[int, int], height: int) -> None:
    left, top = corner
    low, high, _ = panel.scale
    pen = ImageDraw.Draw(page)
    pen.text((left, top - 2), _unit(panel), INK, font=_font(TEXT_PT))
    top, height = top + TEXT_PT + 10, height - TEXT_PT - 10
    ramp = np.linspace(high, low, height)[:, None].repeat(BAR_WIDTH, axis=1)
    page.paste(Image.fromarray(panel.scale.paint(ramp)), (left, top))
    pen.rectangle((left - 1, top - 1, left + BAR_WIDTH, top + height), outline=(120, 120, 120))
    for tick in _ticks(low, high):
        share = (tick - low) / (high - low) if high > low else 0.5
        y = top + round((1 - share) * (height - 1))
        pen.line((left + BAR_WIDTH, y, left + BAR_WIDTH + 4, y), fill=INK)
        text_at = (left + BAR_WIDTH + 8, y)
        pen.text(text_at, _number(tick), INK, font=_font(TEXT_PT), anchor="lm")


def _scale_bar(
    pen: ImageDraw.ImageDraw, metres: float, width: int, corner: tuple[int, int]
) -> None:
    length = _round_length(metres * width / 3)
    left, top = corner
    right = left + round(length / metres)
    pen.line((left, top, left, top + 8, right, top + 8, right, top), fill=INK, width=2)
    text = f"{length / 1000:g} km" if length >= 1000 else f"{length:g} m"
    pen.text((right + 8, top + 4), text, INK, font=_font(TEXT_PT), anchor="lm")


def _north(pen: ImageDraw.ImageDraw, grid: Grid, centre: tuple[float, float]) -> None:
    """An arrow to grid north, wherever that is in the picture, with its letter."""
    to_pixels = ~grid.transform
    right, down = to_pixels.b, to_pixels.e
    length = math.hypot(right, down)
    right, down = right / length, down / length
    x, y = centre
    tip, tail = (x + 11 * right, y + 11 * down), (x - 11 * right, y - 11 * down)
    _arrow(pen, tail, tip, INK, head=7)
    pen.text((x - 24 * abs(down) - 4, y - 18 * right), "N", INK, font=_font(TEXT_PT), anchor="lm")


def _arrow(
    pen: ImageDraw.ImageDraw,
    tail: tuple[float, float],
    tip: tuple[float, float],
    colour: tuple[int, int, int],
    head: float = 5,
) -> None:
    right, down = tip[0] - tail[0], tip[1] - tail[1]
    length = math.hypot(right, down)
    if length < 1:
        return
    right, down = right / length, down / length
    foot = (tip[0] - head * right, tip[1] - head * down)
    pen.line((tail, foot), fill=colour, width=2)
    half = 0.5 * head
    corners = [
        tip,
        (foot[0] - half * down, foot[1] + half * right),
        (foot[0] + half * down, foot[1] - half * right),
    ]
    pen.polygon(corners, fill=colour)


def _arrow_field(
    pen: ImageDraw.ImageDraw,
    panel: Map,
    corner: tuple[int, int],
    size: tuple[int, int],
    across: int = 14,
) -> None:
    """Arrows on a lattice of about `across` to the longer side, with their length explained."""
    if panel.arrows is None:
        return
    cell = max(panel.arrows.east.shape) / across
    east, north = (reduce(component, across) for component in panel.arrows)
    length = np.hypot(east, north)
    known = np.isfinite(length)
    if not known.any():
        return
    longest = float(np.percentile(length[known], 98))
    spacing = max(size) / across
    stretch = 0.9 * spacing / longest if longest > 0 else 0.0
    block = math.ceil(cell) * size[0] / panel.arrows.east.shape[1]
    to_pixels = ~panel.grid.transform
    unit = math.hypot(to_pixels.a, to_pixels.d)
    for row, col in zip(*np.nonzero(known), strict=True):
        x, y = corner[0] + (col + 0.5) * block, corner[1] + (row + 0.5) * block
        if x > corner[0] + size[0] or y > corner[1] + size[1]:
            continue
        e, n = east[row, col], north[row, col]
        right = (to_pixels.a * e + to_pixels.b * n) / unit * stretch
        down = (to_pixels.d * e + to_pixels.e * n) / unit * stretch
        _arrow(pen, (x - right / 2, y - down / 2), (x + right / 2, y + down / 2), INK)
    _arrow_key(pen, panel, longest, stretch, corner, size)


def _arrow_key(
    pen: ImageDraw.ImageDraw,
    panel: Map,
    longest: float,
    stretch: float,
    corner: tuple[int, int],
    size: tuple[int, int],
) -> None:
    """The length of a round number of metres, on the line of the scale bar."""
    if not longest > 0:
        return
    key = _round_length(longest)
    y = corner[1] + size[1] + MARGIN + 4
    middle = corner[0] + size[0] * 0.62
    _arrow(pen, (middle, y), (middle + key * stretch, y), INK)
    text = f"{_number(key)} {_unit(panel)}"
    pen.text((middle + key * stretch + 8, y), text, INK, font=_font(TEXT_PT), anchor="lm")


def _save(path: Path, picture: Image.Image) -> None:
    # A palette of 256 colours is a quarter of the bytes, and maps use few colours.
    picture.quantize(256, dither=Image.Dither.NONE).save(path, "PNG", optimize=True)
