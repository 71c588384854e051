"""Who is claimed when, and what a dispatcher may still change; on SQLite and on PostgreSQL."""

import threading
from pathlib import Path

import pytest

from server.jobs.claims import Claims, Held, Places
from server.jobs.models import NewJob
from server.jobs.store import Store

MANY = Places(1000, 1000, 1000)


def claims_of(store: Store, name: str = "d1") -> Claims:
    return Claims(store.database, name, f"dispatcher {name}", Path("/jobs"), 1.0)


@pytest.fixture
def claims(store: Store) -> Claims:
    return claims_of(store)


def submit(store: Store, *names: str) -> None:
    """Each name is the user's name and a number."""
    for name in names:
        store.create(NewJob(name, "echo", name.rstrip("0123456789"), {}))


def claimed(claims: Claims, places: Places = MANY) -> str | None:
    held = claims.claim(places)
    return held.job.id if held else None


def take(claims: Claims, places: Places = MANY) -> Held:
    held = claims.claim(places)
    assert held is not None
    return held


def test_users_take_turns_and_each_user_s_jobs_keep_their_order(
    store: Store, claims: Claims
) -> None:
    submit(store, "ana1", "ana2", "ana3", "ana4", "bo1", "bo2", "cy1")
    order = [claimed(claims) for _ in range(8)]
    assert order == ["ana1", "bo1", "cy1", "ana2", "bo2", "ana3", "ana4", None]


def test_a_user_who_comes_back_does_not_go_before_those_who_wait(
    store: Store, claims: Claims
) -> None:
    submit(store, "bo1", "ana1")
    assert [claimed(claims), claimed(claims)] == ["ana1", "bo1"]
    submit(store, "ana2", "bo2")
    assert claimed(claims) == "ana2"
    submit(store, "ana3", "ana4")
    assert [claimed(claims), claimed(claims)] == ["bo2", "ana3"]


def test_a_user_at_the_limit_is_passed_over(store: Store, claims: Claims) -> None:
    submit(store, "ana1", "ana2", "bo1")
    places = Places(3, 3, 1)
    assert [claimed(claims, places), claimed(claims, places)] == ["ana1", "bo1"]
    assert claimed(claims, places) is None


@pytest.mark.parametrize("places", [Places(2, 9, 9), Places(9, 2, 9)])
def test_no_more_jobs_are_claimed_than_there_are_places(
    store: Store, claims: Claims, places: Places
) -> None:
    submit(store, "ana1", "bo1", "cy1")
    first = take(claims, places)
    assert claimed(claims, places) is not None
    assert claimed(claims, places) is None
    # Dismissed is not dead: the place is free when its processes are.
    store.dismiss(first.job.id, "ana")
    assert claimed(claims, places) is None
    claims.release(first.job.id, first.job.attempt)
    assert claimed(claims, places) == "cy1"


def test_a_claimed_job_runs_its_first_attempt_in_a_folder_of_its_own(
    store: Store, claims: Claims
) -> None:
    submit(store, "ana1")
    held = take(claims)
    job = store.get("ana1")
    assert job == held.job
    assert (job.status, job.attempt, job.workdir) == ("running", 1, Path("/jobs/ana1/1"))
    assert job.started is not None
    assert job.directory is None


def test_success_is_published_once(store: Store, claims: Claims) -> None:
    submit(store, "ana1")
    take(claims)
    assert claims.publish("ana1", 1, Path("/jobs/ana1/1"), {"word": "x"}, "done")
    assert not claims.publish("ana1", 1, Path("/jobs/ana1/1"), {"word": "y"}, "done")
    assert not claims.fail("ana1", 1, [], "late")
    job = store.get("ana1")
    assert job is not None
    assert (job.status, job.progress, job.outputs) == ("successful", 100, {"word": "x"})
    assert job.directory == Path("/jobs/ana1/1")
    assert job.finished is not None
    assert job.expires is not None
    assert (job.expires - job.finished).total_seconds() == pytest.approx(86400, abs=1)
    assert [step.after for step in store.transitions()] == ["accepted", "running", "successful"]


def test_a_late_attempt_and_a_stranger_change_nothing(store: Store, claims: Claims) -> None:
    submit(store, "ana1")
    take(claims)
    assert claims.requeue("ana1", 1, "lost", lost=True)
    assert take(claims).lost == 1
    assert not claims.publish("ana1", 1, Path("/jobs/ana1/1"), {}, "late")
    assert not claims_of(store, "d2").publish("ana1", 2, Path("/jobs/ana1/2"), {}, "stranger")
    assert claims.publish("ana1", 2, Path("/jobs/ana1/2"), {}, "done")


def test_what_was_dismissed_is_not_published(store: Store, claims: Claims) -> None:
    submit(store, "ana1")
    take(claims)
    store.dismiss("ana1", "ana")
    claims.report("ana1", 1, 50, "half way")
    assert not claims.publish("ana1", 1, Path("/jobs/ana1/1"), {}, "done")
    job = store.get("ana1")
    assert job is not None
    assert (job.status, job.directory, job.progress) == ("dismissed", None, 0)


def test_dismissing_a_success_takes_its_results_away(store: Store, claims: Claims) -> None:
    submit(store, "ana1")
    take(claims)
    claims.publish("ana1", 1, Path("/jobs/ana1/1"), {"word": "x"}, "done")
    finished = store.get("ana1")
    job = store.dismiss("ana1", "ana")
    assert (job.status, job.directory, job.outputs) == ("dismissed", None, {})
    assert job.removed
    assert finished is not None
    assert job.finished == finished.finished


def test_only_one_of_two_dispatchers_adopts_a_job(store: Store, claims: Claims) -> None:
    submit(store, "ana1")
    take(claims)
    others = [claims_of(store, "d2"), claims_of(store, "d3")]
    seen = [other.of_others()[0] for other in others]
    assert [other.adopt(held) for other, held in zip(others, seen, strict=True)] == [True, False]
    assert others[0].statuses() == {("ana1", 1): "running"}
    assert claims.statuses() == {}


def test_many_dispatchers_at_once_claim_each_job_once_and_keep_the_limit(
    database_url: str,
) -> None:
    stores = [Store(database_url) for _ in range(4)]
    submit(stores[0], *(f"{user}{number}" for number in range(10) for user in ("ana", "bo")))
    done: list[str] = []
    running: set[str] = set()
    most = 0
    lock = threading.Lock()

    def work(number: int) -> None:
        nonlocal most
        mine = claims_of(stores[number], f"d{number}")
        while True:
            held = mine.claim(Places(3, 3, 3))
            if held is None:
                if not mine.waiting():
                    return
                continue
            with lock:
                running.add(held.job.id)
                most = max(most, len(running))
            with lock:
                running.discard(held.job.id)
            assert mine.publish(held.job.id, 1, Path("/d"), {}, "done")
            done.append(held.job.id)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(done) == sorted({*done})
    assert len(done) == 20
    assert most <= 3
    for store in stores:
        store.close()
