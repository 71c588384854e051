"""Clients that send jobs to a server without rest, and what they saw."""

import random
import re
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import requests

from server.jobs.models import FINAL

SEED = 20261125
ENOUGH_S = 120.0
"""For an answer: far more than any takes."""
BATCH = 3
"""Jobs that one client makes before it follows any."""
DISMISSED = 0.25
"""Which part of the jobs is dismissed, at any time of their lives."""
MONITOR = re.compile(r'<[^>]*/jobs/([0-9a-f-]{36})>; rel="monitor"')


@dataclass
class Witness:
    """What all clients have seen of the jobs, and what must not have been."""

    ended: dict[str, tuple[str, float]] = field(default_factory=dict)
    deleted: set[str] = field(default_factory=set)
    wrong: list[str] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def see(self, job: str, status: str, asked: float) -> None:
        """Compare the status in an answer with what was known when it was asked for."""
        with self.lock:
            before, known = self.ended.get(job, ("", asked))
            undone = before and known < asked and status != before
            if undone and not (status == "dismissed" and job in self.deleted):
                self.wrong.append(f"job {job} went from {before} to {status}")
            if status in FINAL and status != before:
                self.ended[job] = (status, time.monotonic())

    def delete(self, job: str) -> None:
        """Note that a client is about to dismiss a job."""
        with self.lock:
            self.deleted.add(job)


class Client:
    """Asks until it is answered."""

    def __init__(self, url: str, witness: Witness, seed: str) -> None:
        self.url = url
        self.witness = witness
        self.random = random.Random(seed)
        self.session = requests.Session()
        self.retries: Counter[str] = Counter()

    def ask(self, method: str, path: str, **options: Any) -> requests.Response:
        """An answer that is neither a broken connection nor a refusal for the moment."""
        end = time.monotonic() + ENOUGH_S
        while time.monotonic() < end:
            try:
                answer = self.session.request(method, self.url + path, timeout=60, **options)
            except requests.RequestException as error:
                self.retries[type(error).__name__] += 1
            else:
                # A job that failed is told of with its reason's status, and will stay so.
                about_a_job = MONITOR.search(answer.headers.get("Link", ""))
                if about_a_job or (answer.status_code < 500 and answer.status_code != 429):
                    return answer
                self.retries[str(answer.status_code)] += 1
            time.sleep(self.random.uniform(0.05, 0.2))
        raise AssertionError(f"{method} {path} was not answered: {self.retries}")

    def execute(
        self, process: str, inputs: dict[str, Any], key: str, prefer: str
    ) -> tuple[str, requests.Response]:
        """Ask for a job under a key; its id and the answer."""
        answer = self.ask(
            "POST",
            f"/processes/{process}/execution",
            json={"inputs": inputs},
            headers={"Idempotency-Key": key, "Prefer": prefer},
        )
        found = MONITOR.search(answer.headers.get("Link", ""))
        if found is not None:
            return found[1], answer
        assert answer.status_code == 201, (answer.status_code, answer.text)
        return answer.json()["jobID"], answer

    def status(self, job: str) -> str:
        """The status of a job."""
        asked = time.monotonic()
        status: str = self.ask("GET", f"/jobs/{job}").json()["status"]
        self.witness.see(job, status, asked)
        return status

    def look(self) -> None:
        """See the statuses of all jobs."""
        asked = time.monotonic()
        for info in self.ask("GET", "/jobs?limit=1000").json()["jobs"]:
            self.witness.see(info["jobID"], info["status"], asked)


class Crowd:
    """Clients that go on until they are told to stop.

    Parameters
    ----------
    url
        Of the server.
    pair
        Inputs of ``mpic-opt``.
    """

    def __init__(self, url: str, pair: dict[str, Any]) -> None:
        self.url = url
        self.pair = pair
        self.witness = Witness()
        self.keys: dict[str, str] = {}
        self.clients: list[Client] = []
        self.over = threading.Event()
        self.faults: list[BaseException] = []
        self.threads: list[threading.Thread] = []

    def start(self) -> None:
        """Let all begin."""
        for name in ("async-1", "async-2", "async-3", "sync-1", "measure-1", "measure-2"):
            self._start(name, self._work)
        self._start("watch", lambda client, _: client.look())

    def stop(self) -> None:
        """Let each bring its last job to its end."""
        self.over.set()
        for thread in self.threads:
            thread.join(2 * ENOUGH_S)
            assert not thread.is_alive(), thread.name

    def retries(self) -> Counter[str]:
        """Why clients had to ask again, and how often."""
        return sum((client.retries for client in self.clients), Counter())

    def _start(self, name: str, act: Callable[[Client, str], None]) -> None:
        client = Client(self.url, self.witness, f"{SEED} {name}")
        self.clients.append(client)

        def work() -> None:
            number = 0
            try:
                while not self.over.is_set():
                    number += 1
                    act(client, f"{name}-{number}")
                    self.over.wait(0.2)
            except BaseException as error:  # told by the test
                self.faults.append(error)

        self.threads.append(threading.Thread(target=work, name=name))
        self.threads[-1].start()

    def _work(self, client: Client, name: str) -> None:
        """Make some jobs, and follow each to its end."""
        requests_made = [self._request(client, name, part) for part in range(BATCH)]
        if not name.startswith("async"):
            requests_made = requests_made[:1]
        for made in requests_made:
            self._submit(client, *made)
        for made in requests_made:
            self._follow(client, *made)

    def _request(self, client: Client, name: str, part: int) -> tuple[str, dict[str, Any], str]:
        key = f"{name}-{part}"
        if name.startswith("measure"):
            return "mpic-opt", self.pair, key
        return "echo", {"stringInput": key, "pause": round(client.random.uniform(0, 1), 2)}, key

    def _submit(self, client: Client, process: str, inputs: dict[str, Any], key: str) -> None:
        wait, measure = key.startswith("sync"), process == "mpic-opt"
        prefer = "wait=10" if wait else "respond-async"
        job, answer = client.execute(process, inputs, key, prefer)
        self.keys[key] = job
        if answer.status_code == 200:
            assert answer.text == key
        if not (wait or measure) and client.random.random() < DISMISSED:
            self._dismiss(client, job)

    def _follow(self, client: Client, process: str, inputs: dict[str, Any], key: str) -> None:
        job = self.keys[key]
        while (status := client.status(job)) not in FINAL:
            time.sleep(0.1)
        if status == "successful" and process == "echo":
            assert client.ask("GET", f"/jobs/{job}/results/stringInput").text == key
        again, _ = client.execute(process, inputs, key, "respond-async")
        assert again == job

    def _dismiss(self, client: Client, job: str) -> None:
        time.sleep(client.random.uniform(0, 1))
        self.witness.delete(job)
        asked = time.monotonic()
        answer = client.ask("DELETE", f"/jobs/{job}")
        assert answer.status_code == 200, answer.text
        client.witness.see(job, answer.json()["status"], asked)
        assert client.status(job) == "dismissed"


@pytest.fixture
def crowd_at(displaced_pair: Callable[[Path], dict[str, Any]]) -> Callable[[Any], Crowd]:
    """Makes clients of a server."""
    return lambda server: Crowd(server.url, displaced_pair(server.images))
