import datetime as dt
import warnings
from dataclasses import replace

import numpy as np
import pytest
import rasterio
from affine import Affine
from rasterio.enums import ColorInterp

from core import errors
from core.io.products import open_scene
from core.io.rasters import Reader, stage
from core.progress import Progress
from core.tiling import Window

UTM = Affine(10, 0, 300000, 0, -10, 5000000)


@pytest.fixture
def make(tmp_path):
    """Write an image with rasterio and open it as a scene."""

    def write(array, name="image.tif", *, tags=None, alpha=False, mask=None, bands=(), **profile):
        array = np.asarray(array)
        cube = array if array.ndim == 3 else array[None]
        profile = {"driver": "GTiff", "crs": "EPSG:32633", "transform": UTM} | profile
        path = tmp_path / name
        count, height, width = cube.shape
        shape = {"count": count, "height": height, "width": width, "dtype": cube.dtype.name}
        env = rasterio.Env(GDAL_TIFF_INTERNAL_MASK="YES")
        with warnings.catch_warnings(), env:
            warnings.simplefilter("ignore")
            with rasterio.open(path, "w", **shape, **profile) as target:
                if alpha:
                    target.colorinterp = [ColorInterp.gray] * (count - 1) + [ColorInterp.alpha]
                target.write(cube)
                target.update_tags(**(tags or {}))
                if bands:
                    target.descriptions = bands
                if mask is not None:
                    target.write_mask(mask)
        return path

    return write


def opened(path, tmp_path, **options):
    return open_scene(path, scratch=tmp_path, pointer="/inputs/reference", **options)


def pixels(scene, tmp_path):
    with Reader(stage(scene, tmp_path / "staged.tif")) as reader:
        return reader.read(scene.grid.window)


def ramp(dtype="uint16", shape=(40, 50)):
    return (np.arange(shape[0] * shape[1]).reshape(shape) % 90 + 10).astype(dtype)


def test_a_plain_image_gives_its_pixels_and_its_grid(make, tmp_path):
    scene = opened(make(ramp()), tmp_path)
    found = pixels(scene, tmp_path)
    np.testing.assert_array_equal(found.values, ramp())
    assert found.valid.all()
    assert not found.saturated.any()
    assert scene.grid.shape == (40, 50)
    assert scene.grid.crs == "EPSG:32633"
    assert scene.grid.xy(0, 0) == (300005, 4999995)
    assert (scene.name, scene.band, scene.unit_metres) == ("image", 1, 1.0)
    assert len(scene.checksum()) == 64


def test_a_window_that_reaches_outside_is_filled_and_not_valid(make, tmp_path):
    with Reader(opened(make(ramp()), tmp_path)) as reader:
        found = reader.read(Window(-2, 48, 4, 5), fill=-1)
        np.testing.assert_array_equal(found.valid[2:, :2], True)
        assert found.valid.sum() == 4
        assert (found.values[~found.valid] == -1).all()
        assert not reader.read(Window(100, 100, 3, 3)).valid.any()


def test_the_nodata_tag_is_honoured(make, tmp_path):
    image = ramp("int16")
    image[5:9, 5:9] = -10000
    image[0, :] = 0
    found = pixels(opened(make(image, nodata=-10000), tmp_path), tmp_path)
    np.testing.assert_array_equal(found.valid, image != -10000)


def test_int16_without_a_tag_has_no_data_at_minus_10000_and_says_so(make, tmp_path):
    image = ramp("int16")
    image[5:9, 5:9] = -10000
    scene = opened(make(image), tmp_path)
    staged = stage(scene, tmp_path / "staged.tif")
    assert "-10000" in staged.warnings[0]
    with Reader(staged) as reader:
        np.testing.assert_array_equal(reader.read(scene.grid.window).valid, image != -10000)


def test_the_users_nodata_is_above_the_tag(make, tmp_path):
    image = ramp()
    image[3, 3] = 0
    scene = opened(make(image, nodata=0), tmp_path, nodata=10)
    np.testing.assert_array_equal(pixels(scene, tmp_path).valid, image != 10)


def test_a_nodata_tag_that_cannot_occur_is_told_and_ignored(make, tmp_path):
    path = make(ramp("int16"), nodata=-9999)
    with rasterio.open(path, "r+") as file:
        file.nodata = 0
    scene = opened(path, tmp_path, nodata=0.5)
    assert "0.5 cannot occur" in scene.warnings[0]
    assert scene.zero_border


def test_the_dataset_mask_is_honoured(make, tmp_path):
    mask = np.ones((40, 50), bool)
    mask[:7] = False
    scene = opened(make(ramp(), mask=mask), tmp_path)
    assert scene.validity == "mask"
    np.testing.assert_array_equal(pixels(scene, tmp_path).valid, mask)


def test_the_alpha_band_marks_what_is_valid_and_is_no_band_to_choose(make, tmp_path):
    alpha = np.full((40, 50), 255, np.uint8)
    alpha[20:] = 0
    scene = opened(make([ramp("uint8"), alpha], alpha=True), tmp_path)
    assert (scene.band, scene.validity) == (1, "alpha")
    np.testing.assert_array_equal(pixels(scene, tmp_path).valid, alpha > 0)


def test_zeros_at_the_border_are_no_data_and_zeros_inside_are_dark(make, tmp_path):
    image = ramp()
    image[:, :5] = 0
    image[20:22, 20:30] = 0
    scene = opened(make(image), tmp_path)
    assert scene.zero_border
    staged = stage(scene, tmp_path / "staged.tif")
    assert "exactly 0" in staged.warnings[0]
    with Reader(staged) as reader:
        found = reader.read(scene.grid.window)
    assert not found.valid[:, :5].any()
    assert found.valid[:, 5:].all()


def test_an_image_without_zeros_at_the_border_is_not_copied(make, tmp_path):
    scene = opened(make(ramp()), tmp_path)
    staged = stage(scene, tmp_path / "staged.tif")
    assert staged == replace(scene, zero_border=False)
    assert not (tmp_path / "staged.tif").exists()


def test_nan_and_infinity_are_never_valid(make, tmp_path):
    image = ramp("float32")
    image[0, 0], image[1, 1], image[2, 2] = np.nan, np.inf, -np.inf
    found = pixels(opened(make(image), tmp_path), tmp_path)
    np.testing.assert_array_equal(found.valid, np.isfinite(image))
    assert np.isfinite(found.values).all()


def test_a_float_nodata_tag_is_compared_in_the_files_own_type(make, tmp_path):
    image = ramp("float32")
    image[4, 4] = -3.4028235e38
    found = pixels(opened(make(image, nodata=-3.4028234663852886e38), tmp_path), tmp_path)
    assert not found.valid[4, 4]
    assert found.valid.sum() == found.valid.size - 1


def test_saturation_is_told_apart_from_no_data(make, tmp_path):
    image = ramp()
    image[7, 7] = 65535
    found = pixels(opened(make(image), tmp_path), tmp_path)
    assert found.saturated[7, 7]
    assert found.valid[7, 7]
    assert found.saturated.sum() == 1


def test_eight_bit_white_is_not_saturated(make, tmp_path):
    image = ramp("uint8")
    image[7, 7] = 255
    assert not pixels(opened(make(image), tmp_path), tmp_path).saturated.any()


@pytest.mark.parametrize(
    "transform",
    [
        Affine(10, 0, 300000, 0, 10, 5000000),
        Affine.translation(300000, 5000000) @ Affine.rotation(30) @ Affine.scale(10, -10),
        Affine(10, 0, 300000, 0, -20, 5000000),
    ],
    ids=["south-up", "rotated", "not square"],
)
def test_any_affine_lattice_keeps_the_place_of_its_pixels(make, tmp_path, transform):
    scene = opened(make(ramp(), transform=transform), tmp_path)
    x, y = transform @ (3.5, 2.5)
    assert scene.grid.xy(2, 3) == pytest.approx((x, y))


def test_pixel_is_point_refers_to_the_centre(make, tmp_path):
    area = opened(make(ramp(), "area.tif"), tmp_path)
    point = opened(make(ramp(), "point.tif", tags={"AREA_OR_POINT": "Point"}), tmp_path)
    with rasterio.open(tmp_path / "point.tif") as file:
        assert file.tags()["AREA_OR_POINT"] == "Point"
    assert point.grid.xy(0, 0) == pytest.approx(area.grid.xy(0, 0))


def test_feet_are_told_in_metres(make, tmp_path):
    scene = opened(make(ramp(), crs="EPSG:2263"), tmp_path)
    assert scene.unit_metres == pytest.approx(1200 / 3937)


@pytest.mark.parametrize(
    ("crs", "error", "words"),
    [
        ("EPSG:4326", errors.UnsupportedGrid, "geographic"),
        ("EPSG:4978", errors.UnsupportedGrid, "not a projected one"),
        ("EPSG:2048", errors.UnsupportedGrid, "west or south"),
        (None, errors.NoGeoreference, "no coordinate reference system"),
    ],
)
def test_a_crs_that_cannot_be_worked_on_is_refused_by_name(make, tmp_path, crs, error, words):
    with pytest.raises(error, match=words) as caught:
        opened(make(ramp(), crs=crs), tmp_path)
    assert caught.value.pointer == "/inputs/reference"
    assert caught.value.allowed


def test_an_image_without_a_geotransform_is_refused(make, tmp_path):
    with pytest.raises(errors.NoGeoreference, match="no geotransform"):
        opened(make(ramp(), transform=Affine.identity()), tmp_path)


def test_polar_stereographic_counts_as_east_and_north(make, tmp_path):
    assert opened(make(ramp(), crs="EPSG:3413"), tmp_path).unit_metres == 1


def test_several_bands_and_no_choice_are_named(make, tmp_path):
    path = make([ramp(), ramp() + 1, ramp() + 2], bands=("blue", "green", "red"))
    with pytest.raises(errors.BandMissing, match=r"1 \(blue\), 2 \(green\), 3 \(red\)"):
        opened(path, tmp_path)
    assert opened(path, tmp_path, band="Red").band == 3
    scene = opened(path, tmp_path, band="2")
    assert (scene.band, scene.band_name) == (2, "green")
    assert pixels(scene, tmp_path).values[0, 0] == 11
    with pytest.raises(errors.BandMissing, match="no band 'B04'"):
        opened(path, tmp_path, band="B04")


def test_an_image_without_any_data_is_refused(make, tmp_path):
    for number, image in enumerate(
        [np.zeros((9, 9), "uint16"), np.full((9, 9), np.nan, "float32")]
    ):
        scene = opened(make(image, f"{number}.tif"), tmp_path)
        with pytest.raises(errors.BadRaster, match="No pixel"):
            stage(scene, tmp_path / "staged.tif")


def test_a_jpeg_2000_image_is_decoded_once(make, tmp_path):
    options = {"driver": "JP2OpenJPEG", "QUALITY": "100", "REVERSIBLE": "YES", "YCBCR420": "NO"}
    scene = opened(make(ramp(), "image.jp2", **options), tmp_path)
    staged = stage(scene, tmp_path / "staged.tif")
    assert staged.path.endswith("staged.tif")
    np.testing.assert_array_equal(pixels(staged, tmp_path).values, ramp())


def test_a_file_that_is_no_raster_is_refused(tmp_path):
    path = tmp_path / "image.tif"
    path.write_bytes(b"II*\0 but nothing more")
    with pytest.raises(errors.UnknownFormat):
        opened(path, tmp_path)


def test_a_vrt_is_never_opened(make, tmp_path):
    make(ramp(), "inner.tif")
    path = tmp_path / "outer.tif"
    path.write_text(
        '<VRTDataset rasterXSize="50" rasterYSize="40"><VRTRasterBand dataType="UInt16" band="1">'
        f'<SimpleSource><SourceFilename relativeToVRT="0">{tmp_path}/inner.tif</SourceFilename>'
        "<SourceBand>1</SourceBand></SimpleSource></VRTRasterBand></VRTDataset>"
    )
    with pytest.raises(errors.UnknownFormat):
        opened(path, tmp_path)


def test_a_truncated_image_is_refused_when_it_is_read(make, tmp_path):
    path = make(ramp(shape=(400, 500)))
    path.write_bytes(path.read_bytes()[:-200000])
    with pytest.raises((errors.BadRaster, errors.UnknownFormat)):
        pixels(opened(path, tmp_path), tmp_path)


@pytest.mark.parametrize(
    ("name", "tags", "day"),
    [
        ("a.tif", {"ACQUISITION_DATE": "2020-03-04"}, dt.date(2020, 3, 4)),
        ("a.tif", {"ACQUISITION_DATE": "2020-03-04T23:30:00-05:00"}, dt.date(2020, 3, 5)),
        ("a.tif", {"TIFFTAG_DATETIME": "2020:03:04 05:06:07"}, dt.date(2020, 3, 4)),
        ("S2A_20160529T153631_T33UUU.tif", {}, dt.date(2016, 5, 29)),
        ("2016-05-29_x.tif", {"TIFFTAG_DATETIME": "2020:03:04 05:06:07"}, dt.date(2016, 5, 29)),
        ("20160529_20160608.tif", {}, None),
        ("img_123456789012.tif", {}, None),
    ],
)
def test_the_date_comes_from_the_tags_or_the_name(make, tmp_path, name, tags, day):
    path = make(ramp(), name, tags=tags)
    assert opened(path, tmp_path).date == day
    assert opened(path, tmp_path, date=dt.date(1999, 1, 1)).date == dt.date(1999, 1, 1)


def test_staging_tells_how_far_it_is(make, tmp_path):
    image = ramp(shape=(2500, 60))
    image[:, :3] = 0
    told = []
    progress = Progress(lambda fraction, message: told.append((fraction, message)))
    stage(opened(make(image), tmp_path), tmp_path / "staged.tif", progress)
    fractions = [fraction for fraction, _ in told]
    assert fractions == sorted(fractions)
    assert fractions[-1] == 1
    assert {message for _, message in told} == {"reading image"}
