"""Uploaded files: whole or not at all."""

import hashlib
import io
from collections import namedtuple
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from server.app import create_app
from server.jobs.store import Store
from server.settings import Settings

OCTETS = {"Content-Type": "application/octet-stream"}


def left(settings: Settings) -> list[Path]:
    return sorted(path for path in settings.uploads_folder.rglob("*") if path.is_file())


def test_a_posted_file_is_kept_as_it_is(client: FlaskClient, settings: Settings) -> None:
    content = bytes(range(256)) * 5000
    answer = client.post("/uploads?name=S2A_scene.zip", data=content, headers=OCTETS)
    assert answer.status_code == 201
    info = answer.json
    assert answer.headers["Location"].endswith(f"/uploads/{info['id']}")
    assert info["href"] == f"upload:{info['id']}"
    assert info["sha256"] == hashlib.sha256(content).hexdigest()
    assert (info["name"], info["size"]) == ("S2A_scene.zip", len(content))
    assert str(settings.data) not in answer.text
    (file,) = left(settings)
    assert file.name == "S2A_scene.zip"
    assert file.read_bytes() == content
    assert client.get(f"/uploads/{info['id']}").json == info
    assert [entry["id"] for entry in client.get("/uploads").json["uploads"]] == [info["id"]]


@pytest.mark.parametrize(
    "given", ["\u6f22" * 100 + ".zip", "a" * 500 + ".zip", "a." + "\u6f22" * 300]
)
def test_a_long_name_is_cut_to_what_file_systems_take(
    client: FlaskClient, settings: Settings, given: str
) -> None:
    answer = client.post("/uploads", query_string={"name": given}, data=b"x", headers=OCTETS)
    assert answer.status_code == 201, answer.text
    (file,) = left(settings)
    assert file.name == answer.json["name"]
    assert len(file.name.encode()) <= 255
    assert file.name.endswith(".zip") == given.endswith(".zip")
    assert given.startswith(file.name.removesuffix(".zip"))


def test_a_form_carries_one_file(client: FlaskClient, settings: Settings) -> None:
    form = {"note": "x", "file": (io.BytesIO(b"content"), "../../a b.tif")}
    answer = client.post("/uploads", data=form, content_type="multipart/form-data")
    assert (answer.status_code, answer.json["name"]) == (201, "a_b.tif")
    assert [file.read_bytes() for file in left(settings)] == [b"content"]
    two = {"a": (io.BytesIO(b"1"), "1"), "b": (io.BytesIO(b"2"), "2")}
    answer = client.post("/uploads", data=two, content_type="multipart/form-data")
    assert answer.status_code == 400
    assert len(left(settings)) == 1


def test_a_form_carries_bytes_that_look_like_the_end_of_a_part(
    client: FlaskClient, settings: Settings
) -> None:
    # The parser keeps each line break back, as what may be the beginning of a boundary.
    content = b"\r\n--" * 100_000
    form = {"file": (io.BytesIO(content), "a.tif")}
    answer = client.post("/uploads", data=form, content_type="multipart/form-data")
    assert answer.status_code == 201
    assert [file.read_bytes() for file in left(settings)] == [content]


@pytest.mark.parametrize(
    ("content_type", "data", "status"),
    [
        ("application/json", b"{}", 415),
        ("text/plain", b"x", 415),
        ("application/octet-stream", b"", 400),
        ("multipart/form-data", b"x", 400),
        ("multipart/form-data; boundary=b", b"--b\r\nContent-Disposition: form-data", 400),
        ("multipart/form-data; boundary=b", b"--b--\r\n", 400),
    ],
)
def test_what_is_no_file_leaves_nothing(
    client: FlaskClient, settings: Settings, content_type: str, data: bytes, status: int
) -> None:
    answer = client.post("/uploads", data=data, content_type=content_type)
    assert answer.status_code == status
    assert left(settings) == []
    assert client.get("/uploads").json["uploads"] == []


def test_a_file_beyond_the_limit_leaves_nothing(settings: Settings) -> None:
    settings.data.mkdir()
    app = create_app(settings.model_copy(update={"upload_limit": 100_000}))
    client = app.test_client()
    for data in (b"x" * 100_001, io.BytesIO(b"x" * 300_000), io.BytesIO(b"x" * 100_001)):
        answer = client.post("/uploads", data=data, headers=OCTETS)
        assert (answer.status_code, answer.json["code"]) == (413, "body-too-large")
    form = {"file": (io.BytesIO(b"x" * 120_000), "a")}
    answer = client.post("/uploads", data=form, content_type="multipart/form-data")
    assert answer.status_code == 413
    assert left(settings) == []
    assert client.post("/uploads", data=b"x" * 100_000, headers=OCTETS).status_code == 201
    app.extensions["optiground"].store.close()


def test_a_full_disk_is_507_and_leaves_nothing(
    app: Flask, client: FlaskClient, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    services = app.extensions["optiground"]
    services.settings = settings.model_copy(update={"free_space_min": 1 << 62})
    echo = {"inputs": {"stringInput": "x"}}
    for path, sent in (
        ("/uploads", {"data": b"x", "headers": OCTETS}),
        ("/processes/echo/execution", {"json": echo}),
        ("/processes/echo/inspect", {"json": echo}),
    ):
        answer = client.post(path, **sent)
        assert (answer.status_code, answer.json["code"]) == (507, "server-full")
    services.settings = settings.model_copy(update={"free_space_min": 10})
    usage = namedtuple("usage", "free")
    readings = iter([usage(100), usage(5)])
    monkeypatch.setattr("shutil.disk_usage", lambda _: next(readings))
    answer = client.post("/uploads", data=b"x" * (65 << 20), headers=OCTETS)
    assert answer.status_code == 507
    assert left(settings) == []


def test_a_file_that_a_waiting_job_needs_stays(office: Any, settings: Settings) -> None:
    client = office.client
    info = client.post("/uploads", data=b"x", headers=OCTETS).json
    source = {"href": info["href"]}
    job = office.submit("mpic-opt", inputs={"reference": source, "secondary": source})
    assert job.files == {info["href"]: str(left(settings)[0])}
    answer = client.delete(f"/uploads/{info['id']}")
    assert (answer.status_code, answer.json["code"]) == (409, "upload-in-use")
    client.delete(f"/jobs/{job.id}")
    assert client.delete(f"/uploads/{info['id']}").status_code == 204
    assert client.delete(f"/uploads/{info['id']}").status_code == 404
    assert left(settings) == []


def test_a_store_that_fails_keeps_no_file(
    client: FlaskClient, store: Store, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_: object) -> None:
        raise OSError("no store")

    monkeypatch.setattr(store, "add_upload", broken)
    assert client.post("/uploads", data=b"x", headers=OCTETS).status_code == 500
    assert left(settings) == []
