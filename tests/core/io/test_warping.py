import numpy as np
import pytest
import rasterio
from affine import Affine
from pyproj import Transformer

from core.grid import Grid
from core.io.products import open_scene
from core.io.rasters import Reader, cloud, stage, warp
from core.tiling import Window

UTM = Affine(10, 0, 300000, 0, -10, 5000000)

TURNED = Affine.translation(300600, 4999798) @ Affine.rotation(-20) @ Affine.scale(10, -10)


def field(x, y):
    """A smooth image as a function of the ground."""
    return 2000 + 500 * np.sin(x / 170) * np.cos(y / 230)


def ground(grid):
    rows, cols = np.indices(grid.shape) + 0.5
    t = grid.transform
    return t.a * cols + t.b * rows + t.c, t.d * cols + t.e * rows + t.f


def scene(tmp_path, grid, values, **profile):
    path = tmp_path / "image.tif"
    with rasterio.open(
        path, "w", driver="GTiff", count=1, height=grid.shape[0], width=grid.shape[1],
        dtype=values.dtype.name, crs=grid.crs, transform=grid.transform, **profile,
    ) as target:  # fmt: skip
        target.write(values, 1)
    return stage(open_scene(path, scratch=tmp_path), tmp_path / "staged.tif")


def warped(tmp_path, image, grid):
    return warp(image, grid, tmp_path / "warped.tif")


def read(image):
    with Reader(image) as reader:
        return reader.read(image.grid.window)


@pytest.mark.parametrize(
    ("shape", "transform"),
    [
        ((150, 150), Affine(10, 0, 300203, 0, -10, 4999798)),
        ((90, 90), Affine(15, 0, 300203, 0, -15, 4999798)),
        ((250, 250), Affine(6, 0, 300203, 0, -6, 4999798)),
        ((120, 120), TURNED),
        ((100, 100), Affine(10, 0, 300203, 0, 10, 4998000)),
    ],
    ids=["shifted", "coarser", "finer", "rotated", "south-up"],
)
def test_a_smooth_image_keeps_its_values_at_their_place(tmp_path, shape, transform):
    source = Grid((200, 200), UTM, "EPSG:32633")
    image = scene(tmp_path, source, field(*ground(source)).astype(np.float32))
    target = Grid(shape, transform, "EPSG:32633")
    found = read(warped(tmp_path, image, target))
    error = found.values - field(*ground(target))
    assert found.valid.mean() > 0.5
    # A hundredth of a pixel of displacement would be 0.3.
    assert np.abs(error[found.valid]).max() < 0.3


def test_another_utm_zone_is_brought_to_the_same_ground(tmp_path):
    source = Grid((400, 400), Affine(10, 0, 800000, 0, -10, 5000000), "EPSG:32632")
    image = scene(tmp_path, source, field(*ground(source)).astype(np.float32))
    change = Transformer.from_crs("EPSG:32633", "EPSG:32632", always_xy=True)
    x, y = change.transform(*source.xy(100, 100), direction="INVERSE")
    target = Grid((300, 300), Affine(10, 0, x, 0, -10, y), "EPSG:32633")
    truth = field(*change.transform(*ground(target)))
    found = read(warped(tmp_path, image, target))
    assert found.valid.mean() > 0.3
    assert np.abs(found.values - truth)[found.valid].max() < 0.3


def test_no_data_never_enters_a_value(tmp_path):
    source = Grid((120, 120), UTM, "EPSG:32633")
    values = np.full(source.shape, 1000, np.uint16)
    values[50:60, 50:60] = 9
    image = scene(tmp_path, source, values, nodata=9)
    target = Grid((80, 80), Affine(12, 0, 300105, 0, -12, 4999893), "EPSG:32633")
    found = read(warped(tmp_path, image, target))
    assert not found.valid.all()
    assert found.valid.mean() > 0.9
    np.testing.assert_allclose(found.values[found.valid], 1000, atol=1e-2)


def test_saturation_spreads_to_all_that_is_made_from_it(tmp_path):
    source = Grid((60, 60), UTM, "EPSG:32633")
    values = np.full(source.shape, 1000, np.uint16)
    values[30, 30] = 65535
    image = scene(tmp_path, source, values)
    target = Grid((50, 50), UTM @ Affine.translation(5.5, 5.5), "EPSG:32633")
    found = read(warped(tmp_path, image, target))
    assert found.saturated.sum() >= 16
    np.testing.assert_allclose(found.values[found.valid & ~found.saturated], 1000, atol=1e-2)


def test_where_the_images_do_not_meet_nothing_is_valid(tmp_path):
    source = Grid((60, 60), UTM, "EPSG:32633")
    image = scene(tmp_path, source, np.full(source.shape, 1000, np.uint16))
    target = Grid((40, 40), UTM @ Affine.translation(500, 500), "EPSG:32633")
    result = warped(tmp_path, image, target)
    assert not read(result).valid.any()
    assert "resampled" in result.warnings[-1]
    assert result.grid == target


def test_clouds_follow_the_image(safe, tmp_path):
    product = safe()
    product.clouds_gml()
    image = stage(open_scene(product.root, scratch=tmp_path), tmp_path / "staged.tif")
    target = Grid((60, 60), image.grid.transform @ Affine.translation(10, 0), "EPSG:32748")
    result = warped(tmp_path, image, target)
    truth = np.zeros((60, 60), bool)
    truth[:30, :20] = True
    np.testing.assert_array_equal(cloud(result, Window(0, 0, 60, 60)), truth)


def test_an_image_has_to_be_staged_first(tmp_path):
    source = Grid((20, 20), UTM, "EPSG:32633")
    scene(tmp_path, source, np.full(source.shape, 1000, np.uint16))
    image = open_scene(tmp_path / "image.tif", scratch=tmp_path)
    with pytest.raises(ValueError, match="staged before"):
        warped(tmp_path, image, source)
