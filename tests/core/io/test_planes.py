import pickle
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.io.rasters import Plane
from core.tiling import Window, tiles


@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_what_was_written_by_windows_is_read_by_other_windows(data, tmp_path_factory):
    shape = (data.draw(st.integers(1, 200)), data.draw(st.integers(1, 200)))
    dtype = data.draw(st.sampled_from(["float32", "uint16", "bool"]))
    path = tmp_path_factory.mktemp("plane") / "plane"
    truth = np.zeros(shape, dtype)
    with Plane(path, shape, dtype) as plane:
        for number in range(data.draw(st.integers(1, 4))):
            window = _window(data, shape)
            values = (np.arange(window.height * window.width) + number).reshape(window.shape)
            truth[window.slices] = values
            plane.write(window, values.astype(dtype))
        window = _window(data, shape)
        np.testing.assert_array_equal(plane.read(window), truth[window.slices])
        np.testing.assert_array_equal(plane.read(Window(0, 0, *shape)), truth)


def _window(data, shape):
    row, col = data.draw(st.integers(0, shape[0] - 1)), data.draw(st.integers(0, shape[1] - 1))
    height = data.draw(st.integers(1, shape[0] - row))
    return Window(row, col, height, data.draw(st.integers(1, shape[1] - col)))


def test_threads_that_write_neighbouring_windows_do_not_disturb_each_other(tmp_path):
    shape = (301, 403)
    truth = np.random.default_rng(0).random(shape, np.float32)
    with Plane(tmp_path / "plane", shape, "float32") as plane, ThreadPoolExecutor(4) as pool:
        parts = list(tiles(shape, 37))
        list(pool.map(lambda t: plane.write(t.core, truth[t.core.slices]), parts))
        np.testing.assert_array_equal(plane.read(Window(0, 0, *shape)), truth)


def test_a_plane_sent_elsewhere_reads_the_same_file(tmp_path):
    with Plane(tmp_path / "plane", (70, 70), "int16") as plane:
        plane.write(Window(3, 4, 2, 2), np.full((2, 2), 7, np.int16))
        with pickle.loads(pickle.dumps(plane)) as other:
            assert other.read(Window(3, 4, 1, 1))[0, 0] == 7


def test_a_window_outside_the_plane_is_refused(tmp_path):
    with Plane(tmp_path / "plane", (70, 70), "int16") as plane:
        with pytest.raises(IndexError):
            plane.read(Window(60, 0, 11, 5))
        with pytest.raises(ValueError, match="shape"):
            plane.write(Window(0, 0, 2, 2), np.zeros((2, 3)))
