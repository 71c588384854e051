import numpy as np
import pytest
import rasterio
from rasterio.transform import from_origin

from core.io.products import open_scene
from core.io.rasters import cloud, stage
from core.tiling import Window


def staged(product, tmp_path):
    scene = open_scene(product.root, scratch=tmp_path)
    return stage(scene, tmp_path / "staged.tif")


def corner(shape=(60, 60), rows=30, cols=30):
    truth = np.zeros(shape, bool)
    truth[:rows, :cols] = True
    return truth


def test_polygons_of_clouds_cover_their_pixels(safe, tmp_path):
    product = safe()
    product.clouds_gml()
    scene = staged(product, tmp_path)
    assert scene.cloud.kind == "gml"
    np.testing.assert_array_equal(cloud(scene, scene.grid.window), corner())


def test_classi_takes_opaque_clouds_and_cirrus_but_no_snow(safe, tmp_path):
    product = safe(baseline="04.00")
    layers = np.zeros((3, 10, 10), np.uint8)
    layers[0, :5, :5] = 1
    layers[1, 9, 9] = 1
    layers[2] = 1
    product.write(product.granule, "QI_DATA/MSK_CLASSI_B00.jp2", layers, 60)
    product.clouds_gml("0 0 1 0 1 1 0 0")
    scene = staged(product, tmp_path)
    assert scene.cloud.kind == "classi"
    truth = corner()
    truth[54:, 54:] = True
    np.testing.assert_array_equal(cloud(scene, scene.grid.window), truth)


def test_scl_takes_medium_and_high_probability_of_cloud_but_no_cirrus(safe, tmp_path):
    product = safe(level="2A", baseline="05.10", bands=("B04",))
    classes = np.full((30, 30), 10, np.uint8)
    classes[:15, :15] = np.array([8, 9, 8])[np.arange(15) % 3]
    place = "IMG_DATA/R20m/T48LWP_20210713T032051_SCL_20m.jp2"
    product.write(product.granule, place, classes, 20)
    product.write(product.granule, place.replace("20m", "60m"), np.zeros((10, 10), np.uint8), 60)
    scene = staged(product, tmp_path)
    assert scene.cloud.kind == "scl"
    np.testing.assert_array_equal(cloud(scene, scene.grid.window), corner())


def test_outside_the_layer_there_is_no_cloud(safe, tmp_path):
    product = safe()
    product.clouds_gml()
    scene = staged(product, tmp_path)
    found = cloud(scene, Window(-5, 25, 10, 10))
    np.testing.assert_array_equal(found[5:, :5], True)
    assert found.sum() == 25
    assert not cloud(scene, Window(200, 200, 3, 3)).any()


def test_a_scene_without_a_layer_has_no_clouds(safe, tmp_path):
    scene = staged(safe(), tmp_path)
    assert scene.cloud is None
    assert not cloud(scene, scene.grid.window).any()


FLAT = (
    "<x><MaskFeature><maskType>OPAQUE</maskType><Polygon><exterior>"
    '<posList srsDimension="1">1 2 3 4</posList></exterior></Polygon></MaskFeature></x>'
)
"""Corners of one coordinate."""


@pytest.mark.parametrize(
    "text",
    [
        "<not closed",
        '<!DOCTYPE x [<!ENTITY a "b">]><x>&a;</x>',
        "<x><MaskFeature><maskType>OPAQUE</maskType><Polygon/></MaskFeature></x>",
        FLAT,
        '<x srsName="urn:ogc:def:crs:EPSG:8.7:32633"/>',
    ],
)
def test_a_layer_that_cannot_be_read_is_left_out_with_a_warning(safe, tmp_path, text):
    product = safe()
    product.clouds_gml().write_text(text)
    scene = staged(product, tmp_path)
    assert scene.cloud is None
    assert "cloud layer of" in scene.warnings[-1]


def test_a_layer_that_lies_nowhere_is_left_out_with_a_warning(safe, tmp_path):
    product = safe(level="2A", baseline="05.10", bands=("B04",))
    place = product.granule / "IMG_DATA/R20m/T48LWP_20210713T032051_SCL_20m.tif"
    place.parent.mkdir(parents=True, exist_ok=True)
    profile = {"driver": "GTiff", "height": 30, "width": 30, "count": 1, "dtype": "uint8"}
    with rasterio.open(place, "w", transform=from_origin(5e5, 9e6, 20, 20), **profile) as file:
        file.write(np.full((30, 30), 9, np.uint8), 1)
    scene = staged(product, tmp_path)
    assert scene.cloud is None
    assert "no coordinate reference system" in scene.warnings[-1]
