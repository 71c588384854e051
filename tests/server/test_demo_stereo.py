"""The demonstration of surface models, whole, as a newcomer runs it."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from server import demo_stereo


@pytest.fixture(scope="module")
def output(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("demo") / "demo-output"


@pytest.fixture(scope="module")
def runs(output: Path) -> tuple[demo_stereo.Run, ...]:
    return demo_stereo.demonstrate(output)


def test_the_models_lie_at_the_true_height(runs: tuple[demo_stereo.Run, ...]) -> None:
    for run in runs:
        assert abs(run.score.median) < 0.2
        assert run.score.nmad < 0.3
        assert run.score.near > 0.9


def test_flat_ground_at_the_mean_height_would_be_far_worse(
    runs: tuple[demo_stereo.Run, ...],
) -> None:
    for run in runs:
        assert np.nanstd(run.compared.measured) > 10 * run.score.nmad


def test_the_table_names_each_model_and_the_results_are_left_behind(
    runs: tuple[demo_stereo.Run, ...], output: Path
) -> None:
    written = demo_stereo.table(runs)
    with Image.open(output / "result.png") as picture:
        assert picture.width > 800
    for run in runs:
        assert run.title in written
        names = {path.name for path in (output / run.title).iterdir()}
        assert {"dsm.tif", "dsm_error.tif", "reasons.tif", "report.json", "readme.txt"} <= names
    assert not (output / "server").exists()
