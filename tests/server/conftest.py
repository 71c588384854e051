"""A whole server as a user runs it: web workers and dispatcher on a free port."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import requests

START_S = 90.0
FINAL = ("successful", "failed", "dismissed")


def free_port() -> int:
    """A port that nothing listens on just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@dataclass
class Server:
    """A server that runs, and where its things are.

    Parameters
    ----------
    url
        Its address, without a trailing slash.
    data
        Folder of its store, jobs and uploads.
    images
        Folder from which it reads ``file:`` references.
    """

    url: str
    data: Path
    images: Path
    process: subprocess.Popen[bytes]
    log: Path
    session: requests.Session = field(default_factory=requests.Session)

    def get(self, path: str, **options: Any) -> requests.Response:
        """GET a path of the server."""
        return self.session.get(self.url + path, timeout=60, **options)

    def post(self, path: str, **options: Any) -> requests.Response:
        """POST to a path of the server."""
        return self.session.post(self.url + path, timeout=60, **options)

    def delete(self, path: str) -> requests.Response:
        """DELETE a path of the server."""
        return self.session.delete(self.url + path, timeout=60)

    def submit(self, process: str, inputs: Mapping[str, Any], **document: Any) -> str:
        """Make a job; its id."""
        answer = self.post(
            f"/processes/{process}/execution",
            json={"inputs": dict(inputs), **document},
            headers={"Prefer": "respond-async"},
        )
        assert answer.status_code == 201, answer.text
        job_id: str = answer.json()["jobID"]
        return job_id

    def wait(self, job_id: str, timeout_s: float = 120.0) -> dict[str, Any]:
        """The status of a job when it has ended."""
        return self.wait_until(job_id, FINAL, timeout_s)

    def wait_until(
        self, job_id: str, statuses: tuple[str, ...], timeout_s: float = 120.0
    ) -> dict[str, Any]:
        """The status of a job as soon as it is one of these."""
        end = time.monotonic() + timeout_s
        while time.monotonic() < end:
            info: dict[str, Any] = self.get(f"/jobs/{job_id}").json()
            if info["status"] in statuses:
                return info
            time.sleep(0.1)
        raise AssertionError(f"job {job_id} is still {info['status']}: {info['message']}")

    def told(self) -> str:
        """The end of the server's own log."""
        return self.log.read_text(errors="replace")[-5000:]


def start_server(folder: Path, **settings: object) -> Server:
    """Start a server in `folder`, and wait until it is healthy."""
    port, images, log = free_port(), folder / "images", folder / "server.log"
    images.mkdir(parents=True, exist_ok=True)
    policy = {
        "schemes": ["http", "https", "upload", "job", "file"],
        "roots": [str(images)],
        "networks": ["127.0.0.0/8"],
        "max_bytes": 32 << 20,
        "max_unpacked": 64 << 20,
        "timeout_s": 20,
    }
    values: dict[str, object] = {
        "data": folder / "data",
        "port": port,
        "policy": json.dumps(policy),
        "free_space_min": 0,
        **settings,
    }
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith("OPTIGROUND_")
    }
    environment |= {f"OPTIGROUND_{name.upper()}": str(value) for name, value in values.items()}
    with log.open("ab") as stream:
        process = subprocess.Popen(
            [sys.executable, "-m", "server.cli", "serve"],
            cwd=folder,
            env=environment,
            stdout=stream,
            stderr=stream,
            start_new_session=True,
        )
    server = Server(f"http://127.0.0.1:{port}", folder / "data", images, process, log)
    try:
        _wait_healthy(server)
    except BaseException:
        stop_server(server)
        raise
    return server


def stop_server(server: Server) -> None:
    """Stop a server as a user does; whatever does not go is killed."""
    server.session.close()
    if server.process.poll() is None:
        server.process.terminate()
        try:
            server.process.wait(30)
        except subprocess.TimeoutExpired:
            os.killpg(server.process.pid, signal.SIGKILL)
            server.process.wait()


def _wait_healthy(server: Server) -> None:
    end = time.monotonic() + START_S
    while time.monotonic() < end:
        if server.process.poll() is not None:
            raise AssertionError(f"the server ended at its start:\n{server.told()}")
        try:
            if server.get("/health").status_code == 200:
                return
        except requests.ConnectionError:
            pass
        time.sleep(0.1)
    raise AssertionError(f"the server is not healthy after {START_S:.0f} s:\n{server.told()}")


@pytest.fixture(scope="session")
def running_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One server for all tests that leave it as they found it."""
    server = start_server(tmp_path_factory.mktemp("server"))
    yield server
    stop_server(server)


@pytest.fixture
def until() -> Callable[..., None]:
    """Waits until something holds."""

    def wait(holds: Callable[[], bool], timeout_s: float = 30.0) -> None:
        end = time.monotonic() + timeout_s
        while not holds():
            assert time.monotonic() < end, "it never came to hold"
            time.sleep(0.05)

    return wait
