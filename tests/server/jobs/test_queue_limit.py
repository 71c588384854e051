"""What it costs to keep the queue to its limit, and that it is kept."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import event, insert, text

from server.errors import QueueFull
from server.jobs import allowance
from server.jobs.models import NewJob
from server.jobs.schema import jobs
from server.jobs.store import Store, waiting

AMPLE = 1000


def job(name: str, owner: str = "ana") -> NewJob:
    return NewJob(name, "echo", owner, {"inputs": {"word": name}})


def finish_many(store: Store, number: int) -> None:
    """Let most jobs in the store have ended, as in any store that has been in use for a while."""
    store.create(job("pattern"))
    with store.database.writing() as connection:
        pattern = dict(connection.execute(jobs.select()).mappings().one())
        del pattern["seq"]
        ended = pattern | {"status": "successful"}
        rows = [ended | {"id": f"old{place}"} for place in range(number)]
        connection.execute(insert(jobs), rows)
        connection.execute(text("ANALYZE jobs"))


@contextmanager
def statements(store: Store) -> Iterator[list[str]]:
    """What the store sends to the database meanwhile."""
    seen: list[str] = []

    def note(connection: Any, cursor: Any, statement: str, *_: object) -> None:
        seen.append(statement)

    engine = store.database.engine()
    event.listen(engine, "before_cursor_execute", note)
    yield seen
    event.remove(engine, "before_cursor_execute", note)


def counts(seen: list[str]) -> int:
    return sum("count(*)" in statement for statement in seen)


def test_jobs_that_wait_are_counted_without_a_look_at_those_that_have_ended(store: Store) -> None:
    finish_many(store, 3000)
    if store.database.is_sqlite:
        asked = waiting("ana").compile(compile_kwargs={"literal_binds": True})
        with store.database.reading() as connection:
            plan = connection.execute(text(f"EXPLAIN QUERY PLAN {asked}")).all()
        assert [row.detail.partition(" (")[0] for row in plan] == [
            "SEARCH jobs USING COVERING INDEX jobs_by_status"
        ]
        return
    whole = text("SELECT seq_scan FROM pg_stat_xact_user_tables WHERE relname = 'jobs'")
    with store.database.writing() as connection:
        before = connection.execute(whole).scalar_one()
        # More often than the driver takes to prepare the statement for any status.
        for _ in range(20):
            assert connection.execute(waiting("ana")).one() == (1, 1)
        assert connection.execute(whole).scalar_one() == before


@pytest.fixture
def lasting(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let an allowance last for as long as a test does, however slow the machine."""
    monkeypatch.setattr(allowance, "_LASTS_S", 3600.0)


@pytest.mark.usefixtures("lasting")
def test_who_is_far_from_the_limits_does_not_count_each_time(database_url: str) -> None:
    store = Store(database_url, queue_limit=2 * AMPLE, user_queue_limit=AMPLE)
    store.create(job("j1"))
    with statements(store) as seen:
        store.create(job("j2"))
    assert counts(seen) == 0
    # Another user has other limits.
    with statements(store) as seen:
        store.create(job("j3", owner="bo"))
    assert counts(seen) == 1
    store.close()


@pytest.mark.parametrize("limits", [(5, AMPLE), (AMPLE, 5)])
def test_several_processes_keep_to_the_limit_together(
    database_url: str, limits: tuple[int, int]
) -> None:
    everyone, mine = limits
    stores = [Store(database_url, queue_limit=everyone, user_queue_limit=mine) for _ in range(3)]
    made = 0
    for number in range(12):
        try:
            stores[number % 3].create(job(f"j{number}"))
        except QueueFull:
            continue
        made += 1
    assert made == 5
    assert stores[0].counts()["accepted"] == 5
    for store in stores:
        store.close()


@pytest.mark.usefixtures("lasting")
def test_allowances_of_several_processes_never_lead_beyond_the_limit(database_url: str) -> None:
    stores = [Store(database_url, queue_limit=600, user_queue_limit=AMPLE) for _ in range(4)]
    made = 0
    with statements(stores[0]) as seen:
        while True:
            refused = 0
            for store in stores:
                try:
                    store.create(job(f"j{made}"))
                except QueueFull:
                    refused += 1
                else:
                    made += 1
            if refused == len(stores):
                break
    assert made == stores[0].counts()["accepted"] == 600
    # At first without, and near the limit with each: else there was nothing to go beyond it.
    assert 100 < counts(seen) < 140
    for store in stores:
        store.close()


def test_a_write_that_fails_leaves_the_turn_to_the_next(store: Store) -> None:
    with pytest.raises(ZeroDivisionError), store.database.writing():
        1 / 0  # noqa: B018
    store.create(job("j1"))
    assert store.get("j1") is not None
