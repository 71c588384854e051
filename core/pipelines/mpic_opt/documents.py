"""The files of a job that are read, not looked at: statistics, pairs, STAC, README, request."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import core
from core.declare import File, RasterProduct
from core.pipelines.mpic_opt.catalogue import STAC, stac_documents
from core.pipelines.mpic_opt.declaration import MpicOptOutputs, MpicOptParameters
from core.pipelines.mpic_opt.pairing import Pair
from core.pipelines.mpic_opt.products import raster_product
from core.pipelines.mpic_opt.scenes import Image
from core.pipelines.written import publish_json, publish_text
from core.report import readme
from core.report.statistics import Statistics
from core.workspace import Context

if TYPE_CHECKING:
    from core.pipelines.mpic_opt.run import PairResult

CAVEATS = (
    (
        "Displacement is the motion of the ground from the reference to the secondary image, "
        "whatever their dates, along grid east and grid north of the coordinate reference system;"
        " grid north and true north differ by the meridian convergence."
    ),
    (
        "Nothing was filled or smoothed. Where a value is missing, reasons says why; score, sigma"
        " and forward_backward are kept there, so that you can choose another threshold."
    ),
    (
        "Sigma is the noise of the matching. Shadows, crops, clouds that passed the filters, "
        "errors of the terrain model and stripes of the sensor are not in it."
    ),
    (
        "Within half a window of a fault or of the edge of a slide the measurement is a mean of "
        "both sides."
    ),
    (
        "What coregistration and deramp removed stands in statistics.json and in the correction "
        "layers. A ramp also takes part of a broad motion that fills the image."
    ),
)

CITATIONS = (
    (
        "Stumpf, A., Malet, J.-P., Delacourt, C., 2017. Correlation of satellite image time-"
        "series for the detection and monitoring of slow-moving landslides. Remote Sensing of "
        "Environment 189, 40-55. https://doi.org/10.1016/j.rse.2016.11.007 (the service whose "
        "work this one does)"
    ),
)

SENTINEL = "Contains modified Copernicus Sentinel data {years}."


def write_documents(
    parameters: MpicOptParameters,
    context: Context,
    images: Sequence[Image],
    results: "Sequence[PairResult]",
    rasters: Mapping[str, tuple[File, ...]],
    pictures: tuple[File, ...],
) -> dict[str, Any]:
    """Write the documents; each by the id of its output."""
    done = [result for result in results if result.statistics is not None]
    asked = context.sources.redacted(context.document)
    made: dict[str, Any] = {
        "statistics": publish_json(context, "statistics.json", _statistics(context, done)),
        "pairs": publish_json(context, "pairs.json", _pairs(images, results)),
        "request": publish_json(context, "request.json", asked),
    }
    for name, document in stac_documents(parameters, context, done, made).items():
        file = publish_json(context, name, document, "application/geo+json")
        if name == STAC:
            made["stac"] = file
        else:
            key = name.rpartition("/")[2].removesuffix(".json")
            made["stac_items"] = (*made.get("stac_items", ()), file.model_copy(update={"key": key}))
    files: dict[str, Any] = {**rasters, "quicklook": pictures, **made}
    text = readme.text(
        context.pipeline,
        MpicOptOutputs.model_construct(**files),
        about=_about(parameters, results),
        caveats=CAVEATS,
        citations=(*CITATIONS, *_acknowledgement(images)),
        products={
            output.id: raster_product(output, parameters.units)
            for output in context.pipeline.output_list
            if isinstance(output.product, RasterProduct)
        },
    )
    made["readme"] = publish_text(context, "README.txt", text, "text/plain", title="README")
    return made


def _statistics(context: Context, done: "Sequence[PairResult]") -> dict[str, Any]:
    return Statistics(
        process=context.pipeline.id,
        version=context.pipeline.version,
        pairs=tuple(r.statistics for r in done if r.statistics is not None),
    ).model_dump(mode="json")


def _pairs(images: Sequence[Image], results: "Sequence[PairResult]") -> dict[str, Any]:
    return {
        "scenes": [_scene(image) for image in images],
        "pairs": [_pair(result) for result in results],
    }


def _scene(image: Image) -> dict[str, Any]:
    scene = image.scene
    return {
        "name": image.name,
        "source": image.href,
        "date": scene.date.isoformat() if scene and scene.date else None,
        "sha256": scene.checksum() if scene else None,
        "status": "used" if scene else "left out",
        "problem": image.problem.as_dict() if image.problem else None,
    }


def _pair(result: "PairResult") -> dict[str, Any]:
    pair: Pair = result.pair
    return {
        "key": pair.key,
        "reference": pair.reference.name,
        "secondary": pair.secondary.name,
        "days": pair.days,
        "status": "failed" if result.problem else "successful",
        "problem": result.problem.as_dict() if result.problem else None,
    }


def _about(parameters: MpicOptParameters, results: "Sequence[PairResult]") -> list[str]:
    made = datetime.now(UTC)
    lines = [
        f"Made on {made:%Y-%m-%d} by OptiGround {core.__version__}.",
        (
            f"Preset {parameters.preset.value}: window {parameters.window} pixels, search range "
            f"{parameters.search_range:g} m, minimum score {parameters.minimum_score:g}. The whole "
            "request stands in request.json."
        ),
    ]
    for result in results:
        if result.problem:
            lines.append(f"{result.pair.key} failed: {result.problem.message}")
        elif result.statistics:
            east = result.statistics.layers["displacement_east"]
            lines.append(f"{result.pair.key}: {result.pair.title}, {east.share:.1%} measured.")
            lines.append(_grid_in_words(result))
            lines.extend(result.statistics.notes)
    return lines


def _grid_in_words(result: "PairResult") -> str:
    grid = result.grid
    assert grid is not None
    sides = " x ".join(f"{side:g}" for side in grid.pixel_size)
    return (
        f"Grid: {grid.system.name} ({grid.crs if ':' in grid.crs[:12] else 'no code'}), "
        f"{grid.shape[1]} x {grid.shape[0]} pixels of {sides}. At the centre, grid north lies "
        f"{grid.convergence_deg:.2f} degrees clockwise of true north."
    )


def _acknowledgement(images: Sequence[Image]) -> tuple[str, ...]:
    years = sorted(
        {
            image.scene.date.year
            for image in images
            if image.scene and image.scene.date and image.scene.sensor.startswith("Sentinel-2")
        }
    )
    return (SENTINEL.format(years=", ".join(map(str, years))),) if years else ()
