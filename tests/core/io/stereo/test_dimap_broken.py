"""Deliveries of Pleiades that are broken, or of which something has to be told."""

from pathlib import Path

import numpy as np
import pytest

from core.errors import (
    BadMetadata,
    BadRaster,
    IncompleteProduct,
    Refused,
    RpcMissing,
    UnknownFormat,
    WrongLevel,
)
from core.simulate.stereo.dimap import write_dimap
from core.simulate.stereo.dimap_forms import PLEIADES
from core.simulate.stereo.images import pack, write_pixels


def changed(folder: Path, pattern: str, old: str, new: str) -> None:
    path = sorted(folder.rglob(pattern))[-1]
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


@pytest.mark.parametrize(
    ("old", "new", "word"),
    [
        ("<PROCESSING_LEVEL>SENSOR", "<PROCESSING_LEVEL>ORTHO", "ORTHO"),
        ("<PROCESSING_LEVEL>SENSOR", "<PROCESSING_LEVEL>PROJECTED", "PROJECTED"),
        ("<RASTER_GEOMETRY>SENSOR", "<RASTER_GEOMETRY>GROUND", "GROUND"),
    ],
)
def test_what_lies_on_a_map_is_refused_by_its_level(opened, tmp_path, pair, old, new, word):
    volume = write_dimap(tmp_path, pair, PLEIADES)
    changed(volume.parent, "DIM_*.XML", old, new)
    with pytest.raises(WrongLevel, match=f"{word}.*on a map") as caught:
        opened([volume.parent])
    assert caught.value.pointer == "/inputs/images/0"


def lose_tile(folder):
    sorted(folder.rglob("IMG_*_R2C2.JP2"))[-1].unlink()


def lose_model(folder):
    sorted(folder.rglob("RPC_*.XML"))[-1].unlink()


def lose_description(folder):
    sorted(folder.rglob("DIM_*.XML"))[-1].unlink()


def cut_tile(folder):
    path = sorted(folder.rglob("IMG_*_R2C2.JP2"))[-1]
    path.write_bytes(path.read_bytes()[:-50])


def swap_tile(folder):
    tiles = sorted(folder.rglob("IMG_*.JP2"))
    tiles[-1].write_bytes(tiles[-2].read_bytes())


def forge_tile(folder):
    path = sorted(folder.rglob("IMG_*_R2C2.JP2"))[-1]
    path.write_text("<VRTDataset rasterXSize='1' rasterYSize='1'></VRTDataset>")


def point_outside(folder):
    changed(folder, "DIM_*.XML", 'DATA_FILE_PATH href="IMG', 'DATA_FILE_PATH href="../../../IMG')
    for path in sorted(folder.rglob("IMG_*.JP2"))[-4:]:
        path.rename(folder.parent / path.name)


def damage_description(folder):
    changed(folder, "DIM_*.XML", "</Dimap_Document>", "")


def make_bomb(folder):
    changed(
        folder, "DIM_*.XML", "<Dimap_Document>", '<!DOCTYPE a [<!ENTITY b "c">]><Dimap_Document>'
    )


def forget_rows(folder):
    changed(folder, "DIM_*.XML", "<NROWS>96", "<NROWS>196")


BROKEN = [
    (lose_tile, IncompleteProduct, "lacks IMG_.*R2C2"),
    (lose_model, RpcMissing, "The RPC of PHR1A_P_2024.* is not there"),
    (lose_description, IncompleteProduct, "VOL_PHR.XML lists DIM_.*not there"),
    (cut_tile, BadRaster, "R2C2.JP2 is truncated"),
    (swap_tile, BadMetadata, "tiles of .* do not fit"),
    (forge_tile, UnknownFormat, "R2C2.JP2 cannot be opened"),
    (point_outside, IncompleteProduct, "lacks IMG_"),
    (damage_description, BadMetadata, "DIM_.* is not well-formed"),
    (make_bomb, BadMetadata, "document type"),
    (forget_rows, IncompleteProduct, "120 x 96 pixels.*120 x 196"),
]


@pytest.mark.parametrize(("breaking", "error", "words"), BROKEN)
@pytest.mark.parametrize("packed", [True, False])
def test_of_two_products_one_is_broken(opened, tmp_path, pair, breaking, error, words, packed):
    folder = write_dimap(tmp_path / "a", pair, PLEIADES, tile=64, jpeg2000=True).parent
    breaking(folder)
    path = pack(folder, "zip") if packed else folder
    with pytest.raises(error, match=words) as caught:
        opened([path])
    assert caught.value.pointer == "/inputs/images/0"
    assert str(tmp_path) not in caught.value.message


def test_both_products_are_broken_each_in_its_way(opened, tmp_path, pair):
    folder = write_dimap(tmp_path, pair, PLEIADES, tile=64, jpeg2000=True).parent
    cut_tile(folder)
    sorted(folder.rglob("RPC_*.XML"))[0].unlink()
    with pytest.raises(Refused) as caught:
        opened([folder])
    assert [problem.code for problem in caught.value.problems] == ["rpc-missing", "bad-raster"]


def test_a_tile_by_itself_does_not_say_where_it_lies(opened, tmp_path, pair, holds):
    volume = write_dimap(tmp_path, pair[:1], PLEIADES, tile=64)
    next(volume.parent.rglob("DIM_*.XML")).unlink()
    tile = next(volume.parent.rglob("IMG_*_R2C2.TIF"))
    with pytest.raises(RpcMissing, match=r"R2C2\.TIF is a tile.*DIM"):
        opened([tile])
    # The first one begins where the image does.
    tile = next(volume.parent.rglob("IMG_*_R1C1.TIF"))
    (view,) = opened([tile])
    holds(view, pair[0], pair[0].image[None, :64, :64])


def test_values_changed_for_display_are_told(opened, tmp_path, pair):
    volume = write_dimap(tmp_path, pair, PLEIADES)
    settings = "<Product_Settings>"
    told = f"{settings}<RADIOMETRIC_PROCESSING>LINEAR_STRETCH</RADIOMETRIC_PROCESSING>"
    changed(volume.parent, "DIM_*.XML", settings, told)
    first, second = opened([volume.parent])
    assert first.warnings == ()
    assert any("LINEAR_STRETCH" in note for note in second.warnings)


def test_eight_bits_are_told(opened, tmp_path, pair):
    volume = write_dimap(tmp_path, pair[:1], PLEIADES)
    path = next(volume.parent.rglob("IMG_*.TIF"))
    # GDAL deletes the model with the file that it replaces.
    path.unlink()
    write_pixels(path, (pair[0].image >> 4).astype(np.uint8), dtype="uint8")
    (view,) = opened([volume.parent])
    assert view.bits == 8
    assert any("8 bits" in note for note in view.warnings)


def test_an_incidence_that_the_model_does_not_have_is_told(opened, tmp_path, pair):
    volume = write_dimap(tmp_path, pair, PLEIADES)
    text = sorted(volume.parent.rglob("DIM_*.XML"))[-1].read_text()
    told = text.split('<INCIDENCE_ANGLE unit="deg">')[1].split("<")[0]
    changed(volume.parent, "DIM_*.XML", told, "31.5")
    views = opened([volume.parent])
    assert any("incidence of 31.5" in note for note in views[1].warnings)
