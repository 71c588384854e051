"""Jobs from the queue to their ends, with a stand-in for the program that runs them."""

import json
import os
import signal
from pathlib import Path

import pytest
from sqlalchemy.exc import OperationalError

from server.jobs.models import Transition


def steps(transitions: tuple[Transition, ...]) -> list[str]:
    return [step.after for step in transitions]


def test_a_job_runs_and_its_result_is_published(engine) -> None:
    job = engine.run("succeed")
    assert (job.status, job.progress, job.message) == ("successful", 100, "successful")
    assert job.directory == engine.settings.jobs_folder / job.id / "1"
    assert (job.directory / "output" / job.outputs["word"]["path"]).read_text() == "word"
    assert steps(engine.store.transitions(job.id)) == ["accepted", "running", "successful"]


def test_progress_and_message_are_copied_while_the_job_runs(engine) -> None:
    name = engine.submit("sleep")
    engine.until(lambda: engine.job(name).progress == 40)
    job = engine.job(name)
    assert (job.status, job.message) == ("running", "half way")
    assert job.log is not None
    assert job.log.is_file()


def test_a_failure_keeps_its_problems_and_is_not_tried_again(engine) -> None:
    job = engine.run("fail")
    assert (job.status, job.message, job.attempt) == ("failed", "no overlap", 1)
    assert [problem["code"] for problem in job.problems] == ["no-overlap"]


@pytest.mark.parametrize("do", ["die", "lose-worker"])
def test_a_lost_worker_is_retried_once_and_then_the_job_fails_as_lost(engine, do: str) -> None:
    job = engine.run(do)
    assert (job.status, job.attempt) == ("failed", 2)
    assert [problem["code"] for problem in job.problems] == ["worker-lost"]
    expected = ["accepted", "running", "accepted", "running", "failed"]
    assert steps(engine.store.transitions(job.id)) == expected


def test_the_second_attempt_starts_afresh_in_another_folder(engine) -> None:
    job = engine.run("die-once")
    assert (job.status, job.outputs["attempt"]) == ("successful", 2)
    assert job.directory == engine.settings.jobs_folder / job.id / "2"


def test_a_result_that_points_out_of_its_folder_is_not_published(engine) -> None:
    job = engine.run("lie")
    assert (job.status, job.outputs, job.directory) == ("failed", {}, None)
    assert [problem["code"] for problem in job.problems] == ["internal-error"]
    assert job.error_id
    assert str(engine.settings.data) not in job.message


def test_children_that_outlive_the_leader_are_dead_before_the_result_is_published(engine) -> None:
    name = engine.submit("leave-children")
    engine.until((engine.settings.jobs_folder / name / "1" / "result.json").exists)
    engine.until(lambda: engine.job(name).final)
    assert engine.job(name).status == "successful"
    assert engine.members(name) == []


@pytest.mark.parametrize("do", ["sleep", "ignore-sigterm"])
def test_a_dismissed_job_is_dead_soon_and_gives_its_place_back(engine, do: str) -> None:
    name = engine.submit(do)
    engine.until(lambda: engine.job(name).progress == 40)
    assert engine.members(name)
    assert engine.store.dismiss(name, "ana").status == "dismissed"
    engine.until(lambda: engine.dispatcher.idle, seconds=10)
    assert engine.members(name) == []
    assert engine.run("succeed").status == "successful"


def test_a_stopped_process_is_lost_after_the_heartbeat_timeout(engine) -> None:
    name = engine.submit("succeed-when-told", gate=str(engine.settings.data / "never"))
    engine.until(lambda: engine.job(name).progress == 40)
    for pid in engine.members(name):
        os.kill(pid, signal.SIGSTOP)
    engine.until(lambda: engine.job(name).attempt == 2)
    assert engine.members(name) == []
    (engine.settings.data / "never").touch()
    engine.until(lambda: engine.job(name).final)
    assert engine.job(name).status == "successful"


def test_who_stops_the_program_from_outside_makes_a_lost_worker(engine) -> None:
    name = engine.submit("sleep")
    engine.until(lambda: engine.job(name).progress == 40)
    for pid in engine.members(name):
        os.kill(pid, signal.SIGTERM)
    engine.until(lambda: engine.job(name).attempt == 2)


def test_a_new_dispatcher_adopts_what_a_dead_one_left(engine, settings) -> None:
    gate = settings.data / "gate"
    name = engine.submit("succeed-when-told", gate=str(gate))
    engine.until(lambda: engine.job(name).progress == 40)
    first = engine.dispatcher
    first.leave()
    engine.dispatcher = type(first)(settings, engine.command)
    engine.until(lambda: not engine.dispatcher.idle)
    gate.touch()
    engine.until(lambda: engine.job(name).final)
    assert (engine.job(name).status, engine.job(name).attempt) == ("successful", 1)


def test_a_living_dispatcher_keeps_its_jobs(engine, settings) -> None:
    name = engine.submit("sleep")
    engine.until(lambda: engine.job(name).progress == 40)
    other = type(engine.dispatcher)(settings, engine.command)
    other.turn()
    assert other.idle
    assert engine.job(name).attempt == 1


def test_a_stop_can_put_running_jobs_back_without_counting_a_loss(engine) -> None:
    name = engine.submit("sleep")
    engine.until(lambda: engine.job(name).progress == 40)
    engine.dispatcher.take_down()
    job = engine.job(name)
    assert (job.status, job.attempt) == ("accepted", 1)
    assert engine.members(name) == []
    engine.until(lambda: engine.job(name).progress == 40)
    (pid,) = engine.members(name, 2)
    os.kill(pid, signal.SIGKILL)
    # The loss is the first one.
    engine.until(lambda: engine.job(name).attempt == 3)


def test_a_program_that_cannot_be_started_fails_the_job_with_an_error_id(
    make_engine, settings
) -> None:
    engine = make_engine(settings, lambda directory: [str(directory / "nothing-here")])
    job = engine.run("succeed")
    assert (job.status, job.attempt) == ("failed", 1)
    assert job.error_id


def test_the_child_sees_no_secret_and_works_in_its_own_folder(engine, monkeypatch) -> None:
    monkeypatch.setenv("OPTIGROUND_DATABASE", "postgresql://user:hidden@host/db")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "hidden")
    name = engine.submit("sleep")
    engine.until(lambda: engine.job(name).progress == 40)
    (pid,) = engine.members(name)
    environment = Path(f"/proc/{pid}/environ").read_bytes()
    assert b"hidden" not in environment
    assert b"TMPDIR=" + str(engine.job(name).workdir).encode() in environment
    assert os.getpriority(os.PRIO_PROCESS, pid) == 10
    if (session := Path(f"/proc/{pid}/autogroup")).is_file():
        # Else the niceness of a session's processes counts among themselves only.
        engine.until(lambda: session.read_text().endswith(" nice 10\n"))
    limits = Path(f"/proc/{pid}/limits").read_text()
    assert [line.split()[4] for line in limits.splitlines() if "core file" in line] == ["0"]


def test_a_job_whose_dispatcher_died_before_the_start_loses_no_attempt(engine, settings) -> None:
    name = engine.submit("die")
    first = engine.dispatcher
    first._claims.beat(first._me)
    assert first._claims.claim(first._places) is not None
    first.leave()
    engine.dispatcher = type(first)(settings, engine.command)
    engine.until(lambda: engine.job(name).final)
    # Two attempts were lost after the one that never started.
    assert (engine.job(name).status, engine.job(name).attempt) == ("failed", 3)


def test_a_job_that_hangs_after_its_result_is_ended_and_published(engine) -> None:
    assert engine.run("hang-at-the-end").status == "successful"


def test_a_claim_whose_answer_was_lost_is_found_again(engine) -> None:
    engine.turn()
    name = engine.submit("succeed")
    # The store has noted the claim, the dispatcher knows nothing of it.
    assert engine.dispatcher._claims.claim(engine.dispatcher._places) is not None
    engine.until(lambda: engine.job(name).final)
    assert (engine.job(name).status, engine.job(name).attempt) == ("successful", 2)


@pytest.mark.parametrize("broken", ["record", "fail"])
def test_no_job_hangs_when_the_store_fails_between_claim_and_start(
    engine, monkeypatch, broken: str
) -> None:
    def no_answer(*_: object) -> None:
        raise OperationalError("update", {}, Exception("gone"))

    dispatcher = engine.dispatcher
    monkeypatch.setattr("server.jobs.dispatcher._SECOND", 0.01)
    monkeypatch.setattr("server.jobs.dispatcher._BEAT_S", 0.01)
    monkeypatch.setattr(dispatcher._claims, broken, no_answer)
    if broken == "fail":
        monkeypatch.setattr(dispatcher._launcher, "start", no_answer)
    name = engine.submit("succeed")
    while engine.job(name).status == "accepted":
        dispatcher._guarded(dispatcher.turn)
    monkeypatch.undo()
    engine.until(lambda: engine.job(name).final)
    assert engine.job(name).status == "successful"


def test_the_job_is_told_its_public_address(make_engine, settings) -> None:
    public = settings.model_copy(update={"public_url": "https://example.org/ground/"})
    job = make_engine(public).run("succeed")
    request = json.loads((job.workdir / "job.json").read_text())
    assert request["links"] == {"self": f"https://example.org/ground/jobs/{job.id}"}


def test_an_outage_of_the_store_ends_no_job(engine, monkeypatch, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    name = engine.submit("succeed-when-told", gate=str(gate))
    engine.until(lambda: engine.job(name).progress == 40)
    dispatcher, working = engine.dispatcher, []

    def no_answer() -> None:
        working.append(1)
        raise OperationalError("select", {}, Exception("gone"))

    monkeypatch.setattr(dispatcher._claims, "statuses", no_answer)
    monkeypatch.setattr("server.jobs.dispatcher._SECOND", 0.01)
    for _ in range(3):
        dispatcher._guarded(dispatcher.turn)
    assert len(working) == 3
    monkeypatch.undo()
    gate.touch()
    engine.until(lambda: engine.job(name).final)
    assert (engine.job(name).status, engine.job(name).attempt) == ("successful", 1)
