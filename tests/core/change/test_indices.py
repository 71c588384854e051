import re

import numpy as np
import pytest
from numpy.typing import NDArray

from core.change.differences import CHANGES, ratio
from core.change.indices import INDICES, IndexSet, brightness, chosen, greenness
from core.roles import VISIBLE, Role

EVERYTHING = dict.fromkeys(Role)


def bands(seed: int = 1, shape: tuple[int, int] = (40, 50)) -> dict[Role, NDArray[np.float32]]:
    rng = np.random.default_rng(seed)
    return {role: rng.uniform(0.01, 0.7, shape).astype(np.float32) for role in Role}


class Asked(dict[Role, NDArray[np.float32]]):
    """Bands that know which of them were looked at."""

    def __init__(self, bands: dict[Role, NDArray[np.float32]]) -> None:
        super().__init__(bands)
        self.asked: set[Role] = set()

    def __getitem__(self, role: Role) -> NDArray[np.float32]:
        self.asked.add(role)
        return super().__getitem__(role)


def by_formula(formula: str, names: dict[str, object]) -> NDArray[np.float64]:
    """What the formula says, in float64 and by Python itself."""
    main, *helpers = re.split(r", (?=\w+ = )", formula)
    for helper in helpers:
        name, value = helper.split(" = ")
        names[name] = eval(value, {"sqrt": np.sqrt}, names)
    return eval(main, {"sqrt": np.sqrt, "max": np.maximum}, names)


@pytest.mark.parametrize("index", INDICES, ids=lambda index: index.name)
def test_an_index_is_what_its_formula_says(index: object) -> None:
    values = bands()
    expected = by_formula(index.formula, {role.value: values[role].astype(float) for role in Role})
    found = index.of(values)
    assert found.dtype == np.float32
    inside = (expected > index.limits[0]) & (expected < index.limits[1])
    assert inside.mean() > 0.6
    assert np.allclose(found[inside], expected[inside], rtol=1e-3, atol=2e-5)
    assert (found[~inside] == np.clip(expected[~inside], *np.float32(index.limits))).all()


@pytest.mark.parametrize("index", INDICES, ids=lambda index: index.name)
def test_an_index_needs_the_bands_it_names_and_is_finite_where_they_are_nought(
    index: object,
) -> None:
    only = Asked({role: np.zeros((2, 2), np.float32) for role in index.roles})
    assert np.isfinite(index.of(only)).all()
    named = {role for role in Role if re.search(rf"\b{role.value}\b", index.formula)}
    assert named == set(index.roles) == only.asked


def test_the_names_are_different_and_each_index_has_its_source() -> None:
    names = [entry.name for entry in (*INDICES, *CHANGES)]
    assert len(set(names)) == len(names)
    assert all(re.fullmatch(r"10\.\d{4,5}/\S+", entry.doi) for entry in (*INDICES, *CHANGES))


def test_vegetation_water_and_bare_ground_have_the_signs_of_the_literature() -> None:
    leaf, water, soil = (
        dict(zip(Role, np.array(values, np.float32)[:, None, None], strict=True))
        for values in (
            (0.03, 0.07, 0.04, 0.15, 0.45, 0.2, 0.1),
            (0.06, 0.05, 0.03, 0.02, 0.01, 0.005, 0.005),
            (0.1, 0.14, 0.2, 0.22, 0.26, 0.35, 0.3),
        )
    )
    index = {entry.name: entry for entry in INDICES}
    for name in ("ndvi", "evi", "evi2", "msavi", "osavi", "gemi", "ngrdi", "ndmi", "nbr", "tcg"):
        assert index[name].of(leaf) > index[name].of(soil)
    for name in ("bsi", "dbsi", "brightness", "tcb", "ikaw"):
        assert index[name].of(soil) > index[name].of(leaf)
    for name in ("ndwi", "mndwi"):
        assert index[name].of(water) > max(index[name].of(soil), index[name].of(leaf))


def test_indices_without_their_bands_are_left_out_and_listed() -> None:
    made, left = chosen(IndexSet.ADVANCED, EVERYTHING, physical=True)
    assert (len(made), left) == (len(INDICES), ())
    visible = dict.fromkeys(VISIBLE)
    made, left = chosen(IndexSet.BASIC, visible, physical=True)
    assert [index.name for index in made] == ["brightness", "ngrdi", "gli", "ikaw"]
    assert {"ndvi", "nbr", "bsi"} <= {index.name for index in left}
    made, left = chosen(IndexSet.BASIC, {**visible, Role.NIR: None}, physical=False)
    assert [index.name for index in made][-2:] == ["ndvi", "ndwi"]
    assert "osavi" in {index.name for index in left}
    assert chosen(IndexSet.NONE, EVERYTHING, physical=True) == ((), ())


def test_changes_are_what_their_formulas_say() -> None:
    before, after = bands(2), bands(3)
    change = {entry.name: entry.function for entry in CHANGES}
    old, new = (np.stack([part[role] for role in Role]).astype(float) for part in (before, after))
    magnitude = np.sqrt(((new - old) ** 2).mean(axis=0))
    assert np.allclose(change["change_magnitude"](before, after), magnitude, atol=1e-5)
    cosine = (old * new).sum(axis=0) / np.linalg.norm(old, axis=0) / np.linalg.norm(new, axis=0)
    chord = 2 * np.sin(np.arccos(cosine) / 2)
    assert np.allclose(change["spectral_turn"](before, after), chord, atol=1e-5)
    ndvi = [
        (part[Role.NIR] - part[Role.RED]) / (part[Role.NIR] + part[Role.RED])
        for part in (before, after)
    ]
    expected = 100 * (ndvi[1] - ndvi[0]) / np.sqrt(np.maximum(ndvi[0] + ndvi[1], 0.05))
    assert np.allclose(change["rdndvi"](before, after), expected, atol=1e-3)


def test_a_spectrum_that_only_brightens_does_not_turn() -> None:
    before = bands(4)
    after = {role: np.float32(1.5) * values for role, values in before.items()}
    change = {entry.name: entry.function for entry in CHANGES}
    assert change["spectral_turn"](before, after).max() < 1e-6
    assert np.allclose(ratio(before[Role.RED], after[Role.RED]), 0.2, atol=1e-6)


def test_indices_of_a_part_are_those_of_the_whole_in_bits() -> None:
    values = bands(5, (61, 67))
    part = {role: band[7:50, 5:60] for role, band in values.items()}
    for index in INDICES:
        assert np.array_equal(index.of(values)[7:50, 5:60], index.of(part))
    for change in CHANGES:
        whole = change.function(values, values | {Role.RED: values[Role.BLUE]})
        cut = change.function(part, part | {Role.RED: part[Role.BLUE]})
        assert np.array_equal(whole[7:50, 5:60], cut)


def test_without_near_infrared_greenness_is_of_green_and_red() -> None:
    values = bands(6)
    assert np.array_equal(greenness(values), {i.name: i for i in INDICES}["ndvi"].of(values))
    visible = {role: values[role] for role in VISIBLE}
    assert np.array_equal(greenness(visible), {i.name: i for i in INDICES}["ngrdi"].of(values))
    assert (brightness(visible) > 0).all()
