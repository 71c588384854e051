"""Links between what is for programs and what is for people, and what a server says of itself."""

import http.client
import re
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import pytest
from flask.testing import FlaskClient

from server.jobs.models import Job

BASE = "http://127.0.0.1:5000"
OGC = "http://www.opengis.net/def/rel/ogc/1.0/"


@pytest.fixture
def paths(office: Any, displaced: Callable[..., Job]) -> list[str]:
    """Everything that is both a document and a page."""
    done, waiting = displaced(), office.submit()
    return [
        "/",
        "/conformance",
        "/openapi",
        "/processes",
        "/processes?limit=1",
        "/processes/echo",
        "/processes/mpic-opt",
        "/jobs",
        "/jobs?status=accepted&status=running&limit=1",
        f"/jobs/{done.id}",
        f"/jobs/{waiting.id}",
        f"/jobs/{done.id}/results",
        "/uploads",
    ]


def page_of(answer: Any) -> str:
    """The address of the page, from the links in a document or before it."""
    listed = answer.json.get("links", []) if isinstance(answer.json, dict) else []
    for link in listed:
        if (link["rel"], link["type"]) == ("alternate", "text/html"):
            return str(link["href"]).removeprefix(BASE)
    found = re.fullmatch(r'<([^>]*)>; rel="alternate"; type="text/html"', answer.headers["Link"])
    assert found
    return found[1].removeprefix(BASE)


def without_links(document: dict[str, Any]) -> dict[str, Any]:
    """A document as it is at any of its addresses."""
    return {name: value for name, value in document.items() if name != "links"}


def test_a_document_leads_to_its_page_and_the_page_back(
    client: FlaskClient, paths: list[str]
) -> None:
    for path in paths:
        document = client.get(path)
        page = client.get(page_of(document))
        assert (page.status_code, page.mimetype) == (200, "text/html"), path
        back = re.findall(
            r'<link rel="alternate" type="application/[^"]*json[^"]*"[^>]* href="([^"]*)"',
            page.text,
        )
        assert len(back) == 1, path
        again = client.get(back[0].replace("&amp;", "&"))
        assert again.is_json, path
        assert without_links(again.json) == without_links(document.json), path


def test_the_landing_page_leads_to_what_the_standard_requires(client: FlaskClient) -> None:
    found: dict[str, list[str]] = {}
    for link in client.get("/").json["links"]:
        found.setdefault(link["rel"], []).append(link["href"].removeprefix(BASE))
    assert found["service-desc"] == ["/openapi"]
    assert found["service-doc"] == ["/openapi?f=html"]
    assert found[f"{OGC}conformance"] == found["conformance"] == ["/conformance"]
    assert found[f"{OGC}processes"] == ["/processes"]
    assert "/jobs" in found[f"{OGC}job-list"]
    assert {"self", "alternate"} <= found.keys()


def test_a_server_is_asked_for_its_methods_without_an_address(running_server: Any) -> None:
    parts = urlsplit(running_server.url)
    connection = http.client.HTTPConnection(str(parts.hostname), parts.port, timeout=60)
    connection.request("OPTIONS", "*")
    answer = connection.getresponse()
    assert (answer.status, answer.read()) == (204, b"")
    assert answer.headers["Allow"] == "DELETE, GET, HEAD, OPTIONS, POST"
    connection.request("OPTIONS", "/*")
    assert connection.getresponse().status == 404
    connection.close()
