"""A surface model described as a STAC item."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from core.declare import File, Output, RasterProduct
from core.grid import Grid
from core.io.checksum import checksum
from core.io.products.stereo import View
from core.io.records import Asset, Origin, stac_item
from core.pipelines.dsm_opt.model import Model
from core.pipelines.dsm_opt.orthos import Orthos
from core.pipelines.written import Written
from core.workspace import Context

STAC = "stac.json"
IDENTIFIER = "surface-model"


def stac_document(
    model: Model,
    written: Mapping[str, Written],
    orthos: Orthos,
    pictures: Sequence[File],
    documents: Mapping[str, File],
    context: Context,
) -> dict[str, Any]:
    """The STAC item of a job.

    Parameters
    ----------
    documents
        All other files, by the ids of their outputs.
    """
    listed = {output.id: output for output in context.pipeline.output_list}
    grid = model.target.grid
    times = [image.view.time for image in model.images if image.view.time is not None]
    days = sorted(time.date() for time in times)
    assets = [
        *(_raster(listed[name], one) for name, one in written.items()),
        *_images(orthos, listed),
        *(Asset.picture(listed["quicklook"], file) for file in pictures),
        *(Asset.of(listed[name], file) for name, file in documents.items()),
    ]
    return stac_item(
        IDENTIFIER,
        STAC,
        pipeline=context.pipeline,
        grid=Grid(grid.shape, grid.transform, model.datum.compound(grid.crs)),
        days=(days[0], days[-1]) if days else (None, None),
        created=datetime.now(UTC),
        assets=assets,
        origins=list(_origins(model)),
        title=f"Surface model of {', '.join(image.name for image in model.images)}",
        properties={
            "optiground:heights_above": model.datum.words,
            "optiground:convergence_deg": round(grid.convergence_deg, 4),
        },
        job=context.job_link,
    )


def source_checksum(view: View) -> str:
    """Of the file that an image came in; of a folder that of its pixels' files."""
    if view.source.is_file():
        return checksum(view.source)
    parts = [checksum(part) for part in sorted({*_files(view)})]
    return hashlib.sha256("".join(parts).encode()).hexdigest()


def _files(view: View) -> Iterator[Path]:
    for tile in view.tiles:
        path = Path(tile.path)
        if path.is_file():
            yield path


def _raster(output: Output, one: Written) -> Asset:
    """A raster with the range that its picture would have."""
    product = output.product
    assert isinstance(product, RasterProduct)
    if one.summary is not None and product.colours != "classes":
        if product.low is None and product.high is None:
            # Heights have no colour in the middle.
            product = replace(product, low=one.summary.p2 or 0.0)
        low, high = one.colour_range(product)
        product = replace(product, low=low, high=high)
    return Asset(output.id, one.file, output.title, output.text, product)


def _images(orthos: Orthos, listed: Mapping[str, Output]) -> Iterator[Asset]:
    for file in orthos.images:
        output = listed["orthoimages"]
        yield Asset(f"orthoimage_{file.key}", file, file.title, output.text, output.product)
    if orthos.best is not None:
        yield Asset.of(listed["ortho_best"], orthos.best)


def _origins(model: Model) -> Iterator[Origin]:
    for image in model.images:
        yield Origin(image.href, image.name, source_checksum(image.view))
