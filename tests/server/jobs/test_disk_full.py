"""A small disk that fills up: jobs fail with the reason, records are still written."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy.exc import OperationalError

from core.declare import SourcePolicy, validate_inputs
from server.jobs.models import NewJob
from server.jobs.space import free_bytes
from server.settings import Settings, read_settings

HERE = Path(__file__).parent
MIB = 1 << 20


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 64 MiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounting = ["mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", str(folder)]
    if os.geteuid() != 0 or subprocess.run(mounting, check=False).returncode != 0:
        pytest.skip("mounting a small disk needs the rights of root")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


@pytest.fixture
def database_url(disk: Path) -> str:
    """The store shares the disk with the jobs."""
    return f"sqlite:///{disk / 'store.sqlite'}"


@pytest.fixture
def settings(disk: Path, database_url: str) -> Settings:
    return read_settings(
        environ={}, data=disk, database=database_url, free_space_min=16 * MIB, poll_s=0.01
    )


def fill(folder: Path, leave: int) -> Path:
    """Write a file that leaves so many bytes free."""
    path = folder / "filler"
    with path.open("wb") as stream:
        while (rest := free_bytes(folder) - leave) > 0:
            try:
                stream.write(bytes(min(rest, MIB)))
                stream.flush()
            except OSError:
                break
    return path


def test_a_job_that_fills_the_disk_fails_with_disk_full_and_the_next_one_runs(
    make_engine: Callable, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(HERE)
    monkeypatch.setenv("PYTHONPATH", str(HERE), prepend=os.pathsep)
    import misbehaving

    engine = make_engine(
        settings, lambda directory: [sys.executable, str(HERE / "run_deed.py"), str(directory)]
    )
    document = validate_inputs(misbehaving.DEED, {"deed": "write"}, SourcePolicy()).document
    engine.store.create(NewJob("greedy", "deed", "ana", document))
    engine.until(lambda: engine.job("greedy").final)
    job = engine.job("greedy")
    assert (job.status, job.attempt) == ("failed", 1)
    assert [problem["code"] for problem in job.problems] == ["disk-full"]
    engine.dispatcher.sweeper.turn()
    assert free_bytes(settings.data) > settings.free_space_min


def test_no_job_is_started_below_the_space_that_has_to_stay_free(engine, settings) -> None:
    engine.turn()
    filler = fill(settings.data, 12 * MIB)
    name = engine.submit("succeed")
    for _ in range(20):
        engine.turn()
    assert engine.job(name).status == "accepted"
    filler.unlink()
    engine.until(lambda: engine.job(name).final)
    assert engine.job(name).status == "successful"


def test_records_are_written_even_when_someone_else_has_filled_the_disk(
    engine, settings: Settings, until: Callable[..., None]
) -> None:
    name = engine.submit("sleep")
    engine.until(lambda: engine.job(name).progress == 40)
    assert (settings.data / "reserve").exists()
    fill(settings.data, 0)
    # Until the first record that cannot be written, which makes the dispatcher give its reserve up.
    dispatcher = engine.dispatcher

    def dismissed() -> bool:
        dispatcher._guarded(dispatcher.turn)
        try:
            return engine.store.dismiss(name, "ana").status == "dismissed"
        except OperationalError:
            return False

    # The job itself may end of the full disk first: the record of that cannot be written either.
    until(dismissed)
    engine.until(lambda: engine.dispatcher.idle)
    assert engine.job(name).status == "dismissed"
    assert engine.members(name) == []
