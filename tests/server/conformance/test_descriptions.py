"""What the suite asks of the description of a process, asked of every process."""

from typing import Any

from core.pipelines import PIPELINES


def test_every_process_can_be_executed_by_these_tests(api: Any) -> None:
    listed = [process["id"] for process in api.get("/processes").json()["processes"]]
    assert sorted(listed) == sorted(PIPELINES)


def test_a_process_is_described(service: Any) -> None:
    """Process.testProcess, Process.testProcessSuccess,
    OGCProcessDescription.testOGCProcessDescriptionJSON.
    """
    answer = service.api.get(f"/processes/{service.id}")
    assert answer.status_code == 200
    assert answer.headers["Content-Type"].startswith("application/json")
    assert answer.json()["id"] == service.id
    assert set(answer.json()["jobControlOptions"]) & {"sync-execute", "async-execute"}


def test_each_input_and_each_output_has_its_schema(service: Any) -> None:
    """OGCProcessDescription.testOGCProcessDescriptionInputsDef,
    OGCProcessDescription.testOGCProcessDescriptionInputDef,
    OGCProcessDescription.testOGCProcessDescriptionOutputsDef,
    OGCProcessDescription.testOGCProcessDescriptionOutputDef.
    """
    for member in ("inputs", "outputs"):
        entries = service.description[member]
        assert entries
        for name, entry in entries.items():
            assert entry["schema"], name
            assert entry["title"], name


def test_what_takes_several_types_lists_them_as_one_of(service: Any, kinds: Any) -> None:
    """OGCProcessDescription.testOGCProcessDescriptionInputDefinitionOfMixedType,
    OGCProcessDescription.testOGCProcessDescriptionOutputDefinitionOfMixedType.
    """
    inputs = service.description["inputs"]
    for name in kinds.get("mixed", {}):
        assert len(inputs[name]["schema"]["oneOf"]) > 1
    if service.id == "echo":
        outputs = service.description["outputs"]
        assert any("oneOf" in output["schema"] for output in outputs.values())


def test_the_defaults_and_examples_obey_their_schema(service: Any) -> None:
    for name, entry in service.description["inputs"].items():
        schema = entry["schema"]
        for given in ("default", "example"):
            if given in schema:
                wrong = service.api.judge.after_openapi(schema, schema[given])
                assert wrong == [], (name, given)


def test_a_process_leads_to_its_execution(service: Any) -> None:
    links = {link["rel"]: link["href"] for link in service.description["links"]}
    execute = links["http://www.opengis.net/def/rel/ogc/1.0/execute"]
    assert execute.endswith(f"/processes/{service.id}/execution")
    assert service.api.get(links["self"]).json() == service.description
