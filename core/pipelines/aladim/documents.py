"""The files of a job that are read, not looked at: report, STAC, README, request."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import core
from core.declare import File
from core.io.records import Asset, Origin, stac_item
from core.pipelines.aladim.declaration import AladimOutputs
from core.pipelines.aladim.model import Done
from core.pipelines.drawing import beside_page
from core.pipelines.written import Written, publish_json, publish_text
from core.report import readme
from core.report.landslides import LandslideReport
from core.report.landslides_page import page
from core.roles import Role
from core.workspace import Context

STAC = "stac.json"
IDENTIFIER = "landslides"

CAVEATS = (
    (
        "Scores hold for the mapped areas and the share of landslides in them; where other things "
        "were laid bare (fields, clear-cuts, river bars), there are more false alarms."
    ),
    (
        "Landslides smaller than a few pixels, under cloud, in shadow, or on ground that was bare "
        "before are missed. Where nothing is known, reasons says why."
    ),
    (
        "Outlines follow the sides of pixels: a perimeter on a slanting side is up to 1.41 times "
        "as long as a smooth one."
    ),
    (
        "Length, drop and reach angle come from the elevation model as it was before or after the "
        "event, and from the outline: a slide whose end was missed is too short."
    ),
)

CITATIONS = (
    (
        "Stumpf, A., Kerle, N., 2011. Object-oriented mapping of landslides using Random Forests. "
        "Remote Sensing of Environment 115(10), 2564-2577. "
        "https://doi.org/10.1016/j.rse.2011.05.013 (the approach)"
    ),
    (
        "Breiman, L., 2001. Random forests. Machine Learning 45, 5-32. "
        "https://doi.org/10.1023/A:1010933404324 (the classifier)"
    ),
)


def write_documents(
    done: Done,
    report: LandslideReport,
    written: Mapping[str, Written],
    polygons: Mapping[str, File],
    pictures: Sequence[File],
    context: Context,
) -> AladimOutputs:
    """Write the documents; everything that was made, by the ids of the outputs."""
    asked = context.sources.redacted(context.document)
    html = page(report, *beside_page(pictures, context))
    made: dict[str, File] = {
        **polygons,
        "report": publish_json(context, "report.json", report.model_dump(mode="json")),
        "report_page": publish_text(context, "report.html", html, "text/html"),
        "request": publish_json(context, "request.json", asked),
    }
    item = _item(done, written, made, pictures, context)
    files: dict[str, Any] = {
        **{name: one.file for name, one in written.items()},
        **made,
        "quicklook": tuple(pictures),
        "stac": publish_json(context, STAC, item, "application/geo+json"),
    }
    text = readme.text(
        context.pipeline,
        AladimOutputs.model_construct(**files),
        about=list(_about(report)),
        caveats=CAVEATS,
        citations=CITATIONS,
    )
    files["readme"] = publish_text(context, "README.txt", text, "text/plain")
    return AladimOutputs(**files)


def _about(report: LandslideReport) -> Iterator[str]:
    yield f"Made on {datetime.now(UTC):%Y-%m-%d} by OptiGround {core.__version__}."
    for one in report.images:
        yield f"Image {one.date}: {one.name}{f' of {one.day}' if one.day else ''}."
    found = report.inventory
    yield f"{found.landslides} landslides on {found.area_m2 / 1e6:.4g} km². From: {report.mode}."
    yield from report.notes
    yield from report.polygons


def _item(
    done: Done,
    written: Mapping[str, Written],
    made: Mapping[str, File],
    pictures: Sequence[File],
    context: Context,
) -> dict[str, Any]:
    listed = {output.id: output for output in context.pipeline.output_list}
    days = sorted(one.image.date for one in done.ready.images if one.image.date is not None)
    assets = [
        *(Asset.of(listed[name], one.file) for name, one in written.items()),
        *(Asset.picture(listed["quicklook"], file) for file in pictures),
        *(Asset.of(listed[name], file) for name, file in made.items()),
    ]
    return stac_item(
        IDENTIFIER,
        STAC,
        pipeline=context.pipeline,
        grid=done.scene.stack.grid,
        days=(days[0], days[-1]) if days else (None, None),
        created=datetime.now(UTC),
        assets=assets,
        origins=list(_origins(done)),
        title="Landslides",
        properties={"optiground:landslides": len(done.inventory.landslides)},
        job=context.job_link,
    )


def _origins(done: Done) -> Iterator[Origin]:
    for one in done.ready.images:
        yield Origin(one.href, one.image.name, one.image.bands[Role.RED].scene.checksum())
