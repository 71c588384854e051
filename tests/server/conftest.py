"""Whole servers as users run them, and databases: SQLite, and a PostgreSQL of the tests' own."""

import json
import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
import requests
from rasterio.transform import from_origin
from scipy.ndimage import gaussian_filter
from sqlalchemy import create_engine, text

from benchmarks import services

START_S = 90.0
FINAL = ("successful", "failed", "dismissed")


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
    port, images, log = services.free_port(), folder / "images", folder / "server.log"
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
def server_with(tmp_path: Path) -> Iterator[Callable[..., Server]]:
    """Starts a server of the test's own, with other settings."""
    started: list[Server] = []

    def start(**settings: object) -> Server:
        started.append(start_server(tmp_path / f"server{len(started)}", **settings))
        return started[-1]

    yield start
    for server in started:
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


@pytest.fixture
def displaced_pair() -> Callable[[Path], dict[str, Any]]:
    """Writes the smallest pair of images that has a map; the inputs of ``mpic-opt`` for it."""

    def write(folder: Path) -> dict[str, Any]:
        texture = gaussian_filter(np.random.default_rng(3).normal(size=(160, 160)), 1.5)
        values = (2000 + 4000 * texture).clip(1, 9000).astype("uint16")
        profile = {"driver": "GTiff", "width": 128, "height": 128, "count": 1, "dtype": "uint16"}
        place = from_origin(500_000, 5_400_000, 10, 10)
        for name, shift in (("before.tif", 0), ("after.tif", 2)):
            path = folder / name
            with rasterio.open(path, "w", **profile, crs="EPSG:32633", transform=place) as dataset:
                dataset.write(values[16:144, 16 - shift : 144 - shift], 1)
        return {
            "reference": {"href": f"file://{folder / 'before.tif'}"},
            "secondary": {"href": f"file://{folder / 'after.tif'}"},
            "reference_date": "2016-05-29",
            "secondary_date": "2016-06-08",
            "coregistration": False,
            "deramp": False,
        }

    return write


@pytest.fixture(scope="session")
def postgresql_server() -> Iterator[str]:
    """URL of a PostgreSQL server that lives as long as the tests, without a database name."""
    pytest.importorskip("psycopg")
    try:
        # Nothing of it has to outlive the machine.
        with services.postgresql("-F") as url:
            yield url
    except services.Missing as missing:
        pytest.skip(str(missing))


@pytest.fixture
def postgresql_url(postgresql_server: str) -> Iterator[str]:
    """URL of an empty PostgreSQL database."""
    name = f"t{uuid.uuid4().hex}"
    admin = create_engine(
        f"{postgresql_server.replace('postgresql', 'postgresql+psycopg', 1)}/postgres",
        isolation_level="AUTOCOMMIT",
    )
    with admin.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name}"))
    yield f"{postgresql_server}/{name}"
    with admin.connect() as connection:
        connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
    admin.dispose()


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql)])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """URL of an empty database, once of each kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'store.sqlite'}"
    url: str = request.getfixturevalue("postgresql_url")
    return url
