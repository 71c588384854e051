"""Inspections: whatever a file does to its reader, the one who asked gets an answer."""

import contextlib
import json
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import psutil
import pytest

from core.declare import SourcePolicy
from core.errors import BadRaster, Internal, LimitReached, Refused
from core.job import inspect, run
from core.job.inspection import Inspector

Order = Callable[..., Path]


@pytest.fixture
def source(tmp_path: Path) -> Callable[[str], dict[str, Any]]:
    """A file with one word that the trial takes to heart, as an input."""

    def written(word: str) -> dict[str, Any]:
        path = tmp_path / "source.txt"
        path.write_text(word)
        return {"href": path.as_uri()}

    return written


@pytest.fixture
def look(order: Order, source: Any, tmp_path: Path) -> Callable[..., dict[str, Any]]:
    order("INSPECTED")

    def looked(word: str, most: int = 1 << 30, **settings: Any) -> dict[str, Any]:
        document = {"inputs": {"source": source(word)}}
        policy = SourcePolicy(roots=("/",), max_inspected=most)
        name = "trial_services:INSPECTED"
        return inspect("trial", document, policy, {}, pipeline=name, scratch=tmp_path, **settings)

    return looked


def test_an_inspection_reports_what_it_found_and_leaves_nothing(look: Any, tmp_path: Path) -> None:
    assert look("hello") == {"size": 5}
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["job", "source.txt"]


def test_a_service_without_an_inspection_has_nothing_to_say(order: Order) -> None:
    order("TRIAL")
    document: dict[str, Any] = {"inputs": {}}
    found = inspect("trial", document, SourcePolicy(), {}, pipeline="trial_services:TRIAL")
    assert found == {}


def test_a_bad_source_is_refused_with_its_pointer(look: Any) -> None:
    with pytest.raises(Refused) as caught:
        look("bad")
    assert caught.value.problems[0].code == "bad-raster"
    assert caught.value.problems[0].pointer == "/inputs/source"


def test_a_reader_that_crashes_condemns_the_file(look: Any) -> None:
    with pytest.raises(BadRaster):
        look("crash")


def test_a_reader_that_hangs_is_ended(look: Any) -> None:
    with pytest.raises(LimitReached, match="longer than 2 s"):
        look("hang", timeout_s=2.0)


def test_a_reader_that_swells_is_ended(look: Any) -> None:
    with pytest.raises(LimitReached, match="memory"):
        look("swell")


def test_a_fault_of_ours_has_an_error_id(look: Any) -> None:
    with pytest.raises(Internal) as caught:
        look("break")
    assert str(caught.value.value) in caught.value.message


def test_a_job_begins_with_the_inspection(order: Order, source: Any) -> None:
    directory = order("INSPECTED", source=source("bad"))
    assert run(directory) == 2
    result = json.loads((directory / "result.json").read_text())
    assert result["refused"] is True
    assert result["problems"][0]["message"] == "The source is bad."


def test_a_job_that_passes_its_inspection_runs(order: Order, source: Any) -> None:
    directory = order("INSPECTED", source=source("good"))
    assert run(directory) == 0
    assert "inspected" in (directory / "log.txt").read_text()


def test_an_inspection_that_nobody_waits_for_ends_itself(order: Order, source: Any) -> None:
    inspector = Inspector(order("INSPECTED", source=source("hang")), timeout_s=1.0)
    try:
        assert inspector.process.wait(60) == -signal.SIGALRM
    finally:
        inspector.stop()
    with pytest.raises(LimitReached, match="longer than 1 s"):
        inspector.report()


def test_an_inspection_dies_with_the_process_that_asked_for_it(
    order: Order, source: Any, ended: Any
) -> None:
    directory = order("INSPECTED", source=source("hang"))
    code = (
        "import sys; from pathlib import Path; from core.job.inspection import Inspector;"
        "Inspector(Path(sys.argv[1]), timeout_s=600.0).report()"
    )
    parent = subprocess.Popen([sys.executable, "-c", code, str(directory)])
    until((directory / "scratch" / "hangs").exists)
    (child,) = psutil.Process(parent.pid).children()
    parent.kill()
    parent.wait()
    try:
        until(lambda: ended(child))
    finally:
        with contextlib.suppress(psutil.NoSuchProcess):
            child.kill()


def until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


def test_an_inspection_writes_no_file_above_its_limit(order: Order, source: Any) -> None:
    directory = order("INSPECTED", source=source("flood"))
    inspector = Inspector(directory, disk=1 << 19)
    inspector.process.wait(60)
    assert (directory / "scratch" / "flood").stat().st_size == 1 << 19
    with pytest.raises(LimitReached, match="larger than it may"):
        inspector.report()


def test_an_inspection_that_strews_files_is_ended(look: Any) -> None:
    with pytest.raises(LimitReached, match="more than 524288 bytes of disk"):
        look("strew", most=1 << 19)


@pytest.fixture
def address() -> Iterator[str]:
    """Where a file of 300,000 bytes is served."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"x" * 300_000)

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}/a.txt"
        server.shutdown()
        thread.join()


def test_what_an_inspection_may_not_fetch_a_job_still_may(order: Order, address: str) -> None:
    policy = SourcePolicy(schemes=("http",), networks=("127.0.0.0/8",), max_inspected=200_000)
    source = {"href": address}
    directory = order("INSPECTED", policy=policy, source=source)
    document = {"inputs": {"source": source}}
    with pytest.raises(Refused) as caught:
        inspect("trial", document, policy, {}, pipeline="trial_services:INSPECTED")
    assert caught.value.problems[0].code == "source-too-large"
    assert "a job may still fetch it" in caught.value.problems[0].message
    assert run(directory) == 0
