"""What /metrics tells, read as Prometheus reads it."""

import hashlib
import os
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest
import requests
from flask import Flask
from flask.testing import FlaskClient
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy.exc import OperationalError

from server.app import create_app
from server.jobs.database import Database
from server.jobs.store import Store
from server.metrics import Metric, Sample, rendered
from server.settings import PACKAGED, Settings, read_settings

Numbers = dict[tuple[str, frozenset[tuple[str, str]]], float]
KEYS = {"ada": "key of ada", "bob": "key of bob"}


def numbers(text: str) -> Numbers:
    found: Numbers = {}
    for family in text_string_to_metric_families(text):
        assert family.documentation
        for sample in family.samples:
            name = (sample.name.removeprefix("optiground_"), frozenset(sample.labels.items()))
            assert name not in found
            found[name] = sample.value
    return found


def value(found: Numbers, name: str, **labels: str) -> float:
    return found.get((name, frozenset(labels.items())), 0.0)


def read(client: FlaskClient) -> Numbers:
    answer = client.get("/metrics")
    assert answer.status_code == 200
    assert answer.content_type == "text/plain; version=0.0.4; charset=utf-8"
    return numbers(answer.text)


def test_jobs_are_counted_by_process_and_status(client: FlaskClient, office: Any) -> None:
    office.echoed()
    empty = read(client)
    assert value(empty, "oldest_waiting_job_seconds") == 0
    office.submit()
    office.submit()
    office.claim()
    found = read(client)
    for status, number in (("successful", 1), ("running", 1), ("accepted", 1), ("failed", 0)):
        assert value(found, "jobs", process="echo", status=status) == number
    assert ("jobs", frozenset({("process", "mpic-opt"), ("status", "failed")})) in found
    assert value(found, "jobs_waiting") == value(found, "jobs_running") == 1
    assert value(found, "oldest_waiting_job_seconds") > 0
    assert value(found, "store_up") == 1


def test_the_disk_and_the_uploads_are_measured(client: FlaskClient) -> None:
    octets = {"Content-Type": "application/octet-stream"}
    for content in (b"12345", b"678"):
        assert client.post("/uploads?name=a", data=content, headers=octets).status_code == 201
    found = read(client)
    assert (value(found, "uploads"), value(found, "uploads_bytes")) == (2, 8)
    assert value(found, "free_space_bytes") > 0


def test_requests_are_counted_by_route_and_not_by_address(client: FlaskClient) -> None:
    for number in range(3):
        assert client.get(f"/jobs/{number}?f=json").status_code == 404
        assert client.get(f"/nothing/{number}").status_code == 404
    assert client.head("/conformance").status_code == 200
    assert client.open("/conformance", method="BREW").status_code == 405
    assert client.get("/", headers={"Host": "elsewhere"}).status_code == 421
    found = read(client)
    totals = {
        tuple(sorted(dict(labels).values())): number
        for (name, labels), number in found.items()
        if name == "http_requests_total"
    }
    assert totals == {
        ("/jobs/{job_id}", "4xx", "GET"): 3,
        ("", "4xx", "GET"): 3,
        ("/conformance", "2xx", "HEAD"): 1,
        ("", "4xx", "other"): 1,
        ("/", "4xx", "GET"): 1,
    }


def test_the_histogram_is_one(client: FlaskClient) -> None:
    for _ in range(4):
        client.get("/conformance")
    found = read(client)
    labels = {"route": "/conformance", "method": "GET", "status": "2xx"}
    name = "http_request_duration_seconds"
    buckets = sorted(
        (float(dict(found_labels)["le"]), number)
        for (found_name, found_labels), number in found.items()
        if found_name == f"{name}_bucket" and set(labels.items()) < set(found_labels)
    )
    counts = [number for _, number in buckets]
    assert buckets[-1] == (float("inf"), 4)
    assert counts == sorted(counts)
    assert value(found, f"{name}_count", **labels) == 4
    assert value(found, f"{name}_sum", **labels) > 0


def test_labels_of_any_text_are_read_back() -> None:
    odd = 'a"b\\c\nd,e="f"} ü'
    text = rendered([Metric("jobs", "gauge", "Jobs.", (Sample("", {"process": odd}, 1),))])
    assert value(numbers(text), "jobs", process=odd) == 1


def test_an_outage_of_the_store_is_seen(
    client: FlaskClient, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    @contextmanager
    def down(_: Database) -> Iterator[None]:
        raise OperationalError("select", {}, Exception("no connection"))
        yield

    monkeypatch.setattr(Database, "reading", down)
    found = read(client)
    assert ("store_up", frozenset()) in found
    assert value(found, "store_up") == 0
    assert value(found, "free_space_bytes") > 0
    assert not [name for name, _ in found if name.startswith("jobs")]


def test_the_store_is_measured_on_each_database(database_url: str, tmp_path: Path) -> None:
    settings = read_settings(PACKAGED, {}, data=tmp_path, database=database_url)
    app = create_app(settings)
    client = app.test_client()
    echo = {"inputs": {"stringInput": "x"}}
    headers = {"Prefer": "respond-async"}
    assert client.post("/processes/echo/execution", json=echo, headers=headers).status_code == 201
    found = read(client)
    assert value(found, "jobs", process="echo", status="accepted") == 1
    assert value(found, "oldest_waiting_job_seconds") > 0
    app.extensions["optiground"].store.close()


@pytest.fixture
def guarded(settings: Settings, documented: Any) -> Iterator[Flask]:
    settings.data.mkdir()
    digests = {hashlib.sha256(key.encode()).hexdigest(): name for name, key in KEYS.items()}
    app = create_app(settings.model_copy(update={"api_keys": digests, "operators": ("ada",)}))
    app.after_request(documented)
    yield app
    app.extensions["optiground"].store.close()


def test_only_operators_read_metrics(guarded: Flask) -> None:
    client = guarded.test_client()
    answers = {
        name: client.get("/metrics", headers={"X-API-Key": key}) for name, key in KEYS.items()
    }
    assert answers["ada"].status_code == 200
    assert answers["bob"].status_code == 403
    assert answers["bob"].json["code"] == "not-permitted"
    assert client.get("/metrics").status_code == 401


def test_operators_see_the_jobs_of_others(guarded: Flask) -> None:
    client = guarded.test_client()
    headers = {"X-API-Key": KEYS["bob"], "Prefer": "respond-async"}
    echo = {"inputs": {"stringInput": "x"}}
    made = client.post("/processes/echo/execution", json=echo, headers=headers).json
    answer = client.get(f"/jobs/{made['jobID']}", headers={"X-API-Key": KEYS["ada"]})
    assert answer.status_code == 200


def test_an_operator_has_a_key() -> None:
    with pytest.raises(ValueError, match="'eve'"):
        Settings(api_keys={"0" * 64: "ada"}, operators=("eve",))


@pytest.fixture
def two_workers(server_with: Any, until: Any) -> tuple[Any, list[psutil.Process]]:
    server = server_with(web_workers=2)
    masters = [
        child
        for child in psutil.Process(server.process.pid).children()
        if "gunicorn" in " ".join(child.cmdline())
    ]
    assert len(masters) == 1
    until(lambda: len(masters[0].children()) == 2)
    return server, masters[0].children()


def fetch(url: str) -> int:
    # A connection of its own, which either worker may take.
    return requests.get(url, headers={"Connection": "close"}, timeout=60).status_code


def seen(server: Any) -> tuple[float, float]:
    answer = requests.get(f"{server.url}/metrics", headers={"Connection": "close"}, timeout=60)
    labels = {"route": "/conformance", "method": "GET", "status": "2xx"}
    found = numbers(answer.text)
    assert value(found, "dispatcher_silence_seconds") >= 0
    return (
        value(found, "http_requests_total", **labels),
        value(found, "http_request_duration_seconds_count", **labels),
    )


def test_all_workers_count_together_and_a_killed_one_is_not_forgotten(
    two_workers: Any, until: Any, ended: Any
) -> None:
    server, workers = two_workers
    # While one is stopped the other answers, so each of them has counted.
    for stopped in workers:
        stopped.send_signal(signal.SIGSTOP)
        until(lambda one=stopped: one.status() == psutil.STATUS_STOPPED)
        assert {fetch(f"{server.url}/conformance") for _ in range(5)} == {200}
        assert seen(server)[0] % 5 == 0
        stopped.send_signal(signal.SIGCONT)
    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(fetch, [f"{server.url}/conformance"] * 40)) == {200}
    assert {seen(server) for _ in range(10)} == {(50, 50)}
    os.kill(workers[0].pid, signal.SIGKILL)
    until(lambda: ended(workers[0]))
    assert {seen(server) for _ in range(10)} == {(50, 50)}
