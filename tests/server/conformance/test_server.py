"""What the suite asks of the server as a whole. Each test names the checks it stands for."""

from typing import Any

import requests

RELATION = "http://www.opengis.net/def/rel/ogc/1.0"
CLASS = "http://www.opengis.net/spec/ogcapi-processes-1/1.0/conf"


def test_the_server_speaks_http_1_1(running_server: Any) -> None:
    """GeneralHttp.testHttp."""
    with requests.get(running_server.url, timeout=60, stream=True) as answer:
        assert answer.raw.version == 11


def test_the_landing_page_leads_to_everything_here(api: Any) -> None:
    """LandingPage.testLandingPageRetrieval, LandingPage.testLandingPageValidation."""
    answer = api.get("/")
    assert answer.status_code == 200
    relations = {link["rel"] for link in answer.json()["links"]}
    assert {"service-desc", "service-doc"} & relations
    for name in ("conformance", "processes"):
        assert {name, f"{RELATION}/{name}"} & relations, name
    here = [link for link in answer.json()["links"] if link["href"].startswith(api.server.url)]
    assert len(here) > 4
    for link in here:
        assert requests.get(link["href"], timeout=60).status_code == 200, link


def test_the_conformance_classes_that_are_tested_here_are_declared(api: Any) -> None:
    """Conformance.testValidateConformanceOperationAndResponse."""
    declared = api.get("/conformance").json()["conformsTo"]
    assert {f"{CLASS}/{name}" for name in ("core", "ogc-process-description", "job-list")} <= set(
        declared
    )


def test_a_limit_shortens_the_list_of_processes(api: Any) -> None:
    """ProcessList.testPlLimitDefinition, ProcessList.testPlLimitResponse."""
    document = api.get("/openapi").json()
    names = [entry["$ref"] for entry in document["paths"]["/processes"]["get"]["parameters"]]
    found = [document["components"]["parameters"][name.rpartition("/")[2]] for name in names]
    (limit,) = [entry for entry in found if entry["name"] == "limit"]
    assert limit["in"] == "query"
    assert not limit.get("required", False)
    assert limit["schema"]["type"] == "integer"
    assert {"minimum", "maximum", "default"} <= set(limit["schema"])
    assert len(api.get("/processes?limit=1").json()["processes"]) == 1


def test_the_list_of_processes_has_them_with_links(api: Any) -> None:
    """ProcessList.testPlLinks, ProcessList.testProcessList, ProcessList.testProcessListSuccess."""
    answer = api.get("/processes")
    assert answer.status_code == 200
    found = answer.json()
    assert "self" in {link["rel"] for link in found["links"]}
    assert len(found["processes"]) >= 1
    for process in found["processes"]:
        assert api.get(f"/processes/{process['id']}").status_code == 200


def test_a_process_that_is_not_there_is_told(api: Any) -> None:
    """Process.testProcessExceptionNoSuchProcess."""
    answer = api.get("/processes/there-is-none")
    assert answer.status_code == 404
    assert answer.json()["type"].endswith("/ogcapi-processes-1/1.0/no-such-process")


def test_a_job_that_is_not_there_is_told(api: Any) -> None:
    """Jobs.testJobExceptionNoSuchJob, Jobs.testJobResultsNoSuchJob."""
    for below in ("", "/results"):
        answer = api.get(f"/jobs/there-is-none{below}")
        assert answer.status_code == 404
        assert answer.json()["type"].endswith("/ogcapi-processes-1/1.0/no-such-job")


def test_each_value_alone_is_as_the_document_says(api: Any) -> None:
    """The judge holds it against the document: a text, a list, an object, a number; or a link."""
    values = {
        "stringInput": "x",
        "arrayInput": [1, 2, 3],
        "bboxInput": {"bbox": [1.0, 2.0, 3.0, 4.0]},
        "objectInput": {"value": "x"},
        "mixedInput": 3.5,
        "imageInput": {"href": "https://example.org/a.tif", "rel": "data"},
    }
    for name, value in values.items():
        request = {"inputs": values, "outputs": {name: {}}, "response": "raw"}
        answer = api.ask("POST", "/processes/echo/execution", json=request)
        if name == "imageInput":
            assert (answer.status_code, answer.links["related"]["url"]) == (204, value["href"])
        else:
            assert (answer.json() if name != "stringInput" else answer.text) == value
