"""The judge's own accuracy: measured against GDAL and against planes whose answer is known."""

import math
from functools import cache
from itertools import pairwise

import numpy as np
import pytest
import rasterio
from affine import Affine
from pyproj import Transformer
from rasterio.transform import RPCTransformer
from scipy import ndimage

from core.grid import Grid
from core.simulate.stereo.cameras import Camera, Centre, camera
from core.simulate.stereo.edges import roof_edges
from core.simulate.stereo.geotiff import write_geotiff
from core.simulate.stereo.making import ATTITUDES, CALM, Disturbances, Stereo, make_stereo
from core.simulate.stereo.rational import project
from core.simulate.stereo.rays import Solid, heights
from core.simulate.stereo.sights import sights
from core.simulate.stereo.truth import Cover
from core.simulate.stereo.views import View

KINDS = ("plain", "relief", "city")


@cache
def calm(kind: str, shape: tuple[int, int] = (192, 192)) -> Stereo:
    return make_stereo(kind, "pair", shape=shape, seed=4, disturbances=CALM, relief_m=150.0)


def gdal_pixels(eye: Camera, crs: str, x, y, height) -> tuple[np.ndarray, np.ndarray]:
    """Rows and columns straight from GDAL, whose corner is half a pixel from the first centre."""
    lon, lat = Transformer.from_crs(crs, "OGC:CRS84", always_xy=True).transform(x, y)
    with RPCTransformer(eye.true_rpc) as transformer:
        row, col = transformer.rowcol(lon.ravel(), lat.ravel(), height.ravel(), op=lambda v: v)
    return (
        np.asarray(row).reshape(x.shape) - 0.5,
        np.asarray(col).reshape(x.shape) - 0.5,
    )


@pytest.mark.parametrize("size", [64, 5000])
@pytest.mark.parametrize("attitude", ATTITUDES["triplet"])
def test_a_line_of_sight_is_seen_by_gdal_in_the_pixel_it_started_from(size, attitude) -> None:
    heights = (-50.0, 1600.0)
    eye = camera(Centre(55.5, -21.1, 800.0), attitude, (size, size), 0.5, heights, (1.7, -2.2))
    lot = np.random.default_rng(0)
    rows, cols = lot.uniform(-2, size + 1, (2, 3000))
    height = lot.uniform(*heights, 3000)
    ground = sights(eye, "EPSG:32740", heights).ground(rows, cols, height)
    seen = gdal_pixels(eye, "EPSG:32740", *ground, height)
    np.testing.assert_allclose(seen, (rows, cols), atol=1e-4, rtol=0)


@pytest.mark.parametrize("kind", KINDS)
def test_what_a_pixel_sees_lies_on_the_surface_and_comes_back_to_its_centre(kind) -> None:
    stereo = calm(kind)
    for view in stereo.views:
        place = np.arange(0.0, 192.0, 1.5)
        x, y, height = view.surface(place, place)
        row, col = gdal_pixels(view.camera, stereo.scene.crs, x, y, height)
        assert np.abs(row - place[:, None]).max() < 1e-3
        assert np.abs(col - place[None, :]).max() < 1e-3
        above = height - stereo.scene.height(x, y)
        # On a wall the surface has no single height; there the point lies between foot and eaves.
        wall = above < -0.01
        assert above.max() < 0.01
        assert wall.mean() < 0.12
        if kind != "city":
            assert not wall.any()


def first_meeting(solid: Solid, x, y, height) -> float:
    """The slow and obvious twin: the highest of many points of a line that is not above ground."""
    below = heights(solid, x, y) >= height
    return float(height[np.argmax(below)])


@pytest.mark.parametrize("kind", KINDS)
def test_the_first_meeting_is_found_and_no_later_one(kind) -> None:
    stereo = calm(kind)
    view, (west, south) = stereo.views[0], stereo.scene.origin
    lot = np.random.default_rng(3)
    rows, cols = lot.uniform(0, 191, 40), lot.uniform(0, 191, 40)
    found = view.surface(rows, cols).height
    fine = np.arange(*stereo.scene.heights[::-1], -0.004)
    for i, row in enumerate(rows[:12]):
        for j, col in enumerate(cols[:12]):
            x, y = view.lines.ground(row, col, fine)
            assert found[i, j] == pytest.approx(
                first_meeting(view.solid, x - west, y - south, fine), abs=0.01
            )


def plane_shift(first: View, second: View, rows, cols) -> tuple[float, float, float]:
    """By how much the second image lies off where exact geometry puts it, and their likeness."""
    x, y, height = first.surface(rows, cols)
    place = gdal_pixels(second.camera, second.scene.crs, x, y, height)
    warped = ndimage.map_coordinates(second.light().astype(np.float64), place, order=5)
    reference = first.light().astype(np.float64)[np.ix_(rows.astype(int), cols.astype(int))]
    along_rows, along_cols = np.gradient(warped)
    design = np.stack([along_rows, along_cols, np.ones_like(warped)], axis=-1).reshape(-1, 3)
    moved, *_ = np.linalg.lstsq(design, (reference - warped).ravel(), rcond=None)
    likeness = np.corrcoef(reference.ravel(), warped.ravel())[0, 1]
    return float(moved[0]), float(moved[1]), float(likeness)


def test_two_views_of_a_plane_agree_where_exact_geometry_lays_one_on_the_other() -> None:
    first, second = make_stereo("plain", "pair", shape=(160, 160), seed=2, disturbances=CALM).views
    # Above the pond, whose water never looks the same twice.
    rows, cols, likeness = plane_shift(first, second, np.arange(20.0, 75), np.arange(20.0, 140))
    assert abs(rows) < 0.005
    assert abs(cols) < 0.005
    assert likeness > 0.9999


def test_a_bias_of_the_model_is_the_shift_between_handed_out_and_true_model() -> None:
    view = make_stereo("plain", "pair", shape=(64, 64), seed=5).views[0]
    biased = make_stereo(
        "plain", "pair", shape=(64, 64), seed=5, disturbances=CALM._replace(bias_px=(1.0, 3.0))
    ).views[0]
    assert view.camera.bias == (0.0, 0.0)
    assert all(1.0 <= abs(shift) <= 3.0 for shift in biased.camera.bias)
    centre = biased.camera.centre
    ground = [np.array([value]) for value in (centre.lon, centre.lat, centre.height)]
    with RPCTransformer(biased.camera.rpc) as handed:
        row, col = handed.rowcol(*ground, op=lambda v: v)
    true = biased.camera.project(*ground)
    assert row[0] - 0.5 - true.row[0] == pytest.approx(biased.camera.bias[0], abs=1e-9)
    assert col[0] - 0.5 - true.col[0] == pytest.approx(biased.camera.bias[1], abs=1e-9)
    # The pixels were made by the true one: the middle of the scene is in the middle of the image.
    assert abs(true.row[0] - 31 + biased.camera.bias[0]) < 0.1


def test_the_bases_over_the_height_are_those_of_pleiades() -> None:
    for kind, bases in (("pair", [0.26]), ("triplet", [0.11, 0.12])):
        views = make_stereo("plain", kind, shape=(64, 64)).views
        slopes = []
        for view in views:
            middle = np.array([31.5])
            low, high = (view.lines.ground(middle, middle, np.array([h])) for h in (60.0, 160.0))
            slopes.append(((high.x - low.x)[0] / 100, (high.y - low.y)[0] / 100))
        between = [math.dist(p, q) for p, q in pairwise(slopes)]
        np.testing.assert_allclose(between, bases, atol=0.012)


def test_ground_behind_a_house_is_hidden_from_the_view_that_looks_over_it() -> None:
    stereo = calm("city")
    grid = stereo.grid(0.5)
    true = stereo.truth(grid)
    inside = true.inside(4).all(axis=0)
    hidden = ~true.visible & inside
    assert 0.003 < hidden.mean() < 0.2
    # What is hidden is low beside something high; a roof's middle never is.
    roofs = ndimage.maximum_filter(true.height, 21) - true.height < 0.5
    assert (hidden & roofs).mean() < 0.001
    for number, view in enumerate(stereo.views):
        rows, cols = np.nonzero(inside & true.visible[number])
        pick = np.random.default_rng(0).choice(rows.size, 300, replace=False)
        for i, j in zip(rows[pick], cols[pick], strict=True):
            place = true.seen[number]
            seen = view.surface(place.row[i, j : j + 1], place.col[i, j : j + 1])
            assert abs(seen.height[0, 0] - true.height[i, j]) < 0.021


def test_heights_on_a_lattice_are_those_of_the_surface_at_the_centres_of_cells() -> None:
    stereo = calm("plain")
    grid = stereo.grid(1.0)
    true = stereo.truth(grid)
    dry = (true.cover & np.uint8(Cover.WATER)) == 0
    assert np.ptp(true.height[dry]) < 2.0
    x, y = grid.xy(10, 20)
    assert true.height[10, 20] == stereo.scene.height(np.array(x), np.array(y))
    assert grid.transform.c % 1.0 == 0
    assert true.visible[true.inside(1)].mean() > 0.999


def test_the_truth_is_refused_in_another_projection() -> None:
    with pytest.raises(ValueError, match="EPSG:32631"):
        calm("plain").truth(Grid((4, 4), Affine.identity(), "EPSG:32633"))


def test_more_lines_of_sight_change_little_of_a_pixel() -> None:
    coarse, fine = (
        make_stereo("relief", "pair", shape=(64, 64), seed=6, disturbances=CALM, samples=samples)
        .views[0]
        .light()
        for samples in (4, 8)
    )
    assert np.abs(coarse - fine).mean() < 0.01 * coarse.std()


def test_a_seed_makes_the_same_pixels_and_another_makes_others() -> None:
    first, again, other = (
        make_stereo("city", "pair", shape=(64, 64), seed=seed).views[1].image for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(first, again)
    assert (first != other).mean() > 0.9


def test_a_geotiff_holds_the_pixels_and_the_model_to_the_last_bit(tmp_path) -> None:
    stereo = make_stereo("plain", "pair", shape=(48, 64), disturbances=Disturbances())
    for path, view in zip(stereo.write(tmp_path), stereo.views, strict=True):
        with rasterio.open(path) as dataset:
            np.testing.assert_array_equal(dataset.read(1), view.image)
            assert dataset.rpcs == view.camera.rpc
            assert dataset.nodata == 0
            assert dataset.tags()["TIFFTAG_DATETIME"].startswith("2024:06:18 10:4")
    for path, view in zip(stereo.write(tmp_path, true_model=True), stereo.views, strict=True):
        with rasterio.open(path) as dataset:
            assert dataset.rpcs == view.camera.true_rpc != view.camera.rpc


def test_edges_of_roofs_are_steps_where_they_say() -> None:
    scene = make_stereo("city", "pair", shape=(700, 700), seed=3).scene
    edges = roof_edges(scene)
    assert edges.x.size > 100
    for side, level in ((-1, edges.roof), (1, edges.ground)):
        for away in (0.02, 1.0, 3.5):
            height = scene.height(
                edges.x + side * away * edges.east, edges.y + side * away * edges.north
            )
            assert np.abs(height - level).max() < 0.3
    assert (edges.roof - edges.ground).min() > 4
    assert (edges.roof - edges.ground).max() > 25
    np.testing.assert_allclose(np.hypot(edges.east, edges.north), 1)


def test_a_plain_has_no_edges_of_roofs() -> None:
    assert roof_edges(make_stereo("plain", "pair", shape=(64, 64)).scene).x.size == 0


@pytest.mark.parametrize(("kind", "tolerance"), [("plain", 0.01), ("relief", 0.01), ("city", 0.02)])
def test_two_views_agree_at_the_true_heights_and_at_no_others(kind: str, tolerance: float) -> None:
    """Sum of squared differences over all cells against an offset to the truth, in metres."""
    stereo = make_stereo(kind, "pair", shape=(256, 256), seed=3, disturbances=CALM)
    grid = stereo.grid(0.5)
    true = stereo.truth(grid)
    open_ground = true.visible.all(axis=0) & true.inside(10).all(axis=0) & true.measurable()
    open_ground &= true.edge_m > 4
    rows, cols = np.nonzero(open_ground)
    x, y = grid.transform @ (cols + 0.5, rows + 0.5)
    height = true.height[open_ground]
    light = [view.light().astype(np.float64) for view in stereo.views]
    costs = []
    for offset in (-0.25, 0.0, 0.25):
        seen = [
            ndimage.map_coordinates(
                image, gdal_pixels(view.camera, grid.crs, x, y, height + offset), order=3
            )
            for image, view in zip(light, stereo.views, strict=True)
        ]
        costs.append(np.mean((seen[0] - seen[1]) ** 2))
    lower, least, upper = costs
    assert least < 0.6 * min(lower, upper)
    assert abs(0.25 * (lower - upper) / (2 * (lower - 2 * least + upper))) < tolerance


def test_an_image_cut_from_the_end_of_a_strip_shows_the_same_ground(tmp_path) -> None:
    middle = make_stereo("plain", "pair", shape=(64, 64), seed=2, disturbances=CALM)
    end = make_stereo(
        "plain", "pair", shape=(64, 64), seed=2, disturbances=CALM, strip_at=(9000, 8000)
    )
    for first, second in zip(middle.views, end.views, strict=True):
        assert second.camera.rpc.line_off - first.camera.rpc.line_off == pytest.approx(9000, abs=50)
        assert second.camera.rpc.samp_off - first.camera.rpc.samp_off == pytest.approx(8000, abs=50)
        likeness = np.corrcoef(first.image.ravel(), second.image.ravel())[0, 1]
        assert likeness > 0.999
        path = write_geotiff(tmp_path / f"{second.look.number}.tif", second, scale_px=256.0)
        with rasterio.open(path) as dataset:
            cut = dataset.rpcs
        # The normalised line of the image's middle is far outside -1 to 1, and rightly so.
        assert (31.5 - cut.line_off) / cut.line_scale < -34
        ground = [np.array([value]) for value in (4.62, 43.51, 60.0)]
        np.testing.assert_allclose(
            project(cut, *ground), second.camera.project(*ground), rtol=0, atol=1e-8
        )
