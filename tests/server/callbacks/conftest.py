"""Subscribers of jobs as real servers, and what tells them; on SQLite and on PostgreSQL."""

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from sqlalchemy import update

from core.declare import SourcePolicy
from server.callbacks import Messenger
from server.jobs.claims import Claims, Places
from server.jobs.models import NewJob
from server.jobs.outbox import Outbox
from server.jobs.schema import callbacks
from server.jobs.store import Store
from server.settings import Settings, read_settings

SECRET = "0123456789abcdef"
ALL = ("successUri", "inProgressUri", "failedUri")


class Receiver:
    """A subscriber that writes down what it is told, and answers as it is told to.

    Parameters
    ----------
    address
        Where it listens.
    """

    def __init__(self, address: str = "127.0.0.1") -> None:
        self.got: list[tuple[str, dict[str, str], bytes]] = []
        self.answers: list[int] = []
        self.location = "/elsewhere"
        self.open = threading.Event()
        self.open.set()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                outer.got.append((self.path, {k.lower(): v for k, v in self.headers.items()}, body))
                outer.open.wait(300)
                self.send_response(outer.answers.pop(0) if outer.answers else 204)
                self.send_header("Location", outer.location)
                self.send_header("Content-Length", "0")
                self.end_headers()

            do_GET = do_POST  # noqa: N815 -- whoever follows a redirect may come so

            def log_message(self, *args: object) -> None:
                pass

        self.server = ThreadingHTTPServer((address, 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://{address}:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    @property
    def uris(self) -> dict[str, str]:
        return {name: f"{self.url}/{name}" for name in ALL}

    @property
    def paths(self) -> list[str]:
        return [path for path, _, _ in self.got]

    def close(self) -> None:
        self.open.set()
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def make_receiver() -> Iterator[Callable[..., Receiver]]:
    with ExitStack() as stack:

        def make(address: str = "127.0.0.1") -> Receiver:
            made = Receiver(address)
            stack.callback(made.close)
            return made

        yield make


@pytest.fixture
def receiver(make_receiver: Callable[..., Receiver]) -> Receiver:
    return make_receiver()


@pytest.fixture
def store(database_url: str) -> Iterator[Store]:
    made = Store(database_url)
    yield made
    made.close()


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return read_settings(
        environ={},
        data=tmp_path / "data",
        callback_secret=SECRET,
        policy=SourcePolicy(networks=("127.0.0.1/32",)),
        free_space_min=0,
    )


@pytest.fixture
def messenger(store: Store, settings: Settings) -> Messenger:
    return Messenger(store, Outbox(store.database), settings)


class Jobs:
    """Makes jobs with subscribers and lets them start and end."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.claims = Claims(store.database, "d", "d", Path("/jobs"), 1.0)

    def submit(self, uris: dict[str, str], name: str = "j1", owner: str = "ana") -> None:
        self.store.create(NewJob(name, "echo", owner, {"inputs": {}}, subscriber=uris))

    def claim(self) -> None:
        assert self.claims.claim(Places(9999, 9999, 9999)) is not None

    def start(self, uri: str, name: str, owner: str) -> None:
        """Have one event for one subscriber."""
        self.submit({"inProgressUri": uri}, name, owner)
        self.claim()

    def make_due(self) -> None:
        with self.store.database.writing() as connection:
            connection.execute(update(callbacks).values(due=0))


@pytest.fixture
def jobs(store: Store) -> Jobs:
    return Jobs(store)
