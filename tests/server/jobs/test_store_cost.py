"""What the store does for one job does not grow with the jobs that have ended."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from sqlalchemy import event, text

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
        numbers = "WITH RECURSIVE n(number) AS (SELECT 1 UNION ALL SELECT number + 1 FROM n LIMIT "
        connection.execute(
            text(
                f"{numbers} {count}) INSERT INTO jobs ({', '.join(columns)}) "
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
