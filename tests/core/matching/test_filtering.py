import numpy as np
from scipy import ndimage

from core.matching.arrays import Field
from core.matching.filtering import median_of_valid, outliers, small_patches


def slow_outliers(
    values: np.ndarray, kept: np.ndarray, window: int, threshold: float
) -> np.ndarray:
    """The same by the book: median and MAD of every second pixel of the neighbourhood."""
    radius, out = window // 2, np.zeros(kept.shape, bool)
    for i, j in zip(*np.nonzero(kept), strict=True):
        near = [
            values[k, m]
            for k in range(i - radius, i + radius + 1, 2)
            for m in range(j - radius, j + radius + 1, 2)
            if 0 <= k < kept.shape[0] and 0 <= m < kept.shape[1] and kept[k, m] and (k, m) != (i, j)
        ]
        if len(near) < 5:
            continue
        middle = np.sort(near)[len(near) // 2]
        deviation = np.sort(np.abs(np.array(near) - middle))[len(near) // 2]
        spread = max(1.4826 * deviation, 0.1)
        out[i, j] = abs(values[i, j] - middle) > threshold * spread
    return out


def test_outliers_are_those_of_the_plain_definition() -> None:
    rng = np.random.default_rng(2)
    values = rng.normal(0, 0.2, (40, 50)).astype(np.float32)
    values[rng.random(values.shape) < 0.05] += 3
    kept = rng.random(values.shape) > 0.2
    zeros = np.zeros_like(values)
    found = outliers(Field(values, zeros), kept, 9, 5.0)
    expected = slow_outliers(values, kept, 9, 5.0)
    assert expected.any()
    # Equal but for distances within rounding of the limit.
    assert (found != expected).sum() <= 1


def test_a_fault_is_no_outlier() -> None:
    values = np.zeros((40, 40), np.float32)
    values[:, 20:] = 3
    assert not outliers(Field(values, values), np.ones(values.shape, bool), 9, 5.0)[:, :19].any()


def test_small_patches_are_found_and_larger_ones_are_not() -> None:
    kept = np.zeros((30, 30), bool)
    kept[2:5, 2:5] = True
    kept[10:20, 10:20] = True
    found = small_patches(kept, 10)
    assert found[2:5, 2:5].all()
    assert found.sum() == 9


def test_patches_of_a_tile_with_its_halo_are_those_of_the_whole() -> None:
    kept = np.random.default_rng(3).random((120, 130)) < 0.5
    minimum = 12
    full = small_patches(kept, minimum)
    tile = (slice(40, 80), slice(50, 90))
    padded = (slice(40 - minimum, 80 + minimum), slice(50 - minimum, 90 + minimum))
    inner = (slice(minimum, minimum + 40), slice(minimum, minimum + 40))
    assert (small_patches(kept[padded], minimum)[inner] == full[tile]).all()


def test_the_median_counts_only_what_has_a_value() -> None:
    values = np.random.default_rng(5).normal(size=(20, 24)).astype(np.float32)
    values[np.random.default_rng(6).random(values.shape) < 0.3] = np.nan
    expected = ndimage.generic_filter(
        values.astype(float), np.nanmedian, size=5, mode="constant", cval=np.nan
    )
    found = median_of_valid(values, 2)
    assert (np.isnan(found) == np.isnan(values)).all()
    known = ~np.isnan(values)
    assert np.allclose(found[known], expected[known], atol=1e-6)
