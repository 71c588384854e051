"""Images of two dates on the pixels of the later one, with what hides the ground."""

from concurrent.futures import ThreadPoolExecutor
from functools import partial

import numpy as np
import pytest
import shapely
from affine import Affine
from scipy import ndimage

from core.change.scene import Date
from core.errors import BadRaster, Inconsistent, NoOverlap
from core.pipelines.aladim.images import open_images
from core.pipelines.aladim.preparation import prepared
from core.pipelines.aladim.training import wanted_area
from core.reasons import Reason
from core.roles import Role

SIDE = 600


@pytest.fixture(scope="module")
def ground():
    """A texture larger than the images, by which they are drawn anywhere on it."""
    noise = np.random.default_rng(3).normal(0, 1, (SIDE + 80, SIDE + 80))
    rough = sum(ndimage.gaussian_filter(noise, s, mode="wrap") * s for s in (1.5, 4.0, 12.0))
    return (rough / rough.std()).astype(np.float64)


def view(ground, rows=0.0, cols=0.0, side=SIDE, gain=1.0):
    """Bands that show at (r, c) the ground of (r - rows, c - cols)."""
    place = np.mgrid[:side, :side].astype(float) + 40
    place -= np.array([rows, cols])[:, None, None]
    level = ndimage.map_coordinates(ground, place, order=3)
    bands = [1000 + 200 * gain * level, 1200 + 250 * gain * level, 1100 + 300 * gain * level,
             3000 + 400 * gain * level]  # fmt: skip
    return np.clip(np.stack(bands), 1, 9000).astype(np.uint16)


def made(aladim, tmp_path, **given):
    with ThreadPoolExecutor(1) as pool:
        ctx = aladim.context(tmp_path, pool)
        asked = aladim.parameters(**given)
        images = open_images(asked, ctx)
        grid = images[0].image.bands[Role.RED].scene.grid
        return prepared(asked, ctx, images, wanted_area(asked, ctx, grid), ctx.progress)


@pytest.fixture
def ready(aladim):
    return partial(made, aladim)


def plane(found, date, role=Role.RED):
    return found.stack.bands[date, role].read(found.stack.grid.window).astype(float)


def test_the_shift_of_the_image_before_is_found_and_taken_out(aladim, ready, tmp_path, ground):
    after = aladim.written(tmp_path / "after.tif", view(ground))
    before = aladim.written(tmp_path / "before.tif", view(ground, 1.3, -0.8, gain=1.1))
    found = ready(tmp_path, after=[after], before=[before])
    assert found.corrected
    assert found.shift is not None
    assert found.shift.rows == pytest.approx(1.3, abs=0.05)
    assert found.shift.cols == pytest.approx(-0.8, abs=0.05)
    inner = (slice(10, -10),) * 2
    left = plane(found, Date.BEFORE)[inner] - 1.1 * plane(found, Date.AFTER)[inner]
    assert left.std() < 0.1 * plane(found, Date.AFTER)[inner].std()


def test_a_shift_below_half_a_pixel_stays(aladim, ready, tmp_path, ground):
    after = aladim.written(tmp_path / "after.tif", view(ground))
    before = aladim.written(tmp_path / "before.tif", view(ground, 0.3, 0.2))
    found = ready(tmp_path, after=[after], before=[before])
    assert found.shift is not None
    assert not found.corrected
    assert (found.shift.rows, found.shift.cols) == pytest.approx((0.3, 0.2), abs=0.05)


def test_another_lattice_is_resampled_onto_that_of_the_image_after(aladim, ready, tmp_path, ground):
    after = aladim.written(tmp_path / "after.tif", view(ground))
    # The same pixels, of which the first is left out: no resampling; and half a pixel off: some.
    for number, (row, col) in enumerate([(1, 1), (0.5, 0.5)]):
        moved = aladim.CORNER @ Affine.translation(col, row)
        before = aladim.written(tmp_path / f"before{number}.tif", view(ground, -row, -col), moved)
        found = ready(tmp_path / str(number), after=[after], before=[before], coregistration=False)
        inner = (slice(10, -10),) * 2
        left = (plane(found, Date.BEFORE) - plane(found, Date.AFTER))[inner]
        assert left.std() < (0.6 if number == 0 else 12)


def test_of_several_images_the_median_of_what_is_clear_counts(aladim, ready, tmp_path, ground):
    bands = view(ground)
    paths = []
    for number, level in enumerate((100, 0, 300)):
        one = bands.copy() + np.uint16(level)
        one[:, number * 100 : number * 100 + 50] = 0
        paths.append(aladim.written(tmp_path / f"after{number}.tif", one))
    found = ready(tmp_path, after=paths)
    window = found.stack.grid.window
    clear = found.stack.clear[Date.AFTER].read(window)
    red = plane(found, Date.AFTER) - bands[2]
    assert set(np.unique(clear)) == {2, 3}
    assert (red[clear == 3] == 100).all()
    # Without the first, third and second: the lower of what is left.
    assert [set(red[row]) for row in (10, 110, 210)] == [{0}, {100}, {0}]
    assert (found.stack.reasons.read(window) == 0).all()


def test_reasons_say_what_hides_the_ground(aladim, ready, tmp_path, ground):
    bands = view(ground)
    bands[:, :30, :30] = 0
    after = aladim.written(tmp_path / "after.tif", bands)
    before_bands = view(ground)
    before_bands[:, 100:120, 100:120] = 0
    before = aladim.written(tmp_path / "before.tif", before_bands)
    west, north = aladim.CORNER @ (200, 200)
    town = shapely.box(west, north - 400, west + 500, north)
    towns = aladim.geojson(tmp_path / "towns.geojson", [town])
    aoi = geojson_area(aladim.CORNER, 0, 0, 500, 500)
    found = ready(
        tmp_path, after=[after], before=[before], exclude=[towns], aoi=aoi, coregistration=False
    )
    why = found.stack.reasons.read(found.stack.grid.window)
    assert why.dtype == np.uint32
    assert (why[:30, :30] == Reason.NODATA_REFERENCE).all()
    assert (why[100:120, 100:120] == Reason.NODATA_SECONDARY).all()
    assert (why[200:240, 200:250] == Reason.USER_MASK).all()
    # The sides of a box in degrees are not those of the lattice: a corner of it lies outside.
    assert why.shape[0] <= 503
    assert ((why & ~np.uint32(Reason.OUTSIDE)) == 0).sum() == why.size - 900 - 400 - 2000


def geojson_area(transform, row, col, rows, cols):
    west, north = transform @ (col, row)
    east, south = transform @ (col + cols, row + rows)
    return {
        "bbox": [west, south, east, north],
        "crs": "http://www.opengis.net/def/crs/EPSG/0/32654",
    }


def test_nothing_clear_is_refused(aladim, ready, tmp_path, ground):
    bands = view(ground, side=100)
    after = aladim.written(tmp_path / "after.tif", bands)
    cover = aladim.written(tmp_path / "mask.tif", np.ones((100, 100), np.uint8), nodata=None)
    with pytest.raises(BadRaster, match="No pixel is clear"):
        ready(tmp_path, after=[after], exclude=[cover])


def test_images_of_two_places_are_refused(aladim, ready, tmp_path, ground):
    after = aladim.written(tmp_path / "after.tif", view(ground, side=100))
    far = aladim.written(
        tmp_path / "far.tif", view(ground, side=100), aladim.CORNER @ Affine.translation(5000, 0)
    )
    with pytest.raises(NoOverlap):
        ready(tmp_path, after=[after], before=[far])


def test_one_image_twice_is_refused(aladim, ready, tmp_path, ground):
    after = aladim.written(tmp_path / "after.tif", view(ground, side=100))
    with pytest.raises(Inconsistent, match="same file"):
        ready(tmp_path, after=[after], before=[after])


def test_terrain_is_laid_below_and_its_shadow_hides(aladim, ready, tmp_path, ground):
    after = aladim.written(tmp_path / "after.tif", view(ground, side=200))
    heights = np.zeros((200, 200), np.float32)
    heights[:, 100:110] = 100
    dem = aladim.written(tmp_path / "dem.tif", heights, names=(), nodata=None)
    found = ready(
        tmp_path, after=[after], dem=dem, after_sun_azimuth=90.0, after_sun_elevation=45.0
    )
    assert found.stack.height is not None
    window = found.stack.grid.window
    assert found.stack.height.read(window)[50, 105] == pytest.approx(100, abs=1)
    shaded = found.stack.reasons.read(window) & np.uint32(Reason.CAST_SHADOW) != 0
    # The sun stands in the east: the shadow of 100 m reaches 100 m to the west.
    assert shaded[50, 91:99].all()
    assert not shaded[50, :88].any()
    assert not shaded[50, 112:].any()
