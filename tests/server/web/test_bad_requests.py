"""Bad requests: each is refused before there is a job, with the reason and the place."""

import json
from typing import Any, NamedTuple

import pytest
from flask.testing import FlaskClient

from server.app import create_app
from server.settings import Settings

PATH = "/processes/mpic-opt/execution"
A, B = "https://example.org/a.tif", "https://example.org/b.tif"
NOWHERE = "00000000-0000-0000-0000-000000000000"


def pair(**more: Any) -> dict[str, Any]:
    return {"inputs": {"reference": {"href": A}, "secondary": {"href": B}, **more}}


def raw(text: str) -> bytes:
    """A request whose input `window` is this text."""
    return json.dumps(pair(window=0)).replace('"window": 0', f'"window": {text}').encode()


def source(href: str) -> bytes:
    return json.dumps(pair(reference={"href": href})).encode()


def body(document: object) -> bytes:
    return json.dumps(document).encode()


class Refusal(NamedTuple):
    sent: bytes
    code: str
    pointer: str


SCENES = [{"href": A}, {"href": B}, {"href": B}]

REFUSED: dict[str, Refusal] = {
    "no body": Refusal(b"", "malformed-request", ""),
    "no JSON": Refusal(b"inputs=1", "malformed-request", ""),
    "an array": Refusal(b"[1, 2]", "malformed-request", ""),
    "a text": Refusal(b'"abc"', "malformed-request", ""),
    "inputs as an array": Refusal(body({"inputs": [1]}), "wrong-type", "/inputs"),
    "invalid UTF-8": Refusal(b'{"inputs": {"band": "\xff\xfe"}}', "malformed-request", ""),
    "a duplicate key": Refusal(
        b'{"inputs": {"window": 15, "window": 21}}', "duplicate-key", "/inputs/window"
    ),
    "NaN": Refusal(raw("NaN"), "out-of-range", "/inputs/window"),
    "1e999": Refusal(raw("1e999"), "out-of-range", "/inputs/window"),
    "a number of 5000 digits": Refusal(raw("1" * 5000), "out-of-range", "/inputs/window"),
    "nesting 10,000 deep": Refusal(raw("[" * 10000 + "]" * 10000), "malformed-request", ""),
    "nesting 10,000 deep in objects": Refusal(
        raw('{"a":' * 10000 + "1" + "}" * 10000), "malformed-request", ""
    ),
    "NUL in a text": Refusal(raw('15, "band": "B\\u0000"'), "malformed-request", "/inputs/band"),
    "a lone surrogate": Refusal(raw('15, "band": "\\ud800"'), "malformed-request", "/inputs/band"),
    "a text for a number": Refusal(raw('"15"'), "wrong-type", "/inputs/window"),
    "a boolean for a number": Refusal(raw("true"), "wrong-type", "/inputs/window"),
    "an even window": Refusal(raw("14"), "out-of-range", "/inputs/window"),
    "a window too large": Refusal(raw("1001"), "out-of-range", "/inputs/window"),
    "a step below its range": Refusal(raw('15, "step": -1'), "out-of-range", "/inputs/step"),
    "an unknown input": Refusal(raw('15, "windw": 3'), "unknown-input", "/inputs/windw"),
    "an unknown output": Refusal(
        body(pair() | {"outputs": {"east": {}}}), "unknown-output", "/outputs/east"
    ),
    "an unknown member": Refusal(
        body(pair() | {"subscriber": {}}), "unknown-member", "/subscriber"
    ),
    "an unknown response": Refusal(body(pair() | {"response": "xml"}), "out-of-range", "/response"),
    "a file by value": Refusal(
        body(pair() | {"outputs": {"score": {"transmissionMode": "value"}}}),
        "out-of-range",
        "/outputs/score/transmissionMode",
    ),
    "no secondary": Refusal(
        body({"inputs": {"reference": {"href": A}}}), "missing-input", "/inputs/secondary"
    ),
    "an unknown preset": Refusal(raw('15, "preset": "ice"'), "out-of-range", "/inputs/preset"),
    "a date that is none": Refusal(
        raw('15, "reference_date": "2016-02-30"'), "wrong-type", "/inputs/reference_date"
    ),
    "fewer dates than scenes": Refusal(
        body({"inputs": {"scenes": SCENES, "dates": ["2016-05-29"]}}),
        "inconsistent-inputs",
        "/inputs/dates",
    ),
    "more scenes than allowed": Refusal(
        body({"inputs": {"scenes": [{"href": A}] * 101}}), "too-large", "/inputs/scenes"
    ),
    "a mask that is missing": Refusal(
        raw('15, "cloud_mask": "user"'), "missing-input", "/inputs/mask"
    ),
    "a file of the server": Refusal(
        source("file:///etc/passwd"), "source-refused", "/inputs/reference/href"
    ),
    "an address of the network itself": Refusal(
        source("https://169.254.169.254/latest"), "source-refused", "/inputs/reference/href"
    ),
    "a path that GDAL would open": Refusal(
        source("/vsicurl/https://example.org/a.tif"), "source-refused", "/inputs/reference/href"
    ),
    "another scheme": Refusal(
        source("ftp://example.org/a.tif"), "source-refused", "/inputs/reference/href"
    ),
    "an upload that is not there": Refusal(
        source(f"upload:{NOWHERE}"), "source-refused", "/inputs/reference/href"
    ),
    "a result that is not there": Refusal(
        source(f"job:{NOWHERE}/score"), "source-refused", "/inputs/reference/href"
    ),
}


def check_refused(client: FlaskClient, refusal: Refusal, path: str) -> None:
    answer = client.post(path, data=refusal.sent, content_type="application/json")
    assert answer.status_code == 400, answer.text
    found = {problem["pointer"]: problem for problem in answer.json["problems"]}
    assert refusal.pointer in found, answer.json
    problem = found[refusal.pointer]
    assert problem["code"] == refusal.code
    assert problem.keys() == {"code", "pointer", "value", "allowed", "message"}
    assert problem["message"]
    assert len(answer.data) < 10_000


@pytest.mark.parametrize("name", REFUSED)
def test_a_bad_request_is_refused_before_there_is_a_job(
    client: FlaskClient, settings: Settings, name: str
) -> None:
    for path in (PATH, "/processes/mpic-opt/inspect"):
        check_refused(client, REFUSED[name], path)
    assert client.get("/jobs").json["numberMatched"] == 0
    left = [path for path in settings.data.rglob("*") if path.is_file()]
    assert all(path.name.startswith("optiground.sqlite") for path in left)


@pytest.mark.postgresql
def test_bad_requests_are_refused_with_the_same_answers_on_postgresql(
    postgresql_url: str, settings: Settings
) -> None:
    settings.data.mkdir()
    app = create_app(settings.model_copy(update={"database": postgresql_url}))
    client = app.test_client()
    for refusal in REFUSED.values():
        check_refused(client, refusal, PATH)
    assert client.get("/jobs").json["numberMatched"] == 0
    app.extensions["optiground"].store.close()
