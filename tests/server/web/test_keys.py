"""Access with API keys: each user has jobs of their own."""

import hashlib
from collections.abc import Iterator

import pytest
from flask import Flask

from server.app import create_app
from server.settings import Settings

KEYS = {"ada": "key of ada", "bob": "key of bob"}
ECHO = {"inputs": {"stringInput": "x"}}


@pytest.fixture
def guarded(settings: Settings) -> Iterator[Flask]:
    settings.data.mkdir()
    digests = {hashlib.sha256(key.encode()).hexdigest(): name for name, key in KEYS.items()}
    app = create_app(settings.model_copy(update={"api_keys": digests, "host": "0.0.0.0"}))
    yield app
    app.extensions["optiground"].store.close()


def bearer(name: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {KEYS[name]}", "Prefer": "respond-async"}


def test_descriptions_are_public(guarded: Flask) -> None:
    client = guarded.test_client()
    for path in ("/", "/conformance", "/openapi", "/processes", "/processes/echo"):
        assert client.get(path).status_code == 200


def test_strangers_are_asked_for_a_key(guarded: Flask) -> None:
    client = guarded.test_client()
    tries = [
        ("GET", "/jobs"),
        ("GET", "/uploads"),
        ("POST", "/processes/echo/execution"),
        ("POST", "/uploads"),
    ]
    for method, path in tries:
        answer = client.open(path, method=method, json=ECHO)
        assert answer.status_code == 401
        assert answer.headers["WWW-Authenticate"].startswith("Bearer")
        assert client.open(path, method=method, headers={"X-API-Key": "none"}).status_code == 401


def test_a_job_is_seen_by_its_owner_only(guarded: Flask) -> None:
    client = guarded.test_client()
    made = client.post("/processes/echo/execution", json=ECHO, headers=bearer("ada"))
    path = f"/jobs/{made.json['jobID']}"
    for name, status in (("ada", 200), ("bob", 404)):
        assert client.get(path, headers=bearer(name)).status_code == status
        assert client.get(f"{path}/log", headers=bearer(name)).status_code == status
        assert client.get(f"{path}/results", headers=bearer(name)).status_code == 404
        assert client.get("/jobs", headers=bearer(name)).json["numberMatched"] == (status == 200)
    assert client.delete(path, headers=bearer("bob")).status_code == 404
    assert client.delete(path, headers=bearer("ada")).json["status"] == "dismissed"
    assert client.get(path).status_code == 401


def test_keys_come_in_three_ways(guarded: Flask) -> None:
    client = guarded.test_client()
    assert client.get("/jobs", headers={"X-API-Key": KEYS["ada"]}).status_code == 200
    assert client.get("/jobs", headers=bearer("ada")).status_code == 200
    assert client.get("/jobs", auth=("anything", KEYS["ada"])).status_code == 200


def test_an_upload_is_used_by_its_owner_only(guarded: Flask) -> None:
    client = guarded.test_client()
    octets = {"Content-Type": "application/octet-stream"}
    made = client.post("/uploads?name=a.tif", data=b"x", headers=octets | bearer("ada"))
    assert made.status_code == 201
    path, href = f"/uploads/{made.json['id']}", made.json["href"]
    assert client.get(path, headers=bearer("bob")).status_code == 404
    request = {"inputs": {"reference": {"href": href}, "secondary": {"href": href}}}
    answer = client.post("/processes/mpic-opt/execution", json=request, headers=bearer("bob"))
    assert answer.status_code == 400
    assert answer.json["problems"][0]["pointer"] == "/inputs/reference/href"
    assert client.delete(path, headers=bearer("bob")).status_code == 404
    assert client.delete(path, headers=bearer("ada")).status_code == 204
