"""What is removed, and what stays."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import select

from server.errors import StoreFault
from server.jobs.launcher import MARKER
from server.jobs.models import Key, NewJob, Upload
from server.jobs.schema import keys

TWO_HOURS = 7200


def age(path: Path) -> None:
    for entry in (*path.rglob("*"), path):
        os.utime(entry, (time.time() - TWO_HOURS,) * 2)


def upload(engine, name: str, *, days: float) -> Path:
    now = datetime.now(UTC)
    path = engine.settings.uploads_folder / name / "a.tif"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"image")
    expires = now + timedelta(days=days)
    engine.store.add_upload(Upload(name, "ana", "a.tif", path, 5, "0" * 64, now, expires))
    age(path.parent)
    return path


@pytest.fixture
def sweep(engine) -> Callable[[], None]:
    return engine.dispatcher.sweeper._sweep.sweep


def names(folder: Path) -> set[str]:
    return {entry.name for entry in folder.iterdir()}


def test_a_success_keeps_everything_but_its_scratch_files(engine) -> None:
    job = engine.run("succeed")
    engine.dispatcher.sweeper.turn()
    assert names(job.workdir) >= {"output", "log.txt", "result.json"}
    # The request as it came may hold credentials.
    assert not {"scratch", "job.json"} & names(job.workdir)


def test_a_failure_keeps_its_logs_only(engine) -> None:
    job = engine.run("die")
    engine.dispatcher.sweeper.turn()
    # The first attempt's logs tell why it was lost.
    assert names(job.workdir.parent) == {"1", "2"}
    for attempt in job.workdir.parent.iterdir():
        assert names(attempt) == {"log.txt", "operator.log"}


def test_a_lost_attempt_frees_its_disk_before_the_next_one_runs(engine) -> None:
    name = engine.submit("die")
    engine.until(lambda: engine.job(name).status == "running")
    first = engine.job(name).workdir
    engine.until(lambda: engine.job(name).status == "accepted" or engine.job(name).attempt == 2)
    engine.dispatcher.sweeper.turn()
    assert names(first) == {"log.txt", "operator.log"}


def test_what_a_killed_dispatcher_left_of_a_lost_attempt_goes_at_the_success(
    engine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    sweeper = engine.dispatcher.sweeper
    sweeper.turn()
    monkeypatch.setattr(sweeper, "strip", lambda attempt: None)
    name = engine.submit("succeed-when-told", gate=str(tmp_path / "gate"))
    engine.until(lambda: engine.members(name) and (engine.job(name).progress == 40))
    first = engine.job(name).workdir
    for pid in engine.members(name):
        os.kill(pid, signal.SIGKILL)
    engine.until(lambda: engine.job(name).attempt == 2)
    assert "scratch" in names(first)
    (first / "operator.log").write_text("x" * 200_000)
    (tmp_path / "gate").touch()
    engine.until(lambda: engine.job(name).status == "successful")
    sweeper.turn()
    assert names(first) == {"log.txt", "operator.log"}
    assert (first / "operator.log").stat().st_size <= 100_000
    # Not only until the next hour.
    sweeper._next = 0.0
    sweeper.turn()
    assert names(first) == {"log.txt", "operator.log"}
    engine.store.dismiss(name, "ana")
    sweeper.turn()
    assert names(first.parent) == {"2"}


def test_the_hourly_sweep_leaves_the_logs_of_lost_attempts_only(engine, sweep, tmp_path) -> None:
    name = engine.submit("succeed-when-told", gate=str(tmp_path / "gate"))
    engine.until(lambda: engine.members(name) and (engine.job(name).progress == 40))
    for pid in engine.members(name):
        os.kill(pid, signal.SIGKILL)
    engine.until(lambda: engine.job(name).attempt == 2)
    first = engine.settings.jobs_folder / name / "1"
    (first / "scratch").mkdir(exist_ok=True)
    (first / "scratch" / "left").touch()
    sweep()
    assert names(first) == {"log.txt", "operator.log"}


def test_keys_are_removed_also_while_files_cannot_be(
    engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = Key("over", "a" * 64, 0.0)
    engine.store.create(NewJob("j", "echo", "ana", {"inputs": {}}, key=key))
    engine.store.dismiss("j", "ana")

    def fail(job: object) -> None:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(engine.dispatcher.sweeper._sweep._upkeep, "tidied", fail)
    engine.dispatcher.sweeper.turn()
    with engine.store.database.reading() as connection:
        assert connection.execute(select(keys.c.name)).all() == []


def test_folders_with_odd_names_do_not_stop_the_sweep(engine, sweep) -> None:
    job = engine.run("die")
    for name in ("²", "0x1", "1" * 200):
        (job.workdir.parent / name).mkdir()
    sweep()
    assert names(job.workdir.parent) == {"²", "0x1", "1" * 200, "1", "2"}


def test_the_sweeper_lives_through_any_fault_and_the_store_knows_of_it(
    engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    sweeper, store = engine.dispatcher.sweeper, engine.store
    engine.turn()

    def fail() -> None:
        raise ValueError("whatever")

    monkeypatch.setattr(sweeper._sweep, "tidy", fail)
    sweeper.turn()
    assert store.sweep_fault() == "ValueError"
    monkeypatch.undo()
    sweeper.turn()
    assert store.sweep_fault() is None
    monkeypatch.setattr(sweeper._sweep, "tidy", fail)
    sweeper.turn()
    engine.dispatcher.leave()
    assert store.sweep_fault() is None


def test_a_folder_that_another_store_has_taken_is_not_swept(engine, sweep) -> None:
    folder = engine.settings.jobs_folder / "unknown"
    folder.mkdir()
    age(folder)
    (engine.settings.data / "instance").write_text("another\n")
    with pytest.raises(StoreFault, match="another"):
        sweep()
    (engine.settings.data / "instance").unlink()
    with pytest.raises(StoreFault, match="does not name"):
        sweep()
    assert folder.exists()


def test_dismissing_a_success_removes_all_but_the_end_of_its_log(engine) -> None:
    job = engine.run("succeed")
    engine.store.dismiss(job.id, "ana")
    engine.dispatcher.sweeper.turn()
    assert names(job.workdir) == {"log.txt"}
    text = (job.workdir / "log.txt").read_text()
    assert len(text) <= 100_000
    assert set(text.splitlines()) == {"a line of the log"}


def test_results_that_a_waiting_job_reads_stay_until_it_has_ended(engine, settings) -> None:
    source = engine.run("succeed")
    reader = NewJob("reader", "echo", "ana", {"inputs": {"do": "succeed"}}, jobs_used=(source.id,))
    engine.store.create(reader)
    engine.store.dismiss(source.id, "ana")
    engine.dispatcher.sweeper.turn()
    assert "output" in names(source.workdir)
    engine.until(lambda: engine.job("reader").final)
    engine.dispatcher.sweeper.turn()
    assert "output" not in names(source.workdir)


def test_results_are_given_up_when_their_time_is_over(make_engine, settings, sweep) -> None:
    engine = make_engine(settings.model_copy(update={"retention_days": 1e-9}))
    job = engine.run("succeed")
    engine.dispatcher.sweeper._sweep.sweep()
    engine.dispatcher.sweeper._sweep.tidy()
    job = engine.job(job.id)
    assert (job.status, job.directory, job.outputs) == ("successful", None, {})
    assert job.removed
    assert names(job.workdir) == {"log.txt"}


def test_uploads_go_when_their_time_is_over_unless_a_waiting_job_reads_them(engine, sweep) -> None:
    kept = upload(engine, "kept", days=1)
    over = upload(engine, "over", days=-1)
    needed = upload(engine, "needed", days=-1)
    engine.store.create(NewJob("reader", "echo", "ana", {}, uploads_used=("needed",)))
    sweep()
    assert kept.exists()
    assert needed.exists()
    assert not over.exists()
    assert engine.store.get_upload("over") is None
    engine.store.dismiss("reader", "ana")
    sweep()
    assert not needed.exists()


def test_what_no_record_knows_goes_when_it_is_old(engine, sweep) -> None:
    settings = engine.settings
    folders = (settings.jobs_folder, settings.uploads_folder, settings.inspections_folder)
    for folder in folders:
        for name in ("old", "young", "growing"):
            (folder / name).mkdir(parents=True)
            (folder / name / ".part").write_text("x")
        age(folder / "old")
        age(folder / "growing")
        (folder / "growing" / ".part").write_text("xx")
    sweep()
    for folder in folders:
        assert names(folder) == {"young", "growing"}


def test_keys_of_requests_go_when_their_time_is_over_and_no_request_comes(engine) -> None:
    for name, kept_s in (("over", 0.0), ("kept", 3600.0)):
        key = Key(name, "a" * 64, kept_s)
        engine.store.create(NewJob(name, "echo", "ana", {"inputs": {}}, key=key))
    engine.dispatcher.sweeper.turn()
    with engine.store.database.reading() as connection:
        left = connection.execute(select(keys.c.name)).scalars().all()
    assert left == ["kept"]


def test_a_stray_process_of_an_attempt_that_nobody_answers_for_is_ended(engine, sweep) -> None:
    instance = engine.store.database.instance()
    name = engine.submit("sleep")
    engine.until(lambda: engine.job(name).progress == 40)
    command = [sys.executable, "-S", "-c", "import time; time.sleep(600)"]

    def started(marker: str) -> "subprocess.Popen[bytes]":
        return subprocess.Popen(command, env={MARKER: marker}, start_new_session=True)

    stray = started(f"{instance}/{name}/7")
    foreign = started(f"another-instance/{name}/7")
    sweep()
    stray.wait()
    assert foreign.poll() is None
    foreign.kill()
    foreign.wait()
    assert len(engine.members(name)) == 1
