"""The server's own log: no forged lines, no secrets, bounded."""

import json
import logging
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import requests

from server.logs import CappedFile, JsonLines, TextLines


def record(message: str, **fields: Any) -> logging.LogRecord:
    made = logging.LogRecord("server.x", logging.INFO, "x.py", 1, message, (), None)
    vars(made).update(fields)
    return made


def test_nothing_in_a_message_begins_a_line_of_its_own() -> None:
    odd = record("one\n2026-01-01 ERROR forged\r\x1b[2J", user="a\nb")
    assert len(TextLines().format(odd).splitlines()) == 1
    assert len(JsonLines().format(odd).splitlines()) == 1
    assert json.loads(JsonLines().format(odd))["user"] == "a\nb"


def test_a_traceback_is_kept_in_both_kinds() -> None:
    try:
        raise ValueError("of no use")
    except ValueError as error:
        made = record("failed")
        made.exc_info = (ValueError, error, error.__traceback__)
    assert "ValueError: of no use" in TextLines().format(made)
    assert "ValueError: of no use" in json.loads(JsonLines().format(made))["traceback"]


WRITER = """
import json, logging, pathlib, sys
from server.logs import CappedFile
path, limit, who = pathlib.Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
log = logging.getLogger("many")
log.propagate = False
log.addHandler(CappedFile(path, limit))
for number in range(500):
    log.error(json.dumps({"who": who, "number": number, "x": "x" * 100}))
"""


def test_a_full_file_gives_way_to_a_new_one_under_several_writers(tmp_path: Path) -> None:
    path, limit = tmp_path / "logs/server.log", 64 << 10
    writers = [
        subprocess.Popen([sys.executable, "-c", WRITER, path, str(limit), str(who)])
        for who in range(3)
    ]
    assert [writer.wait(60) for writer in writers] == [0, 0, 0]
    both = [path.with_name("server.log.1"), path]
    assert sum(file.stat().st_size for file in both) <= limit
    lines = [json.loads(line) for file in both for line in file.read_text().splitlines()]
    for who in range(3):
        numbers = [line["number"] for line in lines if line["who"] == who]
        assert numbers == sorted(set(numbers))
    assert any(line["number"] == 499 for line in lines)
    assert {file.stat().st_mode & 0o777 for file in both} == {0o600}


def test_a_line_longer_than_the_file_is_cut(tmp_path: Path) -> None:
    handler = CappedFile(tmp_path / "log", 1000)
    handler.emit(record("x" * 5000))
    handler.emit(record("y"))
    assert (tmp_path / "log.1").stat().st_size == 500
    assert (tmp_path / "log").read_text() == "y\n"


def test_a_server_tells_each_request_and_job_in_json_and_no_secret(
    server_with: Callable[..., Any], until: Callable[..., None]
) -> None:
    server = server_with(
        log_format="json", log_file="server.log", trusted_proxies="127.0.0.0/8", web_workers=2
    )
    headers = {
        "Prefer": "respond-async",
        "X-Forwarded-For": "6.6.6.6, 203.0.113.9",
        "X-API-Key": "sesame-key",
        "Authorization": "Bearer sesame-token",
    }

    def post(query: str) -> requests.Response:
        return requests.post(
            f"{server.url}/processes/echo/execution{query}",
            json={"inputs": {"stringInput": "sesame-input"}},
            headers=headers,
            timeout=60,
        )

    made = post("")
    assert made.status_code == 201
    assert post("?token=sesame-query").status_code == 400
    job = made.json()["jobID"]
    server.wait(job)
    requests.get(f"{server.url}/nothing/sesame-path?key=sesame-query", timeout=60)

    def lines() -> list[dict[str, Any]]:
        text = (server.data / "server.log").read_text()
        return [json.loads(line) for line in text.splitlines()]

    def of_dispatcher() -> list[dict[str, Any]]:
        return [line for line in lines() if line["logger"] == "server.jobs.conclusion"]

    until(of_dispatcher)
    (submission, refused) = [line for line in lines() if line.get("method") == "POST"]
    assert refused["status"] == 400
    assert submission["request"] == made.headers["X-Request-Id"]
    assert (submission["user"], submission["job"]) == ("local", job)
    assert (submission["client"], submission["status"]) == ("203.0.113.9", 201)
    assert submission["route"] == "/processes/{process_id}/execution"
    assert submission["duration_s"] > 0
    assert [line["job"] for line in of_dispatcher()] == [job]
    assert any(line.get("job") == job for line in lines() if line.get("method") == "GET")
    everything = (server.data / "server.log").read_text() + server.told()
    assert "sesame" not in everything
