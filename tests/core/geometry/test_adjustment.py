from dataclasses import replace

import numpy as np
import pytest

from core.geometry.adjustment import Adjustment, adjust
from core.geometry.bias import (
    ACCURACY_M,
    CIRCULAR_90,
    UNKNOWN_M,
    Correction,
    bias_sigma_m,
    corrected,
)
from core.geometry.control import ControlPoint
from core.geometry.rpc import Rpc
from core.geometry.triangulation import intersect

Rpcs = tuple[Rpc, Rpc, Rpc]
Block = tuple[list[Rpc], np.ndarray, np.ndarray, np.ndarray]

BIASES = np.array([(1.6, -2.1), (-2.8, 1.2), (1.1, 2.4)])
NOISE = 0.08
KM = (0.006, 0.0045)
"""Half a kilometre in degrees of longitude and latitude."""


def ground(count: int, seed: int) -> np.ndarray:
    x, y, z = np.random.default_rng(seed).uniform(-1, 1, (3, count))
    return np.stack([5.5 + KM[0] * x, 43.3 + KM[1] * y, 400 + 60 * z])


def block(
    rpcs: tuple[Rpc, ...],
    biases: np.ndarray = BIASES,
    noise: float = NOISE,
    count: int = 300,
    seed: int = 1,
) -> Block:
    """Models that are wrong by biases, and points as the true ones see them: rows, cols, sigma."""
    seen = [rpc.project(*ground(count, seed)) for rpc in rpcs]
    lot = np.random.default_rng(seed + 1)
    row, col = (
        np.stack([getattr(part, axis) for part in seen])
        + noise * lot.standard_normal((len(rpcs), count))
        for axis in ("row", "col")
    )
    wrong = [rpc.moved(*map(float, bias)) for rpc, bias in zip(rpcs, biases, strict=False)]
    return wrong, row, col, np.full(row.shape, NOISE)


def control(
    rpcs: tuple[Rpc, ...], count: int = 6, sigma: float = 0.05, check_from: int = 99
) -> list[ControlPoint]:
    found = []
    for number, (lon, lat, height) in enumerate(ground(count, 77).T.tolist()):
        seen = [rpc.project(lon, lat, height) for rpc in rpcs]
        rows, cols = (tuple(float(part[k]) for part in seen) for k in (0, 1))
        place = lon, lat, height, sigma, sigma
        found.append(
            ControlPoint(f"P{number}", *place, rows, cols, 0.05, "survey", number >= check_from)
        )
    return found


def shifts(result: Adjustment) -> np.ndarray:
    return np.array([(part.row, part.col) for part in result.corrections])


def pair_of(rpcs: Rpcs) -> tuple[Rpc, Rpc]:
    return rpcs[0], rpcs[2]


def apart(refined: tuple[Rpc, ...], true: tuple[Rpc, ...]) -> float:
    """How wrong the second image is across the epipolar lines of the first, pixels."""
    places = []
    for first, second in (refined, true):
        for level in (400.0, 410.0):
            spot = first.locate(20000.0, 15000.0, level)
            places.append(np.array(second.project(spot.lon, spot.lat, level)[:2]))
    along = (places[3] - places[2]) / np.linalg.norm(places[3] - places[2])
    wrong = places[0] - places[2]
    return float(wrong[0] * along[1] - wrong[1] * along[0])


def test_a_pair_shows_one_of_its_four_shifts(stereo_rpcs: Rpcs) -> None:
    true = pair_of(stereo_rpcs)
    wrong, *points = block(true)
    result = adjust(wrong, *points, [4.0, 4.0], names=["A", "B"])
    assert abs(apart((wrong[0], wrong[1]), true)) > 1
    assert abs(apart(result.rpcs, true)) < 0.02
    report = result.report
    assert report.scale == pytest.approx(1, abs=0.1)
    assert abs(report.pairs[0].before_px) > 1
    assert abs(report.pairs[0].after_px) < 0.02
    assert report.pairs[0].spread_px == pytest.approx(NOISE * np.sqrt(2), rel=0.15)
    first, *common = report.directions
    assert "A and B against one another along the epipolar direction" in first.text
    # 4 px of half a metre in both images at a base of 0.26 of the height.
    assert abs(first.up_m) == pytest.approx(4 * 0.5 * np.sqrt(2) / 0.26, rel=0.1)
    assert len(common) == 2
    for direction in common:
        assert "a common shift of A and B" in direction.text
        assert np.hypot(direction.east_m, direction.north_m) == pytest.approx(
            4 * 0.5 / np.sqrt(2), rel=0.05
        )


@pytest.mark.parametrize("count", [8, 12, 21])
def test_a_large_bias_is_not_taken_for_noise_where_points_are_few(
    stereo_rpcs: Rpcs, count: int
) -> None:
    true = pair_of(stereo_rpcs)
    wrong, *points = block(true, count=count, seed=5)
    result = adjust(wrong, *points, [2.0, 2.0])
    assert abs(apart((wrong[0], wrong[1]), true)) > 1
    assert abs(apart((result.rpcs[0], result.rpcs[1]), true)) < 4 * NOISE / np.sqrt(count)
    assert result.report.rejected == 0


def test_what_a_pair_shows_is_shared_by_the_priors(stereo_rpcs: Rpcs) -> None:
    wrong, *points = block(pair_of(stereo_rpcs))
    even = np.linalg.norm(shifts(adjust(wrong, *points, [4.0, 4.0])), axis=1)
    assert even[0] == pytest.approx(even[1], rel=0.02)
    assert even[0] > 0.5
    uneven = np.linalg.norm(shifts(adjust(wrong, *points, [2.0, 6.0])), axis=1)
    assert uneven[1] / uneven[0] == pytest.approx(9, rel=0.02)


def test_models_without_bias_stay(stereo_rpcs: Rpcs) -> None:
    for affine_px in (0.0, 1.0):
        wrong, *points = block(stereo_rpcs, 0 * BIASES)
        result = adjust(wrong, *points, [4.0] * 3, affine_px=affine_px)
        assert abs(shifts(result)).max() < 0.03
        before, after = (intersect(rpcs, *points[:2]) for rpcs in (wrong, result.rpcs))
        change = after.height - before.height
        assert abs(change.mean()) < 0.02
        km = np.column_stack([before.lon * 81, before.lat * 111])
        plane = np.column_stack([np.ones(len(km)), km - km.mean(axis=0)])
        assert np.hypot(*np.linalg.lstsq(plane, change, rcond=None)[0][1:]) < 0.1


def test_the_pairs_of_a_triplet_agree_afterwards(stereo_rpcs: Rpcs) -> None:
    wrong, *points = block(stereo_rpcs)
    report = adjust(wrong, *points, [4.0] * 3).report
    assert max(abs(pair.height_before_m) for pair in report.pairs) > 1
    for pair in report.pairs:
        assert abs(pair.height_after_m) < 0.05
        assert abs(pair.after_px) < 0.02
    assert [image.points for image in report.images] == [300] * 3
    for image in report.images:
        assert image.after_px < 0.1
        assert image.before_px > 0.5


@pytest.mark.parametrize("count", [2, 3])
def test_control_shows_all(stereo_rpcs: Rpcs, count: int) -> None:
    true = stereo_rpcs[:count]
    wrong, *points = block(true)
    result = adjust(wrong, *points, [4.0] * count, control=control(true))
    assert abs(shifts(result) + BIASES[:count]).max() < 0.05
    assert result.report.directions == ()
    assert result.report.model.horizontal_m < 0.1
    assert result.report.model.vertical_m < 0.3
    for image in result.report.images:
        assert image.row_sigma_px < 0.1


def test_control_that_is_less_exact_than_the_models_changes_nothing(stereo_rpcs: Rpcs) -> None:
    true = pair_of(stereo_rpcs)
    wrong, *points = block(true)
    plain = adjust(wrong, *points, [4.0, 4.0])
    vague = adjust(wrong, *points, [4.0, 4.0], control=control(true, sigma=50.0))
    np.testing.assert_allclose(shifts(vague), shifts(plain), atol=0.01)
    assert len(vague.report.directions) == 3


def test_a_control_point_that_is_a_blunder_has_little_pull(stereo_rpcs: Rpcs) -> None:
    true = pair_of(stereo_rpcs)
    wrong, *points = block(true)
    survey = control(true, 7)
    survey[3] = replace(survey[3], row=tuple((row or 0) + 40 for row in survey[3].row))
    result = adjust(wrong, *points, [4.0, 4.0], control=survey)
    assert abs(shifts(result) + BIASES[:2]).max() < 0.1
    worst = max(result.report.control, key=lambda point: point.after_px)
    assert worst.name == "P3"
    assert worst.after_px > 30


def test_check_points_judge_and_have_no_part(stereo_rpcs: Rpcs) -> None:
    true = pair_of(stereo_rpcs)
    wrong, *points = block(true)
    survey = control(true, 8, check_from=6)
    result = adjust(wrong, *points, [4.0, 4.0], control=survey)
    moved = [replace(point, height=point.height + 9) if point.check else point for point in survey]
    other = adjust(wrong, *points, [4.0, 4.0], control=moved)
    assert other.rpcs == result.rpcs
    for right, off in zip(result.report.control, other.report.control, strict=True):
        assert right.source == "survey"
        assert right.before_px > 1
        assert right.after_px < 0.1
        assert right.up_m == pytest.approx(0, abs=0.2)
        assert right.up_m - off.up_m == pytest.approx(9 if off.check else 0, abs=1e-6)


@pytest.mark.parametrize("count", [2, 3])
def test_three_outliers_of_ten_change_nothing(stereo_rpcs: Rpcs, count: int) -> None:
    true = stereo_rpcs[:count]
    wrong, row, col, sigma = block(true)
    clean = adjust(wrong, row, col, sigma, [4.0] * count)
    lot = np.random.default_rng(3)
    bad = lot.permutation(300)[:90]
    spoiled_row, spoiled_col = row.copy(), col.copy()
    # All to one side, as if a cloud had drifted.
    spoiled_row[1, bad] += lot.uniform(2, 6, 90)
    spoiled_col[1, bad] += lot.uniform(2, 6, 90)
    result = adjust(wrong, spoiled_row, spoiled_col, sigma, [4.0] * count)
    assert abs(shifts(result) - shifts(clean)).max() < 0.02
    # What lies along the epipolar direction is height to a pair.
    assert result.used[1, bad].mean() < 0.1
    assert clean.report.rejected < 5
    good = np.setdiff1d(np.arange(300), bad)
    assert result.used[:, good].mean() > 0.97


def test_a_point_that_one_image_of_three_shows_wrong_is_kept_in_the_others(
    stereo_rpcs: Rpcs,
) -> None:
    wrong, row, col, sigma = block(stereo_rpcs)
    col[1, :40] += 7
    result = adjust(wrong, row, col, sigma, [4.0] * 3)
    assert not result.used[1, :40].any()
    assert result.used[[0, 2], :40].mean() > 0.95
    assert result.report.points > 290


def test_points_missing_in_some_images_are_no_hindrance(stereo_rpcs: Rpcs) -> None:
    wrong, row, col, sigma = block(stereo_rpcs)
    row[0, :100] = np.nan
    row[2, 150:250] = np.nan
    result = adjust(wrong, row, col, sigma, [4.0] * 3)
    assert [image.points for image in result.report.images] == pytest.approx([200, 300, 200], abs=4)
    for pair in result.report.pairs:
        assert abs(pair.after_px) < 0.03
        assert abs(pair.height_after_m) < 0.1


def test_shear_across_the_epipolar_direction_is_found_under_a_prior_only(
    stereo_rpcs: Rpcs,
) -> None:
    true = pair_of(stereo_rpcs)
    _, row, col, sigma = block(true, 0 * BIASES)
    middle, half = (20000.0, 15000.0), (1000.0, 1000.0)
    sheared = Correction(col_by_row=0.8, middle=middle, half=half)
    wrong = [corrected(true[0], sheared), true[1]]
    plain = adjust(wrong, row, col, sigma, [4.0, 4.0])
    loose = adjust(wrong, row, col, sigma, [4.0, 4.0], affine_px=1.0)
    assert plain.report.pairs[0].spread_px > 2 * NOISE * np.sqrt(2)
    assert loose.report.pairs[0].spread_px == pytest.approx(NOISE * np.sqrt(2), rel=0.15)
    assert [part.largest for part in plain.corrections] == [0, 0]
    tilts = [direction for direction in loose.report.directions if "tilted" in direction.text]
    assert tilts
    assert loose.report.model.tilt_m_per_km > 1
    assert plain.report.model.tilt_m_per_km < 0.1


def test_the_stated_uncertainty_of_the_model_is_that_of_many_blocks(stereo_rpcs: Rpcs) -> None:
    true = pair_of(stereo_rpcs)
    lot = np.random.default_rng(8)
    up, flat, stated = [], [], None
    for seed in range(120):
        wrong, *points = block(true, lot.normal(0, 4, (2, 2)), count=40, seed=seed)
        result = adjust(wrong, *points, [4.0, 4.0])
        stated = result.report.model
        found = intersect(result.rpcs, *points[:2])
        truth = ground(40, seed)
        up.append(np.nanmean(found.height - truth[2]))
        east = np.nanmean(found.lon - truth[0]) * 81e3
        flat.append(np.hypot(east, np.nanmean(found.lat - truth[1]) * 111e3))
    assert stated is not None
    assert np.std(up) == pytest.approx(stated.vertical_m, rel=0.2)
    assert np.sqrt(np.mean(np.square(flat))) == pytest.approx(stated.horizontal_m, rel=0.2)


def test_a_correction_is_added_to_what_a_model_projects(stereo_rpcs: Rpcs) -> None:
    rpc = stereo_rpcs[0]
    correction = Correction(2.0, -1.0, 0.5, -0.8, 0.3, 0.6, (20100.0, 14900.0), (600.0, 500.0))
    lon, lat, height = ground(200, 5)
    before, after = (model.project(lon, lat, height) for model in (rpc, corrected(rpc, correction)))
    y, x = (before.row - 20100) / 600, (before.col - 14900) / 500
    np.testing.assert_allclose(after.row - before.row, 2 + 0.5 * y - 0.8 * x, atol=3e-3)
    np.testing.assert_allclose(after.col - before.col, -1 + 0.3 * y + 0.6 * x, atol=3e-3)
    assert corrected(rpc, Correction(2.0, -1.0)) == rpc.moved(2.0, -1.0)


def test_the_prior_is_what_the_producer_states_or_the_sensor_is_known_for(
    stereo_rpcs: Rpcs,
) -> None:
    silent = stereo_rpcs[0]
    assert bias_sigma_m(replace(silent, error_bias_m=3.2), "PHR 1A") == 3.2
    assert bias_sigma_m(silent, "PHR 1A") == ACCURACY_M["PHR"] / CIRCULAR_90
    assert bias_sigma_m(silent, "Pleiades 1B") == ACCURACY_M["PHR"] / CIRCULAR_90
    assert bias_sigma_m(silent, "Pleiades Neo 4") == ACCURACY_M["PNEO"] / CIRCULAR_90
    assert bias_sigma_m(silent, "wv-03") == ACCURACY_M["WV"] / CIRCULAR_90
    assert bias_sigma_m(silent, "WorldView-2") == ACCURACY_M["WV"] / CIRCULAR_90
    assert bias_sigma_m(silent, "QuickBird-2") == ACCURACY_M["QB"] / CIRCULAR_90
    assert bias_sigma_m(replace(silent, error_bias_m=0.0)) == UNKNOWN_M / CIRCULAR_90


def test_too_few_points_are_refused(stereo_rpcs: Rpcs) -> None:
    wrong, *points = block(stereo_rpcs, count=5)
    with pytest.raises(ValueError, match="5 tie points are too few"):
        adjust(wrong, *points, [4.0] * 3)
