import pickle
from functools import cache, reduce
from operator import add

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage

from core.change.features import Schema, schema, stack, strip, tile
from core.change.indices import IndexSet
from core.change.quantities import Constants, constants
from core.change.scene import Date, Drainage, Layers, Sun
from core.change.schema import Choice, Group
from core.change.statistics import statistics
from core.roles import Role
from core.tiling import Window, tiles, whole

SHAPE = (530, 545)
ROLES = (Role.BLUE, Role.GREEN, Role.RED, Role.NIR)
SUNS = {Date.BEFORE: Sun(150.0, 40.0), Date.AFTER: Sun(165.0, 30.0)}
GAIN, OFFSET = 0.9, 200.0


def field(seed: int, sigma: float, shape: tuple[int, int] = SHAPE) -> NDArray[np.float64]:
    values = ndimage.gaussian_filter(np.random.default_rng(seed).normal(size=shape), sigma)
    return values / values.std()


@cache
def scene() -> Layers:
    """Two dates 10 % and 200 apart by haze, with bright scars, under hills, with gaps."""
    rng = np.random.default_rng(1)
    scars = field(2, 5) > 1.9
    before, after = {}, {}
    for k, role in enumerate(ROLES):
        ground = 800 + 500 * k + 150 * field(3, 3) + 60 * field(4 + k, 2)
        later = GAIN * (ground + scars * (900 if role is not Role.NIR else -900)) + OFFSET
        for stored, values in ((before, ground), (after, later)):
            stored[role] = np.rint(values + rng.normal(0, 12, SHAPE)).clip(1).astype(np.uint16)
    height = (900 + 120 * field(9, 25)).astype(np.float32)
    height[rng.random(SHAPE) < 1e-4] = np.nan
    known = field(10, 12) > -1.8
    drainage = Drainage(np.abs(height) * 100, height - 500)
    return Layers(after, before, known, height, 10.0, (-4417, 901), SUNS, drainage)


@cache
def first_pass() -> Constants:
    return constants(statistics(scene(), 0.5))


def planes(layers: Layers, choice: Choice | None = None) -> dict[str, NDArray[np.float32]]:
    plan = schema(layers, choice)
    made = stack(layers, plan, constants(statistics(layers, 1.0)), whole(layers.shape))
    return dict(zip(plan.names, made, strict=True))


def only(*groups: Group) -> Choice:
    return Choice(groups=frozenset(groups))


@pytest.mark.parametrize("side", [256, 500])
def test_tiles_give_the_bits_of_the_whole_in_strips_or_at_once(side: int) -> None:
    plan = schema(scene())
    full = stack(scene(), plan, first_pass(), whole(SHAPE))
    for part in tiles(SHAPE, side, plan.halo):
        made = tile(scene().part(part.padded), plan, first_pass())
        core = part.core.inside(part.padded)
        for row in range(0, core.height, 100):
            window = Window(core.row + row, core.col, min(100, core.height - row), core.width)
            found = strip(made, plan, window)
            where = window.shift(part.padded.row, part.padded.col).slices
            assert np.array_equal(found, full[:, *where], equal_nan=True)


@pytest.mark.parametrize("group", list(Group))
def test_the_halo_of_each_group_is_enough_for_it_alone(group: Group) -> None:
    plan = schema(scene(), only(group))
    full = stack(scene(), plan, first_pass(), whole(SHAPE))
    part = list(tiles(SHAPE, 200, plan.halo))[4]
    found = stack(scene().part(part.padded), plan, first_pass(), part.core.inside(part.padded))
    assert np.array_equal(found, full[:, *part.core.slices], equal_nan=True)


def test_the_constants_of_a_scene_do_not_depend_on_its_tiles() -> None:
    parts = [
        statistics(scene().part(part.padded), 0.5, part.core.inside(part.padded))
        for part in tiles(SHAPE, 256, 9)
    ]
    assert constants(reduce(add, parts)) == first_pass()


def test_features_are_finite_where_all_is_known_and_nowhere_else() -> None:
    plan = schema(scene())
    full = stack(scene(), plan, first_pass(), whole(SHAPE))
    known = scene().usable(heights=plan.heights)
    assert full.dtype == np.float32
    assert 0.5 < known.mean() < 1
    assert (known <= scene().known).all()
    assert known.sum() < scene().known.sum()
    assert np.isfinite(full[:, known]).all()
    assert np.isnan(full[:, ~known]).all()


def test_a_pixel_without_a_height_is_usable_where_heights_do_not_count() -> None:
    layers = scene()
    plan = schema(layers, only(Group.BANDS, Group.TEXTURE))
    assert not plan.heights
    made = stack(layers, plan, first_pass(), whole(SHAPE))
    assert np.array_equal(np.isfinite(made[0]), layers.known)


def test_bands_are_reflectances_and_haze_between_the_dates_is_taken_out() -> None:
    layers = scene()
    found = planes(layers, only(Group.BANDS, Group.DIFFERENCES))
    known = layers.known
    assert np.allclose(found["red_after"][known], layers.after[Role.RED][known] / 10000)
    assert abs(np.median(found["red_change"][known])) < 0.0005
    scars = known & (field(2, 5) > 1.9)
    inside = ndimage.binary_erosion(scars)
    assert np.median(found["red_change"][inside]) == pytest.approx(GAIN * 0.09, abs=0.002)
    assert np.median(found["nir_change"][inside]) == pytest.approx(-GAIN * 0.09, abs=0.002)
    assert np.median(found["ndvi_change"][inside]) < -0.3
    assert np.median(found["rdndvi"][inside]) < -30
    assert np.abs(np.median(found["ndvi_change"][known & ~scars])) < 0.002


def test_stored_numbers_without_a_unit_stay_what_they_are() -> None:
    layers = scene()
    plan = schema(layers, only(Group.BANDS, Group.INDICES, Group.TEXTURE), physical=False)
    made = dict(zip(plan.names, stack(layers, plan, first_pass(), whole(SHAPE)), strict=True))
    known = layers.known
    assert np.array_equal(made["red_after"][known], layers.after[Role.RED][known])
    assert "osavi_after" not in made
    assert plan.left_out["osavi"] == "reflectance"
    assert 5 < np.median(made["brightness_deviation_7"][known]) < 500


def test_scars_stand_out_in_texture_and_objects() -> None:
    layers = scene()
    found = planes(layers, only(Group.TEXTURE, Group.OBJECTS))
    known = layers.usable(heights=True)
    inside = ndimage.binary_erosion(known & (field(2, 5) > 1.9))
    # Neighbours of a scar's segment may be of the scar too.
    for name, least in (
        ("brightness_change_contrast_31", 0.04),
        ("segment_brightness_change_contrast", 0.02),
    ):
        assert np.median(found[name][inside]) > least
        assert abs(np.median(found[name][known])) < 0.01
    assert np.median(found["segment_brightness_change"][inside]) > 0.05
    away = known & ~ndimage.binary_dilation(field(2, 5) > 1.7, iterations=12)
    edge = "segment_brightness_change_deviation"
    assert np.median(found[edge][away]) < 0.3 * np.median(
        found["brightness_change_deviation_7"][inside]
    )
    areas = found["segment_area_m2"][known]
    assert areas.min() >= 100
    assert areas.max() <= 16 * 16 * 100


def shape_of(roles: tuple[Role, ...], *, before: bool, height: bool, suns: bool = True) -> Layers:
    flat = np.full((3, 3), 500, np.uint16)
    bands = dict.fromkeys(roles, flat)
    return Layers(
        bands,
        bands if before else None,
        np.ones((3, 3), bool),
        np.zeros((3, 3), np.float32) if height else None,
        10.0,
        (0, 0),
        SUNS if suns else {},
    )


VISIBLE = (Role.BLUE, Role.GREEN, Role.RED)


@pytest.mark.parametrize("roles", [VISIBLE, ROLES, tuple(Role)])
@pytest.mark.parametrize("before", [True, False])
@pytest.mark.parametrize("height", [True, False])
@pytest.mark.parametrize("indices", list(IndexSet))
def test_every_combination_of_bands_dates_and_heights_has_its_features(
    roles: tuple[Role, ...], before: bool, height: bool, indices: IndexSet
) -> None:
    layers = shape_of(roles, before=before, height=height)
    plan = schema(layers, Choice(indices=indices))
    made = stack(layers, plan, constants(statistics(layers, 1.0)), whole((3, 3)))
    assert made.shape == (len(plan.names), 3, 3)
    assert np.isfinite(made).all()
    assert len(set(plan.names)) == len(plan.names)
    assert any(name.startswith("ndvi") for name in plan.names) == (
        Role.NIR in roles and indices is not IndexSet.NONE
    )
    assert ("rdndvi" in plan.names) == (before and Role.NIR in roles)
    assert ("slope" in plan.names) == height
    assert ("red_before" in plan.names) == before
    assert ("ndvi" in plan.left_out) == (Role.NIR not in roles and indices is not IndexSet.NONE)
    assert (plan.left_out.get("topography") == "heights") == (not height)
    assert (plan.left_out.get("differences") == "an image before") == (not before)


def test_groups_are_switched_one_by_one_and_make_up_the_whole() -> None:
    layers = shape_of(ROLES, before=True, height=True)
    parts = [schema(layers, only(group)) for group in Group]
    assert reduce(add, (part.names for part in parts)) == schema(layers).names
    for group, part in zip(Group, parts, strict=True):
        assert {feature.group for feature in part.features} == {group}
        assert all(feature.text and feature.unit for feature in part.features)
    halos = dict(zip(Group, (part.halo for part in parts), strict=True))
    assert halos == {
        Group.BANDS: 0,
        Group.INDICES: 0,
        Group.DIFFERENCES: 0,
        Group.TEXTURE: 16,
        Group.TOPOGRAPHY: 101,
        Group.OBJECTS: 196,
    }


def test_without_windows_there_is_no_texture() -> None:
    layers = shape_of(ROLES, before=True, height=True)
    plan = schema(layers, Choice(groups=frozenset([Group.TEXTURE]), windows_px=()))
    assert plan.names == ()
    assert plan.halo == 0


def test_without_a_sun_there_is_no_light_and_it_is_said() -> None:
    plan = schema(shape_of(ROLES, before=True, height=True, suns=False))
    assert not [name for name in plan.names if name.startswith(("incidence", "shadow"))]
    assert plan.left_out["incidence and shadow before"] == "the sun's position"
    assert schema(plan_layers := shape_of(ROLES, before=True, height=True, suns=False)) == plan
    assert plan_layers.suns == {}


def test_a_schema_travels_between_processes() -> None:
    plan = schema(scene())
    assert plan.names
    again: Schema = pickle.loads(pickle.dumps(plan))
    assert again == plan
    assert again.names == plan.names
    assert pickle.loads(pickle.dumps(first_pass())) == first_pass()


def test_a_tile_that_lacks_what_its_schema_says_is_refused() -> None:
    plan = schema(shape_of(ROLES, before=True, height=True))
    with pytest.raises(ValueError, match="what its schema says"):
        tile(shape_of(VISIBLE, before=True, height=True), plan, first_pass())
