"""A tile at work: what several features are made from is made once.

What belongs to the whole padded tile (quantities in steps, segments and their statistics) is kept;
what belongs to the window that is asked for is made for it, so that a tile can be asked for strips
and never holds more than one strip of all features.
"""

from collections.abc import Callable, Hashable
from functools import cached_property

import numpy as np

from core.change import terrain
from core.change.indices import Index
from core.change.objects import (
    DIRECTION_STEP,
    PerSegment,
    Shapes,
    Spread,
    per_pixel,
    shapes,
    spread,
)
from core.change.objects import contrast as apart
from core.change.quantities import (
    QUANTITIES,
    Constants,
    Quantity,
    channels,
    in_whole_steps,
    numbers,
    scale,
)
from core.change.scene import Date, Floats, Layers
from core.change.schema import Choice, Given, given
from core.change.segments import Segments, segments
from core.change.windows import (
    Local,
    Steps,
    contrast,
    in_steps,
    local,
    roughness,
)
from core.roles import Role
from core.tiling import Window, whole

KEPT = 6
"""Results with several planes that a part keeps: features of one stand beside each other."""

SLOPE_STEP_DEG = 1 / 64

SMOOTH_PX = 5
"""Side of the windows whose mean heights curvature is measured on."""


class Tile:
    """A padded tile, its scene's constants, and what is made of them once.

    Parameters
    ----------
    layers
        With the halo of the schema around the pixels that will be asked for.
    physical
        Whether stored numbers are reflectances x 10000.
    """

    def __init__(
        self, layers: Layers, constants: Constants, choice: Choice, *, physical: bool
    ) -> None:
        self.layers, self.constants, self.choice = layers, constants, choice
        self.physical = physical

    @cached_property
    def given(self) -> Given:
        """What the tile has."""
        return given(self.layers, physical=self.physical)

    @property
    def scale(self) -> float:
        """By what stored numbers are divided."""
        return scale(physical=self.physical)

    @cached_property
    def steps(self) -> dict[str, Steps]:
        """Each quantity in whole steps."""
        return in_whole_steps(self.layers, self.constants)

    @cached_property
    def segments(self) -> Segments:
        """The segments of the padded tile."""
        pixels = channels(self.steps, self.layers.known, self.constants)
        return segments(pixels, self.layers.known, self.layers.anchor, self.choice.segmentation)

    @cached_property
    def spreads(self) -> dict[str, Spread]:
        """Each quantity within each segment, in the unit of features."""
        found = self.segments
        return {
            q.name: spread(found.labels, found.count, self.steps[q.name], q.step(self.scale))
            for q in QUANTITIES
            if q.name in self.steps
        }

    @cached_property
    def contrasts(self) -> dict[str, PerSegment]:
        """Mean of each quantity in each segment, less that of its neighbours."""
        touching = self.segments.touching
        return {name: apart(touching, found.mean) for name, found in self.spreads.items()}

    @cached_property
    def forms(self) -> tuple[Shapes, Spread | None]:
        """Size and form of each segment, and its slope, degrees; no slope without heights."""
        found, layers = self.segments, self.layers
        if layers.height is None:
            return shapes(found.labels, found.count, layers.pixel_m, None), None
        ground = terrain.slope(layers.height, layers.pixel_m, whole(layers.shape))
        steps = in_steps(ground.slope_deg, SLOPE_STEP_DEG)
        slopes = spread(found.labels, found.count, steps, SLOPE_STEP_DEG)
        north, east = (in_steps(part, DIRECTION_STEP) for part in (ground.north, ground.east))
        return shapes(found.labels, found.count, layers.pixel_m, (north, east)), slopes


class Part:
    """A window of a tile, of which features are asked."""

    def __init__(self, tile: Tile, window: Window) -> None:
        self.tile, self.window = tile, window
        self.layers = tile.layers.part(window)
        self._made: dict[Hashable, object] = {}

    def _once[T](self, key: Hashable, make: Callable[[], T]) -> T:
        if key not in self._made:
            while len(self._made) >= KEPT:
                del self._made[next(iter(self._made))]
            self._made[key] = make()
        return self._made[key]  # type: ignore[return-value]

    @cached_property
    def _bands(self) -> dict[Date, dict[Role, Floats]]:
        divisor = np.float32(1 / self.tile.scale)
        return {
            date: {
                role: numbers(self.layers, date, role, self.tile.constants) * divisor
                for role in self.layers.after
            }
            for date in self.layers.dates
        }

    def bands(self, date: Date) -> dict[Role, Floats]:
        """Bands of a date, in the radiometry of the image after."""
        return self._bands[date]

    def index(self, index: Index, date: Date) -> Floats:
        """An index of a date."""
        return self._once((index.name, date), lambda: index.of(self.bands(date)))

    def _around(self, reach: int) -> tuple[Window, Window]:
        """The window with what is around it in the tile, and itself inside that."""
        wide = self.window.pad(reach) & whole(self.tile.layers.shape)
        return wide, self.window.inside(wide)

    def local(self, quantity: Quantity, side: int) -> Local:
        """Mean and deviation of a quantity in windows."""
        wide, core = self._around(side // 2)
        steps, known = (
            self.tile.steps[quantity.name][wide.slices],
            self.tile.layers.known[wide.slices],
        )
        step = quantity.step(self.tile.scale)
        return self._once((quantity.name, side), lambda: local(steps, known, side, step, core))

    def contrast(self, quantity: Quantity, side: int) -> Floats:
        """A quantity less its mean in windows."""
        step = quantity.step(self.tile.scale)
        return contrast(
            self.tile.steps[quantity.name], self.local(quantity, side), step, self.window
        )

    def roughness(self, quantity: Quantity, side: int) -> Floats:
        """Mean difference of neighbours in windows."""
        wide, core = self._around(side // 2 + 1)
        steps, known = (
            self.tile.steps[quantity.name][wide.slices],
            self.tile.layers.known[wide.slices],
        )
        return roughness(steps, known, side, quantity.step(self.tile.scale), core)

    def _height(self, wide: Window) -> Floats:
        if self.tile.layers.height is None:
            raise ValueError("topography needs heights")
        return self.tile.layers.height[wide.slices]

    def slope(self) -> terrain.Slope:
        """Slope and aspect."""
        wide, core = self._around(terrain.HALO)
        height, pixel = self._height(wide), self.tile.layers.pixel_m
        return self._once("slope", lambda: terrain.slope(height, pixel, core))

    def curvature(self) -> terrain.Curvature:
        """Curvature of the smoothed ground."""
        wide, core = self._around(terrain.HALO + SMOOTH_PX // 2)
        height, pixel = self._height(wide), self.tile.layers.pixel_m

        def made() -> terrain.Curvature:
            return terrain.curvature(terrain.smooth(height, SMOOTH_PX), pixel, core)

        return self._once("curvature", made)

    def position(self, side: int) -> terrain.Position:
        """Height above the surroundings."""
        wide, core = self._around(side // 2)
        height = self._height(wide)
        return self._once(("position", side), lambda: terrain.position(height, side, core))

    def incidence(self, date: Date) -> Floats:
        """Cosine of the sun's angle to the ground's normal."""
        wide, core = self._around(terrain.HALO)
        sun, pixel = self.tile.layers.suns[date], self.tile.layers.pixel_m
        return terrain.incidence(self._height(wide), pixel, sun, core)

    def shadow(self, date: Date) -> Floats:
        """1 in cast shadow."""
        sun, pixel = self.tile.layers.suns[date], self.tile.layers.pixel_m
        reach = terrain.shadow_reach(pixel)
        wide, core = self._around(reach + 1)
        return terrain.shadow(self._height(wide), pixel, sun, core, reach).astype(np.float32)

    def of_segments(self, values: PerSegment) -> Floats:
        """A number of each segment, given to its pixels."""
        return per_pixel(values, self.tile.segments.labels[self.window.slices])

    def drainage(self) -> tuple[Floats, Floats]:
        """Contributing area and height above the channel."""
        if self.layers.drainage is None:
            raise ValueError("drainage is not known")
        return self.layers.drainage
