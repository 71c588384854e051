"""Answers after the standard's schemas, and after our own OpenAPI document."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from jsonschema import Draft4Validator

from core.pipelines import PIPELINES
from server.jobs.models import Job

Errors = Callable[[str, Any], list[str]]


@pytest.fixture
def after_openapi(client: FlaskClient) -> Errors:
    """What is wrong with a document after a schema of the server's own OpenAPI document."""
    document = client.get("/openapi").json

    def errors(name: str, answer: Any) -> list[str]:
        schema = document | {"$ref": f"#/components/schemas/{name}"}
        return [error.message for error in Draft4Validator(schema).iter_errors(answer)]

    return errors


@pytest.fixture
def answers(office: Any, displaced: Callable[..., Job]) -> list[tuple[str, str, Any]]:
    """Schema of the standard, name of ours, and an answer, of every kind that there is."""
    client: FlaskClient = office.client
    inputs = {"stringInput": "s", "arrayInput": [1], "objectInput": {"value": "v"}}
    done, echoed = displaced(), office.echoed(inputs=inputs)
    waiting = office.submit()
    failed = office.submit()
    office.claim()
    problem = {"code": "no-overlap", "pointer": "", "value": None, "allowed": "", "message": "No."}
    office.fail(office.claim(), problem)
    kinds = [
        ("landingPage", "landingPage", "/"),
        ("confClasses", "confClasses", "/conformance"),
        ("processList", "processList", "/processes"),
        ("process", "process", "/processes/echo"),
        ("process", "process", "/processes/mpic-opt"),
        ("jobList", "jobList", "/jobs"),
        ("statusInfo", "statusInfo", f"/jobs/{done.id}"),
        ("statusInfo", "statusInfo", f"/jobs/{waiting.id}"),
        ("statusInfo", "statusInfo", f"/jobs/{failed.id}"),
        ("results", "mpic-opt-results", f"/jobs/{done.id}/results"),
        ("results", "echo-results", f"/jobs/{echoed.id}/results"),
        ("exception", "exception", "/jobs/none"),
        ("exception", "exception", "/processes/none"),
        ("exception", "exception", f"/jobs/{failed.id}/results"),
        ("exception", "exception", f"/jobs/{waiting.id}/results"),
        ("exception", "exception", "/jobs?limit=x"),
    ]
    return [(standard, ours, client.get(path).json) for standard, ours, path in kinds]


@pytest.mark.shared
def test_answers_are_valid_after_the_standard(
    answers: list[tuple[str, str, Any]], standard: Errors
) -> None:
    for schema, _, answer in answers:
        assert standard(schema, answer) == [], (schema, answer)


def test_answers_are_valid_after_the_openapi_document(
    answers: list[tuple[str, str, Any]], after_openapi: Errors
) -> None:
    for _, schema, answer in answers:
        assert after_openapi(schema, answer) == [], (schema, answer)


def test_uploads_and_health_are_valid_after_the_openapi_document(
    client: FlaskClient, after_openapi: Errors
) -> None:
    octets = {"Content-Type": "application/octet-stream"}
    assert after_openapi("upload", client.post("/uploads", data=b"x", headers=octets).json) == []
    assert after_openapi("uploadList", client.get("/uploads").json) == []
    assert after_openapi("health", client.get("/health").json) == []


def test_paths_and_methods_are_those_of_the_openapi_document(
    app: Flask, client: FlaskClient
) -> None:
    promised = {
        (re.sub(rf"{{\w+}}|\b({'|'.join(PIPELINES)})\b", "*", path), method.upper())
        for path, item in client.get("/openapi").json["paths"].items()
        for method in item
        if method in ("get", "post", "delete", "put", "patch")
    }
    served = {
        (re.sub(r"<[^>]+>", "*", rule.rule), method)
        for rule in app.url_map.iter_rules()
        if rule.endpoint != "static"
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
    }
    assert served == promised


def test_a_list_of_one_process_has_one(client: FlaskClient) -> None:
    whole, one = client.get("/processes").json, client.get("/processes?limit=1").json
    assert one["processes"] == whole["processes"][:1]
    assert client.get("/processes?limit=0").status_code == 400


def test_texts_come_as_they_were_written(client: FlaskClient) -> None:
    for path in ("/", "/processes", "/processes/mpic-opt"):
        assert "&lt;" not in client.get(path).text


def test_a_server_without_a_dispatcher_is_not_healthy(client: FlaskClient) -> None:
    answer = client.get("/health")
    assert (answer.status_code, answer.json["dispatcher"]) == (503, "silent")
    assert answer.json["store"] == "writable"


def test_a_server_whose_store_takes_nothing_is_not_healthy(
    app: Flask, client: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(app.extensions["optiground"].store, "is_writable", lambda: False)
    answer = client.get("/health")
    assert (answer.status_code, answer.json["store"]) == (503, "not writable")
