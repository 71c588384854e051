"""Figures of a surface model whose errors are known."""

from pathlib import Path

import numpy as np
import pytest
import rasterio
from numpy.typing import NDArray

from core.simulate.stereo.making import Stereo, make_stereo
from core.simulate.stereo.score import compare, score


@pytest.fixture(scope="module")
def stereo() -> Stereo:
    return make_stereo("city", shape=(128, 128), seed=3)


def written(path: Path, stereo: Stereo, heights: NDArray[np.float64]) -> Path:
    grid = stereo.grid(1.0)
    profile = {"driver": "GTiff", "count": 1, "dtype": "float32", "nodata": np.nan}
    rows, cols = grid.shape
    with rasterio.open(
        path, "w", height=rows, width=cols, crs=grid.crs, transform=grid.transform, **profile
    ) as dataset:
        dataset.write(heights.astype(np.float32), 1)
    return path


def test_the_truth_itself_has_no_error(stereo: Stereo, tmp_path: Path) -> None:
    true = stereo.truth(stereo.grid(1.0)).height
    figures = score(compare(stereo, written(tmp_path / "dsm.tif", stereo, true)))
    assert figures.near == 1.0
    assert max(abs(figures.median), figures.nmad, figures.rmse) < 1e-4


def test_a_model_that_lies_high_has_a_median_and_no_spread(stereo: Stereo, tmp_path: Path) -> None:
    true = stereo.truth(stereo.grid(1.0)).height
    figures = score(compare(stereo, written(tmp_path / "dsm.tif", stereo, true + 2.0)))
    assert figures.median == pytest.approx(2.0, abs=1e-4)
    assert figures.rmse == pytest.approx(2.0, abs=1e-4)
    assert figures.nmad < 1e-4
    assert figures.near == 0.0


def test_gaps_count_as_ground_that_was_not_found(stereo: Stereo, tmp_path: Path) -> None:
    truth = stereo.truth(stereo.grid(1.0))
    measurable = truth.measurable()
    gaps = np.zeros_like(measurable)
    gaps[::2] = True
    model = np.where(gaps, np.nan, truth.height)
    figures = score(compare(stereo, written(tmp_path / "dsm.tif", stereo, model)))
    assert figures.near == pytest.approx((measurable & ~gaps).sum() / measurable.sum())
    assert figures.rmse < 1e-4
