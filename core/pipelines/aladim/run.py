"""ALADIM: from images and samples to an inventory of landslides."""

from core.pipelines.aladim.choosing import schema_of
from core.pipelines.aladim.declaration import AladimOutputs, AladimParameters
from core.pipelines.aladim.detection import detection
from core.pipelines.aladim.documents import write_documents
from core.pipelines.aladim.images import open_images
from core.pipelines.aladim.inventory import inventory_of
from core.pipelines.aladim.lattice import grid_of
from core.pipelines.aladim.lessons import aim_of, fitted, samples_of
from core.pipelines.aladim.model import Done, Lesson
from core.pipelines.aladim.pictures import write_pictures
from core.pipelines.aladim.preparation import prepared
from core.pipelines.aladim.products import write_polygons, write_rasters
from core.pipelines.aladim.report import report_of
from core.pipelines.aladim.scan import Scene, constants_of
from core.pipelines.aladim.training import training_of, wanted_area
from core.workspace import Context

PREPARED, COUNTED, SAMPLED, LEARNED = 0.08, 0.1, 0.13, 0.8
PREDICTED, FOUND, WRITTEN = 0.9, 0.96, 0.98
"""Where the steps end in the time of a job, measured on a million pixels and twelve areas."""


def run(parameters: AladimParameters, context: Context) -> AladimOutputs:
    """Make the inventory of the request.

    Raises
    ------
    InputError
        An input cannot be used.
    """
    progress = context.progress
    images = open_images(parameters, context)
    grid = grid_of(images[0])
    training = training_of(parameters, context, grid)
    wanted = wanted_area(parameters, context, grid)
    ready = prepared(parameters, context, images, wanted, progress.part(0, PREPARED))
    stack = ready.stack
    try:
        constants = constants_of(stack, context, progress.part(PREPARED, COUNTED))
        scene = Scene(stack, schema_of(parameters, stack, physical=ready.physical), constants)
        samples = samples_of(scene, training, parameters, progress.part(COUNTED, SAMPLED))
        progress.report(SAMPLED, "learning")
        lesson = Lesson(samples, fitted(samples, parameters))
        classifier, aim = lesson.fitted.classifier, aim_of(parameters)
        span = progress.part(LEARNED, PREDICTED)
        found = detection(scene, classifier, aim, parameters.prevalence, context, span)
        inventory = inventory_of(stack, found, parameters, context, progress.part(PREDICTED, FOUND))
        told = tuple(training.sentences(grid))
        done = Done(ready, scene, lesson, found, inventory, told)
        return _published(done, parameters, context)
    finally:
        stack.close()


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
