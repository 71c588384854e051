"""How errors are told."""

import json
import re
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import exc

from core.errors import error_classes
from server import errors, problems
from server.problems import STATUS, status_of

ROOT = Path(__file__).parents[3]
OGC = "http://www.opengis.net/def/exceptions/ogcapi-processes-1/1.0/"
MEMBERS = {"type", "title", "status", "detail", "instance", "code"}


@pytest.mark.parametrize(
    ("path", "status", "type_"),
    [
        ("/processes/none", 404, OGC + "no-such-process"),
        ("/jobs/none", 404, OGC + "no-such-job"),
        ("/jobs/%00", 404, OGC + "no-such-job"),
        ("/nowhere", 404, "urn:optiground:error:not-found"),
        ("/processes/echo/execution", 405, "urn:optiground:error:method-not-allowed"),
        ("/jobs?limit=-1", 400, "urn:optiground:error:bad-query"),
        ("/jobs?f=xml", 400, "urn:optiground:error:bad-query"),
    ],
)
def test_an_error_has_the_members_of_rfc_9457(
    client: FlaskClient, path: str, status: int, type_: str
) -> None:
    answer = client.get(path)
    assert answer.status_code == answer.json["status"] == status
    assert answer.json["type"] == type_
    assert answer.json.keys() >= MEMBERS
    assert answer.mimetype == "application/json"


def test_problem_json_is_for_who_prefers_it(client: FlaskClient) -> None:
    for accept, type_ in [
        ("application/problem+json", "application/problem+json"),
        ("application/json, application/problem+json", "application/json"),
        ("application/problem+json, application/json;q=.5", "application/problem+json"),
        ("*/*", "application/json"),
        ("text/html", "text/html"),
    ]:
        assert client.get("/jobs/none", headers={"Accept": accept}).mimetype == type_


def test_a_fault_tells_its_id_and_nothing_else(
    app: Flask, client: FlaskClient, caplog: pytest.LogCaptureFixture
) -> None:
    def broken() -> str:
        raise RuntimeError("/secret/path/of/the/server")

    app.add_url_rule("/broken", view_func=broken)
    for accept in ("application/json", "text/html"):
        answer = client.get("/broken", headers={"Accept": accept})
        assert answer.status_code == 500
        assert "secret" not in answer.text
        assert "Traceback" not in answer.text
    error_id = client.get("/broken").json["error_id"]
    assert error_id in caplog.text
    assert "/secret/path/of/the/server" in caplog.text


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (exc.OperationalError("SELECT secret", None, Exception("no server")), 503),
        (exc.DatabaseError("SELECT secret", None, Exception("not a database")), 503),
        (exc.TimeoutError("no connection is free"), 503),
        (exc.IntegrityError("SELECT secret", None, Exception("twice")), 500),
        (exc.InvalidRequestError("wrong"), 500),
    ],
)
def test_a_store_that_is_down_is_told_from_a_fault(
    app: Flask,
    client: FlaskClient,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
    error: Exception,
    status: int,
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(app.extensions["optiground"].store, "list", broken)
    answer = client.get("/jobs")
    assert answer.status_code == status
    assert "secret" not in answer.text
    assert ("Retry-After" in answer.headers) == (status == 503)
    assert ("Traceback" in caplog.text) == (status == 500)


def test_the_method_that_is_allowed_is_named(client: FlaskClient) -> None:
    assert "POST" in client.get("/processes/echo/execution").headers["Allow"]


def test_every_status_belongs_to_an_error() -> None:
    codes = {kind.code for kind in error_classes()}
    assert set(STATUS) <= codes
    assert {kind.code for kind in error_classes(errors.NotFound)} <= set(STATUS)
    assert status_of("out-of-range") == 400
    assert status_of("internal-error") == 500
    assert status_of("no such code") == 500


def test_what_nginx_refuses_reads_like_the_server_s_own_refusals(app: Flask) -> None:
    configuration = (ROOT / "docker/nginx/optiground.conf").read_text()
    told = {
        status: json.loads(text)
        for status, text in re.findall(r"return (\d+) '(\{.*\})';", configuration)
    }
    assert {status: one["code"] for status, one in told.items()} == {
        "413": "body-too-large",
        "429": "too-many-requests",
    }
    with app.test_request_context("/"):
        for status, one in told.items():
            expected = problems.document(one["code"], one["detail"])
            assert str(expected["status"]) == status
            assert one == {name: expected[name] for name in expected if name != "instance"}
