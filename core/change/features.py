"""The stack of features that a classifier sees, and the schema that says what is in it.

The same features follow from the same schema on every scene and in every tile: which bands, dates
and heights there are and what is asked for decide, and no number of the scene does.
"""

from dataclasses import dataclass, field
from functools import cache

import numpy as np

from core.change import terrain, windows
from core.change.catalogue import chosen, dates, features, relief_px
from core.change.quantities import Constants
from core.change.scene import Floats, Layers
from core.change.schema import Choice, Feature, Given, Group, given
from core.change.tile import SMOOTH_PX, Part, Tile
from core.tiling import Window


@dataclass(frozen=True)
class Schema:
    """Which features there are, from what a scene has and what is wanted."""

    given: Given
    choice: Choice = field(default_factory=Choice)

    @property
    def features(self) -> tuple[Feature, ...]:
        """In the order of the stack."""
        return _features(self.given, self.choice)

    @property
    def names(self) -> tuple[str, ...]:
        """Of the features."""
        return tuple(feature.name for feature in self.features)

    @property
    def left_out(self) -> dict[str, str]:
        """What was wanted and cannot be made: its name, and what is missing."""
        found = {}
        wanted = self.choice.groups
        if wanted & {Group.INDICES, Group.DIFFERENCES}:
            for index in chosen(self.given, self.choice)[1]:
                lacking = [role.value for role in index.roles if role not in self.given.roles]
                found[index.name] = ", ".join(lacking) or "reflectance"
        if Group.DIFFERENCES in wanted and not self.given.before:
            found[Group.DIFFERENCES.value] = "an image before"
        if Group.TOPOGRAPHY in wanted and not self.given.height:
            found[Group.TOPOGRAPHY.value] = "heights"
        elif Group.TOPOGRAPHY in wanted:
            for date in dates(self.given):
                if date not in self.given.suns:
                    found[f"incidence and shadow {date.value}"] = "the sun's position"
        return found

    @property
    def halo(self) -> int:
        """Pixels around a tile that its features depend on."""
        reach, wanted = 0, self.choice.groups
        if Group.TEXTURE in wanted:
            reach = windows.halo(self.choice.windows_px)
        if Group.TOPOGRAPHY in wanted and self.given.height:
            shadow = terrain.shadow_reach(self.given.pixel_m) + 1 if self.given.suns else 0
            smooth = SMOOTH_PX // 2 + terrain.HALO
            reach = max(reach, shadow, smooth, max(relief_px(self.given.pixel_m)) // 2)
        if Group.OBJECTS in wanted:
            segmentation = self.choice.segmentation
            # A segment's neighbours begin no farther off than it is large.
            reach = max(reach, segmentation.halo + segmentation.extent)
        return reach

    @property
    def heights(self) -> bool:
        """Whether a pixel needs a height."""
        slopes = {Group.TOPOGRAPHY, Group.OBJECTS}
        return self.given.height and bool(self.choice.groups & slopes)


# Not kept in the schema, which travels between processes and must not carry functions along.
@cache
def _features(given: Given, choice: Choice) -> tuple[Feature, ...]:
    return tuple(features(given, choice))


def schema(layers: Layers, choice: Choice | None = None, *, physical: bool = True) -> Schema:
    """The schema of a scene, from any of its tiles."""
    return Schema(given(layers, physical=physical), choice or Choice())


def tile(layers: Layers, schema: Schema, constants: Constants) -> Tile:
    """A tile that can be asked for strips, see :func:`strip`.

    Parameters
    ----------
    layers
        With :attr:`Schema.halo` around the pixels that will be asked for, less only at the border
        of the scene.  Beside them a tile of two dates needs 85 bytes for each of its padded pixels
        while it makes its segments, 30 later, and a strip 4 for each of its pixels and features.
    """
    if given(layers, physical=schema.given.physical) != schema.given:
        raise ValueError("a tile does not have what its schema says")
    return Tile(layers, constants, schema.choice, physical=schema.given.physical)


def strip(tile: Tile, schema: Schema, window: Window) -> Floats:
    """The features of a window of a tile.

    Returns
    -------
    Floats
        (features, rows, cols), float32; all NaN where :meth:`Layers.usable` is false,
        finite elsewhere.
    """
    part = Part(tile, window)
    stack = np.empty((len(schema.features), *window.shape), np.float32)
    for plane, feature in zip(stack, schema.features, strict=True):
        plane[:] = feature.function(part)
    known = part.layers.usable(heights=schema.heights)
    if not known.all():
        stack[:, ~known] = np.nan
    return stack


def stack(layers: Layers, schema: Schema, constants: Constants, core: Window) -> Floats:
    """The features of the core of a tile at once, 4 bytes for each pixel and feature."""
    return strip(tile(layers, schema, constants), schema, core)
