"""Results described in STAC 1.1: an item per pair or product, a collection if there are several.

Extensions: projection 2.0, render 2.0, processing 1.2, file 2.1.  Links between the files are
relative, so that a folder of results may be moved; a server puts its own addresses in their place.
"""

import math
import posixpath
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from importlib.metadata import version
from typing import Any

import numpy as np
import rasterio
import shapely
from pyproj import Transformer
from shapely.geometry.base import BaseGeometry

import core
from core.declare import File, Output, Pipeline, Product, RasterProduct
from core.grid import GEOGRAPHIC, Grid

STAC = "1.1.0"
PROJECTION = "https://stac-extensions.github.io/projection/v2.0.0/schema.json"
RENDER = "https://stac-extensions.github.io/render/v2.0.0/schema.json"
PROCESSING = "https://stac-extensions.github.io/processing/v1.2.0/schema.json"
FILE = "https://stac-extensions.github.io/file/v2.1.0/schema.json"
COG = "image/tiff; application=geotiff; profile=cloud-optimized"

COLOURS = {"blue-white-red": "rdbu_r", "viridis": "viridis", "magma": "magma", "grey": "gray"}
"""Colour maps by the names that tile servers know; classes have no range to stretch."""

SHA256 = "1220"
"""Prefix of a SHA-256 checksum as a multihash: the function and its length."""

Json = dict[str, Any]


@dataclass(frozen=True)
class Asset:
    """A file of an item.

    Parameters
    ----------
    key
        Name among the files of the item.
    file
        The published file.
    title, text
        What it is, in a few words and in a sentence.
    product
        How it was declared; the unit and the range as they are in this file.
    """

    key: str
    file: File
    title: str
    text: str
    product: Product

    @classmethod
    def of(cls, output: Output, file: File) -> "Asset":
        """The only file of an output."""
        return cls(output.id, file, output.title, output.text, output.product)

    @classmethod
    def picture(cls, output: Output, file: File) -> "Asset":
        """One of several pictures."""
        return cls(f"quicklook_{file.key}", file, file.title, output.text, output.product)


@dataclass(frozen=True)
class Origin:
    """A file from which results were made.

    Parameters
    ----------
    href
        Its reference without credentials and query.
    title
        Name of the scene.
    sha256
        Checksum, hexadecimal.
    """

    href: str
    title: str
    sha256: str


def stac_item(
    identifier: str,
    path: str,
    *,
    pipeline: Pipeline,
    grid: Grid,
    days: tuple[date | None, date | None],
    created: datetime,
    assets: Sequence[Asset],
    origins: Sequence[Origin],
    title: str = "",
    collection: tuple[str, str] | None = None,
    job: str | None = None,
    properties: Mapping[str, Any] | None = None,
) -> Json:
    """The item of one pair or product.

    Parameters
    ----------
    identifier
        Unique among the items of a job.
    path
        Where the item will lie, relative to the job's output folder.
    pipeline
        The service that made the results.
    grid
        Pixels of the rasters.
    days
        Earliest and latest day of the scenes, either order; None where it is not known.
    created
        When the results were made (UTC).
    assets, origins
        The files, and what they were made from.
    title
        What people see.
    collection
        Id and path of the collection that the item belongs to.
    job
        Address of the job that made the results.
    properties
        Further properties.
    """
    shape, bounds = footprint(grid)
    renders = _renders(assets)
    extensions = [PROJECTION, PROCESSING, FILE, *([RENDER] if renders else [])]
    known = sorted(day for day in days if day is not None)
    item = {
        "type": "Feature",
        "stac_version": STAC,
        "stac_extensions": extensions,
        "id": identifier,
        "geometry": shapely.geometry.mapping(shape),
        "bbox": list(bounds),
        "properties": {
            "title": title or identifier,
            **_when(known, created),
            "created": _moment(created),
            **_projection(grid),
            **_processing(pipeline, created),
            **({"renders": renders} if renders else {}),
            **(properties or {}),
        },
        "links": [*map(_derived, origins), *_made_by(job)],
        "assets": {asset.key: _asset(asset, path) for asset in assets},
    }
    if collection is not None:
        name, place = collection
        item["collection"] = name
        item["links"] += [_link(rel, path, place, name) for rel in ("collection", "parent", "root")]
    return item


def stac_collection(
    identifier: str,
    path: str,
    *,
    pipeline: Pipeline,
    created: datetime,
    items: Mapping[str, Json],
    assets: Sequence[Asset] = (),
    job: str | None = None,
) -> Json:
    """The collection of several items.

    Parameters
    ----------
    identifier
        Unique name.
    path
        Where the collection will lie, relative to the job's output folder.
    pipeline
        The service that made the results.
    created
        When the results were made (UTC).
    items
        The items by their paths.
    assets
        Files about all of them.
    job
        Address of the job that made the results.
    """
    provider = {
        "name": "OptiGround",
        "description": pipeline.title,
        "roles": ["processor"],
        **_processing(pipeline, created),
    }
    links = [
        {**_link("item", path, place, item["properties"]["title"]), "type": "application/geo+json"}
        for place, item in items.items()
    ]
    return {
        "type": "Collection",
        "stac_version": STAC,
        "stac_extensions": [PROCESSING, FILE],
        "id": identifier,
        "title": pipeline.title,
        "description": pipeline.text,
        "keywords": list(pipeline.keywords),
        # The rights in the results follow from those in the scenes, which only the user knows.
        "license": "other",
        "providers": [provider],
        "extent": {
            "spatial": {"bbox": _all_bounds([item["bbox"] for item in items.values()])},
            "temporal": {"interval": [_interval([item["properties"] for item in items.values()])]},
        },
        "links": [*links, *_made_by(job)],
        "assets": {asset.key: _asset(asset, path) for asset in assets},
    }


def footprint(grid: Grid) -> tuple[BaseGeometry, tuple[float, float, float, float]]:
    """Outline of a grid in longitude and latitude (WGS 84), and its bounding box.

    Across the 180th meridian the outline is in two parts and the box has its west in the east.
    """
    height, width = grid.shape
    along = np.linspace(0, 1, 9)
    edges = [(0, 1), (1, 1), (1, 0), (0, 0)]
    corners = [(a + (c - a) * t, b + (d - b) * t)
               for (a, b), (c, d) in zip(edges, edges[1:] + edges[:1], strict=True)
               for t in along[:-1]]  # fmt: skip
    ground = np.array([grid.transform @ (col * width, row * height) for col, row in corners])
    change = Transformer.from_crs(grid.crs, GEOGRAPHIC, always_xy=True)
    lon, lat = change.transform(ground[:, 0], ground[:, 1])
    crosses = np.ptp(lon) > 180
    if crosses:
        lon = np.where(lon < 0, lon + 360, lon)
    # 1e-7 degrees is a centimetre.
    outline = shapely.normalize(shapely.Polygon(np.round(np.column_stack([lon, lat]), 7)))
    west, south, east, north = outline.bounds
    if not crosses:
        return shapely.orient_polygons(outline), (west, south, east, north)
    parts = [
        outline & shapely.box(0, -90, 180, 90),
        shapely.transform(outline & shapely.box(180, -90, 360, 90), lambda p: p - (360, 0)),
    ]
    both = shapely.orient_polygons(shapely.MultiPolygon(parts))
    return both, (west, south, east - 360, north)


def _when(known: Sequence[date], created: datetime) -> Json:
    """Time of the scenes; of the results, if the scenes' is not known."""
    if not known:
        return {"datetime": _moment(created)}
    return {
        "datetime": None,
        "start_datetime": f"{known[0].isoformat()}T00:00:00Z",
        "end_datetime": f"{known[-1].isoformat()}T23:59:59Z",
    }


def _moment(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _projection(grid: Grid) -> Json:
    t = grid.transform
    code = grid.crs if ":" in grid.crs and "[" not in grid.crs else None
    return {
        "proj:code": code,
        **({} if code else {"proj:wkt2": grid.system.to_wkt()}),
        "proj:shape": list(grid.shape),
        "proj:transform": [t.a, t.b, t.c, t.d, t.e, t.f],
        "proj:bbox": list(grid.bounds),
    }


def _processing(pipeline: Pipeline, created: datetime) -> Json:
    return {
        "processing:software": software(pipeline),
        "processing:version": pipeline.version,
        "processing:datetime": _moment(created),
        "processing:lineage": f"{pipeline.title}: {pipeline.id} {pipeline.version} of OptiGround.",
    }


def software(pipeline: Pipeline) -> dict[str, str]:
    """Versions of what made a result."""
    return {
        "OptiGround": core.__version__,
        pipeline.id: pipeline.version,
        "numpy": version("numpy"),
        "numba": version("numba"),
        "rasterio": version("rasterio"),
        "GDAL": rasterio.__gdal_version__,
    }


def _asset(asset: Asset, path: str) -> Json:
    described = {
        "href": posixpath.relpath(asset.file.path, posixpath.dirname(path) or "."),
        "title": asset.title,
        "description": asset.text,
        "type": COG if isinstance(asset.product, RasterProduct) else asset.file.type,
        "roles": _roles(asset),
        "file:size": asset.file.size,
        "file:checksum": SHA256 + asset.file.sha256,
        "file:local_path": asset.file.path,
    }
    if isinstance(asset.product, RasterProduct):
        described["data_type"] = asset.product.dtype
        nodata = asset.product.nodata
        described["nodata"] = "nan" if math.isnan(nodata) else nodata
        if asset.product.unit:
            described["unit"] = asset.product.unit
    return described


def _roles(asset: Asset) -> list[str]:
    if isinstance(asset.product, RasterProduct):
        return ["data"]
    return ["overview"] if asset.file.type.startswith("image/") else ["metadata"]


def _renders(assets: Sequence[Asset]) -> Json:
    """How tile servers and catalogues may show the rasters."""
    renders = {}
    for asset in assets:
        product = asset.product
        if (
            isinstance(product, RasterProduct)
            and product.low is not None
            and product.high is not None
            and product.colours in COLOURS
        ):
            renders[asset.key] = {
                "title": asset.title,
                "assets": [asset.key],
                "rescale": [[product.low, product.high]],
                "colormap_name": COLOURS[product.colours],
                "resampling": "nearest",
            }
    return renders


def _derived(origin: Origin) -> Json:
    return {
        "rel": "derived_from",
        "href": origin.href,
        "title": origin.title,
        "file:checksum": SHA256 + origin.sha256,
    }


def _made_by(job: str | None) -> list[Json]:
    """The link to the job, from which its request, its log and its status are reached."""
    about = {"type": "application/json", "title": "The job that made this"}
    return [{"rel": "via", "href": job, **about}] if job else []


def _link(rel: str, path: str, target: str, title: str) -> Json:
    href = posixpath.relpath(target, posixpath.dirname(path) or ".")
    return {"rel": rel, "href": href, "type": "application/json", "title": title}


def _all_bounds(boxes: Sequence[Sequence[float]]) -> list[list[float]]:
    """The box of all boxes first and then, if there are more, each of them, as STAC wants it."""
    crosses = any(box[0] > box[2] for box in boxes)
    shifted = [(w + 360 * (w < 0) * crosses, s, e + 360 * (e < 0) * crosses, n)
               for w, s, e, n in boxes]  # fmt: skip
    west, south = min(b[0] for b in shifted), min(b[1] for b in shifted)
    east, north = max(b[2] for b in shifted), max(b[3] for b in shifted)
    whole = [west, south, east - 360 * (east > 180), north]
    unique = list(dict.fromkeys(tuple(box) for box in boxes))
    return [whole] if len(unique) == 1 else [whole, *(list(box) for box in unique)]


def _interval(properties: Sequence[Json]) -> list[str]:
    starts = [p.get("start_datetime") or p["datetime"] for p in properties]
    ends = [p.get("end_datetime") or p["datetime"] for p in properties]
    return [min(starts), max(ends)]
