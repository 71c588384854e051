import numpy as np
import pytest
from numpy.typing import NDArray

from core.change.objects import DIRECTION_STEP, contrast, per_pixel, shapes, spread
from core.change.segments import Edges
from core.change.windows import in_steps


def scattered(seed: int = 1) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    rng = np.random.default_rng(seed)
    labels = rng.integers(-1, 12, (40, 50)).astype(np.int32)
    return labels, in_steps(rng.normal(5, 3, labels.shape), 0.01)


def test_means_and_deviations_are_those_of_the_pixels_of_a_segment() -> None:
    labels, values = scattered()
    found = spread(labels, 13, values, 0.01)
    for number in range(12):
        inside = 0.01 * values[labels == number]
        assert found.mean[number] == pytest.approx(inside.mean(), rel=1e-6)
        assert found.deviation[number] == pytest.approx(inside.std(), rel=1e-6)
    # A number that no pixel has.
    assert (found.mean[12], found.deviation[12]) == (0, 0)


def test_each_pixel_gets_the_number_of_its_segment_and_nought_without_one() -> None:
    labels, _ = scattered()
    found = per_pixel(np.arange(12, dtype=np.float32) + 5, labels)
    assert np.array_equal(found[labels >= 0], labels[labels >= 0] + np.float32(5))
    assert (found[labels < 0] == 0).all()


def test_a_segment_stands_out_by_its_difference_to_its_neighbours_for_their_common_sides() -> None:
    # 0 has three sides in common with 1 and one with 2; 3 touches nothing.
    touching = Edges(np.array([0, 0]), np.array([1, 2]), np.array([3, 1]))
    found = contrast(touching, np.array([10, 2, 6, 9], np.float32))
    assert found.tolist() == [10 - (3 * 2 + 6) / 4, 2 - 10, 6 - 10, 0]


def line(aspect_deg: float, labels: NDArray[np.int32]) -> tuple[NDArray[np.int32], ...]:
    angle = np.radians(aspect_deg)
    return tuple(
        in_steps(np.full(labels.shape, part), DIRECTION_STEP)
        for part in (np.cos(angle), np.sin(angle))
    )


def test_a_strip_down_the_slope_is_told_from_one_across() -> None:
    labels = np.full((60, 60), -1, np.int32)
    labels[10:40, 20:25] = 0
    labels[50:53, 5:50] = 1
    labels[2:8, 40:46] = 2
    south = shapes(labels, 3, 10.0, line(180, labels))
    assert south.along_slope[0] > 0.95
    assert south.along_slope[1] < 0.05
    assert south.along_slope[2] == pytest.approx(0.5)
    east = shapes(labels, 3, 10.0, line(90, labels))
    assert np.allclose(east.along_slope, 1 - south.along_slope, atol=1e-6)
    assert np.allclose(south.area_m2, [15000, 13500, 3600])
    assert south.elongation[2] == pytest.approx(0, abs=1e-6)
    assert south.elongation[0] == pytest.approx(1 - 5 / 30, abs=1e-6)
    assert (south.compactness == 1).all()


def test_a_diagonal_is_long_along_a_diagonal_slope() -> None:
    labels = np.where(np.abs(np.subtract.outer(np.arange(40), np.arange(40))) < 2, 0, -1)
    labels = labels.astype(np.int32)
    # The strip leads from north-west to south-east.
    assert shapes(labels, 1, 1.0, line(135, labels)).along_slope[0] > 0.95
    assert shapes(labels, 1, 1.0, line(45, labels)).along_slope[0] < 0.05
    assert shapes(labels, 1, 1.0, line(135, labels)).elongation[0] > 0.9
    assert shapes(labels, 1, 1.0, line(135, labels)).compactness[0] < 0.1


def test_without_a_terrain_or_on_level_ground_no_direction_counts() -> None:
    labels = np.zeros((3, 9), np.int32)
    level = (np.zeros((3, 9), np.int32), np.zeros((3, 9), np.int32))
    for downslope in (None, level):
        assert shapes(labels, 1, 1.0, downslope).along_slope[0] == 0.5


def test_shapes_do_not_depend_on_where_in_the_tile_a_segment_lies() -> None:
    labels = np.full((400, 500), -1, np.int32)
    labels[3:20, 5:9] = 0
    labels[12:16, 9:14] = 0
    moved = np.roll(labels, (333, 401), axis=(0, 1))
    for one, other in zip(
        shapes(labels, 1, 10.0, line(200, labels)),
        shapes(moved, 1, 10.0, line(200, labels)),
        strict=True,
    ):
        assert np.array_equal(one, other)


def test_no_segments_have_no_shapes() -> None:
    labels = np.full((4, 4), -1, np.int32)
    assert shapes(labels, 0, 1.0, None).area_m2.size == 0
    assert (per_pixel(np.zeros(0, np.float32), labels) == 0).all()
