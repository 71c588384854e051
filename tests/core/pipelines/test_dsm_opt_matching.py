"""What the parameters of the matching change in the surface, against exact truth."""

import numpy as np
import pytest

from core.reasons import Reason

FINE = {"resolution": 0.5}


def curvature(result):
    """Along rows, metres."""
    return np.minimum(np.abs(np.diff(result.dsm, 2, axis=1)), 1.0)


def roughness(result):
    """Mean curvature, metres."""
    return float(np.nanmean(curvature(result)))


def test_a_larger_window_is_smoother(city):
    rough = [roughness(city(**FINE, window=window)) for window in (1, 2, 7)]
    assert rough[0] > 1.1 * rough[1] > 1.1 * rough[2]


def test_stronger_regularisation_joins_heights_and_weaker_leaves_them_apart(city):
    weak, usual, strong = (city(**FINE, regularisation=value) for value in (0.001, 0.02, 0.2))
    apart = [one.cells(Reason.FORWARD_BACKWARD) for one in (weak, usual, strong)]
    assert apart[0] > 2 * apart[1] > 4 * apart[2]
    # What weaker regularisation does not find is the roughest: only what all find is compared.
    curved = np.stack([curvature(one) for one in (weak, usual, strong)])
    rough = curved[:, np.isfinite(curved).all(axis=0)].mean(axis=1)
    assert rough[0] > 1.1 * rough[1] > 1.1 * rough[2]


@pytest.mark.parametrize(("name", "sign"), [("minimum_height", -1), ("maximum_height", 1)])
def test_surface_beyond_the_heights_that_are_looked_for_has_none(city, name, sign):
    usual = city(**FINE)
    limit = 100.0
    result = city(**FINE, **{name: limit})
    # A cell's height is that of several points, each finer than the search by a part of a pixel.
    assert np.nanmax(sign * result.dsm) <= sign * limit + 0.1
    assert np.nanmax(sign * usual.dsm) > sign * limit + 3
    beyond = (sign * (result.truth.height - limit) > 3) & result.truth.measurable()
    assert beyond.sum() > 500
    lost = result.raster("reasons")[beyond] != 0
    # Something lower may match by chance.
    assert lost.mean() > 0.9
    assert result.cells(Reason.NO_CONVERGENCE) > 2 * usual.cells(Reason.NO_CONVERGENCE)
    within = (sign * (limit - result.truth.height) > 3) & result.truth.measurable()
    assert np.isfinite(result.dsm[within]).mean() > 0.85


@pytest.mark.parametrize(
    ("name", "loose", "strict", "reason"),
    [
        ("left_right_tolerance", 5, 0.5, Reason.FORWARD_BACKWARD),
        ("intersection_tolerance", 0, 0.1, Reason.TOO_LARGE),
        ("minimum_score", 0, 0.9, Reason.LOW_SCORE),
        ("minimum_distinctness", 0, 4, Reason.AMBIGUOUS),
        ("minimum_patch", 0, 500, Reason.ISOLATED),
    ],
)
def test_a_stricter_filter_removes_more_and_says_so(city, name, loose, strict, reason):
    all_of_them, fewer = (city(**FINE, **{name: value}) for value in (loose, strict))
    kept = [int(np.isfinite(one.dsm).sum()) for one in (all_of_them, fewer)]
    assert kept[1] < kept[0] - 300
    assert fewer.cells(reason) > all_of_them.cells(reason) + 300
    wrong = [float((np.abs(one.error) > 1).mean()) for one in (all_of_them, fewer)]
    assert wrong[1] <= wrong[0] + 1e-3
    if name in ("intersection_tolerance", "minimum_distinctness"):
        assert all_of_them.cells(reason) == 0


def test_without_left_right_check_hidden_ground_gets_wrong_heights(city):
    """Fails where the check lets all matches pass."""
    loose, usual = (city(**FINE, left_right_tolerance=value) for value in (5, 1))
    truth = usual.truth
    hidden = truth.inside(16.0).all(axis=0) & (truth.visible.sum(axis=0) < 2)
    wrong = [int((np.abs(one.dsm - truth.height) > 1)[hidden].sum()) for one in (loose, usual)]
    assert wrong[1] < 0.95 * wrong[0]
