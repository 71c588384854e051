"""What the store does for one job does not grow with the jobs that have ended."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine, event, text

from server.jobs.claims import Claims, Places
from server.jobs.models import NewJob
from server.jobs.store import Store

FEW, MANY = 100, 5000


def fill(store: Store, count: int) -> None:
    """Add copies of a job that has ended, each made a millisecond before the last one."""
    store.create(NewJob("first", "echo", "ana", {}))
    store.dismiss("first", "ana")
    with store.database.writing() as connection:
        found = connection.execute(text("SELECT * FROM jobs"))
        columns = [name for name in found.keys() if name != "seq"]  # noqa: SIM118 -- no mapping
        found.close()
        made = {
            "id": "'old' || number",
            "created": "created - 1000 * number",
            "untidy": "0",
        }
        copied = ", ".join(made.get(name, name) for name in columns)
        numbers = "WITH RECURSIVE n(number) AS (SELECT 1 UNION ALL SELECT number + 1 FROM n WHERE "
        connection.execute(
            text(
                f"{numbers} number < {count}) INSERT INTO jobs ({', '.join(columns)}) "
                f"SELECT {copied} FROM jobs, n WHERE id = 'first'"
            )
        )


def steps(store: Store, work: Callable[[], object]) -> int:
    """How many instructions SQLite's machine carries out for a piece of work."""
    count = 0

    def step() -> int:
        nonlocal count
        count += 1
        return 0

    def watch(connection: Any, *_: object) -> None:
        connection.set_progress_handler(step, 1)

    event.listen(store.database.engine(), "checkout", watch)
    work()
    event.remove(store.database.engine(), "checkout", watch)
    return count


def test_a_job_costs_the_same_whether_few_or_many_have_ended(tmp_path: Path) -> None:
    taken = {}
    for number in (FEW, MANY):
        store = Store(f"sqlite:///{tmp_path / str(number)}.sqlite")
        claims = Claims(store.database, "d1", "dispatcher", tmp_path, 1.0)
        fill(store, number)
        assert store.counts()["dismissed"] == number + 1

        def work(store: Store = store, claims: Claims = claims) -> None:
            store.create(NewJob("new", "echo", "ana", {}))
            held = claims.claim(Places(2, 2, 2))
            assert held is not None
            assert held.job.workdir is not None
            claims.report("new", 1, 50, "half way")
            assert claims.publish("new", 1, held.job.workdir, {}, "done")
            found = store.get("new")
            assert found is not None
            assert found.status == "successful"

        taken[number] = steps(store, work)
        store.close()
    assert taken[FEW] > FEW
    assert taken[MANY] < 1.2 * taken[FEW], taken


def rows_read_in_whole(store: Store) -> int:
    """How many rows of jobs and transitions PostgreSQL read so far by going through all of them.

    It writes this down at the latest when its connections end.
    """
    store.close()
    engine = create_engine(store.database.url, isolation_level="AUTOCOMMIT")
    others = text(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() "
        "AND backend_type = 'client backend' AND pid <> pg_backend_pid()"
    )
    read = text(
        "SELECT sum(seq_tup_read) FROM pg_stat_user_tables WHERE relname IN ('jobs', 'transitions')"
    )
    with engine.connect() as connection:
        end = time.monotonic() + 60
        while connection.execute(others).scalar_one():
            assert time.monotonic() < end, "they did not end"
        found = int(connection.execute(read).scalar_one())
    engine.dispose()
    return found


@pytest.mark.postgresql
def test_no_step_of_a_job_goes_through_those_that_have_ended(
    postgresql_url: str, tmp_path: Path
) -> None:
    store = Store(postgresql_url)
    fill(store, MANY)
    with store.database.writing() as connection:
        connection.execute(text("ANALYZE"))
    before = rows_read_in_whole(store)
    claims = Claims(store.database, "d1", "dispatcher", tmp_path, 1.0)
    # More often than the driver takes to prepare each statement, and the server to plan it for any.
    for number in range(15):
        name = f"new{number}"
        store.create(NewJob(name, "echo", "ana", {}))
        assert claims.waiting()
        held = claims.claim(Places(2, 2, 2))
        assert held is not None
        assert held.job.workdir is not None
        claims.report(name, 1, 50, "half way")
        assert claims.publish(name, 1, held.job.workdir, {}, "done")
        assert store.get(name) is not None
        assert len(store.transitions(name)) == 3
    assert rows_read_in_whole(store) - before < MANY
    # The measure sees what goes through all of them.
    assert len(store.transitions()) == 2 + 15 * 3
    with store.database.reading() as connection:
        connection.execute(text("SELECT count(message) FROM jobs")).scalar_one()
    assert rows_read_in_whole(store) - before >= MANY
    store.close()
