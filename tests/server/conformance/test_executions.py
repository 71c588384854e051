"""What the suite asks of executions, jobs and results, asked of every process."""

import json
import re
import uuid
from collections.abc import Callable
from email import message_from_bytes, policy
from typing import Any

import pytest
import requests

EXCEPTIONS = "http://www.opengis.net/def/exceptions/ogcapi-processes-1/1.0"
RESULTS = "http://www.opengis.net/def/rel/ogc/1.0/results"


def parts(answer: requests.Response) -> dict[str, Any]:
    """The parts of a multipart answer by the id of their output."""
    head = f"Content-Type: {answer.headers['Content-Type']}\r\n\r\n".encode()
    message = message_from_bytes(head + answer.content, policy=policy.HTTP)
    assert message.get_content_type() == "multipart/related"
    return {str(part["Content-ID"]).strip("<>"): part for part in message.iter_parts()}


def links(answer: requests.Response, relation: str) -> list[str]:
    """The targets of the Link header that have a relation, read as RFC 8288 does in its appendix
    B.2: up to the first thing that is no link."""
    rest, found = answer.headers.get("Link", ""), []
    while link := re.match(
        r'\s*<([^>]*)>((?:\s*;\s*[\w*]+=(?:"[^"]*"|[^",;\s]*))*)\s*(?:,|$)', rest
    ):
        if f'rel="{relation}"' in link[2]:
            found.append(link[1])
        rest = rest[link.end() :]
    return found


def status(service: Any, answer: requests.Response) -> dict[str, Any]:
    """The status of the job that an answer made, by its Location."""
    assert answer.status_code == 201, answer.text
    found = service.api.get(answer.headers["Location"])
    assert found.status_code == 200
    info: dict[str, Any] = found.json()
    assert (info["jobID"], info["processID"]) == (answer.json()["jobID"], service.id)
    return info


def good(service: Any, answer: requests.Response) -> None:
    """See that an execution was not refused, and lead a job to its status."""
    if answer.status_code == 201:
        status(service, answer)
    else:
        assert answer.status_code in (200, 204), answer.text


def test_a_process_is_executed_without_a_preference(service: Any) -> None:
    """Jobs.testJobCreationDefaultExecutionMode, Jobs.testJobCreationAutoExecutionMode,
    Jobs.testJobCreationOp, Jobs.testJobCreationRequest, Jobs.testJobCreationInputs,
    Jobs.testJobCreationInputInline.
    """
    good(service, service.execute(outputs=service.outputs()))


def test_all_outputs_are_the_default(service: Any) -> None:
    """Jobs.testJobCreationDefaultOutputs."""
    answer = service.execute(response="document")
    good(service, answer)
    if answer.status_code == 200:
        assert set(answer.json()) >= set(service.inputs)


@pytest.mark.parametrize(
    "kind", ["array", "bbox", "object", "mixed", "binary", "reference", "qualified"]
)
def test_an_input_of_each_kind_is_taken(service: Any, kinds: Any, kind: str) -> None:
    """Jobs.testJobCreationInputArray, Jobs.testJobCreationInputInlineBbox,
    Jobs.testJobCreationInputInlineObject, Jobs.testJobCreationInputInlineMixed,
    Jobs.testJobCreationInputInlineBinary, Jobs.testJobCreationInputRef.
    """
    if kind not in kinds:
        pytest.skip(f"{service.id} has no other input of the kind {kind}")
    good(service, service.execute(inputs=service.inputs | kinds[kind]))


def test_each_input_is_checked(service: Any) -> None:
    """Jobs.testJobCreationInputValidation."""
    wrong = {"type": f"wrong/type_{uuid.uuid4()}"}
    for name in service.description["inputs"]:
        answer = service.post({"inputs": service.inputs | {name: wrong}}, "respond-async")
        assert answer.status_code == 400, (name, answer.text)
        assert answer.headers["Content-Type"].startswith("application/json")
        pointers = [problem["pointer"] for problem in answer.json()["problems"]]
        assert any(pointer.startswith(f"/inputs/{name}") for pointer in pointers), pointers


def test_what_is_no_request_is_refused(service: Any) -> None:
    """Jobs.testJobResultsFailed."""
    for document in ({"invalid-execute-request": "true)"}, [], {"inputs": []}, "text"):
        answer = service.post(document)
        assert answer.status_code == 400, answer.text


def test_an_asynchronous_execution_makes_a_job(service: Any) -> None:
    """Jobs.testJobCreationSuccessAsync, Jobs.testJobOp, Jobs.testJobSuccess,
    Jobs.testJobResults.
    """
    answer = service.execute("respond-async ", outputs=service.outputs())
    info = status(service, answer)
    assert info["type"] == "process"
    assert info["links"]
    if info["status"] in ("accepted", "running"):
        assert RESULTS not in {link["rel"] for link in info["links"]}


@pytest.mark.parametrize("response", ["document", "raw"])
@pytest.mark.parametrize("prefer", ["", "respond-async"])
def test_results_are_asked_for_in_either_form(service: Any, prefer: str, response: str) -> None:
    """Jobs.testJobCreationSyncRawMixedMulti, Jobs.testJobResultsAsyncRawMixedMulti."""
    modes = service.description["outputTransmission"]
    outputs = {
        name: {"transmissionMode": modes[number % len(modes)]}
        for number, name in enumerate(service.description["outputs"])
    }
    good(service, service.execute(prefer, outputs=outputs, response=response))


def test_a_document_has_every_output_that_was_made(service: Any, ended: Callable[..., str]) -> None:
    """Jobs.testJobCreationSyncDocument, Jobs.testJobResultsAsyncDocument."""
    results = service.api.get(f"/jobs/{ended('document')}/results")
    assert results.headers["Content-Type"].startswith("application/json")
    found = results.json()
    assert set(found) <= set(service.description["outputs"])
    if service.synchronous:
        answer = service.execute(response="document")
        assert answer.json() == found
        assert found["stringInput"] == "teststring"
        assert found["objectInput"] == {"value": {"value": "teststring"}}
        return
    listed = [
        one for value in found.values() for one in (value if isinstance(value, list) else [value])
    ]
    assert listed
    for link in listed:
        answer = service.api.server.session.get(link["href"], timeout=60)
        assert answer.status_code == 200
        assert answer.headers["Content-Type"].startswith(link["type"].partition(";")[0])


def test_several_raw_values_are_parts_and_files_are_links(
    service: Any, ended: Callable[..., str]
) -> None:
    """Jobs.testJobCreationSyncRawValueMulti, Jobs.testJobResultsAsyncRawValueMulti."""
    later = service.api.get(f"/jobs/{ended('raw')}/results")
    if not service.synchronous:
        assert (later.status_code, later.content) == (204, b"")
        targets = links(later, "related")
        assert targets
        for target in targets:
            assert service.api.server.session.head(target, timeout=60).status_code == 200
        return
    for answer in (service.execute(response="raw"), later):
        found = parts(answer)
        assert found["stringInput"].get_content() == "teststring"
        assert json.loads(found["objectInput"].get_content()) == {"value": "teststring"}


def test_raw_references_are_links_that_lead_to_the_result(service: Any) -> None:
    """Jobs.testJobCreationSyncRawRef, Jobs.testJobResultsAsyncRawRef."""
    name = next(iter(service.description["outputs"]))
    outputs = service.outputs(name, by="reference")
    later = service.execute("respond-async", outputs=outputs, response="raw")
    status(service, later)
    if not service.synchronous:
        return
    service.api.server.wait(later.json()["jobID"])
    for answer in (
        service.execute(outputs=outputs, response="raw"),
        service.api.get(f"/jobs/{later.json()['jobID']}/results"),
    ):
        assert (answer.status_code, answer.content) == (204, b"")
        (target,) = links(answer, "related")
        assert service.api.server.session.get(target, timeout=60).text == "teststring"


def test_one_raw_value_is_the_body(service: Any) -> None:
    """Jobs.testJobCreationSyncRawValueOne, Jobs.testJobResultsAsyncRawValueOne."""
    if "value" not in service.description["outputTransmission"]:
        pytest.skip(f"{service.id} gives no output by value")
    name = next(iter(service.description["inputs"]))
    outputs = service.outputs(name, by="value")
    later = service.execute("respond-async", outputs=outputs, response="raw")
    info = service.api.server.wait(later.json()["jobID"])
    (address,) = [link["href"] for link in info["links"] if link["rel"] == RESULTS]
    if service.synchronous:
        assert service.execute(outputs=outputs, response="raw").text == "teststring"
    # As a client that says nothing of the types it reads.
    assert requests.get(address, timeout=60).text == "teststring"


def test_results_before_their_time_are_not_ready(service: Any) -> None:
    """Jobs.testJobResultsExceptionResultsNotReady."""
    pause = {"pause": 600} if "pause" in service.description["inputs"] else {}
    made = service.execute("respond-async", inputs=service.inputs | pause)
    answer = service.api.get(f"{made.headers['Location']}/results")
    assert status(service, made)["status"] in ("accepted", "running")
    assert (answer.status_code, answer.json()["type"]) == (404, f"{EXCEPTIONS}/result-not-ready")


def test_a_synchronous_answer_leads_to_its_job(service: Any) -> None:
    """Jobs.testJobResultsSync, which reads the header another way: docs/decisions/0010."""
    if not service.synchronous:
        pytest.skip(f"{service.id} runs only as a job")
    answer = service.execute()
    (address,) = links(answer, "monitor")
    headers = answer.raw.headers.getlist("Link")
    assert next(one for one in headers if "rel=monitor" in one).split(";")[0] == address
    info = service.api.get(address).json()
    assert (info["processID"], info["status"]) == (service.id, "successful")


def test_jobs_are_listed(service: Any) -> None:
    """JobList.testJobList, JobList.testJobListSuccess."""
    made = service.execute("respond-async")
    answer = service.api.get("/jobs")
    assert answer.status_code == 200
    assert made.json()["jobID"] in [job["jobID"] for job in answer.json()["jobs"]]
