"""Many jobs, several dispatchers in processes of their own, and what is killed meanwhile."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from server.jobs.care import findings
from server.jobs.claims import Claims
from server.jobs.database import Database
from server.jobs.models import NewJob, Transition
from server.jobs.process import lives, process
from server.jobs.store import Store
from server.settings import Settings

HERE = Path(__file__).parent


class Dispatchers:
    """Dispatchers as processes, and the store as a test sees it."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.store = Store(settings.database_url)
        self.running: list[subprocess.Popen[bytes]] = []

    def start(self) -> subprocess.Popen[bytes]:
        chosen = {"data", "database", "heartbeat_timeout_s", "free_space_min"}
        options = self.settings.model_dump(mode="json", include=chosen)
        child = subprocess.Popen([sys.executable, str(HERE / "dispatch.py"), json.dumps(options)])
        self.running.append(child)
        return child

    def stop(self) -> None:
        for child in self.running:
            child.terminate()
            child.wait()

    def submit(self, name: str, do: str, owner: str = "ana", **inputs: object) -> None:
        self.store.create(NewJob(name, "echo", owner, {"inputs": {"do": do, **inputs}}))

    def until(self, condition: Callable[[], bool], seconds: float = 120) -> None:
        end = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < end, self.store.transitions()
            time.sleep(0.02)

    def drained(self) -> bool:
        counts = self.store.counts()
        return counts["accepted"] + counts["running"] == 0

    def leader(self, name: str) -> int:
        """Pid of the leader of a running job, once it is known."""
        seen = Claims(self.store.database, "test", "test", self.settings.jobs_folder, 1.0)

        def leaders() -> list[int]:
            held = [one for one in seen.of_others() if one.job.id == name and one.leader]
            return [one.leader.pid for one in held if one.leader and lives(one.leader)]

        self.until(lambda: bool(leaders()))
        return leaders()[0]


@pytest.fixture
def dispatchers(settings: Settings) -> Iterator[Dispatchers]:
    made = Dispatchers(settings)
    yield made
    made.stop()
    # What a stopped dispatcher left running is taken down by a last one.
    counts = made.store.counts()
    for job in made.store.list(statuses=("accepted", "running"), limit=1000)[0]:
        made.store.dismiss(job.id, "test")
    if counts["running"]:
        made.start()
        made.until(lambda: not _held(made.store))
        made.running[-1].terminate()
        made.running[-1].wait()
    made.store.close()


def _held(store: Store) -> bool:
    return bool(Claims(store.database, "test", "test", Path("/"), 1.0).of_others())


def most_at_once(transitions: tuple[Transition, ...]) -> int:
    """The greatest number of jobs that ran at the same time."""
    running: set[str] = set()
    most = 0
    for step in transitions:
        if step.after == "running":
            running.add(step.job)
        else:
            running.discard(step.job)
        most = max(most, len(running))
    return most


def check_witness(store: Store, names: set[str]) -> None:
    """No job is lost, none is published twice, never do more run than may, each chain is whole."""
    transitions = store.transitions()
    ends: dict[str, list[str]] = defaultdict(list)
    runs: dict[str, int] = defaultdict(int)
    for step in transitions:
        runs[step.job] += step.after == "running"
        if step.after in ("successful", "failed"):
            ends[step.job].append(step.after)
    assert {name for name, found in ends.items() if len(found) == 1} == names
    assert most_at_once(transitions) <= 2
    # One that was lost, and one that never started because its dispatcher was killed.
    assert max(runs.values()) <= 3
    assert findings(Database(store.database.url.render_as_string(hide_password=False))) == ()


def test_a_hundred_jobs_submitted_at_once_are_shared_by_two_dispatchers(
    dispatchers: Dispatchers,
) -> None:
    dispatchers.start()
    dispatchers.start()

    def submit(user: str) -> None:
        store = Store(dispatchers.settings.database_url)
        for number in range(25):
            do = "fail" if number % 10 == 0 else "succeed"
            store.create(NewJob(f"{user}{number}", "echo", user, {"inputs": {"do": do}}))
        store.close()

    users = ("ana", "bo", "cy", "di")
    threads = [threading.Thread(target=submit, args=(user,)) for user in users]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    dispatchers.until(dispatchers.drained)
    names = {f"{user}{number}" for user in users for number in range(25)}
    check_witness(dispatchers.store, names)
    counts = dispatchers.store.counts()
    assert (counts["successful"], counts["failed"]) == (88, 12)
    workers = {step.who for step in dispatchers.store.transitions() if step.after == "running"}
    assert len(workers) == 2


def test_kills_and_stops_lose_no_job_while_twenty_wait(
    dispatchers: Dispatchers, tmp_path: Path
) -> None:
    """A leader is killed, another stopped, and each dispatcher killed while its jobs run."""
    first = dispatchers.start()
    gates = [str(tmp_path / f"gate{number}") for number in range(20)]
    for number in range(20):
        dispatchers.submit(f"j{number}", "succeed-when-told", gate=gates[number])
    os.kill(dispatchers.leader("j0"), signal.SIGKILL)
    os.kill(dispatchers.leader("j1"), signal.SIGSTOP)
    dispatchers.until(lambda: dispatchers.store.transitions("j0")[-1].attempt == 2)
    dispatchers.until(lambda: dispatchers.store.transitions("j1")[-1].attempt == 2)
    first.kill()
    first.wait()
    survivor = dispatchers.leader("j0")
    second = dispatchers.start()
    for gate in gates[:10]:
        Path(gate).touch()
    dispatchers.until(lambda: dispatchers.store.counts()["successful"] >= 10)
    second.kill()
    second.wait()
    dispatchers.start()
    for gate in gates[10:]:
        Path(gate).touch()
    dispatchers.until(dispatchers.drained)
    check_witness(dispatchers.store, {f"j{number}" for number in range(20)})
    assert dispatchers.store.counts()["successful"] == 20
    jobs, _ = dispatchers.store.list(limit=20)
    assert {job.id for job in jobs if job.attempt >= 2} >= {"j0", "j1"}
    left = process(survivor)
    assert left is None or not left.alive


def test_sigterm_leaves_jobs_running_for_the_next_dispatcher(
    dispatchers: Dispatchers, tmp_path: Path
) -> None:
    first = dispatchers.start()
    gate = tmp_path / "gate"
    dispatchers.submit("j1", "succeed-when-told", gate=str(gate))
    pid = dispatchers.leader("j1")
    first.terminate()
    assert first.wait() == 0
    assert Path(f"/proc/{pid}").exists()
    gate.touch()
    dispatchers.start()
    dispatchers.until(dispatchers.drained)
    job = dispatchers.store.get("j1")
    assert job is not None
    assert (job.status, job.attempt) == ("successful", 1)


@pytest.mark.parametrize("count", [20, pytest.param(200, marks=pytest.mark.slow)])
def test_dismissal_against_the_moment_of_success(dispatchers: Dispatchers, count: int) -> None:
    """Dismissed before publishing, or published and then removed: all witnesses agree."""
    dispatchers.start()
    dispatchers.start()
    store = dispatchers.store
    orders: dict[str, int] = defaultdict(int)
    for number in range(count):
        name = f"j{number}"
        dispatchers.submit(name, "succeed")
        folder = dispatchers.settings.jobs_folder / name / "1"
        # Somewhere between the result's being written and the record's being changed.
        dispatchers.until((folder / "result.json").exists)
        time.sleep(0.06 * number / count)
        job = store.dismiss(name, "ana")
        assert (job.status, job.directory, job.outputs) == ("dismissed", None, {})
        assert store.dismiss(name, "ana") == job
        steps = tuple(step.after for step in store.transitions(name))
        assert steps[:2] == ("accepted", "running")
        assert steps[2:] in (("dismissed",), ("successful", "dismissed"))
        orders[steps[2]] += 1
    dispatchers.until(lambda: not _held(store))
    dispatchers.until(lambda: not list(dispatchers.settings.jobs_folder.glob("*/*/output")))
    for number in range(count):
        folder = dispatchers.settings.jobs_folder / f"j{number}" / "1"
        assert {entry.name for entry in folder.iterdir()} == {"log.txt"}
        assert (folder / "log.txt").stat().st_size <= 100_000
        assert store.get(f"j{number}") == store.dismiss(f"j{number}", "ana")
    if count > 100:
        assert len(orders) == 2, orders
