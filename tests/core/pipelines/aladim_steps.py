"""Images of ALADIM as files, and a context in which its steps run."""

import json
from concurrent.futures import Executor
from pathlib import Path
from typing import Any

import rasterio
from affine import Affine
from numpy.typing import NDArray

from core.compute import Compute
from core.declare import SourcePolicy, validate
from core.io.sources import Sources
from core.pipelines.aladim.declaration import ALADIM, AladimParameters
from core.progress import QUIET
from core.workspace import Context, Workspace

CRS = "EPSG:32654"
CORNER = Affine(10, 0, 573000, 0, -10, 4735000)
NAMES = ("B02", "B03", "B04", "B08")


def written(
    path: Path,
    bands: NDArray[Any],
    transform: Affine = CORNER,
    *,
    names: tuple[str, ...] = NAMES,
    crs: str = CRS,
    nodata: float | None = 0,
) -> Path:
    """A GeoTIFF of bands with names."""
    bands = bands if bands.ndim == 3 else bands[None]
    with rasterio.open(
        path, "w", driver="GTiff", height=bands.shape[1], width=bands.shape[2], count=len(bands),
        dtype=bands.dtype.name, crs=crs, transform=transform, nodata=nodata,
    ) as file:  # fmt: skip
        file.write(bands)
        for number, name in enumerate(names[: len(bands)], 1):
            file.set_band_description(number, name)
    return path


def geojson(path: Path, shapes: list[Any], crs: str = CRS) -> Path:
    """Polygons, each by its ring or as a GeoJSON geometry."""
    features = [
        {"type": "Feature", "properties": {}, "geometry": shape.__geo_interface__}
        for shape in shapes
    ]
    told = {"type": "name", "properties": {"name": f"urn:ogc:def:crs:EPSG::{crs[5:]}"}}
    path.write_text(json.dumps({"type": "FeatureCollection", "crs": told, "features": features}))
    return path


def parameters(**given: Any) -> AladimParameters:
    """Parameters as a request gives them; paths become references."""

    def said(value: Any) -> Any:
        if isinstance(value, Path):
            return {"href": value.as_uri()}
        return [said(one) for one in value] if isinstance(value, list | tuple) else value

    inputs = {name: said(value) for name, value in given.items()}
    found = validate(ALADIM, json.dumps({"inputs": inputs}), policy())
    assert isinstance(found.parameters, AladimParameters)
    return found.parameters


def policy() -> SourcePolicy:
    """What may be read: any file."""
    return SourcePolicy(roots=("/",))


def context(folder: Path, pool: Executor, workers: int = 1) -> Context:
    """A job's context in a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    sources = Sources(policy(), {}, folder / "downloads")
    compute = Compute(workers=workers)
    return Context(sources, Workspace(folder / "job"), QUIET, pool, compute, {}, ALADIM)
