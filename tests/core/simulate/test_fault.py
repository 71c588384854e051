"""The known answers that everything else is measured with are themselves checked here."""

from pathlib import Path

import numpy as np
import pytest
import rasterio
from skimage.registration import phase_cross_correlation

from core.simulate import fault


def test_the_slip_is_whole_at_the_trace_and_falls_with_distance() -> None:
    field = fault.strike_slip((401, 401), slip=8.0, strike_deg=0.0, depth_px=100.0)
    right, left = field.north[200, 201], field.north[200, 199]
    assert left - right == pytest.approx(8.0, rel=0.01)
    # At a distance equal to the depth half of it is left: atan(1) is half of atan(infinity).
    assert field.north[200, 100] == pytest.approx(2.0, abs=0.03)
    assert np.all(field.east == pytest.approx(0.0, abs=1e-12))


def test_a_right_lateral_fault_moves_the_far_side_to_the_right() -> None:
    # Trace to the east (strike 90 degrees): whoever stands north of it looks south, sees the south
    # side move to the right, which is west.
    field = fault.strike_slip((101, 101), slip=1.0, strike_deg=90.0, depth_px=50.0)
    assert field.east[100, 50] < 0 < field.east[0, 50]


def test_the_distance_is_positive_to_the_right_of_the_strike() -> None:
    distance = fault.distance_from_fault((101, 101), 35.0)
    assert distance[50, 50] == 0
    assert distance[50, 80] == pytest.approx(30 * np.cos(np.deg2rad(35)))
    assert distance[80, 50] > 0


def test_ground_that_moved_east_is_found_further_east_afterwards() -> None:
    after = fault.texture((128, 128), seed=3)
    uniform = fault.Displacement(np.full((128, 128), 2.0), np.full((128, 128), -3.0))
    first = fault.before(after, uniform)
    np.testing.assert_allclose(first, np.roll(after, (-3, -2), axis=(0, 1)), atol=0.05)
    shift, *_ = phase_cross_correlation(after, first, normalization=None)
    assert shift.tolist() == [3.0, 2.0]  # rows down, columns right: 3 south, 2 east


def test_a_fraction_of_a_pixel_is_exact_for_texture_that_the_sensor_blurred() -> None:
    after = fault.texture((256, 256), seed=5)
    quarter = fault.Displacement(np.full((256, 256), 0.25), np.full((256, 256), 0.5))
    there = fault.before(after, quarter)
    rows, cols = np.fft.fftfreq(256)[:, None], np.fft.fftfreq(256)[None, :]
    phase = np.exp(2j * np.pi * (0.25 * cols - 0.5 * rows))
    exact = np.fft.ifft2(np.fft.fft2(after) * phase).real
    assert (there - exact).std() < 0.03 * fault.fine_deviation(after)


def test_texture_is_the_same_for_the_same_seed_and_has_the_contrast_asked_for() -> None:
    image = fault.texture((300, 200), seed=1, mean=900.0, deviation=120.0)
    assert image.shape == (300, 200)
    assert image.mean() == pytest.approx(900.0, abs=0.1)
    assert image.std() == pytest.approx(120.0, rel=1e-3)
    np.testing.assert_array_equal(image, fault.texture((300, 200), 1, mean=900.0, deviation=120.0))


def test_the_demonstration_pair_carries_its_place_and_its_dates(tmp_path: Path) -> None:
    pair = fault.make_pair(tmp_path)
    for path, day in ((pair.reference, "2024-03-01"), (pair.secondary, "2024-03-11")):
        with rasterio.open(path) as dataset:
            assert dataset.crs.to_epsg() == 32633
            assert dataset.transform == pair.grid.transform
            assert dataset.tags()["ACQUISITION_DATE"] == day
            values = dataset.read(1)
        assert values.dtype == np.uint16
        assert values.min() > 0
        assert values.max() < 65535


def test_noise_gain_and_offset_of_the_demonstration_pair_are_as_asked(tmp_path: Path) -> None:
    still = fault.make_pair(tmp_path, slip=0.0)
    with rasterio.open(still.reference) as one, rasterio.open(still.secondary) as two:
        first, second = one.read(1).astype(float), two.read(1).astype(float)
    fine = fault.fine_deviation(fault.texture((512, 512)))
    rest = (second - 30.0) / 0.92 - first
    assert rest.mean() == pytest.approx(0.0, abs=0.5)
    assert rest.std() == pytest.approx(0.3 * fine * np.sqrt(2), rel=0.05)


def test_an_answer_of_zero_is_far_from_the_truth_of_the_demonstration(tmp_path: Path) -> None:
    pair = fault.make_pair(tmp_path)
    zero = np.zeros(pair.grid.shape)
    score = fault.score(pair, fault.Displacement(zero, zero))
    assert score.rmse >= 0.2 * 10.0
    assert score.slip == fault.Slip(0.0, 0.0)
