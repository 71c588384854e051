"""Pages for people: nothing of another host, nothing unescaped, nothing missing."""

import re
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient

import server
from core.pipelines import PIPELINES
from server.jobs.models import Job

BROWSER = {"Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}


class Page(HTMLParser):
    """Collects what a page refers to, and what of it is inline."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.loaded: list[str] = []
        self.inline: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.inline += [name for name in given if name == "style" or name.startswith("on")]
        if tag == "script" and "src" not in given:
            self.inline.append("script")
        if tag == "a":
            self.links.append(given.get("href") or "")
        elif tag in ("img", "script", "link"):
            self.loaded.append(given.get("src") or given.get("href") or "")


@pytest.fixture
def paths(office: Any, displaced: Callable[..., Job]) -> list[str]:
    office.client.post("/uploads?name=a.tif", data=b"x", content_type="application/octet-stream")
    done = displaced()
    waiting = office.submit(inputs={"stringInput": "</pre><script>alert(1)</script>"})
    office.submit()
    return [
        "/",
        "/conformance",
        "/openapi",
        "/processes",
        "/processes/echo",
        "/processes/mpic-opt",
        "/jobs",
        "/jobs?limit=1&offset=1",
        f"/jobs/{done.id}",
        f"/jobs/{done.id}/results",
        f"/jobs/{waiting.id}",
        "/uploads",
        "/jobs/none",
    ]


def test_pages_load_nothing_from_elsewhere(client: FlaskClient, paths: list[str]) -> None:
    for path in paths:
        answer = client.get(path, headers=BROWSER)
        assert answer.mimetype == "text/html", path
        page = Page(answer.text)
        assert page.inline == [], path
        assert all(re.match(r"/(?!/)", address) for address in page.loaded), path
        for address in page.loaded:
            assert client.get(address).status_code == 200, address
        assert "unsafe" not in answer.headers["Content-Security-Policy"]


def test_links_on_pages_lead_somewhere(client: FlaskClient, paths: list[str]) -> None:
    for path in paths:
        page = Page(client.get(path, headers=BROWSER).text)
        for address in page.links:
            expected = {200, 503} if address == "/health" else {200}
            assert client.get(address).status_code in expected, (path, address)


def test_what_a_user_wrote_is_shown_and_not_run(client: FlaskClient, paths: list[str]) -> None:
    for path in paths:
        text = client.get(path, headers=BROWSER).text
        assert "<script>alert" not in text
        assert "script" not in Page(text).inline


def test_the_page_of_a_process_has_all_its_parameters(client: FlaskClient) -> None:
    for pipeline in PIPELINES.values():
        text = client.get(f"/processes/{pipeline.id}", headers=BROWSER).text
        for entry in (*pipeline.input_list, *pipeline.output_list):
            assert f"<code>{entry.id}</code>" in text


def test_the_page_of_results_shows_the_pictures(
    client: FlaskClient, displaced: Callable[..., Job]
) -> None:
    job = displaced()
    for path in (f"/jobs/{job.id}", f"/jobs/{job.id}/results"):
        page = Page(client.get(path, headers=BROWSER).text)
        assert f"/jobs/{job.id}/results/quicklook/20160529_20160608" in page.loaded


@pytest.mark.parametrize(
    ("accept", "html"),
    [
        ("", False),
        ("*/*", False),
        ("application/json", False),
        ("text/html", True),
        (BROWSER["Accept"], True),
        ("application/json, text/html;q=0.9", False),
    ],
)
def test_browsers_get_pages_and_programs_json(client: FlaskClient, accept: str, html: bool) -> None:
    for path in ("/", "/conformance", "/processes", "/processes/echo", "/jobs", "/uploads"):
        answer = client.get(path, headers={"Accept": accept})
        assert answer.mimetype == ("text/html" if html else "application/json")
        assert "Accept" in answer.headers["Vary"]
        other = client.get(path, query_string={"f": "json" if html else "html"})
        assert other.mimetype == ("application/json" if html else "text/html")


def test_links_of_a_server_below_a_path_hold(tmp_path: Path) -> None:
    from server.app import create_app
    from server.settings import PACKAGED, read_settings

    url = "https://example.org/ground/"
    settings = read_settings(PACKAGED, {}, data=tmp_path, public_url=url)
    client = create_app(settings).test_client()
    text = client.get("/", headers=BROWSER | {"Host": "example.org"}).text
    assert 'href="/ground/processes/echo"' in text
    description = client.get("/processes/echo", headers={"Host": "example.org"}).json
    assert all(link["href"].startswith(url) for link in description["links"])


def test_the_server_ships_its_pages() -> None:
    folder = Path(server.__path__[0])
    names = ("style.css", "job.js", "logo.svg", "openapi.css", "openapi.js")
    for name in ("templates/base.html", *(f"static/{name}" for name in names)):
        assert (folder / name).is_file()
