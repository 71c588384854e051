"""The command line: options read as inputs, exit codes, where results go."""

import json
import os
import subprocess
import sys
from io import StringIO
from pathlib import Path
from typing import Any

import pytest

from core.cli import commands, main
from core.cli.commands import obey
from core.cli.options import given_inputs, joined
from core.cli.terminal import ProgressLine
from core.job import JobRequest
from core.pipelines import PIPELINES

MPIC_OPT = PIPELINES["mpic-opt"]


def inputs_of(*arguments: str) -> dict[str, Any]:
    options = commands._parser().parse_args(joined(["mpic-opt", *arguments]))
    return given_inputs(MPIC_OPT, options)


@pytest.mark.parametrize("spelling", ["--minimum-score", "--minimum_score"])
def test_both_spellings_of_an_input_are_taken(spelling: str) -> None:
    assert inputs_of(spelling, "0.5") == {"minimum_score": 0.5}


@pytest.mark.parametrize("process", PIPELINES)
def test_every_input_is_an_option(process: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main([process, "--help"])
    assert ended.value.code == 0
    shown = capsys.readouterr().out
    for entry in PIPELINES[process].input_list:
        assert f"--{entry.id.replace('_', '-')}" in shown


def test_a_negative_area_is_no_option() -> None:
    expected = {"aoi": {"bbox": [-71.5, 10.0, -70.0, 11.0]}}
    assert inputs_of("--aoi", "-71.5,10,-70,11") == expected
    assert inputs_of("--aoi=-71.5,10,-70,11") == expected


def test_an_area_may_name_its_coordinate_reference_system() -> None:
    area = inputs_of("--aoi", "500000,4900000,510000,4910000,EPSG:32631")["aoi"]
    assert area["crs"] == "http://www.opengis.net/def/crs/EPSG/0/32631"


def test_an_area_may_be_a_geojson_file(tmp_path: Path) -> None:
    polygon = {"type": "Polygon", "coordinates": [[[0, 0], [1, 0], [1, 1], [0, 0]]]}
    feature = {"type": "Feature", "properties": {}, "geometry": polygon}
    path = tmp_path / "area.geojson"
    path.write_text(json.dumps({"type": "FeatureCollection", "features": [feature]}))
    assert inputs_of("--aoi", str(path)) == {"aoi": polygon}


def test_a_plain_path_is_a_source_and_a_reference_stays(tmp_path: Path) -> None:
    given = inputs_of("--reference", "a b.tif", "--secondary", "https://example.org/b.tif")
    assert given["reference"] == {"href": (Path.cwd() / "a b.tif").as_uri()}
    assert given["secondary"] == {"href": "https://example.org/b.tif"}


def test_lists_are_given_at_once_or_by_repeating() -> None:
    together = inputs_of("--scenes", "a.tif", "b.tif", "c.tif")
    repeated = inputs_of("--scenes", "a.tif", "--scenes", "b.tif", "c.tif")
    assert together == repeated
    assert len(together["scenes"]) == 3


@pytest.mark.parametrize(
    ("arguments", "value"),
    [
        (["--coregistration"], True),
        (["--coregistration", "false"], False),
        (["--no-coregistration"], False),
        (["--coregistration", "maybe"], "maybe"),
    ],
)
def test_switches(arguments: list[str], value: Any) -> None:
    assert inputs_of(*arguments) == {"coregistration": value}


def test_what_is_no_number_is_left_for_the_validation() -> None:
    assert inputs_of("--step", "two", "--window", "15.5") == {"step": "two", "window": 15.5}


def test_all_reasons_of_a_refusal_are_told_and_the_exit_is_2(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "out"
    arguments = ["--window", "16", "--step", "x", "--reference", "a.tif", "--output", str(output)]
    assert main(["mpic-opt", *arguments]) == 2
    told = capsys.readouterr().err
    for word in ("window", "15", "17", "step", "secondary"):
        assert word in told
    assert not output.exists()


def test_an_unknown_option_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["mpic-opt", "--windows", "15"])
    assert ended.value.code == 2
    assert "--windows" in capsys.readouterr().err


def test_results_never_mix_with_other_files(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "mine.txt").touch()
    pair = ["--reference", "a.tif", "--secondary", "b.tif"]
    assert main(["mpic-opt", *pair, "--output", str(tmp_path)]) == 2
    assert "not empty" in capsys.readouterr().err
    assert [entry.name for entry in tmp_path.iterdir()] == ["mine.txt"]


@pytest.mark.parametrize("folder", ["/proc/out", "/dev/null/out"])
def test_a_folder_that_cannot_be_made_is_told_in_one_line(
    folder: str, capsys: pytest.CaptureFixture[str]
) -> None:
    pair = ["--reference", "a.tif", "--secondary", "b.tif"]
    assert main(["mpic-opt", *pair, "--output", folder]) == 2
    assert f"--output is {folder}, which cannot be used: " in capsys.readouterr().err


def test_a_service_with_files_needs_a_folder(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["mpic-opt", "--reference", "a.tif", "--secondary", "b.tif"]) == 2
    assert "--output" in capsys.readouterr().err


def test_echo_answers_on_standard_output(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["echo", "--stringInput", "hello", "--bboxInput", "-1,2,3,4"]) == 0
    shown = capsys.readouterr()
    assert 'stringInput: "hello"' in shown.out
    assert '"bbox": [-1.0, 2.0, 3.0, 4.0]' in shown.out


def test_json_is_one_document_for_success_and_refusal(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["echo", "--stringInput", "hello", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["outputs"] == {"stringInput": "hello"}
    assert main(["echo", "--json"]) == 2
    problems = json.loads(capsys.readouterr().out)["problems"]
    assert problems[0]["pointer"] == "/inputs/stringInput"


def test_a_request_can_be_replayed_and_changed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    request = tmp_path / "request.json"
    request.write_text(json.dumps({"inputs": {"stringInput": "first", "arrayInput": [1]}}))
    assert main(["echo", "--request", str(request), "--stringInput", "second"]) == 0
    assert capsys.readouterr().out.splitlines() == ['stringInput: "second"', "arrayInput: [1]"]


def test_a_file_that_is_no_request_is_refused(tmp_path: Path) -> None:
    assert main(["echo", "--request", str(tmp_path / "none.json")]) == 2


def test_python_m_core_is_the_same_command() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "core", "echo", "--stringInput", "x"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, 'stringInput: "x"\n')


def result(**changes: Any) -> dict[str, Any]:
    plain = {"status": "failed", "message": "m", "outputs": {}, "problems": [], "refused": False}
    return {**plain, **changes}


@pytest.fixture
def ended(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Makes jobs end as told, without running them."""

    def set_end(told: dict[str, Any], *made: str) -> None:
        def pretend(directory: Path, *_: Any, **__: Any) -> dict[str, Any]:
            for name in made:
                (directory / "output" / name).parent.mkdir(parents=True, exist_ok=True)
                (directory / "output" / name).write_text(name)
            for log in ("log.txt", "operator.log"):
                (directory / log).touch()
            return told

        monkeypatch.setattr("core.cli.service.run_in_child", pretend)

    return set_end


PAIR = ["mpic-opt", "--reference", "a.tif", "--secondary", "b.tif", "--output"]


def test_results_are_moved_to_the_folder_and_the_job_is_gone(
    ended: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = {"path": "score/a.tif", "type": "image/tiff", "key": "a", "sha256": "0"}
    ended(result(status="successful", outputs={"score": [file]}), "score/a.tif")
    assert main([*PAIR, str(tmp_path / "out")]) == 0
    assert (tmp_path / "out/score/a.tif").is_file()
    assert sorted(entry.name for entry in (tmp_path / "out").iterdir()) == ["log.txt", "score"]
    assert str(tmp_path / "out/score/a.tif") in capsys.readouterr().out


def test_a_job_refused_by_its_inspection_exits_2_and_leaves_nothing(
    ended: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ended(result(refused=True, problems=[{"message": "one"}, {"message": "two"}]))
    assert main([*PAIR, str(tmp_path / "out")]) == 2
    assert capsys.readouterr().err.splitlines() == ["optiground: one", "optiground: two"]
    assert not (tmp_path / "out").exists()


def test_a_fault_of_ours_exits_1_and_leaves_the_log(ended: Any, tmp_path: Path) -> None:
    ended(result(problems=[{"message": "one"}]))
    assert main([*PAIR, str(tmp_path / "out")]) == 1
    assert [entry.name for entry in (tmp_path / "out").iterdir()] == ["error.log"]


def test_workers_and_memory_reach_the_job(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    asked: list[JobRequest] = []

    def note(_directory: Path, request: JobRequest) -> None:
        asked.append(request)
        raise KeyboardInterrupt

    monkeypatch.setattr("core.cli.service.prepare", note)
    settings = ["--workers", "3", "--memory", "700", "--executor", "spawn"]
    assert obey([*PAIR, str(tmp_path / "out"), *settings]) == 1
    assert asked[0].compute["workers"] == 3
    assert asked[0].compute["memory"] == 700 << 20
    assert asked[0].compute["executor"] == "spawn"


def test_plain_lines_are_few_where_no_one_watches() -> None:
    stream = StringIO()
    line = ProgressLine(stream)
    for percent in range(101):
        line.show({"progress": percent, "message": f"pair 1 of 1: matching, tile {percent} of 100"})
    line.end()
    lines = stream.getvalue().splitlines()
    assert len(lines) == 21
    assert lines[0] == "  0 % pair 1 of 1: matching, tile 0 of 100"


class Terminal(StringIO):
    def isatty(self) -> bool:
        return True


def test_a_terminal_gets_one_line_that_is_rewritten() -> None:
    stream = Terminal()
    line = ProgressLine(stream)
    line.show({"progress": 50, "message": "matching"})
    line.end()
    assert "\n" not in stream.getvalue()
    assert "[##########..........]  50 % matching" in stream.getvalue()


def test_a_command_that_is_told_to_end_stops_its_job_and_cleans_up(tmp_path: Path) -> None:
    environment = os.environ | {"TMPDIR": str(tmp_path)}
    command = [sys.executable, "-m", "core", "echo", "--stringInput", "x", "--pause", "600"]
    with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True) as running:
        assert running.stderr is not None
        while "pausing" not in running.stderr.readline():
            assert running.poll() is None
        running.terminate()
        assert running.stderr.read().splitlines()[-1] == "optiground: stopped"
    assert running.returncode == 1
    assert list(tmp_path.iterdir()) == []
