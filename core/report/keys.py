"""What stands beside and below a map: colour bar or legend, scale bar, north arrow, arrows."""

import math
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from core.grid import Grid
from core.report.colours import Scale

Point = tuple[float, float]
Colour = tuple[int, int, int]

INK: Colour = (34, 34, 34)
PAPER: Colour = (255, 255, 255)
LINE: Colour = (120, 120, 120)
TITLE_PT, TEXT_PT = 20, 14
MARGIN = 16
BAR_WIDTH = 18
CLASSES: tuple[Colour, ...] = (
    (230, 230, 230),
    (11, 37, 69),
    (18, 53, 91),
    (123, 45, 38),
    (141, 141, 141),
    (179, 139, 0),
    (217, 95, 2),
    (117, 112, 179),
    (102, 194, 229),
    (31, 120, 180),
    (231, 41, 138),
    (166, 118, 29),
    (27, 158, 119),
    (68, 68, 68),
    (102, 102, 102),
    (187, 224, 162),
    (247, 247, 247),
    (84, 48, 110),
    (46, 61, 46),
    (150, 210, 255),
    (0, 90, 255),
)
"""Colours of "none" and of the bits 0 to 19; the place of a class never changes."""
LEAST_HEIGHT = 140
"""Of a colour bar; it is as high as the map where that is higher."""


def font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """The one typeface, which comes with pillow."""
    return ImageFont.load_default(size)


def text_width(text: str, size: int) -> int:
    """Pixels that a line of text takes."""
    left, _, right, _ = font(size).getbbox(text)
    return math.ceil(right - left)


class Key(Protocol):
    """What explains the colours, to the right of the map."""

    @property
    def width(self) -> int:
        """Pixels that it takes."""

    def height(self, map_height: int) -> int:
        """Pixels that it takes beside a map of that height."""

    def draw(self, page: Image.Image, corner: tuple[int, int], height: int) -> None:
        """Put it on the page, its upper left corner at `corner`."""


@dataclass(frozen=True)
class ColourBar:
    """Colours of a range of values, with ticks; the unit above it."""

    scale: Scale
    unit: str

    @property
    def width(self) -> int:
        """Pixels that it takes."""
        labels = [number(tick) for tick in ticks(self.scale.low, self.scale.high)]
        return BAR_WIDTH + 8 + max(text_width(text, TEXT_PT) for text in (*labels, self.unit))

    def height(self, map_height: int) -> int:
        """Pixels that it takes beside a map of that height."""
        return max(map_height, LEAST_HEIGHT)

    def draw(self, page: Image.Image, corner: tuple[int, int], height: int) -> None:
        """Put it on the page."""
        left, top = corner
        low, high, _ = self.scale
        pen = ImageDraw.Draw(page)
        pen.text((left, top - 2), self.unit, INK, font=font(TEXT_PT))
        top, height = top + TEXT_PT + 10, height - TEXT_PT - 10
        ramp = np.linspace(high, low, height)[:, None].repeat(BAR_WIDTH, axis=1)
        page.paste(Image.fromarray(self.scale.paint(ramp)), (left, top))
        pen.rectangle((left - 1, top - 1, left + BAR_WIDTH, top + height), outline=LINE)
        for tick in ticks(low, high):
            share = (tick - low) / (high - low) if high > low else 0.5
            y = top + round((1 - share) * (height - 1))
            pen.line((left + BAR_WIDTH, y, left + BAR_WIDTH + 4, y), fill=INK)
            place = (left + BAR_WIDTH + 8, y)
            pen.text(place, number(tick), INK, font=font(TEXT_PT), anchor="lm")


class Entry(NamedTuple):
    """One line of a legend."""

    colour: Colour
    text: str


@dataclass(frozen=True)
class Legend:
    """Classes by their colour."""

    entries: tuple[Entry, ...]

    @property
    def width(self) -> int:
        """Pixels that it takes."""
        widths = (text_width(entry.text, TEXT_PT) for entry in self.entries)
        return BAR_WIDTH + 8 + max(widths, default=0)

    def height(self, map_height: int) -> int:
        """Pixels that it takes beside a map of that height."""
        return max(map_height, len(self.entries) * (TEXT_PT + 8))

    def draw(self, page: Image.Image, corner: tuple[int, int], height: int) -> None:  # noqa: ARG002
        """Put it on the page."""
        pen = ImageDraw.Draw(page)
        left, top = corner
        for line, entry in enumerate(self.entries):
            y = top + line * (TEXT_PT + 8)
            box = (left, y, left + BAR_WIDTH, y + TEXT_PT)
            pen.rectangle(box, fill=entry.colour, outline=LINE)
            place = (left + BAR_WIDTH + 8, y + TEXT_PT / 2)
            pen.text(place, entry.text, INK, font=font(TEXT_PT), anchor="lm")


def ticks(low: float, high: float, wanted: int = 6) -> list[float]:
    """Round numbers between `low` and `high`, about `wanted` of them.

    >>> ticks(-4, 4)
    [-4.0, -3.0, -2.0, -1.0, 0.0, 1.0, 2.0, 3.0, 4.0]
    """
    if not high > low:
        return [low]
    step = round_length((high - low) / wanted)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [step * count for count in range(first, last + 1)]


def round_length(length: float) -> float:
    """The largest of 1, 2 or 5 times a power of ten that is not above `length`.

    >>> round_length(730), round_length(0.2)
    (500.0, 0.2)
    """
    power = 10.0 ** math.floor(math.log10(length))
    return max(digit * power for digit in (1, 2, 5) if digit * power <= length * (1 + 1e-9))


def number(value: float) -> str:
    """A number as it stands at a tick."""
    return f"{value + 0.0:.6g}"


def scale_bar(pen: ImageDraw.ImageDraw, metres: float, width: int, corner: Point) -> None:
    """A round length on the ground; `metres` is the side of a pixel, `width` that of the map."""
    length = round_length(metres * width / 3)
    left, top = corner
    right = left + round(length / metres)
    pen.line((left, top, left, top + 8, right, top + 8, right, top), fill=INK, width=2)
    text = f"{length / 1000:g} km" if length >= 1000 else f"{length:g} m"
    pen.text((right + 8, top + 4), text, INK, font=font(TEXT_PT), anchor="lm")


def north_arrow(pen: ImageDraw.ImageDraw, grid: Grid, centre: Point) -> None:
    """An arrow to grid north, wherever that is in the picture, with its letter."""
    right, down = in_picture(grid, 0.0, 1.0)
    x, y = centre
    arrow(pen, (x - 11 * right, y - 11 * down), (x + 11 * right, y + 11 * down), head=7)
    place = (x - 24 * abs(down) - 4, y - 18 * right)
    pen.text(place, "N", INK, font=font(TEXT_PT), anchor="lm")


def in_picture(grid: Grid, east: float, north: float) -> Point:
    """A vector on the ground as (right, down) in the picture, of the same length."""
    to_pixels = ~grid.transform
    unit = math.hypot(to_pixels.b, to_pixels.e)
    right = (to_pixels.a * east + to_pixels.b * north) / unit
    down = (to_pixels.d * east + to_pixels.e * north) / unit
    return right, down


def arrow(
    pen: ImageDraw.ImageDraw, tail: Point, tip: Point, head: float = 5, *, edge: bool = False
) -> None:
    """An arrow; none if it is shorter than a pixel.  A light edge sets it off from dark ground."""
    right, down = tip[0] - tail[0], tip[1] - tail[1]
    length = math.hypot(right, down)
    if length < 1:
        return
    right, down = right / length, down / length
    foot = (tip[0] - head * right, tip[1] - head * down)
    half = 0.5 * head
    left_corner = (foot[0] - half * down, foot[1] + half * right)
    right_corner = (foot[0] + half * down, foot[1] - half * right)
    if edge:
        pen.line((tail, foot), fill=PAPER, width=4)
        pen.polygon([tip, left_corner, right_corner], fill=PAPER, outline=PAPER, width=2)
    pen.line((tail, foot), fill=INK, width=2)
    pen.polygon([tip, left_corner, right_corner], fill=INK)
