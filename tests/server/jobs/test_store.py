"""The store as the web process uses it; every test runs on SQLite and on PostgreSQL."""

import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from server.errors import NoSuchJob, NoSuchUpload, QueueFull, StoreFault, UploadInUse
from server.jobs.claims import Claims, Places
from server.jobs.models import NewJob, Upload
from server.jobs.store import Store


def job(name: str, owner: str = "ana", process_id: str = "echo", **more: object) -> NewJob:
    return NewJob(name, process_id, owner, {"inputs": {"word": name}}, **more)


def upload(name: str, owner: str = "ana") -> Upload:
    now = datetime.now(UTC).replace(microsecond=123456)
    return Upload(name, owner, "a.tif", Path("/d") / name, 5, "0" * 64, now, now + timedelta(1))


def test_a_new_job_is_accepted_and_read_back_as_it_was_written(store: Store) -> None:
    before = datetime.now(UTC)
    made = store.create(job("j1", resources={"wall_s": 60.0}, files={"upload:u": "/d/u"}))
    assert (made.status, made.progress, made.attempt, made.owner) == ("accepted", 0, 0, "ana")
    assert before <= made.created <= datetime.now(UTC)
    assert made.started is None
    assert made.finished is None
    assert made.document == {"inputs": {"word": "j1"}}
    assert made.resources == {"wall_s": 60.0}
    assert made.files == {"upload:u": "/d/u"}
    assert store.get("j1") == made
    assert store.get("j2") is None


def test_any_text_comes_back_the_same_from_both_databases(store: Store) -> None:
    word = "nul \0, surrogate \ud800, é, 𝄞"
    store.create(NewJob("j1", "echo", "ana", {"inputs": {"word": word}}))
    read = store.get("j1")
    assert read is not None
    assert read.document["inputs"]["word"] == word


def test_jobs_are_listed_newest_first_and_by_pages(store: Store) -> None:
    for number in range(5):
        store.create(job(f"j{number}"))
    page, total = store.list(limit=2, offset=1)
    assert [found.id for found in page] == ["j3", "j2"]
    assert total == 5


def test_the_list_can_be_narrowed_down(store: Store) -> None:
    store.create(job("a1", owner="ana"))
    middle = store.create(job("b1", owner="bo", process_id="mpic-opt"))
    store.create(job("a2", owner="ana"))
    store.dismiss("a2", "ana")

    def ids(**conditions: object) -> set[str]:
        found, total = store.list(**conditions)  # type: ignore[arg-type]
        assert total == len(found)
        return {one.id for one in found}

    assert ids(owner="ana") == {"a1", "a2"}
    assert ids(process_id="mpic-opt") == {"b1"}
    assert ids(process_id=("mpic-opt", "echo")) == {"a1", "a2", "b1"}
    assert ids(statuses=("dismissed", "running")) == {"a2"}
    assert ids(created_from=middle.created) == {"b1", "a2"}
    assert ids(created_to=middle.created) == {"a1", "b1"}
    assert ids(min_duration=0) == set()


def test_dismissing_a_waiting_job_ends_it_and_twice_is_the_same(store: Store) -> None:
    store.create(job("j1"))
    first = store.dismiss("j1", "ana")
    assert first.status == "dismissed"
    assert first.finished is not None
    assert first.removed
    assert store.dismiss("j1", "bo") == first
    steps = [(step.before, step.after, step.who) for step in store.transitions("j1")]
    assert steps == [(None, "accepted", "web"), ("accepted", "dismissed", "ana")]


def test_dismissing_an_unknown_job_is_refused(store: Store) -> None:
    with pytest.raises(NoSuchJob):
        store.dismiss("j1", "ana")


SECRET = {"inputs": {"reference": {"href": "https://me:word@example.org/a.tif?token=1"}}}
SAFE = {"inputs": {"reference": {"href": "https://example.org/a.tif"}}}


def test_credentials_in_references_are_forgotten_when_a_job_has_ended(store: Store) -> None:
    claims = Claims(store.database, "d", "d", Path("/jobs"), 1.0)
    for name in ("done", "failed", "dismissed"):
        store.create(NewJob(name, "echo", "ana", SECRET))
    claims.claim(Places(9, 9, 9))
    assert claims.requeue("done", 1, "lost", lost=True)
    assert store.get("done").document == SECRET
    for _ in range(2):
        claims.claim(Places(9, 9, 9))
    assert claims.publish("done", 2, Path("/d"), {}, "done")
    assert claims.fail("failed", 1, [], "failed")
    store.dismiss("dismissed", "ana")
    assert [job.document for job in store.list()[0]] == [SAFE] * 3


def test_the_store_and_its_folder_are_closed_to_other_users(tmp_path: Path) -> None:
    store = Store(f"sqlite:///{tmp_path / 'data' / 'store'}")
    store.create(NewJob("j1", "echo", "ana", SECRET))
    modes = {path.name: path.stat().st_mode & 0o777 for path in (tmp_path / "data").iterdir()}
    assert modes == {"store": 0o600, "store-wal": 0o600, "store-shm": 0o600}
    assert (tmp_path / "data").stat().st_mode & 0o777 == 0o700
    store.close()


@pytest.mark.parametrize(
    "url", ["no-url", "postgresql://me:word@host:port/x", "mysql://h/x", "sqlite://"]
)
def test_what_is_no_database_of_ours_is_refused_without_repeating_it(url: str) -> None:
    with pytest.raises(StoreFault, match="setting `database`") as caught:
        Store(url)
    assert "word" not in caught.value.message


def test_uploads_are_kept_listed_and_forgotten(store: Store) -> None:
    one = upload("u1")
    store.add_upload(one)
    store.add_upload(upload("u2", owner="bo"))
    assert store.get_upload("u1") == one
    assert [found.id for found in store.list_uploads("ana")] == ["u1"]
    assert {found.id for found in store.list_uploads()} == {"u1", "u2"}
    assert store.delete_upload("u1") == one.path
    assert store.get_upload("u1") is None
    assert store.delete_upload("u1") is None


def test_an_upload_stays_as_long_as_a_waiting_job_needs_it(store: Store) -> None:
    store.add_upload(upload("u1"))
    store.create(job("j1", uploads_used=("u1",)))
    with pytest.raises(UploadInUse):
        store.delete_upload("u1")
    store.dismiss("j1", "ana")
    assert store.delete_upload("u1") is not None


def test_a_job_is_refused_when_what_it_reads_is_gone(store: Store) -> None:
    with pytest.raises(NoSuchUpload):
        store.create(job("j1", uploads_used=("u1",)))
    store.create(job("j2"))
    with pytest.raises(NoSuchJob):
        store.create(job("j3", jobs_used=("j2",)))
    assert store.get("j1") is None
    assert store.transitions("j3") == ()


def test_the_queue_has_an_end_for_one_user_and_for_all(database_url: str) -> None:
    store = Store(database_url, queue_limit=3, user_queue_limit=2)
    store.create(job("a1"))
    store.create(job("a2"))
    with pytest.raises(QueueFull, match="your jobs"):
        store.create(job("a3"))
    store.create(job("b1", owner="bo"))
    with pytest.raises(QueueFull, match="3 jobs"):
        store.create(job("c1", owner="cy"))
    store.close()


def test_counts_name_every_status(store: Store) -> None:
    store.create(job("j1"))
    store.create(job("j2"))
    store.dismiss("j2", "ana")
    expected = {"accepted": 1, "running": 0, "successful": 0, "failed": 0, "dismissed": 1}
    assert store.counts() == expected


def test_a_store_that_works_is_writable_and_has_no_dispatcher_yet(store: Store) -> None:
    assert store.is_writable()
    assert store.dispatcher_age_s() is None


def test_a_database_that_cannot_be_reached_is_not_writable(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    assert not Store(f"sqlite:///{tmp_path / 'file' / 'store.sqlite'}").is_writable()


def test_many_threads_and_two_stores_submit_at_once_and_nothing_is_lost(database_url: str) -> None:
    stores = [Store(database_url), Store(database_url)]
    errors: list[BaseException] = []

    def submit(which: int) -> None:
        try:
            for number in range(10):
                stores[which % 2].create(job(f"j{which}-{number}"))
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=submit, args=(which,)) for which in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert stores[0].list(limit=1)[1] == 80
    assert len(stores[1].transitions()) == 80
    for store in stores:
        store.close()
