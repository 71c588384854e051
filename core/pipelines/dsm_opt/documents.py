"""The files of a job that are read, not looked at: report, STAC, README, request."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import core
from core.declare import File
from core.pipelines.drawing import beside_page
from core.pipelines.dsm_opt.catalogue import STAC, stac_document
from core.pipelines.dsm_opt.declaration import DsmOptOutputs, DsmOptParameters
from core.pipelines.dsm_opt.model import Model
from core.pipelines.dsm_opt.orthos import Orthos
from core.pipelines.dsm_opt.report import surface_report
from core.pipelines.written import Written, publish_json, publish_text
from core.report import readme
from core.report.surface_page import page
from core.workspace import Context

CAVEATS = (
    (
        "The model holds the surface: roofs, trees, cars. Where a cell has no height, reasons says"
        " why; dsm itself is never filled."
    ),
    (
        "dsm_error is the noise of the matching and of the geometry. What all heights have in "
        "common (an error of the sensor models along the line of sight, the datum) is not in it: "
        "the report says how large it may be, and what no measurement determines."
    ),
    (
        "intersection_error sees only errors across the direction in which the images differ. A "
        "wrong match along it moves the height and leaves no trace there."
    ),
    (
        "Water, moving cars, crops and shadows that changed between the images may match by chance;"
        " a low score and a high dsm_error are signs of it."
    ),
    (
        "Beside walls the ground may be hidden from one of the images; such cells are empty, or "
        "their heights are more uncertain."
    ),
)

CITATIONS = (
    (
        "Hirschmüller, H., 2008. Stereo processing by semiglobal matching and mutual information. "
        "IEEE Transactions on Pattern Analysis and Machine Intelligence 30(2), 328-341. "
        "https://doi.org/10.1109/TPAMI.2007.1166 (the matching)"
    ),
    (
        "Grodecki, J., Dial, G., 2003. Block adjustment of high-resolution satellite images "
        "described by rational polynomials. Photogrammetric Engineering & Remote Sensing 69(1), "
        "59-68. https://doi.org/10.14358/PERS.69.1.59 (the refinement of the sensor models)"
    ),
)


def write_documents(
    model: Model,
    written: Mapping[str, Written],
    orthos: Orthos,
    cloud: File | None,
    pictures: Sequence[File],
    parameters: DsmOptParameters,
    context: Context,
) -> DsmOptOutputs:
    """Write the documents; everything that was made, by the ids of the outputs."""
    report = surface_report(model, written, parameters, context)
    asked = context.sources.redacted(context.document)
    html = page(report, *beside_page(pictures, context))
    made: dict[str, File] = {
        "report": publish_json(context, "report.json", report.model_dump(mode="json")),
        "report_page": publish_text(context, "report.html", html, "text/html"),
        "request": publish_json(context, "request.json", asked),
    }
    if cloud is not None:
        made["point_cloud"] = cloud
    item = stac_document(model, written, orthos, pictures, made, context)
    files: dict[str, Any] = {
        **{name: one.file for name, one in written.items()},
        **made,
        "quicklook": tuple(pictures),
        "orthoimages": orthos.images,
        "ortho_best": orthos.best,
        "stac": publish_json(context, STAC, item, "application/geo+json"),
    }
    text = readme.text(
        context.pipeline,
        DsmOptOutputs.model_construct(**files),
        about=_about(model, report.coverage.share, orthos),
        caveats=CAVEATS,
        citations=CITATIONS,
    )
    files["readme"] = publish_text(context, "README.txt", text, "text/plain")
    return DsmOptOutputs(**files)


def _about(model: Model, share: float, orthos: Orthos) -> list[str]:
    grid, resolution = model.target.grid, model.target.resolution
    return [
        f"Made on {datetime.now(UTC):%Y-%m-%d} by OptiGround {core.__version__}.",
        f"Images: {', '.join(image.name for image in model.images)}.",
        *(
            f"Pair {pair.key}: convergence {pair.convergence_deg:.1f} degrees, base to height "
            f"{pair.base_to_height:.3f}."
            for pair in model.pairs
        ),
        (
            f"Grid: {grid.system.name}, {grid.shape[1]} x {grid.shape[0]} cells of {resolution:g} "
            f"m. Heights above {model.datum.words}."
        ),
        f"{share:.1%} of the wanted cells have a height.",
        *model.notes,
        *orthos.notes,
    ]
