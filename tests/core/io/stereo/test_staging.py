"""Windows of views on scratch: geometry, flags, and what is decoded for them."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import rasterio
from scipy import ndimage

from core.io.products.stereo import open_views
from core.io.products.stereo.pieces import levels, pieces
from core.io.products.stereo.staging import CLOUD, NODATA, RINGING_PX, averaged, stage
from core.simulate.stereo.images import write_pixels
from core.simulate.stereo.worldview import rpc_text
from core.tiling import Window

SHAPE = (530, 601)
TILES = {"blockxsize": 64, "blockysize": 64, "resolutions": 5}
ENCODINGS = {"lossless": TILES, "9/7": TILES | {"reversible": "no", "quality": "60"}}
"""Of JPEG 2000: wavelets 5/3 and 9/7."""


def texture(smooth_px: float) -> np.ndarray:
    """Something of 12 bits."""
    noise = np.random.default_rng(5).standard_normal(SHAPE)
    smooth = ndimage.gaussian_filter(noise, smooth_px)
    return (np.clip(smooth / smooth.std() * 250 + 1500, 1, 4095)).astype(np.uint16)


@pytest.fixture(scope="module")
def ground():
    """A texture."""
    return texture(5.0)


@pytest.fixture
def image(tmp_path, pair):
    """Opens pixels as one image in a file of their own, with the model of a simulated one."""

    def opened(pixels, name="image.jp2", **options):
        path = tmp_path / name
        write_pixels(path, pixels, jpeg2000=name.endswith("jp2"), dtype=pixels.dtype, **options)
        path.with_name(f"{path.stem}_RPC.TXT").write_text(rpc_text(pair[0].camera.rpc))
        (view,) = open_views([path], scratch=tmp_path)
        return view

    return opened


def read(staged, window=None):
    return staged.read(staged.pixels if window is None else window)


def offset_px(staged, view, pixels) -> np.ndarray:
    """Rows and columns of the full image by which a reduced one shows all farther down and right
    than its model says."""
    model = staged.model(view.rpc)
    ground = view.rpc.locate(*np.array([[0.0, 90.0, 0.0], [0.0, 0.0, 110.0]]), 70.0)
    full, small = (one.project(ground.lon, ground.lat, 70.0) for one in (view.rpc, model))
    places = []
    for axis, count in zip(("row", "col"), staged.pixels.shape, strict=True):
        there, here = getattr(full, axis), getattr(small, axis)
        far = 1 if axis == "row" else 2
        side = (there[far] - there[0]) / (here[far] - here[0])
        places.append(there[0] + side * (np.arange(count) - here[0]))
    rows, cols = np.meshgrid(*places, indexing="ij")
    true = pixels.astype(np.float64)
    slopes = np.stack([ndimage.map_coordinates(s, [rows, cols]) for s in np.gradient(true)])
    difference = read(staged).values - ndimage.map_coordinates(true, [rows, cols])
    inner = (slice(4, -4), slice(4, -4))
    matrix = np.stack([-slope[inner].ravel() for slope in slopes], axis=1)
    return np.linalg.lstsq(matrix, difference[inner].ravel())[0]


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("level", [2, 4, 8])
@pytest.mark.parametrize("times", [1, 2])
def test_the_model_of_a_reduced_resolution_is_right(
    image, tmp_path, encoding, level, times
) -> None:
    factor = level * times
    ground = texture(2.5 * factor)
    view = image(ground, **ENCODINGS[encoding] | {"blockxsize": 512, "blockysize": 512})
    assert levels(view) == (2, 4, 8)
    # In one tile: its border bends what its wavelet shows beside it.
    window = Window(16, 32, 480, 464)
    staged = stage(view, window, tmp_path / "a", level=level, multiple=factor)
    reduced = averaged(staged, window, factor, tmp_path / "b")
    assert reduced.pixels == Window(16 // factor, 32 // factor, *reduced.values.shape)
    np.testing.assert_allclose(offset_px(reduced, view, ground), 0.0, atol=0.03)
    # A tenth of a pixel would be seen, and what were right for means of pixels.
    moved = ndimage.shift(ground.astype(np.float64), (0.1, -0.1))
    np.testing.assert_allclose(offset_px(reduced, view, moved), [-0.1, 0.1], atol=0.03)
    wrong = offset_px(replace(reduced, level=1), view, ground)
    np.testing.assert_allclose(wrong, (level - 1) / 2, atol=0.3)


def test_the_model_of_averaged_pixels_is_right(image, tmp_path) -> None:
    ground = texture(10.0)
    view = image(ground, "image.tif")
    assert levels(view) == ()
    whole = Window(0, 0, *SHAPE)
    reduced = averaged(stage(view, whole, tmp_path / "a", multiple=4), whole, 4, tmp_path / "b")
    assert np.abs(offset_px(reduced, view, ground)).max() < 0.03
    expected = ground[:528, :600].reshape(132, 4, 150, 4).mean(axis=(1, 3))
    np.testing.assert_allclose(read(reduced).values, expected, rtol=1e-6)


@pytest.mark.parametrize(
    ("name", "level"), [("image.jp2", 1), ("image.jp2", 2), ("image.jp2", 4), ("image.tif", 1)]
)
def test_pixels_are_the_same_whatever_window_is_decoded(
    ground, image, tmp_path, name, level
) -> None:
    pixels = ground.copy()
    pixels[100:160, 100:180] = 0
    options = ENCODINGS["lossless"] if name == "image.jp2" else {"nodata": 0}
    view = image(pixels, name, **options)
    found = []
    for number, window in enumerate((Window(0, 0, *SHAPE), Window(45, 51, 133, 150))):
        staged = stage(view, window, tmp_path / f"full{number}", level=level, multiple=8)
        reduced = averaged(staged, window, 8, tmp_path / f"small{number}")
        # Staged again it is found, not decoded.
        again = stage(view, window, tmp_path / f"full{number}", level=level, multiple=8)
        assert again.window == staged.window
        found.append((read(staged, staged.pixels), staged.pixels, reduced))
    (wide, place, coarse), (narrow, inner, part) = found
    rows, cols = inner.inside(place).slices
    margin = 0 if level == 1 else RINGING_PX + 2
    inside = (slice(margin, inner.height - margin), slice(margin, inner.width - margin))
    for one, other in zip(wide, narrow, strict=True):
        np.testing.assert_array_equal(one[rows, cols][inside], other[inside])
    if level == 1:
        for one, other in zip(coarse.read(part.pixels), read(part), strict=True):
            np.testing.assert_array_equal(one, other)


def test_a_part_of_a_staged_image_is_read_as_one_that_was_staged_by_itself(
    ground, image, tmp_path
) -> None:
    view = image(ground, "image.tif")
    window = Window(33, 47, 80, 90)
    part = stage(view, Window(0, 0, *SHAPE), tmp_path / "a", multiple=4).part(window)
    alone = stage(view, window, tmp_path / "b")
    assert part.window == alone.window == part.pixels
    assert part.model(view.rpc) == alone.model(view.rpc)
    around = window.pad(5)
    for one, other in zip(part.read(around), alone.read(around), strict=True):
        np.testing.assert_array_equal(one, other)


def test_what_a_wavelet_mixes_with_no_data_is_not_used(ground, image, tmp_path) -> None:
    pixels = ground.copy()
    pixels[:, 150:] = 0
    # A dark pixel is none without data.
    pixels[80, 40] = 0
    for number, encoding in enumerate(ENCODINGS.values()):
        view = image(pixels, f"image{number}.jp2", **encoding)
        staged = stage(view, Window(0, 0, *SHAPE), tmp_path / f"a{number}", level=4, multiple=4)
        clean = image(ground, f"clean{number}.jp2", **encoding)
        whole = stage(clean, Window(0, 0, *SHAPE), tmp_path / f"b{number}", level=4, multiple=4)
        found, true = read(staged), read(whole)
        known = found.weights > 0
        assert known[:, : 150 // 4 - 2 * RINGING_PX].all()
        assert not known[:, 150 // 4 :].any()
        away = np.ones_like(known)
        away[17:24, 7:14] = False
        difference = np.abs(found.values - true.values)[known & away]
        # Only what the lossy wavelet rounds otherwise is left.
        assert difference.max() <= (0 if number == 0 else 12)


def test_zero_means_no_data_unless_pixels_were_stretched_to_8_bits(ground, image, tmp_path) -> None:
    for dtype, known in ((np.uint16, False), (np.uint8, True)):
        pixels = (ground // 17).astype(dtype)
        pixels[50:60, 50:60] = 0
        view = image(pixels, f"{np.dtype(dtype)}.tif")
        staged = stage(view, Window(0, 0, *SHAPE), tmp_path / str(np.dtype(dtype)))
        assert (read(staged).weights[50:60, 50:60] > 0).all() == known
        told = image(pixels, f"told_{np.dtype(dtype)}.tif", nodata=0)
        staged = stage(told, Window(0, 0, *SHAPE), tmp_path / f"told {np.dtype(dtype)}")
        assert not read(staged).weights[50:60, 50:60].any()


def test_clouds_lie_over_the_same_ground_at_each_resolution(ground, image, tmp_path) -> None:
    view = image(ground, **ENCODINGS["lossless"])
    outline = "100 60 180 60 180 140 100 140 100 60"
    mask = tmp_path / "CLD_MSK.GML"
    mask.write_text(
        '<Mask xmlns:gml="http://www.opengis.net/gml"><gml:Polygon><gml:exterior>'
        f"<gml:LinearRing><gml:posList>{outline}</gml:posList></gml:LinearRing>"
        "</gml:exterior></gml:Polygon></Mask>"
    )
    view = replace(view, cloud=str(mask))
    full = stage(view, Window(0, 0, *SHAPE), tmp_path / "1")
    assert full.warnings == ()
    cloudy = (read(full).flags & np.uint8(CLOUD)) != 0
    assert cloudy.sum() == 80 * 80
    for level in (2, 4):
        reduced = stage(view, Window(0, 0, *SHAPE), tmp_path / str(level), level=level)
        found = (read(reduced).flags & np.uint8(CLOUD)) != 0
        rows, cols = found.shape
        np.testing.assert_array_equal(found, cloudy[::level, ::level][:rows, :cols])


def test_each_block_is_decoded_once_however_many_bands(ground, image, tmp_path, decoded) -> None:
    pixels = np.stack([ground, ground // 2, ground // 3, ground // 4 + 9])
    view = image(pixels, **ENCODINGS["lossless"])
    window = Window(70, 70, 100, 130)
    staged = stage(view, window, tmp_path / "a", all_bands=True)
    assert staged.bands is not None
    np.testing.assert_array_equal(
        staged.bands.read(window).values, pixels[:, 70:170, 70:200].astype(np.float32)
    )
    np.testing.assert_allclose(
        read(staged).values, pixels[[n - 1 for n in view.matched], 70:170, 70:200].mean(axis=0)
    )
    assert set(decoded.blocks.values()) == {1}
    # Only the window's.
    assert {(block.row, block.col) for block in decoded.blocks} == {
        (row, col) for row in (1, 2) for col in (1, 2, 3)
    }


def test_gdal_reads_each_byte_of_a_file_about_once(image, tmp_path) -> None:
    # Blocks of which all bands are decoded at once have to be kept until the last band is read.
    noise = np.random.default_rng(1).integers(1, 4095, (4, 1024, 1024)).astype(np.uint16)
    view = image(noise, blockxsize=512, blockysize=512)
    size = Path(view.path).stat().st_size
    before = _read_bytes()
    for _ in pieces(view, (1, 2, 3, 4), Window(0, 0, 1024, 1024)):
        pass
    # Blocks are fetched in whole megabytes.
    assert _read_bytes() - before < 1.8 * size


def _read_bytes() -> int:
    lines = dict(line.split(": ") for line in Path("/proc/self/io").read_text().splitlines())
    return int(lines["rchar"])


def test_a_file_whose_lattice_begins_elsewhere_has_no_usable_resolution(
    ground, image, tmp_path
) -> None:
    view = image(ground, **ENCODINGS["lossless"])
    path = Path(view.path)
    data = bytearray(path.read_bytes())
    place = data.index(b"\xff\x4f\xff\x51") + 4 + 4
    for at in (place, place + 4):
        size = int.from_bytes(data[at : at + 4], "big")
        data[at : at + 4] = (size + 1).to_bytes(4, "big")
    for at in (place + 8, place + 12):
        data[at : at + 4] = (1).to_bytes(4, "big")
    path.write_bytes(data)
    assert levels(view) == ()


def test_files_off_the_lattice_of_a_resolution_are_not_read_at_it(ground, image, tmp_path) -> None:
    view = image(ground, **ENCODINGS["lossless"])
    (tile,) = view.tiles
    moved = replace(view, tiles=(tile, tile._replace(row=tile.rows, col=4)))
    assert levels(moved) == (2,)


def test_nothing_is_known_where_no_file_lies(ground, image, tmp_path) -> None:
    view = image(ground, "image.tif")
    wide = replace(view, shape=(SHAPE[0], SHAPE[1] + 40))
    staged = stage(wide, Window(0, 0, *wide.shape), tmp_path / "a")
    flags = read(staged).flags
    assert not flags[:, : SHAPE[1]].any()
    assert (flags[:, SHAPE[1] :] == NODATA).all()


def test_a_huge_block_is_read_in_parts(ground, image, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr("core.io.products.stereo.pieces.PIECE_BYTES", 601 * 2 * 50)
    view = image(ground, "image.tif", blockxsize=608, blockysize=544, tiled=True)
    with rasterio.open(view.path) as file:
        assert file.block_shapes == [(544, 608)]
    parts = list(pieces(view, (1,), Window(0, 0, *SHAPE)))
    assert [part.window.height for part in parts] == [*[50] * 10, 30]
    np.testing.assert_array_equal(np.concatenate([part.bands[0] for part in parts]), ground)
