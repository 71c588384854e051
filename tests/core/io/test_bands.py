import math
import shutil
import tarfile
import zipfile

import numpy as np
import pytest
import rasterio
from rasterio.enums import ColorInterp
from rasterio.transform import from_origin

from core import errors
from core.grid import Grid
from core.io.class_layers import ClassLayer, Cover, cover, cover_of, staged_classes
from core.io.products.bands import Band, Scaling
from core.io.products.multispectral import open_image
from core.io.products.naming import from_colours, from_names, from_order, from_wavelengths
from core.io.reader import Reader
from core.roles import Role

RGB = {"blue": 0, "green": 1, "red": 2}
SHAPE = (20, 30)


def image(path, tmp_path, **options):
    scratch = tmp_path / "scratch"
    scratch.mkdir(exist_ok=True)
    return open_image(path, scratch=scratch, pointer="/inputs/after", **options)


def numbers(band):
    with Reader(band.scene) as reader:
        stored, _ = reader.stored(band.scene.grid.window)
    return band.numbers(stored)


def raster(path, count, dtype="uint16", descriptions=(), colours=(), tags=(), first=0, **profile):
    """Band n holds 100 n, and a ramp."""
    path.parent.mkdir(parents=True, exist_ok=True)
    place = {"crs": "EPSG:32633", "transform": from_origin(300_000, 5_000_000, 30, 30)}
    size = {"height": SHAPE[0], "width": SHAPE[1], "count": count, "dtype": dtype}
    with rasterio.open(path, "w", **({"driver": "GTiff"} | size | place | profile)) as target:
        if profile.get("driver") != "ENVI":
            target.colorinterp = colours or [
                ColorInterp.gray,
                *[ColorInterp.undefined] * (count - 1),
            ]
        for k in range(count):
            ramp = np.arange(math.prod(SHAPE)).reshape(SHAPE) % 50 + 100 * (k + first)
            target.write((ramp / 10_000 if dtype == "float32" else ramp).astype(dtype), k + 1)
        for k, text in enumerate(descriptions):
            target.set_band_description(k + 1, text)
        for k, values in enumerate(tags):
            target.update_tags(k + 1, **values)
    return path


@pytest.mark.parametrize(
    ("names", "roles"),
    [
        (("blue", "green", "red", "nir"), RGB | {"nir": 3}),
        (("Red", "Green", "Blue"), {"red": 0, "green": 1, "blue": 2}),
        (("B02", "B03", "B04", "B08"), RGB | {"nir": 3}),
        (("B2", "B3", "B4", "B8A", "B11"), RGB | {"nir": 3, "swir1": 4}),
        (("B2", "B3", "B4", "B8A", "B8"), RGB | {"nir": 4}),
        (("SR_B2", "SR_B3", "SR_B4", "SR_B5", "SR_B6", "SR_B7"),
         RGB | {"nir": 3, "swir1": 4, "swir2": 5}),
        # Band 5 is the red edge of one family and the near infrared of the other.
        (("B2", "B3", "B4", "B5"), RGB),
        (("Coastal Blue", "Blue", "Green", "Yellow", "Red", "Red Edge", "Near Infrared 1"),
         {"blue": 1, "green": 2, "red": 4, "rededge": 5, "nir": 6}),
        (("red_edge", "swir_16", "SWIR 2", "nir08"),
         {"rededge": 0, "swir1": 1, "swir2": 2, "nir": 3}),
        (("infrared", "reduced", "evergreen", ""), {}),
    ],
)  # fmt: skip
def test_names_tell_what_bands_show(names, roles):
    assert from_names(names) == roles


def test_wavelengths_tell_what_bands_show():
    found = from_wavelengths([443, 490, 560, 665, 704, 740, 783, 842, 865, 1375, 1610, 2190, None])
    assert found == {"blue": 1, "green": 2, "red": 3, "rededge": 4, "nir": 7, "swir1": 10,
                     "swir2": 11}  # fmt: skip


def test_colours_tell_what_bands_show():
    colours = [ColorInterp.red, ColorInterp.green, ColorInterp.blue, ColorInterp.nir]
    assert from_colours(colours) == {"red": 0, "green": 1, "blue": 2, "nir": 3}


def test_the_user_s_order_tells_what_bands_show():
    assert from_order("nir,red,-,Green", 4) == {"nir": 0, "red": 1, "green": 3}
    for order, why in (("blue,grun", "'grun' is not known"), ("red,red", "named twice"),
                       ("blue,green,red", "names 3 bands and the image has 2")):  # fmt: skip
        with pytest.raises(errors.BandMissing, match=why) as caught:
            from_order(order, 2, pointer="/inputs/bands")
        assert caught.value.pointer == "/inputs/bands"
        assert "swir1" in caught.value.allowed


def test_a_raster_is_known_by_descriptions_colours_or_order(tmp_path):
    path = raster(tmp_path / "a.tif", 4, descriptions=("B04", "B03", "B02", "B08"))
    found = image(path, tmp_path)
    assert found.told == "the descriptions of the bands"
    assert list(found.bands) == [Role.BLUE, Role.GREEN, Role.RED, Role.NIR]
    assert [int(numbers(band)[0, 0]) for band in found.bands.values()] == [200, 100, 0, 300]
    assert not found.scaled
    colours = [ColorInterp.red, ColorInterp.green, ColorInterp.blue, ColorInterp.alpha]
    found = image(raster(tmp_path / "b.tif", 4, "uint8", colours=colours), tmp_path)
    assert found.told == "the colours of the bands"
    assert {role: band.scene.band for role, band in found.bands.items()} == {
        "red": 1, "green": 2, "blue": 3}  # fmt: skip
    assert found.bands[Role.RED].scene.validity == "alpha"
    plain = raster(tmp_path / "c.tif", 5)
    found = image(plain, tmp_path, order="-,blue,green,red")
    assert (found.told, found.unused) == ("the order of bands given", ("1", "5"))
    with pytest.raises(errors.BandMissing, match=r"blue and green and red.*bands 1, 2, 3, 4, 5"):
        image(plain, tmp_path)
    with pytest.raises(errors.BandMissing, match="for green was found"):
        image(plain, tmp_path, order="blue,red")


def test_an_envi_image_is_known_by_its_wavelengths(tmp_path):
    path = raster(tmp_path / "envi/scene.img", 4, "uint8", driver="ENVI")
    header = path.with_suffix(".hdr")
    lengths = "wavelength units = Micrometers\nwavelength = {0.4825, 0.565, 0.66, 0.825}\n"
    header.write_text(header.read_text() + lengths)
    found = image(path, tmp_path)
    assert found.told == "the wavelengths of the bands"
    assert {role: band.scene.band for role, band in found.bands.items()} == {
        "blue": 1, "green": 2, "red": 3, "nir": 4}  # fmt: skip
    assert numbers(found.bands[Role.GREEN])[0, 7] == 107
    with zipfile.ZipFile(tmp_path / "scene.zip", "w") as file:
        for part in (path, header):
            file.write(part, f"delivery/{part.name}")
    packed = image(tmp_path / "scene.zip", tmp_path)
    np.testing.assert_array_equal(numbers(packed.bands[Role.NIR]), numbers(found.bands[Role.NIR]))


@pytest.mark.parametrize("kind", ["folder", "zip", "tar.gz"])
def test_a_packed_raster_is_found(tmp_path, kind):
    raster(tmp_path / "delivery/ortho.tif", 3, descriptions=("red", "green", "blue"))
    (tmp_path / "delivery/readme.txt").write_text("An orthoimage.")
    path = tmp_path / "delivery"
    if kind != "folder":
        path = tmp_path / f"ortho.{kind}"
        if kind == "zip":
            with zipfile.ZipFile(path, "w") as file:
                file.write(tmp_path / "delivery/ortho.tif", "ortho.tif")
        else:
            with tarfile.open(path, "w:gz") as file:
                file.add(tmp_path / "delivery", "delivery")
    assert numbers(image(path, tmp_path).bands[Role.BLUE])[0, 0] == 200


def test_floats_of_reflectance_and_scales_of_a_file_become_reflectance(tmp_path):
    named = ("blue", "green", "red")
    found = image(raster(tmp_path / "a.tif", 3, "float32", named), tmp_path)
    assert found.bands[Role.RED].scaling == Scaling(1.0)
    assert numbers(found.bands[Role.RED])[0, 7] == 207
    path = raster(tmp_path / "b.tif", 3, descriptions=named)
    with rasterio.open(path, "r+") as target:
        target.scales, target.offsets = (2e-4,) * 3, (-0.01,) * 3
    found = image(path, tmp_path)
    assert found.scaled
    assert numbers(found.bands[Role.RED])[0, 7] == 2 * 207 - 100
    path = raster(tmp_path / "c.tif", 3, "float32", named)
    with rasterio.open(path, "r+") as target:
        target.write(target.read() * 1e7)
    found = image(path, tmp_path)
    assert not found.scaled
    assert numbers(found.bands[Role.BLUE])[0, 7] == 7000


def test_numbers_beyond_the_planes_are_cut_and_nan_is_nought():
    band = Band(None, Scaling(1e-4, -0.1))
    stored = np.array([0, 1000, 1001, 66_000, 99_999, np.nan])
    assert band.numbers(stored).tolist() == [0, 0, 1, 65_000, 65_535, 0]
    assert Band(None).numbers(np.array([-5, 7.5, 8.5, 1e6])).tolist() == [0, 8, 8, 65_535]


OFFSETS = "".join(
    f'<{{kind}}_ADD_OFFSET band_id="{n}">-1000</{{kind}}_ADD_OFFSET>' for n in range(13)
)
SUN = """<Tile_Angles><Mean_Sun_Angle><ZENITH_ANGLE unit="deg">40.5</ZENITH_ANGLE>
<AZIMUTH_ANGLE unit="deg">38.25</AZIMUTH_ANGLE></Mean_Sun_Angle></Tile_Angles>"""
BANDS = ("B02", "B03", "B04", "B05", "B08", "B11", "B12", "B8A")


@pytest.mark.parametrize(
    ("level", "baseline", "said", "offset"),
    [
        ("1C", "03.01", "", 0),
        ("1C", "05.10", OFFSETS.format(kind="RADIO"), -0.1),
        ("2A", "05.09", OFFSETS.format(kind="BOA"), -0.1),
        # Numbers of the new baseline with the offset taken out again, as some stores do.
        ("2A", "05.09", "", 0),
    ],
)
def test_sentinel2_numbers_become_reflectance(safe, tmp_path, level, baseline, said, offset):
    product = safe(level=level, baseline=baseline, bands=BANDS)
    document = product.root / f"MTD_MSIL{level}.xml"
    document.write_text(document.read_text().replace("</Product_Info>", f"</Product_Info>{said}"))
    tile = product.granule / "MTD_TL.xml"
    tile.write_text(tile.read_text().replace("</Tile_Geocoding>", f"</Tile_Geocoding>{SUN}"))
    found = image(product.root, tmp_path)
    assert list(found.bands) == list(Role)
    assert [band.scene.band_name for band in found.bands.values()] == list(BANDS[:-1])
    assert (found.told, found.unused) == ("the product's own names", ("B8A",))
    assert all(band.scaling == Scaling(1e-4, offset) for band in found.bands.values())
    expected = product.pixels(2).astype(int) + round(10_000 * offset)
    np.testing.assert_array_equal(
        numbers(found.bands[Role.RED]), np.clip(expected, 0, 65_535).astype(np.uint16)
    )
    azimuth, elevation = found.sun
    assert elevation == pytest.approx(49.5)
    # Grid north lies a quarter of a degree west of north here.
    assert azimuth == pytest.approx(38.25, abs=0.5)
    assert azimuth != 38.25


def test_without_its_metadata_the_product_s_name_tells_the_offset(safe, tmp_path):
    product = safe(level="2A", baseline="04.00", bands=("B02", "B03", "B04", "B8A"))
    (product.root / "MTD_MSIL2A.xml").unlink()
    found = image(product.root, tmp_path)
    assert found.bands[Role.RED].scaling == Scaling(1e-4, -0.1)
    # The band of 20 m stands in for that of 10 m.
    assert found.bands[Role.NIR].scene.band_name == "B8A"
    shutil.rmtree(product.root)
    product = safe(bands=("B02", "B04"))
    with pytest.raises(errors.BandMissing, match=r"No band for green was found.*B02, B04"):
        image(product.root, tmp_path)


def test_a_packed_sentinel2_product_gives_the_same(safe, tmp_path):
    product = safe(bands=BANDS)
    path = tmp_path / "product.tar"
    with tarfile.open(path, "w") as file:
        file.add(product.root, product.root.name)
    found = image(path, tmp_path)
    np.testing.assert_array_equal(
        numbers(found.bands[Role.NIR]), numbers(image(product.root, tmp_path).bands[Role.NIR])
    )


MTL = """GROUP = LANDSAT_METADATA_FILE
  GROUP = IMAGE_ATTRIBUTES
    SPACECRAFT_ID = "LANDSAT_8"
    DATE_ACQUIRED = 2021-05-03
    SUN_AZIMUTH = 36.5
    SUN_ELEVATION = 30.0
  END_GROUP = IMAGE_ATTRIBUTES
  GROUP = LEVEL2_SURFACE_REFLECTANCE_PARAMETERS
{surface}  END_GROUP = LEVEL2_SURFACE_REFLECTANCE_PARAMETERS
  GROUP = LEVEL1_RADIOMETRIC_RESCALING
{top}  END_GROUP = LEVEL1_RADIOMETRIC_RESCALING
END_GROUP = LANDSAT_METADATA_FILE
END
"""


def lines(gain, offset):
    return "".join(
        f"    REFLECTANCE_MULT_BAND_{n} = {gain}\n    REFLECTANCE_ADD_BAND_{n} = {offset}\n"
        for n in range(1, 8)
    )


def landsat(folder, product, pattern="{}_B{}.TIF", count=7, mtl=True):
    for number in range(1, count + 1):
        name = pattern.format(product, number)
        raster(folder / name, 1, first=100 * number)
    raster(folder / f"{product}_ST_B10.TIF", 1)
    if mtl:
        text = MTL.format(surface=lines("2.75e-05", "-0.2"), top=lines("2.0E-05", "-0.1"))
        (folder / f"{product}_MTL.txt").write_text(text)
    return folder


OLI = "LC08_L2SP_098084_20210503_20210508_02_T1"
ETM = "LE07_L1TP_104078_20130429_20161124_01_T1"


def test_landsat_surface_reflectance_is_scaled(tmp_path):
    found = image(landsat(tmp_path / "p", OLI, "{}_SR_B{}.TIF"), tmp_path)
    assert list(found.bands) == [r for r in Role if r != Role.REDEDGE]
    assert found.unused == (f"{OLI}_SR_B1",)
    assert (found.name, str(found.date)) == (OLI, "2021-05-03")
    # Band 5 holds 50,000: 50,000 x 2.75e-5 - .2
    assert numbers(found.bands[Role.NIR])[0, 0] == 11_750
    assert found.sun[1] == 30


def test_landsat_at_the_top_of_the_atmosphere_is_scaled_by_the_sun(tmp_path):
    product = OLI.replace("L2SP", "L1TP")
    found = image(landsat(tmp_path / "p", product), tmp_path)
    assert found.bands[Role.RED].scaling.gain == pytest.approx(4e-5)
    assert numbers(found.bands[Role.RED])[0, 0] == 14_000
    old = image(landsat(tmp_path / "q", ETM), tmp_path)
    # Landsat 7 counts from blue.
    assert numbers(old.bands[Role.BLUE])[0, 0] == 2_000
    assert list(old.bands) == list(found.bands)


def test_landsat_without_metadata_keeps_its_numbers_or_takes_the_documented_scale(tmp_path):
    found = image(landsat(tmp_path / "p", ETM, mtl=False), tmp_path)
    assert not found.scaled
    assert "Nothing tells the scale" in found.warnings[0]
    assert numbers(found.bands[Role.RED])[0, 0] == 30_000
    assert (str(found.date), found.sun) == ("2013-04-29", None)
    found = image(landsat(tmp_path / "q", OLI, "{}_SR_B{}.TIF", mtl=False), tmp_path)
    assert found.bands[Role.RED].scaling == Scaling(2.75e-5, -0.2)
    found = image(landsat(tmp_path / "r", ETM, "{}_sr_band{}.tif", mtl=False), tmp_path)
    assert found.bands[Role.RED].scaling == Scaling(1e-4)


def test_two_landsat_products_in_one_folder_are_refused(tmp_path):
    landsat(tmp_path / "p", ETM)
    landsat(tmp_path / "p", OLI)
    with pytest.raises(errors.UnknownFormat, match="2 Landsat products"):
        image(tmp_path / "p", tmp_path)


def bits(*numbers):
    return sum(1 << number for number in numbers)


@pytest.mark.parametrize(
    ("kind", "stored", "meaning"),
    [
        ("scl", [0, 2, 3, 4, 5, 6, 8, 9, 10, 11],
         [0, 0, Cover.SHADOW, 0, 0, Cover.WATER, Cover.CLOUD, Cover.CLOUD, 0, Cover.SNOW]),
        ("qa_pixel", [bits(0, 3), bits(6), bits(3), bits(4, 7), bits(5), bits(1), bits(2)],
         [0, 0, Cover.CLOUD, Cover.SHADOW | Cover.WATER, Cover.SNOW, Cover.CLOUD, 0]),
        ("pixel_qa", [1, bits(1), bits(2), bits(3), bits(4), bits(5)],
         [0, 0, Cover.WATER, Cover.SHADOW, Cover.SNOW, Cover.CLOUD]),
        ("bqa", [1, bits(4), bits(7), bits(7, 8), bits(9, 10), bits(10)],
         [0, Cover.CLOUD, 0, Cover.SHADOW, Cover.SNOW, 0]),
    ],
)  # fmt: skip
def test_classes_tell_what_covers_the_ground(kind, stored, meaning):
    found = cover(kind, np.array(stored, np.uint16)[None, None])
    assert found.tolist() == [meaning]


def test_cloud_classes_of_level_1_are_bands(tmp_path):
    bands = np.array([[[1, 0, 0, 0]], [[0, 1, 0, 0]], [[0, 0, 1, 0]]], np.uint8)
    assert cover("classi", bands).tolist() == [[Cover.CLOUD, Cover.CLOUD, Cover.SNOW, 0]]


def test_a_layer_of_classes_is_read_on_any_grid(safe, tmp_path):
    product = safe(level="2A", bands=("B02", "B03", "B04"))
    classes = np.full((30, 30), 4, np.uint8)
    classes[10:20, 5:10] = 9
    classes[0, 0] = 3
    product.write(product.granule, "IMG_DATA/R20m/T48LWP_20210713T032051_SCL_20m.jp2", classes, 20)
    found = image(product.root, tmp_path)
    with pytest.raises(ValueError, match="staged"):
        cover_of(found.classes, found.bands[Role.RED].scene.grid)
    red = found.bands[Role.RED].scene
    layer = staged_classes(found.classes, red, tmp_path / "classes.tif")
    here = cover_of(layer, red.grid)
    np.testing.assert_array_equal(here[20:40, 10:20], Cover.CLOUD)
    np.testing.assert_array_equal(here[:2, :2], Cover.SHADOW)
    assert np.count_nonzero(here) == 204
    fine = Grid((40, 60), from_origin(500_060, 8_899_820, 5, 5), "EPSG:32748")
    expected = np.zeros((40, 60), np.uint8)
    expected[:, 4:24] = Cover.CLOUD
    np.testing.assert_array_equal(cover_of(layer, fine), expected)
    degrees = Grid((10, 10), from_origin(105.0, -9.95, 1e-4, 1e-4), "EPSG:4326")
    assert not cover_of(layer, degrees).any()


def test_polygons_of_clouds_of_old_products_are_a_layer_too(safe, tmp_path):
    product = safe(bands=("B02", "B03", "B04"))
    product.clouds_gml()
    found = image(product.root, tmp_path)
    red = found.bands[Role.RED].scene
    layer = staged_classes(found.classes, red, tmp_path / "classes.tif")
    expected = np.zeros((60, 60), np.uint8)
    expected[:30, :30] = Cover.CLOUD
    np.testing.assert_array_equal(cover_of(layer, red.grid), expected)
    (product.granule / "QI_DATA/MSK_CLOUDS_B00.gml").write_text("<not closed>")
    found = image(product.root, tmp_path)
    with pytest.raises(errors.BadMetadata, match="not well-formed"):
        staged_classes(found.classes, red, tmp_path / "other.tif")


@pytest.mark.shared
def test_real_landsat_products_and_envi_are_read(shared_data, tmp_path):
    folder = shared_data / "sentinel2/landsat"
    for name, kind in (("LC08_L1TP_090084_20160121_20170405_01_T1.tar.gz", "bqa"),
                       ("LC08_L2SP_098084_20210503_20210508_02_T1", "qa_pixel"),
                       ("LE07_L1TP_104078_20130429_20161124_01_T1.tar", "bqa")):  # fmt: skip
        found = image(folder / name, tmp_path)
        assert (len(found.bands), found.scaled, found.classes.kind) == (6, True, kind)
    found = image(shared_data / "landslides/landsat_urban/Taizhou/2000TM", tmp_path)
    assert list(found.bands) == [r for r in Role if r != Role.REDEDGE]
    layer = ClassLayer("qa_pixel", str(next((folder / OLI).glob("*QA_PIXEL.TIF"))))
    red = image(folder / OLI, tmp_path).bands[Role.RED].scene
    staged = staged_classes(layer, red, tmp_path / "classes.tif")
    assert set(np.unique(cover_of(staged, red.grid))) == {0, 1, 2, 3, 5, 8, 9}
