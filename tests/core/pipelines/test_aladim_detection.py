"""From samples to an inventory, on a drawn hillside."""

import json
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import pytest
import rasterio
import shapely
from scipy import ndimage

from core.change.features import schema
from core.errors import TooFewSamples
from core.pipelines.aladim.detection import Detection, detection
from core.pipelines.aladim.images import open_images
from core.pipelines.aladim.inventory import Inventory, inventory_of
from core.pipelines.aladim.lessons import aim_of, fitted, samples_of
from core.pipelines.aladim.preparation import prepared
from core.pipelines.aladim.products import write_polygons, write_rasters
from core.pipelines.aladim.run import run as whole_job
from core.pipelines.aladim.scan import Scene, constants_of
from core.pipelines.aladim.training import training_of
from core.tiling import Window

SIDE = 360
EVERY, LONG, WIDE = 60, 14, 6
"""Rows and columns from slide to slide, and half of their length and width."""


class Drawn(NamedTuple):
    """Files of a hillside, and where it slid."""

    files: dict[str, Any]
    slid: np.ndarray


class Found(NamedTuple):
    scene: Scene
    detection: Detection
    inventory: Inventory
    context: Any

    def called(self):
        return self.inventory.mask.read(self.scene.stack.grid.window) > 0


def ellipses():
    """A slide in the middle of each square, its length down the slope."""
    row, col = np.mgrid[:SIDE, :SIDE] % EVERY - EVERY // 2
    return (row / LONG) ** 2 + (col / WIDE) ** 2 <= 1


@pytest.fixture(scope="module")
def hillside(aladim, tmp_path_factory):
    folder = tmp_path_factory.mktemp("hillside")
    rng = np.random.default_rng(5)
    slid = ellipses()

    def bands(bare, gain):
        rough = ndimage.gaussian_filter(rng.normal(0, 1, (SIDE, SIDE)), 3) * 6
        green = np.stack([400 + 40 * rough, 700 + 60 * rough, 500 + 50 * rough, 3000 + 250 * rough])
        soil = np.stack([900 + 60 * rough, 1200 + 60 * rough, 1600 + 80 * rough, 2300 + 90 * rough])
        noise = rng.normal(0, 25, (4, SIDE, SIDE))
        return (gain * np.where(bare, soil, green) + noise).clip(1, 9999).astype(np.uint16)

    height = 900 - 4.0 * np.mgrid[:SIDE, :SIDE][0]
    corner = aladim.CORNER

    def square(row, col):
        west, north = corner @ (col * EVERY, row * EVERY)
        return shapely.box(west, north - 10 * EVERY, west + 10 * EVERY, north)

    areas = [square(row, col) for row in (0, 2, 4) for col in (0, 3)]
    theirs = np.zeros_like(slid)
    for row in (0, 2, 4):
        for col in (0, 3):
            part = np.s_[row * EVERY : (row + 1) * EVERY, col * EVERY : (col + 1) * EVERY]
            theirs[part] = slid[part]
    shapes = rasterio.features.shapes(theirs.astype(np.uint8), theirs, transform=corner)
    samples = [shapely.geometry.shape(one) for one, _ in shapes]
    files = {
        "after": [aladim.written(folder / "after.tif", bands(slid, 1.0))],
        "before": [aladim.written(folder / "before.tif", bands(np.zeros_like(slid), 1.15))],
        "dem": aladim.written(folder / "dem.tif", height.astype(np.float32), names=(), nodata=None),
        "training_samples": aladim.geojson(folder / "samples.geojson", samples),
        "training_areas": aladim.geojson(folder / "areas.geojson", areas),
        "trees": 20,
        "folds": 3,
    }
    return Drawn(files, slid)


def run(aladim, hillside, folder, *, side=1024, workers=1, **more):
    """All steps from the files to the inventory, in tiles of `side`."""
    with ThreadPoolExecutor(workers) as pool:
        ctx = aladim.context(folder, pool, workers)
        asked = aladim.parameters(**(hillside.files | more))
        ready = prepared(asked, ctx, open_images(asked, ctx), None, ctx.progress)
        constants = constants_of(ready.stack, ctx, ctx.progress)
        features = schema(ready.stack.layers(Window(0, 0, 8, 8)), physical=True)
        scene = Scene(ready.stack, features, constants, side)
        training = training_of(asked, ctx, ready.stack.grid)
        lesson = fitted(samples_of(scene, training, asked, ctx.progress), asked)
        found = detection(scene, lesson.classifier, aim_of(asked), None, ctx, ctx.progress)
        listed = inventory_of(ready.stack, found, asked, ctx, ctx.progress)
        return Found(scene, found, listed, replace(ctx, executor=pool))


@pytest.fixture(scope="module")
def found(aladim, hillside, tmp_path_factory):
    return run(aladim, hillside, tmp_path_factory.mktemp("found"))


def test_slides_that_nobody_mapped_are_found(found, hillside):
    called = found.called()
    assert (called & hillside.slid).sum() / hillside.slid.sum() > 0.9
    assert (called & ~hillside.slid).sum() / called.sum() < 0.1
    assert len(found.inventory.landslides) == (SIDE // EVERY) ** 2


def test_the_share_of_landslides_is_that_of_the_scene(found, hillside):
    assert found.detection.estimated
    assert found.detection.prevalence == pytest.approx(hillside.slid.mean(), rel=0.1)


def test_measures_are_those_of_what_was_drawn(found):
    areas = found.inventory.areas_m2
    assert np.median(areas) == pytest.approx(np.pi * LONG * WIDE * 100, rel=0.1)
    lengths = [one.measures.length_m for one in found.inventory.landslides]
    drops = [one.measures.drop_m for one in found.inventory.landslides]
    assert np.median(lengths) == pytest.approx(20 * LONG, rel=0.15)
    assert np.median(drops) == pytest.approx(8 * LONG, rel=0.15)


@pytest.mark.parametrize(("side", "workers"), [(128, 1), (256, 2)])
def test_neither_tiles_nor_workers_show(aladim, hillside, found, tmp_path, side, workers):
    other = run(aladim, hillside, tmp_path, side=side, workers=workers)
    window = found.scene.stack.grid.window
    np.testing.assert_array_equal(
        other.detection.probability(window), found.detection.probability(window)
    )
    assert other.detection.level == found.detection.level
    ours, theirs = (list(one.inventory.layer(one.scene.stack.grid).rows) for one in (found, other))
    assert len(ours) == len(theirs)
    for (shape, values), (their_shape, their_values) in zip(ours, theirs, strict=True):
        assert shape.wkb == their_shape.wkb
        assert repr(values) == repr(their_values)


def test_flat_slides_are_left_out_where_slopes_are_asked_for(aladim, hillside, tmp_path):
    assert not run(aladim, hillside, tmp_path, minimum_slope=30.0).inventory.landslides


def test_rasters_and_polygons_say_the_same(found):
    grid = found.scene.stack.grid
    written = write_rasters(
        found.scene.stack, found.detection, found.inventory, {}, found.context,
        found.context.progress,
    )  # fmt: skip
    files = write_polygons(found.scene.stack, found.inventory, found.context)
    output = found.context.workspace.output
    with rasterio.open(output / written["landslides"].file.path) as raster:
        np.testing.assert_array_equal(raster.read(1) == 1, found.called())
        assert raster.transform == grid.transform
    with rasterio.open(output / written["reasons"].file.path) as raster:
        assert raster.dtypes == ("uint32",)
    with sqlite3.connect(output / files["inventory"].path) as packed:
        rows = packed.execute("SELECT sum(area_m2), count(*) FROM landslides").fetchone()
    assert rows == (found.inventory.areas_m2.sum(), len(found.inventory.landslides))
    plain = json.loads((output / files["inventory_geojson"].path).read_text())
    assert len(plain["features"]) == len(found.inventory.landslides)
    with rasterio.open(output / written["probability"].file.path) as raster:
        probability = raster.read(1)
    assert probability[hillside_centre()] > found.detection.level


def test_a_whole_job_tells_how_far_to_trust_it(aladim, hillside, tmp_path):
    with ThreadPoolExecutor(1) as pool:
        ctx = aladim.context(tmp_path, pool)
        made = whole_job(aladim.parameters(**hillside.files), ctx)
        output = ctx.workspace.output
    report = json.loads((output / made.report.path).read_text())
    assert report["inventory"]["landslides"] == (SIDE // EVERY) ** 2
    assert report["inventory"]["law"] is not None
    assert report["learning"]["f1"] > 0.9
    assert report["learning"]["areas"] == 6
    assert len(report["learning"]["folds"]) == 3
    assert report["learning"]["curve"][0]["recall"] < report["learning"]["curve"][-1]["recall"]
    gains = {one["band"]: one["gain"] for one in report["relations"]}
    assert gains["nir"] == pytest.approx(1 / 1.15, rel=0.03)
    page = (output / made.report_page.path).read_text()
    assert "36 landslides" in page
    assert "<svg" in page
    text = (output / made.readme.path).read_text()
    paths = {file.path for file in (made.inventory, made.landslides, made.reasons)}
    assert all(path in text for path in paths)
    assert {file.key for file in made.quicklook} == {
        "landslides", "probability", "uncertainty", "reasons",
    }  # fmt: skip


def hillside_centre():
    return EVERY // 2, EVERY // 2


def test_samples_in_one_area_alone_are_refused(aladim, hillside, tmp_path):
    west, north = aladim.CORNER @ (0, 0)
    areas = [
        shapely.box(west, north - 600, west + 600, north),
        shapely.box(west + 100, north - 3590, west + 150, north - 3560),
    ]
    path = aladim.geojson(tmp_path / "areas.geojson", areas)
    with pytest.raises(TooFewSamples, match="training areas hold landslides"):
        run(aladim, hillside, tmp_path / "job", training_areas=path)
