from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyproj import Transformer

from core.geometry.rpc import Rpc
from core.geometry.triangulation import Intersections, intersect
from core.geometry.viewing import base_to_height, ground_sampling, line_of_sight

Rpcs = tuple[Rpc, Rpc, Rpc]

TO_ECEF = Transformer.from_crs("EPSG:4979", "EPSG:4978", always_xy=True)


def ecef(lon: Any, lat: Any, height: Any) -> np.ndarray:
    return np.stack(TO_ECEF.transform(*np.broadcast_arrays(lon, lat, height)), axis=-1)


def ground(count: int) -> list[np.ndarray]:
    x, y, z = np.random.default_rng(5).uniform(-0.9, 0.9, (3, count))
    return [5.5 + 0.06 * x, 43.3 + 0.05 * y, 400 + 500 * z]


def seen(rpcs: tuple[Rpc, ...], points: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    images = [rpc.project(*points) for rpc in rpcs]
    return np.stack([i.row for i in images]), np.stack([i.col for i in images])


def one_point(
    rpcs: Rpcs,
) -> tuple[tuple[Rpc, Rpc], list[np.ndarray], np.ndarray, np.ndarray]:
    """The outer two models, a point, and its rows and columns in them."""
    pair = rpcs[0], rpcs[2]
    truth = [np.array([5.51]), np.array([43.31]), np.array([420.0])]
    return pair, truth, *seen(pair, truth)


def distance(points: Intersections, truth: list[np.ndarray]) -> np.ndarray:
    return np.linalg.norm(ecef(points.lon, points.lat, points.height) - ecef(*truth), axis=-1)


def epipolar(first: Rpc, second: Rpc, row: float, col: float, height: float) -> np.ndarray:
    """How the match of a pixel moves in the second image per metre of height: (row, col)."""
    low, high = (first.locate(row, col, height + step) for step in (-1, 1))
    a, b = (
        second.project(part.lon, part.lat, height + step) for part, step in ((low, -1), (high, 1))
    )
    return np.array([float(b.row - a.row) / 2, float(b.col - a.col) / 2])


def rays_apart(rpcs: tuple[Rpc, Rpc], rows: list[float], cols: list[float]) -> float:
    """Distance of two lines of sight, each through two points on it."""
    ends = []
    for rpc, row, col in zip(rpcs, rows, cols, strict=True):
        levels = np.array([0.0, 800.0])
        line = rpc.locate(row, col, levels)
        ends.append(ecef(line.lon, line.lat, levels))
    normal = np.cross(ends[0][1] - ends[0][0], ends[1][1] - ends[1][0])
    return float(abs((ends[1][0] - ends[0][0]) @ normal) / np.linalg.norm(normal))


@pytest.mark.parametrize("used", [(0, 2), (1, 2), (0, 1, 2)])
@pytest.mark.parametrize("start", [None, -300.0, 1100.0])
def test_points_come_back_from_their_pixels(
    stereo_rpcs: Rpcs, used: tuple[int, ...], start: float | None
) -> None:
    rpcs = tuple(stereo_rpcs[k] for k in used)
    truth = ground(400)
    found = intersect(rpcs, *seen(rpcs, truth), start=start)
    assert found.valid.all()
    assert distance(found, truth).max() < 1e-3
    assert found.error.max() < 1e-3


def test_an_error_across_the_epipolar_direction_is_seen_and_moves_the_height_little(
    stereo_rpcs: Rpcs,
) -> None:
    (first, second), _, rows, cols = one_point(stereo_rpcs)
    along = epipolar(first, second, rows[0, 0], cols[0, 0], 420.0)
    along /= np.linalg.norm(along)
    for sign in (-1, 1):
        wrong_rows, wrong_cols = rows.copy(), cols.copy()
        wrong_rows[1] += sign * along[1]
        wrong_cols[1] -= sign * along[0]
        found = intersect((first, second), wrong_rows, wrong_cols)
        apart = rays_apart((first, second), wrong_rows[:, 0].tolist(), wrong_cols[:, 0].tolist())
        assert found.error[0] == pytest.approx(apart, rel=1e-3)
        # About a pixel of half a metre.
        assert found.error[0] == pytest.approx(0.5, rel=0.05)
        assert abs(found.height[0] - 420) < 0.1


def test_an_error_along_the_epipolar_direction_goes_into_the_height_unseen(
    stereo_rpcs: Rpcs,
) -> None:
    (first, second), truth, rows, cols = one_point(stereo_rpcs)
    along = epipolar(first, second, rows[0, 0], cols[0, 0], 420.0)
    step = along / np.linalg.norm(along)
    rows[1] += step[0]
    cols[1] += step[1]
    found = intersect((first, second), rows, cols)
    moved = found.height[0] - 420
    assert moved == pytest.approx(1 / np.linalg.norm(along), rel=1e-3)
    sights = [line_of_sight(rpc, *truth) for rpc in (first, second)]
    ratio = base_to_height(*sights)[0]
    size = ground_sampling(second, *truth).mean[0]
    assert moved == pytest.approx(size / ratio, rel=0.03)
    assert found.error[0] < 0.002


def test_the_point_is_the_one_of_least_squares(
    stereo_rpcs: Rpcs, forward: Callable[..., Any]
) -> None:
    rng = np.random.default_rng(6)
    truth = ground(12)
    rows, cols = (part + rng.normal(0, 1.5, part.shape) for part in seen(stereo_rpcs, truth))
    weights = rng.uniform(0.2, 5, rows.shape)
    found = intersect(stereo_rpcs, rows, cols, weights)
    metres = np.array([1 / 81_000, 1 / 111_000, 1])
    for k in range(rows.shape[1]):
        middle = np.array([truth[0][k], truth[1][k], truth[2][k]])

        def misses(step: np.ndarray, k: int = k, middle: np.ndarray = middle) -> np.ndarray:
            parts = []
            for i, rpc in enumerate(stereo_rpcs):
                row, col = forward(rpc, *(middle + step * metres))
                parts += [np.sqrt(weights[i, k]) * (rows[i, k] - row)]
                parts += [np.sqrt(weights[i, k]) * (cols[i, k] - col)]
            return np.array(parts)

        best = np.zeros(3)
        for _ in range(8):
            slopes = np.stack(
                [(misses(best + step) - misses(best - step)) / 2 for step in np.eye(3)], axis=-1
            )
            best -= np.linalg.lstsq(slopes, misses(best), rcond=None)[0]
        here = Intersections(*(part[k] for part in found))
        assert distance(here, list(middle + best * metres)) < 1e-6
        covariance = np.linalg.inv(slopes.T @ slopes)
        assert here.height_sigma == pytest.approx(np.sqrt(covariance[2, 2]), rel=1e-4)


@pytest.mark.parametrize("used", [(0, 2), (0, 1, 2)])
def test_noise_spreads_heights_and_errors_as_stated(
    stereo_rpcs: Rpcs, used: tuple[int, ...]
) -> None:
    rpcs = tuple(stereo_rpcs[k] for k in used)
    rng, noise = np.random.default_rng(7), 0.3
    truth = ground(20_000)
    rows, cols = (part + rng.normal(0, noise, part.shape) for part in seen(rpcs, truth))
    found = intersect(rpcs, rows, cols)
    assert found.valid.all()
    normalised = (found.height - truth[2]) / (noise * found.height_sigma)
    assert normalised.std() == pytest.approx(1, abs=0.03)
    assert abs(normalised.mean()) < 0.03
    on_the_ground = noise * 0.5
    assert np.sqrt((found.error**2).mean()) == pytest.approx(np.sqrt(2) * on_the_ground, rel=0.03)


def test_weights_draw_the_point_and_leave_the_distance_of_the_lines(stereo_rpcs: Rpcs) -> None:
    pair = (stereo_rpcs[0], stereo_rpcs[2])
    truth = ground(50)
    rows, cols = seen(pair, truth)
    cols[1] += 2
    even = intersect(pair, rows, cols)
    drawn = intersect(pair, rows, cols, weights=np.array([1e6, 1.0])[:, None])
    assert even.error.min() > 0.9
    np.testing.assert_allclose(drawn.error, even.error, rtol=1e-3)
    missed = pair[0].project(drawn.lon, drawn.lat, drawn.height)
    assert np.hypot(missed.row - rows[0], missed.col - cols[0]).max() < 1e-4


def test_an_image_without_a_match_takes_no_part(stereo_rpcs: Rpcs) -> None:
    truth = ground(6)
    rows, cols = seen(stereo_rpcs, truth)
    rng = np.random.default_rng(8)
    rows, cols = rows + rng.normal(0, 1, rows.shape), cols + rng.normal(0, 1, rows.shape)
    pair = intersect(stereo_rpcs[1:], rows[1:], cols[1:])
    holes = rows.copy()
    holes[0] = np.nan
    for found in (
        intersect(stereo_rpcs, holes, cols),
        intersect(stereo_rpcs, rows, cols, weights=np.array([0, 1, 1])[:, None]),
    ):
        np.testing.assert_allclose(found.height, pair.height, atol=1e-6)
        np.testing.assert_allclose(found.error, pair.error, atol=1e-6)
    holes[1, :3] = np.nan
    left = intersect(stereo_rpcs, holes, cols)
    assert left.valid.tolist() == [False] * 3 + [True] * 3
    for part in left[:5]:
        assert np.isnan(part).tolist() == [True] * 3 + [False] * 3


def test_lines_that_are_parallel_or_meet_beyond_the_range_give_no_point(
    stereo_rpcs: Rpcs,
) -> None:
    truth = ground(20)
    rows, cols = seen((stereo_rpcs[0],) * 2, truth)
    assert not intersect((stereo_rpcs[0],) * 2, rows, cols).valid.any()
    pair = (stereo_rpcs[0], stereo_rpcs[2])
    rows, cols = seen(pair, truth)
    along = epipolar(*pair, rows[0, 0], cols[0, 0], 400.0)
    # Two kilometres higher than the highest of the range.
    rows[1] += along[0] * 2500
    cols[1] += along[1] * 2500
    high = intersect(pair, rows, cols)
    assert not high.valid.any()
    assert np.isnan(high.height).all()


@settings(
    max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(rows=st.integers(1, 12), cols=st.integers(1, 12), cut=st.integers(0, 12))
def test_parts_of_an_array_give_the_bits_of_the_whole(
    stereo_rpcs: Rpcs, rows: int, cols: int, cut: int
) -> None:
    pair = (stereo_rpcs[0], stereo_rpcs[2])
    points = [part.reshape(rows, cols) for part in ground(rows * cols)]
    seen_rows, seen_cols = seen(pair, points)
    start = points[2].round(-2)
    whole = intersect(pair, seen_rows + 0.4, seen_cols, start=start)
    assert whole.height.shape == (rows, cols)
    for part in (slice(0, cut), slice(cut, None)):
        piece = intersect(pair, seen_rows[:, part] + 0.4, seen_cols[:, part], start=start[part])
        for a, b in zip(piece, whole, strict=True):
            assert a.tobytes() == np.ascontiguousarray(b[part]).tobytes()


def test_a_start_without_a_value_is_the_middle_of_the_range(stereo_rpcs: Rpcs) -> None:
    pair = (stereo_rpcs[0], stereo_rpcs[2])
    truth = ground(2)
    found = intersect(pair, *seen(pair, truth), start=[np.nan, 450.0])
    assert found.valid.all()
    assert distance(found, truth).max() < 1e-3


def test_models_and_pixels_that_do_not_fit_are_refused(stereo_rpcs: Rpcs) -> None:
    with pytest.raises(ValueError, match="3 models"):
        intersect(stereo_rpcs, np.zeros((2, 5)), np.zeros((2, 5)))
    with pytest.raises(ValueError, match="1 models"):
        intersect(stereo_rpcs[:1], np.zeros((1, 5)), np.zeros((1, 5)))


@pytest.mark.shared
def test_points_come_back_from_real_models(real_images: Mapping[str, Any]) -> None:
    for place, count in (("s2p_pair_reunion", 2), ("s2p_triplet_marseille", 3)):
        rpcs = tuple(real_images[f"{place}/img_0{k + 1}.tif"].rpc for k in range(count))
        rng = np.random.default_rng(9)
        rows, cols = rng.uniform(0, 1024, (2, 500))
        level = rpcs[0].height_offset + rpcs[0].height_scale * rng.uniform(-1, 1, 500)
        spot = rpcs[0].locate(rows, cols, level)
        truth = [spot.lon, spot.lat, level]
        found = intersect(rpcs, *seen(rpcs, truth))
        assert found.valid.all()
        assert distance(found, truth).max() < 1e-3
