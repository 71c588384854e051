"""What is kept running, and how it comes to an end."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from types import SimpleNamespace

import pytest

from server import supervisor as supervisor_module
from server.jobs.process import process
from server.security import host_name
from server.settings import Settings
from server.supervisor import Part, Supervisor, _is_healthy

SLEEP = (sys.executable, "-S", "-c", "import time; time.sleep(600)")


def until(condition: Callable[[], object], work: Callable[[], None] = lambda: None) -> None:
    end = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < end, "it did not come true"
        work()
        time.sleep(0.02)


def is_alive(pid: int) -> bool:
    found = process(pid)
    return found is not None and found.alive


@pytest.fixture
def supervisor():
    made = Supervisor([Part("a", SLEEP), Part("b", SLEEP)])
    yield made
    made.stop()
    made._end()


def test_a_part_that_is_killed_is_started_again_and_the_other_is_left_alone(supervisor) -> None:
    first, second = supervisor.parts
    until(lambda: first.pid and second.pid, supervisor.turn)
    killed, kept = first.pid, second.pid
    os.kill(killed, signal.SIGKILL)
    until(lambda: first.pid not in (killed, None), supervisor.turn)
    assert is_alive(first.pid)
    assert second.pid == kept


def test_the_pause_doubles_up_to_five_seconds_and_is_forgotten_after_ten(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = 1000.0
    # A clock of the test's own: the real one goes on while the machine is busy elsewhere.
    monkeypatch.setattr(supervisor_module, "time", SimpleNamespace(monotonic=lambda: now))
    part = Part("a", SLEEP, due=now)
    pauses = []
    for _ in range(6):
        part.started = now
        part.ended(256)
        pauses.append(part.pause_s)
    assert pauses == [0.5, 1, 2, 4, 5, 5]
    part.started = now - 9.99
    part.ended(256)
    assert part.pause_s == 5
    part.started = now - 10.01
    part.ended(256)
    assert part.pause_s == 0


def test_all_parts_end_with_the_supervisor(supervisor) -> None:
    until(lambda: all(part.pid for part in supervisor.parts), supervisor.turn)
    pids = [part.pid for part in supervisor.parts]
    supervisor.stop()
    supervisor._end()
    assert not any(is_alive(pid) for pid in pids)


class Front(BaseHTTPRequestHandler):
    """Answers as the web server does: only under the names that it knows."""

    def do_GET(self) -> None:
        known = host_name(self.headers["Host"]) == "optiground.example"
        self.send_response(200 if known else 421)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


def test_a_server_is_ready_though_the_address_it_listens_on_is_no_allowed_host() -> None:
    with HTTPServer(("127.0.0.1", 0), Front) as front:
        thread = threading.Thread(target=front.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        named = Settings(
            port=front.server_port,
            public_url="https://optiground.example/api",
            allowed_hosts=("optiground.example",),
        )
        assert _is_healthy(named)
        assert not _is_healthy(named.model_copy(update={"public_url": ""}))
        front.shutdown()
        thread.join()


def test_parts_end_when_the_supervisor_is_killed(tmp_path: Path) -> None:
    program = (
        "import sys, time\n"
        "from server.supervisor import Part, Supervisor\n"
        f"one = Supervisor([Part('a', {SLEEP!r})])\n"
        "one.turn()\n"
        f"open({str(tmp_path / 'pid')!r}, 'w').write(str(one.parts[0].pid) + ' ')\n"
        "time.sleep(600)\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", program])
    written = tmp_path / "pid"
    until(lambda: written.exists() and written.read_text().endswith(" "))
    pid = int(written.read_text())
    parent.kill()
    parent.wait()
    until(lambda: not is_alive(pid))
