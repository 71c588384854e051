import datetime as dt
import json
from types import SimpleNamespace

import pytest
from affine import Affine

from core.declare import File, FileProduct, RasterProduct
from core.grid import Grid
from core.io import records
from core.io.records import Asset, Origin, footprint, stac_collection, stac_item

CREATED = dt.datetime(2026, 11, 22, 12, 0, tzinfo=dt.UTC)
PIPELINE = SimpleNamespace(
    id="mpic-opt", version="1.2.0", title="Displacement", text="How the ground moved.",
    keywords=("landslide",),
)  # fmt: skip
GRID = Grid((100, 120), Affine(10, 0, 300000, 0, -10, 5000000), "EPSG:32633")


def asset(key, path, product, media_type="image/tiff"):
    file = File(path=path, type=media_type, key="k", size=12, sha256="ab" * 32)
    return Asset(key, file, key.title(), "What it is.", product)


EAST = RasterProduct(unit="m/day", sign="east", low=-2.0, high=2.0, colours="blue-white-red")
BITS = RasterProduct(unit="", dtype="uint16", nodata=65535, colours="classes")


def item(path="stac/a.json", grid=GRID, days=None, **options):
    assets = [
        asset("displacement_east", "displacement_east/a.tif", EAST),
        asset("reasons", "reasons/a.tif", BITS),
        asset("quicklook", "quicklook/a.png", FileProduct("image/png", "png"), "image/png"),
        asset("statistics", "statistics.json", FileProduct("application/json", "json"), "x/y"),
    ]
    return stac_item(
        "a", path, pipeline=PIPELINE, grid=grid, created=CREATED, assets=assets,
        days=days or (dt.date(2016, 6, 8), dt.date(2016, 5, 29)),
        origins=[Origin("https://example.org/S2A.zip", "S2A", "cd" * 32)], **options,
    )  # fmt: skip


def test_an_item_tells_place_time_and_how_it_was_made():
    found = item(title="First pair")
    assert (found["type"], found["stac_version"], found["id"]) == ("Feature", "1.1.0", "a")
    told = found["properties"]
    assert told["datetime"] is None
    assert told["start_datetime"] == "2016-05-29T00:00:00Z"
    assert told["end_datetime"] == "2016-06-08T23:59:59Z"
    assert told["created"] == told["processing:datetime"] == "2026-11-22T12:00:00Z"
    assert told["title"] == "First pair"
    assert told["processing:software"]["mpic-opt"] == "1.2.0"
    assert told["proj:code"] == "EPSG:32633"
    assert told["proj:shape"] == [100, 120]
    assert told["proj:transform"] == [10, 0, 300000, 0, -10, 5000000]
    assert told["proj:bbox"] == [300000, 4999000, 301200, 5000000]
    west, south, east, north = found["bbox"]
    assert west == pytest.approx(12.46, abs=0.02)
    assert south == pytest.approx(45.12, abs=0.02)
    assert 0 < east - west < 0.02 > north - south > 0
    ring = found["geometry"]["coordinates"][0]
    assert ring[0] == ring[-1]
    assert json.loads(json.dumps(found, allow_nan=False))["bbox"] == found["bbox"]


def test_assets_have_relative_links_sizes_checksums_and_units():
    assets = item()["assets"]
    east = assets["displacement_east"]
    assert east["href"] == "../displacement_east/a.tif"
    assert (east["data_type"], east["nodata"], east["unit"]) == ("float32", "nan", "m/day")
    assert "cloud-optimized" in east["type"]
    assert east["file:checksum"] == "1220" + "ab" * 32
    assert (east["file:size"], east["file:local_path"]) == (12, "displacement_east/a.tif")
    assert assets["reasons"]["nodata"] == 65535
    assert "unit" not in assets["reasons"]
    assert assets["quicklook"]["roles"] == ["overview"]
    assert assets["statistics"]["roles"] == ["metadata"]
    assert item("item.json")["assets"]["statistics"]["href"] == "statistics.json"


def test_renders_repeat_range_and_colours_where_there_are_any():
    found = item()
    assert records.RENDER in found["stac_extensions"]
    assert found["properties"]["renders"] == {
        "displacement_east": {
            "title": "Displacement_East",
            "assets": ["displacement_east"],
            "rescale": [[-2.0, 2.0]],
            "colormap_name": "rdbu_r",
            "resampling": "nearest",
        }
    }


def test_origins_are_linked_with_their_checksums():
    (origin,) = item()["links"]
    assert origin["rel"] == "derived_from"
    assert origin["file:checksum"] == "1220" + "cd" * 32


def test_without_dates_the_item_has_the_time_of_its_making():
    told = item(days=(None, None))["properties"]
    assert told["datetime"] == "2026-11-22T12:00:00Z"
    assert "start_datetime" not in told


def test_a_crs_without_a_code_is_told_in_words():
    from pyproj import CRS

    wkt = CRS.from_proj4("+proj=tmerc +lat_0=45 +lon_0=12.3 +k=1 +units=m").to_wkt()
    told = item(grid=Grid(GRID.shape, Affine(10, 0, 0, 0, -10, 0), wkt))["properties"]
    assert told["proj:code"] is None
    assert "Transverse" in told["proj:wkt2"]


def test_the_outline_is_split_at_the_180th_meridian():
    grid = Grid((10980, 10980), Affine(10, 0, 199980, 0, -10, 7700020), "EPSG:32701")
    across = Grid(grid.shape, grid.transform @ Affine.translation(-10000, 0), grid.crs)
    shape, (west, _, east, _) = footprint(across)
    assert shape.geom_type == "MultiPolygon"
    assert west > 178 > -178 > east
    for part in shape.geoms:
        assert part.bounds[2] - part.bounds[0] < 2


def test_a_collection_covers_its_items_and_links_to_them():
    later = (dt.date(2020, 1, 1), None)
    far = Grid(GRID.shape, GRID.transform @ Affine.translation(5000, 0), GRID.crs)
    options = {"collection": ("all", "stac/collection.json")}
    items = {
        "stac/a.json": item(**options),
        "stac/b.json": item("stac/b.json", far, later, **options),
    }
    found = stac_collection(
        "all", "stac/collection.json", pipeline=PIPELINE, created=CREATED, items=items
    )
    assert (found["type"], found["license"]) == ("Collection", "other")
    boxes = found["extent"]["spatial"]["bbox"]
    assert len(boxes) == 3
    assert boxes[0][0] == min(box[0] for box in boxes[1:])
    assert boxes[0][2] == max(box[2] for box in boxes[1:])
    interval = found["extent"]["temporal"]["interval"]
    assert interval == [["2016-05-29T00:00:00Z", "2020-01-01T23:59:59Z"]]
    assert [link["href"] for link in found["links"]] == ["a.json", "b.json"]
    first = items["stac/a.json"]
    assert first["collection"] == "all"
    hrefs = {link["rel"]: link["href"] for link in first["links"]}
    assert hrefs["collection"] == hrefs["parent"] == "collection.json"


def test_records_lead_to_the_job_that_made_them_where_it_has_an_address():
    address = "https://example.org/ground/jobs/1"

    def via(record):
        return [link["href"] for link in record["links"] if link["rel"] == "via"]

    def collection(**options):
        items = {"stac/a.json": item()}
        return stac_collection(
            "all", "stac.json", pipeline=PIPELINE, created=CREATED, items=items, **options
        )

    assert via(item(job=address)) == via(collection(job=address)) == [address]
    assert via(item()) == via(collection()) == []
