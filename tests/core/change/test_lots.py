import numpy as np
import pytest

from core.change.lots import hashed


def test_hashes_are_even_and_do_not_know_their_neighbours() -> None:
    found = hashed((300, 400), (-7, 12), seed=0)
    assert 0 <= found.min() < found.max() < 1
    np.testing.assert_allclose(np.histogram(found, 10, (0, 1))[0], 12_000, rtol=0.05)
    for shifted in (found[1:, :] - found[:-1, :], found[:, 1:] - found[:, :-1]):
        # Differences of independent numbers have a variance of one sixth.
        assert shifted.var() == pytest.approx(1 / 6, rel=0.02)
    assert (hashed((300, 400), (-7, 12), seed=1) != found).all()
