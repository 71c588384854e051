"""Images with a model in their tags or in a file beside them."""

import numpy as np
import pytest
import rasterio
from rasterio.transform import from_origin

from core.errors import (
    BadRaster,
    BadRpc,
    Refused,
    RpcMissing,
    UnknownFormat,
    WrongLevel,
)
from core.io.products.stereo import open_views
from core.simulate.stereo.geotiff import write_geotiff
from core.simulate.stereo.images import write_pixels
from core.simulate.stereo.worldview import (
    rpc_text,
    write_nitf,
    write_rpc_text,
    write_worldview,
)


def one(path, tmp_path, *more):
    (view,) = open_views([path, *more], scratch=tmp_path / "scratch")
    return view


def test_tags_of_a_geotiff(tmp_path, pair, holds):
    path = write_geotiff(tmp_path / "20240618T104152_first.tif", pair[0])
    view = one(path, tmp_path)
    holds(view, pair[0])
    assert (view.driver, view.nodata, view.bands, view.matched) == ("GTiff", 0, ("1",), (1,))
    assert view.time.isoformat() == "2024-06-18T10:41:52+00:00"
    assert view.warnings == ()


def test_the_model_tells_sampling_and_angles_as_they_were_simulated(tmp_path, pair):
    paths = [write_geotiff(tmp_path / f"{n}.tif", view) for n, view in enumerate(pair)]
    for view, true in zip(open_views(paths, scratch=tmp_path), pair, strict=True):
        assert view.gsd_m == pytest.approx(0.5, rel=0.02)
        assert view.incidence_deg == pytest.approx(true.camera.viewing.incidence_deg, abs=0.3)
        turn = (view.azimuth_deg - true.camera.viewing.azimuth_deg + 180) % 360 - 180
        assert abs(turn) < 1.5


@pytest.mark.parametrize("capitals", [True, False])
def test_a_text_beside_the_image_in_letters_of_either_case(tmp_path, pair, holds, capitals):
    path = write_rpc_text(tmp_path / "IMAGE.TIF", pair[0], capitals=capitals)
    holds(one(path, tmp_path), pair[0])


@pytest.mark.parametrize(
    "name",
    ["image.RPB", "image.rpb", "image_RPC.TXT", "IMAGE_rpc.txt", "RPC_image.XML", "image.XML"],
)
def test_a_side_file_of_any_kind(tmp_path, pair, holds, name):
    til = write_worldview(tmp_path / "order", pair[0])
    image = write_pixels(tmp_path / "image.tif", pair[0].image)
    side = tmp_path / name
    if name.lower().endswith("rpb"):
        side.write_text(til.with_suffix(".RPB").read_text())
    elif name.lower().endswith("xml"):
        side.write_text(til.with_suffix(".XML").read_text())
    else:
        side.write_text(rpc_text(pair[0].camera.rpc))
    holds(one(image, tmp_path), pair[0])


def test_files_given_one_by_one_from_different_folders(tmp_path, pair, holds):
    given = []
    for number, view in enumerate(pair):
        path = write_rpc_text(tmp_path / f"view{number}.TIF", view)
        for file in (path, path.with_name(f"{path.stem}_RPC.TXT")):
            folder = tmp_path / f"upload-{file.name}"
            folder.mkdir()
            given.append(file.rename(folder / file.name))
    views = open_views(given, scratch=tmp_path / "scratch")
    assert [view.name for view in views] == ["view0", "view1"]
    for opened, view in zip(views, pair, strict=True):
        holds(opened, view)


def test_a_folder_of_images(tmp_path, pair, holds):
    folder = tmp_path / "images"
    folder.mkdir()
    for number, view in enumerate(pair):
        write_rpc_text(folder / f"view{number}.TIF", view)
    views = open_views([folder], scratch=tmp_path / "scratch")
    for opened, view in zip(views, pair, strict=True):
        holds(opened, view)


def test_a_link_beside_an_image_is_not_followed(tmp_path, pair):
    (tmp_path / "secret").mkdir()
    path = write_rpc_text(tmp_path / "secret" / "image.tif", pair[0])
    image = path.rename(tmp_path / "image.tif")
    (tmp_path / "image_RPC.TXT").symlink_to(tmp_path / "secret" / "image_RPC.TXT")
    with pytest.raises(RpcMissing):
        one(image, tmp_path)


def test_a_side_file_wins_over_the_tags_and_says_so(tmp_path, pair, holds):
    path = write_geotiff(tmp_path / "image.tif", pair[0])
    side = tmp_path / "image_RPC.TXT"
    side.write_text(rpc_text(pair[0].camera.rpc))
    assert one(path, tmp_path).warnings == ()
    side.write_text(rpc_text(pair[1].camera.rpc))
    view = one(path, tmp_path)
    assert view.rpc.col_numerator == tuple(pair[1].camera.rpc.samp_num_coeff)
    assert any("image_RPC.TXT differs" in note for note in view.warnings)


def test_a_nitf_with_its_extension(tmp_path, pair, holds):
    path = write_nitf(tmp_path / "image.NTF", pair[0])
    view = one(path, tmp_path)
    holds(view, pair[0])
    assert view.driver == "NITF"
    # What stands there is no time of the acquisition but GDAL's default.
    assert view.time is None
    assert view.control == ()


@pytest.mark.shared
def test_real_crops_keep_their_offsets_far_outside(samples, tmp_path):
    folder = samples / "s2p_pair_reunion"
    views = open_views([folder / "img_01.tif", folder / "img_02.tif"], scratch=tmp_path)
    assert [view.shape for view in views] == [(1024, 1024), (1102, 1031)]
    assert [view.rpc.row_offset for view in views] == [19403.5, 19853.5]
    for view in views:
        assert view.gsd_m == pytest.approx(0.506, abs=0.002)
        assert view.incidence_deg == pytest.approx(8.5, abs=0.4)
        assert view.rpc.error_bias_m is None


@pytest.mark.shared
def test_real_nitf(samples, tmp_path):
    paths = [samples / f"dimap_samples/wv3_{n}.NTF" for n in (20, 30)]
    views = open_views(paths, scratch=tmp_path)
    assert [view.rpc.row_offset for view in views] == [17495, 17543]
    assert all(0.3 < view.gsd_m < 0.4 for view in views)
    assert views[0].rpc.error_bias_m == pytest.approx(0.87)


@pytest.mark.shared
def test_ground_control_in_a_real_image_agrees_with_its_model(samples, tmp_path):
    view = one(samples / "orthority_qb2/qb2_basic1b.tif", tmp_path)
    assert len(view.control) == 5
    lon, lat, height, rows, cols = np.array(
        [(p.lon, p.lat, p.height, p.row, p.col) for p in view.control]
    ).T
    seen = view.rpc.project(lon, lat, height)
    # A common shift of 4 px, 28 m, is what its model states; the rest is a tenth of a pixel.
    assert np.ptp(seen.row - rows) < 0.3
    assert np.ptp(seen.col - cols) < 0.3
    assert np.hypot(np.mean(seen.row - rows), np.mean(seen.col - cols)) < 5
    assert any("8 bits" in note for note in view.warnings)


def test_ground_control_is_counted_from_the_centre_of_the_first_pixel(tmp_path, pair):
    path = write_geotiff(tmp_path / "image.tif", pair[0])
    points = [
        rasterio.control.GroundControlPoint(10.5, 20.5, 5.0, 43.0, 7.0, id="a"),
        rasterio.control.GroundControlPoint(0.0, 0.0, 5.1, 43.1, 8.0, id="b"),
    ]
    with rasterio.open(path, "r+") as dataset:
        dataset.gcps = points, "EPSG:4326"
    first, second = one(path, tmp_path).control
    assert first == ("1", 10.0, 20.0, 5.0, 43.0, 7.0)
    assert (second.row, second.col) == (-0.5, -0.5)


def test_three_colours_are_matched_by_their_mean(tmp_path, pair):
    pixels = np.stack([pair[0].image // n for n in (1, 2, 3, 4)]).astype(np.uint8)
    path = tmp_path / "colours.tif"
    write_pixels_of(path, pixels, pair[0], "RGB")
    view = one(path, tmp_path)
    assert view.matched == (1, 2, 3)
    assert (view.bits, view.saturated) == (8, None)
    assert any("8 bits" in note for note in view.warnings)


def write_pixels_of(path, pixels, view, photometric):
    with rasterio.open(
        path,
        "w",
        driver="GTiff",
        count=len(pixels),
        height=pixels.shape[1],
        width=pixels.shape[2],
        dtype=pixels.dtype,
        photometric=photometric,
        rpcs=view.camera.rpc,
    ) as dataset:
        dataset.write(pixels)


def test_twelve_bits_saturate_at_4095(tmp_path, pair, holds):
    path = write_pixels(tmp_path / "image.JP2", pair[0].image, jpeg2000=True)
    (tmp_path / "image_RPC.TXT").write_text(rpc_text(pair[0].camera.rpc))
    view = one(path, tmp_path)
    holds(view, pair[0])
    assert (view.driver, view.bits, view.saturated) == ("JP2OpenJPEG", 12, 4095)


def test_an_image_without_a_model_names_what_would_do(tmp_path, pair):
    path = write_pixels(tmp_path / "image.tif", pair[0].image)
    with pytest.raises(RpcMissing, match=r"image\.tif has no RPC") as caught:
        open_views([path], scratch=tmp_path, pointers=["/inputs/images/0"])
    assert caught.value.pointer == "/inputs/images/0"
    assert "image_RPC.TXT" in caught.value.allowed


def test_the_model_of_another_image(tmp_path, pair):
    path = write_pixels(tmp_path / "image.tif", pair[0].image)
    text = rpc_text(pair[0].camera.rpc)
    offset = text.split("LINE_OFF: ")[1].split()[0]
    (tmp_path / "image_RPC.TXT").write_text(text.replace(offset, "+400000.00", 1))
    with pytest.raises(BadRpc, match="does not reach the middle"):
        one(path, tmp_path)


def test_an_image_on_a_map_is_refused(tmp_path, pair):
    path = write_geotiff(tmp_path / "image.tif", pair[0])
    with rasterio.open(path, "r+") as dataset:
        dataset.crs = "EPSG:32631"
        dataset.transform = from_origin(600000, 4800000, 0.5, 0.5)
    with pytest.raises(WrongLevel, match="map-projected"):
        one(path, tmp_path)


@pytest.mark.parametrize("lost", [0.02, 0.5])
@pytest.mark.parametrize("jpeg2000", [True, False])
def test_a_truncated_image_is_told_before_pixels_are_read(tmp_path, pair, jpeg2000, lost):
    name = "image.jp2" if jpeg2000 else "image.tif"
    # The directory first, so that GDAL opens the rest without a word.
    path = write_pixels(tmp_path / name, pair[0].image, jpeg2000=jpeg2000)
    (tmp_path / "image_RPC.TXT").write_text(rpc_text(pair[0].camera.rpc))
    data = path.read_bytes()
    path.write_bytes(data[: round(len(data) * (1 - lost))])
    with pytest.raises(BadRaster, match=r"image\.\w+ is truncated"):
        one(path, tmp_path)


def test_a_truncated_nitf(tmp_path, pair):
    path = write_nitf(tmp_path / "image.NTF", pair[0])
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(BadRaster, match="truncated"):
        one(path, tmp_path)


def test_a_jpeg2000_of_many_tiles_is_whole(tmp_path, pair, holds):
    path = write_pixels(
        tmp_path / "image.jp2", pair[0].image, jpeg2000=True, blockxsize=32, blockysize=32
    )
    (tmp_path / "image_RPC.TXT").write_text(rpc_text(pair[0].camera.rpc))
    holds(one(path, tmp_path), pair[0])


@pytest.mark.parametrize("lost", [0, 1, 500])
def test_a_jpeg2000_whose_last_tile_does_not_tell_its_length(tmp_path, pair, lost):
    path = write_pixels(tmp_path / "image.jp2", pair[0].image, jpeg2000=True)
    (tmp_path / "image_RPC.TXT").write_text(rpc_text(pair[0].camera.rpc))
    data = path.read_bytes()
    start = data.index(b"\xff\x90\x00\x0a") + 6
    box = data.index(b"jp2c") - 4
    # Neither does the box: both reach to the end of the file.
    data = data[:start] + bytes(4) + data[start + 4 :]
    data = data[:box] + bytes(4) + data[box + 4 :]
    path.write_bytes(data[: len(data) - lost])
    if lost:
        with pytest.raises(BadRaster, match="truncated"):
            one(path, tmp_path)
    else:
        assert one(path, tmp_path).shape == (96, 120)


@pytest.mark.parametrize(
    "content",
    [b"no image", b"<VRTDataset rasterXSize='1' rasterYSize='1'></VRTDataset>", b"II*\0\x08\0\0\0"],
)
def test_another_format_under_the_name_of_an_image(tmp_path, content):
    path = tmp_path / "image.tif"
    path.write_bytes(content)
    with pytest.raises(UnknownFormat, match="cannot be opened"):
        one(path, tmp_path)


def test_an_empty_file(tmp_path):
    path = tmp_path / "image.tif"
    path.touch()
    with pytest.raises(BadRaster, match="empty"):
        one(path, tmp_path)


def test_no_image_at_all(tmp_path):
    path = tmp_path / "notes.txt"
    path.write_text("none")
    with pytest.raises(UnknownFormat, match="no image"):
        one(path, tmp_path)


def test_each_image_that_cannot_be_used_has_its_own_reason(tmp_path, pair):
    first = write_pixels(tmp_path / "first.tif", pair[0].image)
    second = tmp_path / "second.tif"
    second.write_bytes(b"nothing")
    with pytest.raises(Refused) as caught:
        open_views([first, second], scratch=tmp_path, pointers=["/inputs/0", "/inputs/1"])
    codes = [(problem.pointer, problem.code) for problem in caught.value.problems]
    assert codes == [("/inputs/0", "rpc-missing"), ("/inputs/1", "unknown-format")]


@pytest.mark.parametrize("with_model", [True, False])
def test_what_gdal_keeps_beside_an_image(tmp_path, pair, holds, with_model):
    path = write_pixels(tmp_path / "image.tif", pair[0].image)
    tags = pair[0].camera.rpc.to_gdal() if with_model else {}
    items = "".join(f'<MDI key="{key}">{value}</MDI>' for key, value in tags.items())
    kept = tmp_path / "image.tif.aux.xml"
    kept.write_text(
        f'<PAMDataset><Metadata domain="RPC">{items}</Metadata><Metadata>'
        '<MDI key="STATISTICS_MEAN">1</MDI></Metadata></PAMDataset>'
    )
    if with_model:
        holds(one(path, tmp_path), pair[0])
    else:
        with pytest.raises(RpcMissing):
            one(path, tmp_path)


def test_an_xml_without_a_model_beside_an_image_with_tags(tmp_path, pair, holds):
    path = write_geotiff(tmp_path / "image.tif", pair[0])
    (tmp_path / "image.xml").write_text("<note>taken in June</note>")
    view = one(path, tmp_path)
    holds(view, pair[0])
    assert view.warnings == ()
