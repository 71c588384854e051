"""Stores for the tests of the job engine: one on SQLite, one on a PostgreSQL of their own."""

import os
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from server.jobs.dispatcher import Dispatcher
from server.jobs.launcher import MARKER, Command
from server.jobs.models import Job, NewJob
from server.jobs.process import Process, marked
from server.jobs.store import Store
from server.settings import Settings, read_settings


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
