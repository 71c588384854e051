"""Idempotency-Key on execution, over HTTP."""

import hashlib
import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import requests
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from server.app import create_app
from server.jobs.store import Store
from server.settings import Settings

ECHO = "/processes/echo/execution"
INPUTS = {"inputs": {"stringInput": "teststring"}}
ASYNC = {"Prefer": "respond-async", "Content-Type": "application/json"}


def send(client: FlaskClient, key: str, body: object = INPUTS, **headers: str) -> TestResponse:
    given = ASYNC | {"Idempotency-Key": key} | headers
    return client.post(ECHO, data=json.dumps(body), headers=given)


def test_a_request_sent_again_answers_201_with_the_same_job(
    client: FlaskClient, store: Store
) -> None:
    first, second = send(client, "k1"), send(client, "k1")
    assert (first.status_code, second.status_code) == (201, 201)
    assert first.headers["Location"] == second.headers["Location"]
    assert first.json == second.json
    assert send(client, "k2").headers["Location"] != first.headers["Location"]
    assert store.list()[1] == 2


def test_another_body_or_process_under_the_same_key_answers_422(
    client: FlaskClient, store: Store
) -> None:
    send(client, "k")
    other = send(client, "k", {"inputs": {"stringInput": "other"}})
    assert other.status_code == 422
    assert other.json["code"] == "idempotency-key-reused"
    assert store.list()[1] == 1


@pytest.mark.parametrize("key", ["", " ", "two words", "é", "k" * 256])
def test_a_key_that_is_none_is_refused(client: FlaskClient, store: Store, key: str) -> None:
    answer = send(client, key)
    assert (answer.status_code, answer.json["code"]) == (400, "bad-request")
    assert store.list()[1] == 0


def test_a_refused_body_leaves_its_key_free(client: FlaskClient) -> None:
    assert send(client, "k", {"inputs": {"nonsense": 1}}).status_code == 400
    assert send(client, "k").status_code == 201


def test_a_job_whose_upload_is_gone_is_still_found(client: FlaskClient, store: Store) -> None:
    made = client.post("/uploads", data=b"II*\0", content_type="application/octet-stream")
    assert made.status_code == 201, made.text
    source = {"href": f"upload:{made.json['id']}"}
    headers = ASYNC | {"Idempotency-Key": "k"}
    body = json.dumps({"inputs": {"reference": source, "secondary": source}})
    first = client.post("/processes/mpic-opt/execution", data=body, headers=headers)
    assert first.status_code == 201, first.text
    store.dismiss(first.json["jobID"], "ana")
    assert client.delete(f"/uploads/{made.json['id']}").status_code == 204
    again = client.post("/processes/mpic-opt/execution", data=body, headers=headers)
    assert again.status_code == 201
    assert again.headers["Location"] == first.headers["Location"]


def test_results_that_were_waited_for_are_sent_again(office: Any) -> None:
    client: FlaskClient = office.client
    first = send(client, "k")
    job = office.claim()
    office.publish(job, dict(job.document["inputs"]))
    again = send(client, "k", Prefer="wait=20")
    assert first.status_code == 201
    assert (again.status_code, again.text) == (200, "teststring")


def test_keys_of_different_users_have_nothing_to_do_with_each_other(settings: Settings) -> None:
    known = {hashlib.sha256(word.encode()).hexdigest(): word for word in ("ana", "bo")}
    settings.data.mkdir(parents=True, exist_ok=True)
    app = create_app(settings.model_copy(update={"api_keys": known}))
    client = app.test_client()
    bodies = {name: {"inputs": {"stringInput": name}} for name in ("ana", "bo")}
    made = {name: send(client, "k", body, **{"X-API-Key": name}) for name, body in bodies.items()}
    assert [answer.status_code for answer in made.values()] == [201, 201]
    assert made["ana"].headers["Location"] != made["bo"].headers["Location"]
    app.extensions["optiground"].store.close()


def test_a_real_server_makes_one_job_of_many_requests_at_once(running_server: Any) -> None:
    def post(_: int) -> requests.Response:
        headers = {"Prefer": "respond-async", "Idempotency-Key": "at-once"}
        return requests.post(running_server.url + ECHO, json=INPUTS, headers=headers, timeout=60)

    with ThreadPoolExecutor(16) as pool:
        found = list(pool.map(post, range(32)))
    assert {answer.status_code for answer in found} == {201}
    assert len({answer.headers["Location"] for answer in found}) == 1
