"""ALADIM: from images and samples to an inventory of landslides."""

from core.change.features import Schema, schema
from core.change.indices import IndexSet as Indices
from core.change.schema import Choice, Group
from core.change.segments import Segmentation
from core.errors import MissingInput
from core.pipelines.aladim.choices import IndexSet, Unit
from core.pipelines.aladim.declaration import AladimOutputs, AladimParameters
from core.pipelines.aladim.detection import detection
from core.pipelines.aladim.documents import write_documents
from core.pipelines.aladim.images import open_images
from core.pipelines.aladim.inventory import inventory_of
from core.pipelines.aladim.lattice import grid_of
from core.pipelines.aladim.lessons import aim_of, fitted, samples_of
from core.pipelines.aladim.pictures import write_pictures
from core.pipelines.aladim.preparation import prepared
from core.pipelines.aladim.products import write_polygons, write_rasters
from core.pipelines.aladim.report import Done, Lesson, report_of
from core.pipelines.aladim.scan import Scene, constants_of
from core.pipelines.aladim.stack import Stack
from core.pipelines.aladim.training import training_of, wanted_area
from core.tiling import Window
from core.workspace import Context

PREPARED, COUNTED, SAMPLED, LEARNED, PREDICTED, FOUND, WRITTEN = (
    0.2,
    0.23,
    0.3,
    0.6,
    0.85,
    0.9,
    0.96,
)
"""Where the steps end in the time of a job, measured on a million pixels."""

ONE_PIXEL = Window(0, 0, 1, 1)


def run(parameters: AladimParameters, context: Context) -> AladimOutputs:
    """Make the inventory of the request.

    Raises
    ------
    InputError
        An input cannot be used.
    """
    progress = context.progress
    images = open_images(parameters, context)
    wanted = wanted_area(parameters, context, grid_of(images[0]))
    ready = prepared(parameters, context, images, wanted, progress.part(0, PREPARED))
    stack = ready.stack
    try:
        training = training_of(parameters, context, stack.grid)
        if training is None:
            raise MissingInput("No samples were given.", pointer="/inputs/training_samples")
        constants = constants_of(stack, context, progress.part(PREPARED, COUNTED))
        scene = Scene(stack, schema_of(parameters, stack, ready.physical), constants)
        samples = samples_of(scene, training, parameters, progress.part(COUNTED, SAMPLED))
        progress.report(SAMPLED, "learning")
        lesson = Lesson(samples, fitted(samples, parameters))
        classifier, aim = lesson.fitted.classifier, aim_of(parameters)
        span = progress.part(LEARNED, PREDICTED)
        found = detection(scene, classifier, aim, parameters.prevalence, context, span)
        inventory = inventory_of(stack, found, parameters, context, progress.part(PREDICTED, FOUND))
        told = tuple(training.sentences(stack.grid))
        done = Done(ready, scene, lesson, found, inventory, told)
        return _published(done, parameters, context)
    finally:
        stack.close()


def schema_of(parameters: AladimParameters, stack: Stack, physical: bool) -> Schema:
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
            scale=parameters.segment_scale / 35,
            colour=parameters.segment_colour_weight,
            compactness=parameters.segment_compactness_weight,
            least_px=parameters.minimum_segment,
        ),
    )
    return schema(stack.layers(ONE_PIXEL), choice, physical=physical)


def _published(done: Done, parameters: AladimParameters, context: Context) -> AladimOutputs:
    """Write everything that was asked for."""
    progress = context.progress
    stack = done.scene.stack
    names = {
        f"IMAGES_{date.upper()}": ", ".join(
            one.image.name for one in done.ready.images if one.date is date
        )
        for date in stack.dates
    }
    span = progress.part(FOUND, WRITTEN)
    written = write_rasters(stack, done.detection, done.inventory, names, context, span)
    polygons = write_polygons(stack, done.inventory, context)
    progress.report(WRITTEN, "drawing")
    pictures = write_pictures(done, written, context)
    report = report_of(done, written, parameters)
    return write_documents(done, report, written, polygons, pictures, context)
