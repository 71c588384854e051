"""How what is to be told is shared out, bounded and counted."""

import hashlib
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import insert, select, update

from server import callbacks as module
from server.app import create_app
from server.callbacks import Messenger
from server.errors import QueueFull
from server.jobs import outbox as outbox_module
from server.jobs.models import NewJob
from server.jobs.outbox import KEPT_S, Outbox
from server.jobs.schema import callbacks, tries
from server.jobs.store import Store
from server.jobs.upkeep import Upkeep
from server.settings import Settings

SENDERS = 3
MANY = 1000


def outcomes(store: Store) -> dict[str, int]:
    with store.database.reading() as connection:
        return {row.outcome: row.number for row in connection.execute(select(tries)) if row.number}


def events(store: Store) -> list[tuple[str, int]]:
    """Status and tries of each open event."""
    with store.database.reading() as connection:
        found = connection.execute(select(callbacks.c.status, callbacks.c.attempts))
        return [(row.status, row.attempts) for row in found]


@pytest.fixture
def closed_port() -> Iterator[int]:
    """A port on which connections are refused: it is bound, and nobody listens."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield bound.getsockname()[1]


@contextmanager
def at_work(store: Store, settings: Settings) -> Iterator[None]:
    """Senders as a dispatcher has them."""
    outbox = Outbox(store.database, SENDERS)
    senders = [Messenger(store, outbox, settings) for _ in range(SENDERS)]
    for sender in senders:
        sender.start()
    try:
        yield
    finally:
        for sender in senders:
            sender.stop()


def test_subscribers_that_never_answer_leave_a_sender_for_those_of_others(
    store: Store,
    jobs: Any,
    settings: Settings,
    make_receiver: Callable[..., Any],
    until: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # Whoever waits for them waits for as long as the test.
    monkeypatch.setattr(module, "ANSWER_S", 300.0)
    silent, good = make_receiver(), make_receiver()
    silent.open.clear()
    for number in range(10):
        jobs.start(f"{silent.url}/{number}", f"silent{number}", "mallory")
    with ExitStack() as stack:
        stack.enter_context(at_work(store, settings))
        stack.callback(silent.open.set)
        until(lambda: len(silent.got) == SENDERS - 1)
        for number in range(3):
            jobs.start(f"{good.url}/{number}", f"good{number}", "ana")
        until(lambda: len(good.got) == 3)
        assert len(silent.got) == SENDERS - 1
    assert good.paths == ["/0", "/1", "/2"]


def test_a_thousand_dead_subscribers_of_one_user_delay_no_other_user(
    store: Store,
    jobs: Any,
    settings: Settings,
    receiver: Any,
    closed_port: int,
) -> None:
    jobs.start(f"http://127.0.0.1:{closed_port}/", "dead", "mallory")
    with store.database.writing() as connection:
        made = connection.execute(select(callbacks)).mappings().one()
        more = [{**made, "id": f"dead{number}"} for number in range(MANY)]
        connection.execute(insert(callbacks), more)
    for owner in ("ana", "bo"):
        for number in range(2):
            jobs.start(f"{receiver.url}/{owner}{number}", f"{owner}{number}", owner)
    messenger = Messenger(store, Outbox(store.database), settings)
    # Three users: everyone has a turn in three, and again in the next three.
    assert all(messenger.turn() for _ in range(6))
    assert sorted(receiver.paths[:2]) == ["/ana0", "/bo0"]
    assert sorted(receiver.paths[2:]) == ["/ana1", "/bo1"]
    assert outcomes(store) == {"delivered": 4, "retried": 2}
    assert len(events(store)) == MANY - 1 + 2


def test_what_was_never_tried_goes_before_what_failed(
    jobs: Any, messenger: Messenger, make_receiver: Callable[..., Any]
) -> None:
    failing, good = make_receiver(), make_receiver()
    failing.answers = [500] * 9
    for number in range(3):
        jobs.start(f"{failing.url}/{number}", f"failing{number}", "ana")
    assert all(messenger.turn() for _ in range(3))
    jobs.start(f"{good.url}/new", "new", "ana")
    jobs.make_due()
    assert messenger.turn()
    assert good.paths == ["/new"]


def test_a_flow_of_new_ones_does_not_hold_up_what_failed_for_long(
    store: Store, jobs: Any, messenger: Messenger, make_receiver: Callable[..., Any]
) -> None:
    good, other = make_receiver(), make_receiver()
    good.answers = [500]
    jobs.start(f"{good.url}/", "failed", "ana")
    assert messenger.turn()
    for number in range(2):
        jobs.start(f"{other.url}/", f"new{number}", "ana")
    long_ago = store.database.now() - 601 * 1_000_000
    with store.database.writing() as connection:
        # However often it failed.
        late = update(callbacks).where(callbacks.c.job == "failed")
        connection.execute(late.values(due=long_ago, attempts=20))
    assert messenger.turn()
    assert (len(good.got), len(other.got)) == (2, 0)
    assert messenger.turn()
    assert len(other.got) == 1


def test_what_cannot_be_made_is_tried_like_what_fails_and_given_up_after_a_day(
    store: Store, jobs: Any, messenger: Messenger, monkeypatch: pytest.MonkeyPatch
) -> None:
    # As with a release that has a process no more whose jobs are still to be told of.
    monkeypatch.setattr(module, "PIPELINES", {})
    jobs.submit({"successUri": "http://127.0.0.1:9/"})
    jobs.claim()
    assert jobs.claims.publish("j1", 1, None, {"stringInput": "a"}, "done")
    assert messenger.turn()
    # It is put back, and does not only come again when its lease is over.
    assert outcomes(store) == {"retried": 1}
    assert events(store) == [("successful", 1)]
    jobs.make_due()
    with store.database.writing() as connection:
        connection.execute(update(callbacks).values(at=0))
    assert messenger.turn()
    assert events(store) == []
    assert outcomes(store) == {"retried": 1, "given_up": 1}


def test_the_sweep_gives_up_what_no_sender_came_to(
    store: Store, jobs: Any, receiver: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outbox_module, "_AT_ONCE", 2)
    for number in range(6):
        jobs.start(receiver.url, f"j{number}", "ana")
    old = store.database.now() - 2 * KEPT_S * 1_000_000
    with store.database.writing() as connection:
        late = update(callbacks).where(callbacks.c.job != "j5")
        connection.execute(late.values(at=old))
        younger = update(callbacks).where(callbacks.c.job == "j5")
        connection.execute(younger.values(at=old + 3600 * 1_000_000))
    assert Upkeep(store.database).give_up_callbacks() == 5
    assert outcomes(store) == {"given_up": 5}
    with store.database.reading() as connection:
        assert connection.execute(select(callbacks.c.job)).scalars().all() == ["j5"]
    assert Upkeep(store.database).give_up_callbacks() == 0


def test_a_sender_that_fails_itself_has_its_place_again(
    store: Store, jobs: Any, settings: Settings, receiver: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    messenger = Messenger(store, Outbox(store.database), settings)
    jobs.start(f"{receiver.url}/", "j1", "ana")

    def down(*_: object) -> None:
        raise RuntimeError("the store is away")

    monkeypatch.setattr(store, "get", down)
    monkeypatch.setattr(messenger._outbox, "put_back", down)
    with pytest.raises(RuntimeError):
        messenger.turn()
    monkeypatch.undo()
    jobs.make_due()
    assert messenger.turn()
    assert receiver.paths == ["/"]


def test_a_subscriber_that_refuses_connections_is_tried_again(
    store: Store, jobs: Any, messenger: Messenger, closed_port: int
) -> None:
    jobs.start(f"http://127.0.0.1:{closed_port}/", "j1", "ana")
    before = store.get("j1")
    for attempts in (1, 2):
        assert messenger.turn()
        assert not messenger.turn()
        assert events(store) == [("running", attempts)]
        jobs.make_due()
    assert outcomes(store) == {"retried": 2}
    assert store.get("j1") == before


def test_a_subscriber_that_answers_byte_by_byte_is_left_in_time(
    store: Store, jobs: Any, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Each byte comes in time; the whole answer never would.
    monkeypatch.setattr(module, "ANSWER_S", 0.5)
    messenger = Messenger(store, Outbox(store.database), settings)
    over = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def dribble() -> None:
            connection, _ = listening.accept()
            with connection:
                connection.sendall(b"HTTP/1.1 200 OK\r\nX-Slow: ")
                while not over.wait(0.01):
                    try:
                        connection.sendall(b"x")
                    except OSError:
                        return

        slow = threading.Thread(target=dribble)
        slow.start()
        jobs.start(f"http://127.0.0.1:{listening.getsockname()[1]}/", "j1", "ana")
        assert messenger.turn()
        over.set()
        slow.join()
    assert events(store) == [("running", 1)]
    assert outcomes(store) == {"retried": 1}


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_to_a_private_address_is_not_followed(
    store: Store,
    jobs: Any,
    messenger: Messenger,
    make_receiver: Callable[..., Any],
    status: int,
) -> None:
    leading, private = make_receiver(), make_receiver("127.0.0.2")
    leading.answers, leading.location = [status], f"{private.url}/secret"
    jobs.start(f"{leading.url}/", "j1", "ana")
    assert messenger.turn()
    assert (leading.paths, private.paths) == (["/"], [])
    assert events(store) == [("running", 1)]


def test_who_is_given_up_and_what_is_outdated_is_counted(
    store: Store, jobs: Any, messenger: Messenger, receiver: Any
) -> None:
    receiver.answers = [500]
    jobs.submit({"inProgressUri": receiver.url, "successUri": receiver.url})
    jobs.claim()
    assert jobs.claims.publish("j1", 1, None, {"stringInput": "a"}, "done")
    with store.database.writing() as connection:
        connection.execute(update(callbacks).where(callbacks.c.status == "running").values(at=0))
    assert messenger.turn()
    store.dismiss("j1", "ana")
    assert messenger.turn()
    assert not messenger.turn()
    assert outcomes(store) == {"given_up": 1, "outdated": 1}
    assert events(store) == []


def test_a_job_that_starts_again_and_again_has_one_such_event(
    store: Store, jobs: Any, messenger: Messenger, receiver: Any
) -> None:
    jobs.submit({"inProgressUri": receiver.url})
    for attempt in (1, 2, 3):
        jobs.claim()
        assert jobs.claims.requeue("j1", attempt, "again", lost=False)
    assert events(store) == [("running", 0)]
    assert messenger.turn()
    jobs.claim()
    assert events(store) == [("running", 0)]


def test_a_user_whose_callbacks_pile_up_has_no_more_subscribers(
    database_url: str, jobs: Any, messenger: Messenger, receiver: Any
) -> None:
    store = Store(database_url, user_callback_limit=2)
    uris = {"inProgressUri": receiver.url}
    for number in range(2):
        jobs.start(receiver.url, f"j{number}", "ana")
    with pytest.raises(QueueFull):
        store.create(NewJob("no", "echo", "ana", {}, subscriber=uris))
    assert store.get("no") is None
    store.create(NewJob("other", "echo", "bo", {}, subscriber=uris))
    store.create(NewJob("plain", "echo", "ana", {}))
    assert messenger.turn()
    store.create(NewJob("again", "echo", "ana", {}, subscriber=uris))
    store.close()


def test_the_refusal_is_told_as_one_that_ends(settings: Settings, receiver: Any) -> None:
    settings.data.mkdir(parents=True)
    app = create_app(settings.model_copy(update={"user_callback_limit": 1}))
    client, store = app.test_client(), app.extensions["optiground"].store
    document = {"inputs": {"stringInput": "a"}, "subscriber": receiver.uris}
    headers = {"Prefer": "respond-async"}
    path = "/processes/echo/execution"
    assert client.post(path, json=document, headers=headers).status_code == 201
    jobs_of_store = store.list()[0]
    store.dismiss(jobs_of_store[0].id, "local")
    refused = client.post(path, json=document, headers=headers)
    assert (refused.status_code, refused.json["code"]) == (429, "queue-full")
    assert int(refused.headers["Retry-After"]) > 0
    assert store.list()[1] == 1
    store.close()


def test_metrics_tell_what_is_still_to_be_sent_and_how_tries_ended(
    store: Store,
    jobs: Any,
    messenger: Messenger,
    receiver: Any,
    settings: Settings,
    database_url: str,
) -> None:
    settings.data.mkdir(parents=True)
    keys = {hashlib.sha256(b"key").hexdigest(): "ana"}
    app = create_app(
        settings.model_copy(
            update={"database": database_url, "api_keys": keys, "operators": ("ana",)}
        )
    )

    def read() -> dict[str, float]:
        text = app.test_client().get("/metrics", headers={"X-API-Key": "key"}).text
        return {
            sample.name.removeprefix("optiground_") + sample.labels.get("outcome", ""): sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
            if "callback" in sample.name
        }

    none = dict.fromkeys(("delivered", "given_up", "outdated", "retried"), 0.0)
    empty = {f"callback_tries_total{name}": value for name, value in none.items()}
    idle = {"callbacks_pending": 0.0, "oldest_pending_callback_seconds": 0.0}
    assert read() == {**empty, **idle}
    receiver.answers = [204, 500]
    for number in range(3):
        jobs.start(receiver.url, f"j{number}", "ana")
    assert messenger.turn()
    assert messenger.turn()
    found = read()
    assert found.pop("oldest_pending_callback_seconds") > 0
    assert found == {
        **empty,
        "callback_tries_totaldelivered": 1,
        "callback_tries_totalretried": 1,
        "callbacks_pending": 2,
    }
    app.extensions["optiground"].store.close()
