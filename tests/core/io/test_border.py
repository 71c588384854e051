import numpy as np
import scipy.ndimage
from hypothesis import given, settings
from hypothesis import strategies as st

from core.io.border import BorderZeros


def slow_twin(zero):
    """Label the components, keep those that have a pixel on the border."""
    labels, _ = scipy.ndimage.label(zero)
    edge = np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1]])
    return np.isin(labels, edge[edge > 0])


@settings(max_examples=60, deadline=None)
@given(
    rows=st.integers(1, 40),
    cols=st.integers(1, 40),
    strip=st.integers(1, 12),
    density=st.floats(0.1, 0.9),
    seed=st.integers(0, 1000),
)
def test_strips_find_the_same_zeros_as_labels_of_the_whole(rows, cols, strip, density, seed):
    zero = np.random.default_rng(seed).random((rows, cols)) < density
    border = BorderZeros(zero.shape)
    parts = [zero[r : r + strip] for r in range(0, rows, strip)]
    for part in parts:
        border.feed(part)
    truth = slow_twin(zero)
    assert border.found == truth.any()
    np.testing.assert_array_equal(np.vstack([border.mask(part) for part in parts]), truth)


def test_a_dark_lake_inside_is_no_border():
    zero = np.zeros((30, 30), bool)
    zero[10:20, 10:20] = True
    border = BorderZeros(zero.shape)
    border.feed(zero)
    assert not border.found
