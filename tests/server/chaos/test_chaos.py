"""Parts of a whole server are killed again and again while clients send it jobs.

Each client retries until it is answered, under an Idempotency-Key.  At the end there is one job per
key, each job has ended once, and nothing is left of what was lost.
"""

import os
import random
import signal
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from typing import Any

import psutil
import pytest
from sqlalchemy import create_engine, text

from server.jobs.care import findings
from server.jobs.database import Database
from server.jobs.launcher import MARKER
from server.jobs.models import FINAL, Job, Transition
from server.jobs.process import Identity, identity, lives, marked, process
from server.jobs.store import Store

SEED = 20261125
PARTS = ("web worker", "dispatcher", "job leader", "job child")
CONNECTION = "database connection"
CHILDREN = ("spawn_main", " inspect ")
"""Words in the commands of a job's children: workers of the pool, and who looks at the inputs."""
ENOUGH_S = 120.0
"""For an answer, for a victim to turn up, for the next job to end: far more than any takes."""
LOGS = {"log.txt", "operator.log"}
LOST = {"worker-lost", "limit-reached"}
"""Why a job may fail here: lost twice, or its inspection was killed, as one that takes too much is.
"""
BUSY_ONES_FIRST = text(
    "SELECT pg_terminate_backend(pid), state FROM pg_stat_activity"
    " WHERE datname = :name AND backend_type = 'client backend'"
    " ORDER BY state = 'idle', random() LIMIT 1"
)


class Killer:
    """Finds victims of each kind and ends them without a word."""

    def __init__(self, server: Any, database: Database) -> None:
        self.supervisor = psutil.Process(server.process.pid)
        self.mark = f"{MARKER}={database.instance()}/".encode()
        self.url = database.url
        self.random = random.Random(SEED)
        self.killed: Counter[str] = Counter()
        self.details: Counter[str] = Counter()

    def order(self, rounds: int) -> list[str]:
        """The kinds of victims in some order, each as often as any other."""
        sqlite = self.url.get_backend_name() == "sqlite"
        kinds = PARTS if sqlite else (*PARTS, CONNECTION)
        order = [kinds[number % len(kinds)] for number in range(rounds or len(kinds))]
        self.random.shuffle(order)
        return order

    def kill(self, kind: str) -> None:
        """Kill one of a kind, as soon as there is one."""
        time.sleep(self.random.uniform(0, 1))
        end = time.monotonic() + ENOUGH_S
        strike = self._terminate if kind == CONNECTION else lambda: self._strike(kind)
        while not strike():
            assert time.monotonic() < end, f"there is no {kind}"
            time.sleep(0.01)
        self.killed[kind] += 1

    def left(self) -> list[bytes]:
        """Processes of jobs that live."""
        return [entry for _, entry in marked(self.mark)]

    def of_server(self) -> list[Identity]:
        """All processes of the server, but those of jobs."""
        below = [one.pid for one in self.supervisor.children(recursive=True)]
        found = (identity(pid) for pid in (self.supervisor.pid, *below))
        return [one for one in found if one is not None]

    def web_workers(self) -> list[int]:
        """Living processes that answer requests."""
        (arbiter,) = self._parts("gunicorn")
        found = (process(child.pid) for child in arbiter.children())
        return [one.pid for one in found if one is not None and one.alive]

    def _strike(self, kind: str) -> bool:
        candidates = self._candidates(kind)
        if not candidates:
            return False
        pid = self.random.choice(candidates)
        who = identity(pid)
        if who is None:
            return False
        self.details[f"{kind}: {_word(pid)}"] += 1
        os.kill(pid, signal.SIGKILL)
        while lives(who):
            time.sleep(0.001)
        return True

    def _candidates(self, kind: str) -> list[int]:
        if kind == "web worker":
            return self.web_workers()
        if kind == "dispatcher":
            return [one.pid for one in self._parts("dispatch")]
        members = [one for one, _ in marked(self.mark)]
        if kind == "job leader":
            return [one.pid for one in members if one.pid == one.session]
        return [one.pid for one in members if _word(one.pid) in CHILDREN]

    def _parts(self, word: str) -> list[psutil.Process]:
        found = []
        for one in self.supervisor.children():
            try:
                if word in one.cmdline():
                    found.append(one)
            except psutil.NoSuchProcess:
                continue
        return found

    def _terminate(self) -> bool:
        engine = create_engine(self.url.set(database="postgres"), isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            row = connection.execute(BUSY_ONES_FIRST, {"name": self.url.database}).first()
        engine.dispose()
        if row is not None:
            self.details[f"{CONNECTION}: {row.state}"] += 1
        return row is not None and bool(row[0])


def _word(pid: int) -> str:
    """What a process does."""
    try:
        line = " ".join(psutil.Process(pid).cmdline())
    except psutil.NoSuchProcess:
        return "gone"
    return next((word for word in (*CHILDREN, "gunicorn", "dispatch", "run") if word in line), "")


@pytest.mark.parametrize(
    "rounds", [pytest.param(0, id="one-of-each"), pytest.param(50, marks=pytest.mark.slow)]
)
def test_whatever_is_killed_each_job_ends_once_and_each_key_has_one_job(
    rounds: int,
    database_url: str,
    server_with: Callable[..., Any],
    crowd_at: Callable[[Any], Any],
    until: Callable[..., None],
) -> None:
    started = time.monotonic()
    limits = {f"{whose}running_limit": 4 for whose in ("", "host_", "user_")}
    server = server_with(
        database=database_url, job_executor="spawn", job_workers=2, web_workers=2, **limits
    )
    store = Store(database_url)
    killer = Killer(server, store.database)
    store.close()
    crowd = crowd_at(server)
    crowd.start()
    pauses = []
    try:
        for kind in killer.order(rounds):
            killer.kill(kind)
            pauses.append(_until_the_next_end(crowd, until))
    finally:
        crowd.stop()
    assert crowd.faults == []
    assert crowd.witness.wrong == []
    assert set(crowd.retries()) <= {"ConnectionError", "ChunkedEncodingError", "503"}
    until(lambda: len(killer.web_workers()) == 2)
    until(lambda: not killer.left())
    until(lambda: not list(server.data.glob("jobs/*/*/scratch")))
    check_store(store, crowd, killer)
    store.close()
    parts = killer.of_server()
    assert len(parts) >= 5
    server.process.terminate()
    assert server.process.wait(60) == 0
    assert not [one for one in parts if lives(one)]
    print(  # noqa: T201 -- figures of the run, shown with -s
        f"\n{store.database.url.get_backend_name()}, seed {SEED}: {sum(killer.killed.values())}"
        f" rounds {dict(killer.killed)} {dict(killer.details)}, {len(crowd.keys)} keys,"
        f" retries {dict(crowd.retries())}, {len(crowd.witness.deleted)} dismissed, "
        f"longest {max(pauses):.1f} s until the next job ended, "
        f"{time.monotonic() - started:.0f} s altogether"
    )


def _until_the_next_end(crowd: Any, until: Callable[..., None]) -> float:
    """Wait until the server brings further jobs to their ends; how long that took."""
    before, start = len(crowd.witness.ended), time.monotonic()
    until(lambda: crowd.faults or len(crowd.witness.ended) > before, ENOUGH_S)
    assert crowd.faults == []
    return time.monotonic() - start


def check_store(store: Store, crowd: Any, killer: Killer) -> None:
    """What the store and the folders say when all is over."""
    jobs = {job.id: job for job in _all_jobs(store)}
    assert sorted(crowd.keys.values()) == sorted(jobs)
    steps: dict[str, list[Transition]] = defaultdict(list)
    for step in store.transitions():
        steps[step.job].append(step)
    for job in jobs.values():
        check_job(job, steps[job.id], job.id in crowd.witness.deleted)
    lost = [s for chain in steps.values() for s in chain if (s.before, s.after) in LOSSES]
    assert len(lost) <= sum(killer.killed.values())
    assert findings(store.database) == ()


LOSSES = {("running", "accepted"), ("running", "failed")}


def _all_jobs(store: Store) -> Iterator[Job]:
    offset = 0
    while page := store.list(limit=500, offset=offset)[0]:
        yield from page
        offset += len(page)


def check_job(job: Job, steps: list[Transition], deleted: bool) -> None:
    """One way into an end; published once, from one folder; nothing else of it is left."""
    ends = [step for step in steps if step.after in FINAL and step.before not in FINAL]
    assert len(ends) == 1, steps
    later = [step.after for step in steps[steps.index(ends[0]) + 1 :]]
    assert later in ([], ["dismissed"]), steps
    assert job.status == ("dismissed" if deleted else ends[0].after), steps
    if job.status == "failed":
        assert {problem["code"] for problem in job.problems} <= LOST, job
    attempts = {
        folder.name
        for folder in (job.workdir.parent.iterdir() if job.workdir else ())
        if {entry.name for entry in folder.iterdir()} - LOGS
    }
    published = [step.attempt for step in steps if step.after == "successful"]
    kept = published if job.status == "successful" else []
    assert attempts == {str(number) for number in kept}, (job, steps)
    if kept:
        assert job.directory == job.workdir
        assert job.workdir is not None
        assert (job.workdir / "result.json").is_file()
