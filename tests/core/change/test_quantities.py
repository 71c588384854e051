import numpy as np
import pytest

from core.change.quantities import (
    QUANTITIES,
    channels,
    constants,
    in_whole_steps,
    quantities,
)
from core.change.scene import Date, Layers
from core.change.statistics import statistics
from core.change.superpixels import UNIT
from core.roles import Role

SHAPE = (90, 100)
ROLES = (Role.BLUE, Role.GREEN, Role.RED, Role.NIR)


def scene(*, before: bool = True) -> Layers:
    rng = np.random.default_rng(1)
    ground = {role: rng.integers(500, 3000, SHAPE) for role in ROLES}
    after = {role: (0.8 * values + 300).astype(np.uint16) for role, values in ground.items()}
    early = {role: values.astype(np.uint16) for role, values in ground.items()}
    known = rng.random(SHAPE) < 0.9
    return Layers(after, early if before else None, known, None, 10.0, (7, -9), {})


def test_middles_and_deviations_are_those_of_the_pixels() -> None:
    layers = scene()
    found = constants(statistics(layers, 1.0))
    after = {role: layers.after[role].astype(float)[layers.known] for role in ROLES}
    bright = np.sqrt(sum(after[role] ** 2 for role in ROLES[:3]) / 3)
    green = (after[Role.NIR] - after[Role.RED]) / (after[Role.NIR] + after[Role.RED])
    for name, values in (("brightness", bright), ("greenness", green)):
        middle = np.median(values)
        assert found.middles[name] == pytest.approx(middle, abs=0.3)
        deviation = 1.4826 * np.median(np.abs(values - middle))
        assert found.deviations[name] == pytest.approx(deviation, rel=1e-3)
    # What only haze parts is the same: its deviation is the least that counts.
    assert found.deviations["brightness_change"] <= 1.5


def test_quantities_in_steps_are_nought_where_nothing_is_known() -> None:
    layers = scene()
    found = constants(statistics(layers, 1.0))
    steps = in_whole_steps(layers, found)
    assert list(steps) == [quantity.name for quantity in QUANTITIES]
    for values in steps.values():
        assert (values[~layers.known] == 0).all()
    red, nir = (layers.after[role].astype(float) for role in (Role.RED, Role.NIR))
    expected = np.where(layers.known, (nir - red) / (nir + red), 0)
    assert np.abs(steps["greenness"] * 1e-4 - expected).max() < 1e-4


def test_channels_are_deviations_from_the_middle_and_bounded() -> None:
    layers = scene()
    found = constants(statistics(layers, 1.0))
    steps = in_whole_steps(layers, found)
    steps["brightness"][0, 0] = 10**6
    pixels = channels(steps, layers.known, found)
    assert pixels.shape == (*SHAPE, 4)
    inside = pixels[..., 0][layers.known]
    assert abs(np.median(inside)) <= 1
    assert 1.4826 * np.median(np.abs(inside)) == pytest.approx(UNIT, rel=0.03)
    assert pixels[0, 0, 0] == 32 * UNIT


def test_an_image_after_alone_has_no_change() -> None:
    layers = scene(before=False)
    found = constants(statistics(layers, 1.0))
    assert found.normalisation is None
    assert list(in_whole_steps(layers, found)) == ["brightness", "greenness"]
    assert len(quantities(before=False)) == 2
    bands = {role: layers.after[role].astype(np.float32) for role in ROLES}
    with pytest.raises(ValueError, match="two dates"):
        QUANTITIES[2].of(None, bands)
    with pytest.raises(KeyError):
        layers.bands(Date.BEFORE)


def test_a_scene_of_which_nothing_is_known_has_constants_too() -> None:
    layers = scene()
    dark = Layers(layers.after, layers.before, np.zeros(SHAPE, bool), None, 10.0, layers.anchor, {})
    found = constants(statistics(dark, 1.0))
    assert set(found.middles.values()) == {0.0}
    assert min(found.deviations.values()) > 0
