"""The plugins by themselves, as an unmodified pygeoapi calls them."""

import json
import zipfile
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError
from pygeoapi.process.base import ProcessorExecuteError
from pygeoapi.process.manager.dummy import DummyManager

from core.pipelines import PIPELINES
from core.simulate.fault import make_pair
from processes.answers import archive, links, one
from processes.echo import EchoProcessor
from processes.mpic_opt import MpicOptProcessor
from processes.plugin import Service


def echo(tmp_path: Path, **settings: Any) -> EchoProcessor:
    return EchoProcessor(
        {"name": "processes.echo.EchoProcessor", "work_dir": str(tmp_path), **settings}
    )


def test_echo_answers_with_all_outputs_by_id_and_leaves_nothing(tmp_path: Path) -> None:
    answer = echo(tmp_path).execute({"stringInput": "hé", "arrayInput": [1, 2]})
    assert answer == ("application/json", {"stringInput": "hé", "arrayInput": [1, 2]})
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("outputs", [{"stringInput": {}}, ["stringInput"]])
def test_one_selected_output_comes_in_its_own_type(tmp_path: Path, outputs: Any) -> None:
    answer = echo(tmp_path).execute({"stringInput": "a<b"}, outputs)
    assert answer == ("text/plain", "a<b")


def test_bytes_come_as_they_are_and_a_reference_as_one(tmp_path: Path) -> None:
    selected = ["imageInput"]
    made = echo(tmp_path).execute({"stringInput": "x", "imageInput": "SUkqAA=="}, selected)
    assert made == ("image/tiff", b"II*\x00")
    link = {"href": "https://example.org/a.tif", "type": "image/tiff"}
    made = echo(tmp_path).execute({"stringInput": "x", "imageInput": link}, selected)
    assert made == ("application/json", link)


def test_all_faults_of_a_request_are_told_at_once(tmp_path: Path) -> None:
    with pytest.raises(ProcessorExecuteError) as caught:
        echo(tmp_path).execute({"pause": "x", "unknown": 1})
    for word in ("pause", "unknown", "stringInput"):
        assert word in str(caught.value)


@pytest.mark.parametrize("data", [[1, 2], "text", None, {"stringInput": float("nan")}])
def test_inputs_that_are_none_are_refused(tmp_path: Path, data: Any) -> None:
    with pytest.raises(ProcessorExecuteError):
        echo(tmp_path).execute(data)


def test_an_unknown_output_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ProcessorExecuteError, match="nothing"):
        echo(tmp_path).execute({"stringInput": "x"}, {"nothing": {}})


def test_an_unknown_setting_is_refused() -> None:
    with pytest.raises(ValidationError):
        EchoProcessor({"name": "x", "workdir": "/tmp"})


def test_the_dummy_manager_of_stock_runs_it(tmp_path: Path) -> None:
    processor = {"name": "processes.echo.EchoProcessor", "work_dir": str(tmp_path)}
    manager = DummyManager({"name": "Dummy", "processes": {"echo": {"processor": processor}}})
    _, media_type, outputs, status, _ = manager.execute_process("echo", {"stringInput": "x"})
    assert (media_type, outputs, status.value) == (
        "application/json",
        {"stringInput": "x"},
        "successful",
    )


def test_a_manager_that_only_waits_gets_the_archive_of_a_pair(tmp_path: Path) -> None:
    pair = make_pair(tmp_path, shape=(160, 160))
    processor = {
        "name": "processes.mpic_opt.MpicOptProcessor",
        "work_dir": str(tmp_path / "work"),
        "sources": {"roots": [str(tmp_path)]},
    }
    manager = DummyManager({"name": "Dummy", "processes": {"mpic-opt": {"processor": processor}}})
    inputs = {
        role: {"href": path.as_uri()}
        for role, path in (("reference", pair.reference), ("secondary", pair.secondary))
    }
    _, media_type, answer, status, _ = manager.execute_process("mpic-opt", inputs)
    assert status.value == "successful"
    assert media_type == "application/zip"
    with zipfile.ZipFile(BytesIO(answer)) as archive:
        assert "displacement_east/20240301_20240311.tif" in archive.namelist()


@pytest.mark.parametrize("plugin", [EchoProcessor, MpicOptProcessor])
def test_the_description_promises_only_what_stock_keeps(plugin: type[Service]) -> None:
    described = plugin({"name": "x"}).metadata
    assert "dismiss" not in described["jobControlOptions"]
    assert described["outputTransmission"] == ["value"]
    assert set(described["inputs"]) == {i.id for i in PIPELINES[plugin.service].input_list}


def test_each_description_is_a_copy_of_its_own() -> None:
    first = EchoProcessor({"name": "x"}).metadata
    first["jobControlOptions"].append("spoilt")
    first["outputs"]["stringInput"]["schema"]["type"] = "spoilt"
    second = EchoProcessor({"name": "x"}).metadata
    assert "spoilt" not in json.dumps(second)


def files(output: Path) -> dict[str, Any]:
    output.mkdir()
    (output / "a.json").write_text('{"a": 1}')
    (output / "b").mkdir()
    for name in ("one", "two"):
        (output / f"b/{name}.txt").write_text(name)
    described = {"title": "T", "key": "", "sha256": "0", "size": 3}
    return {
        "a": {**described, "path": "a.json", "type": "application/json"},
        "b": [{**described, "path": f"b/{n}.txt", "type": "text/plain"} for n in ("one", "two")],
        "count": 2,
    }


def test_one_file_comes_as_it_is_and_json_as_json(tmp_path: Path) -> None:
    made = files(tmp_path / "output")
    assert one({"a": made["a"]}, tmp_path / "output", 1000) == ("application/json", {"a": 1})
    only = {"b": made["b"][:1]}
    assert one(only, tmp_path / "output", 1000) == ("text/plain", b"one")
    assert one({"b": made["b"]}, tmp_path / "output", 1000) is None


def test_several_files_come_as_a_zip_with_the_values(tmp_path: Path) -> None:
    made = files(tmp_path / "output")
    media_type, content = archive(made, tmp_path / "output", tmp_path, 1000)
    assert media_type == "application/zip"
    with zipfile.ZipFile(BytesIO(content)) as opened:
        assert sorted(opened.namelist()) == ["a.json", "b/one.txt", "b/two.txt", "values.json"]
        assert opened.testzip() is None
        assert json.loads(opened.read("values.json")) == {"count": 2}


def test_an_answer_too_large_for_a_web_worker_is_refused_with_advice(tmp_path: Path) -> None:
    made = files(tmp_path / "output")
    with pytest.raises(ProcessorExecuteError, match="publish_url"):
        archive(made, tmp_path / "output", tmp_path, 5)


def test_links_stand_where_the_files_are_published(tmp_path: Path) -> None:
    media_type, document = links(files(tmp_path / "output"), "https://example.org/r/1")
    assert media_type == "application/json"
    assert document["a"]["href"] == "https://example.org/r/1/a.json"
    assert [link["href"][-7:] for link in document["b"]] == ["one.txt", "two.txt"]
    assert document["count"] == 2


def test_what_a_killed_server_left_is_removed_at_the_next_request(tmp_path: Path) -> None:
    import os

    for name, age_s in (("optiground-old", 7200), ("optiground-new", 60)):
        folder = tmp_path / name
        folder.mkdir()
        (folder / "heartbeat").touch()
        moment = (folder / "heartbeat").stat().st_mtime - age_s
        os.utime(folder / "heartbeat", (moment, moment))
    echo(tmp_path).execute({"stringInput": "x"})
    assert [entry.name for entry in tmp_path.iterdir()] == ["optiground-new"]
