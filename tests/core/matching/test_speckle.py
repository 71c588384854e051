import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from core.matching.speckle import pieces, speckles


def slow_pieces(disparity: np.ndarray, kept: np.ndarray, step: float) -> np.ndarray:
    """Each pixel takes the smallest number among its connected neighbours until none changes."""
    labels = np.where(kept, np.arange(1, kept.size + 1).reshape(kept.shape), 0)
    changed = True
    while changed:
        changed = False
        for i, j in zip(*np.nonzero(kept), strict=True):
            for k, m in ((i + 1, j), (i - 1, j), (i, j + 1), (i, j - 1)):
                inside = 0 <= k < kept.shape[0] and 0 <= m < kept.shape[1]
                if not inside or not kept[k, m] or labels[k, m] >= labels[i, j]:
                    continue
                if abs(disparity[k, m] - disparity[i, j]) <= step:
                    labels[i, j] = labels[k, m]
                    changed = True
    numbers = np.unique(labels, return_inverse=True)[1].reshape(labels.shape)
    return numbers if (~kept).any() else numbers + 1


@given(seed=st.integers(0, 1000), step=st.sampled_from([0.5, 1.0, 2.0]))
def test_pieces_are_those_of_the_plain_definition(seed: int, step: float) -> None:
    rng = np.random.default_rng(seed)
    disparity = rng.integers(0, 8, (9, 11)).astype(np.float32) / 2
    kept = rng.random((9, 11)) > 0.2
    assert (pieces(disparity, kept, step) == slow_pieces(disparity, kept, step)).all()


def test_a_slope_is_one_piece_and_a_step_parts_two() -> None:
    disparity = np.tile(np.arange(30, dtype=np.float32) * 0.9, (20, 1))
    disparity[8:12, 8:12] += 2
    kept = np.ones(disparity.shape, bool)
    found = speckles(disparity, kept, 17)
    assert found[8:12, 8:12].all()
    assert found.sum() == 16
    assert not speckles(disparity, kept, 16).any()


def test_what_is_not_kept_is_no_speckle() -> None:
    kept = np.zeros((10, 10), bool)
    values = np.full((10, 10), np.nan, np.float32)
    assert not speckles(values, kept, 5).any()
    kept[4, 4] = True
    values[4, 4] = 1
    assert speckles(values, kept, 5).sum() == 1
