import json
from pathlib import Path

import pytest
import yaml
from jsonschema import Draft4Validator
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT4

from core.pipelines import PIPELINES
from processes import ogc

SERVICES = pytest.mark.parametrize("service", PIPELINES.values(), ids=list(PIPELINES))

SCHEMA_KEYS = frozenset({
    "title", "multipleOf", "maximum", "exclusiveMaximum", "minimum", "exclusiveMinimum",
    "maxLength", "minLength", "pattern", "maxItems", "minItems", "uniqueItems", "maxProperties",
    "minProperties", "required", "enum", "type", "not", "allOf", "oneOf", "anyOf", "items",
    "properties", "additionalProperties", "description", "format", "default", "nullable",
    "readOnly", "writeOnly", "example", "deprecated", "contentMediaType", "contentEncoding",
    "contentSchema",
})  # fmt: skip
"""All keys that the standard's ``schema.yaml`` allows."""


def described(service):
    return ogc.description(service, lambda path: f"https://example.org{path}")


@pytest.fixture
def standard(shared_data: Path):
    """Validator of a schema of the standard; its bounds are written as in JSON Schema draft 4."""
    folder = shared_data.parent / "schemas/ogcapi-processes-1.0/core/openapi/schemas"
    resources = [
        (path.name, Resource(yaml.safe_load(path.read_text()), DRAFT4))
        for path in folder.glob("*.yaml")
    ]
    registry = Registry().with_resources(resources)

    def validator(name):
        return Draft4Validator({"$ref": name}, registry=registry)

    return validator


@pytest.mark.shared
@SERVICES
def test_a_description_is_valid_after_the_standard(service, standard):
    assert [
        error.message for error in standard("process.yaml").iter_errors(described(service))
    ] == []


@pytest.mark.shared
def test_the_standard_would_notice_an_unknown_key_in_a_schema(standard):
    document = described(PIPELINES["echo"])
    document["inputs"]["pause"]["schema"]["unit"] = "s"
    assert not standard("process.yaml").is_valid(document)


@pytest.mark.shared
def test_a_list_of_summaries_is_valid_after_the_standard(standard):
    summaries = [ogc.summary(service, lambda path: path) for service in PIPELINES.values()]
    assert standard("processList.yaml").is_valid({"processes": summaries, "links": []})


def schemas_of(document):
    yield from (entry["schema"] for entry in document["inputs"].values())
    yield from (output["schema"] for output in document["outputs"].values())


def parts(schema):
    yield schema
    for key in ("allOf", "oneOf", "anyOf"):
        for branch in schema.get(key, []):
            yield from parts(branch)
    if "items" in schema:
        yield from parts(schema["items"])
    for member in schema.get("properties", {}).values():
        yield from parts(member)


@SERVICES
def test_a_schema_has_only_keys_that_the_standard_knows(service):
    for schema in schemas_of(described(service)):
        for part in parts(schema):
            assert part.keys() <= SCHEMA_KEYS


@SERVICES
def test_an_optional_input_need_not_occur_and_is_never_null(service):
    for name, entry in described(service)["inputs"].items():
        required = service.parameters.model_fields[name].is_required()
        assert entry["minOccurs"] == int(required)
        assert "null" not in json.dumps(entry["schema"])


@SERVICES
def test_everything_beside_a_schema_is_said_as_texts(service):
    document = described(service)
    for entry in [*document["inputs"].values(), *document["outputs"].values()]:
        for parameter in entry.get("additionalParameters", {}).get("parameters", []):
            assert all(isinstance(value, str) for value in parameter["value"])


def test_an_input_tells_unit_group_level_and_who_decides_it():
    window = described(PIPELINES["mpic-opt"])["inputs"]["window"]
    assert window["additionalParameters"]["parameters"] == [
        {"name": "unit", "value": ["{pixel}"]},
        {"name": "group", "value": ["Method"]},
        {"name": "level", "value": ["simple"]},
        {"name": "decidedBy", "value": ["preset"]},
    ]


def test_a_choice_explains_each_of_its_values():
    preset = described(PIPELINES["mpic-opt"])["inputs"]["preset"]
    assert preset["schema"]["enum"] == ["general", "earthquake", "landslide", "glacier"]
    for value in preset["schema"]["enum"]:
        assert f"\n* {value}: " in preset["description"]


def test_a_raster_tells_unit_and_sign():
    east = described(PIPELINES["mpic-opt"])["outputs"]["displacement_east"]
    assert east["schema"]["type"] == "array"
    assert {"name": "sign", "value": ["positive towards grid east"]} in east[
        "additionalParameters"
    ]["parameters"]


def test_echo_has_what_the_conformance_suite_looks_for():
    inputs = described(PIPELINES["echo"])["inputs"]
    assert next(iter(inputs)) == "stringInput"
    assert inputs["stringInput"]["schema"]["type"] == "string"
    assert inputs["arrayInput"]["schema"]["items"]["type"] == "integer"
    assert inputs["bboxInput"]["schema"]["allOf"][0] == {"format": "ogc-bbox"}
    assert inputs["objectInput"]["schema"]["type"] == "object"
    assert [branch["type"] for branch in inputs["mixedInput"]["schema"]["oneOf"]] == [
        "string",
        "number",
    ]
    assert inputs["imageInput"]["schema"] == {
        "type": "string",
        "contentEncoding": "binary",
        "contentMediaType": "image/tiff",
    }
    outputs = described(PIPELINES["echo"])["outputs"]
    assert outputs["stringInput"]["schema"] == {"type": "string"}
    assert outputs["arrayInput"]["schema"]["type"] == "array"
    assert "oneOf" in outputs["mixedInput"]["schema"]


@SERVICES
def test_links_go_to_the_service_itself_and_to_its_execution(service):
    links = {link["rel"]: link["href"] for link in described(service)["links"]}
    page = f"https://example.org/processes/{service.id}"
    assert links["self"] == page
    assert links[ogc.EXECUTE_REL] == f"{page}/execution"
