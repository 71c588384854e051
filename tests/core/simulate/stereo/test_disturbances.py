"""Each thing that keeps views from agreeing, by itself, against what was asked for."""

from functools import cache

import numpy as np
import pytest
from pyproj import Transformer
from scipy import ndimage

from core.simulate.stereo.making import CALM, Disturbances, Stereo, make_stereo
from core.simulate.stereo.truth import Cover
from core.simulate.stereo.views import View


@cache
def made(kind: str, disturbances: Disturbances = CALM, seed: int = 2, size: int = 160) -> Stereo:
    return make_stereo(kind, "pair", shape=(size, size), seed=seed, disturbances=disturbances)


def cover_of_pixels(stereo: Stereo, view: View, flag: Cover) -> np.ndarray:
    """Whether the cell that a pixel's centre sees has a class."""
    grid = stereo.grid(0.5)
    cover = stereo.truth(grid).cover
    place = np.arange(float(view.camera.shape[0]))
    x, y, _ = view.surface(place, place)
    col, row = ~grid.transform @ (x, y)
    return (cover[row.astype(int), col.astype(int)] & np.uint8(flag)) > 0


def test_noise_grows_with_the_root_of_the_signal() -> None:
    clean = made("plain").views[0].image.astype(float)
    noisy = made("plain", CALM._replace(noise=2.0)).views[0].image.astype(float)
    for low, high in ((150, 400), (400, 800), (800, 1400)):
        part = (clean > low) & (clean < high)
        assert part.sum() > 500
        expected = 2.0 * np.sqrt(1.6**2 + 0.035 * clean[part].mean())
        assert (noisy - clean)[part].std() == pytest.approx(expected, rel=0.08)
        assert abs((noisy - clean)[part].mean()) < 5 * expected / np.sqrt(part.sum())


def test_gain_and_offset_differ_from_view_to_view() -> None:
    changed = made("plain", CALM._replace(gain=0.12, offset=25.0))
    looks = []
    for view, calm in zip(changed.views, made("plain").views, strict=True):
        gain, offset = np.polyfit(calm.image.ravel(), view.image.ravel(), 1)
        assert gain == pytest.approx(view.look.gain, abs=1e-3)
        assert offset == pytest.approx(view.look.offset, abs=0.5)
        looks.append((gain, offset))
    assert abs(looks[0][0] - looks[1][0]) > 0.005


def test_whatever_cars_change_is_marked_as_moved() -> None:
    stereo = made("city", CALM._replace(cars=True), seed=3)
    for view, calm in zip(stereo.views, made("city", seed=3).views, strict=True):
        changed = np.abs(view.light() - calm.light()) > 60
        assert 0.001 < changed.mean() < 0.1
        marked = cover_of_pixels(stereo, view, Cover.MOVED)
        # A wall behind a car lies, seen from above, beside the cell of its foot.
        assert (changed & ~marked).sum() <= 0.01 * changed.sum()
    first, second = (stereo.scene.cars(view.look.number) for view in stereo.views)
    assert len(first) != len(second) or not np.allclose(first, second)


def test_the_cloud_stands_in_the_last_view_and_is_marked() -> None:
    stereo = made("relief", CALM._replace(cloud=0.2))
    calm = made("relief")
    np.testing.assert_array_equal(stereo.views[0].image, calm.views[0].image)
    last = stereo.views[1]
    changed = np.abs(last.image.astype(int) - calm.views[1].image) > 60
    assert 0.03 < changed.mean() < 0.4
    assert not (changed & ~cover_of_pixels(stereo, last, Cover.CLOUD)).any()
    assert last.image[last.cloud == 1].min() > 1500


def test_saturated_roofs_are_marked() -> None:
    stereo = made("city", seed=0, size=256)
    view = stereo.views[0]
    saturated = view.image == 4095
    assert 0.01 < saturated.mean() < 0.3
    assert not (saturated & ~cover_of_pixels(stereo, view, Cover.SATURATED)).any()


def test_water_looks_different_in_every_view_and_land_does_not() -> None:
    stereo = made("plain")
    first, second = stereo.views
    place = np.arange(8.0, 152.0)
    water = cover_of_pixels(stereo, first, Cover.WATER)[8:152, 8:152]
    assert water.sum() > 500
    x, y, height = first.surface(place, place)
    rows, cols = image_of(second, x, y, height)
    there = ndimage.map_coordinates(second.light().astype(float), [rows, cols], order=5)
    here = first.light()[8:152, 8:152]
    inner = ndimage.binary_erosion(water, iterations=3)
    land = ~ndimage.binary_dilation(water, iterations=3)
    assert abs(np.corrcoef(here[inner], there[inner])[0, 1]) < 0.3
    assert np.corrcoef(here[land], there[land])[0, 1] > 0.999
    assert here[inner].std() > 8


def image_of(view: View, x, y, height) -> tuple[np.ndarray, np.ndarray]:
    change = Transformer.from_crs(view.scene.crs, "OGC:CRS84", always_xy=True)
    return view.camera.project(*change.transform(x, y), height)


def test_a_trembling_satellite_shifts_the_lines_by_what_it_says() -> None:
    calm = made("relief").views[0].light().astype(float)
    view = made("relief", CALM._replace(jitter_px=0.3)).views[0]
    assert 0.02 < np.abs(view.jitter.row).max() <= 0.3
    rows, cols = np.mgrid[:160, :160].astype(float)
    moved = [rows + view.jitter.row[:, None], cols + view.jitter.col[:, None]]
    expected = ndimage.map_coordinates(calm, moved, order=5)
    inner = (slice(5, -5), slice(5, -5))
    missed = (view.light() - expected)[inner].std()
    ignored = (view.light() - calm)[inner].std()
    assert missed < 0.2 * ignored


def test_a_plain_has_fields_too_smooth_to_match_and_rows_that_repeat() -> None:
    image = make_stereo("plain", "pair", shape=(512, 512), seed=2, disturbances=CALM).views[0]
    light = image.light().astype(float)
    fine = light - ndimage.gaussian_filter(light, 3)
    contrast = np.sqrt(ndimage.uniform_filter(fine**2, 15))
    noise = np.sqrt(1.6**2 + 0.035 * ndimage.uniform_filter(light, 15))
    assert 0.02 < (contrast < noise).mean() < 0.5
    # Rows: a patch looks the same again some pixels further on.
    steps = [(i, j) for i in range(10) for j in range(-9, 10) if i * i + j * j >= 9]
    best = 0.0
    for row in range(64, 448, 64):
        for col in range(64, 448, 64):
            patch = fine[row : row + 32, col : col + 32].ravel()
            for i, j in steps:
                other = fine[row + i : row + i + 32, col + j : col + j + 32].ravel()
                best = max(best, float(np.corrcoef(patch, other)[0, 1]))
    assert best > 0.8


def test_houses_hide_the_sun() -> None:
    view = made("city", seed=3).views[0]
    light = view.light()
    assert 0.03 < (light < 180).mean() < 0.4
