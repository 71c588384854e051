"""Every form of delivery, opened by stock GDAL, holds the same pixels and the same model."""

import re
import shutil
from datetime import datetime
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import rasterio
from pyproj import Transformer
from rasterio import features
from rasterio.errors import NotGeoreferencedWarning
from rasterio.rpc import RPC
from scipy import ndimage

from core.simulate.stereo.bundle import multispectral, panchromatic, pansharpened
from core.simulate.stereo.dimap import write_dimap
from core.simulate.stereo.dimap_forms import PLEIADES, PLEIADES_NEO, SPOT, Form
from core.simulate.stereo.images import pack
from core.simulate.stereo.making import CALM, Disturbances, Stereo, make_stereo
from core.simulate.stereo.rational import project, terms
from core.simulate.stereo.views import View
from core.simulate.stereo.worldview import write_nitf, write_rpc_text, write_worldview


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
            assert (tags["MISSION"], tags["INSTRUMENT"]) == (form.mission, form.instrument)
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


@pytest.mark.parametrize("tile", [64, 8192])
def test_a_worldview_order_holds_the_view(tmp_path: Path, tile: int) -> None:
    view = stereo().views[0]
    til = write_worldview(tmp_path, view, tile=tile)
    assert_holds(til, view)
    with rasterio.open(til) as dataset:
        assert dataset.driver == "TIL"
        said = dataset.tags(ns="IMD")
        assert said["productLevel"].strip('"') == "Stereo 1B"
        begin = datetime.fromisoformat(said["IMAGE_1.firstLineTime"])
        assert 0 <= (view.time - begin).total_seconds() < 0.01
        assert float(said["IMAGE_1.meanSatEl"]) == pytest.approx(
            90 - view.camera.viewing.incidence_deg, abs=1e-3
        )
    files = sorted(path.name for path in til.parent.glob("*.TIF"))
    assert [name.split("-P1BS_")[1][:4] for name in files] == (
        ["R1C1", "R1C2", "R2C1", "R2C2"] if tile == 64 else ["R1C1"]
    )
    # Nothing beside a tile carries its name, so that it has no model: only the .TIL places it.
    with (
        pytest.warns(NotGeoreferencedWarning),
        rasterio.open(til.parent / files[-1]) as dataset,
    ):
        assert dataset.rpcs is None


@pytest.mark.parametrize("side", [".RPB", ".XML"])
def test_a_tiff_with_the_side_file_of_its_name_holds_the_view(tmp_path: Path, side: str) -> None:
    view = stereo().views[1]
    til = write_worldview(tmp_path / "order", view)
    image = next(til.parent.glob("*.TIF"))
    shutil.copy(image, tmp_path / "image.TIF")
    shutil.copy(til.with_suffix(side), tmp_path / f"image{side}")
    assert_holds(tmp_path / "image.TIF", view)
    with rasterio.open(tmp_path / "image.TIF") as dataset:
        assert (dataset.rpcs.err_bias, dataset.rpcs.err_rand) == (2.0, 0.1)


@pytest.mark.parametrize("capitals", [True, False])
def test_a_tiff_with_its_model_as_text_holds_the_view(tmp_path: Path, capitals: bool) -> None:
    view = stereo().views[0]
    path = write_rpc_text(tmp_path / "scene.tif", view, capitals=capitals)
    assert_holds(path, view)


def test_a_nitf_holds_the_view_in_the_digits_of_rpc00b(tmp_path: Path) -> None:
    for view in stereo().views:
        path = write_nitf(tmp_path / "scene.NTF", view)
        assert b"RPC00B01041" in path.read_bytes()
        assert_holds(path, view)
        assert [name.name for name in tmp_path.iterdir()] == ["scene.NTF"]


def test_a_bundle_holds_four_bands_with_a_model_of_their_own(tmp_path: Path) -> None:
    views = stereo().views
    volume = write_dimap(tmp_path, views, kinds=(panchromatic, multispectral), tile=64)
    folders = sorted(path.name for path in volume.parent.glob("IMG_*"))
    assert folders == [
        "IMG_PHR1A_MS_002",
        "IMG_PHR1A_MS_004",
        "IMG_PHR1A_P_001",
        "IMG_PHR1A_P_003",
    ]
    for view, pan, colour in zip(
        views,
        sorted(volume.parent.glob("IMG_*_P_*/DIM_*")),
        sorted(volume.parent.glob("IMG_*_MS_*/DIM_*")),
        strict=True,
    ):
        assert_holds(pan, view)
        with rasterio.open(colour) as dataset:
            assert (dataset.count, *dataset.shape) == (4, 24, 30)
            assert dataset.tags()["SPECTRAL_PROCESSING"] == "MS"
            assert float(dataset.tags()["GSD_ALONG_TRACK"]) == 2.0
            red = dataset.read(1).astype(float)
            model = dataset.rpcs
        # Ground in the middle of a large pixel lies in the middle of sixteen small ones.
        x, y, height = view.surface(np.arange(48.0), np.arange(48.0))
        lon, lat = Transformer.from_crs(view.scene.crs, "OGC:CRS84", always_xy=True).transform(x, y)
        small, large = (project(rpc, lon, lat, height) for rpc in (view.camera.rpc, model))
        np.testing.assert_allclose(np.ptp(small.row - 4 * large.row), 0, atol=0.01)
        np.testing.assert_allclose(np.ptp(small.col - 4 * large.col), 0, atol=0.01)
        rows, cols = np.meshgrid(np.arange(2, 22), np.arange(2, 28), indexing="ij")
        places = [4 * rows + np.mean(small.row - 4 * large.row)]
        places += [4 * cols + np.mean(small.col - 4 * large.col)]
        blurred = ndimage.gaussian_filter(view.image.astype(float), 2.3)
        expected = ndimage.map_coordinates(blurred, places, order=3)
        alike = np.corrcoef(red[2:22, 2:28].ravel(), expected.ravel())[0, 1]
        # Over the last view stands a cloud, which no model places.
        assert alike > (0.995 if view.look.cloud == 0 else 0.7)


def test_a_pansharpened_product_has_the_pixels_of_the_panchromatic(tmp_path: Path) -> None:
    view = stereo().views[0]
    volume = write_dimap(tmp_path, (view,), kinds=(pansharpened,), jpeg2000=True)
    with rasterio.open(next(volume.parent.rglob("DIM_*_PMS_*.XML"))) as dataset:
        assert (dataset.count, *dataset.shape) == (4, *view.camera.shape)
        assert numbers(dataset.rpcs) == numbers(view.camera.rpc)
        green = np.clip(np.rint(0.90 * view.image + 45.0), 1, 4095)
        np.testing.assert_array_equal(dataset.read(2), green)


def test_the_mask_of_clouds_lies_over_the_cloud(tmp_path: Path) -> None:
    cloudy = make_stereo(
        "plain", "pair", shape=(96, 96), seed=1, disturbances=CALM._replace(cloud=0.3)
    )
    for form in (PLEIADES, PLEIADES_NEO):
        volume = write_dimap(tmp_path, cloudy.views, form, job=form.mission)
        first, last = sorted(volume.parent.rglob("CLD_*_MSK.GML"))
        assert "posList" not in first.read_text()
        document = last.parents[1] / last.name.replace("CLD", "DIM").replace("_MSK.GML", ".XML")
        assert f'href="MASKS/{last.name}"' in document.read_text()
        outlines = re.findall(r"<gml:posList>(.*?)</gml:posList>", last.read_text())
        corners = [np.array(text.split(), float).reshape(-1, 2) for text in outlines]
        # The centre of the first pixel has the number `origin`; rasterio begins at its corner.
        polygons = [
            {"type": "Polygon", "coordinates": [(places - form.origin + 0.5).tolist()]}
            for places in corners
        ]
        drawn = features.rasterize(polygons, (96, 96))
        np.testing.assert_array_equal(drawn > 0, cloudy.views[1].cloud > 0.1)
