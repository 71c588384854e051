import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import ndimage
from sklearn import metrics

from core.change.evaluation import bootstrap
from core.change.evaluation.blocks import clear_of, folds, lattice_blocks, quadrants
from core.change.evaluation.objects import Detection, detection, matched, parts, tolerant
from core.change.evaluation.pixels import (
    Counted,
    area_under_roc,
    average_precision,
    best_f,
    counted,
    curve,
)
from core.change.evaluation.reliability import BINS, reliability
from core.change.evaluation.scores import map_scores, scores


def pixels(seed: int, count: int = 4000, share: float = 0.1) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities that hold, and the truth."""
    rng = np.random.default_rng(seed)
    odds = rng.normal(np.log(share / (1 - share)) - 1.0, 2.0, count)
    p = (1 / (1 + np.exp(-odds))).astype(np.float32)
    return p, rng.random(count) < p


@given(
    st.lists(st.tuples(st.integers(0, 6), st.booleans()), min_size=2, max_size=60).filter(
        lambda rows: len({truth for _, truth in rows}) == 2
    )
)
def test_average_precision_and_roc_are_those_of_scikit_learn(rows: list[tuple[int, bool]]) -> None:
    told = np.array([level for level, _ in rows], np.float32) / 6
    truth = np.array([landslide for _, landslide in rows])
    line = curve(told, truth)
    assert average_precision(line) == pytest.approx(metrics.average_precision_score(truth, told))
    assert area_under_roc(line) == pytest.approx(metrics.roc_auc_score(truth, told))
    scores_ = [metrics.f1_score(truth, told >= level) for level in np.unique(told)]
    assert best_f(line) == pytest.approx(max(scores_))


def test_weights_are_repeated_pixels() -> None:
    told, truth = pixels(1, 300)
    times = np.random.default_rng(2).integers(0, 4, 300)
    weighted, repeated = (
        curve(told, truth, times.astype(float)),
        curve(told.repeat(times), truth.repeat(times)),
    )
    assert average_precision(weighted) == pytest.approx(average_precision(repeated))
    assert area_under_roc(weighted) == pytest.approx(area_under_roc(repeated))
    half = told > 0.5
    assert counted(half, truth, times.astype(float)) == counted(
        half.repeat(times), truth.repeat(times)
    )


def test_f_scores_of_known_counts() -> None:
    found = Counted(30, 10, 20)
    assert found.precision == 0.75
    assert found.recall == 0.6
    assert found.f() == pytest.approx(2 / 3)
    assert found.f(2) == pytest.approx(5 * 0.75 * 0.6 / (4 * 0.75 + 0.6))
    assert found.plus(found) == Counted(60, 20, 40)
    assert np.isnan(Counted(0, 0, 0).f())
    assert Counted(0, 0, 5).f() == 0


def test_probabilities_that_hold_have_no_error_and_a_slope_of_one() -> None:
    found = reliability(*pixels(3, 200_000))
    assert found.error < 0.01
    assert found.slope == pytest.approx(1, abs=0.03)
    assert found.intercept == pytest.approx(0, abs=0.05)
    assert len(found.told) == BINS
    assert np.ptp(found.pixels) <= 1
    assert 0 < found.skill < 1


def test_probabilities_that_are_too_sure_have_a_slope_below_one() -> None:
    told, truth = pixels(4, 100_000)
    odds = np.log(told.astype(float)) - np.log1p(-told.astype(float))
    sure = reliability((1 / (1 + np.exp(-2 * odds))).astype(np.float32), truth)
    right = reliability(told, truth)
    assert sure.slope == pytest.approx(0.5, abs=0.02)
    assert sure.log_loss > right.log_loss
    assert sure.skill < right.skill
    assert sure.error > 5 * right.error


def test_a_constant_at_the_prevalence_has_no_skill_though_no_error() -> None:
    truth = np.arange(10_000) % 10 == 0
    found = reliability(np.full(10_000, 0.1, np.float32), truth)
    assert found.error == pytest.approx(0, abs=0.005)
    assert found.skill == pytest.approx(0, abs=1e-6)
    assert np.isnan(found.slope)
    assert found.log_loss == pytest.approx(metrics.log_loss(truth, np.full(10_000, 0.1)), rel=1e-5)


def test_the_calibration_error_by_hand() -> None:
    told = np.repeat([0.01, 0.2, 0.6], 30).astype(np.float32)
    truth = np.zeros(90, bool)
    truth[30:45] = truth[60:75] = True
    found = reliability(told, truth)
    # Pixels below one in twenty do not count; half of the others are landslides.
    assert found.error == pytest.approx((0.3 + 0.1) / 2)
    assert found.pixels.tolist() == [30, 30]
    assert found.true.tolist() == [0.5, 0.5]
    order = np.random.default_rng(1).permutation(90)
    assert reliability(told[order], truth[order]).error == pytest.approx(found.error)
    assert np.isnan(reliability(told[:30], truth[:30]).error)


def test_the_interval_holds_the_score_of_fresh_scenes() -> None:
    def scene(seed: int) -> tuple[np.ndarray, ...]:
        rng = np.random.default_rng(seed)
        block = np.repeat(np.arange(60), 100)
        # How well landslides are seen differs from block to block.
        apart = rng.uniform(0.5, 3.5, 60)[block]
        truth = rng.random(6000) < 0.15
        return (rng.normal(size=6000) + apart * truth).astype(np.float32), truth, block

    values, truth, block = scene(1)
    called = values > 2
    found = bootstrap.interval(bootstrap.decisions(called, truth, block), bootstrap.f1, seed=1)
    again = bootstrap.interval(bootstrap.decisions(called, truth, block), bootstrap.f1, seed=1)
    assert found == again
    fresh = [counted(scene(seed)[0] > 2, scene(seed)[1]).f() for seed in range(2, 102)]
    inside = np.mean([found.low <= value <= found.high for value in fresh])
    assert inside > 0.7
    whole = bootstrap.ranks(values, truth, block).sum(axis=0)
    exact = average_precision(curve(values, truth))
    assert bootstrap.average_precision(whole) == pytest.approx(exact, abs=0.01)
    spread = bootstrap.interval(
        bootstrap.ranks(values, truth, block), bootstrap.average_precision, draws=200
    )
    assert spread.low < exact < spread.high


def test_blocks_that_are_alike_have_a_narrow_interval_and_nothing_has_none() -> None:
    table = np.tile([8.0, 2.0, 2.0], (50, 1))
    assert bootstrap.interval(table, bootstrap.f1) == pytest.approx((0.8, 0.8))
    assert np.isnan(bootstrap.interval(np.zeros((5, 3)), bootstrap.f1)).all()


def test_objects_match_one_to_one_the_best_first() -> None:
    truth = np.zeros((20, 30), int)
    found = np.zeros((20, 30), int)
    truth[2:8, 2:8] = 7
    truth[2:8, 8:14] = 9
    # One object covers one slide wholly and another by a third: it is one of them only.
    found[2:8, 2:10] = 4
    found[12:16, 2:6] = 5
    pairs = matched(truth, found)
    assert list(zip(pairs.truth, pairs.found, strict=True)) == [(7, 4)]
    assert pairs.iou[0] == pytest.approx(36 / 48)
    assert detection(truth, found, least_px=10) == Detection(2, 1, 72, 36, 2, 1)


def test_an_overlap_below_three_tenths_is_no_match() -> None:
    truth, found = np.zeros((2, 1, 100), int)
    truth[0, :50] = 1
    found[0, 27:77] = 1
    # 23 of 77 pixels are common: .2987.
    assert matched(truth, found).truth.size == 0
    found[:] = 0
    found[0, 26:76] = 1
    assert matched(truth, found).iou.tolist() == [24 / 76]


def test_small_objects_are_matched_and_not_counted() -> None:
    truth, found = np.zeros((2, 10, 30), int)
    truth[0:5, 0:5] = 1
    found[0:4, 0:5] = 1
    truth[7:9, 20:22] = 2
    found[7:9, 25:27] = 2
    assert detection(truth, found) == Detection(1, 1, 25, 25, 0, 0)
    whole = detection(truth, found, least_px=1)
    assert whole == Detection(2, 1, 29, 25, 2, 1)
    both = whole.plus(whole)
    assert both.rate == 0.5
    assert both.area_rate == 25 / 29
    assert both.false_rate == 0.5
    assert np.isnan(detection(0 * truth, 0 * found).rate)


def slow_matched(truth: np.ndarray, found: np.ndarray, least: float) -> set[tuple[int, int]]:
    pairs = []
    for one in np.unique(truth[truth > 0]):
        for other in np.unique(found[found > 0]):
            common = ((truth == one) & (found == other)).sum()
            joint = ((truth == one) | (found == other)).sum()
            if common / joint >= least:
                pairs.append((-common / joint, one, other))
    out: set[tuple[int, int]] = set()
    for _, one, other in sorted(pairs):
        if all(one != a and other != b for a, b in out):
            out.add((int(one), int(other)))
    return out


def test_matching_is_that_of_its_slow_twin() -> None:
    rng = np.random.default_rng(5)
    for _ in range(5):
        smooth = ndimage.gaussian_filter(rng.normal(size=(2, 50, 60)), (0, 2, 2))
        truth, found = parts(smooth[0] > 0.1), parts(0.8 * smooth[0] + 0.6 * smooth[1] > 0.1)
        pairs = matched(truth, found)
        assert len(pairs.truth) > 3
        assert set(zip(pairs.truth.tolist(), pairs.found.tolist(), strict=True)) == slow_matched(
            truth, found, 0.3
        )


def test_a_pixel_s_shift_costs_nothing_with_tolerance_and_two_do() -> None:
    truth = np.zeros((30, 30), bool)
    truth[10:15, 10:15] = True
    assessed = np.ones_like(truth)
    one, two = np.roll(truth, (1, 1), (0, 1)), np.roll(truth, 2, 1)
    assert tolerant(one, truth, assessed).f() == 1
    assert counted(one, truth).f() == pytest.approx(16 / 25)
    assert tolerant(two, truth, assessed).f() == pytest.approx(20 / 25)
    assert tolerant(two, truth, assessed, pixels=2).f() == 1
    assert tolerant(~truth & False, truth, assessed) == Counted(0, 0, 25)
    assert tolerant(truth, truth & False, assessed) == Counted(0, 25, 0)
    hidden = assessed.copy()
    hidden[:, :16] = False
    # The truth is not assessed: nothing there excuses what is called beside it.
    assert tolerant(np.roll(truth, 2, 1), truth, hidden) == Counted(0, 5, 0)


def test_blocks_lie_on_multiples_of_their_side() -> None:
    found = lattice_blocks((120, 130), (573_020.0, 4_735_430.0), 10.0, 500.0)
    assert found[0, 0] == 0
    # Rows down to northing 4,735,000 are 43, columns up to easting 573,500 are 48.
    assert len(np.unique(found[:43, :48])) == 1
    assert found[0, 48] == 1
    assert found[43, 0] == found.max(axis=1)[0] + 1
    assert len(np.unique(found)) == 9


def test_folds_follow_from_numpy_s_permutation() -> None:
    block = lattice_blocks((100, 100), (0.0, 1000.0), 10.0, 100.0)
    assessed = np.ones((100, 100), bool)
    assessed[:10] = False
    found = folds(block, assessed, 4, seed=3)
    names = np.unique(block[assessed])
    order = np.random.default_rng(3).permutation(names.size)
    for turn, place in enumerate(order):
        assert (found[(block == names[place]) & assessed] == turn % 4).all()
    assert (found[~assessed] == -1).all()


def test_quadrants_part_what_is_assessed_in_the_middle() -> None:
    assessed = np.zeros((20, 30), bool)
    assessed[4:14, 10:20] = True
    found = quadrants(assessed)
    assert [(found == fold).sum() for fold in range(4)] == [25, 25, 25, 25]
    assert found[4, 10] == 0
    assert found[13, 10] == 2
    assert (found[~assessed] == -1).all()


def test_nothing_within_the_buffer_is_clear() -> None:
    held_out = np.zeros((50, 60), bool)
    held_out[20:25, 30:40] = True
    found = clear_of(held_out, 150.0, 10.0)
    rows, cols = np.indices(found.shape)
    near = np.min(
        [np.hypot(rows - r, cols - c) for r, c in zip(*np.nonzero(held_out), strict=True)], axis=0
    )
    assert (found == (near * 10 > 150)).all()
    assert clear_of(held_out & False, 150.0, 10.0).all()


def test_all_scores_come_together() -> None:
    told, truth = pixels(6, 5000)
    block = np.arange(5000) // 100
    found = scores(told, told > 0.3, truth, block)
    assert found.pixels == 5000
    assert found.prevalence == truth.mean()
    assert found.f1_interval.low < found.decisions.f() < found.f1_interval.high
    assert (
        found.average_precision_interval.low
        < found.average_precision
        < found.average_precision_interval.high
    )
    assert found.area_under_roc == pytest.approx(metrics.roc_auc_score(truth, told))
    truth_map = (
        parts(ndimage.gaussian_filter(np.random.default_rng(7).normal(size=(60, 60)), 3) > 0.1) > 0
    )
    assessed = np.ones((60, 60), bool)
    found_map = map_scores(truth_map, truth_map, assessed)
    assert found_map.tolerant.f() == 1
    assert found_map.detection.rate == 1
    assert found_map.detection.false == 0
