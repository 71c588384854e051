"""Clients that hold a thread while they wait or are slow to send."""

import http.client
import socket
import threading
from contextlib import ExitStack, closing
from typing import Any
from urllib.parse import urlsplit

import pytest
from flask import Flask
from flask.testing import FlaskClient

from server import incoming
from server.waiting import Kind, WaitingRoom

KINDS: tuple[Kind, ...] = ("job", "upload", "rest")


def taken(room: WaitingRoom, kinds: tuple[Kind, ...]) -> int:
    with ExitStack() as held:
        return sum(held.enter_context(room.place(kind)) for kind in kinds for _ in range(99))


@pytest.mark.parametrize(("threads", "free"), [(2, 1), (4, 1), (8, 2), (20, 5)])
def test_some_threads_stay_free_whatever_is_waited_for(threads: int, free: int) -> None:
    room = WaitingRoom(threads)
    for _ in range(2):
        assert taken(room, KINDS) == threads - free
        assert taken(room, ("upload",)) == threads // 2


def test_who_finds_no_place_to_send_a_file_may_come_again(app: Flask, client: FlaskClient) -> None:
    waiting = app.extensions["optiground"].waiting
    octets = {"Content-Type": "application/octet-stream"}
    with ExitStack() as held:
        while held.enter_context(waiting.place("upload")):
            pass
        answer = client.post("/uploads", data=b"x", headers=octets)
        assert (answer.status_code, answer.json["code"]) == (503, "server-busy")
        assert int(answer.headers["Retry-After"]) > 0
        assert client.get("/uploads").status_code == 200
    assert client.post("/uploads", data=b"x", headers=octets).status_code == 201


def test_reading_a_body_ends_in_time_however_slowly_it_comes() -> None:
    ours, theirs = socket.socketpair()
    stop = threading.Event()

    def dribble() -> None:
        while not stop.wait(0.01):
            try:
                theirs.send(b"x")
            except OSError:
                return

    sender = threading.Thread(target=dribble)
    sender.start()
    with closing(ours), closing(theirs), ours.makefile("rb") as stream:
        environ = {"gunicorn.socket": ours, "wsgi.input": stream}
        with incoming.within(environ, 0.1):
            assert len(stream.read(1 << 20)) < 1 << 20
        stop.set()
        sender.join()


def begin(address: str, host: str) -> socket.socket:
    """Begins to send a file, and then sends nothing."""
    parts = urlsplit(address)
    connection = socket.create_connection((parts.hostname, parts.port), timeout=60)
    head = (
        f"POST /uploads HTTP/1.1\r\nHost: {host}\r\nContent-Length: 1000000\r\n"
        "Content-Type: application/octet-stream\r\n\r\nabc"
    )
    connection.sendall(head.encode())
    return connection


def test_clients_that_are_refused_and_go_on_sending_do_not_stop_the_server(
    running_server: Any,
) -> None:
    with ExitStack() as held:
        silent = [
            held.enter_context(begin(running_server.url, "rebound.example")) for _ in range(60)
        ]
        assert running_server.get("/jobs").status_code == 200
        for connection in silent:
            answer = http.client.HTTPResponse(connection)
            answer.begin()
            assert answer.status == 421


def test_slow_uploads_do_not_stop_the_server(running_server: Any, until: Any) -> None:
    uploads = running_server.data / "uploads"
    before = set(uploads.rglob("*"))
    with ExitStack() as held:
        for _ in range(60):
            held.enter_context(begin(running_server.url, "localhost"))
        until(lambda: set(uploads.rglob("*")) > before)
        for _ in range(10):
            # Each on a connection of its own, so that both workers are met.
            answer = running_server.get("/jobs", headers={"Connection": "close"})
            assert answer.status_code == 200
    until(lambda: set(uploads.rglob("*")) == before)
