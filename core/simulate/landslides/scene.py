"""One image of an event: cover, scars, snow, light and the sensor, strip by strip."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from core.simulate.landslides.air import Veil
from core.simulate.landslides.bodies import FINE
from core.simulate.landslides.cover import Classes, Kind
from core.simulate.landslides.fields import Generator, Layer, enlarged
from core.simulate.landslides.light import Light
from core.simulate.landslides.plants import Plants
from core.simulate.landslides.scars import Scars
from core.simulate.landslides.sensor import REACH_PX, noisy, seen
from core.simulate.landslides.spectra import (
    BANDS,
    CLOUD,
    CROP,
    GRAVEL,
    HAZE,
    LEAFLESS,
    RIPE,
    ROCK,
    SKYLIGHT,
    SLASH,
    SNOW,
    WATER,
    between,
)  # fmt: skip
from core.simulate.landslides.style import Style, Visit
from core.simulate.landslides.terrain import MARGIN

STRIP_PX = 100
"""Rows that are drawn at a time."""
GRAIN = {Kind.FOREST: 0.22, Kind.GRASS: 0.08, Kind.FIELD: 0.04, Kind.ROCK: 0.2, Kind.GRAVEL: 0.12,
         Kind.WATER: 0.05, Kind.FRESH_CLEARING: 0.2, Kind.OLD_CLEARING: 0.15}  # fmt: skip
"""Deviation of the brightness from fine cell to fine cell."""
SCAR_GRAIN = 0.14
UNDER_TREES = 0.55
"""Share of the snow that is seen in forest."""


class View(NamedTuple):
    """What one image is drawn from.

    Parameters
    ----------
    kind, crops, bare
        Cover, crops and bare share of scars of the fine cells at this date.
    tone, grain
        What fields and single cells differ by, at both dates.
    scars
        Numbers, places and looks of the slides.
    plants, light, snow
        On the ground with its margin.
    veil
        On the scene's pixels.
    """

    kind: Classes
    crops: NDArray[np.uint8]
    bare: NDArray[np.uint8]
    tone: NDArray[np.uint8]
    grain: NDArray[np.int8]
    scars: Scars
    plants: Plants
    light: Light
    snow: Layer
    veil: Veil


def image(
    view: View, style: Style, visit: Visit, shift_px: tuple[float, float], generator: Generator
) -> Layer:
    """Reflectance as a sensor measures it, [band, row, col]."""
    size = view.veil.haze.shape[0]
    result = np.empty((len(BANDS), size, size), np.float32)
    for first in range(0, size, STRIP_PX):
        rows = slice(first, min(first + STRIP_PX, size))
        _draw(result[:, rows], view, style, rows, shift_px)
    for band in range(len(BANDS)):
        result[band] = visit.air.gain * _through(result[band], view.veil, band)
        result[band] = noisy(result[band], generator)
    return result


def _draw(out: Layer, view: View, style: Style, rows: slice, shift_px: tuple[float, float]) -> None:
    """The reflectance of some rows of pixels, before the air."""
    size = view.veil.haze.shape[0]
    strip = _Strip(view, style, rows.start - REACH_PX, rows.stop + REACH_PX, size)
    for band in range(len(BANDS)):
        wide = np.pad(strip.band(band), ((0, 0), (REACH_PX * FINE,) * 2), mode="edge")
        out[band] = seen(wide, shift_px)


class _Strip:
    """Fine cells of some rows of pixels; beyond the scene the cells at its border go on."""

    def __init__(self, view: View, style: Style, first: int, last: int, size: int) -> None:
        self._view, self._style = view, style
        held = np.clip(np.arange(FINE * first, FINE * last), 0, FINE * size - 1)
        self._kind = view.kind[held]
        self._crops, self._tone = view.crops[held], view.tone[held].astype(np.float32) / 255
        self._bare = view.bare[held].astype(np.float32) / 255
        grain = np.take(np.array([GRAIN[kind] for kind in Kind], np.float32), self._kind)
        self._noise = view.grain[held].astype(np.float32) / 32
        self._grain: Layer = (1 + grain * self._noise).astype(np.float32)
        self._shape = self._kind.shape
        self._place = (first + 0.5 / FINE + MARGIN - 0.5, 0.5 / FINE + MARGIN - 0.5)
        self._direct, self._sky = (self._fine(layer) for layer in view.light[:2])
        self._snow = self._fine(view.snow)
        if self._snow.any():
            self._snow = np.clip(self._snow * (1 + 0.3 * self._noise), 0, 1)
            self._snow[self._kind == Kind.FOREST] *= UNDER_TREES
        self._number = view.scars.number[held]
        self._scar = self._number > 0
        self._along = view.scars.along[held][self._scar].astype(np.float32) / 255

    def _fine(self, layer: Layer) -> Layer:
        return enlarged(layer, FINE, *self._place, self._shape)

    def band(self, band: int) -> Layer:
        """Reflectance of the cells in one band."""
        value: Layer = self._cover(band) * self._grain
        scar = self._scar
        bare = self._bare[scar]
        value[scar] += (self._soil(band) - value[scar]) * bare
        value += (SNOW[band] - value) * self._snow
        value *= (1 - SKYLIGHT[band]) * self._direct + SKYLIGHT[band] * self._sky
        return value

    def _cover(self, band: int) -> Layer:
        view, kind = self._view, self._kind
        value = self._fine(view.plants.forest[band])
        grass = self._fine(view.plants.grass[band])
        soil = between(self._style.soil, self._style.other_soil, 0.3)[band]
        np.copyto(value, grass, where=kind == Kind.GRASS)
        field = kind == Kind.FIELD
        crops = np.array([0.85 * soil, CROP[band], RIPE[band]], np.float32)
        value[field] = crops[self._crops[field]] * (0.8 + 0.4 * self._tone[field])
        young = kind == Kind.OLD_CLEARING
        value[young] = 0.5 * value[young] + 0.5 * grass[young]
        for there, reflectance in (
            (Kind.FRESH_CLEARING, between(SLASH, self._style.soil, 0.35)[band]),
            (Kind.ROCK, 0.8 * ROCK[band] + 0.2 * LEAFLESS[band]),
            (Kind.GRAVEL, GRAVEL[band]),
            (Kind.WATER, WATER[band]),
        ):
            value[kind == there] = reflectance
        return value

    def _soil(self, band: int) -> Layer:
        looks = self._view.scars.looks
        number = self._number[self._scar] - 1
        soil, other = self._style.soil[band], self._style.other_soil[band]
        ground = soil + (other - soil) * looks.mixed[number]
        wet = 1 - looks.wet[number] * np.clip(self._along * 1.6 - 0.4, 0, 1)
        grain = 1 + SCAR_GRAIN * self._noise[self._scar]
        result: Layer = (ground * looks.tone[number] * wet * grain).astype(np.float32)
        return result


def _through(value: Layer, veil: Veil, band: int) -> Layer:
    """What is seen of the ground's reflectance through haze and clouds and in their shadows."""
    added = veil.haze * HAZE[band]
    dark = 1 - veil.shadow * (1 - SKYLIGHT[band]) * 0.9
    seen = value * dark * (1 - 1.1 * added) + added
    result: Layer = seen + (CLOUD[band] - seen) * veil.cloud
    return result
