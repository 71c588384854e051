import numpy as np
import pytest

from core.geometry.filling import REACH, filled
from core.simulate.stereo.making import CALM, make_stereo
from core.tiling import Window


def holed(surface: np.ndarray, *holes: tuple[int, int, int, int]) -> np.ndarray:
    result = surface.astype(np.float32)
    for top, left, height, width in holes:
        result[top : top + height, left : left + width] = np.nan
    return result


@pytest.mark.parametrize("slope", [0.0, 0.4, 1.4])
def test_the_middle_of_a_hole_in_a_plane_is_filled_by_the_plane(slope) -> None:
    plane = slope * np.arange(61.0) * np.ones((61, 1)) + 100
    found = filled(holed(plane, (25, 25, 11, 11)), 1.0)
    assert found[30, 30] == pytest.approx(plane[30, 30], abs=1e-4)
    # Around it a mean of what is near lies within what is around.
    assert np.abs(found - plane).max() <= 3 * slope + 1e-4
    assert not np.isnan(found).any()


def test_known_heights_stay_and_the_argument_too() -> None:
    rough = holed(np.random.default_rng(0).normal(size=(50, 50)), (10, 10, 9, 4), (30, 20, 1, 1))
    before = rough.copy()
    found = filled(rough, 1.0)
    known = ~np.isnan(before)
    np.testing.assert_array_equal(found[known], before[known])
    np.testing.assert_array_equal(rough, before)


def test_what_a_house_hides_is_ground_and_no_ramp() -> None:
    house = np.zeros((60, 60))
    house[20:40, 20:40] = 9.0 + 0.2 * np.arange(20)
    # Four cells of half a metre before a wall, as an image of 12 degrees of incidence leaves them.
    found = filled(holed(house, (18, 40, 24, 4)), 0.5)
    assert np.abs(found[18:42, 40:44]).max() < 0.01


def test_a_hole_in_a_roof_is_roof() -> None:
    house = np.zeros((60, 60))
    house[20:40, 20:40] = 9.0
    found = filled(holed(house, (26, 26, 8, 8)), 0.5)
    np.testing.assert_allclose(found[26:34, 26:34], 9.0, atol=1e-5)


def test_nothing_is_made_up_outside_of_what_is_known() -> None:
    surface = np.full((80, 80), np.nan)
    surface[20:60, 20:60] = 5.0
    surface[30:40, 30:40] = np.nan
    found = filled(surface.astype(np.float32), 1.0)
    assert (found[20:60, 20:60] == 5.0).all()
    found[20:60, 20:60] = np.nan
    assert np.isnan(found).all()


def test_what_is_too_wide_stays_open() -> None:
    surface = holed(np.zeros((70, 70)), (10, 10, 50, 50))
    assert np.isnan(filled(surface, 1.0, reach=20)[35, 35])
    assert not np.isnan(filled(surface, 1.0, reach=60)).any()


def test_a_window_with_its_reach_around_it_is_filled_as_in_the_whole() -> None:
    lot = np.random.default_rng(5)
    surface = lot.normal(size=(420, 430)).cumsum(axis=0).astype(np.float32)
    for _ in range(60):
        top, left, height, width = *lot.integers(0, 400, 2), *lot.integers(1, 60, 2)
        surface[top : top + height, left : left + width] = np.nan
    whole = filled(surface, 2.0)
    assert not np.array_equal(whole, surface, equal_nan=True)
    for core in (Window(0, 0, 90, 100), Window(150, 200, 70, 60), Window(370, 400, 50, 30)):
        wide = core.pad(REACH) & Window(0, 0, *surface.shape)
        part = filled(surface[wide.slices], 2.0, core.inside(wide))
        np.testing.assert_array_equal(part, whole[core.slices])


def test_in_a_city_what_no_two_images_see_is_filled_to_a_few_decimetres() -> None:
    stereo = make_stereo("city", "pair", shape=(384, 384), seed=12, disturbances=CALM)
    truth = stereo.truth(stereo.grid(0.5))
    hidden = ~truth.visible.all(axis=0) & truth.inside(30).all(axis=0)
    surface = truth.height.astype(np.float32)
    surface[~truth.visible.all(axis=0)] = np.nan
    error = np.abs(filled(surface, 0.5) - truth.height)[hidden]
    assert hidden.sum() > 1000
    assert np.quantile(error, 0.95) < 0.3
    assert (error > 1.0).mean() < 0.01
