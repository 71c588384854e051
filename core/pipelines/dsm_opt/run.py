"""DSM-OPT: from images in sensor geometry to a surface model."""

from collections.abc import Sequence

from core.pipelines.dsm_opt.ancillary import (
    MASK,
    WATER,
    check_masks,
    control_notes,
    control_of,
    control_residuals,
    elevation_notes,
    elevation_of,
    fetched,
    height_datum,
    narrowed_heights,
    searched_heights,
)
from core.pipelines.dsm_opt.area import target_of
from core.pipelines.dsm_opt.declaration import DsmOptOutputs, DsmOptParameters
from core.pipelines.dsm_opt.documents import write_documents
from core.pipelines.dsm_opt.images import open_images
from core.pipelines.dsm_opt.matching import stereopairs
from core.pipelines.dsm_opt.model import Model
from core.pipelines.dsm_opt.orthos import write_orthos
from core.pipelines.dsm_opt.pairing import pair_warnings, pairs_of
from core.pipelines.dsm_opt.pictures import write_pictures
from core.pipelines.dsm_opt.pointcloud import write_point_cloud
from core.pipelines.dsm_opt.preparation import Prepared, prepared
from core.pipelines.dsm_opt.products import write_products
from core.pipelines.dsm_opt.sighting import Stereopair
from core.pipelines.dsm_opt.surface import surface_of
from core.pipelines.dsm_opt.tiles import Job
from core.workspace import Context

PREPARED, COMPARED, MATCHED, WRITTEN, ORTHOS, CLOUD = 0.15, 0.18, 0.75, 0.85, 0.95, 0.98
"""Where the steps end in the time of a job, measured on a pair and a triplet."""


def run(parameters: DsmOptParameters, context: Context) -> DsmOptOutputs:
    """Make the surface model of the request.

    Raises
    ------
    InputError
        An input cannot be used.
    NothingMeasured
        Nothing could be matched.
    """
    images = open_images(parameters, context)
    pairs = pairs_of(parameters, images)
    target = target_of(parameters, images, pairs)
    datum = height_datum(parameters, target)
    elevation = elevation_of(parameters, target, context)
    heights = narrowed_heights(searched_heights(parameters, images), elevation, target)
    control = control_of(parameters, images, context)
    masked = check_masks(parameters, target, context)
    progress = context.progress
    span = progress.part(0, PREPARED)
    ready = prepared(parameters, context, images, pairs, target, heights, span, control)
    workers, span = context.compute.workers, progress.part(PREPARED, COMPARED)
    matched = stereopairs(parameters, images, pairs, ready, workers, span)
    job = _job(parameters, context, matched, ready)
    surface, between = surface_of(job, context, progress.part(COMPARED, MATCHED))
    try:
        rpcs = [eye.rpc for eye in ready.eyes]
        notes = [w for image in images for w in image.view.warnings]
        notes += [w for pair in pairs for w in pair_warnings(pair, images)]
        notes += control_notes(control_residuals(control, images))
        notes += masked
        if elevation is not None:
            notes += elevation_notes(elevation, target, heights)
        told = tuple(dict.fromkeys([*notes, *ready.notes]))
        model = Model(
            images, pairs, ready.target, datum, surface, rpcs, ready.report, between, told
        )
        return _published(model, ready, parameters, context)
    finally:
        surface.close()


def _job(
    parameters: DsmOptParameters, context: Context, pairs: Sequence[Stereopair], ready: Prepared
) -> Job:
    return Job(
        target=ready.target,
        ground=ready.ground,
        eyes=ready.eyes,
        pairs=pairs,
        mask=fetched(parameters.mask, MASK, context),
        water=fetched(parameters.water, WATER, context),
        minimum_patch=parameters.minimum_patch,
        point_cloud=parameters.point_cloud,
    )


def _published(
    model: Model, ready: Prepared, parameters: DsmOptParameters, context: Context
) -> DsmOptOutputs:
    """Write everything that was asked for."""
    progress = context.progress
    written = write_products(model, parameters, context, progress.part(MATCHED, WRITTEN))
    orthos = write_orthos(model, ready.eyes, parameters, context, progress.part(WRITTEN, ORTHOS))
    cloud = write_point_cloud(model, parameters, context, progress.part(ORTHOS, CLOUD))
    progress.report(CLOUD, "drawing")
    pictures = write_pictures(model, written, orthos, context)
    return write_documents(model, written, orthos, cloud, pictures, parameters, context)
