"""What features can be asked for, and what there is to make them from."""

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

from core.change.indices import IndexSet
from core.change.scene import Date, Floats, Layers
from core.change.segments import Segmentation
from core.roles import Role

if TYPE_CHECKING:
    from core.change.tile import Part


class Group(StrEnum):
    """Features that are switched together."""

    BANDS = "bands"
    INDICES = "indices"
    DIFFERENCES = "differences"
    TEXTURE = "texture"
    TOPOGRAPHY = "topography"
    OBJECTS = "objects"


@dataclass(frozen=True)
class Choice:
    """Which features are wanted."""

    groups: frozenset[Group] = frozenset(Group)
    indices: IndexSet = IndexSet.BASIC
    windows_px: tuple[int, ...] = (7, 15, 31)
    """Sides of the windows of texture, odd."""
    segmentation: Segmentation = field(default_factory=Segmentation)


@dataclass(frozen=True)
class Given:
    """What a scene has."""

    roles: frozenset[Role]
    before: bool
    height: bool
    suns: frozenset[Date]
    drainage: bool
    pixel_m: float
    physical: bool
    """Whether stored numbers are reflectances x 10000."""


def given(layers: Layers, *, physical: bool) -> Given:
    """What a tile, and so its scene, has."""
    return Given(
        frozenset(layers.after),
        layers.before is not None,
        layers.height is not None,
        frozenset(layers.suns) & frozenset(layers.dates),
        layers.drainage is not None,
        layers.pixel_m,
        physical,
    )


@dataclass(frozen=True)
class Feature:
    """One plane of a stack."""

    name: str
    text: str
    unit: str
    group: Group
    function: Callable[["Part"], Floats]
    """Its values in a window of a tile."""
