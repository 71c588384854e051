"""A client that judges every answer, requests that each process takes, and the standard's schemas.

An answer is held against the server's own OpenAPI document, and against the schemas that OGC
publishes for OGC API - Processes 1.0 where they are at hand.
"""

import copy
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
import requests
from rasterio.transform import from_origin
from scipy.ndimage import gaussian_filter

from core.pipelines import PIPELINES
from core.simulate.stereo.making import CALM, make_stereo

Errors = Callable[[str, Any], list[str]]
Json = dict[str, Any]


@dataclass
class Judge:
    """Holds an answer against the OpenAPI document, and against the standard if that is there."""

    document: Json
    complaints: Callable[[Json, Any], list[str]]
    standard: Errors | None

    def __call__(self, method: str, path: str, answer: requests.Response) -> None:
        """Fail where the answer is none that was promised for this path."""
        kind = answer.headers.get("Content-Type", "").partition(";")[0]
        schema = self.promised(method, path, answer.status_code, kind)
        told = f"{method} {path} {answer.status_code} {answer.text[:500]}"
        if kind not in ("application/json", "application/problem+json", "application/geo+json"):
            return
        assert self.after_openapi(schema, answer.json()) == [], told
        name = self._of_the_standard(schema, answer.json())
        if self.standard is not None and name:
            assert self.standard(name, answer.json()) == [], told

    def after_openapi(self, schema: Json, value: Any) -> list[str]:
        """What is wrong with a value after a schema of the document."""
        return self.complaints({**schema, "components": self.document["components"]}, value)

    def promised(self, method: str, path: str, status: int, kind: str) -> Json:
        """The schema that the document has for an answer."""
        operation = self._operation(method, path.partition("?")[0])
        if operation is None:
            assert status == 404, f"{method} {path} is not in the document"
            return {"$ref": "#/components/schemas/exception"}
        found = operation["responses"].get(str(status))
        assert found is not None, f"{method} {path}: {status} is not in the document"
        if "$ref" in found:
            found = self.document["components"]["responses"][found["$ref"].rpartition("/")[2]]
        if not kind:
            return {}
        types = {name.partition(";")[0]: media for name, media in found["content"].items()}
        assert kind in types, f"{method} {path} {status}: {kind} is not in the document"
        schema: Json = types[kind]["schema"]
        return schema

    def _operation(self, method: str, path: str) -> Json | None:
        for template, operations in self.document["paths"].items():
            if re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", template), path):
                operation: Json | None = operations.get(method.lower())
                return operation
        return None

    def _of_the_standard(self, schema: Json, value: Any) -> str:
        """The standard's name of a schema; a value in raw form has none."""
        forms = [str(form.get("$ref", "")) for form in schema.get("anyOf", [schema])]
        if any(form.endswith("-results") for form in forms):
            return "results" if isinstance(value, dict) else ""
        name = forms[0].rpartition("/")[2]
        known = ("landingPage", "confClasses", "processList", "process", "statusInfo", "jobList")
        return name if name in (*known, "exception") else ""


@dataclass
class Api:
    """A server, each of whose answers is judged."""

    server: Any
    judge: Judge

    def ask(self, method: str, path: str, **options: Any) -> requests.Response:
        """Send a request with a path or an address of the server."""
        path = path.removeprefix(self.server.url)
        headers = {"Accept": "application/json", **options.pop("headers", {})}
        answer: requests.Response = self.server.session.request(
            method, self.server.url + path, headers=headers, timeout=60, **options
        )
        self.judge(method, path, answer)
        return answer

    def get(self, path: str) -> requests.Response:
        return self.ask("GET", path)


@pytest.fixture(scope="session")
def judge(
    running_server: Any,
    complaints: Callable[[Json, Any], list[str]],
    plain_schema: Callable[[Json], Json],
    request: pytest.FixtureRequest,
) -> Judge:
    try:
        standard = request.getfixturevalue("standard")
    except pytest.skip.Exception:
        # What was not held against them is told by the tests that need them.
        standard = None
    document = plain_schema(running_server.get("/openapi").json())
    return Judge(document, complaints, standard)


@pytest.fixture(scope="session")
def api(running_server: Any, judge: Judge) -> Api:
    return Api(running_server, judge)


def image(folder: Path, name: str, shift: int) -> Json:
    """An image of 128 px of one texture, moved east by some pixels."""
    texture = gaussian_filter(np.random.default_rng(3).normal(size=(160, 160)), 1.5)
    values = (2000 + 4000 * texture).clip(1, 9000).astype("uint16")
    profile = {"driver": "GTiff", "width": 128, "height": 128, "count": 1, "dtype": "uint16"}
    place = from_origin(500_000, 5_400_000, 10, 10)
    with rasterio.open(folder / name, "w", **profile, crs="EPSG:32633", transform=place) as dataset:
        dataset.write(values[16:144, 16 - shift : 144 - shift], 1)
    return {"href": f"file://{folder / name}"}


def pair(folder: Path) -> Json:
    """Inputs of ``mpic-opt``: the smallest pair that has a map."""
    return {
        "reference": image(folder, "conformance-before.tif", 0),
        "secondary": image(folder, "conformance-after.tif", 2),
        "reference_date": "2016-05-29",
        "secondary_date": "2016-06-08",
        "coregistration": False,
        "deramp": False,
    }


def stereo(folder: Path) -> Json:
    """Inputs of ``dsm-opt``: a small pair of level ground."""
    place = folder / "conformance-stereo"
    if not place.exists():
        place.mkdir()
        views = make_stereo("plain", shape=(192, 192), seed=7, disturbances=CALM, samples=1)
        views.write(place, true_model=True)
    paths = sorted(place.glob("*.tif"))
    return {"images": [{"href": f"file://{path}"} for path in paths]}


def suite_inputs(folder: Path) -> Json:
    """Inputs of ``echo`` as the suite sends them."""
    return {"stringInput": "teststring", "objectInput": {"value": "teststring"}}


INPUTS: Mapping[str, Callable[[Path], Json]] = {
    "echo": suite_inputs,
    "mpic-opt": pair,
    "dsm-opt": stereo,
}
"""For each process, what it can be executed with."""

TIFF = {"mediaType": "image/tiff", "encoding": "base64"}
KINDS: Mapping[str, Mapping[str, Json]] = {
    "echo": {
        "array": {"arrayInput": [1, 2, 3]},
        # Numbers of no coordinate reference system, and a name of an old one: as the suite has it.
        "bbox": {
            "bboxInput": {
                "bbox": [345345345, 345345345, 345345346, 345345346],
                "crs": "urn:ogc:def:crs:EPSG:6.6:4326",
            }
        },
        "object": {"objectInput": {"value": "teststring"}},
        "mixed": {"mixedInput": "teststring"},
        "binary": {"imageInput": {"value": "SUkqAAgAAAAAAAAAAAA=", "format": TIFF}},
        "reference": {"imageInput": {"href": "https://example.org/a.tif", "format": TIFF}},
        "qualified": {"stringInput": {"value": "teststring"}},
    },
    "mpic-opt": {
        "array": {"extras": ["raw", "pixels"]},
        "bbox": {
            "aoi": {
                "bbox": [500_100, 5_398_900, 501_100, 5_399_900],
                "crs": "http://www.opengis.net/def/crs/EPSG/0/32633",
            }
        },
        "mixed": {
            "aoi": {
                "type": "Polygon",
                "coordinates": [
                    [
                        [15.0, 48.75],
                        [15.017, 48.75],
                        [15.017, 48.739],
                        [15.0, 48.739],
                        [15.0, 48.75],
                    ]
                ],
            }
        },
        "qualified": {"window": {"value": 15}},
    },
    "dsm-opt": {
        "array": {"pairs": ["1-2"]},
        "bbox": {"aoi": {"bbox": [4.6198, 43.5098, 4.6202, 43.5102]}},
        "mixed": {
            "aoi": {
                "type": "Polygon",
                "coordinates": [
                    [
                        [4.6198, 43.5098],
                        [4.6202, 43.5098],
                        [4.6202, 43.5102],
                        [4.6198, 43.5102],
                        [4.6198, 43.5098],
                    ]
                ],
            }
        },
        "qualified": {"window": {"value": 3}},
    },
}
"""For each process, inputs of every kind that it has beside those it is executed with."""


@dataclass
class Service:
    """A process, and what to send to it."""

    api: Api
    id: str
    description: Json
    inputs: Json
    made: list[str] = field(default_factory=list)

    @property
    def synchronous(self) -> bool:
        return "sync-execute" in self.description["jobControlOptions"]

    @property
    def transmission(self) -> str:
        found: str = self.description["outputTransmission"][0]
        return found

    def outputs(self, *names: str, by: str = "") -> Json:
        """The member ``outputs`` of a request; all outputs if none is named."""
        chosen = names or tuple(self.description["outputs"])
        return {name: {"transmissionMode": by or self.transmission} for name in chosen}

    def post(self, document: Json, prefer: str = "") -> requests.Response:
        """Ask for an execution; the job it made is dismissed when the test has ended."""
        headers = {"Prefer": prefer} if prefer else {}
        path = f"/processes/{self.id}/execution"
        answer = self.api.ask("POST", path, json=document, headers=headers)
        if answer.status_code == 201:
            self.made.append(answer.json()["jobID"])
        return answer

    def execute(self, prefer: str = "", **document: Any) -> requests.Response:
        """Ask for an execution with inputs that it takes, and see that it is none refused."""
        answer = self.post({"inputs": self.inputs, **document}, prefer)
        expected = (200, 204) if self.synchronous and not prefer else (201,)
        assert answer.status_code in expected, answer.text
        return answer

    def dismiss(self) -> None:
        for job in self.made:
            self.api.ask("DELETE", f"/jobs/{job}")


@pytest.fixture(scope="session", params=list(PIPELINES))
def described(request: pytest.FixtureRequest, api: Api) -> Service:
    """Each process of the server."""
    name: str = request.param
    description = api.get(f"/processes/{name}").json()
    return Service(api, name, description, INPUTS[name](api.server.images))


@pytest.fixture
def service(described: Service) -> Iterator[Service]:
    """Each process; the jobs that a test makes of it go when it ends."""
    found = copy.copy(described)
    found.made = []
    yield found
    found.dismiss()


@pytest.fixture(scope="session")
def known() -> dict[tuple[str, str], str]:
    """Jobs that have succeeded, by process and form of their results."""
    return {}


@pytest.fixture
def ended(described: Service, known: dict[tuple[str, str], str]) -> Callable[[str], str]:
    """A job of the process that has succeeded, by the form of its results."""

    def make(response: str) -> str:
        key = (described.id, response)
        if key not in known:
            job = described.execute("respond-async", response=response).json()["jobID"]
            info = described.api.server.wait(job, 300)
            assert info["status"] == "successful", info
            known[key] = job
        return known[key]

    return make


@pytest.fixture(name="pair")
def make_pair() -> Callable[[Path], Json]:
    """Writes the smallest pair of images that has a map."""
    return pair


@pytest.fixture(scope="session")
def ground(api: Api) -> Json:
    """Inputs of ``mpic-opt`` that the server can work on."""
    return pair(api.server.images)


@pytest.fixture
def kinds(described: Service) -> Mapping[str, Json]:
    return KINDS[described.id]
