"""Figures of layers, gathered window by window."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.reasons import Reason
from core.report import statistics
from core.report.statistics import Gatherer, Ramp, ReasonCounter
from core.tiling import tiles, whole


def gathered(values: np.ndarray, side: int) -> statistics.Summary:
    gatherer = Gatherer(values.shape, "m")
    for tile in tiles(values.shape, side):
        gatherer.add(tile.core, values[tile.core.slices])
    return gatherer.summary()


def layer(seed: int, shape: tuple[int, int] = (70, 90)) -> np.ndarray:
    generator = np.random.default_rng(seed)
    values = generator.normal(3.0, 2.0, shape).astype(np.float32)
    values[generator.random(shape) < 0.2] = np.nan
    return values


def test_the_figures_are_those_of_the_pixels_with_a_value() -> None:
    values = layer(1)
    known = values[np.isfinite(values)].astype(float)
    summary = gathered(values, 32)
    assert summary.count == known.size
    assert summary.share == known.size / values.size
    assert summary.mean == pytest.approx(known.mean())
    assert summary.std == pytest.approx(known.std())
    assert summary.median == pytest.approx(np.median(known))
    assert summary.nmad == pytest.approx(2.0, rel=0.1)
    assert (summary.p2, summary.p98) == pytest.approx(tuple(np.percentile(known, (2, 98))))
    assert (summary.minimum, summary.maximum) == (known.min(), known.max())


@settings(max_examples=20, deadline=None)
@given(side=st.integers(1, 100), seed=st.integers(0, 5), limit=st.sampled_from([100, 10_000]))
def test_the_tiling_does_not_change_the_figures(side: int, seed: int, limit: int) -> None:
    values = layer(seed, (40, 50))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(statistics, "SAMPLE", limit)
        tiled, once = gathered(values, side), gathered(values, 1000)
    assert tiled.median == once.median
    assert tiled.p98 == once.p98
    assert tiled.mean == pytest.approx(once.mean, abs=1e-6)
    assert tiled.std == pytest.approx(once.std, rel=1e-6)


def test_a_mean_far_from_zero_costs_no_precision() -> None:
    values = (1e5 + np.random.default_rng(0).normal(0, 1, (200, 200))).astype(np.float32)
    assert gathered(values, 50).std == pytest.approx(values.astype(float).std(), rel=1e-6)


def test_a_layer_without_a_value_has_no_figures_but_says_so() -> None:
    summary = gathered(np.full((10, 10), np.nan), 4)
    assert (summary.count, summary.share, summary.median) == (0, 0.0, None)


def test_a_large_layer_is_sampled_on_a_lattice_and_stays_close() -> None:
    values = np.random.default_rng(2).normal(0, 1, (1500, 1500)).astype(np.float32)
    summary = gathered(values, 512)
    assert summary.count == values.size
    assert summary.median == pytest.approx(0.0, abs=0.01)
    assert summary.nmad == pytest.approx(1.0, abs=0.01)


def test_the_share_of_each_reason_counts_all_pixels() -> None:
    reasons = np.zeros((10, 10), np.uint16)
    reasons[:2] = Reason.LOW_SCORE
    reasons[1] |= np.uint16(Reason.OUTLIER)
    counter = ReasonCounter()
    counter.add(reasons[:5])
    counter.add(reasons[5:])
    assert counter.shares() == {"low_score": 0.2, "outlier": 0.1}


def test_a_ramp_is_evaluated_about_its_centre_per_kilometre() -> None:
    ramp = Ramp(constant=1.0, per_km_east=0.5, per_km_north=-2.0, centre=(1000.0, 2000.0))
    assert ramp.at(np.array(3000.0), np.array(2500.0)) == pytest.approx(1.0 + 1.0 - 1.0)


def test_statistics_are_json_that_reads_back_the_same() -> None:
    pair = statistics.PairStatistics(
        key="20240301_20240311",
        reference="a",
        secondary="b",
        layers={"score": gathered(layer(0), 50)},
        corrections=(
            statistics.Correction(id="deramp", east=Ramp(constant=0.1), north=Ramp(constant=0.2)),
        ),
    )
    whole_file = statistics.Statistics(process="mpic-opt", version="1.0.0", pairs=(pair,))
    text = whole_file.model_dump_json()
    assert statistics.Statistics.model_validate_json(text) == whole_file
    assert json.loads(text)["pairs"][0]["corrections"][0]["east"]["constant"] == 0.1


def test_every_field_of_the_schema_has_a_text() -> None:
    schema = statistics.Statistics.model_json_schema()
    for definition in (schema, *schema["$defs"].values()):
        for name, entry in definition["properties"].items():
            assert entry.get("description"), name


def test_a_window_of_the_whole_is_one_tile() -> None:
    values = layer(3)
    gatherer = Gatherer(values.shape, "m")
    gatherer.add(whole(values.shape), values)
    assert gatherer.summary().count == gathered(values, 7).count
