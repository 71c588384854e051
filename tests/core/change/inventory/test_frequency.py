import numpy as np
import pytest
from scipy import integrate, special

from core import errors
from core.change.inventory.frequency import frequency

RHO, A_M2, S_M2 = 1.4, 1280.0, -132.0
"""Of three inventories in Malamud et al. (2004)."""


def drawn(count, seed=0):
    generator = np.random.default_rng(seed)
    area = S_M2 + A_M2 / generator.gamma(RHO, size=2 * count)
    return area[area > 100][:count]


def test_the_law_of_a_drawn_inventory_is_found():
    found = frequency(drawn(3000))
    assert found.holds
    assert found.count == 3000
    assert found.rho == pytest.approx(RHO, abs=0.15)
    assert found.a_m2 == pytest.approx(A_M2, rel=0.15)
    assert found.s_m2 == pytest.approx(S_M2, abs=60)
    assert found.rollover_m2 == pytest.approx(A_M2 / (RHO + 1) + S_M2, rel=0.08)
    assert found.rho_low < RHO < found.rho_high
    assert found.exponent == found.rho + 1
    assert 0.05 < found.rho_high - found.rho_low < 0.4


def test_its_interval_holds_the_true_value_as_often_as_it_says():
    found = [frequency(drawn(400, seed)) for seed in range(20)]
    held = sum(one.rho_low <= RHO <= one.rho_high for one in found)
    # 19 are expected; fewer than 16 have a probability of .003.
    assert held >= 16


def test_the_density_is_that_of_the_law_above_the_least_area():
    found = frequency(drawn(500))
    assert found.density(np.array([found.complete_m2 - 1, found.complete_m2])).tolist()[0] == 0
    total, _ = integrate.quad(
        lambda t: float(found.density(np.exp(np.array([t])))[0] * np.exp(t)),
        np.log(found.complete_m2), np.log(found.complete_m2) + 40, limit=400,
    )  # fmt: skip
    assert total == pytest.approx(1, abs=1e-3)
    area = found.complete_m2 + 700
    above = special.gammainc(found.rho, found.a_m2 / (area - found.s_m2))
    whole = special.gammainc(found.rho, found.a_m2 / (found.complete_m2 - found.s_m2))
    tail, _ = integrate.quad(
        lambda t: float(found.density(np.exp(np.array([t])))[0] * np.exp(t)),
        np.log(area), np.log(area) + 40, limit=400,
    )  # fmt: skip
    assert tail == pytest.approx(above / whole, abs=1e-3)


def test_an_inventory_without_its_small_slides_is_complete_from_a_larger_area():
    area = drawn(4000)
    kept = area[(area > 1500) | (np.random.default_rng(1).random(area.size) < 0.25)]
    found = frequency(kept)
    assert found.holds
    assert 1000 < found.complete_m2 < 2500
    assert found.rho_low < RHO < found.rho_high


def test_areas_of_whole_pixels_give_nearly_the_same():
    area = drawn(3000)
    whole = 100 * np.maximum(4, np.round(area / 100))
    found = frequency(whole[whole > 400])
    assert found.rho == pytest.approx(RHO, abs=0.25)


def test_areas_that_follow_no_such_law_are_told():
    generator = np.random.default_rng(3)
    area = np.repeat(10.0 ** np.arange(3, 8), 20) * generator.uniform(0.97, 1.03, 100)
    assert not frequency(area).holds


def test_fewer_than_thirty_slides_are_refused():
    with pytest.raises(errors.TooFewSamples, match="29 landslides") as caught:
        frequency(drawn(29))
    assert caught.value.allowed == "at least 30"
    assert frequency(drawn(30)).count == 30


def test_the_order_and_the_unit_do_not_matter():
    area = drawn(200)
    one, other = frequency(area), frequency(area[::-1] / 100)
    assert other.rho == pytest.approx(one.rho, rel=1e-3)
    assert other.a_m2 == pytest.approx(one.a_m2 / 100, rel=1e-3)
