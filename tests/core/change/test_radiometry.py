import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage

from core.change.radiometry import normalisation, unchanged_numbers
from core.change.scene import Layers
from core.change.statistics import Statistics, statistics
from core.roles import Role

SHAPE = (300, 320)
PLANTED = {
    Role.BLUE: (0.82, 620.0),
    Role.GREEN: (0.87, 410.0),
    Role.RED: (0.9, 300.0),
    Role.NIR: (1.05, 120.0),
}


def scene(seed: int, changed: float, jump: float = 1500.0) -> tuple[Statistics, NDArray[np.bool_]]:
    """Two dates of noise 25 apart by haze, of which a part has become brighter."""
    rng = np.random.default_rng(seed)
    field = ndimage.gaussian_filter(rng.normal(size=SHAPE), 8)
    slides = field > np.quantile(field, 1 - changed)
    before, after = {}, {}
    for role, (gain, offset) in PLANTED.items():
        ground = 900 + 350 * ndimage.gaussian_filter(rng.normal(size=SHAPE), 3) * 10
        later = gain * (ground + slides * (jump if role is not Role.NIR else -jump)) + offset
        for stored, values in ((before, ground), (after, later)):
            noisy = values + rng.normal(0, 25, SHAPE)
            stored[role] = np.clip(np.rint(noisy), 0, 65535).astype(np.uint16)
    layers = Layers(after, before, np.ones(SHAPE, bool), None, 10.0, (0, 0), {})
    return statistics(layers, 1.0), slides


@pytest.mark.parametrize("changed", [0.0, 0.05, 0.2])
def test_gain_and_offset_of_haze_are_found_beside_what_changed(changed: float) -> None:
    found = normalisation(scene(1, changed)[0])
    for role, (gain, offset) in PLANTED.items():
        relation = found.relations[role]
        assert relation.gain == pytest.approx(gain, rel=0.005)
        # At the mean of the band the two together are known better than each.
        assert relation.gain * 900 + relation.offset == pytest.approx(gain * 900 + offset, abs=2)
        assert relation.noise == pytest.approx(25 * np.hypot(1, gain), rel=0.3)
    assert found.unchanged == pytest.approx(1 - changed, abs=0.02)


def test_least_squares_on_all_pixels_would_be_deceived() -> None:
    sample = scene(1, 0.05)[0].sample
    for role, (gain, offset) in PLANTED.items():
        before, after = (sample[date, role].astype(float) for date in ("before", "after"))
        fitted = np.polyval(np.polyfit(before, after, 1), 900)
        assert abs(fitted - (gain * 900 + offset)) > 50


def test_the_image_before_moves_into_the_numbers_after() -> None:
    found = normalisation(scene(2, 0.05)[0])
    moved = found.moved(np.array([[1000, 2000]], np.uint16), Role.BLUE)
    assert moved.dtype == np.float32
    assert moved[0, 0] == pytest.approx(0.82 * 1000 + 620, abs=4)
    assert moved[0, 1] - moved[0, 0] == pytest.approx(820, rel=0.01)


def test_too_few_pixels_or_one_number_only_leave_the_numbers_but_for_their_offset() -> None:
    flat = np.full((3, 3), 500, np.uint16)
    layers = Layers(
        {Role.RED: flat + np.uint16(70)},
        {Role.RED: flat},
        np.ones((3, 3), bool),
        None,
        1.0,
        (0, 0),
        {},
    )
    relation = normalisation(statistics(layers, 1.0)).relations[Role.RED]
    assert (relation.gain, relation.offset) == (1.0, 70.0)
    wide = Layers(
        {Role.RED: np.full((30, 30), 570, np.uint16)},
        {Role.RED: np.full((30, 30), 500, np.uint16)},
        np.ones((30, 30), bool),
        None,
        1.0,
        (0, 0),
        {},
    )
    relation = normalisation(statistics(wide, 1.0)).relations[Role.RED]
    assert (relation.gain, relation.offset) == (1.0, 70.0)


def test_nothing_known_leaves_the_numbers() -> None:
    flat = np.full((3, 3), 500, np.uint16)
    layers = Layers(
        {Role.RED: flat}, {Role.RED: flat}, np.zeros((3, 3), bool), None, 1.0, (0, 0), {}
    )
    found = normalisation(statistics(layers, 1.0))
    assert found.relations == unchanged_numbers({Role.RED: flat}).relations
    assert np.isnan(found.unchanged)
