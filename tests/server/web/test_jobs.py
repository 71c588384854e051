"""List, status, dismissal and log of jobs, and the request that made them."""

import uuid
from collections.abc import Callable
from typing import Any

import pytest
from flask.testing import FlaskClient

from server.jobs.models import Job

PROBLEM = {
    "code": "no-overlap",
    "pointer": "/inputs/secondary",
    "value": None,
    "allowed": "",
    "message": "The images have no ground in common.",
}


def rels(info: dict[str, Any]) -> set[str]:
    return {link["rel"].rsplit("/", 1)[-1] for link in info["links"]}


def test_a_job_is_told_as_far_as_it_is_known(office: Any) -> None:
    client: FlaskClient = office.client
    job = office.submit()
    info = client.get(f"/jobs/{job.id}").json
    assert (info["status"], info["progress"], info["type"]) == ("accepted", 0, "process")
    assert "started" not in info
    assert "finished" not in info
    assert "monitor" in rels(info)
    assert "results" not in rels(info)
    running = office.claim()
    office.claims.report(job.id, 1, 40, "pair 1 of 1: matching, tile 12 of 30")
    info = client.get(f"/jobs/{job.id}").json
    assert (info["status"], info["progress"]) == ("running", 40)
    assert info["message"] == "pair 1 of 1: matching, tile 12 of 30"
    office.publish(running, {"stringInput": "x"})
    info = client.get(f"/jobs/{job.id}").json
    assert info["created"] <= info["started"] <= info["finished"] <= info["expires"]
    assert all(info[name].endswith("Z") for name in ("created", "started", "finished", "updated"))
    assert {"results", "enclosure", "log", "up"} <= rels(info)
    assert "monitor" not in rels(info)
    assert "null" not in client.get(f"/jobs/{job.id}").text


def test_a_failed_job_tells_why(office: Any) -> None:
    job = office.submit()
    office.fail(office.claim(), PROBLEM)
    info = office.client.get(f"/jobs/{job.id}").json
    assert info["status"] == "failed"
    assert info["problems"] == [PROBLEM]
    assert "exceptions" in rels(info)
    answer = office.client.get(f"/jobs/{job.id}/results")
    assert (answer.status_code, answer.json["code"]) == (400, "no-overlap")
    assert answer.json["detail"] == PROBLEM["message"]


def test_a_fault_of_ours_is_a_500_with_its_id(office: Any) -> None:
    office.submit()
    problem = PROBLEM | {"code": "internal-error", "message": "Something went wrong."}
    job = office.fail(office.claim(), problem, error_id="abc123")
    answer = office.client.get(f"/jobs/{job.id}/results")
    assert (answer.status_code, answer.json["error_id"]) == (500, "abc123")


def test_dismissing_twice_answers_the_same(office: Any) -> None:
    client: FlaskClient = office.client
    job = office.submit()
    first, second = client.delete(f"/jobs/{job.id}"), client.delete(f"/jobs/{job.id}")
    assert first.status_code == second.status_code == 200
    assert first.json == second.json == client.get(f"/jobs/{job.id}").json
    assert first.json["status"] == "dismissed"
    assert first.mimetype == "application/json"
    answer = client.get(f"/jobs/{job.id}/results")
    assert (answer.status_code, answer.json["code"]) == (410, "results-gone")


def test_dismissing_a_success_takes_its_results_away(
    office: Any, displaced: Callable[..., Job]
) -> None:
    client: FlaskClient = office.client
    job = displaced()
    assert client.get(f"/jobs/{job.id}/results").status_code == 200
    assert client.delete(f"/jobs/{job.id}").json["status"] == "dismissed"
    for below in (
        "results",
        "results/statistics",
        "results/displacement_east/20160529_20160608",
        "stac",
        "archive.zip",
    ):
        answer = client.get(f"/jobs/{job.id}/{below}")
        assert answer.status_code == 410
        assert "dismissed" in answer.json["detail"]
    assert client.get(f"/jobs/{job.id}/request.json").status_code == 200
    assert client.get(f"/jobs/{job.id}/log").status_code == 200


def test_results_are_not_ready_before_the_end(office: Any) -> None:
    job = office.submit()
    for below in ("results", "results/stringInput", "archive.zip"):
        answer = office.client.get(f"/jobs/{job.id}/{below}")
        assert answer.status_code == 404
        assert answer.json["type"].endswith("/1.0/result-not-ready")


def test_the_end_of_the_log_is_shown(office: Any) -> None:
    office.submit()
    job = office.claim()
    assert office.client.get(f"/jobs/{job.id}/log").text == ""
    (job.workdir / "log.txt").write_bytes(b"a" * 200_000 + b" the end\n")
    answer = office.client.get(f"/jobs/{job.id}/log")
    assert answer.mimetype == "text/plain"
    assert len(answer.data) == 100_000
    assert answer.text.endswith(" the end\n")


def test_the_request_is_complete_and_holds_no_secret(
    office: Any, displaced: Callable[..., Job]
) -> None:
    job = displaced()
    document = office.client.get(f"/jobs/{job.id}/request.json").json
    assert document["inputs"]["step"] == 1
    assert document["inputs"]["preset"] == "general"
    assert document["inputs"]["reference"]["href"] == "https://example.org/a.tif"
    assert document["inputs"]["secondary"]["href"] == "https://example.org/b.tif"
    assert office.submit("mpic-opt", inputs=document["inputs"]).document == document


@pytest.mark.parametrize(
    "query",
    [
        "datetime=9999-12-31T23:59:59-14:00/..",
        "datetime=../0001-01-01T00:00:00%2B14:00",
        "processID=%00",
        "processID=echo,a%00b",
        "processID=%FF",
    ],
)
def test_what_no_database_could_look_up_is_a_bad_query(client: FlaskClient, query: str) -> None:
    answer = client.get(f"/jobs?{query}")
    assert (answer.status_code, answer.json["code"]) == (400, "bad-query")


def test_jobs_are_listed_newest_first_in_pages(office: Any) -> None:
    client: FlaskClient = office.client
    ids = [office.submit().id for _ in range(5)][::-1]
    first = client.get("/jobs?limit=2").json
    assert (first["numberMatched"], first["numberReturned"]) == (5, 2)
    seen = [job["jobID"] for job in first["jobs"]]
    page = first
    while "next" in rels(page):
        address = next(link["href"] for link in page["links"] if link["rel"] == "next")
        page = client.get(address.removeprefix("http://127.0.0.1:5000")).json
        seen += [job["jobID"] for job in page["jobs"]]
    assert seen == ids
    assert "prev" in rels(page)
    assert "prev" not in rels(first)
    assert len(client.get("/jobs?limit=9999999").json["jobs"]) == 5


def test_jobs_are_found_by_status_process_and_time(
    office: Any, displaced: Callable[..., Job]
) -> None:
    client: FlaskClient = office.client
    done = displaced()
    waiting = office.submit()

    def found(query: str) -> list[str]:
        return [job["jobID"] for job in client.get(f"/jobs?{query}").json["jobs"]]

    assert found("status=successful") == [done.id]
    assert found("status=accepted,successful") == [waiting.id, done.id]
    assert found("processID=echo") == [waiting.id]
    assert found("type=process") == [waiting.id, done.id]
    assert found("datetime=2020-01-01/2020-02-01") == []
    assert found("datetime=2020-01-01T00:00:00Z/..") == [waiting.id, done.id]
    assert found("datetime=../2020-01-01") == []
    assert found("maxDuration=100") == [done.id]
    assert found("minDuration=100") == []


@pytest.mark.parametrize(
    "query",
    [
        "limit=0",
        "limit=x",
        "limit=-1",
        "offset=-1",
        "status=bogus",
        "type=wps",
        "datetime=soon",
        "datetime=..",
        "minDuration=1.5",
        "limit=%C2%B2",
    ],
)
def test_a_wrong_query_is_refused(client: FlaskClient, query: str) -> None:
    answer = client.get(f"/jobs?{query}")
    assert (answer.status_code, answer.json["code"]) == (400, "bad-query")


def test_ids_of_jobs_cannot_be_guessed(office: Any) -> None:
    ids = {uuid.UUID(office.submit().id) for _ in range(20)}
    assert len(ids) == 20
    # Random ones: those of version 1 are made of the time and the machine.
    assert {one.version for one in ids} == {4}
