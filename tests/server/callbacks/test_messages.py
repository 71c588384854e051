"""What subscribers of jobs are told; on SQLite and on PostgreSQL."""

import base64
import hashlib
import hmac
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select, update

from core.declare import SourcePolicy
from server.app import create_app
from server.callbacks import Messenger
from server.jobs.outbox import Outbox
from server.jobs.schema import callbacks, subscribers
from server.jobs.store import Store
from server.settings import Settings

SECRET = "0123456789abcdef"


def send_all(messenger: Messenger) -> None:
    while messenger.turn():
        pass


def left(store: Store) -> tuple[int, int]:
    with store.database.reading() as connection:
        counted = [
            connection.execute(select(func.count()).select_from(table)).scalar_one()
            for table in (callbacks, subscribers)
        ]
    return counted[0], counted[1]


def test_a_subscriber_gets_status_and_results_signed(
    store: Store, jobs: Any, messenger: Messenger, receiver: Any
) -> None:
    jobs.submit(receiver.uris)
    assert not messenger.turn()
    jobs.claim()
    assert jobs.claims.publish("j1", 1, Path("/d"), {"stringInput": "a"}, "done")
    send_all(messenger)
    assert receiver.paths == ["/inProgressUri", "/successUri"]
    bodies = [json.loads(body) for _, _, body in receiver.got]
    assert (bodies[0]["jobID"], bodies[0]["status"]) == ("j1", "running")
    assert "finished" not in bodies[0]
    assert bodies[1] == {"stringInput": "a"}
    for _, headers, body in receiver.got:
        signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
        mac = hmac.new(SECRET.encode(), signed, hashlib.sha256).digest()
        assert headers["webhook-signature"] == f"v1,{base64.b64encode(mac).decode()}"
        assert headers["link"] == '<http://127.0.0.1:5000/jobs/j1>; rel="monitor"'
        assert headers["content-type"] == "application/json"
    assert receiver.got[0][1]["webhook-id"] != receiver.got[1][1]["webhook-id"]
    assert left(store) == (0, 0)


@pytest.mark.parametrize("end", ["failed", "dismissed"])
def test_failure_and_dismissal_are_told_once(
    store: Store, jobs: Any, messenger: Messenger, receiver: Any, end: str
) -> None:
    jobs.submit(receiver.uris)
    if end == "failed":
        jobs.claim()
        assert jobs.claims.fail("j1", 1, [], "It failed.")
    store.dismiss("j1", "ana")
    send_all(messenger)
    assert receiver.paths[-1] == "/failedUri"
    assert receiver.paths.count("/failedUri") == 1
    assert json.loads(receiver.got[-1][2])["status"] == end
    assert left(store) == (0, 0)


def test_who_did_not_subscribe_to_it_is_not_told(
    store: Store, jobs: Any, messenger: Messenger, receiver: Any
) -> None:
    jobs.submit({"successUri": receiver.uris["successUri"]})
    jobs.claim()
    assert jobs.claims.fail("j1", 1, [], "It failed.")
    assert not messenger.turn()
    assert left(store) == (0, 0)


@pytest.mark.parametrize("answer", [500, 404, 302])
def test_what_was_not_taken_is_sent_again_as_the_same_event(
    store: Store, jobs: Any, messenger: Messenger, receiver: Any, answer: int
) -> None:
    receiver.answers = [answer]
    jobs.submit({"inProgressUri": receiver.uris["inProgressUri"]})
    jobs.claim()
    before = store.get("j1")
    assert messenger.turn()
    # Not at once.
    assert not messenger.turn()
    jobs.make_due()
    send_all(messenger)
    assert receiver.paths == ["/inProgressUri"] * 2
    assert len({headers["webhook-id"] for _, headers, _ in receiver.got}) == 1
    assert left(store)[0] == 0
    assert store.get("j1") == before


def test_who_never_answers_is_given_up_after_a_day(
    store: Store, jobs: Any, messenger: Messenger, receiver: Any
) -> None:
    receiver.answers = [500]
    jobs.submit(receiver.uris)
    jobs.claim()
    with store.database.writing() as connection:
        connection.execute(update(callbacks).values(at=0))
    assert messenger.turn()
    assert left(store)[0] == 0


@pytest.mark.parametrize("networks", [(), ("10.0.0.0/8",)])
def test_an_address_that_is_not_to_be_reached_is_not_called(
    store: Store, jobs: Any, settings: Settings, receiver: Any, networks: tuple[str, ...]
) -> None:
    policy = SourcePolicy(networks=networks)
    forbidden = settings.model_copy(update={"policy": policy})
    messenger = Messenger(store, Outbox(store.database), forbidden)
    jobs.submit({"inProgressUri": receiver.url.replace("127.0.0.1", "localhost")})
    jobs.claim()
    before = store.get("j1")
    assert messenger.turn()
    assert receiver.got == []
    assert left(store)[0] == 1
    assert store.get("j1") == before


def test_two_senders_never_take_the_same_event_at_once(store: Store, jobs: Any) -> None:
    for number in range(4):
        jobs.submit({"inProgressUri": "https://example.org"}, f"j{number}")
        jobs.claim()
    outboxes = [Outbox(store.database, 9), Outbox(store.database, 9)]
    taken = [outboxes[turn % 2].take() for turn in range(5)]
    assert taken[4] is None
    assert len({event.id for event in taken if event}) == 4


@pytest.mark.parametrize(
    ("subscriber", "pointer", "code"),
    [
        ([], "/subscriber", "wrong-type"),
        ({}, "/subscriber/successUri", "missing-input"),
        ({"successUri": 1}, "/subscriber/successUri", "wrong-type"),
        ({"successUri": "ftp://example.org/"}, "/subscriber/successUri", "source-refused"),
        ({"successUri": "https://10.1.2.3/"}, "/subscriber/successUri", "source-refused"),
        ({"successUri": "http://93.184.216.34/"}, "/subscriber/successUri", "source-refused"),
        (
            {"successUri": "https://example.org/", "other": ""},
            "/subscriber/other",
            "unknown-member",
        ),
    ],
)
def test_a_bad_subscriber_is_refused_before_there_is_a_job(
    settings: Settings, subscriber: object, pointer: str, code: str
) -> None:
    settings.data.mkdir(parents=True)
    app = create_app(settings)
    document = {"inputs": {"stringInput": "a"}, "subscriber": subscriber}
    answer = app.test_client().post("/processes/echo/execution", json=document)
    assert answer.status_code == 400
    assert [(p["pointer"], p["code"]) for p in answer.json["problems"]] == [(pointer, code)]
    store: Store = app.extensions["optiground"].store
    assert store.list()[1] == 0
    store.close()


def test_callbacks_are_declared_where_they_are_made(settings: Settings) -> None:
    app = create_app(settings)
    classes = app.test_client().get("/conformance").json["conformsTo"]
    assert any(name.endswith("/conf/callback") for name in classes)


def test_a_real_server_tells_a_real_subscriber(
    server_with: Callable[..., Any], until: Callable[..., None], receiver: Any
) -> None:
    server = server_with(callback_secret=SECRET)
    job = server.submit("echo", {"stringInput": "a"}, subscriber=receiver.uris)
    until(lambda: "/successUri" in receiver.paths, 120)
    told = {path: json.loads(body) for path, _, body in receiver.got}
    assert told["/successUri"] == {"stringInput": "a"}
    until(lambda: "/inProgressUri" in receiver.paths)
    assert server.get(f"/jobs/{job}").json()["status"] == "successful"
    assert "subscriber" not in server.get(f"/jobs/{job}/request.json").json()
