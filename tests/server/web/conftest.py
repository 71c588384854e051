"""An application on a store of its own, and a stand-in for the dispatcher."""

import hashlib
import json
import re
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from flask import Flask, Response, request
from flask.testing import FlaskClient

from core.pipelines import PIPELINES
from processes import openapi
from processes.responses import RESPONSES
from server.app import create_app
from server.jobs.claims import Claims, Places
from server.jobs.models import Job
from server.jobs.store import Store
from server.services import Services
from server.settings import PACKAGED, Settings, read_settings

MANY = Places(99, 99, 99)
JSON = {"Content-Type": "application/json"}


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return read_settings(PACKAGED, {}, data=tmp_path / "data", free_space_min=0)


class Documented:
    """Looks at each answer: its status and its type have to stand in the OpenAPI document."""

    def __init__(self) -> None:
        self.missing: set[str] = set()
        # Process ids stand in the document's paths, in the application's rules they do not.
        self._operations: dict[tuple[str, str], list[Any]] = {}
        for path, operations in openapi.document(PIPELINES)["paths"].items():
            general = re.sub(r"\{\w+\}|(?<=/processes/)[\w-]+", "{}", path)
            for method, operation in operations.items():
                self._operations.setdefault((general, method), []).append(operation)

    def __call__(self, answer: Response) -> Response:
        path = re.sub(r"<\w+>", "{}", str(request.url_rule))
        method = request.method.lower().replace("head", "get")
        operations = self._operations.get((path, method))
        told = f"{method} {path} {answer.status_code} {answer.mimetype}"
        if operations and not any(self._has(operation, answer) for operation in operations):
            self.missing.add(told)
        return answer

    def _has(self, operation: dict[str, Any], answer: Response) -> bool:
        found = operation["responses"].get(str(answer.status_code))
        if found is None:
            return False
        if "$ref" in found:
            found = RESPONSES[found["$ref"].rpartition("/")[2]]
        types = {type_.partition(";")[0] for type_ in found.get("content", {})}
        return answer.mimetype in types or not (types or answer.mimetype)


@pytest.fixture
def documented() -> Iterator[Documented]:
    look = Documented()
    yield look
    assert look.missing == set()


@pytest.fixture
def app(settings: Settings, documented: Documented) -> Iterator[Flask]:
    settings.data.mkdir(parents=True, exist_ok=True)
    made = create_app(settings)
    made.after_request(documented)
    yield made
    services: Services = made.extensions["optiground"]
    services.store.close()


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return app.test_client()


@pytest.fixture
def store(app: Flask) -> Store:
    services: Services = app.extensions["optiground"]
    return services.store


@dataclass
class Office:
    """Does what a dispatcher does to jobs, without running anything."""

    store: Store
    claims: Claims
    client: FlaskClient

    def submit(self, process: str = "echo", **document: Any) -> Job:
        document.setdefault("inputs", {"stringInput": "a<b> & ü"})
        answer = self.client.post(
            f"/processes/{process}/execution",
            json=document,
            headers={"Prefer": "respond-async"},
        )
        assert answer.status_code == 201, answer.text
        job = self.store.get(answer.json["jobID"])
        assert job is not None
        return job

    def claim(self) -> Job:
        held = self.claims.claim(MANY)
        assert held is not None
        assert held.job.workdir is not None
        held.job.workdir.mkdir(parents=True)
        return held.job

    def publish(self, job: Job, outputs: Mapping[str, Any]) -> Job:
        assert job.workdir is not None
        assert self.claims.publish(job.id, job.attempt, job.workdir, outputs, "done")
        return self.reread(job)

    def fail(self, job: Job, *problems: Mapping[str, Any], error_id: str | None = None) -> Job:
        message = str(problems[0]["message"])
        assert self.claims.fail(job.id, job.attempt, problems, message, error_id)
        return self.reread(job)

    def reread(self, job: Job) -> Job:
        found = self.store.get(job.id)
        assert found is not None
        return found

    def file(
        self, job: Job, path: str, content: bytes, type_: str, key: str = ""
    ) -> dict[str, Any]:
        assert job.workdir is not None
        target = job.workdir / "output" / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
        return {
            "path": path,
            "type": type_,
            "key": key,
            "title": "",
            "size": len(content),
            "sha256": hashlib.sha256(content).hexdigest(),
        }

    def echoed(self, **document: Any) -> Job:
        """An echo job that has succeeded."""
        self.submit("echo", **document)
        job = self.claim()
        return self.publish(job, dict(job.document["inputs"]))


@pytest.fixture
def office(client: FlaskClient, store: Store, settings: Settings) -> Office:
    claims = Claims(store.database, uuid.uuid4().hex, "test", settings.jobs_folder, 1.0)
    return Office(store, claims, client)


@pytest.fixture
def displaced(office: Office) -> Callable[..., Job]:
    """A job of mpic-opt that has succeeded, with small files in place of rasters."""

    def make(tif: bytes = b"II*\0" + bytes(range(256)) * 8) -> Job:
        office.submit(
            "mpic-opt",
            inputs={
                "reference": {"href": "https://example.org/a.tif?key=secret"},
                "secondary": {"href": "https://user:word@example.org/b.tif"},
            },
        )
        job = office.claim()
        geotiff = "image/tiff; application=geotiff; profile=cloud-optimized"
        keys = ("20160529_20160608", "20160608_20160618")
        item = {
            "type": "FeatureCollection",
            "features": [
                {
                    "type": "Feature",
                    "assets": {"displacement_east": {"href": "./displacement_east/a.tif"}},
                    "links": [{"rel": "self", "href": "stac.json"}],
                }
            ],
        }
        outputs = {
            "displacement_east": [
                office.file(job, f"displacement_east/{name}.tif", tif, geotiff, key)
                for name, key in zip("ab", keys, strict=True)
            ],
            "quicklook": [
                office.file(job, "quicklook/a.png", b"\x89PNG\r\n", "image/png", keys[0])
            ],
            "statistics": office.file(job, "statistics.json", b"{}", "application/json"),
            "stac": office.file(
                job, "stac.json", json.dumps(item).encode(), "application/geo+json"
            ),
            "readme": office.file(job, "README.txt", b"Read me.\n", "text/plain"),
        }
        return office.publish(job, outputs)

    return make
