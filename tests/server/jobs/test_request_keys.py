"""Requests that come again under their Idempotency-Key; on SQLite and on PostgreSQL."""

import threading

import pytest
from sqlalchemy import Integer, cast, func, select, update

from server.errors import KeyReused, QueueFull
from server.jobs import keys as module
from server.jobs.models import Job, Key, NewJob
from server.jobs.schema import keys
from server.jobs.store import Store
from server.jobs.upkeep import Upkeep


def key(name: str = "k", what: str = "a", kept_s: float = 60.0) -> Key:
    return Key(name, what * 64, kept_s)


def job(id_: str, given: Key | None, owner: str = "ana") -> NewJob:
    return NewJob(id_, "echo", owner, {"inputs": {}}, key=given)


def kept(store: Store) -> int:
    with store.database.reading() as connection:
        return connection.execute(select(func.count()).select_from(keys)).scalar_one()


def names(store: Store) -> set[str]:
    with store.database.reading() as connection:
        return set(connection.execute(select(keys.c.name)).scalars())


def let_pass(store: Store) -> None:
    """Let the time of all keys be over."""
    with store.database.writing() as connection:
        connection.execute(update(keys).values(expires=store.database.now() - 1))


def test_the_same_key_and_request_give_the_same_job(store: Store) -> None:
    made = store.create(job("j1", key()))
    assert made.id == "j1"
    assert store.create(job("j2", key())) == made
    assert store.made_under("ana", key()) == made
    assert store.list()[1] == 1
    assert len(store.transitions()) == 1


def test_the_job_is_told_as_it_is_when_the_request_comes_again(store: Store) -> None:
    store.create(job("j1", key()))
    ended = store.dismiss("j1", "ana")
    assert store.create(job("j2", key())) == ended


def test_another_request_under_the_same_key_is_refused(store: Store) -> None:
    store.create(job("j1", key()))
    with pytest.raises(KeyReused):
        store.create(job("j2", key(what="b")))
    with pytest.raises(KeyReused):
        store.made_under("ana", key(what="b"))
    assert store.list()[1] == 1


def test_keys_of_different_users_have_nothing_to_do_with_each_other(store: Store) -> None:
    assert store.create(job("j1", key())).id == "j1"
    assert store.made_under("bo", key(what="b")) is None
    assert store.create(job("j2", key(what="b"), owner="bo")).id == "j2"


def test_without_a_key_every_request_makes_a_job(store: Store) -> None:
    assert [store.create(job(name, None)).id for name in ("j1", "j2")] == ["j1", "j2"]
    assert kept(store) == 0


def test_a_key_whose_time_is_over_is_free_again(store: Store) -> None:
    store.create(job("j1", key()))
    let_pass(store)
    assert store.made_under("ana", key()) is None
    assert store.create(job("j2", key(what="b"))).id == "j2"
    assert store.made_under("ana", key(what="b")).id == "j2"
    assert kept(store) == 1


def test_keys_whose_time_is_over_are_removed_in_steps_and_no_others(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_AT_ONCE", 3)
    for number in range(7):
        store.create(job(f"j{number}", key(str(number), kept_s=number * 1000)))
    forget = Upkeep(store.database).forget_keys
    assert forget() == 1
    with store.database.writing() as connection:
        at = store.database.now() - 1_000_000 * (7 - cast(keys.c.name, Integer))
        connection.execute(update(keys).where(keys.c.name < "6").values(expires=at))
    assert forget() == 3
    # Those that have been over for longest went first.
    assert names(store) == {"4", "5", "6"}
    assert [forget(), forget(), forget()] == [2, 0, 0]
    assert names(store) == {"6"}
    assert store.made_under("ana", key("6")) is not None


def test_two_dispatchers_remove_keys_at_the_same_time(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_AT_ONCE", 5)
    stores = [Store(database_url), Store(database_url)]
    for number in range(60):
        stores[0].create(job(f"j{number}", key(str(number))))
    let_pass(stores[0])
    removed: list[int] = []

    def remove(store: Store) -> None:
        while kept(store):
            removed.append(Upkeep(store.database).forget_keys())

    threads = [threading.Thread(target=remove, args=(store,)) for store in stores]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(removed) == 60
    for store in stores:
        store.close()


def test_a_refused_request_leaves_its_key_free(database_url: str) -> None:
    store = Store(database_url, queue_limit=1)
    store.create(job("j1", None))
    with pytest.raises(QueueFull):
        store.create(job("j2", key()))
    assert kept(store) == 0
    store.dismiss("j1", "ana")
    assert store.create(job("j3", key(what="b"))).id == "j3"
    # What was taken once is not refused when the queue is full.
    assert store.create(job("j4", key(what="b"))).id == "j3"
    store.close()


def test_requests_at_the_same_time_under_one_key_make_one_job(database_url: str) -> None:
    stores = [Store(database_url), Store(database_url)]
    start, found = threading.Barrier(8), list[Job | BaseException]()

    def submit(which: int) -> None:
        try:
            start.wait(60)
            for number in range(5):
                found.append(stores[which % 2].create(job(f"j{which}-{number}", key(str(number)))))
        except BaseException as error:
            found.append(error)

    threads = [threading.Thread(target=submit, args=(which,)) for which in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [one for one in found if isinstance(one, BaseException)] == []
    assert len(found) == 40
    assert len({one.id for one in found if isinstance(one, Job)}) == 5
    assert stores[0].list()[1] == len(stores[0].transitions()) == 5
    for store in stores:
        store.close()
