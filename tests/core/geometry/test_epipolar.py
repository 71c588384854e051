from dataclasses import replace

import numpy as np
import pytest
from scipy import optimize

from core.geometry.epipolar import EpipolarFrame, epipolar_frame
from core.geometry.rpc import Rpc

Rpcs = tuple[Rpc, Rpc, Rpc]

CORNER = (19500, 14500)
SHAPE = (1000, 900)
LEVEL = 400.0


def frame(rpcs: Rpcs, other: int = 2) -> EpipolarFrame:
    return epipolar_frame(rpcs[0], rpcs[other], CORNER, SHAPE, LEVEL)


def appears(frame: EpipolarFrame, row: float, col: float, height: float) -> np.ndarray:
    """Where the secondary sees what a pixel of the reference sees at a height."""
    ground = frame.reference.locate(row, col, height)
    return np.array(frame.secondary.project(ground.lon, ground.lat, height)[:2], float).ravel()


def true_match(
    frame: EpipolarFrame, i: int, j: int, height: float, rough: float
) -> tuple[float, float]:
    """Disparity of a lattice point whose ground has a height, and its distance from the row.

    Looked for along the row, point by point, each located and projected on its own.
    """
    turn = np.array([frame.direction, (-frame.direction[1], frame.direction[0])])

    def at(i: float, j: float) -> np.ndarray:
        place = np.array(frame.origin) + frame.pitch * (j * turn[0] - i * turn[1])
        return np.array(place)

    match = appears(frame, *at(i, j), height)
    ahead = appears(frame, *at(i, j + 1), rough) - appears(frame, *at(i, j), rough)
    ahead /= np.linalg.norm(ahead)

    def along(disparity: float) -> float:
        return float((match - appears(frame, *at(i, j + disparity), rough)) @ ahead)

    disparity = optimize.brentq(along, -400, 400)
    miss = match - appears(frame, *at(i, j + disparity), rough)
    return float(disparity), float(miss @ [-ahead[1], ahead[0]])


def test_the_lattice_has_the_images_pixel_and_covers_the_window(stereo_rpcs: Rpcs) -> None:
    row, col = frame(stereo_rpcs).reference_positions()
    for axis in (0, 1):
        assert np.allclose(np.hypot(np.diff(row, axis=axis), np.diff(col, axis=axis)), 1)
    right = np.array([row[0, 1] - row[0, 0], col[0, 1] - col[0, 0]])
    down = np.array([row[1, 0] - row[0, 0], col[1, 0] - col[0, 0]])
    assert abs(right @ down) < 1e-9
    # Not mirrored: rows are to columns as in an image.
    assert down[0] * right[1] - down[1] * right[0] > 0.99
    corners = [(CORNER[0] + a, CORNER[1] + b) for a in (0, SHAPE[0] - 1) for b in (0, SHAPE[1] - 1)]
    for corner in corners:
        from_first = np.array(corner) - (row[0, 0], col[0, 0])
        assert -1e-6 <= from_first @ down <= row.shape[0] - 1 + 1e-6
        assert -1e-6 <= from_first @ right <= row.shape[1] - 1 + 1e-6


@pytest.mark.parametrize("other", [1, 2])
def test_higher_ground_has_larger_disparity_on_the_same_row(stereo_rpcs: Rpcs, other: int) -> None:
    lattice = frame(stereo_rpcs, other)
    per_metre = lattice.columns_per_metre(LEVEL)
    # Nadir to 8 degrees forward, and 15 degrees apart, at half a metre.
    assert per_metre == pytest.approx({1: 0.26, 2: 0.52}[other], rel=0.2)
    rows, cols = lattice.shape
    for i in (20, rows // 2, rows - 20):
        for j in (300, cols // 2, cols - 300):
            for above in (-60.0, 80.0):
                disparity, across = true_match(lattice, i, j, LEVEL + above, LEVEL)
                assert disparity == pytest.approx(above * per_metre, rel=0.01)
                assert abs(across) < 0.02


def test_the_rows_hold_on_a_rough_surface_that_slopes(stereo_rpcs: Rpcs) -> None:
    """Heights of exact matches come back to a centimetre, and lines of sight meet."""
    lattice = replace(frame(stereo_rpcs), shape=(60, 400))
    i, j = np.indices(lattice.shape)
    rough = LEVEL + 0.2 * j + 0.1 * i + 5 * np.sin(j / 40)
    placed = lattice.secondary_positions(rough)
    truth = rough + 6 * np.sin(i / 7) + 5 * np.cos(j / 11)
    ground = lattice.reference.locate(*lattice.reference_positions(), truth)
    match = lattice.secondary.project(ground.lon, ground.lat, truth)
    disparity = np.full(lattice.shape, np.nan, np.float32)
    for row, col in ((5, 100), (30, 200), (31, 201), (55, 300)):
        line = np.array([placed.row[row], placed.col[row]])
        point = np.array([match.row[row, col], match.col[row, col]])
        ahead = line[:, col + 1] - line[:, col]
        places = ahead @ (line - point[:, None])
        at = optimize.brentq(
            lambda x, p=places: np.interp(x, np.arange(p.size), p), col - 60, col + 60
        )
        disparity[row, col] = at - col
    found = lattice.intersect(rough, disparity)
    known = np.isfinite(disparity)
    assert (found.valid == known).all()
    assert np.abs((found.height - truth)[known]).max() < 0.01
    assert found.error[known].max() < 0.02


def test_matches_beyond_the_lattice_have_no_place(stereo_rpcs: Rpcs) -> None:
    lattice = replace(frame(stereo_rpcs), shape=(3, 50))
    disparity = np.zeros(lattice.shape, np.float32)
    disparity[1, 10], disparity[1, 40], disparity[1, 20] = -11, 9.5, np.nan
    found = lattice.matched_positions(np.full(lattice.shape, LEVEL), disparity)
    assert np.argwhere(np.isnan(found.row)).tolist() == [[1, 10], [1, 20], [1, 40]]


def test_coarser_lattices_share_points_with_the_finest(stereo_rpcs: Rpcs) -> None:
    lattice = frame(stereo_rpcs)
    row, col = lattice.reference_positions()
    for factor in (2, 4, 8):
        coarse = lattice.coarser(factor)
        reached = [(count - 1) * factor for count in coarse.shape]
        assert all(at >= count - 1 for at, count in zip(reached, lattice.shape, strict=True))
        places = coarse.reference_positions()
        inside = [(count - 1) // factor for count in lattice.shape]
        part = (slice(inside[0] + 1), slice(inside[1] + 1))
        assert np.allclose(places.row[part], row[::factor, ::factor], atol=1e-9)
        assert np.allclose(places.col[part], col[::factor, ::factor], atol=1e-9)
        assert coarse.columns_per_metre(LEVEL) * factor == pytest.approx(
            lattice.columns_per_metre(LEVEL), rel=1e-3
        )


def test_a_bias_of_the_secondary_moves_the_places_and_nothing_else(stereo_rpcs: Rpcs) -> None:
    lattice = frame(stereo_rpcs)
    moved = epipolar_frame(stereo_rpcs[0], stereo_rpcs[2].moved(1.5, -0.5), CORNER, SHAPE, LEVEL)
    heights = np.full(lattice.shape, LEVEL)
    assert np.allclose(moved.direction, lattice.direction, atol=1e-7)
    before, after = (which.secondary_positions(heights) for which in (lattice, moved))
    assert np.allclose(after.row - before.row, 1.5, atol=1e-3)
    assert np.allclose(after.col - before.col, -0.5, atol=1e-3)


def test_an_image_makes_no_pair_with_itself(stereo_rpcs: Rpcs) -> None:
    with pytest.raises(ValueError, match="parallel"):
        epipolar_frame(stereo_rpcs[0], stereo_rpcs[0], CORNER, SHAPE, LEVEL)
