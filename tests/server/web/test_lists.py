"""Lists as clients go through them: filters, pages, and queries that are none."""

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from flask.testing import FlaskClient
from sqlalchemy import text

from server.jobs.models import Job
from server.jobs.store import Store

BASE = "http://127.0.0.1:5000"


def links(document: dict[str, Any]) -> dict[str, str]:
    return {link["rel"]: link["href"].removeprefix(BASE) for link in document["links"]}


def walk(client: FlaskClient, start: str, noun: str, rel: str) -> list[list[dict[str, Any]]]:
    """The pages of a list from an address on, by the links between them."""
    found, address = [], start
    while address:
        page = client.get(address).json
        found.append(page[noun])
        address = links(page).get(rel, "")
        assert len(found) < 99
    return found


@pytest.fixture
def found(client: FlaskClient) -> Callable[[str], list[str]]:
    def ids(query: str) -> list[str]:
        answer = client.get(f"/jobs?{query}")
        assert answer.status_code == 200, answer.text
        assert answer.json["numberMatched"] == answer.json["numberReturned"]
        return [job["jobID"] for job in answer.json["jobs"]]

    return ids


def test_processes_are_listed_in_pages(client: FlaskClient) -> None:
    whole = client.get("/processes").json
    assert "next" not in links(whole)
    assert "prev" not in links(whole)
    pages = walk(client, "/processes?limit=1", "processes", "next")
    assert [len(page) for page in pages] == [1] * len(whole["processes"])
    assert [process for page in pages for process in page] == whole["processes"]
    last = client.get(f"/processes?limit=1&offset={len(pages) - 1}").json
    assert walk(client, links(last)["self"], "processes", "prev") == pages[::-1]
    assert client.get(f"/processes?offset={len(pages)}").json["processes"] == []


def test_a_page_that_is_just_full_is_the_last(office: Any) -> None:
    client: FlaskClient = office.client
    for _ in range(4):
        office.submit()
    assert [len(page) for page in walk(client, "/jobs?limit=2", "jobs", "next")] == [2, 2]


def test_the_newest_job_comes_first_on_the_first_page(office: Any) -> None:
    for _ in range(3):
        office.submit()
        newest = office.submit("echo")
        (first,) = office.client.get("/jobs?limit=1").json["jobs"]
        assert first["jobID"] == newest.id


def test_links_between_pages_keep_every_filter(office: Any) -> None:
    client: FlaskClient = office.client
    mine = [office.echoed().id for _ in range(3)][::-1]
    office.submit()
    asked = (
        "type=process&processID=echo&status=successful&status=failed&datetime=2020-01-01/.."
        "&minDuration=0&maxDuration=1000"
    )
    pages = walk(client, f"/jobs?{asked}&limit=1", "jobs", "next")
    assert [job["jobID"] for page in pages for job in page] == mine
    middle = client.get(f"/jobs?{asked}&limit=1&offset=1").json
    assert middle["numberMatched"] == 3
    for rel in ("self", "alternate", "prev", "next"):
        query = parse_qs(urlsplit(links(middle)[rel]).query)
        assert query["status"] == ["successful,failed"]
        assert query["datetime"] == ["2020-01-01/.."]
        assert {"type", "processID", "minDuration", "maxDuration"} <= query.keys()
    back = walk(client, links(middle)["prev"], "jobs", "next")
    assert [job["jobID"] for page in back for job in page] == mine


def test_a_list_parameter_is_repeated_or_separated_by_commas(
    office: Any, found: Callable[[str], list[str]], displaced: Callable[..., Job]
) -> None:
    done = displaced()
    failing = office.submit()
    office.fail(office.claim(), {"code": "no-overlap", "pointer": "", "message": "No."})
    waiting = office.submit()
    assert found("status=successful&status=failed") == [failing.id, done.id]
    assert found("status=successful,failed") == [failing.id, done.id]
    assert found("status=accepted&status=failed,running") == [waiting.id, failing.id]
    assert found("processID=mpic-opt&processID=echo") == [waiting.id, failing.id, done.id]
    assert found("processID=mpic-opt") == [done.id]
    assert found("processID=none") == []
    assert found("type=process&type=process") == [waiting.id, failing.id, done.id]


def test_the_time_of_making_is_an_instant_or_an_interval_with_open_ends(
    office: Any, found: Callable[[str], list[str]]
) -> None:
    job = office.submit()
    made = job.created
    before, after = made - timedelta(hours=1), made + timedelta(hours=1)
    for query in (
        f"{before:%Y-%m-%dT%H:%M:%SZ}/{after:%Y-%m-%dT%H:%M:%SZ}",
        f"{before:%Y-%m-%dT%H:%M:%SZ}/..",
        f"{before:%Y-%m-%dT%H:%M:%SZ}/",
        f"../{after:%Y-%m-%dT%H:%M:%SZ}",
        f"/{after:%Y-%m-%dT%H:%M:%SZ}",
        f"{made:%Y-%m-%d}",
        # The same hours on clocks of Nepal; + has to be escaped in a query, and often is not.
        f"{before + timedelta(hours=5, minutes=45):%Y-%m-%dT%H:%M:%S}%2B05:45/..",
        f"{before + timedelta(hours=5, minutes=45):%Y-%m-%dT%H:%M:%S}+05:45/..",
    ):
        assert found(f"datetime={query}") == [job.id], query
    for query in (
        f"{after:%Y-%m-%dT%H:%M:%SZ}/..",
        f"../{before:%Y-%m-%dT%H:%M:%SZ}",
        f"{before:%Y-%m-%dT%H:%M:%SZ}",
    ):
        assert found(f"datetime={query}") == [], query


def test_durations_are_those_of_the_run_so_far_or_in_all(
    office: Any, store: Store, found: Callable[[str], list[str]]
) -> None:
    short, long = office.echoed(), office.echoed()
    running, waiting = office.submit(), office.submit()
    office.claim()
    with store.database.writing() as connection:
        for job, seconds in ((long, 100), (running, 50)):
            connection.execute(
                text("UPDATE jobs SET started = started - :ago WHERE id = :id"),
                {"ago": seconds * 1_000_000, "id": job.id},
            )
    assert found("minDuration=10") == [running.id, long.id]
    assert found("minDuration=60") == [long.id]
    assert found("maxDuration=10") == [short.id]
    assert found("minDuration=10&maxDuration=60") == [running.id]
    assert waiting.id not in found("maxDuration=1000")


@pytest.mark.parametrize(
    ("address", "word"),
    [
        ("/jobs?state=failed", "state"),
        ("/jobs?process_id=echo&limit=2", "process_id"),
        ("/jobs?limit=2&limit=3", "limit"),
        ("/jobs?datetime=2026-01-01&datetime=2026-01-02", "datetime"),
        ("/processes?status=failed", "status"),
        ("/processes/echo?limit=2", "limit"),
        ("/conformance?%3Cb%3E=1", "<b>"),
        ("/jobs/none/results?output=a", "output"),
        ("/health?f=json", "f"),
    ],
)
def test_a_parameter_that_would_be_ignored_is_refused(
    client: FlaskClient, address: str, word: str
) -> None:
    for method in ("GET", "HEAD"):
        answer = client.open(address, method=method)
        assert answer.status_code == 400
    told = client.get(address).json
    assert told["code"] == "bad-query"
    assert word in told["detail"]


def test_a_query_on_what_changes_something_is_looked_at_before_anything_is_done(
    office: Any,
) -> None:
    job = office.submit()
    answer = office.client.delete(f"/jobs/{job.id}?keep=true")
    assert (answer.status_code, answer.json["code"]) == (400, "bad-query")
    assert office.reread(job).status == "accepted"
    request = {"inputs": {"stringInput": "x"}}
    answer = office.client.post("/processes/echo/execution?mode=async", json=request)
    assert (answer.status_code, answer.json["code"]) == (400, "bad-query")
    assert office.client.get("/jobs").json["numberMatched"] == 1


def test_results_can_be_narrowed_down_by_the_query(office: Any) -> None:
    client: FlaskClient = office.client
    inputs = {"stringInput": "s", "arrayInput": [1, 2], "mixedInput": 3.5}
    asked = office.echoed(inputs=inputs, outputs={"stringInput": {}}, response="document")
    path = f"/jobs/{asked.id}/results"
    assert client.get(path).json == {"stringInput": "s"}
    two = {"arrayInput": [1, 2], "mixedInput": 3.5}
    assert client.get(f"{path}?outputs=arrayInput&outputs=mixedInput").json == two
    assert client.get(f"{path}?outputs=arrayInput,mixedInput").json == two
    some = client.get(f"{path}?outputs=objectInput,mixedInput")
    assert some.json == {"mixedInput": 3.5}
    assert 'f=html>; rel="alternate"' in some.headers["Link"]
    assert "?outputs=objectInput%2CmixedInput&" in some.headers["Link"]
    answer = client.get(f"{path}?outputs=arrayInput,none")
    assert (answer.status_code, answer.json["code"]) == (400, "bad-query")
    raw = office.echoed(inputs=inputs, response="raw")
    assert client.get(f"/jobs/{raw.id}/results?outputs=mixedInput").text == "3.5"


@pytest.mark.parametrize("response", ["document", "raw"])
@pytest.mark.parametrize("format_", ["json", "html"])
def test_results_that_a_job_did_not_make_are_not_there(
    office: Any, response: str, format_: str
) -> None:
    job = office.echoed(inputs={"stringInput": "s"}, response=response)
    accept = {"Accept": "text/html" if format_ == "html" else "application/json"}
    answer = office.client.get(f"/jobs/{job.id}/results?outputs=objectInput", headers=accept)
    assert answer.status_code == 404
    assert "no-such-result" in answer.text
    assert "it has stringInput" in answer.text


def test_the_page_of_results_is_narrowed_down_too(office: Any) -> None:
    client: FlaskClient = office.client
    job = office.echoed(inputs={"stringInput": "s", "mixedInput": 3.5})
    path = f"/jobs/{job.id}/results?f=html"
    whole = client.get(path).text
    assert "<code>stringInput</code>" in whole
    assert "<code>mixedInput</code>" in whole
    part = client.get(f"{path}&outputs=mixedInput").text
    assert "<code>stringInput</code>" not in part
    assert "<code>mixedInput</code>" in part
    assert "/results?f=json&amp;outputs=mixedInput" in part
    assert client.get(f"{path}&outputs=zzz").status_code == 400


def test_the_way_back_from_behind_the_end_leads_to_the_last_page(office: Any) -> None:
    client: FlaskClient = office.client
    ids = [office.submit().id for _ in range(3)][::-1]
    behind = client.get("/jobs?limit=2&offset=100").json
    assert behind["jobs"] == []
    last = client.get(links(behind)["prev"]).json
    assert [job["jobID"] for job in last["jobs"]] == ids[1:]
    assert "prev" not in links(client.get("/jobs?status=failed&offset=100").json)
    page = client.get("/jobs?limit=2&offset=100&f=html").text
    assert '"/jobs?f=html&amp;limit=2&amp;offset=1"' in _unordered(page)


def _unordered(page: str) -> str:
    """The page with the parameters of each address by name."""
    return re.sub(
        r"\?([^\"]+)\"",
        lambda found: "?" + "&amp;".join(sorted(found[1].split("&amp;"))) + '"',
        page,
    )


def test_pages_of_processes_lead_to_each_other(client: FlaskClient) -> None:
    first = client.get("/processes?limit=1&f=html").text
    second = client.get("/processes?limit=1&offset=1&f=html").text
    assert 'rel="prev"' not in first
    assert 'rel="next" href="/processes?' in first
    assert "offset=1" in first
    assert 'rel="prev" href="/processes?' in second
    assert "offset=0" in second
    whole = client.get("/processes?f=html").text
    assert 'rel="next"' not in whole
    assert 'rel="prev"' not in whole


@pytest.mark.parametrize("number", ["1001", "9" * 30, "9" * 5000, "0" * 5000 + "2000"])
def test_no_limit_is_too_large(client: FlaskClient, office: Any, number: str) -> None:
    job = office.submit()
    assert [one["jobID"] for one in client.get(f"/jobs?limit={number}").json["jobs"]] == [job.id]
    assert client.get(f"/processes?limit={number}").json["processes"]
    for query in (f"/jobs?offset={number}", f"/jobs?minDuration={number}"):
        answer = client.get(query)
        assert (answer.status_code, answer.json["jobs"]) == (200, [])
