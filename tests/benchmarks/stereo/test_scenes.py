"""Large images that repeat a small one, and what is told of them."""

import numpy as np
import pytest
import rasterio

from benchmarks.result import Result
from benchmarks.stereo import scenes, table
from core.io.products.stereo import open_views
from core.io.products.stereo.pieces import levels
from core.simulate.stereo.making import make_stereo

SIDE, PART, BLOCK, PRODUCT = 320, 256, 64, 1000


@pytest.fixture
def view(tmp_path, monkeypatch):
    """A small view, and sizes to go with it."""
    small = {"KEPT": tmp_path, "SIDE_PX": SIDE, "PART_PX": PART, "BLOCK_PX": BLOCK}
    for name, value in {**small, "PRODUCT_PX": PRODUCT, "PLACE": 2}.items():
        monkeypatch.setattr(scenes, name, value)
    (view, _) = make_stereo("plain", shape=(SIDE, SIDE), seed=2, samples=1).views
    return view


def test_a_product_repeats_the_middle_of_an_image(view, tmp_path) -> None:
    path = scenes.product(view)
    part = view.image[32:288, 32:288]
    places = np.arange(PRODUCT) % PART
    with rasterio.open(path, driver="JP2OpenJPEG") as file:
        assert file.block_shapes == [(BLOCK, BLOCK)]
        np.testing.assert_array_equal(file.read(1), part[np.ix_(places, places)])
        reduced = file.overviews(1)
    with rasterio.open(path, driver="JP2OpenJPEG", overview_level=1) as file:
        coarse = file.read(1)
        np.testing.assert_array_equal(coarse[:64, :64], coarse[64:128, 128:192])
    (found,) = open_views([path], scratch=tmp_path)
    assert found.shape == (PRODUCT, PRODUCT)
    assert levels(found) == tuple(reduced)


def test_the_models_ground_is_that_of_one_repetition(view, tmp_path) -> None:
    (found,) = open_views([scenes.product(view)], scratch=tmp_path)
    centre = view.scene.centre
    place = found.rpc.project(centre.lon, centre.lat, centre.height)
    true = view.camera.project(*(np.array(part) for part in centre))
    assert float(place.row) == pytest.approx(float(true.row) - 32 + 2 * PART, abs=0.01)
    assert float(place.col) == pytest.approx(float(true.col) - 32 + 2 * PART, abs=0.01)


def test_an_image_is_drawn_once(view, tmp_path) -> None:
    first = scenes.pixels(view)
    (kept,) = tmp_path.glob("*.npy")
    changed = kept.stat().st_mtime_ns
    np.testing.assert_array_equal(scenes.pixels(view), first)
    assert kept.stat().st_mtime_ns == changed


def test_large_images_have_tables_of_their_own() -> None:
    text = table.text(
        [
            Result("stereo", "large product", "A", {"first_tile_s": 21.5}, "here"),
            Result("stereo", "large triplet", "A", {"cpu_s_per_mpx": 17.25}, "here"),
        ]
    )
    first, second, _ = text.split("\n\n")
    assert "large product | A | 21.5" in first
    assert "large triplet | A | 17.2" in second
