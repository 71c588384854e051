"""An event shows what it says: the same for the same seed, hard to read, and lit by its suns."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import ndimage
from skimage.registration import phase_cross_correlation

from core.simulate import landslides
from core.simulate.landslides import Event, Hidden
from core.simulate.landslides.style import SUMMER, Style, drawn_style


def calm(seed: int) -> Style:
    """The same day twice, without clouds and without haze."""
    style = drawn_style(seed)
    clear = style.after.air._replace(haze=0.0, clouds=0.0, gain=1.0)
    visit = style.after._replace(air=clear, season=SUMMER)
    return replace(style, before=visit, after=visit)


def test_a_seed_and_a_size_make_an_event_bit_for_bit() -> None:
    first, again, other = (landslides.event(seed, 128) for seed in (3, 3, 4))
    np.testing.assert_array_equal(first.before, again.before)
    np.testing.assert_array_equal(first.after, again.after)
    np.testing.assert_array_equal(first.dem, again.dem)
    np.testing.assert_array_equal(first.truth.ids, again.truth.ids)
    np.testing.assert_array_equal(first.truth.after, again.truth.after)
    assert first.style == again.style
    assert first.style != other.style
    assert not np.array_equal(first.dem, other.dem)


def test_images_have_bands_dates_and_a_place(event: Event) -> None:
    assert event.bands == ("B02", "B03", "B04", "B08")
    assert event.before.shape == event.after.shape == (4, *event.grid.shape)
    assert event.before.dtype == event.after.dtype == np.float32
    assert event.dates[0] < event.dates[1]
    assert event.grid.pixel_size == (10.0, 10.0)
    np.testing.assert_array_equal(event.dem, event.around[64:-64, 64:-64])
    for image in (event.before, event.after):
        assert np.isfinite(image).all()
        assert 0.0 < np.quantile(image, 0.01) < np.quantile(image, 0.99) < 1.0


@pytest.mark.parametrize("seed", [12, 15])
def test_no_threshold_solves_an_event_and_none_is_hopeless(seed: int) -> None:
    best = landslides.best_threshold(landslides.event(seed, 400))
    low, high = landslides.VALID
    assert low <= best.f1 <= high


def test_the_best_threshold_is_found_where_it_is_plain(event: Event) -> None:
    labels = event.truth.labels.astype(np.float32)
    shown = replace(event, before=np.full_like(event.before, 0.2), after=event.before.copy())
    shown.after[:] = 0.2 + 0.1 * labels
    best = landslides.best_threshold(shown)
    assert best.f1 > 0.99
    assert best.measure in {"brightness", "change vector", "normalised change vector"}


def test_slides_lose_their_green_and_are_brighter(event: Event) -> None:
    truth = event.truth
    slid, kept = truth.clear & (truth.fraction > 0.9), truth.clear & (truth.fraction == 0)
    index = [(image[3] - image[2]) / (image[3] + image[2]) for image in (event.before, event.after)]
    change = index[1] - index[0]
    assert np.median(change[slid]) < np.median(change[kept]) - 0.1
    brightness = (event.after - event.before)[2]
    assert np.median(brightness[slid]) > np.median(brightness[kept]) + 0.02


def test_much_else_changes_too(event: Event) -> None:
    index = (event.before[3] - event.before[2]) / (event.before[3] + event.before[2])
    later = (event.after[3] - event.after[2]) / (event.after[3] + event.after[2])
    clear, drop = event.truth.clear, index - later
    level = np.median(drop[clear & event.truth.labels])
    assert np.count_nonzero(clear & ~event.truth.labels & (drop > level)) > 0.5 * np.count_nonzero(
        clear & event.truth.labels & (drop > level)
    )


def shift(event: Event, band: int) -> np.ndarray:
    """By how much the before image lies down and right of the after image, from their texture."""
    side = event.grid.shape[0]
    window = np.outer(np.hanning(side), np.hanning(side))
    fine = [
        window * (image[band] - ndimage.gaussian_filter(image[band], 6))
        for image in (event.before, event.after)
    ]
    found, *_ = phase_cross_correlation(*fine, upsample_factor=50, normalization=None)
    return found


def test_the_before_image_lies_half_a_pixel_off() -> None:
    style = calm(11)
    assert np.hypot(*style.shift_px) == pytest.approx(0.5)
    moved = landslides.event(11, 200, style=style)
    straight = landslides.event(11, 200, style=replace(style, shift_px=(0.0, 0.0)))
    for band in (1, 3):
        assert shift(moved, band) == pytest.approx(style.shift_px, abs=0.07)
        assert np.hypot(*shift(straight, band)) < 0.05


def test_shadows_lie_where_mountains_hide_the_sun() -> None:
    style = calm(14)
    low = style.after._replace(sun=style.after.sun._replace(elevation_deg=22.0))
    event = landslides.event(14, 200, style=replace(style, after=low))
    azimuth, rise = np.radians(low.sun.azimuth_deg), np.tan(np.radians(22.0))
    generator = np.random.default_rng(0)
    row, col = generator.integers(0, 200, (2, 400))
    far = np.arange(5.0, 2500.0, 2.5)[:, None]
    places = (row - far / 10 * np.cos(azimuth) + 64, col + far / 10 * np.sin(azimuth) + 64)
    sight = event.dem[row, col] + rise * far
    above = ndimage.map_coordinates(event.around, places, order=1, cval=-1e4) - sight
    shadow = event.truth.after[row, col] & Hidden.SHADOW > 0
    assert 0.05 < shadow.mean() < 0.7
    assert np.mean(shadow == (above.max(axis=0) > 0)) > 0.98
    dark = event.truth.after & Hidden.SHADOW > 0
    deep = ndimage.binary_erosion(dark, iterations=2)
    lit = ndimage.binary_erosion(~dark, iterations=2)
    assert np.median(event.after[3][deep]) < 0.4 * np.median(event.after[3][lit])


def test_what_hides_the_ground_is_told() -> None:
    style = drawn_style(14)
    overcast = style.after._replace(air=style.after.air._replace(clouds=0.1))
    event = landslides.event(14, 240, style=replace(style, after=overcast))
    reasons = event.truth.after
    cloud, snow = (reasons & reason > 0 for reason in (Hidden.CLOUD, Hidden.SNOW))
    shade = (reasons & Hidden.CLOUD_SHADOW > 0) & ~cloud
    assert 0.08 < cloud.mean() < 0.16
    clear = event.truth.clear
    assert np.median(event.after[0][cloud]) > 3 * np.median(event.after[0][clear])
    assert np.median(event.after[0][snow & ~cloud]) > 2 * np.median(event.after[0][clear])
    assert np.median(event.after[3][shade]) < 0.7 * np.median(event.after[3][clear])
    np.testing.assert_array_equal(clear, (event.truth.before | reasons) == 0)


def test_styles_differ_from_seed_to_seed() -> None:
    styles = [drawn_style(seed) for seed in range(11, 16)]
    assert len({(style.before.season.day, style.after.season.day) for style in styles}) > 2
    assert len({style.soil for style in styles}) > 1
    for style in styles:
        assert style.before.day < style.after.day
        for visit in (style.before, style.after):
            assert 25 < visit.sun.elevation_deg < 80
