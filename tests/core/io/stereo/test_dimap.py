"""Deliveries of Pleiades, Pleiades Neo and SPOT in every form in which they reach a server."""

import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest
import rasterio

from core.errors import (
    IncompleteProduct,
)
from core.io.products.stereo import opened_view, unpacked
from core.simulate.stereo.bundle import multispectral, panchromatic, pansharpened
from core.simulate.stereo.dimap import write_dimap
from core.simulate.stereo.dimap_forms import PLEIADES, PLEIADES_NEO, SPOT
from core.simulate.stereo.images import pack, write_pixels

NAMES = {"PHR": "Pleiades 1A", "PNEO": "Pleiades Neo 3", "SPOT": "SPOT 6"}


@pytest.mark.parametrize(
    ("form", "jpeg2000", "tile"),
    [
        (PLEIADES, False, 64),
        (PLEIADES, True, 50),
        (PLEIADES, True, 4096),
        (SPOT, False, 50),
        (PLEIADES_NEO, True, 64),
        (PLEIADES_NEO, False, 4096),
    ],
)
def test_a_delivery_gives_its_views(opened, tmp_path, pair, holds, form, jpeg2000, tile):
    volume = write_dimap(tmp_path, pair, form, tile=tile, jpeg2000=jpeg2000)
    views = opened([volume.parent])
    assert len(views) == 2
    for view, true in zip(views, pair, strict=True):
        holds(view, true)
        assert view.sensor == NAMES[form.mission]
        assert (view.kind, view.level, view.bands) == ("P", "SENSOR", ("P",))
        assert (view.nodata, view.saturated, view.bits) == (0, 4095, 12)
        assert view.first_pixel == form.origin
        assert abs((view.time - true.time).total_seconds()) < 0.11
        assert Path(view.cloud).name == f"CLD_{view.name}_MSK.GML"
        assert view.warnings == ()
        assert view.colour is None
        assert len(view.tiles) == -(-96 // tile) * -(-120 // tile)


@pytest.mark.parametrize("jpeg2000", [False, True])
@pytest.mark.parametrize("kind", ["zip", "tar", "tar.gz"])
def test_a_packed_delivery(opened, tmp_path, pair, holds, kind, jpeg2000):
    volume = write_dimap(tmp_path, pair, PLEIADES, tile=64, jpeg2000=jpeg2000)
    archive = pack(volume.parent, kind)
    shutil.rmtree(volume.parent)
    views = opened([archive])
    for view, true in zip(views, pair, strict=True):
        holds(view, true)
        assert view.source == archive
        assert view.archived == (kind == "zip")
        plain = unpacked(view, tmp_path / "unpacked")
        assert not plain.archived
        holds(plain, true)


@pytest.mark.parametrize("tile", [64, 4096])
def test_given_by_its_documents(opened, tmp_path, pair, holds, tile):
    volume = write_dimap(tmp_path, pair, PLEIADES, tile=tile)
    described = sorted(volume.parent.glob("*/DIM_*.XML"))
    for paths in ([volume], described, [volume, *described]):
        views = opened(paths)
        assert len(views) == 2
        for view, true in zip(views, pair, strict=True):
            holds(view, true)


def test_given_by_one_tile_of_each(opened, tmp_path, pair, holds):
    volume = write_dimap(tmp_path, pair, PLEIADES, tile=64)
    tiles = sorted(volume.parent.rglob("IMG_*_R2C1.TIF"))
    for view, true in zip(opened(tiles), pair, strict=True):
        holds(view, true)


def test_files_sent_one_by_one(opened, tmp_path, pair, holds):
    volume = write_dimap(tmp_path, pair[:1], PLEIADES, tile=64)
    given = []
    for number, path in enumerate(sorted(volume.parent.rglob("*.*"))):
        if path.suffix in (".XML", ".TIF") and not path.name.startswith("VOL"):
            folder = tmp_path / f"upload{number}"
            folder.mkdir()
            given.append(path.rename(folder / path.name))
    assert len(given) == 6
    (view,) = opened(given)
    holds(view, pair[0])


@pytest.mark.parametrize("up", ["..", "../.."])
def test_a_document_by_itself_names_no_file_above_it(opened, tmp_path, pair, up):
    volume = write_dimap(tmp_path, pair[:1], PLEIADES)
    document = next(volume.parent.rglob("DIM_*.XML"))
    tile = next(volume.parent.rglob("IMG_*.TIF"))
    target = tile.rename((document.parent / up).resolve() / tile.name)
    for href in (f"{up}/{tile.name}", str(target)):
        text = document.read_text()
        document.write_text(text.replace(f'href="{tile.name}"', f'href="{href}"'))
        with pytest.raises(IncompleteProduct, match="lacks IMG_"):
            opened([document])
        document.write_text(text)


def test_folders_and_the_case_of_letters_do_not_matter(opened, tmp_path, pair, holds):
    volume = write_dimap(tmp_path, pair, PLEIADES, tile=64)
    archive = tmp_path / "flat.zip"
    with zipfile.ZipFile(archive, "w") as packed:
        for path in volume.parent.rglob("*.*"):
            if path.name != volume.name:
                packed.write(path, path.name.lower())
    for view, true in zip(opened([archive]), pair, strict=True):
        holds(view, true)


def test_several_deliveries_in_one_archive(opened, tmp_path, triplet, holds):
    folder = tmp_path / "order"
    for number, view in enumerate(triplet):
        write_dimap(folder, (view,), PLEIADES, tile=64, job=f"100{number}")
    views = opened([pack(folder, "zip")])
    for view, true in zip(views, triplet, strict=True):
        holds(view, true)
    # In one document each, in one archive each: the same.
    packed = [pack(path, "tar.gz") for path in sorted(folder.iterdir()) if path.is_dir()]
    for view, true in zip(opened(packed), triplet, strict=True):
        holds(view, true)


def test_the_panchromatic_image_of_a_bundle_is_chosen(opened, tmp_path, pair, holds):
    volume = write_dimap(tmp_path, pair, PLEIADES, kinds=(panchromatic, multispectral), tile=64)
    views = opened([volume.parent])
    assert [view.kind for view in views] == ["P", "P"]
    for view, true in zip(views, pair, strict=True):
        holds(view, true)
        product = multispectral(true)
        holds(view.colour, product.view, product.pixels)
        assert view.colour.bands == ("B2", "B1", "B0", "B3")
        assert view.colour.matched == (1, 2, 3)
        assert view.colour.gsd_m == pytest.approx(4 * view.gsd_m, rel=1e-2)
        assert view.warnings == ()


def test_the_finer_of_two_coloured_images_goes_with_the_panchromatic_one(opened, tmp_path, pair):
    kinds = (multispectral, pansharpened, panchromatic)
    volume = write_dimap(tmp_path, pair[:1], PLEIADES, kinds=kinds)
    (view,) = opened([volume.parent])
    assert (view.kind, view.colour.kind) == ("P", "PMS")
    volume = write_dimap(tmp_path, pair[:1], PLEIADES, kinds=kinds[:2], job="2")
    (view,) = opened([volume.parent])
    assert (view.kind, view.colour, view.warnings) == ("PMS", None, ())


def test_a_bundle_in_two_archives(opened, tmp_path, pair):
    archives = [
        pack(write_dimap(tmp_path, pair[:1], PLEIADES, job=job, kinds=(kind,)).parent, "zip")
        for job, kind in (("1001", multispectral), ("1002", panchromatic))
    ]
    (view,) = opened(archives)
    assert (view.kind, view.colour.kind) == ("P", "MS")


def test_a_pansharpened_product_by_itself(opened, tmp_path, pair, holds):
    volume = write_dimap(tmp_path, pair, PLEIADES_NEO, kinds=(pansharpened,), tile=64)
    for view, true in zip(opened([volume.parent]), pair, strict=True):
        holds(view, true, pansharpened(true).pixels)
        assert (view.kind, view.matched, view.colour) == ("PMS", (1, 2, 3), None)


def test_a_multispectral_image_without_its_panchromatic_one(opened, tmp_path, pair):
    alone = write_dimap(tmp_path, pair[:1], PLEIADES, job="1001", kinds=(multispectral,))
    (view,) = opened([alone.parent])
    assert (view.kind, view.matched) == ("MS", (1, 2, 3))
    sharp = write_dimap(tmp_path, pair[1:], PLEIADES, job="1002")
    (view,) = opened([alone.parent, sharp.parent])
    assert view.kind == "P"
    assert any("is multispectral" in note for note in view.warnings)


def test_what_else_lies_in_a_delivery_does_not_matter(opened, tmp_path, pair, holds):
    volume = write_dimap(tmp_path, pair, PLEIADES, tile=64)
    folder = next(volume.parent.glob("IMG_*"))
    with zipfile.ZipFile(folder / "PREVIEW_x.KMZ", "w") as globe:
        globe.writestr("doc.kml", "<kml/>")
    quicklook = folder / "IMG_PHR1A_P_x_R1C1.JP2_ql_by_viewer.tif"
    write_pixels(quicklook, pair[0].image[::4, ::4].copy())
    for name in ("LINEAGE", "LIBRARY"):
        (folder / name).mkdir()
    text = next(folder.glob("DIM_*.XML")).read_text()
    (folder / "LINEAGE/STRIP_x_DIM.XML").write_text(text)
    (folder / "LIBRARY/DIM_EXAMPLE.XML").write_text("<unfinished>")
    (folder / "notes.xml").write_text("<unfinished>")
    for kind in ("zip", "tar"):
        views = opened([pack(volume.parent, kind)])
        assert len(views) == 2
        for view, true in zip(views, pair, strict=True):
            holds(view, true)
        assert any(quicklook.name in note for note in views[0].warnings)


def test_six_bands_in_two_sets_of_files(opened, tmp_path, pair, holds):
    volume = write_dimap(tmp_path, pair[:1], PLEIADES_NEO, kinds=(pansharpened,), tile=64)
    path = next(volume.parent.rglob("DIM_*.XML"))
    pixels = pansharpened(pair[0]).pixels
    for tile in sorted(volume.parent.rglob("IMG_*.TIF")):
        with rasterio.open(tile) as dataset:
            bands = dataset.read()
        tile.unlink()
        write_pixels(tile, bands[:3].copy())
        write_pixels(tile.with_name(tile.name.replace("IMG_", "IMG_NED_")), bands[::-1][:3].copy())
    text = path.read_text()
    files = text[text.index("<Data_Files>") : text.index("</Data_Files>")]
    display = "<Raster_Display><Band_Display_Order>{}</Band_Display_Order></Raster_Display>"
    sets = [
        files
        + display.format(
            "".join(f"<{c}_CHANNEL>{b}</{c}_CHANNEL>" for c, b in zip(COLOURS, names, strict=True))
        )
        + "</Data_Files>"
        for names in (("R", "G", "B"), ("NIR", "RE", "DB"))
    ]
    sets[1] = sets[1].replace("IMG_", "IMG_NED_")
    path.write_text(
        text.replace(files + "</Data_Files>", "".join(sets)).replace(">PMS<", ">PMS-FS<")
    )
    (view,) = opened([volume.parent])
    assert view.bands == ("R", "G", "B", "NIR", "RE", "DB")
    assert (view.kind, view.matched) == ("PMS", (1, 2, 3))
    holds(view, pair[0], np.concatenate([pixels[:3], pixels[::-1][:3]]))


COLOURS = ("RED", "GREEN", "BLUE")


@pytest.mark.shared
@pytest.mark.parametrize("form", ["folder", "zip", "tar", "tar.gz", "document"])
def test_real_pixels_and_models_are_what_gdal_reads(opened, tmp_path, samples, form):
    fixture = samples / "dimap_fixture"
    given, stock = [], []
    for name in ("6909081", "6909082", "6909083"):
        folder = tmp_path / "copies" / name
        shutil.copytree(fixture / name, folder)
        document = next(folder.rglob("DIM_*.XML"))
        with rasterio.open(document) as dataset:
            assert dataset.driver == "DIMAP"
            stock.append((dataset.read(), dataset.rpcs))
        given.append({"folder": folder, "document": document}.get(form) or pack(folder, form))
    views = opened(given)
    for view, (pixels, rpc) in zip(views, stock, strict=True):
        assert (view.rpc.row_offset, view.rpc.col_offset) == (rpc.line_off, rpc.samp_off)
        assert list(view.rpc.row_numerator) == rpc.line_num_coeff
        with opened_view(view) as dataset:
            np.testing.assert_array_equal(dataset.read(), pixels)
        assert 0.49 < view.gsd_m < 0.51
        assert view.sensor == "Pleiades 1A"
    # The fixture tells its times only in the names.
    assert [view.time.minute for view in views] == [41, 42, 43]


def test_a_list_that_lists_itself(opened, tmp_path, pair, holds):
    volume = write_dimap(tmp_path, pair, PLEIADES, tile=64)
    text = volume.read_text()
    component = text[text.index("<Component>") : text.index("</Component>")]
    again = component.replace(component.split('href="')[1].split('"')[0], volume.name)
    volume.write_text(text.replace("<Component>", f"{again}</Component><Component>", 1))
    views = opened([volume.parent])
    for view, true in zip(views, pair, strict=True):
        holds(view, true)
