"""What one request may take: time to arrive, time to be handled, and a place in the queue."""

import socket
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from core import job as job_module
from core.declare import SourcePolicy
from server import answers, uploads
from server.app import create_app
from server.jobs.store import Store
from server.settings import Settings

ECHO = "/processes/echo/execution"
INPUTS = {"inputs": {"stringInput": "teststring"}}
ASYNC = {"Prefer": "respond-async"}
LENGTH = 1000


@contextmanager
def dripping(body: bytes) -> Iterator[dict[str, Any]]:
    """A connection on which a body comes byte by byte; all of it takes ten seconds."""
    ours, theirs = socket.socketpair()
    over = threading.Event()

    def drip() -> None:
        for byte in body:
            if over.wait(10 / LENGTH):
                return
            try:
                theirs.send(bytes([byte]))
            except OSError:
                return

    sender = threading.Thread(target=drip)
    sender.start()
    with closing(ours), closing(theirs), ours.makefile("rb") as stream:
        try:
            yield {
                "gunicorn.socket": ours,
                "wsgi.input": stream,
                "wsgi.input_terminated": True,
                "CONTENT_LENGTH": str(len(body)),
            }
        finally:
            over.set()
            sender.join()


def test_a_document_that_comes_byte_by_byte_is_not_waited_for(
    client: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(answers, "_BODY_S", 0.3)
    document = b'{"inputs": {"stringInput": "a"}}'.ljust(LENGTH)
    with dripping(document) as slow:
        answer = client.post(
            ECHO, content_type="application/json", headers=ASYNC, environ_overrides=slow
        )
    assert (answer.status_code, answer.json["code"]) == (400, "bad-request")
    assert client.get("/jobs").json["numberMatched"] == 0


@pytest.mark.parametrize("type_", ["application/octet-stream", "multipart/form-data; boundary=b"])
def test_a_file_that_comes_byte_by_byte_is_not_waited_for_and_leaves_nothing(
    client: FlaskClient, settings: Settings, monkeypatch: pytest.MonkeyPatch, type_: str
) -> None:
    monkeypatch.setattr(uploads, "PIECE_S", 0.3)
    head = b'--b\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n'
    body = head.ljust(LENGTH - 9, b"x") + b"\r\n--b--\r\n"
    with dripping(body) as slow:
        answer = client.post("/uploads", content_type=type_, environ_overrides=slow)
    assert answer.status_code == 400
    assert "took longer than 0 s" in answer.json["detail"]
    assert client.get("/uploads").json["uploads"] == []
    assert not [path for path in settings.uploads_folder.rglob("*") if path.is_file()]


def test_looking_at_inputs_ends_in_time(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert job_module.inspect.__kwdefaults__["timeout_s"] == 30.0
    monkeypatch.setitem(job_module.inspect.__kwdefaults__, "timeout_s", 3.0)
    settings.data.mkdir(parents=True)
    policy = SourcePolicy(networks=("127.0.0.0/8",), schemes=("http",))
    app = create_app(settings.model_copy(update={"policy": policy}))
    # It takes connections and says nothing, for longer than the time.
    with socket.create_server(("127.0.0.1", 0)) as silent:
        href = {"href": f"http://127.0.0.1:{silent.getsockname()[1]}/a.tif"}
        document = {"inputs": {"reference": href, "secondary": href}}
        answer = app.test_client().post("/processes/mpic-opt/inspect", json=document)
    assert (answer.status_code, answer.json["code"]) == (422, "limit-reached")
    assert list(settings.inspections_folder.iterdir()) == []


@pytest.mark.parametrize("limit", ["_queue_limit", "_user_queue_limit"])
def test_a_full_queue_is_told_as_one_to_come_back_to(
    client: FlaskClient, store: Store, limit: str
) -> None:
    setattr(store, limit, 1)
    made = client.post(ECHO, json=INPUTS, headers=ASYNC)
    assert made.status_code == 201
    answer = client.post(ECHO, json=INPUTS, headers=ASYNC)
    assert (answer.status_code, answer.json["code"]) == (429, "queue-full")
    assert int(answer.headers["Retry-After"]) > 0
    assert client.get("/jobs").json["numberMatched"] == 1
    client.delete(f"/jobs/{made.json['jobID']}")
    assert client.post(ECHO, json=INPUTS, headers=ASYNC).status_code == 201


@pytest.mark.parametrize("chunked", [False, True])
def test_a_document_has_its_largest_size(app: Flask, client: FlaskClient, chunked: bool) -> None:
    limit = app.config["MAX_CONTENT_LENGTH"]
    body = b'{"inputs": {"stringInput": "a"}}'
    for size, status in ((limit, 201), (limit + 1, 413)):
        sent: dict[str, Any] = {"data": body.ljust(size)}
        if chunked:
            sent["environ_overrides"] = {"wsgi.input_terminated": True, "CONTENT_LENGTH": ""}
        answer = client.post(ECHO, content_type="application/json", headers=ASYNC, **sent)
        assert answer.status_code == status
    assert answer.json["code"] == "body-too-large"
    assert client.get("/jobs").json["numberMatched"] == 1
