"""What a request would do, told from the headers of its images before any pixel is read."""

from typing import Any

from core.compute import MIB
from core.errors import BandMissing, InputError, OptiGroundError
from core.io.products import Scene
from core.pipelines.mpic_opt.declaration import CloudMask, MpicOptParameters
from core.pipelines.mpic_opt.lattice import lattice_of, same_lattice
from core.pipelines.mpic_opt.pairing import Pair, pairs_of
from core.pipelines.mpic_opt.scenes import Image, open_images
from core.pipelines.mpic_opt.selection import wanted_layers
from core.workspace import Context

PLANE_BYTES = 6 * 4 + 2 * 2
"""Bytes of scratch per measured pixel: six planes of float32, two of bits."""

IMAGE_BYTES = 2 * 2
"""Bytes of scratch per pixel for staged copies of both images."""

COMPRESSED = 0.6
"""Size of a result over its size in memory, on measured maps."""

SECONDS_PER_MPX = 1.7
"""CPU seconds for a million measured pixels with all default outputs, measured on full tiles."""


def inspect(parameters: MpicOptParameters, context: Context) -> dict[str, Any]:
    """Images, pairs, and what the job will take.

    Raises
    ------
    InputError
        What would also end the job.
    """
    images = open_images(parameters, context)
    pairs = pairs_of(parameters, images)
    described = [_pair(pair, parameters) for pair in pairs]
    usable = [pair for pair in described if "problem" not in pair]
    if not usable:
        _raise_first(pairs, parameters)
    pixels = sum(pair["rows"] * pair["columns"] for pair in usable)
    return {
        "images": [_image(image) for image in images],
        "pairs": described,
        "estimate": _estimate(pixels, max(p["rows"] * p["columns"] for p in usable), parameters),
    }


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
    check_clouds(parameters, reference, secondary)
    if not same_lattice(reference, secondary):
        # It will be warped onto the reference's grid; only its footprint can be told now.
        grid, resampled = reference.grid, True
    else:
        grid, resampled = secondary.grid, False
    lattice = lattice_of(reference, grid, parameters.aoi, parameters.window or 0)
    rows, cols = lattice.grid.decimate(parameters.step).shape
    return {
        "rows": lattice.window.height,
        "columns": lattice.window.width,
        "output_rows": rows,
        "output_columns": cols,
        "resampled": resampled,
        "warnings": mixing_warnings(reference, secondary),
    }


def scenes_of(pair: Pair) -> tuple[Scene, Scene]:
    """Both scenes of a pair of usable images."""
    assert pair.reference.scene is not None
    assert pair.secondary.scene is not None
    return pair.reference.scene, pair.secondary.scene


def check_clouds(parameters: MpicOptParameters, *scenes: Scene) -> None:
    """Refuse cloud_mask product where no image has a cloud layer."""
    if parameters.cloud_mask is CloudMask.PRODUCT and all(s.cloud is None for s in scenes):
        raise BandMissing(
            f"Neither {scenes[0].name} nor {scenes[1].name} has a cloud layer.",
            pointer="/inputs/cloud_mask",
            value=parameters.cloud_mask.value,
            allowed="auto, none or user; or Sentinel-2 products with their masks",
        )


def mixing_warnings(reference: Scene, secondary: Scene) -> list[str]:
    """Differences between two products that leave traces in the displacement."""
    differences = {
        "orbit": "relative orbits differ: errors of the terrain model show up as displacement, "
        "up to several pixels in mountains",
        "level": "processing levels differ: relief shading differs between them",
        "tile": "tiles differ",
        "band_name": "bands differ",
    }
    found = []
    for name, meaning in differences.items():
        first, last = getattr(reference, name), getattr(secondary, name)
        if first and last and first != last:
            found.append(f"{first} and {last}: {meaning}.")
    return found


def _estimate(pixels: int, largest: int, parameters: MpicOptParameters) -> dict[str, Any]:
    layers = len(wanted_layers(parameters))
    result = int(COMPRESSED * 4 * layers * pixels / parameters.step**2)
    scratch = largest * (PLANE_BYTES + IMAGE_BYTES) + 2 * 4 * largest // parameters.step**2
    return {
        "measured_pixels": pixels,
        "cpu_seconds": round(5 + SECONDS_PER_MPX * pixels / 1e6),
        "result_bytes": result,
        "disk_bytes": result + scratch,
        "memory_bytes": min(1536 * MIB, 400 * MIB + 300 * largest),
    }


def _raise_first(pairs: tuple[Pair, ...], parameters: MpicOptParameters) -> None:
    """Raise what is wrong with the first pair; none of them can be measured."""
    problem: OptiGroundError | None = None
    try:
        _common(pairs[0], parameters)
    except InputError as error:
        problem = error
    assert problem is not None
    raise problem
