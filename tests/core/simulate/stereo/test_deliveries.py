"""Every form of delivery, opened by stock GDAL, holds the same pixels and the same model."""

import shutil
from datetime import datetime
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import rasterio
from rasterio.rpc import RPC

from core.simulate.stereo.dimap import PLEIADES, PLEIADES_NEO, SPOT, Form, write_dimap
from core.simulate.stereo.images import pack
from core.simulate.stereo.making import Disturbances, Stereo, make_stereo
from core.simulate.stereo.rational import terms
from core.simulate.stereo.views import View


@cache
def stereo() -> Stereo:
    return make_stereo("city", "pair", shape=(96, 120), seed=3, disturbances=Disturbances())


def numbers(rpc: RPC) -> dict[str, object]:
    """The model without what suppliers say of its errors, which not every format keeps."""
    return {name: value for name, value in rpc.to_dict().items() if not name.startswith("err")}


def assert_holds(source: Path | str, view: View) -> None:
    with rasterio.open(source) as dataset:
        np.testing.assert_array_equal(dataset.read(1), view.image)
        assert numbers(dataset.rpcs) == numbers(view.camera.rpc)


@pytest.mark.parametrize(
    ("form", "jpeg2000", "tile"),
    [
        (PLEIADES, False, 64),
        (PLEIADES, True, 64),
        (PLEIADES, False, 4096),
        (SPOT, False, 50),
        (PLEIADES_NEO, True, 64),
        (PLEIADES_NEO, False, 4096),
    ],
)
def test_a_dimap_holds_each_view(tmp_path: Path, form: Form, jpeg2000: bool, tile: int) -> None:
    views = stereo().views
    volume = write_dimap(tmp_path, views, form, tile=tile, jpeg2000=jpeg2000)
    products = sorted(volume.parent.glob("IMG_*/DIM_*.XML"))
    assert len(products) == 2
    for product, view in zip(products, views, strict=True):
        assert_holds(product, view)
        with rasterio.open(product) as dataset:
            assert dataset.driver == "DIMAP"
            tags = dataset.tags()
            taken = f"{tags['IMAGING_DATE']}T{tags['IMAGING_TIME']}"
            assert abs((datetime.fromisoformat(taken) - view.time).total_seconds()) < 0.11
            assert tags["MISSION"] == form.mission
            assert float(tags["GSD_ALONG_TRACK"]) == 0.5
            files = [Path(name).suffix for name in dataset.files if "_R1C" in name]
            assert set(files) == {".JP2" if jpeg2000 else ".TIF"}
            assert len(files) == -(-120 // tile)
    with rasterio.open(volume) as dataset:
        assert len(dataset.subdatasets) == 2
        for name, view in zip(dataset.subdatasets, views, strict=True):
            assert_holds(name, view)


def test_version_2_counts_from_one_and_version_3_from_zero(tmp_path: Path) -> None:
    view = stereo().views[0]
    offsets = {}
    for form in (PLEIADES, PLEIADES_NEO):
        volume = write_dimap(tmp_path, (view,), form, job=form.mission)
        text = next(volume.parent.rglob("RPC_*.XML")).read_text()
        offsets[form.mission] = float(text.split("<LINE_OFF>")[1].split("<")[0])
    assert offsets == {"PHR": view.camera.rpc.line_off + 1, "PNEO": view.camera.rpc.line_off}


def test_a_tile_by_itself_has_the_model_moved_to_its_corner(tmp_path: Path) -> None:
    view = stereo().views[1]
    volume = write_dimap(tmp_path, (view,), PLEIADES, tile=64)
    with rasterio.open(next(volume.parent.rglob("IMG_*_R2C2.TIF"))) as dataset:
        np.testing.assert_array_equal(dataset.read(1), view.image[64:, 64:])
        assert dataset.rpcs.line_off == view.camera.rpc.line_off - 64
        assert dataset.rpcs.samp_off == view.camera.rpc.samp_off - 64


@pytest.mark.parametrize(("kind", "prefix"), [("zip", "/vsizip/"), ("tar.gz", "/vsitar/")])
def test_a_packed_delivery_is_the_folder_again(tmp_path: Path, kind, prefix) -> None:
    views = stereo().views
    volume = write_dimap(tmp_path, views, PLEIADES, tile=64, jpeg2000=True)
    archive = pack(volume.parent, kind)
    inside = [path.relative_to(tmp_path) for path in sorted(tmp_path.rglob("DIM_*.XML"))]
    shutil.rmtree(volume.parent)
    for path, view in zip(inside, views, strict=True):
        assert_holds(f"{prefix}{archive}/{path.as_posix()}", view)


def test_the_way_back_that_a_dimap_carries_undoes_the_other() -> None:
    camera = stereo().views[0].camera
    seen, rpc, direct = camera.seen, camera.rpc, camera.direct
    columns = terms(
        (seen.col - rpc.samp_off) / rpc.samp_scale,
        (seen.row - rpc.line_off) / rpc.line_scale,
        (seen.height - rpc.height_off) / rpc.height_scale,
    )
    for fraction, truth, offset, scale in (
        (direct.lon, seen.lon, rpc.long_off, rpc.long_scale),
        (direct.lat, seen.lat, rpc.lat_off, rpc.lat_scale),
    ):
        value = (columns @ fraction.numerator) / (columns @ fraction.denominator)
        # A ten-millionth of a degree is a centimetre.
        assert np.abs(value * scale + offset - truth).max() < 1e-7
