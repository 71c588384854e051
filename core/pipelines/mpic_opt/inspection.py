"""What a request would do, told from the headers of its images before any pixel is read."""

import shutil
from collections.abc import Sequence
from typing import Any

from core.errors import InputError, TooLarge
from core.io.masks import user_mask
from core.io.products import Scene
from core.pipelines.mpic_opt.declaration import MpicOptParameters
from core.pipelines.mpic_opt.effort import (
    BASE_BYTES,
    Extent,
    cpu_seconds,
    matching_options,
    result_bytes,
    scratch_bytes,
    tile_bytes,
    tile_side,
)
from core.pipelines.mpic_opt.lattice import Lattice, lattice_of, same_lattice, warp_window
from core.pipelines.mpic_opt.mixing import check_clouds, mixing_warnings
from core.pipelines.mpic_opt.pairing import Pair, check_rate, pairs_of
from core.pipelines.mpic_opt.scenes import Image, open_images
from core.pipelines.mpic_opt.selection import wanted_layers
from core.tiling import Window
from core.workspace import Context

ONE_PIXEL = Window(0, 0, 1, 1)


def inspect(parameters: MpicOptParameters, context: Context) -> dict[str, Any]:
    """Images, pairs, and what the job will take.

    Raises
    ------
    InputError
        What would also end the job.
    """
    images = open_images(parameters, context)
    pairs = pairs_of(parameters, images)
    _check_mask(parameters, pairs[0], context)
    described = [_pair(pair, parameters) for pair in pairs]
    if all("problem" in pair for pair in described):
        # None of them can be measured: what is wrong with the first is the answer.
        _common(pairs[0], parameters)
    good = [p for p, told in zip(pairs, described, strict=True) if "problem" not in told]
    return {
        "images": [_image(image) for image in images],
        "pairs": described,
        "estimate": _estimate(good, images, parameters, context),
    }


def _check_mask(parameters: MpicOptParameters, pair: Pair, context: Context) -> None:
    """Read a pixel of the user's mask, so that a bad one is told before the work."""
    if parameters.mask is not None:
        path = context.sources.fetch(parameters.mask, "/inputs/mask")
        user_mask(path, scenes_of(pair)[0].grid, ONE_PIXEL, pointer="/inputs/mask")


def _image(image: Image) -> dict[str, Any]:
    told: dict[str, Any] = {"source": image.href, "pointer": image.pointer, "name": image.name}
    if image.scene is None:
        return told | {"problem": image.problem.as_dict() if image.problem else None}
    scene = image.scene
    return told | {
        "date": scene.date.isoformat() if scene.date else None,
        "sensor": scene.sensor or None,
        "level": scene.level or None,
        "tile": scene.tile or None,
        "relative_orbit": scene.orbit,
        "baseline": scene.baseline or None,
        "band": scene.band_name,
        "rows": scene.grid.shape[0],
        "columns": scene.grid.shape[1],
        "pixel_size_m": [size * scene.unit_metres for size in scene.grid.pixel_size],
        "crs": scene.grid.system.name,
        "bounds": list(scene.grid.bounds),
        "cloud_layer": scene.cloud.text if scene.cloud else None,
        "warnings": list(scene.warnings),
    }


def _pair(pair: Pair, parameters: MpicOptParameters) -> dict[str, Any]:
    told: dict[str, Any] = {
        "key": pair.key,
        "reference": pair.reference.name,
        "secondary": pair.secondary.name,
        "days": pair.days,
    }
    try:
        return told | _common(pair, parameters)
    except InputError as error:
        return told | {"problem": error.problem().as_dict()}


def _common(pair: Pair, parameters: MpicOptParameters) -> dict[str, Any]:
    reference, secondary = scenes_of(pair)
    check_rate(parameters, pair)
    check_clouds(parameters, reference, secondary)
    matching_options(parameters, reference, 1.0)
    extent = _extent(pair, parameters)
    lattice = _lattice(reference, secondary, parameters)
    rows, cols = lattice.grid.decimate(parameters.step).shape
    return {
        "rows": lattice.window.height,
        "columns": lattice.window.width,
        "output_rows": rows,
        "output_columns": cols,
        "resampled": extent.warped > 0,
        "warnings": mixing_warnings(reference, secondary),
    }


def _lattice(reference: Scene, secondary: Scene, parameters: MpicOptParameters) -> Lattice:
    """The common ground; of an image that has to be warped, that of its footprint."""
    grid = secondary.grid
    if not same_lattice(reference, secondary):
        grid = reference.grid.crop(warp_window(reference, secondary, parameters.aoi, 0))
    return lattice_of(reference, grid, parameters.aoi, parameters.window or 0)


def _extent(pair: Pair, parameters: MpicOptParameters) -> Extent:
    reference, secondary = scenes_of(pair)
    lattice = _lattice(reference, secondary, parameters)
    rows, cols = lattice.grid.decimate(parameters.step).shape
    measured = lattice.window.height * lattice.window.width
    warped = 0 if same_lattice(reference, secondary) else measured
    return Extent(measured, rows * cols, warped)


def scenes_of(pair: Pair) -> tuple[Scene, Scene]:
    """Both scenes of a pair of usable images."""
    assert pair.reference.scene is not None
    assert pair.secondary.scene is not None
    return pair.reference.scene, pair.secondary.scene


def _estimate(
    pairs: Sequence[Pair], images: Sequence[Image], parameters: MpicOptParameters, context: Context
) -> dict[str, Any]:
    """What the job takes, refused where the disk has not got it.

    Raises
    ------
    TooLarge
        There is less room on the disk, or less memory, than the job needs.
    """
    extents = [_extent(pair, parameters) for pair in pairs]
    layers = len(wanted_layers(parameters))
    options = matching_options(parameters, scenes_of(pairs[0])[0], 1.0)
    side = tile_side(options, context.compute)
    used = {image.number for pair in pairs for image in (pair.reference, pair.secondary)}
    staged = [i.scene for i in images if i.scene is not None and i.number in used]
    results = result_bytes(extents, layers)
    disk = results + scratch_bytes(staged, extents)
    free = shutil.disk_usage(context.workspace.scratch).free
    if disk > free:
        raise TooLarge(
            f"The job needs about {disk / 1e9:.1f} GB of disk; {free / 1e9:.1f} GB are free.",
            value=disk,
            allowed="fewer scenes or pairs, a smaller area of interest, or a larger step",
        )
    return {
        "measured_pixels": sum(extent.measured for extent in extents),
        "cpu_seconds": round(cpu_seconds(extents, options, layers, side)),
        "result_bytes": results,
        "disk_bytes": disk,
        "memory_bytes": BASE_BYTES + context.compute.workers * tile_bytes(side, options),
    }
