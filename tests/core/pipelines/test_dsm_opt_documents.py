"""What a job tells of itself: STAC item, README.txt, pictures and the page that holds them."""

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
import rasterio
from PIL import Image
from shapely.geometry import Point, shape

from core.reasons import TEXT, Reason
from core.report import keys, pictures

LAST = {"stac.json", "README.txt"}
"""Written when all other files are there."""


@pytest.fixture(scope="module")
def job(city):
    return city.illustrated(resolution=0.5, orthoimages=True, point_cloud=True)


def files(job) -> set[str]:
    """Everything in the folder of results, by paths in it."""
    found = (path for path in job.folder.rglob("*") if path.is_file())
    return {path.relative_to(job.folder).as_posix() for path in found}


@pytest.fixture(scope="module")
def item(job):
    return json.loads((job.folder / job.outputs.stac.path).read_text())


def test_the_stac_item_holds_every_file_as_it_is_on_disk(job, item) -> None:
    assets = {asset["href"]: asset for asset in item["assets"].values()}
    assert len(assets) == len(item["assets"])
    assert set(assets) == files(job) - LAST
    for path, asset in assets.items():
        content = (job.folder / path).read_bytes()
        assert asset["file:size"] == len(content), path
        assert asset["file:checksum"] == "1220" + hashlib.sha256(content).hexdigest(), path
    assert item["assets"]["dsm"]["unit"] == "m"
    assert {"orthoimage_" + Path(made.path).stem for made in job.outputs.orthoimages} <= set(
        item["assets"]
    )


def test_the_stac_item_tells_where_when_and_above_what(job, item) -> None:
    stereo, told = job.stereo, item["properties"]
    days = {f"{view.time:%Y-%m-%d}" for view in stereo.views}
    assert {told["start_datetime"][:10], told["end_datetime"][:10]} == days
    assert told["proj:shape"] == list(job.grid.shape)
    assert told["proj:transform"] == list(job.grid.transform)[:6]
    assert "ellipsoid" in told["optiground:heights_above"]
    lon, lat = job.centres("OGC:CRS84")
    middle = tuple(size // 2 for size in job.grid.shape)
    footprint = shape(item["geometry"])
    assert footprint.contains(Point(lon[middle], lat[middle]))
    assert footprint.bounds == pytest.approx(item["bbox"])


def test_the_stac_item_leads_to_the_images_that_it_was_made_of(city, item) -> None:
    links = {link["href"]: link for link in item["links"] if link["rel"] == "derived_from"}
    assert set(links) == {path.as_uri() for path in city.paths}
    for path in city.paths:
        told = links[path.as_uri()]
        assert told["title"] == path.stem
        assert told["file:checksum"] == "1220" + hashlib.sha256(path.read_bytes()).hexdigest()


def test_map_viewers_are_told_the_ranges_that_the_pictures_have(job, item) -> None:
    (low, high) = item["properties"]["renders"]["dsm"]["rescale"][0]
    assert (low, high) == pytest.approx(np.nanpercentile(job.dsm, (2, 98)), abs=0.5)
    renders = {name: one["rescale"] for name, one in item["properties"]["renders"].items()}
    assert renders["score"] == [[0, 1]]
    assert renders["contributing_pairs"] == [[0, 1]]
    assert renders["dsm_error"][0][0] == 0
    assert "reasons" not in renders


def test_the_readme_lists_every_file_and_what_it_was_made_of(job) -> None:
    text = (job.folder / job.outputs.readme.path).read_text()
    told = {line.removeprefix("    - ") for line in text.splitlines() if line.startswith("    - ")}
    assert told == files(job) - {"README.txt"}
    words = " ".join(text.split())
    for image in job.document["images"]:
        assert image["name"] in words
    (pair,) = job.document["pairs"]
    assert f"Pair {pair['key']}: convergence 14.8 degrees, base to height 0.260." in words
    rows, cols = job.grid.shape
    assert f"{cols} x {rows} cells of 0.5 m. Heights above the WGS 84 ellipsoid." in words
    measured = np.isfinite(job.dsm).mean()
    assert f"{measured:.1%} of the wanted cells have a height." in words
    for reason in Reason:
        assert f"{int(reason)} {TEXT[reason]}" in words


def picture(job, name: str) -> np.ndarray:
    with Image.open(job.folder / "quicklook" / f"{name}.png") as image:
        return np.asarray(image.convert("RGB")).astype(int)


def cells_of(job, shown: np.ndarray, colour: tuple[int, int, int]) -> float:
    """Share of the map that has a colour; the palette is not quite exact."""
    enlarged = pictures_side(job)
    return float((np.abs(shown - colour).max(axis=-1) <= 3).sum() / np.prod(enlarged))


def pictures_side(job) -> tuple[int, int]:
    """Rows and columns of a map in its picture: whole multiples of the cells."""
    rows, cols = job.grid.shape
    times = 900 // max(rows, cols)
    return rows * times, cols * times


@pytest.mark.parametrize(
    "name", ["dsm", "dsm_error", "intersection_error", "score", "contributing_pairs"]
)
def test_pictures_are_empty_where_nothing_is_measured(job, name) -> None:
    shown = picture(job, name)
    assert min(shown.shape[:2]) > min(pictures_side(job))
    empty = cells_of(job, shown, pictures.EMPTY)
    assert empty == pytest.approx(np.isnan(job.dsm).mean(), abs=0.02)


def test_the_picture_of_reasons_has_their_colours_and_shares(job) -> None:
    shown = picture(job, "reasons")
    first = job.raster("reasons")
    first &= ~first + np.uint16(1)
    for bit in (0, Reason.NODATA_REFERENCE, Reason.OCCLUDED):
        share = cells_of(job, shown, keys.CLASSES[int(bit).bit_length()])
        assert share == pytest.approx((first == bit).mean(), abs=0.01)


def test_the_best_view_is_drawn_in_grey(job) -> None:
    shown = picture(job, "ortho_best")
    rows, cols = pictures_side(job)
    inner = shown[rows // 4 : 3 * rows // 4, cols // 4 : 3 * cols // 4]
    assert (np.ptp(inner, axis=-1) <= 3).mean() > 0.95
    assert inner.std() > 20
    with rasterio.open(job.folder / "ortho_best.tif") as file:
        assert file.read(1).any()


def test_the_page_holds_small_pictures_and_leads_to_the_large_ones(job) -> None:
    text = (job.folder / job.outputs.report_page.path).read_text()
    drawn = [file.path for file in job.outputs.quicklook]
    assert set(drawn) == {path for path in files(job) if path.startswith("quicklook/")}
    assert all(f'href="{path}"' in text for path in drawn)
    assert text.count("data:image/png;base64,") == len(drawn)
