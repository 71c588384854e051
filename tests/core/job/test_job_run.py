"""Jobs in the present process: what stands in the directory after each kind of ending."""

import json
import logging
import os
import signal
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from core.compute import Compute
from core.job import JobRequest, run
from core.job.context import context_of
from core.job.journal import without_folders
from core.pipelines import PIPELINES
from core.progress import Progress
from core.workspace import Workspace

Order = Callable[..., Path]


def result_of(directory: Path) -> dict[str, Any]:
    return json.loads((directory / "result.json").read_text())


def test_a_job_leaves_its_outputs_and_a_result_that_lists_them(order: Order) -> None:
    job = order(tiles=3)
    assert run(job) == 0
    result = result_of(job)
    assert result["status"] == "successful"
    assert result["problems"] == []
    assert result["error_id"] is None
    assert result["refused"] is False
    assert result["finished"].endswith("Z")
    assert result["outputs"]["total"] == 0 + 1 + 4
    assert result["outputs"]["table"]["path"] == "table.csv"
    assert [part["key"] for part in result["outputs"]["parts"]] == ["0", "1"]
    assert (job / "output/parts/1.txt").read_text() == "0\n1\n4\n"
    assert list((job / "scratch").iterdir()) == []


def test_the_status_ends_at_the_last_tile(order: Order) -> None:
    job = order()
    run(job)
    status = json.loads((job / "status.json").read_text())
    assert set(status) == {"progress", "message", "updated"}
    assert 0 <= status["progress"] <= 100
    assert (job / "heartbeat").exists()


def test_the_request_can_be_read_by_the_owner_only(order: Order) -> None:
    job = order()
    assert (job / "job.json").stat().st_mode & 0o777 == 0o600
    assert job.stat().st_mode & 0o777 == 0o700


def test_a_refused_input_is_told_with_its_problem(order: Order) -> None:
    job = order(deed="refuse")
    assert run(job) == 2
    result = result_of(job)
    assert (result["status"], result["refused"]) == ("failed", True)
    assert result["problems"][0]["code"] == "bad-raster"
    assert result["problems"][0]["pointer"] == "/inputs/source"


def test_a_job_that_measures_nothing_has_failed_but_was_not_refused(order: Order) -> None:
    job = order(deed="fail")
    assert run(job) == 1
    result = result_of(job)
    assert (result["status"], result["refused"]) == ("failed", False)
    assert result["problems"][0]["code"] == "nothing-measured"


def test_a_fault_of_ours_shows_an_error_id_and_the_operator_the_traceback(
    order: Order, tmp_path: Path
) -> None:
    job = order(deed="break")
    assert run(job) == 1
    result = result_of(job)
    assert result["problems"][0]["code"] == "internal-error"
    assert result["error_id"] in result["message"]
    assert str(tmp_path) not in json.dumps(result)
    users = (job / "log.txt").read_text()
    assert "Traceback" not in users
    assert str(tmp_path) not in users
    operators = (job / "operator.log").read_text()
    assert "RuntimeError: cannot find" in operators
    assert result["error_id"] in operators


def test_a_full_disk_is_named_and_partial_outputs_are_gone(order: Order) -> None:
    job = order(deed="fill")
    assert run(job) == 1
    assert result_of(job)["problems"][0]["code"] == "disk-full"
    assert list((job / "output").iterdir()) == []


def test_memory_that_is_not_there_is_a_limit_reached(order: Order) -> None:
    job = order(deed="swell")
    assert run(job) == 1
    assert result_of(job)["problems"][0]["code"] == "limit-reached"


def test_an_output_that_was_never_published_is_no_success(order: Order) -> None:
    job = order(deed="half")
    assert run(job) == 1
    assert result_of(job)["problems"][0]["code"] == "internal-error"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_stopped_job_is_dismissed_even_if_its_code_swallows_the_wish(
    order: Order, number: signal.Signals
) -> None:
    job = order(deed="wait")
    waiting = threading.Event()

    def stop_when_it_waits() -> None:
        while not waiting.wait(0.02):
            status = job / "status.json"
            if status.exists() and b"waiting" in status.read_bytes():
                os.kill(os.getpid(), number)
                return

    stopper = threading.Thread(target=stop_when_it_waits)
    stopper.start()
    former = signal.getsignal(number)
    try:
        assert run(job) == 1
    finally:
        waiting.set()
        stopper.join()
    result = result_of(job)
    assert result["status"] == "dismissed"
    assert result["outputs"] == {}
    assert signal.getsignal(number) is former


@pytest.mark.parametrize("kind", ["threads", "spawn"])
def test_executors_give_the_same_result(order: Order, kind: str) -> None:
    job = order(tiles=5, compute={"workers": 2, "executor": kind})
    assert run(job) == 0
    assert result_of(job)["outputs"]["total"] == 30


def test_a_dask_cluster_gives_the_same_result(order: Order) -> None:
    distributed = pytest.importorskip("distributed")
    with distributed.LocalCluster(
        n_workers=1, threads_per_worker=1, processes=False, dashboard_address=None
    ) as cluster:
        compute = {"executor": "dask", "scheduler": cluster.scheduler_address}
        job = order(tiles=5, compute=compute)
        assert run(job) == 0
    assert result_of(job)["outputs"]["total"] == 30


def test_a_lost_pool_worker_is_a_lost_worker(order: Order) -> None:
    job = order(deed="lose", compute={"workers": 2, "executor": "spawn"})
    assert run(job) == 1
    assert result_of(job)["problems"][0]["code"] == "worker-lost"


def test_a_full_disk_does_not_keep_the_result_from_being_written(
    order: Order, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = order(deed="fill")
    reserved = (job / ".result.json").stat()
    assert reserved.st_size >= 1 << 16
    run(job)
    assert (job / "result.json").stat().st_ino == reserved.st_ino


def test_the_logging_of_the_process_is_as_it_was(order: Order) -> None:
    root = logging.getLogger()
    before = (root.level, list(root.handlers))
    run(order())
    assert (root.level, root.handlers) == before


def test_folders_are_cut_from_messages_and_addresses_stay() -> None:
    assert without_folders("/vsizip//tmp/x/a.zip/b.jp2 is bad") == "b.jp2 is bad"
    assert without_folders("file:///srv/in/a.tif") == "file:///srv/in/a.tif"
    assert without_folders("https://example.org/a/b.tif") == "https://example.org/a/b.tif"
    assert without_folders("12 m/year, '/etc/ssl/cert.pem'") == "12 m/year, 'cert.pem'"


def test_a_pipeline_is_told_the_address_of_its_job(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    for links in ({"self": "https://example.org/jobs/1"}, {"self": None}, {}):
        request = JobRequest("echo", {}, links=links)
        with ThreadPoolExecutor(1) as pool:
            made = context_of(
                request, PIPELINES["echo"], workspace, Compute(), pool, Progress(print)
            )
        assert made.job_link == links.get("self")
