"""Thousands of requests made from the OpenAPI document, valid ones and others.

No answer may be a fault of the server, and none may be other than the document says: its status,
its type, its headers, its body.  schemathesis makes and judges them, called as users call it.
"""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from core.pipelines import PIPELINES

SEED = 20261125
HOOKS = Path(__file__).with_name("fuzz_hooks.py")
SECRET = "a secret shared with subscribers"
ENOUGH = 5000

# A dismissed job is still told about, as the standard wants it, so that its log can be read.
# A request that agrees with its schema need not be carried out: a job may have failed or be gone, a
# file may be another version, an Idempotency-Key may be taken; and the rules between the inputs of
# services on images, the calendar, and what the images hold are no part of a schema.
# A request that does not may be told that first: what it asks for is gone, or another version.
CONFIGURATION = """
[checks.positive_data_acceptance]
expected-statuses = ["2xx", "3xx", 401, 403, 404, 409, 410, 412, 416, 422, 429, 507]

[checks.negative_data_rejection]
expected-statuses = [400, 401, 403, 404, 405, 406, 409, 410, 412, 415, 416, 422, 429, 503, 507]

[[operations]]
include-tag = "jobs"
checks.use_after_free.enabled = false

[[operations]]
include-operation-id = [
    "execute-mpic-opt", "inspect-mpic-opt", "execute-dsm-opt", "inspect-dsm-opt", "results", "jobs",
]
checks.positive_data_acceptance.enabled = false
"""

IN_JSON = [
    output.id
    for service in PIPELINES.values()
    for output in service.output_list
    if output.media_type.endswith("json")
]
"""The outputs that are sent as JSON."""

FEW = ("--phases", "examples,fuzzing", "-n", "10")
MANY = ("--phases", "examples,coverage,fuzzing,stateful", "-n", "40")


@pytest.fixture
def server(server_with: Callable[..., Any], database_url: str) -> Any:
    return server_with(database=database_url, callback_secret=SECRET)


@pytest.fixture
def known(server: Any, pair: Callable[[Path], dict[str, Any]], tmp_path: Path) -> Path:
    """A file that names jobs of all kinds with their results, an upload, and a pair of images."""
    inputs = pair(server.images)
    text = {"stringInput": "x", "arrayInput": [1, 2, 3], "objectInput": {"value": "x"}}
    missing = {"href": f"file://{server.images}/missing.tif"}
    jobs = [
        server.submit("mpic-opt", inputs),
        server.submit("mpic-opt", {"reference": missing, "secondary": missing}),
        server.submit("echo", text, response="document"),
        server.submit("echo", text, response="raw", outputs={"arrayInput": {}}),
        server.submit("echo", text, response="raw"),
    ]
    ended = [server.wait(job, 300) for job in jobs]
    assert [info["status"] for info in ended] == ["successful", "failed", *3 * ["successful"]]
    octets = {"Content-Type": "application/octet-stream"}
    upload = server.post("/uploads?name=a.tif", data=b"II*\0", headers=octets).json()["id"]
    made = server.get(f"/jobs/{jobs[0]}/results").json()
    keys = {output: keys_of(value) for output, value in made.items()}
    found = {jobs[0]: keys, jobs[1]: {}, **{job: {name: [] for name in text} for job in jobs[2:]}}
    file = tmp_path / "known.json"
    written = {"jobs": found, "upload": upload, "pair": inputs, "json": IN_JSON}
    file.write_text(json.dumps(written))
    return file


def keys_of(value: Any) -> list[str]:
    """The keys of the files of an output; none where there is one file alone."""
    return [link["href"].rpartition("/")[2] for link in value] if isinstance(value, list) else []


@pytest.fixture
def fuzz(server: Any, known: Path, tmp_path: Path) -> Callable[..., dict[str, Any]]:
    """Runs schemathesis with some options; its own report."""

    def run(*options: str) -> dict[str, Any]:
        (tmp_path / "schemathesis.toml").write_text(CONFIGURATION)
        report = tmp_path / "report.json"
        command = [
            *(sys.executable, "-m", "schemathesis.cli", "run", f"{server.url}/openapi?f=json"),
            *("--seed", str(SEED), "--mode", "all", "--continue-on-failure", *options),
            *("--generation-database", "none", "--request-timeout", "60", "--no-color"),
            *("--report", "json", "--report-json-path", str(report)),
        ]
        modules = {"PYTHONPATH": str(HOOKS.parent), "SCHEMATHESIS_HOOKS": HOOKS.stem}
        ended = subprocess.run(
            command,
            cwd=tmp_path,
            env={**os.environ, **modules, "FUZZ_KNOWN": str(known)},
            capture_output=True,
            text=True,
            check=False,
            timeout=1200,
        )
        assert ended.returncode == 0, ended.stdout[-20_000:] + ended.stderr[-2000:]
        found: dict[str, Any] = json.loads(report.read_text())
        return found

    return run


def check(report: dict[str, Any], least: int) -> None:
    operations, cases = report["operations"], report["test_cases"]
    assert operations["tested"] == operations["total"] > 0
    assert cases["generated"] >= least
    assert (cases["with_failures"], cases["errored"], report["errors"]) == (0, 0, [])


def told(report: dict[str, Any], database_url: str) -> str:
    kind = database_url.partition(":")[0]
    cases, seconds = report["test_cases"]["generated"], report["running_time"]
    return f"\nseed {SEED}, {cases} cases on {kind} in {seconds:.0f} s"


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_some_requests_are_answered_as_the_document_says(
    fuzz: Callable[..., dict[str, Any]], database_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    report = fuzz(*FEW)
    with capsys.disabled():
        sys.stdout.write(told(report, database_url))
    check(report, 200)


@pytest.mark.slow
def test_thousands_of_requests_are_answered_as_the_document_says(
    fuzz: Callable[..., dict[str, Any]], database_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    report = fuzz(*MANY)
    with capsys.disabled():
        sys.stdout.write(told(report, database_url))
    check(report, ENOUGH)
