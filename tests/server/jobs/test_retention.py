"""What goes when its time is over, in which steps, and what stays; on SQLite and on PostgreSQL."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Table, event, func, insert, select, update

from server.jobs import care, retention
from server.jobs.claims import Claims, Places
from server.jobs.models import Key, NewJob, Upload
from server.jobs.schema import (
    callbacks,
    jobs,
    keys,
    subscribers,
    transitions,
    uploads,
    uses,
)
from server.jobs.store import Store
from server.jobs.upkeep import Upkeep

STEP = 3
YEAR = 365.0
TWO_YEARS_US = 2 * 365 * 86_400_000_000
REFERRING = (callbacks, keys, subscribers, uses, transitions)


@pytest.fixture(autouse=True)
def _small_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "_AT_ONCE", STEP)


@contextmanager
def rows_of_transactions(store: Store, verb: str, table: Table) -> Iterator[list[int]]:
    """How many rows each transaction changes meanwhile."""
    numbers, pending = list[int](), list[int]()

    def note(connection: Any, cursor: Any, statement: str, *_: object) -> None:
        if statement.startswith(f"{verb} {table.name}"):
            pending.append(cursor.rowcount)

    def commit(connection: Any) -> None:
        if pending:
            numbers.append(sum(pending))
            pending.clear()

    engine = store.database.engine()
    event.listen(engine, "after_cursor_execute", note)
    event.listen(engine, "commit", commit)
    yield numbers
    event.remove(engine, "after_cursor_execute", note)
    event.remove(engine, "commit", commit)


def claims_of(store: Store) -> Claims:
    return Claims(store.database, "d", "d", Path("/jobs"), 1.0)


def succeed(store: Store, name: str, **more: Any) -> None:
    """Make a job and let it end well."""
    store.create(NewJob(name, "echo", "ana", {"inputs": {}}, **more))
    claims = claims_of(store)
    held = claims.claim(Places(99, 99, 99))
    assert held is not None
    assert held.job.id == name
    assert claims.publish(name, 1, Path("/jobs") / name, {}, "done")


def change(store: Store, *names: str, **values: Any) -> None:
    with store.database.writing() as connection:
        connection.execute(update(jobs).where(jobs.c.id.in_(names)).values(**values))


def end_long_ago(store: Store, *names: str) -> None:
    """Let jobs have ended two years ago, and their results be removed."""
    before = store.database.now() - TWO_YEARS_US
    past = {"created": before, "finished": before, "expires": before}
    change(store, *names, **past, removed="over", directory=None, untidy=0)


def ids(store: Store) -> set[str]:
    return {job.id for job in store.list(limit=1000)[0]}


def number(store: Store, table: Table) -> int:
    with store.database.reading() as connection:
        return connection.execute(select(func.count()).select_from(table)).scalar_one()


def test_results_expire_a_few_in_each_transaction(store: Store) -> None:
    names = [f"j{place}" for place in range(8)]
    for name in names:
        succeed(store, name)
    change(store, *names[:7], expires=store.database.now() - 1)
    store.create(NewJob("reader", "echo", "ana", {}, jobs_used=("j3",)))
    with rows_of_transactions(store, "UPDATE", jobs) as rows:
        assert Upkeep(store.database).expire() == 6
    assert rows == [STEP, STEP]
    kept = {job.id for job in store.list()[0] if job.final and job.removed is None}
    assert kept == {"j3", "j7"}


def test_uploads_are_forgotten_a_few_in_each_transaction(store: Store) -> None:
    now = datetime.now(UTC)
    for place in range(8):
        path = Path(f"/uploads/{place}/a.tif")
        store.add_upload(Upload(f"u{place}", "ana", "a.tif", path, 5, "0" * 64, now, now))
    store.create(NewJob("reader", "echo", "ana", {}, uploads_used=("u0",)))
    going = Upkeep(store.database).forget_uploads()
    gone = [next(going)]
    # Nobody waits for the rest: others write in between.
    assert number(store, uploads) == 8 - STEP
    store.create(NewJob("writer", "echo", "ana", {}))
    gone.extend(going)
    assert set(gone) == {Path(f"/uploads/{place}/a.tif") for place in range(1, 8)}
    assert [upload.id for upload in store.list_uploads()] == ["u0"]


def test_records_go_with_all_that_refers_to_them_a_few_in_each_transaction(store: Store) -> None:
    now = datetime.now(UTC)
    store.add_upload(Upload("u", "ana", "a.tif", Path("/u"), 5, "0" * 64, now, now))
    names = [f"j{place}" for place in range(7)]
    for name in names:
        succeed(
            store,
            name,
            uploads_used=("u",),
            key=Key(name, "a" * 64, 0.0),
            subscriber={"successUri": "https://example.org/"},
        )
    succeed(store, "new")
    # Whoever left it there: it must not keep the record for ever.
    with store.database.writing() as connection:
        connection.execute(insert(subscribers).values(job="j0", uris="{}"))
    end_long_ago(store, *names)
    forget = Upkeep(store.database).forget_jobs
    with rows_of_transactions(store, "DELETE FROM", jobs) as rows:
        taken = [forget(YEAR) for _ in range(4)]
    assert rows == [3, 3, 1]
    assert [len(some) for some in taken] == [3, 3, 1, 0]
    assert ids(store) == {"new"}
    assert {table.name: number(store, table) for table in REFERRING} == {
        "callbacks": 0,
        "idempotency_keys": 0,
        "subscribers": 0,
        "uses": 0,
        "transitions": 3,
    }
    assert not [line for line in care.findings(store.database) if "not where" not in line]


@pytest.mark.parametrize(
    "values",
    [
        {"status": "accepted", "finished": None},
        {"status": "running", "holder": "d", "finished": None},
        {"holder": "d"},
        {"untidy": 1},
        {"removed": None, "directory": "/jobs/j"},
        {"finished": 2**52},
        {"created": 2**52},
    ],
    ids="-".join,
)
def test_a_record_stays_while_anything_of_the_job_is_left(
    store: Store, values: dict[str, Any]
) -> None:
    succeed(store, "j")
    end_long_ago(store, "j")
    change(store, "j", **values)
    assert Upkeep(store.database).forget_jobs(YEAR) == ()
    assert ids(store) == {"j"}
    end_long_ago(store, "j")
    change(store, "j", status="failed", holder=None)
    assert Upkeep(store.database).forget_jobs(3 * YEAR) == ()
    assert Upkeep(store.database).forget_jobs(YEAR) == ("j",)


def test_a_record_stays_while_a_request_sent_again_leads_to_it(store: Store) -> None:
    key = Key("k", "a" * 64, 3600.0)
    succeed(store, "j", key=key)
    end_long_ago(store, "j")
    assert Upkeep(store.database).forget_jobs(YEAR) == ()
    again = store.made_under("ana", key)
    assert again is not None
    with store.database.writing() as connection:
        connection.execute(update(keys).values(expires=store.database.now() - 1))
    assert Upkeep(store.database).forget_jobs(YEAR) == ("j",)


def test_two_dispatchers_remove_records_while_users_dismiss_them(database_url: str) -> None:
    stores = [Store(database_url) for _ in range(3)]
    store = stores[0]
    names = [f"j{place}" for place in range(60)]
    for name in names:
        store.create(NewJob(name, "echo", "ana", {}))
        store.dismiss(name, "ana")
    end_long_ago(store, *names)
    # A dismissal of these leaves files to be removed, at first.
    change(store, *names[::2], status="failed")
    removed, faults, dismissed = list[str](), list[BaseException](), list[str]()

    def remove(mine: Store) -> None:
        try:
            while set(names) - set(removed) - set(dismissed):
                removed.extend(Upkeep(mine.database).forget_jobs(YEAR))
        except BaseException as error:
            faults.append(error)
            raise

    def dismiss(mine: Store) -> None:
        for name in reversed(names[::2]):
            # What is dismissed just before its record goes stays until it is tidy.
            if mine.get(name) is None:
                continue
            try:
                mine.dismiss(name, "ana")
            except Exception as error:
                if type(error).__name__ != "NoSuchJob":
                    faults.append(error)
                    raise
            else:
                dismissed.append(name)

    threads = [threading.Thread(target=remove, args=(one,)) for one in stores[:2]]
    threads.append(threading.Thread(target=dismiss, args=(stores[2],)))
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert faults == []
    assert len(removed) == len(set(removed))
    assert set(removed) | set(dismissed) == set(names)
    assert ids(store) == set(dismissed)
    end_long_ago(store, *dismissed)
    while Upkeep(store.database).forget_jobs(YEAR):
        pass
    assert ids(store) == set()
    assert care.findings(store.database) == ()
    for one in stores:
        one.close()


def test_the_dispatcher_removes_old_records_and_the_last_of_their_files(
    make_engine: Callable[..., Any], settings: Any
) -> None:
    engine = make_engine(settings.model_copy(update={"retention_days": 1e-9, "record_days": 1e-9}))
    done = [engine.run("succeed"), *(engine.run("succeed") for _ in range(STEP))]
    done.append(engine.run("die"))
    sweeper = engine.dispatcher.sweeper
    # The first expires the results, and the second removes all of their files but the log; then
    # each removes a step's number of records.
    for _ in range(2):
        sweeper.turn()
    assert (done[0].workdir / "log.txt").exists()
    sweeper._next = 0.0
    for _ in range(4):
        sweeper.turn()
    assert ids(engine.store) == set()
    assert list(engine.settings.jobs_folder.iterdir()) == []
    assert care.findings(engine.store.database) == ()
    assert sweeper._fault is None


def test_records_stay_for_as_long_as_results_may(
    make_engine: Callable[..., Any], settings: Any
) -> None:
    engine = make_engine(settings.model_copy(update={"record_days": 1e-9}))
    kept = engine.run("succeed")
    gone = engine.run("succeed")
    engine.store.dismiss(gone.id, "ana")
    for _ in range(3):
        engine.dispatcher.sweeper._next = 0.0
        engine.dispatcher.sweeper.turn()
    # By the setting alone that of the dismissed job would have gone.
    assert ids(engine.store) == {kept.id, gone.id}
    end_long_ago(engine.store, gone.id)
    engine.dispatcher.sweeper.turn()
    engine.dispatcher.sweeper._next = 0.0
    for _ in range(2):
        engine.dispatcher.sweeper.turn()
    assert ids(engine.store) == {kept.id}
