import numpy as np
import pytest

from core.change.learning.active import doubtful, entropy, next_areas, summed_up
from core.change.learning.domain import LEAST_SHARE, PARTS, Domain, is_outside, learned, outside
from core.change.learning.folds import strata

BANDS = 4


def scene(seed: int, count: int = 3000, offset: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    """Pixels of four kinds of ground in four bands at two dates, with what is made from them."""
    rng = np.random.default_rng(seed)
    grounds = np.array(
        [
            [400, 600, 450, 2800],
            [900, 1200, 1500, 2200],
            [700, 750, 600, 300],
            [300, 450, 350, 2000],
        ]
    )
    place = rng.random((count, 2)) * 8000
    # The ground changes from west to east, as it does.
    kind = np.clip((place[:, 0] / 8000 * 3 + rng.normal(0, 1, count)).round(), 0, 3).astype(int)
    light = rng.normal(1, 0.12, (count, 1))
    after = grounds[kind] * light * rng.normal(1, 0.04, (count, BANDS)) + offset
    before = grounds[kind] * light * rng.normal(1, 0.04, (count, BANDS)) * 0.9
    return np.stack([after, before], axis=1), place


def features(bands: np.ndarray) -> np.ndarray:
    after, before = np.maximum(bands[:, 0], 1), np.maximum(bands[:, 1], 1)
    ndvi = [(side[:, 3] - side[:, 2]) / (side[:, 3] + side[:, 2]) for side in (after, before)]
    parts = [after, before, after - before, np.stack([*ndvi, ndvi[0] - ndvi[1]], axis=1)]
    return np.concatenate(parts, axis=1).astype(np.float32)


@pytest.fixture(scope="module")
def domain() -> Domain:
    bands, place = scene(1)
    return learned(features(bands), np.ones(len(bands)), strata(place, PARTS, 0), seed=0)


def test_at_most_a_twentieth_of_held_out_pixels_lies_outside(domain: Domain) -> None:
    found = outside(domain, features(scene(2)[0]))
    assert 0 < found.share <= 0.05
    assert not found.warned


def test_the_other_half_of_a_scene_lies_inside() -> None:
    bands, place = scene(3, 6000)
    west = place[:, 0] < 4000
    known = learned(features(bands[west]), np.ones(west.sum()), strata(place[west], PARTS, 0), 0)
    assert outside(known, features(bands[~west])).share <= 0.05


@pytest.mark.parametrize("order", [[2, 1, 0, 3], [1, 0, 2, 3], [3, 2, 1, 0], [0, 1, 3, 2]])
def test_bands_in_another_order_are_warned_of(domain: Domain, order: list[int]) -> None:
    found = outside(domain, features(scene(4)[0][:, :, order]))
    assert found.share > LEAST_SHARE
    assert found.warned


def test_an_offset_of_one_date_and_other_units_are_warned_of(domain: Domain) -> None:
    assert outside(domain, features(scene(5, offset=600.0)[0])).share > 0.5
    bytes_ = outside(domain, features(scene(6)[0] / 10_000 * 255))
    assert bytes_.share > 0.9
    assert (bytes_.beyond[:8] > 0.5).all()


def test_what_is_beyond_its_range_is_named(domain: Domain) -> None:
    pixels = features(scene(7)[0])
    pixels[:, 5] += 5000
    beyond = outside(domain, pixels).beyond
    assert beyond.argmax() == 5
    assert beyond[5] == 1
    assert np.delete(beyond, 5).max() < 0.02


def test_a_domain_is_the_same_for_the_same_seed() -> None:
    bands, place = scene(8, 2000)
    given = features(bands), np.ones(2000), strata(place, PARTS, 0)
    one, two = learned(*given, seed=4), learned(*given, seed=4)
    assert one.limit == two.limit
    assert one.centres.tobytes() == two.centres.tobytes()


def test_constant_features_and_one_part() -> None:
    bands, place = scene(9, 1000)
    with_constant = np.column_stack([features(bands), np.full(1000, 3.0, np.float32)])
    known = learned(with_constant, np.ones(1000), strata(place, PARTS, 0), 0)
    assert is_outside(known, with_constant).mean() < 0.05
    with pytest.raises(ValueError, match="two parts"):
        learned(with_constant, np.ones(1000), np.zeros(1000, np.int64), 0)


def test_no_pixels_lie_nowhere(domain: Domain) -> None:
    assert outside(domain, np.empty((0, domain.middle.size), np.float32)).share == 0


def areas(kinds: list[tuple[float, float]], seed: int = 0) -> tuple[np.ndarray, ...]:
    """Probabilities, features and areas of pixels: (probability, look) of each area."""
    rng = np.random.default_rng(seed)
    area = np.repeat(np.arange(len(kinds)), 50) + 100
    probability = np.repeat([p for p, _ in kinds], 50) + rng.uniform(-0.005, 0.005, area.size)
    look = np.repeat([look for _, look in kinds], 50)
    features_ = np.stack([look, 0 * look], axis=1) + rng.normal(0, 0.05, (area.size, 2))
    return probability.astype(np.float32), features_.astype(np.float32), area


def test_entropy_is_a_bit_where_nothing_is_known() -> None:
    np.testing.assert_allclose(entropy(np.array([0.5, 0.11, 1, 0])), [1, 0.5, 0, 0], atol=1e-3)


def test_areas_are_compared_between_rare_and_even_odds() -> None:
    scores = np.array([[0.5, 0.75], [0.0, 1.0]])
    # Odds of 1 and 3, times the root of one ninth.
    found = doubtful(scores, 0.1)
    np.testing.assert_allclose(found[0], [1 / 4, 1 / 2], rtol=1e-6)
    assert 0 < found[1, 0] < 0.001 < 0.99 < found[1, 1] < 1
    np.testing.assert_allclose(doubtful(scores, 0.5)[0], [0.5, 0.75], rtol=1e-6)


def test_the_most_uncertain_area_comes_first_and_its_twin_does_not_come_second() -> None:
    told = summed_up(*areas([(0.02, -2.0), (0.45, 1.0), (0.44, 1.0), (0.35, 3.0), (0.02, 0.0)]))
    found = next_areas(told, mapped=[100], count=3)
    assert [one.area for one in found] == [103, 101, 102]
    assert found[0].uncertainty == pytest.approx(0.93, abs=0.02)
    assert found[0].distance > 1 > found[2].distance


def test_without_mapped_areas_uncertainty_decides_the_first() -> None:
    told = summed_up(*areas([(0.1, 0.0), (0.5, 0.1), (0.2, 3.0)]))
    assert next_areas(told, mapped=[], count=1)[0].area == 101


def test_no_more_is_suggested_than_there_is() -> None:
    told = summed_up(*areas([(0.1, 0.0), (0.5, 0.1), (0.2, 3.0)]))
    assert [one.area for one in next_areas(told, mapped=[101], count=9)] == [102, 100]
    assert next_areas(told, mapped=[100, 101, 102], count=2) == []


def test_the_order_of_pixels_does_not_matter() -> None:
    pixels = areas([(0.1, 0.0), (0.4, 1.0), (0.5, 2.0), (0.3, 3.0)])
    order = np.random.default_rng(1).permutation(200)
    one, two = (
        next_areas(summed_up(*given), [100], 3) for given in (pixels, [p[order] for p in pixels])
    )
    assert [a.area for a in one] == [a.area for a in two]
