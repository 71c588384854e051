"""Jobs that take more than they may, run as real jobs are."""

import os
import signal
import sys
from pathlib import Path

import pytest

from core.declare import SourcePolicy, validate_inputs
from server.jobs.limits import Limits, limits_of
from server.jobs.models import NewJob

HERE = Path(__file__).parent
MIB = 1 << 20


def command(directory: Path) -> list[str]:
    return [sys.executable, str(HERE / "run_deed.py"), str(directory)]


@pytest.fixture
def database_url(tmp_path: Path) -> str:
    """Limits do not depend on the database."""
    return f"sqlite:///{tmp_path / 'store.sqlite'}"


@pytest.fixture
def deeds(make_engine, settings, monkeypatch):
    """Submits and drives jobs of the misbehaving service."""
    monkeypatch.syspath_prepend(HERE)
    monkeypatch.setenv("PYTHONPATH", str(HERE), prepend=os.pathsep)
    import misbehaving

    def engine_with(**changes: object):
        engine = make_engine(settings.model_copy(update=changes), command)

        def submit(name: str, deed: str, **inputs: object) -> None:
            document = validate_inputs(
                misbehaving.DEED, {"deed": deed, **inputs}, SourcePolicy()
            ).document
            engine.store.create(NewJob(name, "deed", "ana", document))

        return engine, submit

    return engine_with


@pytest.mark.parametrize(
    ("deed", "limit", "reason"),
    [
        ("allocate", {"memory_limit": 250 * MIB}, "memory"),
        ("write", {"disk_limit": 60 * MIB}, "disk"),
        ("write-nameless", {"disk_limit": 60 * MIB}, "disk"),
        ("fork", {"process_limit": 30}, "processes"),
        ("behave", {"wall_limit_s": 2.0}, "time"),
    ],
)
def test_a_job_without_measure_is_ended_with_the_reason_and_its_neighbour_is_unharmed(
    deeds, tmp_path: Path, deed: str, limit: dict[str, float], reason: str
) -> None:
    gate = tmp_path / "gate"
    # The neighbour behaves, under the same limits; it started before and ends after.
    engine, submit = deeds(**(limit if deed != "behave" else {}))
    submit("neighbour", "behave", gate=str(gate))
    engine.until(lambda: engine.job("neighbour").message == "waiting at the gate")
    if deed == "behave":
        other, submit = deeds(**limit)
        submit("greedy", deed, gate=str(tmp_path / "never"))
        engine.until(lambda: other.turn() or other.job("greedy").final)
    else:
        submit("greedy", deed)
        engine.until(lambda: engine.job("greedy").final)
    greedy = engine.job("greedy")
    assert (greedy.status, greedy.attempt) == ("failed", 1)
    assert [problem["code"] for problem in greedy.problems] == ["limit-reached"]
    assert f"limit of {reason}" in greedy.message
    assert engine.members("greedy") == []
    assert engine.job("neighbour").status == "running"
    gate.touch()
    engine.until(lambda: engine.job("neighbour").final)
    assert (engine.job("neighbour").status, engine.job("neighbour").attempt) == ("successful", 1)


def test_a_pool_worker_that_is_killed_makes_a_lost_attempt_and_the_next_one_succeeds(
    deeds, tmp_path: Path
) -> None:
    engine, submit = deeds(job_executor="spawn", job_workers=2)
    gate = tmp_path / "gate"
    submit("pooled", "pool", gate=str(gate))
    engine.until(lambda: len(list(tmp_path.glob("worker-*"))) == 2)
    for named in tmp_path.glob("worker-*"):
        os.kill(int(named.name.removeprefix("worker-")), signal.SIGKILL)
        break
    engine.until(lambda: engine.job("pooled").attempt == 2)
    assert engine.members("pooled", 1) == []
    gate.touch()
    engine.until(lambda: engine.job("pooled").final)
    assert engine.job("pooled").status == "successful"


def test_workers_of_a_killed_leader_are_killed_before_the_next_attempt(
    deeds, tmp_path: Path
) -> None:
    engine, submit = deeds(job_executor="spawn", job_workers=2)
    gate = tmp_path / "gate"
    submit("pooled", "pool", gate=str(gate))
    engine.until(lambda: len(list(tmp_path.glob("worker-*"))) == 2)
    (running,) = engine.dispatcher._claims.held()
    assert running.leader is not None
    os.kill(running.leader.pid, signal.SIGKILL)
    workers = {int(named.name.removeprefix("worker-")) for named in tmp_path.glob("worker-*")}
    assert workers <= set(engine.members("pooled", 1))
    engine.until(lambda: engine.job("pooled").attempt == 2)
    assert engine.members("pooled", 1) == []
    gate.touch()
    engine.until(lambda: engine.job("pooled").final)
    assert engine.job("pooled").status == "successful"


def test_the_operator_s_limits_go_before_those_of_the_process(settings) -> None:
    declared = {"wall_s": 60.0, "memory_bytes": 5.0, "disk_bytes": 6.0, "processes": 7.0}
    assert limits_of(declared, settings) == Limits(60.0, 5, 6, 7)
    mine = settings.model_copy(update={"wall_limit_s": 1.0, "process_limit": 2})
    assert limits_of(declared, mine) == Limits(1.0, 5, 6, 2)
    assert limits_of({}, settings) == Limits()
