"""Jobs in a process of their own: nothing is left running, a death is told."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

from core.job import child_environment, run_in_child

Order = Callable[..., Path]


def carried_out(directory: Path, **settings: Any) -> dict[str, Any]:
    return run_in_child(directory, child_environment(directory), **settings)


def test_a_job_in_a_child_gives_its_result_and_tells_its_progress(order: Order) -> None:
    seen: list[int] = []
    result = carried_out(order(tiles=3), watch=lambda status: seen.append(status["progress"]))
    assert result["status"] == "successful"
    assert result["outputs"]["total"] == 5
    assert seen == sorted(seen)


def test_a_process_that_dies_without_a_word_has_lost_its_job(order: Order) -> None:
    result = carried_out(order(deed="die"))
    assert result["status"] == "failed"
    assert result["problems"][0]["code"] == "worker-lost"


def test_a_job_that_takes_too_long_is_stopped(order: Order) -> None:
    result = carried_out(order(deed="wait"), wall_s=1.0)
    assert result["problems"][0]["code"] == "limit-reached"


def test_an_exception_in_the_caller_stops_the_job(order: Order) -> None:
    directory = order(deed="wait")

    def interrupt(status: Any) -> None:
        if status["message"] == "waiting":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        carried_out(directory, watch=interrupt)
    assert json.loads((directory / "result.json").read_text())["status"] == "dismissed"
    assert not [
        p for p in psutil.process_iter(["cmdline"]) if str(directory) in (p.info["cmdline"] or ())
    ]


def test_a_job_stops_when_the_process_that_waits_for_it_is_killed(order: Order) -> None:
    directory = order(deed="wait")
    code = (
        "import sys; from pathlib import Path; from core.job import *; d = Path(sys.argv[1]);"
        "run_in_child(d, child_environment(d))"
    )
    parent = subprocess.Popen([sys.executable, "-c", code, str(directory)])
    await_status(directory, "waiting")
    parent.kill()
    parent.wait()
    end = time.monotonic() + 30
    while not (directory / "result.json").exists() and time.monotonic() < end:
        time.sleep(0.05)
    assert json.loads((directory / "result.json").read_text())["status"] == "dismissed"


def test_the_environment_of_a_job_holds_no_secret(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPTIGROUND_DATABASE", "postgresql://user:secret@host/db")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    environment = child_environment(tmp_path, cache=tmp_path / "kernels")
    assert "secret" not in " ".join(environment.values())
    assert environment["OMP_NUM_THREADS"] == "1"
    assert environment["TMPDIR"] == str(tmp_path / "scratch")
    assert environment["PATH"] == os.environ["PATH"]


def await_status(directory: Path, message: str) -> None:
    end = time.monotonic() + 30
    while time.monotonic() < end:
        status = directory / "status.json"
        if status.exists() and json.loads(status.read_bytes())["message"] == message:
            return
        time.sleep(0.02)
    raise AssertionError(f"the job never said {message!r}")


def test_processes_of_a_pool_are_started_from_the_command_too(order: Order) -> None:
    result = carried_out(order(tiles=3, compute={"workers": 2, "executor": "spawn"}))
    assert result["outputs"]["total"] == 5
