"""The results as STAC: an item per pair, and a collection where there are several."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from core.declare import File, Output
from core.io.records import Asset, Origin, stac_collection, stac_item
from core.pipelines.mpic_opt.declaration import MpicOptParameters
from core.pipelines.mpic_opt.pairing import Pair
from core.pipelines.mpic_opt.products import raster_product
from core.pipelines.written import Written
from core.workspace import Context

if TYPE_CHECKING:
    from core.pipelines.mpic_opt.run import PairResult

STAC = "stac.json"
COLLECTION = "displacement"


def stac_documents(
    parameters: MpicOptParameters,
    context: Context,
    done: "Sequence[PairResult]",
    documents: Mapping[str, File],
) -> dict[str, dict[str, Any]]:
    """STAC documents by their paths in the output folder.

    Parameters
    ----------
    done
        The pairs that were measured.
    documents
        Files about the whole job, by the ids of their outputs.
    """
    created = datetime.now(UTC)
    listed = {output.id: output for output in context.pipeline.output_list}
    shared = [Asset.of(listed[name], file) for name, file in documents.items()]
    if len(done) == 1:
        return {STAC: _item(STAC, done[0], parameters, context, created, listed, shared)}
    items = {
        f"stac_items/{result.pair.key}.json": _item(
            f"stac_items/{result.pair.key}.json", result, parameters, context, created, listed, ()
        )
        for result in done
    }
    collection = stac_collection(
        COLLECTION,
        STAC,
        pipeline=context.pipeline,
        created=created,
        items=items,
        assets=shared,
        job=context.job_link,
    )
    return {STAC: collection, **items}


def _item(
    path: str,
    result: "PairResult",
    parameters: MpicOptParameters,
    context: Context,
    created: datetime,
    listed: Mapping[str, Output],
    shared: Sequence[Asset],
) -> dict[str, Any]:
    pair = result.pair
    assert result.grid is not None
    days = [image.scene.date if image.scene else None for image in (pair.reference, pair.secondary)]
    rasters = [_raster(listed[name], w, parameters) for name, w in result.written.items()]
    pictures = [Asset.picture(listed["quicklook"], file) for file in result.pictures]
    return stac_item(
        pair.key,
        path,
        pipeline=context.pipeline,
        grid=result.grid,
        days=(days[0], days[1]),
        created=created,
        assets=[*rasters, *pictures, *shared],
        origins=list(_origins(pair)),
        title=f"Displacement, {pair.title}",
        properties={"optiground:convergence_deg": round(result.grid.convergence_deg, 4)},
        collection=None if path == STAC else (COLLECTION, STAC),
        job=context.job_link,
    )


def _raster(output: Output, written: Written, parameters: MpicOptParameters) -> Asset:
    """A raster with the range that its picture would have."""
    product = raster_product(output, parameters.units)
    if written.summary is not None and output.id != "reasons":
        low, high = written.colour_range(product)
        product = replace(product, low=low, high=high)
    return Asset(output.id, written.file, output.title, output.text, product)


def _origins(pair: Pair) -> Iterator[Origin]:
    for image in (pair.reference, pair.secondary):
        assert image.scene is not None
        yield Origin(image.href, image.name, image.scene.checksum())
