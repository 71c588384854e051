"""Which features a request wants."""

from core.change.features import Schema, schema
from core.change.indices import IndexSet as Indices
from core.change.schema import Choice, Group
from core.change.segments import Segmentation
from core.pipelines.aladim.choices import IndexSet, Unit
from core.pipelines.aladim.declaration import AladimParameters
from core.pipelines.aladim.stack import Stack
from core.tiling import Window

SCALE = 35.0
"""Of the input segment_scale, in that of the segments: the original's default, 70, is 2 there."""

ONE_PIXEL = Window(0, 0, 1, 1)


def schema_of(parameters: AladimParameters, stack: Stack, *, physical: bool) -> Schema:
    """The features of the request that the scene can have."""
    groups = set(Group)
    for wanted, group in (
        (parameters.texture, Group.TEXTURE),
        (parameters.topography, Group.TOPOGRAPHY),
        (parameters.unit is not Unit.PIXEL, Group.OBJECTS),
        (parameters.indices is not IndexSet.NONE, Group.INDICES),
    ):
        if not wanted:
            groups.discard(group)
    advanced = parameters.indices is IndexSet.ADVANCED
    choice = Choice(
        groups=frozenset(groups),
        indices=Indices.ADVANCED if advanced else Indices.BASIC,
        segmentation=Segmentation(
            scale=parameters.segment_scale / SCALE,
            colour=parameters.segment_colour_weight,
            compactness=parameters.segment_compactness_weight,
            least_px=parameters.minimum_segment,
        ),
    )
    return schema(stack.layers(ONE_PIXEL), choice, physical=physical)
