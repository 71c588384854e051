"""The accuracy report of a surface model, from what its steps have found."""

import math
from collections.abc import Iterator, Mapping

import numpy as np
from numpy.typing import NDArray
from pyproj import Transformer

from core.geometry.adjustment import Report
from core.geometry.block_report import NORMAL
from core.grid import GEOGRAPHIC
from core.io.elevation import ElevationPrior
from core.pipelines.dsm_opt.ancillary import elevation_of
from core.pipelines.dsm_opt.declaration import DsmOptParameters
from core.pipelines.dsm_opt.model import Model
from core.pipelines.written import Written
from core.reasons import TEXT, Reason
from core.report.statistics import ReasonCounter
from core.report.surface import (
    Adjustment,
    Agreement,
    ControlRecord,
    Coverage,
    ElevationDifference,
    ErrorFigures,
    GridRecord,
    ImageAdjustment,
    ImageRecord,
    PairAdjustment,
    PairRecord,
    ReasonShare,
    SurfaceReport,
    UnknownDirection,
)
from core.tiling import tiles
from core.workspace import Context

SIDE = 1024
"""Rows and columns that are compared with an elevation model at once."""

SAMPLE = 1_000_000
"""Cells from which percentiles are taken, about."""


def surface_report(
    model: Model, written: Mapping[str, Written], parameters: DsmOptParameters, context: Context
) -> SurfaceReport:
    """How good a model is, as far as its own images and what was given besides tell."""
    elevation = elevation_of(parameters, model.target, context)
    return SurfaceReport(
        process=context.pipeline.id,
        version=context.pipeline.version,
        images=tuple(_images(model)),
        pairs=tuple(map(PairRecord.model_validate, model.pairs)),
        grid=_grid(model),
        adjustment=None if model.report is None else _adjustment(model.report),
        layers={name: one.summary for name, one in written.items() if one.summary is not None},
        coverage=_coverage(model),
        dsm_error=_figures(model, "error"),
        intersection_error=_figures(model, "intersection"),
        agreement=tuple(map(Agreement.model_validate, model.between)),
        elevation=None if elevation is None else _difference(model, elevation),
        notes=tuple(model.notes),
    )


def _images(model: Model) -> Iterator[ImageRecord]:
    for image in model.images:
        view = image.view
        yield ImageRecord(
            number=image.number,
            name=image.name,
            sensor=view.sensor,
            time=None if view.time is None else view.time.isoformat(),
            gsd_m=view.gsd_m,
            azimuth_deg=view.azimuth_deg,
            incidence_deg=view.incidence_deg,
            source=image.href,
        )


def _grid(model: Model) -> GridRecord:
    grid = model.target.grid
    return GridRecord(
        crs=grid.system.name,
        resolution_m=model.target.resolution,
        rows=grid.shape[0],
        columns=grid.shape[1],
        heights_above=model.datum.words,
        transformation=model.datum.transformation,
    )


def _adjustment(report: Report) -> Adjustment:
    return Adjustment(
        tie_points=report.points,
        rejected=report.rejected,
        images=tuple(map(ImageAdjustment.model_validate, report.images)),
        pairs=tuple(map(PairAdjustment.model_validate, report.pairs)),
        control=tuple(map(ControlRecord.model_validate, report.control)),
        unknown=tuple(map(UnknownDirection.model_validate, report.directions)),
        horizontal_sigma_m=report.model.horizontal_m,
        vertical_sigma_m=report.model.vertical_m,
        tilt_sigma_m_per_km=report.model.tilt_m_per_km,
    )


def _coverage(model: Model) -> Coverage:
    counter = ReasonCounter()
    wanted = measured = 0
    pairs = np.zeros(256, np.int64)
    for tile in tiles(model.target.grid.shape, SIDE):
        reasons = model.surface.read("reasons", tile.core)
        inside = (reasons & np.uint16(Reason.OUTSIDE)) == 0
        counter.add(reasons[inside])
        known = inside & np.isfinite(model.surface.read("height", tile.core))
        pairs += np.bincount(model.surface.read("pairs", tile.core)[known], minlength=256)
        wanted += int(inside.sum())
        measured += int(known.sum())
    shares = sorted(counter.shares().items(), key=lambda item: -item[1])
    words = {str(reason.name).lower(): text for reason, text in TEXT.items()}
    return Coverage(
        wanted=wanted,
        measured=measured,
        share=measured / max(wanted, 1),
        reasons=tuple(
            ReasonShare(reason=name, text=words[name], share=share) for name, share in shares
        ),
        contributing_pairs={int(n): int(pairs[n]) / measured for n in np.flatnonzero(pairs)},
    )


def _figures(model: Model, name: str) -> ErrorFigures:
    """Of a plane, over the cells that have a height."""
    stride = _stride(model)
    found = [np.empty(0, np.float32)]
    for tile in tiles(model.target.grid.shape, _side(stride)):
        values = model.surface.read(name, tile.core)[::stride, ::stride]
        height = model.surface.read("height", tile.core)[::stride, ::stride]
        found.append(values[np.isfinite(values) & np.isfinite(height)])
    values = np.concatenate(found)
    if not values.size:
        return ErrorFigures(median_m=None, p90_m=None)
    middle, high = np.percentile(values, (50, 90))
    return ErrorFigures(median_m=float(middle), p90_m=float(high))


def _stride(model: Model) -> int:
    """Every how many cells percentiles look; from the grid alone."""
    rows, cols = model.target.grid.shape
    return max(1, math.ceil(math.sqrt(rows * cols / SAMPLE)))


def _side(stride: int) -> int:
    """Side of a piece that keeps the lattice of the sample."""
    return max(SIDE // stride, 1) * stride


def _difference(model: Model, elevation: ElevationPrior) -> ElevationDifference | None:
    """The surface less an elevation model, both above the ellipsoid."""
    found = np.concatenate([*_differences(model, elevation), np.empty(0)])
    if not found.size:
        return None
    low, middle, high = np.percentile(found, (5, 50, 95))
    return ElevationDifference(
        cells=int(found.size),
        median_m=float(middle),
        nmad_m=float(NORMAL * np.median(np.abs(found - middle))),
        p5_m=float(low),
        p95_m=float(high),
    )


def _differences(model: Model, elevation: ElevationPrior) -> Iterator[NDArray[np.float64]]:
    grid = model.target.grid
    stride = _stride(model)
    project = Transformer.from_crs(grid.crs, GEOGRAPHIC, always_xy=True)
    for tile in tiles(grid.shape, _side(stride)):
        height = model.surface.read("height", tile.core)[::stride, ::stride]
        x, y = (axis[::stride, ::stride] for axis in grid.crop(tile.core).centres())
        known = np.isfinite(height)
        lon, lat = project.transform(x[known], y[known])
        difference = height[known] - elevation.sampled(lon, lat)
        yield difference[np.isfinite(difference)]
