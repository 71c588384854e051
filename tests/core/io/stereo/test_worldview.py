"""Deliveries of WorldView: tiles under a .TIL, single files, NITF, levels and bundles."""

import shutil
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
import rasterio
from rasterio.transform import from_origin

from core.errors import BadMetadata, BadRaster, IncompleteProduct, RpcMissing, WrongLevel
from core.io.products.stereo import opened_view, unpacked
from core.simulate.stereo.bundle import multispectral
from core.simulate.stereo.images import pack, write_pixels
from core.simulate.stereo.worldview import rpc_text, write_nitf, write_worldview

UNPLACED = pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")


def order(tmp_path, pair, **options):
    """Both views as parts of one order."""
    tils = [
        write_worldview(tmp_path, view, part=part, **options) for part, view in enumerate(pair, 1)
    ]
    return tmp_path / "052783824050_01", tils


@pytest.mark.parametrize("tile", [50, 64, 8192])
def test_an_order_gives_its_views(opened, tmp_path, pair, holds, tile):
    folder, _ = order(tmp_path, pair, tile=tile)
    views = opened([folder])
    assert len(views) == 2
    for view, true in zip(views, pair, strict=True):
        holds(view, true)
        assert view.sensor == "WorldView-3"
        assert (view.kind, view.level, view.nodata, view.bits) == ("P", "Stereo 1B", 0, 16)
        assert abs(view.time - true.time) < timedelta(seconds=1)
        assert view.rpc.error_bias_m == true.camera.rpc.err_bias
        assert view.warnings == ()
        assert len(view.tiles) == -(-96 // tile) * -(-120 // tile)


@pytest.mark.parametrize("kind", ["zip", "tar", "tar.gz"])
def test_a_packed_order(opened, tmp_path, pair, holds, kind):
    folder, _ = order(tmp_path, pair, tile=64)
    archive = pack(folder, kind)
    shutil.rmtree(folder)
    for view, true in zip(opened([archive]), pair, strict=True):
        holds(view, true)
        holds(unpacked(view, tmp_path / "unpacked"), true)


@pytest.mark.parametrize("ending", [".TIL", ".IMD", ".RPB", ".XML", "_R2C1"])
def test_given_by_one_file_of_each_image(opened, tmp_path, pair, holds, ending):
    _, tils = order(tmp_path, pair, tile=64)
    if ending == "_R2C1":
        given = [next(til.parent.glob("*R2C1*.TIF")) for til in tils]
    else:
        given = [til.with_suffix(ending) for til in tils]
    for view, true in zip(opened(given), pair, strict=True):
        holds(view, true)


def test_files_sent_one_by_one(opened, tmp_path, pair, holds):
    _, tils = order(tmp_path, pair[:1], tile=64)
    given = []
    for number, path in enumerate(sorted(tils[0].parent.iterdir())):
        folder = tmp_path / f"upload{number}"
        folder.mkdir()
        given.append(path.rename(folder / path.name))
    (view,) = opened(given)
    holds(view, pair[0])


@pytest.mark.parametrize("lost", [(".RPB",), (".XML",), (".IMD", ".RPB"), (".IMD", ".XML")])
def test_what_is_told_twice_may_be_lost_once(opened, tmp_path, pair, holds, lost):
    folder, tils = order(tmp_path, pair, tile=64)
    for til in tils:
        for ending in lost:
            til.with_suffix(ending).unlink()
    views = opened([folder])
    for view, true in zip(views, pair, strict=True):
        holds(view, true)
        assert abs(view.time - true.time) < timedelta(seconds=1)


def test_gdal_puts_tiles_together_in_the_same_way(opened, tmp_path, pair):
    folder, tils = order(tmp_path, pair, tile=50)
    for view, til in zip(opened([folder]), tils, strict=True):
        with opened_view(view) as dataset:
            ours = dataset.read()
        with rasterio.open(til) as stock:
            assert stock.driver == "TIL"
            np.testing.assert_array_equal(ours, stock.read())
            assert view.rpc.row_offset == stock.rpcs.line_off
            assert view.rpc.col_offset == stock.rpcs.samp_off


def test_an_image_of_one_file_needs_no_til(opened, tmp_path, pair, holds):
    folder, tils = order(tmp_path, pair)
    for til in tils:
        til.unlink()
    views = opened([folder])
    for view, true in zip(views, pair, strict=True):
        holds(view, true)
        assert (view.driver, view.sensor) == ("GTiff", "WorldView-3")


def test_a_nitf_with_its_metadata_beside(opened, tmp_path, pair, holds):
    _, tils = order(tmp_path, pair)
    given = []
    for til, view in zip(tils, pair, strict=True):
        next(til.parent.glob("*.TIF")).unlink()
        given.append(write_nitf(til.with_suffix(".NTF"), view))
        for ending in (".TIL", ".RPB", ".XML"):
            til.with_suffix(ending).unlink()
    for view, true in zip(opened(given), pair, strict=True):
        holds(view, true)
        assert (view.driver, view.level, view.kind) == ("NITF", "Stereo 1B", "P")


@UNPLACED
def test_tiles_of_nitf(opened, tmp_path, pair, holds):
    _, tils = order(tmp_path, pair[:1], tile=64)
    til = tils[0]
    for path in til.parent.glob("*R?C?*.TIF"):
        with rasterio.open(path) as dataset:
            pixels = dataset.read()
        path.unlink()
        write_pixels(path.with_suffix(".NTF"), pixels, driver="NITF")
    til.write_text(til.read_text().replace(".TIF", ".NTF"))
    (view,) = opened([til])
    holds(view, pair[0])


def coloured(til: Path, view) -> Path:
    """Make of an image the multispectral one that comes with it, in a folder beside."""
    product = multispectral(view)
    folder = til.parent.with_name(til.parent.name.replace("_PAN", "_MUL"))
    stamp = til.name.split("-")[0]
    made = write_worldview(folder / "made", product.view)
    folder = made.parent
    tif = next(folder.glob("*R1C1*.TIF"))
    tif.unlink()
    write_pixels(tif, product.pixels)
    bands = "".join(
        f"BEGIN_GROUP = BAND_{b}\n\tabsCalFactor = 1;\nEND_GROUP = BAND_{b}\n" for b in "RGBN"
    )
    for path in list(folder.iterdir()):
        if path.suffix in (".TIL", ".IMD"):
            text = path.read_text().replace('bandId = "P"', 'bandId = "MS1"')
            text = bands + text if path.suffix == ".IMD" else text
            path.write_text(text.replace("P1BS", "M1BS").replace(tif.name.split("-")[0], stamp))
        name = path.name.replace("P1BS", "M1BS")
        path.rename(path.with_name(name.replace(name.split("-")[0].split("_")[0], stamp)))
    return folder


def test_the_panchromatic_image_of_a_bundle_is_chosen(opened, tmp_path, pair, holds):
    folder, tils = order(tmp_path, pair[:1])
    coloured(tils[0], pair[0])
    (view,) = opened([folder])
    holds(view, pair[0])
    assert view.colour.bands == ("R", "G", "B", "N")
    assert (view.colour.kind, view.colour.matched) == ("MS", (1, 2, 3))
    product = multispectral(pair[0])
    holds(view.colour, product.view, product.pixels)


@pytest.mark.parametrize("level", ["LV2A", "Stereo OR2A", "LV3D", "ORTHO"])
def test_what_lies_on_a_map_is_refused_by_its_level(opened, tmp_path, pair, level):
    folder, tils = order(tmp_path, pair)
    imd = tils[1].with_suffix(".IMD")
    imd.write_text(imd.read_text().replace("Stereo 1B", level))
    with pytest.raises(WrongLevel, match=f"P002 is of the level {level}") as caught:
        opened([folder])
    assert caught.value.pointer == "/inputs/images/0"


@pytest.mark.shared
def test_real_metadata_of_a_projected_product(opened, tmp_path, pair, samples):
    image = write_pixels(tmp_path / "image.tif", pair[0].image)
    shutil.copy(samples / "dimap_samples/rpcm_rpc_files/rpc_WV2.xml", tmp_path / "image.XML")
    with pytest.raises(WrongLevel, match="Stereo OR2A"):
        opened([image])


@pytest.mark.shared
@pytest.mark.parametrize("name", ["rpc_WV1.xml", "rpc_WV3.xml"])
def test_real_metadata_of_a_whole_image_beside_a_crop(opened, tmp_path, pair, samples, name):
    image = write_pixels(tmp_path / "image.tif", pair[0].image)
    shutil.copy(samples / "dimap_samples/rpcm_rpc_files" / name, tmp_path / "image.XML")
    with pytest.raises(IncompleteProduct, match="A crop needs an RPC of its own"):
        opened([image])


def lose_tile(til):
    next(til.parent.glob("*R2C2*.TIF")).unlink()


def lose_models(til):
    til.with_suffix(".RPB").unlink()
    til.with_suffix(".XML").unlink()


def cut_tile(til):
    path = next(til.parent.glob("*R2C2*.TIF"))
    path.write_bytes(path.read_bytes()[:-400])


def shrink_tile(til):
    path = next(til.parent.glob("*R2C2*.TIF"))
    path.unlink()
    write_pixels(path, np.ones((9, 9), np.uint16))


def forget_tile(til):
    text = til.read_text()
    start, end = text.index("BEGIN_GROUP = TILE_2"), text.index("BEGIN_GROUP = TILE_3")
    til.write_text(text[:start] + text[end:])


def forget_last_tile(til):
    text = til.read_text()
    start = text.index("BEGIN_GROUP = TILE_3")
    til.write_text(text[:start] + "END;\n")


def forget_place(til):
    til.write_text(til.read_text().replace("ULRowOffset", "Nothing"))


def empty_til(til):
    til.write_text("numTiles = 0;\nEND;\n")


def point_outside(til):
    til.write_text(til.read_text().replace('filename = "', 'filename = "/etc/'))
    for path in til.parent.glob("*R?C?*.TIF"):
        path.unlink()


def lay_on_map(til):
    path = next(til.parent.glob("*R2C2*.TIF"))
    with rasterio.open(path, "r+") as dataset:
        dataset.crs, dataset.transform = "EPSG:32631", from_origin(6e5, 48e5, 0.5, 0.5)


BROKEN = [
    (lose_tile, IncompleteProduct, "P001 lacks .*R2C2"),
    (lose_models, RpcMissing, "The RPC of .*P001 is not there"),
    (cut_tile, BadRaster, "R2C2.* is truncated"),
    (shrink_tile, BadMetadata, "9 x 9 pixels.*56 x 32"),
    (forget_tile, IncompleteProduct, "of 120 x 96 pixels"),
    (forget_last_tile, IncompleteProduct, "say 120 x 96"),
    (forget_place, BadMetadata, "gives no ULRowOffset"),
    (empty_til, BadMetadata, "names no tile"),
    (point_outside, IncompleteProduct, "lacks /etc/"),
    (lay_on_map, WrongLevel, "on a map"),
]


@UNPLACED
@pytest.mark.parametrize(("breaking", "error", "words"), BROKEN)
@pytest.mark.parametrize("packed", [True, False])
def test_of_two_images_one_is_broken(opened, tmp_path, pair, breaking, error, words, packed):
    folder, tils = order(tmp_path, pair, tile=64)
    breaking(tils[0])
    path = pack(folder, "zip") if packed else folder
    with pytest.raises(error, match=words) as caught:
        opened([path])
    assert caught.value.pointer == "/inputs/images/0"


def test_a_tile_by_itself_does_not_say_where_it_lies(opened, tmp_path, pair):
    _, tils = order(tmp_path, pair[:1], tile=64)
    for ending in (".TIL", ".IMD", ".XML"):
        tils[0].with_suffix(ending).unlink()
    with pytest.raises(RpcMissing, match=r"R2C1.* is a tile.*TIL"):
        opened([next(tils[0].parent.glob("*R2C1*.TIF"))])


def test_values_changed_for_display_are_told(opened, tmp_path, pair):
    folder, tils = order(tmp_path, pair)
    imd = tils[0].with_suffix(".IMD")
    imd.write_text('radiometricEnhancement = "DRA";\n' + imd.read_text())
    first, second = opened([folder])
    assert any("DRA" in note for note in first.warnings)
    assert second.warnings == ()


def test_an_order_and_a_plain_image_together(opened, tmp_path, pair, holds):
    folder, _ = order(tmp_path, pair[:1])
    image = write_pixels(tmp_path / "image.tif", pair[1].image)
    (tmp_path / "image_RPC.TXT").write_text(rpc_text(pair[1].camera.rpc))
    for view, true in zip(opened([folder, image]), pair, strict=True):
        holds(view, true)
