"""The command ``optiground-server``."""

import contextlib
import os
import signal
import socket
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import psutil
import pytest
import requests

from server import cli
from server.jobs.models import NewJob
from server.jobs.store import Store
from server.settings import current_settings


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A data folder, named in the environment; settings are read anew."""
    for name in list(os.environ):
        if name.startswith("OPTIGROUND_"):
            monkeypatch.delenv(name)
    # Set and removed again, so that what the command sets is undone after the test.
    for name in ("CONFIG", "DATA", "HOST", "PORT"):
        monkeypatch.setenv(f"OPTIGROUND_{name}", "")
        monkeypatch.delenv(f"OPTIGROUND_{name}")
    monkeypatch.setenv("OPTIGROUND_DATA", str(tmp_path))
    current_settings.cache_clear()
    yield tmp_path
    current_settings.cache_clear()


def test_the_store_is_backed_up_checked_and_migrated(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store = Store(f"sqlite:///{data / 'optiground.sqlite'}")
    store.create(NewJob("j1", "echo", "ana", {}))
    assert cli.main(["store", "backup", str(data / "copy")]) == 0
    assert sqlite3.connect(data / "copy").execute("SELECT id FROM jobs").fetchall() == [("j1",)]
    assert cli.main(["store", "check"]) == 0
    assert cli.main(["store", "migrate"]) == 0
    assert "all is well" in capsys.readouterr().out
    with sqlite3.connect(data / "optiground.sqlite") as connection:
        connection.execute("UPDATE jobs SET status = 'failed'")
    assert cli.main(["store", "check"]) == 1
    assert "j1 is failed" in capsys.readouterr().out
    assert cli.main(["store", "backup", str(data / "copy")]) == 1
    assert "exists already" in capsys.readouterr().err
    store.close()


def test_a_backup_without_a_name_lies_with_the_data(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Store(f"sqlite:///{data / 'optiground.sqlite'}").counts()
    assert cli.main(["store", "backup"]) == 0
    assert Path(capsys.readouterr().out.strip()).parent == data


@pytest.mark.parametrize("command", ["serve", "web"])
def test_the_network_is_refused_without_keys(
    data: Path, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    assert cli.main([command, "--host", "0.0.0.0"]) == 1
    assert "loopback" in capsys.readouterr().err


def test_a_port_in_use_is_told_plainly(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        assert cli.main(["serve", "--port", str(taken.getsockname()[1])]) == 1
    assert "Cannot listen" in capsys.readouterr().err


def test_wrong_settings_are_told_and_end_with_two(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["serve", "--port", "seventy"]) == 2
    assert "port" in capsys.readouterr().err


@pytest.mark.parametrize("action", ["check", "migrate", "backup"])
def test_where_there_is_no_store_none_is_made(
    data: Path, capsys: pytest.CaptureFixture[str], action: str
) -> None:
    assert cli.main(["store", action]) == 1
    assert "no store yet" in capsys.readouterr().err
    assert not list(data.iterdir())


@pytest.mark.parametrize("command", [["serve"], ["dispatch"], ["store", "check"]])
@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("nonsense", "no URL of a database"),
        ("postgresql://me:hidden@127.0.0.1:1/x?connect_timeout=1", "cannot be used"),
        ("sqlite:////dev/null/store", "/dev/null"),
        ("sqlite:///{data}/text", "not a database"),
    ],
)
def test_a_database_that_cannot_be_used_is_told_in_one_line(
    data: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    command: list[str],
    url: str,
    told: str,
) -> None:
    (data / "text").write_text("this is no database\n" * 100)
    monkeypatch.setenv("OPTIGROUND_DATABASE", url.format(data=data))
    monkeypatch.setattr(cli, "_check_port", lambda settings: None)
    assert cli.main(command) == 1
    error = capsys.readouterr().err
    assert told in error
    assert error.count("\n") == 1
    assert "hidden" not in error


@pytest.mark.parametrize("command", ["serve", "dispatch"])
def test_a_data_folder_below_a_file_is_told_in_one_line(
    data: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    (data / "file").touch()
    monkeypatch.setattr(cli, "_check_port", lambda settings: None)
    assert cli.main([command, "--data", str(data / "file" / "x")]) == 1
    assert capsys.readouterr().err.endswith("Not a directory\n")


def test_a_backup_into_a_missing_folder_is_told_in_one_line(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Store(f"sqlite:///{data / 'optiground.sqlite'}").counts()
    assert cli.main(["store", "backup", str(data / "missing" / "copy")]) == 1
    assert "missing/copy: No such file" in capsys.readouterr().err


def test_a_folder_of_another_store_is_found_by_the_check_and_given_over_by_adopt(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Store(f"sqlite:///{data / 'optiground.sqlite'}").counts()
    (data / "instance").write_text("another\n")
    assert cli.main(["dispatch"]) == 1
    assert "belongs to the store another" in capsys.readouterr().err
    assert cli.main(["store", "check"]) == 1
    assert cli.main(["store", "adopt"]) == 0
    assert cli.main(["store", "check"]) == 0


def parts(server: Any, word: str) -> list[psutil.Process]:
    """Living processes below the supervisor with this word in their command."""
    found = []
    for one in psutil.Process(server.process.pid).children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess):
            if one.status() != psutil.STATUS_ZOMBIE and word in one.cmdline():
                found.append(one)
    return found


def test_a_killed_web_worker_web_server_and_dispatcher_come_back(
    running_server: Any, until: Any
) -> None:
    """Jobs that wait meanwhile all end rightly."""
    pid = running_server.process.pid
    names = [running_server.submit("echo", {"stringInput": str(n)}) for n in range(6)]
    (arbiter,) = [one for one in parts(running_server, "gunicorn") if one.ppid() == pid]
    worker = arbiter.children()[0]
    worker.kill()
    # A child of the dispatcher has its command too until it runs one of its own.
    (dispatcher,) = [one for one in parts(running_server, "dispatch") if one.ppid() == pid]
    dispatcher.kill()
    until(lambda: worker not in arbiter.children() and len(arbiter.children()) == 2)
    until(lambda: parts(running_server, "dispatch") not in ([], [dispatcher]))
    for name in names:
        assert running_server.wait(name)["status"] == "successful"
    arbiter.kill()
    until(lambda: not arbiter.is_running())
    until(lambda: is_healthy(running_server))


def is_healthy(server: Any) -> bool:
    try:
        return bool(server.get("/health").status_code == 200)
    except requests.ConnectionError:
        return False


def test_serve_stops_cleanly_when_asked(tmp_path: Path, ended: Any) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "server.cli", "serve", "--data", str(tmp_path)]
    with subprocess.Popen([*command, "--port", str(port)], stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        assert b"OptiGround is ready at" in child.stdout.readline()
        parts = psutil.Process(child.pid).children(recursive=True)
        child.send_signal(signal.SIGINT)
        assert child.wait() == 0
    assert all(ended(part) for part in parts)
    # The compiled kernels are no secret.
    made = [entry for entry in tmp_path.rglob("*") if tmp_path / "numba" not in entry.parents]
    assert {entry.name for entry in made} >= {"instance", "jobs", "optiground.sqlite", "reserve"}
    assert [entry.name for entry in made if entry.stat().st_mode & 0o077] == []
