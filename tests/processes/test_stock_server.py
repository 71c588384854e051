"""The plugins in an unmodified pygeoapi, with that server's own manager, under gthread workers."""

import json
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
import zipfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
import yaml

from core.simulate.fault import make_pair

SIDE = 128
STARTED_S = 60.0
ENDED_S = 120.0


@dataclass(frozen=True)
class Answer:
    """What a server answered."""

    status: int
    headers: Any
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(frozen=True)
class Stock:
    """A running pygeoapi."""

    url: str
    work: Path
    published: Path
    inputs: dict[str, Any]

    def ask(self, path: str, body: Any = None, **headers: str) -> Answer:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(
            path if path.startswith("http") else self.url + path,
            data,
            {"Content-Type": "application/json", "Accept": "application/json", **headers},
        )
        try:
            with urllib.request.urlopen(request, timeout=ENDED_S) as response:
                return Answer(response.status, response.headers, response.read())
        except urllib.error.HTTPError as error:
            return Answer(error.code, error.headers, error.read())

    def ended(self, location: str) -> dict[str, Any]:
        end = time.monotonic() + ENDED_S
        while time.monotonic() < end:
            job = self.ask(f"{location}?f=json").json
            if job["status"] in ("successful", "failed"):
                return job
            time.sleep(0.1)
        raise AssertionError("the job never ended")


def configuration(url: str, port: int, folder: Path) -> dict[str, Any]:
    def process(name: str, **settings: Any) -> dict[str, Any]:
        common = {"work_dir": str(folder / "work"), "sources": {"roots": [str(folder / "images")]}}
        return {"type": "process", "processor": {"name": name, **common, **settings}}

    mpic_opt = "processes.mpic_opt.MpicOptProcessor"
    return {
        "server": {
            "bind": {"host": "127.0.0.1", "port": port},
            "url": url,
            "mimetype": "application/json; charset=UTF-8",
            "encoding": "utf-8",
            "languages": ["en-US"],
            "limits": {"default_items": 20, "max_items": 50},
            "map": {"url": "", "attribution": ""},
            "manager": {
                "name": "TinyDB",
                "connection": str(folder / "jobs.db"),
                "output_dir": str(folder / "stock-output"),
            },
        },
        "logging": {"level": "ERROR"},
        "metadata": {
            "identification": {
                "title": "stock",
                "description": "stock",
                "keywords": ["stock"],
                "keywords_type": "theme",
                "terms_of_service": "none",
                "url": url,
            },
            "license": {"name": "none", "url": url},
            "provider": {"name": "nobody", "url": url},
            "contact": {"name": "nobody", "email": "nobody@example.org", "url": url},
        },
        "resources": {
            "echo": process("processes.echo.EchoProcessor"),
            "mpic-opt": process(mpic_opt),
            "mpic-opt-links": process(
                mpic_opt,
                publish_url="https://results.example.org",
                publish_dir=str(folder / "published"),
            ),
        },
    }


@pytest.fixture(scope="module")
def stock(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stock]:
    folder = tmp_path_factory.mktemp("stock")
    (folder / "stock-output").mkdir()
    (folder / "images").mkdir()
    pair = make_pair(folder / "images", shape=(SIDE, SIDE))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    config, document = folder / "config.yml", folder / "openapi.yml"
    config.write_text(yaml.safe_dump(configuration(url, port, folder)))
    environment = os.environ | {"PYGEOAPI_CONFIG": str(config), "PYGEOAPI_OPENAPI": str(document)}
    program = Path(sys.executable).parent
    subprocess.run(
        [program / "pygeoapi", "openapi", "generate", config, "--output-file", document],
        env=environment,
        check=True,
        capture_output=True,
    )
    gunicorn = [program / "gunicorn", "--bind", f"127.0.0.1:{port}", "--no-control-socket"]
    with (folder / "server.log").open("wb") as log:
        server = subprocess.Popen(
            [*gunicorn, "--worker-class", "gthread", "--threads", "6", "pygeoapi.flask_app:APP"],
            env=environment,
            stdout=log,
            stderr=log,
        )
    inputs = {
        "reference": {"href": pair.reference.as_uri()},
        "secondary": {"href": pair.secondary.as_uri()},
    }
    running = Stock(url, folder / "work", folder / "published", inputs)
    try:
        _await(server, port, folder / "server.log")
        yield running
    finally:
        server.terminate()
        server.wait()


def _await(server: subprocess.Popen[bytes], port: int, log: Path) -> None:
    end = time.monotonic() + STARTED_S
    while server.poll() is None and time.monotonic() < end:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
        except OSError:
            time.sleep(0.1)
        else:
            return
    raise AssertionError(log.read_text())


def test_stock_lists_and_describes_the_services(stock: Stock) -> None:
    listed = stock.ask("/processes").json["processes"]
    assert [entry["id"] for entry in listed] == ["echo", "mpic-opt", "mpic-opt-links"]
    described = stock.ask("/processes/mpic-opt").json
    assert described["jobControlOptions"] == ["async-execute"]
    assert "reference" in described["inputs"]
    page = stock.ask("/processes/mpic-opt?f=html", Accept="text/html")
    assert page.status == 200
    assert "displacement_east" in page.body.decode()


def test_stock_runs_echo_while_the_client_waits(stock: Stock) -> None:
    answer = stock.ask("/processes/echo/execution", {"inputs": {"stringInput": "hello"}})
    assert answer.status == 200
    assert answer.json == {"stringInput": "hello"}


def test_stock_tells_all_that_is_wrong_with_a_request(stock: Stock) -> None:
    answer = stock.ask("/processes/echo/execution", {"inputs": {"pause": -1, "other": 1}})
    assert answer.status == 400
    for word in ("pause", "other", "stringInput"):
        assert word in answer.json["description"]


def test_stock_runs_three_at_once_and_each_gets_its_own_answer(stock: Stock) -> None:
    def ask(word: str) -> Answer:
        inputs = {"stringInput": word, "pause": 1}
        return stock.ask("/processes/echo/execution", {"inputs": inputs})

    words = ["one", "two", "three"]
    with ThreadPoolExecutor(3) as pool:
        answers = list(pool.map(ask, words))
    assert [answer.json["stringInput"] for answer in answers] == words


def test_stock_runs_mpic_opt_as_a_job_and_answers_with_an_archive(stock: Stock) -> None:
    answer = stock.ask("/processes/mpic-opt/execution", {"inputs": stock.inputs})
    assert answer.status == 201
    job = stock.ended(answer.headers["Location"])
    assert job["status"] == "successful", job
    result = stock.ask(f"{answer.headers['Location']}/results?f=json")
    assert result.headers["Content-Type"].startswith("application/zip")
    with zipfile.ZipFile(BytesIO(result.body)) as opened:
        names = opened.namelist()
        assert any(name.startswith("displacement_east") for name in names)
        assert "README.txt" in " ".join(names) or any("readme" in name.lower() for name in names)
        assert opened.testzip() is None


def test_stock_runs_three_mpic_opt_jobs_at_once_and_leaves_no_folder(stock: Stock) -> None:
    body = {"inputs": stock.inputs, "outputs": {"displacement_north": {}}}
    with ThreadPoolExecutor(3) as pool:
        answers = list(
            pool.map(lambda _: stock.ask("/processes/mpic-opt/execution", body), range(3))
        )
    jobs = [stock.ended(answer.headers["Location"]) for answer in answers]
    assert [job["status"] for job in jobs] == ["successful"] * 3, jobs
    results = [stock.ask(f"{a.headers['Location']}/results?f=json") for a in answers]
    assert {result.headers["Content-Type"].split(";")[0] for result in results} == {"image/tiff"}
    assert len({result.body[:4] for result in results}) == 1
    assert not list(stock.work.glob("optiground-*"))


def test_stock_answers_with_links_where_results_are_published(stock: Stock) -> None:
    answer = stock.ask("/processes/mpic-opt-links/execution", {"inputs": stock.inputs})
    job = stock.ended(answer.headers["Location"])
    assert job["status"] == "successful", job
    document = stock.ask(f"{answer.headers['Location']}/results?f=json").json
    link = document["displacement_east"][0]
    assert link["href"].startswith("https://results.example.org/")
    path = stock.published / link["href"].removeprefix("https://results.example.org/")
    assert path.stat().st_mode & 0o777 == 0o644
    assert path.read_bytes()[:2] in (b"II", b"MM")


def test_a_job_that_fails_in_stock_says_why(stock: Stock) -> None:
    missing = {"href": Path(stock.inputs["reference"]["href"][7:]).with_name("no.tif").as_uri()}
    inputs = stock.inputs | {"reference": missing}
    answer = stock.ask("/processes/mpic-opt/execution", {"inputs": inputs})
    job = stock.ended(answer.headers["Location"])
    assert job["status"] == "failed"
    assert "no.tif" in job["message"] or "reference" in job["message"]
