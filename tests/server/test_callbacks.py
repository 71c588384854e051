"""What subscribers of jobs are told; on SQLite and on PostgreSQL."""

import base64
import hashlib
import hmac
import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select, update

from core.declare import SourcePolicy
from server.app import create_app
from server.callbacks import Messenger
from server.jobs.claims import Claims, Places
from server.jobs.models import NewJob
from server.jobs.outbox import Outbox
from server.jobs.schema import callbacks, subscribers
from server.jobs.store import Store
from server.settings import Settings, read_settings

SECRET = "0123456789abcdef"
HERE = SourcePolicy(networks=("127.0.0.0/8",))
ALL = ("successUri", "inProgressUri", "failedUri")


class Receiver:
    """A subscriber that writes down what it is told, and answers as it is told to."""

    def __init__(self) -> None:
        self.got: list[tuple[str, dict[str, str], bytes]] = []
        self.answers: list[int] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                outer.got.append((self.path, {k.lower(): v for k, v in self.headers.items()}, body))
                self.send_response(outer.answers.pop(0) if outer.answers else 204)
                self.send_header("Location", "/elsewhere")
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *args: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    @property
    def uris(self) -> dict[str, str]:
        return {name: f"{self.url}/{name}" for name in ALL}

    @property
    def paths(self) -> list[str]:
        return [path for path, _, _ in self.got]


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    made = Receiver()
    yield made
    made.server.shutdown()
    made.server.server_close()


@pytest.fixture
def store(database_url: str) -> Iterator[Store]:
    made = Store(database_url)
    yield made
    made.close()


@pytest.fixture
def claims(store: Store) -> Claims:
    return Claims(store.database, "d", "d", Path("/jobs"), 1.0)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return read_settings(
        environ={}, data=tmp_path / "data", callback_secret=SECRET, policy=HERE, free_space_min=0
    )


@pytest.fixture
def messenger(store: Store, settings: Settings) -> Messenger:
    return Messenger(store, settings)


def submit(store: Store, uris: dict[str, str], name: str = "j1") -> None:
    store.create(NewJob(name, "echo", "ana", {"inputs": {}}, subscriber=uris))


def claim(claims: Claims) -> None:
    assert claims.claim(Places(9, 9, 9)) is not None


def send_all(messenger: Messenger) -> None:
    while messenger.turn():
        pass


def make_due(store: Store) -> None:
    with store.database.writing() as connection:
        connection.execute(update(callbacks).values(due=0))


def left(store: Store) -> tuple[int, int]:
    with store.database.reading() as connection:
        counted = [
            connection.execute(select(func.count()).select_from(table)).scalar_one()
            for table in (callbacks, subscribers)
        ]
    return counted[0], counted[1]


def test_a_subscriber_gets_status_and_results_signed(
    store: Store, claims: Claims, messenger: Messenger, receiver: Receiver
) -> None:
    submit(store, receiver.uris)
    assert not messenger.turn()
    claim(claims)
    assert claims.publish("j1", 1, Path("/d"), {"stringInput": "a"}, "done")
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
    store: Store, claims: Claims, messenger: Messenger, receiver: Receiver, end: str
) -> None:
    submit(store, receiver.uris)
    if end == "failed":
        claim(claims)
        assert claims.fail("j1", 1, [], "It failed.")
    store.dismiss("j1", "ana")
    send_all(messenger)
    assert receiver.paths[-1] == "/failedUri"
    assert receiver.paths.count("/failedUri") == 1
    assert json.loads(receiver.got[-1][2])["status"] == end
    assert left(store) == (0, 0)


def test_who_did_not_subscribe_to_it_is_not_told(
    store: Store, claims: Claims, messenger: Messenger, receiver: Receiver
) -> None:
    submit(store, {"successUri": receiver.uris["successUri"]})
    claim(claims)
    assert claims.fail("j1", 1, [], "It failed.")
    assert not messenger.turn()
    assert left(store) == (0, 0)


@pytest.mark.parametrize("answer", [500, 404, 302])
def test_what_was_not_taken_is_sent_again_as_the_same_event(
    store: Store, claims: Claims, messenger: Messenger, receiver: Receiver, answer: int
) -> None:
    receiver.answers = [answer]
    submit(store, {"inProgressUri": receiver.uris["inProgressUri"]})
    claim(claims)
    before = store.get("j1")
    assert messenger.turn()
    # Not at once.
    assert not messenger.turn()
    make_due(store)
    send_all(messenger)
    assert receiver.paths == ["/inProgressUri"] * 2
    assert len({headers["webhook-id"] for _, headers, _ in receiver.got}) == 1
    assert left(store)[0] == 0
    assert store.get("j1") == before


def test_who_never_answers_is_given_up_after_a_day(
    store: Store, claims: Claims, messenger: Messenger, receiver: Receiver
) -> None:
    receiver.answers = [500]
    submit(store, receiver.uris)
    claim(claims)
    with store.database.writing() as connection:
        connection.execute(update(callbacks).values(at=0))
    assert messenger.turn()
    assert left(store)[0] == 0


@pytest.mark.parametrize("networks", [(), ("10.0.0.0/8",)])
def test_an_address_that_is_not_to_be_reached_is_not_called(
    store: Store, claims: Claims, settings: Settings, receiver: Receiver, networks: tuple[str, ...]
) -> None:
    policy = SourcePolicy(networks=networks)
    messenger = Messenger(store, settings.model_copy(update={"policy": policy}))
    submit(store, {"inProgressUri": receiver.url.replace("127.0.0.1", "localhost")})
    claim(claims)
    before = store.get("j1")
    assert messenger.turn()
    assert receiver.got == []
    assert left(store)[0] == 1
    assert store.get("j1") == before


def test_two_senders_never_take_the_same_event_at_once(store: Store, claims: Claims) -> None:
    for number in range(4):
        submit(store, {"inProgressUri": "https://example.org"}, f"j{number}")
        claim(claims)
    outboxes = [Outbox(store.database), Outbox(store.database)]
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
    server_with: Callable[..., Any], until: Callable[..., None], receiver: Receiver
) -> None:
    server = server_with(callback_secret=SECRET)
    job = server.submit("echo", {"stringInput": "a"}, subscriber=receiver.uris)
    until(lambda: "/successUri" in receiver.paths, 120)
    told = {path: json.loads(body) for path, _, body in receiver.got}
    assert told["/successUri"] == {"stringInput": "a"}
    until(lambda: "/inProgressUri" in receiver.paths)
    assert server.get(f"/jobs/{job}").json()["status"] == "successful"
    assert "subscriber" not in server.get(f"/jobs/{job}/request.json").json()
