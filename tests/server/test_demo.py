"""The demonstration, whole, as a newcomer runs it."""

from pathlib import Path

import pytest
from PIL import Image

from server import demo

PIXEL_M = 10.0


@pytest.fixture(scope="module")
def output(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("demo") / "demo-output"


@pytest.fixture(scope="module")
def runs(output: Path) -> demo.Runs:
    return demo.demonstrate(output)


@pytest.mark.parametrize("name", ["plain", "default"])
def test_the_error_off_the_fault_is_below_six_hundredths_of_a_pixel(
    runs: demo.Runs, name: str
) -> None:
    assert getattr(runs, name).score.rmse <= 0.06 * PIXEL_M


@pytest.mark.parametrize("name", ["plain", "default"])
def test_the_slip_comes_out_within_five_percent_with_the_right_sign(
    runs: demo.Runs, name: str
) -> None:
    score = getattr(runs, name).score
    for measured, true in zip(score.slip, score.true_slip, strict=True):
        assert measured == pytest.approx(true, rel=0.05)


def test_nearly_every_pixel_is_measured(runs: demo.Runs) -> None:
    assert runs.plain.score.valid > 0.97
    assert runs.default.score.valid > 0.97


def test_an_answer_of_zero_would_be_far_worse(runs: demo.Runs) -> None:
    assert runs.zero.score.rmse >= 0.2 * PIXEL_M


def test_the_table_names_each_run(runs: demo.Runs) -> None:
    written = demo.table(runs)
    for run in runs:
        assert run.title in written


def test_pictures_rasters_and_statistics_are_left_behind(runs: demo.Runs, output: Path) -> None:
    with Image.open(output / "result.png") as picture:
        assert picture.width > 1000
    for folder in ("corrections-off", "all-defaults"):
        names = {path.name for path in (output / folder).iterdir()}
        assert "statistics.json" in names
        assert "readme.txt" in names
        assert "displacement_east_20240301_20240311.tif" in names
        assert any(name.startswith("quicklook") and name.endswith(".png") for name in names)


def test_what_cannot_be_carried_out_is_said_in_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    def failing(output: Path) -> demo.Runs:
        raise demo.DemoError("The server did not start.")

    monkeypatch.setattr(demo, "demonstrate", failing)
    assert demo.main(["--output", str(tmp_path)]) == 1
    assert "The demonstration failed. The server did not start." in capsys.readouterr().err
