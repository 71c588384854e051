"""The table of lines of sight against the sensor models, point by point."""

from dataclasses import replace

import numpy as np
import pytest

from core.geometry.epipolar import EpipolarFrame, epipolar_frame
from core.geometry.rpc import Rpc, transferred
from core.geometry.sightlines import EXACT_PX, sightlines
from core.geometry.triangulation import Intersections, intersect

Rpcs = tuple[Rpc, Rpc, Rpc]

LEVEL = 400.0
PLACED_PX = 3 * EXACT_PX
HEIGHT_M = 1e-3


def frame(rpcs: Rpcs, other: int = 2, corner: tuple[int, int] = (19500, 14500)) -> EpipolarFrame:
    return epipolar_frame(rpcs[0], rpcs[other], corner, (300, 260), LEVEL)


def mountain(lattice: EpipolarFrame) -> np.ndarray:
    """Heights with steps, 500 m apart."""
    i, j = np.indices(lattice.shape)
    return np.asarray(LEVEL + 220 * np.sin(i / 60) * np.cos(j / 50) + 30.0 * (j > 130))


def matches(lattice: EpipolarFrame, seed: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """Disparities and what lies across, with gaps."""
    rng = np.random.default_rng(seed)
    disparity = rng.uniform(-8, 8, lattice.shape).astype(np.float32)
    disparity[rng.random(lattice.shape) < 0.1] = np.nan
    return disparity, rng.normal(0, 0.5, lattice.shape).astype(np.float32)


def one_by_one(lattice: EpipolarFrame, row: np.ndarray, col: np.ndarray) -> Intersections:
    here = lattice.reference_positions()
    models = [lattice.reference, lattice.secondary]
    return intersect(models, np.stack([here.row, row]), np.stack([here.col, col]))


@pytest.mark.parametrize("other", [1, 2])
def test_places_are_those_of_the_models(stereo_rpcs: Rpcs, other: int) -> None:
    lattice = frame(stereo_rpcs, other)
    for part in (lattice, lattice.coarser(4)):
        heights = mountain(part)
        found = part.secondary_positions(heights)
        models = part.reference, part.secondary
        exact = transferred(*models, *part.reference_positions(), heights)
        assert np.abs(found.row - exact.row).max() < PLACED_PX
        assert np.abs(found.col - exact.col).max() < PLACED_PX


@pytest.mark.parametrize("other", [1, 2])
def test_points_are_those_of_the_models(stereo_rpcs: Rpcs, other: int) -> None:
    lattice = frame(stereo_rpcs, other)
    heights, (disparity, across) = mountain(lattice), matches(lattice)
    found = lattice.intersect(heights, disparity, across)
    exact = one_by_one(lattice, *lattice.matched_positions(heights, disparity, across))
    assert (found.valid == exact.valid).all()
    assert found.valid.mean() > 0.8
    assert np.nanmax(np.abs(found.height - exact.height)) < HEIGHT_M
    assert np.nanmax(np.abs(found.lon - exact.lon)) < 1e-8
    assert np.nanmax(np.abs(found.lat - exact.lat)) < 1e-8
    assert np.nanmedian(exact.error) > 0.1
    assert np.nanmax(np.abs(found.error - exact.error)) < HEIGHT_M
    assert np.nanmax(np.abs(found.height_sigma / exact.height_sigma - 1)) < 1e-3


def test_what_the_models_do_not_know_the_table_does_not_know(stereo_rpcs: Rpcs) -> None:
    """Ground that lies in the range of the models here, and above it there."""
    first, _, third = stereo_rpcs
    packed = first.packed.frame
    high = packed[2, 0] + packed[2, 1] * packed[2, 2]
    lattice = frame(stereo_rpcs)
    heights = np.full(lattice.shape, high - 20)
    heights[:, 200:] = high + 20
    found = lattice.secondary_positions(heights)
    exact = transferred(first, third, *lattice.reference_positions(), heights)
    assert (np.isnan(found.row) == ~exact.inside).all()
    assert 0 < exact.inside.sum() < exact.inside.size
    disparity = np.zeros(lattice.shape, np.float32)
    points = lattice.intersect(heights, disparity)
    assert not points.valid[~exact.inside].any()
    # A position is taken from three columns.
    assert points.valid[:, :199].all()


def test_longitudes_may_turn_over_within_a_lattice(stereo_rpcs: Rpcs) -> None:
    lattice = frame(stereo_rpcs)
    heights, (disparity, across) = mountain(lattice), matches(lattice)
    plain = lattice.intersect(heights, disparity, across)
    turn = 180 - float(np.nanmedian(plain.lon))
    moved = [replace(rpc, lon_offset=rpc.lon_offset + turn) for rpc in stereo_rpcs]
    there = replace(lattice, reference=moved[0], secondary=moved[2])
    found = there.intersect(heights, disparity, across)
    assert np.nanmin(found.lon) < -179.9
    assert np.nanmax(found.lon) > 179.9
    apart = found.lon - plain.lon - turn
    assert np.nanmax(np.abs(apart - 360 * np.round(apart / 360))) < 1e-9
    assert np.nanmax(np.abs(found.height - plain.height)) < 1e-6


def test_lines_that_hardly_part_meet_nowhere(stereo_rpcs: Rpcs) -> None:
    first = stereo_rpcs[0]
    lattice = replace(frame(stereo_rpcs), secondary=first.moved(0.2, 0.1))
    zero = np.zeros(lattice.shape, np.float32)
    row, col = lattice.reference_positions()
    table = sightlines(
        first, lattice.secondary, lambda step: lattice.coarser(step).reference_positions(), 380, 420
    )
    assert table is not None
    points, unknown = table.met(row + 0.3, col + 0.1)
    assert np.isnan(points).all() or unknown.all()
    assert not lattice.intersect(np.full(lattice.shape, LEVEL), zero).valid.any()


def test_a_model_too_rough_for_a_table_is_evaluated_point_by_point(stereo_rpcs: Rpcs) -> None:
    """Terms of the third degree a thousand times those of a real sensor's."""
    rough = tuple(
        value + (3.0 if place == 11 else 0.0)
        for place, value in enumerate(stereo_rpcs[2].row_numerator)
    )
    bent = replace(stereo_rpcs[2], row_numerator=rough, lon_scale=stereo_rpcs[2].lon_scale / 20)
    place = frame(stereo_rpcs)
    lattice = replace(place, secondary=bent)
    table = sightlines(
        lattice.reference, bent, lambda step: lattice.coarser(step).reference_positions(), 200, 600
    )
    assert table is None
    heights = mountain(lattice)
    found = lattice.secondary_positions(heights)
    exact = transferred(lattice.reference, bent, *lattice.reference_positions(), heights)
    assert np.array_equal(found.row, exact.row, equal_nan=True)
