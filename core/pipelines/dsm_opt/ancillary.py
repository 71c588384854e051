"""What users give besides images: heights, ground control, masks; opened, and found to fit."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from pyproj import Transformer

from core.declare import Source
from core.errors import BadControl, Inconsistent, InputError
from core.geometry.control import ControlPoint, ControlResidual, judged
from core.geometry.datum import HeightDatum
from core.geometry.rpc import Floats
from core.grid import GEOGRAPHIC
from core.io.control import ImageFrame, control_points
from core.io.elevation import ElevationPrior, open_elevation
from core.io.masks import mask_notes, user_mask
from core.io.vectors import polygons
from core.pipelines.dsm_opt.area import Target, common_heights
from core.pipelines.dsm_opt.declaration import DsmOptParameters
from core.pipelines.dsm_opt.images import Image
from core.tiling import Window
from core.workspace import Context

CONTROL = "/inputs/control_points"
MASK, WATER = "/inputs/mask", "/inputs/water"

ONE_CELL = Window(0, 0, 1, 1)

FAR_PX = 100.0
"""Pixels by which a model may miss a control point without a warning.  The pointing of the poorest
satellites is wrong by so many."""

DEM_PAD_M = 250.0
"""Metres below and above an elevation model's heights that are looked through as well: it may be
wrong by a hundred, and lacks towers, quarries and whatever is new."""

PLACES = 17
"""Along each side of the output, at which an elevation model is asked whether it knows a height."""


def searched_heights(parameters: DsmOptParameters, images: Sequence[Image]) -> tuple[float, float]:
    """The heights between which ground is looked for, metres above the ellipsoid.

    Raises
    ------
    Inconsistent
        The models of the images, or the request, leave none.
    """
    low, high = common_heights([image.view.rpc for image in images])
    if low >= high:
        raise Inconsistent(
            f"The models of the images have no height in common: one begins at {low:.0f} m, "
            f"another ends at {high:.0f} m.",
            pointer="/inputs/images",
            allowed="images of the same ground, each with the RPC of its own pixels",
        )
    lowest, highest = parameters.minimum_height, parameters.maximum_height
    if lowest is not None and lowest >= high:
        raise _no_heights("minimum_height", lowest, (low, high))
    if highest is not None and highest <= low:
        raise _no_heights("maximum_height", highest, (low, high))
    return (
        low if lowest is None else max(low, lowest),
        high if highest is None else min(high, highest),
    )


def _no_heights(name: str, value: float, known: tuple[float, float]) -> Inconsistent:
    return Inconsistent(
        f"{name} is {value:g} m; the models of the images are made for heights from "
        f"{known[0]:.0f} to {known[1]:.0f} m.",
        pointer=f"/inputs/{name}",
        value=value,
        allowed=f"heights from {known[0]:.0f} to {known[1]:.0f} m",
    )


def height_datum(parameters: DsmOptParameters, target: Target) -> HeightDatum:
    """What the results' heights are counted from, its grid found.

    Raises
    ------
    GridMissing, UnknownDatum
        Heights above it cannot be computed here.
    """
    try:
        return HeightDatum(parameters.datum, target.bounds)
    except InputError as error:
        error.pointer = "/inputs/datum"
        raise


def elevation_of(
    parameters: DsmOptParameters, target: Target, context: Context
) -> ElevationPrior | None:
    """The user's elevation model; None where none was given."""
    path = fetched(parameters.dem, "/inputs/dem", context)
    if path is None:
        return None
    return open_elevation(
        path,
        target.bounds,
        datum=parameters.dem_datum,
        pointer="/inputs/dem",
        datum_pointer="/inputs/dem_datum",
    )


def control_of(
    parameters: DsmOptParameters, images: Sequence[Image], context: Context
) -> tuple[ControlPoint, ...]:
    """The user's ground control.

    Raises
    ------
    BadControl
        Among others: a point lies where an image that shows it has no model.
    """
    path = fetched(parameters.control_points, CONTROL, context)
    if path is None:
        return ()
    frames = [ImageFrame(image.name, image.view.shape) for image in images]
    points = control_points(path, frames, pointer=CONTROL)
    for point in points:
        for image, row in zip(images, point.row, strict=True):
            seen = image.view.rpc.project(point.lon, point.lat, point.height)
            if row is not None and not bool(seen.inside):
                raise BadControl(
                    f"Ground control points: {point.name} at longitude {point.lon:g}, latitude "
                    f"{point.lat:g}, height {point.height:g} m above the ellipsoid is not where "
                    f"{image.name} looks. Are longitude and latitude swapped?",
                    pointer=CONTROL,
                    allowed="points on the ground that the image shows",
                )
    return points


def control_residuals(
    control: Sequence[ControlPoint], images: Sequence[Image]
) -> tuple[ControlResidual, ...]:
    """What the delivered models make of ground control."""
    rpcs = [image.view.rpc for image in images]
    return tuple(judged(rpcs, rpcs, point) for point in control)


def control_notes(residuals: Sequence[ControlResidual]) -> list[str]:
    """What the user should know of ground control, a sentence each."""
    far = [residual for residual in residuals if residual.before_px > FAR_PX]
    notes = [
        f"The models miss {residual.name} by {residual.before_px:.0f} pixels: is its place in the "
        "images, its datum or its origin right?"
        for residual in far[:3]
    ]
    if len(far) > 3:
        notes.append(f"{len(far) - 3} more ground control points are missed by as much.")
    if residuals and all(residual.check for residual in residuals):
        notes.append("All ground control points are held out: the model is not tied to them.")
    return notes


def narrowed_heights(
    heights: tuple[float, float], prior: ElevationPrior | None, target: Target
) -> tuple[float, float]:
    """The heights between which ground is looked for, as far as an elevation model narrows them.

    One that knows only part of the output, or that lies outside of all heights that may be, narrows
    nothing.
    """
    if prior is None:
        return heights
    lon, lat = _places(target)
    found = prior.range(lon, lat)
    if found is None or not np.isfinite(prior.sampled(lon, lat)).all():
        return heights
    low, high = max(heights[0], found.low - DEM_PAD_M), min(heights[1], found.high + DEM_PAD_M)
    return (low, high) if low < high else heights


def elevation_notes(
    prior: ElevationPrior, target: Target, heights: tuple[float, float]
) -> list[str]:
    """What the user should know of an elevation model, a sentence each."""
    lon, lat = _places(target)
    known = np.isfinite(prior.sampled(lon, lat))
    if not known.any():
        return ["The elevation model has no heights in the area, and is of no use."]
    found = prior.range(lon, lat)
    notes = []
    if not known.all():
        share = 100 * known.mean()
        notes.append(
            f"The elevation model has heights in {share:.0f} % of the area: it does not narrow the "
            "search."
        )
    if found is not None and (found.high < heights[0] or found.low > heights[1]):
        notes.append(
            f"The heights of the elevation model, {found.low:.0f} to {found.high:.0f} m above the "
            "ellipsoid, lie outside of those that the images' models are made for: is its datum "
            "right?"
        )
    return notes


def _places(target: Target) -> tuple[Floats, Floats]:
    """Places all over the output, degrees."""
    west, south, east, north = target.grid.bounds
    x, y = np.meshgrid(np.linspace(west, east, PLACES), np.linspace(south, north, PLACES))
    project = Transformer.from_crs(target.grid.crs, GEOGRAPHIC, always_xy=True)
    lon, lat = project.transform(x, y)
    return np.asarray(lon), np.asarray(lat)


def check_masks(parameters: DsmOptParameters, target: Target, context: Context) -> tuple[str, ...]:
    """Look at the masks, so that a bad one is told before the work; what was repaired in them."""
    notes: tuple[str, ...] = ()
    mask = fetched(parameters.mask, MASK, context)
    if mask is not None:
        user_mask(mask, target.grid, ONE_CELL, pointer=MASK)
        notes += mask_notes(mask, target.grid.crs, pointer=MASK)
    water = fetched(parameters.water, WATER, context)
    if water is not None:
        polygons(water, target.grid.crs, pointer=WATER)
        notes += mask_notes(water, target.grid.crs, pointer=WATER)
    return notes


def fetched(source: Source | None, pointer: str, context: Context) -> Path | None:
    """A file that the request may name, on this machine; None where it names none."""
    return None if source is None else context.sources.fetch(source, pointer)
