"""From a request to a job: checks, preferences, synchronous answers."""

import json
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from core.pipelines import PIPELINES
from server.jobs.models import Job
from server.jobs.store import Store

ECHO = "/processes/echo/execution"
MPIC = "/processes/mpic-opt/execution"
INPUTS = {"inputs": {"stringInput": "teststring"}}
PAIR = {
    "inputs": {
        "reference": {"href": "https://example.org/a.tif"},
        "secondary": {"href": "https://example.org/b.tif"},
    }
}


@pytest.fixture
def answering(office: Any) -> Callable[[Callable[[Job], None]], Any]:
    """A dispatcher beside the test, that ends each job as it is told."""

    @contextmanager
    def at_work(end: Callable[[Job], None]) -> Iterator[None]:
        stop = threading.Event()

        def work() -> None:
            while not stop.wait(0.01):
                if office.claims.waiting():
                    end(office.claim())

        thread = threading.Thread(target=work)
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join()

    return at_work


def echo_back(office: Any) -> Callable[[Job], None]:
    return lambda job: office.publish(job, dict(job.document["inputs"]))


def test_a_job_is_made_of_a_request(client: FlaskClient, store: Store) -> None:
    answer = client.post(MPIC, json=PAIR)
    assert answer.status_code == 201
    info = answer.json
    assert answer.headers["Location"] == f"http://127.0.0.1:5000/jobs/{info['jobID']}"
    assert (info["processID"], info["status"]) == ("mpic-opt", "accepted")
    job = store.get(info["jobID"])
    assert job is not None
    assert job.mode == "async"
    assert job.document["inputs"]["step"] == 1


@pytest.mark.parametrize("prefer", [[], ["respond-sync"], ["return=minimal"], ["wait=0"]])
def test_what_runs_only_as_a_job_answers_201(client: FlaskClient, prefer: list[str]) -> None:
    headers = [("Prefer", value) for value in prefer]
    assert client.post(MPIC, json=PAIR, headers=headers).status_code == 201


@pytest.mark.parametrize("prefer", ["respond-async", "Respond-Async, foo", "a=b, respond-async"])
def test_echo_is_a_job_where_the_client_prefers(client: FlaskClient, prefer: str) -> None:
    answer = client.post(ECHO, json=INPUTS, headers={"Prefer": prefer})
    assert answer.status_code == 201
    assert answer.headers["Preference-Applied"] == "respond-async"


def monitors(answer: Any) -> list[str]:
    """What names the job of an answer: as RFC 8288 has it, and as OGC's suite reads it."""
    address = re.match(r"<(http://127\.0\.0\.1:5000/jobs/[0-9a-f-]{36})>", answer.headers["Link"])
    assert address
    return [f'<{address[1]}>; rel="monitor"', f"{address[1]}; rel=monitor"]


def test_echo_answers_with_its_results(office: Any, answering: Any) -> None:
    client: FlaskClient = office.client
    with answering(echo_back(office)):
        one = client.post(ECHO, json=INPUTS | {"outputs": {"stringInput": {}}})
        document = client.post(ECHO, json=INPUTS | {"response": "document"})
        parts = client.post(ECHO, json={"inputs": {"stringInput": "s", "arrayInput": [1]}})
        waited = client.post(ECHO, json=INPUTS, headers={"Prefer": "respond-async, wait=10"})
    assert (one.status_code, one.mimetype, one.text) == (200, "text/plain", "teststring")
    assert one.headers.getlist("Link") == monitors(one)
    assert document.json == {"stringInput": "teststring", "pause": 0.0} or document.json == {
        "stringInput": "teststring"
    }
    assert parts.mimetype == "multipart/related"
    assert waited.status_code == 200


def test_a_failure_is_the_answer_to_who_waits(office: Any, answering: Any) -> None:
    problem = {"code": "too-large", "message": "Too large.", "pointer": "", "value": None}
    with answering(lambda job: office.fail(job, problem)):
        answer = office.client.post(ECHO, json=INPUTS)
    assert (answer.status_code, answer.json["code"]) == (400, "too-large")
    assert answer.headers.getlist("Link") == monitors(answer)


def test_who_waits_in_vain_gets_the_job(client: FlaskClient) -> None:
    answer = client.post(ECHO, json=INPUTS, headers={"Prefer": "wait=1"})
    assert (answer.status_code, answer.json["status"]) == (201, "accepted")


def test_waiting_for_a_job_that_runs_only_as_one_shows_its_status(
    office: Any, answering: Any
) -> None:
    with answering(lambda job: office.publish(job, {})):
        answer = office.client.post(MPIC, json=PAIR, headers={"Prefer": "wait=10"})
    assert (answer.status_code, answer.json["status"]) == (201, "successful")


def test_half_of_the_threads_may_wait_and_the_next_gets_its_job(
    app: Flask, client: FlaskClient
) -> None:
    services = app.extensions["optiground"]
    with ExitStack() as waiting:
        for _ in range(services.settings.web_threads // 2):
            assert waiting.enter_context(services.waiting.place("job"))
        answer = client.post(ECHO, json=INPUTS, headers={"Prefer": "wait=20"})
        assert (answer.status_code, answer.json["status"]) == (201, "accepted")
        inspected = client.post("/processes/mpic-opt/inspect", json=PAIR)
        assert (inspected.status_code, inspected.json["code"]) == (503, "server-busy")
        assert int(inspected.headers["Retry-After"]) > 0


@pytest.mark.parametrize(
    ("asked", "status", "applied"),
    [
        ("wait=3", 200, "wait=3"),
        ("wait=600", 200, "wait=20"),
        ("respond-async, wait=4", 200, "wait=4"),
        ("respond-async", 201, "respond-async"),
        ("return=minimal", 200, None),
        ("", 200, None),
    ],
)
def test_a_preference_that_was_followed_is_named(
    client: FlaskClient, office: Any, answering: Any, asked: str, status: int, applied: str | None
) -> None:
    with answering(echo_back(office)):
        answer = client.post(ECHO, json=INPUTS, headers={"Prefer": asked})
    assert (answer.status_code, answer.headers.get("Preference-Applied")) == (status, applied)


def test_a_wait_that_found_no_place_is_not_named(app: Flask, client: FlaskClient) -> None:
    with ExitStack() as held:
        while held.enter_context(app.extensions["optiground"].waiting.place("job")):
            pass
        for asked, applied in (("wait=9", None), ("respond-async, wait=9", "respond-async")):
            answer = client.post(MPIC, json=PAIR, headers={"Prefer": asked})
            assert answer.status_code == 201
            assert answer.headers.get("Preference-Applied") == applied


@pytest.mark.parametrize(
    ("charset", "status"), [("utf-8", 201), ("UTF-8", 201), ("latin-1", 415), ("utf-16", 415)]
)
def test_a_request_is_read_in_utf_8_only(client: FlaskClient, charset: str, status: int) -> None:
    body = json.dumps({"inputs": {"stringInput": "ü"}}, ensure_ascii=False).encode(charset)
    headers = {"Content-Type": f"application/json; charset={charset}", "Prefer": "respond-async"}
    answer = client.post(ECHO, data=body, headers=headers)
    assert answer.status_code == status, answer.text


def test_a_dismissal_ends_the_waiting(office: Any, answering: Any) -> None:
    with answering(lambda job: office.store.dismiss(job.id, "test")):
        answer = office.client.post(ECHO, json=INPUTS)
    assert (answer.status_code, answer.json["code"]) == (410, "results-gone")


@pytest.mark.parametrize(
    "content_type",
    ["text/plain", "application/x-www-form-urlencoded", "", "application/json+x", "text/json"],
)
def test_only_json_is_executed(client: FlaskClient, content_type: str) -> None:
    for path in (ECHO, "/processes/mpic-opt/inspect"):
        answer = client.post(path, data=json.dumps(INPUTS), content_type=content_type)
        assert (answer.status_code, answer.json["code"]) == (415, "unsupported-media-type")
    assert client.get("/jobs").json["numberMatched"] == 0


def test_json_may_name_its_encoding(client: FlaskClient) -> None:
    answer = client.post(
        ECHO,
        data=json.dumps(INPUTS),
        content_type="application/json; charset=utf-8",
        headers={"Prefer": "respond-async"},
    )
    assert answer.status_code == 201


def test_a_body_that_is_packed_or_too_large_is_refused(app: Flask, client: FlaskClient) -> None:
    answer = client.post(ECHO, json=INPUTS, headers={"Content-Encoding": "gzip"})
    assert answer.status_code == 415
    limit = app.config["MAX_CONTENT_LENGTH"]
    answer = client.post(ECHO, data=b" " * (limit + 1), content_type="application/json")
    assert (answer.status_code, answer.json["code"]) == (413, "body-too-large")


def test_all_that_is_wrong_is_told_at_once(client: FlaskClient) -> None:
    inputs = PAIR["inputs"] | {"window": 14, "step": 0, "unknown": 1}
    answer = client.post(MPIC, json={"inputs": inputs, "outputs": {"nothing": {}}})
    assert answer.status_code == 400
    pointers = {problem["pointer"] for problem in answer.json["problems"]}
    assert pointers == {"/inputs/window", "/inputs/step", "/inputs/unknown", "/outputs/nothing"}
    assert client.get("/jobs").json["numberMatched"] == 0


def test_several_prefer_headers_are_read_as_one(client: FlaskClient) -> None:
    headers = [("Prefer", "return=representation"), ("Prefer", "Respond-Async;x=1")]
    answer = client.post(ECHO, json=INPUTS, headers=headers)
    assert (answer.status_code, answer.headers["Preference-Applied"]) == (201, "respond-async")


def test_reading_changes_nothing_of_how_a_process_runs(client: FlaskClient) -> None:
    def modes() -> list[list[str]]:
        paths = [f"/processes/{name}" for name in PIPELINES]
        return [client.get(path).json["jobControlOptions"] for path in paths]

    before = modes()
    for path in ("/", "/processes", "/processes?f=html", "/openapi", "/conformance"):
        assert client.get(path).status_code == 200
    assert (
        modes()
        == before
        == [
            ["async-execute", "dismiss"],
            ["async-execute", "dismiss"],
            ["sync-execute", "async-execute", "dismiss"],
        ]
    )
    listed = client.get("/processes").json["processes"]
    assert [process["jobControlOptions"] for process in listed] == before
    assert client.post(MPIC, json=PAIR).status_code == 201
    answer = client.post(ECHO, json=INPUTS, headers={"Prefer": "respond-async"})
    assert answer.status_code == 201


def test_a_synchronous_answer_is_no_new_resource(office: Any, answering: Any) -> None:
    with answering(echo_back(office)):
        answer = office.client.post(ECHO, json=INPUTS)
    assert answer.status_code == 200
    assert "Location" not in answer.headers
