"""What a request would do, told from headers and metadata before any pixel is read."""

import math
import shutil
from collections.abc import Sequence
from typing import Any

from pyproj import CRS
from shapely.geometry.base import BaseGeometry

from core.errors import TooLarge
from core.geometry.bias import bias_sigma_m
from core.geometry.control import ControlResidual
from core.geometry.viewing import footprint
from core.pipelines.dsm_opt.ancillary import (
    check_masks,
    control_notes,
    control_of,
    control_residuals,
    elevation_notes,
    elevation_of,
    height_datum,
    searched_heights,
)
from core.pipelines.dsm_opt.area import Target, target_of
from core.pipelines.dsm_opt.declaration import DsmOptParameters
from core.pipelines.dsm_opt.effort import (
    Extent,
    cpu_seconds,
    extent_of,
    memory_bytes,
    result_bytes,
    scratch_bytes,
)
from core.pipelines.dsm_opt.embedded import control_misses, control_words, rms_px
from core.pipelines.dsm_opt.images import Image, open_images
from core.pipelines.dsm_opt.overlap import Overlap, overlap
from core.pipelines.dsm_opt.pairing import (
    Candidate,
    ImagePair,
    candidates_of,
    pair_warnings,
    pairs_of,
)
from core.workspace import Context

SIDE_POINTS = 4
"""Points along a side of a footprint."""

DIGITS = 7
"""Decimal places of degrees: a centimetre."""


def inspect(parameters: DsmOptParameters, context: Context) -> dict[str, Any]:
    """Images, pairs, the output's grid, what the job will take, and what is missing.

    Raises
    ------
    InputError
        What would also end the job.
    """
    images = open_images(parameters, context)
    pairs = pairs_of(parameters, images)
    target = target_of(parameters, images, pairs)
    heights = searched_heights(parameters, images)
    datum = height_datum(parameters, target)
    elevation = elevation_of(parameters, target, context)
    residuals = control_residuals(control_of(parameters, images, context), images)
    check_masks(parameters, target, context)
    commons = [_common(images, pair) for pair in pairs]
    extent = extent_of(images, pairs, commons, target, heights)
    notes = [*_missing(images, parameters), *control_notes(residuals)]
    if elevation is not None:
        notes += elevation_notes(elevation, target, heights)
    return {
        "images": [_image(image) for image in images],
        "pairs": [_pair(candidate, pairs, images) for candidate in candidates_of(images)],
        "grid": _grid(target, [common.polygon for common in commons]),
        "heights": {"minimum_m": heights[0], "maximum_m": heights[1], "datum": datum.words},
        "control_points": [_residual(residual) for residual in residuals],
        "estimate": _estimate(extent, images, parameters, context),
        "missing": notes,
    }


def _image(image: Image) -> dict[str, Any]:
    view = image.view
    misses = control_misses(view)
    outline = footprint(view.rpc, view.shape, view.rpc.height_offset, SIDE_POINTS)
    told: dict[str, Any] = {
        "number": image.number,
        "name": image.name,
        "source": image.href,
        "pointer": view.pointer,
        "sensor": view.sensor or None,
        "level": view.level or None,
        "kind": view.kind or None,
        "time": view.time.isoformat() if view.time else None,
        "rows": view.shape[0],
        "columns": view.shape[1],
        "bands": list(view.bands),
        "matched_bands": [view.bands[number - 1] for number in view.matched],
        "bits": view.bits,
        "gsd_m": _rounded(view.gsd_m, 4),
        "incidence_deg": _rounded(view.incidence_deg, 3),
        "azimuth_deg": _rounded(view.azimuth_deg, 3),
        "pointing_sigma_m": _rounded(bias_sigma_m(view.rpc, view.sensor), 2),
        "footprint": _polygon(outline),
        "footprint_height_m": view.rpc.height_offset,
        "cloud_mask": view.cloud is not None,
        "multispectral": view.colour.name if view.colour else None,
        "warnings": list(view.warnings),
    }
    if misses:
        told["embedded_control"] = {
            "text": control_words(view),
            "rms_px": _rounded(rms_px(misses), 3),
            "points": [
                {
                    "name": miss.name,
                    "row_px": _rounded(miss.row_px, 3),
                    "column_px": _rounded(miss.col_px, 3),
                }
                for miss in misses
            ],
        }
    return told


def _pair(
    candidate: Candidate, pairs: Sequence[ImagePair], images: Sequence[Image]
) -> dict[str, Any]:
    pair = candidate.pair
    told: dict[str, Any] = {
        "key": pair.key,
        "first": images[pair.first].name,
        "second": images[pair.second].name,
        "convergence_deg": _rounded(pair.convergence_deg, 3),
        "base_to_height": _rounded(pair.base_to_height, 4),
        "days": _rounded(pair.days, 4),
        "overlap": _rounded(candidate.share, 3),
        "matched": pair in pairs,
        "warnings": list(pair_warnings(pair, images)),
    }
    if candidate.problem is not None:
        told["problem"] = candidate.problem.problem().as_dict()
    return told


def _grid(target: Target, polygons: Sequence[BaseGeometry]) -> dict[str, Any]:
    """The output; without an area of interest where its ground is still unknown, about."""
    grid = target.grid
    return {
        "crs": grid.crs,
        "crs_name": CRS.from_user_input(grid.crs).name,
        "resolution_m": target.resolution,
        "rows": grid.shape[0],
        "columns": grid.shape[1],
        "bounds": list(grid.bounds),
        "exact": target.area is not None,
        "seen": [_polygon(polygon) for polygon in polygons],
    }


def _residual(residual: ControlResidual) -> dict[str, Any]:
    return {
        "name": residual.name,
        "check": residual.check,
        "distance_px": _rounded(residual.before_px, 3),
        "east_m": _rounded(residual.east_m, 3),
        "north_m": _rounded(residual.north_m, 3),
        "up_m": _rounded(residual.up_m, 3),
    }


def _missing(images: Sequence[Image], parameters: DsmOptParameters) -> list[str]:
    """What was looked for and is not there, a sentence each."""
    notes = []
    undated = [image.name for image in images if image.view.time is None]
    if undated:
        notes.append(
            f"No time is told for {', '.join(undated)}: images come in the order of the request."
        )
    if parameters.product_mask and not any(image.view.cloud for image in images):
        notes.append("No image comes with a cloud mask.")
    if parameters.colour_orthoimages and not any(image.view.colour for image in images):
        notes.append("No multispectral image was given: there will be no colour orthoimages.")
    if parameters.control_points is None:
        sigma = max(bias_sigma_m(image.view.rpc, image.view.sensor) for image in images)
        notes.append(
            "Without ground control the model as a whole lies where the images' models say, by "
            f"their makers within about {sigma:.0f} m (one sigma)."
        )
    return notes


def _estimate(
    extent: Extent, images: Sequence[Image], parameters: DsmOptParameters, context: Context
) -> dict[str, Any]:
    """What the job takes, refused where the machine has not got it.

    Raises
    ------
    TooLarge
        There is less room on the disk, or less memory, than the job needs.
    """
    results = result_bytes(extent, images, parameters)
    disk = results + scratch_bytes(extent, images, parameters)
    free = shutil.disk_usage(context.workspace.scratch).free
    if disk > free:
        raise TooLarge(
            f"The job needs about {disk / 1e9:.1f} GB of disk; {free / 1e9:.1f} GB are free.",
            value=disk,
            allowed="fewer images, a smaller area of interest, or a larger resolution",
        )
    memory = memory_bytes(context.compute.workers)
    if memory_bytes(1) > context.compute.memory:
        raise TooLarge(
            f"The job needs {memory_bytes(1) / 1e9:.1f} GB of memory; a job has "
            f"{context.compute.memory / 1e9:.1f} GB here.",
            value=memory_bytes(1),
            allowed="a server with more memory for a job",
        )
    return {
        "measured_pixels": sum(extent.matched),
        "cells": extent.cells,
        "cpu_seconds": round(cpu_seconds(extent, images, parameters)),
        "result_bytes": results,
        "disk_bytes": disk,
        "memory_bytes": memory,
    }


def _common(images: Sequence[Image], pair: ImagePair) -> Overlap:
    found = overlap(images[pair.first].view, images[pair.second].view)
    assert found is not None
    return found


def _polygon(shape: BaseGeometry) -> dict[str, Any] | None:
    """A GeoJSON polygon; None where there is none."""
    if shape.is_empty:
        return None
    ring = [[round(x, DIGITS), round(y, DIGITS)] for x, y in shape.exterior.coords]
    return {"type": "Polygon", "coordinates": [ring]}


def _rounded(value: float | None, places: int) -> float | None:
    """A number as it is told, without a negative zero; None where it is not known."""
    return None if value is None or not math.isfinite(value) else round(float(value), places) + 0.0
