"""Ground control is where it says, in every view."""

from itertools import combinations

import numpy as np
import pytest
from rasterio.transform import RPCTransformer

from core.simulate.stereo.control import control_points
from core.simulate.stereo.making import CALM, make_stereo


def test_control_points_are_seen_where_they_say_and_lie_apart() -> None:
    stereo = make_stereo(
        "city",
        "triplet",
        shape=(192, 192),
        seed=3,
        disturbances=CALM._replace(bias_px=(1.0, 3.0)),
    )
    truth = stereo.truth(stereo.grid(0.5))
    points = control_points(truth, stereo.views, 6)
    assert len({point.name for point in points}) == 6
    for point in points:
        for view, row, col in zip(stereo.views, point.rows, point.cols, strict=True):
            assert 8 <= row <= 183
            assert 8 <= col <= 183
            # The handed-out model misses each by the bias of its view, exactly.
            with RPCTransformer(view.camera.rpc) as handed:
                ground = ([point.lon], [point.lat], [point.height])
                seen = handed.rowcol(*ground, op=lambda value: value)
            missed = (seen[0][0] - 0.5 - row, seen[1][0] - 0.5 - col)
            np.testing.assert_allclose(missed, view.camera.bias, atol=1e-6)
            # And the ground that the pixel sees is at the point's height.
            surface = view.surface(np.array([row]), np.array([col]))
            assert surface.height[0, 0] == pytest.approx(point.height, abs=0.021)
    apart = [
        np.hypot(first.rows[0] - second.rows[0], first.cols[0] - second.cols[0])
        for first, second in combinations(points, 2)
    ]
    assert min(apart) > 40


def test_more_control_points_than_cells_are_refused() -> None:
    stereo = make_stereo("plain", "pair", shape=(48, 48), disturbances=CALM)
    truth = stereo.truth(stereo.grid(4.0))
    with pytest.raises(ValueError, match="points were wanted"):
        control_points(truth, stereo.views, 1000)


def test_control_points_follow_the_trembling_of_the_lines() -> None:
    still, trembling = (
        make_stereo(
            "relief",
            "pair",
            shape=(96, 96),
            seed=1,
            disturbances=CALM._replace(jitter_px=jitter),
        )
        for jitter in (0.0, 0.4)
    )
    grid = still.grid(0.5)
    first = control_points(still.truth(grid), still.views, 3)
    second = control_points(trembling.truth(grid), trembling.views, 3)
    for calm, moved in zip(first, second, strict=True):
        for number, view in enumerate(trembling.views):
            line = round(calm.rows[number])
            expected = -view.jitter.row[line], -view.jitter.col[line]
            shift = moved.rows[number] - calm.rows[number], moved.cols[number] - calm.cols[number]
            np.testing.assert_allclose(shift, expected, atol=0.01)
            assert abs(expected[0]) > 0.005
