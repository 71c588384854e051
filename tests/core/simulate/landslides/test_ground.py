"""Water runs down to the border, light comes from where the sun stands, and slides have a law."""

from datetime import date

import numpy as np
import pytest
from scipy import stats

from core.simulate.landslides.drainage import areas, drainage
from core.simulate.landslides.fields import enlarged, fractal, smooth
from core.simulate.landslides.light import light, sunlit
from core.simulate.landslides.sensor import noisy, seen, weights
from core.simulate.landslides.sizes import LARGEST_M2, LEAST_M2, share, sizes
from core.simulate.landslides.style import Sun, drawn_style, sun
from core.simulate.landslides.terrain import MARGIN, Terrain, terrain
from core.simulate.landslides.ways import slope_deg


@pytest.fixture(scope="module")
def ground() -> Terrain:
    return terrain(320, drawn_style(11), np.random.default_rng(4))


def test_the_law_of_sizes_is_the_inverse_gamma_that_was_fitted() -> None:
    law = stats.invgamma(0.8161, loc=-213.9, scale=922.3)
    low, high = law.cdf([400.0, 500_000.0])
    places = np.geomspace(400, 500_000, 50)
    np.testing.assert_allclose(share(places), (law.cdf(places) - low) / (high - low), atol=1e-9)


def test_sizes_follow_the_law_and_keep_its_ends() -> None:
    drawn = sizes(350, np.random.default_rng(0))
    assert LEAST_M2 <= drawn.min() < drawn.max() <= LARGEST_M2
    assert stats.kstest(drawn, share).statistic < 1 / 350
    assert not np.all(np.diff(drawn) > 0)
    # Not one law by chance: half as many of another scale would be seen.
    assert stats.kstest(1.5 * drawn, share).statistic > 0.05


def test_all_water_runs_down_and_reaches_the_border(ground: Terrain) -> None:
    tree = ground.tree
    level = tree.filled.ravel()
    outlet = tree.receiver == np.arange(level.size)
    assert np.all(level[tree.receiver[~outlet]] < level[~outlet])
    border = np.zeros(ground.height.shape, bool)
    border[[0, -1]] = border[:, [0, -1]] = True
    np.testing.assert_array_equal(outlet, border.ravel())
    assert ground.area.ravel()[outlet].sum() == pytest.approx(100.0 * level.size)


def test_a_basin_without_an_outlet_is_filled_to_its_rim() -> None:
    height = np.full((9, 9), 5.0)
    height[4, 4] = 1.0
    height[0, 3] = 2.0
    border = np.zeros((9, 9), bool)
    border[0, 3] = True
    tree = drainage(height, border)
    assert tree.filled[4, 4] == pytest.approx(5.0, abs=1e-2)
    assert areas(tree, 1.0)[0, 3] == 81


def test_hillsides_are_steep_and_rivers_are_flat(ground: Terrain) -> None:
    slope = slope_deg(ground)
    hillside = slope[(ground.area < 1e4) & (ground.above > 40)]
    assert 18 < np.median(hillside) < 36
    river = (ground.area > 2e6) & (ground.area < 1e8)
    assert np.median(slope[river]) < 0.35 * np.median(hillside)


def test_a_shadow_is_as_long_as_the_sun_is_low() -> None:
    height = np.zeros((60, 80), np.float32)
    height[:, 40] = 95.0
    # From the east, 45 degrees high: 95 m of shadow to the west, as good as none to the east.
    lit = sunlit(height, Sun(90.0, 45.0))
    dark = np.flatnonzero(~lit[30])
    assert dark.min() == 31
    assert dark.max() == 39
    turned = sunlit(height.T.copy(), Sun(180.0, 45.0))
    np.testing.assert_array_equal(turned[:, 2:-2], lit.T[:, 2:-2])


def test_light_on_a_slope_goes_with_the_cosine_of_its_angle() -> None:
    down, _ = np.mgrid[:20, :20].astype(np.float32)
    toward_north = light(10.0 * np.tan(np.radians(20.0)).astype(np.float32) * down, Sun(0.0, 50.0))
    expected = np.sin(np.radians(50 + 20)) / np.sin(np.radians(50))
    np.testing.assert_allclose(toward_north.direct[2:-2, 2:-2], expected, rtol=1e-5)
    assert toward_north.sky[5, 5] == pytest.approx((1 + np.cos(np.radians(20))) / 2)


def test_the_sun_stands_where_the_almanac_says() -> None:
    noonish = sun(40.0, date(2024, 6, 21))
    # 1.5 hours before noon at the solstice, 40 degrees north.
    assert noonish.elevation_deg == pytest.approx(64.9, abs=0.6)
    assert 110 < noonish.azimuth_deg < 125
    assert sun(40.0, date(2024, 12, 21)).elevation_deg == pytest.approx(22.5, abs=1.0)


@pytest.mark.parametrize("shift", [0.0, 0.5, -0.3])
def test_a_shifted_image_shows_a_wave_so_much_farther_on(shift: float) -> None:
    fine = (np.arange(120 * 3) + 0.5) / 3 - 0.5
    wave = np.cos(2 * np.pi * fine / 12).astype(np.float32)
    image = seen(np.tile(wave, (60, 1)), (0.0, shift))
    assert image.shape == (16, 116)
    places = np.arange(2, 118)
    straight = (np.arange(weights(0.0).size) + 0.5) / 3 - 2.5
    contrast = np.sum(weights(0.0) * np.cos(2 * np.pi * straight / 12))
    np.testing.assert_allclose(
        image[8], contrast * np.cos(2 * np.pi * (places - shift) / 12), atol=0.01
    )


def test_the_sensor_keeps_brightness_and_blurs_as_sentinel_2_does() -> None:
    assert weights(0.37).sum() == pytest.approx(1.0)
    fine = (np.arange(weights(0.0).size) + 0.5) / 3 - 2.5
    highest = np.sum(weights(0.0) * np.cos(np.pi * fine))
    assert 0.15 < highest < 0.3


def test_noise_grows_with_the_light() -> None:
    generator = np.random.default_rng(0)
    dark, bright = (noisy(np.full((200, 200), value, np.float32), generator) for value in (0, 0.4))
    assert dark.std() == pytest.approx(5e-4, rel=0.03)
    assert bright.std() == pytest.approx(np.sqrt(2.5e-7 + 3.2e-6), rel=0.03)


def test_fields_have_unit_deviation_and_the_length_asked_for() -> None:
    generator = np.random.default_rng(3)
    field = smooth((400, 500), generator, 12.0)
    assert field.shape == (400, 500)
    assert field.std() == pytest.approx(1.0, abs=0.15)
    near, far = (np.corrcoef(field[:-k].ravel(), field[k:].ravel())[0, 1] for k in (3, 36))
    assert near > 0.85
    assert abs(far) < 0.2
    rough = fractal((300, 200), generator, 1.5, 100.0)
    assert rough.shape == (300, 200)
    assert rough.std() == pytest.approx(1.0, abs=1e-3)


def test_a_coarse_layer_is_linear_between_its_cells() -> None:
    down, right = np.mgrid[:6, :8].astype(np.float32)
    finer = enlarged(2 * down + 3 * right, 3, 1.0, 0.5, (9, 12))
    rows, cols = np.mgrid[:9, :12]
    np.testing.assert_allclose(finer, 2 * (1 + rows / 3) + 3 * (0.5 + cols / 3), rtol=1e-6)


def test_the_ground_has_a_margin(ground: Terrain) -> None:
    assert ground.height.shape == (320 + 2 * MARGIN, 320 + 2 * MARGIN)
