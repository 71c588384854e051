import datetime as dt
import shutil
import tarfile
import zipfile

import numpy as np
import pytest

from core import errors
from core.io.products import open_scene
from core.io.rasters import Reader, stage
from core.tiling import Window


def packed(root, path):
    """The product as a zip, its members deflated as the archives of the agency are."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for member in sorted(root.rglob("*")):
            file.write(member, member.relative_to(root.parent))
    return path


def opened(path, tmp_path, **options):
    return open_scene(path, scratch=tmp_path, pointer="/inputs/reference", **options)


def staged_pixels(scene, tmp_path):
    with Reader(stage(scene, tmp_path / "staged.tif")) as reader:
        return reader.read(scene.grid.window)


def test_a_folder_gives_b04_with_what_the_metadata_say(safe, tmp_path):
    product = safe()
    scene = opened(product.root, tmp_path)
    assert (scene.band_name, scene.sensor, scene.level) == ("B04", "Sentinel-2A", "L1C")
    assert (scene.tile, scene.orbit, scene.baseline) == ("48LWP", 32, "03.01")
    assert scene.date == dt.date(2021, 7, 13)
    assert scene.name == product.root.name.removesuffix(".SAFE")
    assert (scene.grid.crs, scene.grid.shape) == ("EPSG:32748", (60, 60))
    assert (scene.validity, scene.nodata, scene.zero_border) == ("zeros", 0, False)
    assert scene.warnings == ()
    found = staged_pixels(scene, tmp_path)
    truth = product.pixels(1)
    np.testing.assert_array_equal(found.values, truth)
    np.testing.assert_array_equal(found.valid, truth != 0)
    np.testing.assert_array_equal(found.saturated, truth == 65535)


@pytest.mark.parametrize("kind", ["zip", "tar", "tar.gz"])
def test_an_archive_gives_the_same_as_the_folder(safe, tmp_path, kind):
    product = safe()
    product.clouds_gml()
    path = tmp_path / f"product.{kind}"
    if kind == "zip":
        packed(product.root, path)
    else:
        with tarfile.open(path, "w:gz" if kind == "tar.gz" else "w") as file:
            file.add(product.root, product.root.name)
    scene = opened(path, tmp_path, band="b2")
    assert scene.band_name == "B02"
    assert scene.source == path
    assert scene.cloud.kind == "gml"
    np.testing.assert_array_equal(staged_pixels(scene, tmp_path).values, product.pixels(0))


def test_a_zip_without_the_outer_folder_is_read(safe, tmp_path):
    product = safe()
    path = tmp_path / "S2A_MSIL1C_20210713T032051_N0301_R032_T48LWP_20210713T054224.zip"
    with zipfile.ZipFile(path, "w") as file:
        for member in product.root.rglob("*"):
            file.write(member, member.relative_to(product.root))
    assert opened(path, tmp_path).tile == "48LWP"


def test_l2a_takes_the_finest_of_several_resolutions(safe, tmp_path):
    product = safe(level="2A", baseline="05.10", bands=("B04",))
    coarse = "IMG_DATA/R20m/T48LWP_20210713T032051_B04_20m.jp2"
    product.write(product.granule, coarse, np.ones((30, 30), np.uint16), 20)
    scene = opened(product.root, tmp_path)
    assert (scene.level, scene.baseline) == ("L2A", "05.10")
    assert scene.grid.pixel_size == (10, 10)


def test_old_granule_names_inside_a_compact_product_are_read(safe, tmp_path):
    old = "S2A_OPER_MSI_L1C_TL_SGS__20160617T142052_A005152_T48LWP_N02.04"
    product = safe(granules=(old,), baseline="02.04")
    images = product.granule / "IMG_DATA"
    (images / "T48LWP_20210713T032051_B04.jp2").rename(images / f"{old[:-7]}_B04.jp2")
    (product.granule / "MTD_TL.xml").rename(
        product.granule / "S2A_OPER_MTD_L1C_TL_SGS__20160617T142052_A005152_T48LWP.xml"
    )
    assert opened(product.root, tmp_path).tile == "48LWP"


def test_a_file_whose_name_lies_about_its_format_is_opened_by_content(safe, tmp_path):
    product = safe()
    image = product.pixels(3)
    product.write(product.granule, product.place("B04"), image, 10, driver="GTiff")
    scene = opened(product.root, tmp_path)
    np.testing.assert_array_equal(staged_pixels(scene, tmp_path).values, image)


def test_missing_metadata_are_a_warning_and_the_name_tells(safe, tmp_path):
    product = safe()
    for path in product.root.rglob("*.xml"):
        path.unlink()
    scene = opened(product.root, tmp_path)
    assert "metadata of the product and granule are missing" in scene.warnings[0]
    assert (scene.sensor, scene.level, scene.tile) == ("Sentinel-2A", "L1C", "48LWP")
    assert (scene.orbit, scene.baseline) == (32, "03.01")
    assert scene.date == dt.date(2021, 7, 13)


def test_pixels_that_do_not_fit_the_metadata_are_told(safe, tmp_path):
    product = safe()
    product.write(product.granule, product.place("B04"), np.ones((20, 20), np.uint16), 30)
    assert "20 rows of pixels" in opened(product.root, tmp_path).warnings[0]


def test_the_withdrawn_baseline_is_told(safe, tmp_path):
    assert "withdrawn" in opened(safe(baseline="02.03").root, tmp_path).warnings[0]


def test_a_missing_band_names_those_that_are_there(safe, tmp_path):
    with pytest.raises(errors.BandMissing, match="it has B02, B04, B8A") as caught:
        opened(safe().root, tmp_path, band="B11")
    assert caught.value.pointer == "/inputs/reference"


def test_an_empty_band_file_is_refused(safe, tmp_path):
    product = safe()
    (product.granule / product.place("B04")).write_bytes(b"")
    with pytest.raises(errors.BadRaster, match="B04 is empty"):
        opened(product.root, tmp_path)


def test_a_band_of_zeros_is_refused(safe, tmp_path):
    product = safe()
    product.write(product.granule, product.place("B04"), np.zeros((60, 60), np.uint16), 10)
    with pytest.raises(errors.BadRaster, match="No pixel"):
        stage(opened(product.root, tmp_path), tmp_path / "staged.tif")


def test_several_granules_are_refused_by_name(safe, tmp_path):
    product = safe(granules=("L1C_T48LWP_A1_20210713T032054", "L1C_T48LXP_A1_20210713T032054"))
    with pytest.raises(errors.UnknownFormat, match=r"2 granules \(48LWP, 48LXP\)"):
        opened(product.root, tmp_path)


def test_a_folder_of_other_files_is_no_product(tmp_path):
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "B04.jp2").write_bytes(b"x")
    with pytest.raises(errors.UnknownFormat, match="no Sentinel-2 product"):
        opened(tmp_path / "other", tmp_path)


@pytest.mark.parametrize("text", ["/etc/passwd", "../../secret/B04", "file:///x", "a\\b"])
def test_metadata_that_name_files_outside_the_product_are_refused(safe, tmp_path, text):
    with pytest.raises(errors.BadMetadata, match="outside the product"):
        opened(safe(image_file=text).root, tmp_path)


@pytest.mark.parametrize(
    "declaration",
    [
        '<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]>',
        '<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;">]>',
        '<!DOCTYPE x SYSTEM "http://127.0.0.1/x.dtd">',
    ],
)
def test_metadata_with_a_dtd_or_entities_are_refused(safe, tmp_path, declaration):
    product = safe()
    path = product.root / "MTD_MSIL1C.xml"
    head, rest = path.read_text().split("\n", 1)
    path.write_text(f"{head}\n{declaration}\n{rest.replace('03.01', '&a;')}")
    with pytest.raises(errors.BadMetadata, match="document type or an entity"):
        opened(product.root, tmp_path)


def test_metadata_that_are_damaged_too_deep_or_too_large_are_refused(safe, tmp_path, monkeypatch):
    product = safe()
    path = product.root / "MTD_MSIL1C.xml"
    text = path.read_text()
    for broken, words in ((text[:-30], "well-formed"), ("<a>" * 90 + "</a>" * 90, "deep")):
        path.write_text(broken)
        with pytest.raises(errors.BadMetadata, match=words):
            opened(product.root, tmp_path)
    path.write_text(text)
    monkeypatch.setattr("core.io.xml.MAX_BYTES", 100)
    with pytest.raises(errors.SourceTooLarge):
        opened(product.root, tmp_path)


def test_a_link_inside_a_folder_is_refused(safe, tmp_path):
    product = safe()
    band = product.granule / product.place("B04")
    shutil.move(band, tmp_path / "elsewhere.jp2")
    band.symlink_to(tmp_path / "elsewhere.jp2")
    with pytest.raises(errors.BadArchive, match="link"):
        opened(product.root, tmp_path)


@pytest.mark.shared
@pytest.mark.parametrize(
    ("product", "tile", "baseline", "kind"),
    [
        ("compact_L1C_N0206_nullgranule", "56JMM", "02.06", "gml"),
        ("compact_L1C_N0209", "53JQJ", "02.09", "gml"),
        ("compact_L1C_N0301", "48LWP", "03.01", "gml"),
    ],
)
def test_real_products_are_read(shared_data, tmp_path, product, tile, baseline, kind):
    path = next((shared_data / "sentinel2" / product).glob("*.zip"))
    scene = opened(path, tmp_path)
    assert (scene.tile, scene.baseline, scene.cloud.kind) == (tile, baseline, kind)
    assert scene.name == path.stem
    staged = stage(scene, tmp_path / "staged.tif")
    assert staged.cloud.near
    with Reader(staged) as reader:
        assert reader.read(scene.grid.window).valid.any()


@pytest.mark.shared
def test_real_products_that_are_not_read_say_why(shared_data, tmp_path):
    data = shared_data / "sentinel2"
    old = next((data / "pdmc_multigranule_N0204").glob("*.SAFE"))
    with pytest.raises(errors.UnknownFormat, match="6 granules"):
        opened(old, tmp_path)
    empty = next((data / "compact_L1C_N0204").glob("*.SAFE"))
    with pytest.raises(errors.BadRaster, match="is empty"):
        opened(empty, tmp_path)


@pytest.mark.slow
def test_a_full_tile_is_staged_from_a_zip_with_its_margin(safe, tmp_path):
    product = safe(bands=("B04",))
    image = np.random.default_rng(0).integers(1, 9000, (10980, 10980), np.uint16)
    image[:, :2000] = 0
    tiled = {"blockxsize": 1024, "blockysize": 1024}
    product.write(product.granule, product.place("B04"), image, 10, **tiled)
    path = packed(product.root, tmp_path / "product.zip")
    scene = stage(opened(path, tmp_path), tmp_path / "staged.tif")
    with Reader(scene) as reader:
        for row, col in ((0, 1500), (5000, 5000), (10980 - 700, 10980 - 700)):
            found = reader.read(Window(row, col, 700, 700))
            np.testing.assert_array_equal(found.values, image[row : row + 700, col : col + 700])
            np.testing.assert_array_equal(found.valid, found.values != 0)
