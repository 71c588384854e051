"""What whole jobs decode of deliveries in JPEG 2000."""

from pathlib import Path

import numpy as np
import pytest

from core.pipelines.dsm_opt import preparation
from core.simulate.stereo.bundle import multispectral, panchromatic, pansharpened
from core.simulate.stereo.dimap import write_dimap
from core.simulate.stereo.making import UNBIASED, make_stereo
from core.tiling import Window

SIDE = 640
TILE, BLOCK = 320, 64
ENCODING = {"blockxsize": BLOCK, "blockysize": BLOCK, "resolutions": 4}
RESOLUTION = 1.0
HALF = 4e-4
"""Of the wanted ground, degrees."""


@pytest.fixture(scope="module")
def stereo():
    """A small town, twice."""
    return make_stereo("city", shape=(SIDE, SIDE), seed=46, disturbances=UNBIASED, samples=2)


@pytest.fixture
def wanted(stereo, monkeypatch):
    """A request for its middle, where images are not so small that all of them is matched."""
    monkeypatch.setattr(preparation, "TIED_WHOLE_PX", 256)
    centre = stereo.scene.centre
    bbox = [centre.lon - HALF, centre.lat - HALF, centre.lon + HALF, centre.lat + HALF]
    return {"aoi": {"bbox": bbox}, "resolution": RESOLUTION, "orthoimages": True}


@pytest.fixture
def delivery(stereo, place):
    """Opens the town as one delivery in tiles."""

    def opened(kinds, **options):
        def write(folder: Path) -> tuple[Path, ...]:
            write_dimap(folder / "delivery", stereo.views, tile=TILE, kinds=kinds, **options)
            return (folder / "delivery",)

        return place(stereo, write)

    return opened


@pytest.mark.parametrize("kinds", [(pansharpened,), (panchromatic, multispectral)])
def test_each_block_is_decoded_once_in_a_whole_job(delivery, wanted, decoded, kinds) -> None:
    colour = multispectral in kinds
    opened = delivery(kinds, jpeg2000=True, **ENCODING)
    result = opened(**wanted, colour_orthoimages=colour)
    assert len(list((result.folder / "orthoimages").iterdir())) == (4 if colour else 2)
    assert decoded.blocks
    assert set(decoded.blocks.values()) == {1}
    assert {block.level for block in decoded.blocks} == {1, 4}
    files = {block.file for block in decoded.blocks if "_MS_" not in block.file}
    # Two images of four tiles; ground in the middle lies in all of them.
    assert len(files) == 8
    for name in files:
        full = [block for block in decoded.at(1) if block.file == name]
        assert 0 < len(full) < (TILE // BLOCK) ** 2
    error = result.error
    assert abs(np.median(error)) < 0.1
    assert (np.abs(error) < 1.0).mean() > 0.9


def test_a_file_without_reduced_resolutions_is_decoded_once_too(delivery, wanted, decoded) -> None:
    encoding = {"blockxsize": BLOCK, "blockysize": BLOCK, "resolutions": 1}
    result = delivery((panchromatic,), jpeg2000=True, **encoding)(**wanted)
    assert set(decoded.blocks.values()) == {1}
    assert {block.level for block in decoded.blocks} == {1}
    assert (np.abs(result.error) < 1.0).mean() > 0.9


def test_small_images_are_decoded_once_and_averaged(delivery, wanted, decoded, monkeypatch) -> None:
    monkeypatch.setattr(preparation, "TIED_WHOLE_PX", SIDE)
    jp2 = delivery((panchromatic,), jpeg2000=True, **ENCODING)(**wanted)
    assert set(decoded.blocks.values()) == {1}
    assert {block.level for block in decoded.blocks} == {1}
    # The same pixels in another format give the same bits.
    tiff = delivery((panchromatic,))(**wanted)
    np.testing.assert_array_equal(jp2.dsm, tiff.dsm)


def test_the_coarse_model_of_reduced_resolutions_lies_where_that_of_means_does(
    stereo, steps, tmp_path, monkeypatch
) -> None:
    monkeypatch.setattr(preparation, "TIED_WHOLE_PX", 256)
    found = []
    for name, options in (("jp2", {"jpeg2000": True, **ENCODING}), ("tiff", {})):
        folder = tmp_path / name
        write_dimap(folder / "delivery", stereo.views, tile=TILE, **options)
        context = steps.bare(folder / "job")
        given = {"resolution": RESOLUTION, "output_crs": stereo.scene.crs}
        *_, ready = steps.readied((folder / "delivery",), context, **given)
        truth = stereo.truth(ready.ground.grid)
        error = np.where(truth.measurable(), ready.ground.height - truth.height, np.nan)
        found.append((ready, error))
    (jp2, error), (tiff, other) = found
    assert jp2.eyes[0].image.window == tiff.eyes[0].image.window == Window(0, 0, SIDE, SIDE)
    for one, two in zip(jp2.eyes, tiff.eyes, strict=True):
        assert abs(one.rpc.row_offset - two.rpc.row_offset) < 0.02
        assert abs(one.rpc.col_offset - two.rpc.col_offset) < 0.02
    # A twentieth of a reduced pixel of disparity makes .4 m of height.
    assert abs(np.nanmedian(error)) < 0.5
    assert abs(np.nanmedian(other)) < 0.5
