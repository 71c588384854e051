import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.change.learning.clusters import assigned, kmeans
from core.change.learning.folds import blocks, dealt, strata
from core.change.learning.sampling import Labelled, drawn, labelled, tally
from core.errors import TooFewSamples


def groups_of(landslide: list[int], rest: list[int]) -> tuple[np.ndarray, np.ndarray]:
    """Samples of groups with so many landslides and others."""
    group = np.concatenate(
        [np.full(a + b, n) for n, (a, b) in enumerate(zip(landslide, rest, strict=True))]
    )
    labels = np.concatenate([np.arange(a + b) < a for a, b in zip(landslide, rest, strict=True)])
    return group, labels


@given(
    st.lists(st.tuples(st.integers(0, 30), st.integers(0, 60)), min_size=2, max_size=15),
    st.integers(2, 8),
)
def test_each_fold_holds_both_classes_and_whole_groups(
    sizes: list[tuple[int, int]], asked: int
) -> None:
    group, labels = groups_of(*map(list, zip(*sizes, strict=True)))
    held, others = (sum(side > 0 for side in sides) for sides in zip(*sizes, strict=True))
    if min(held, others) < 2:
        number = held if held < 2 else others
        with pytest.raises(TooFewSamples, match=f"^{number} of "):
            dealt(group, labels, asked)
        return
    found = dealt(group, labels, asked)
    assert 2 <= found.number <= min(asked, held)
    assert (found.note == "") == (found.number == asked)
    assert set(np.unique(found.of)) == set(range(found.number))
    for fold in range(found.number):
        assert 0 < labels[found.of == fold].sum() < (found.of == fold).sum()
    for one in np.unique(group):
        assert len(np.unique(found.of[group == one])) == 1


def test_landslides_are_spread_evenly() -> None:
    group, labels = groups_of([90, 50, 40, 30, 10, 0, 0], [100] * 7)
    found = dealt(group, labels, 3)
    sums = [labels[found.of == fold].sum() for fold in range(3)]
    assert sums == [90, 60, 70]
    # Groups without landslides go to the smallest folds.
    assert [(found.of == fold).sum() for fold in range(3)] == [290, 360, 270]


def test_fewer_folds_are_told() -> None:
    group, labels = groups_of([5, 0, 7, 0, 0], [50] * 5)
    found = dealt(group, labels, 10)
    assert found.number == 2
    assert found.note == "2 folds instead of 10: of 5 areas 2 hold landslides and 5 ground without"


def test_two_folds_are_found_wherever_there_are_two() -> None:
    found = dealt(*groups_of([10, 4, 4], [0, 5, 5]), 5)
    assert found.number == 2
    assert found.note == "2 folds instead of 5: of 3 areas 3 hold landslides and 2 ground without"


def test_a_fold_without_the_other_class_is_none() -> None:
    group, labels = groups_of([9, 9, 9, 9], [0, 5, 0, 5])
    found = dealt(group, labels, 4)
    assert found.number == 2
    with pytest.raises(TooFewSamples, match="1 of 3 training areas hold ground without"):
        dealt(*groups_of([9, 9, 9], [0, 5, 0]), 2)


def test_blocks_are_numbered_by_row_then_column_on_multiples_of_their_side() -> None:
    place = np.array([[499.9, 999], [500.0, 999], [10, 1000.0], [-0.1, 0.0], [499, 501]])
    assert blocks(place, 500.0).tolist() == [1, 2, 0, 3, 1]


def test_strata_are_compact_and_the_same_for_the_same_seed() -> None:
    rng = np.random.default_rng(1)
    corners = np.array([[0, 0], [5000, 0], [0, 5000], [5000, 5000], [2500, 9000]])
    which = rng.integers(0, 5, 2000)
    place = corners[which] + rng.random((2000, 2)) * 500
    found = strata(place, 5, seed=3)
    assert (found == strata(place, 5, seed=3)).all()
    assert len({(a, b) for a, b in zip(which, found, strict=True)}) == 5


def test_centres_are_the_means_of_their_groups() -> None:
    points = np.random.default_rng(2).normal(size=(500, 3))
    centres = kmeans(points, 6, seed=0)
    nearest = assigned(points, centres)
    for number in range(6):
        np.testing.assert_allclose(centres[number], points[nearest == number].mean(axis=0))


def test_points_that_are_alike_are_one_group() -> None:
    assert kmeans(np.ones((50, 2)), 4, seed=0).tolist() == [[1.0, 1.0]]


def test_the_label_rule_is_over_the_fraction() -> None:
    fraction = np.array([[0.0, 0.2, 0.5], [0.51, 0.8, 1.0]], np.float32)
    usable = np.ones((2, 3), bool)
    usable[1, 2] = False
    plain = labelled(fraction, usable)
    assert plain.landslide.tolist() == [[False, False, False], [True, True, False]]
    assert (plain.used == usable).all()
    clear = labelled(fraction, usable, over=0.5, mixed=(0.1, 0.6))
    assert clear.used.tolist() == [[True, False, False], [False, True, False]]
    assert clear.landslide.tolist() == [[False, False, False], [False, True, False]]
    assert usable.sum() == 5


def labels_of_a_scene() -> Labelled:
    rng = np.random.default_rng(3)
    return Labelled(rng.random((400, 500)) < 0.03, np.ones((400, 500), bool))


def test_a_draw_is_the_same_whatever_the_tiles() -> None:
    scene, anchor = labels_of_a_scene(), (-120, 70_000)
    whole = tally(scene)
    full = drawn(scene, anchor, whole, most=2000, seed=5)
    pieces = []
    for top, left in ((0, 0), (0, 210), (150, 0), (150, 210)):
        window = (slice(top, 150 if top == 0 else 400), slice(left, 210 if left == 0 else 500))
        part = Labelled(*(side[window] for side in scene))
        found = drawn(part, (anchor[0] + top, anchor[1] + left), whole, most=2000, seed=5)
        pieces += list(zip(found.row + top, found.col + left, found.weight, strict=True))
    assert sorted(pieces) == list(zip(full.row, full.col, full.weight, strict=True))
    other = drawn(scene, anchor, whole, most=2000, seed=6)
    assert other.row.tolist() != full.row.tolist()


def test_a_draw_has_about_what_was_asked_for_and_stands_for_all() -> None:
    scene = labels_of_a_scene()
    whole = tally(scene)
    assert whole.plus(whole) == (2 * whole.rest, 2 * whole.landslide)
    found = drawn(scene, (0, 0), whole, most=2000, seed=1)
    for side, count in ((~found.landslide, whole.rest), (found.landslide, whole.landslide)):
        assert side.sum() == pytest.approx(2000, rel=0.08)
        assert found.weight[side].sum() == pytest.approx(count, rel=0.08)
    assert (scene.landslide[found.row, found.col] == found.landslide).all()


def test_few_pixels_are_all_drawn() -> None:
    scene = labels_of_a_scene()
    found = drawn(scene, (0, 0), tally(scene), most=10**6, seed=1)
    assert found.row.size == scene.used.size
    assert (found.weight == 1).all()
