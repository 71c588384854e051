"""Stores for the tests of the job engine: one on SQLite, one on a PostgreSQL of their own."""

import os
import pwd
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine, text

from server.jobs.dispatcher import Dispatcher
from server.jobs.launcher import MARKER, Command
from server.jobs.models import Job, NewJob
from server.jobs.process import Process, marked
from server.jobs.store import Store
from server.settings import Settings, read_settings


def _postgres_program(name: str) -> str | None:
    found = shutil.which(name)
    if found:
        return found
    installed = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"))
    return str(installed[-1]) if installed else None


def _unprivileged() -> dict[str, object]:
    """PostgreSQL refuses to run as root."""
    if os.geteuid() != 0:
        return {}
    for name in ("postgres", "nobody"):
        try:
            user = pwd.getpwnam(name)
        except KeyError:
            continue
        return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
    pytest.skip("PostgreSQL refuses to run as root, and there is no other user")


@pytest.fixture(scope="session")
def postgresql_server() -> Iterator[str]:
    """URL of a PostgreSQL server that lives as long as the tests, without a database name."""
    programs = {name: _postgres_program(name) for name in ("initdb", "pg_ctl")}
    if not all(programs.values()):
        pytest.skip("PostgreSQL is not installed (Debian: apt-get install postgresql)")
    pytest.importorskip("psycopg")
    # Not under pytest's folder, whose parents are closed to the other user.
    folder = Path(tempfile.mkdtemp(prefix="optiground-pg-"))
    other = _unprivileged()
    if other:
        os.chown(folder, int(str(other["user"])), int(str(other["group"])))

    def call(*command: str) -> None:
        subprocess.run(
            command, check=True, cwd=folder, stdout=subprocess.DEVNULL, timeout=120, **other
        )

    initdb, pg_ctl = str(programs["initdb"]), str(programs["pg_ctl"])
    data = str(folder / "data")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    options = f"-F -c listen_addresses=127.0.0.1 -c unix_socket_directories={folder} -p {port}"
    try:
        call(initdb, "-D", data, "-U", "tester", "--auth=trust", "-E", "UTF8", "--no-sync")
        call(pg_ctl, "-D", data, "-o", options, "-l", str(folder / "log"), "-w", "start")
        yield f"postgresql://tester@127.0.0.1:{port}"
        call(pg_ctl, "-D", data, "-m", "immediate", "stop")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


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


@pytest.fixture
def store(database_url: str) -> Iterator[Store]:
    made = Store(database_url)
    yield made
    made.close()


STAND_IN = Path(__file__).with_name("stand_in.py")


def stand_in_command(directory: Path) -> list[str]:
    """Runs a job in milliseconds, without any of the library."""
    return [sys.executable, "-S", "-E", str(STAND_IN), str(directory)]


@pytest.fixture
def settings(database_url: str, tmp_path: Path) -> Settings:
    """Settings of a server with short time-outs, on the database of the test."""
    return read_settings(
        environ={},
        data=tmp_path / "data",
        database=database_url,
        heartbeat_timeout_s=3.0,
        free_space_min=1 << 20,
        poll_s=0.01,
    )


class Engine:
    """A dispatcher in this process, driven by the test."""

    def __init__(self, settings: Settings, command: Command = stand_in_command) -> None:
        self.settings = settings
        self.store = Store(settings.database_url)
        self.command = command
        self.dispatcher = Dispatcher(settings, command)
        self._number = 0

    def submit(self, do: str, owner: str = "ana", **inputs: object) -> str:
        self._number += 1
        name = f"job{self._number}"
        self.store.create(NewJob(name, "echo", owner, {"inputs": {"do": do, **inputs}}))
        return name

    def turn(self) -> None:
        self.dispatcher.turn()
        time.sleep(0.01)

    def until(self, condition: Callable[[], bool], seconds: float = 60) -> None:
        """Let the dispatcher work until something holds; far too long is an error."""
        end = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < end, "it did not come true"
            self.turn()

    def job(self, name: str) -> Job:
        found = self.store.get(name)
        assert found is not None
        return found

    def run(self, do: str, **inputs: object) -> Job:
        """Submit a job and drive it to its end."""
        name = self.submit(do, **inputs)
        self.until(lambda: self.job(name).final and self.dispatcher.idle)
        return self.job(name)

    def members(self, name: str, attempt: int = 1) -> list[int]:
        """Living processes of an attempt, wherever they went."""
        end = f"/{name}/{attempt}".encode()
        marked_ones = marked(MARKER.encode() + b"=")
        folder = str(self.settings.jobs_folder).encode()
        return [
            one.pid for one, entry in marked_ones if entry.endswith(end) and _is_in(one, folder)
        ]


def _is_in(one: Process, folder: bytes) -> bool:
    """Whether a process works below a folder; other tests' processes do not."""
    try:
        return os.readlink(f"/proc/{one.pid}/cwd").encode().startswith(folder)
    except OSError:
        return False


@pytest.fixture
def make_engine(database_url: str) -> Iterator[Callable[..., Engine]]:
    """Makes dispatchers in this process; nothing of them runs when the database goes."""
    made: list[Engine] = []

    def make(*given: Any) -> Engine:
        made.append(Engine(*given))
        return made[-1]

    yield make
    for one in made:
        one.dispatcher.take_down()
        one.store.close()


@pytest.fixture
def engine(make_engine: Callable[..., Engine], settings: Settings) -> Engine:
    """A dispatcher whose jobs run the stand-in."""
    return make_engine(settings)
