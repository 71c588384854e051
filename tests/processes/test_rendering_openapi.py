import importlib.util
import json
import re
from contextlib import nullcontext
from pathlib import Path

import jsonschema
import pytest
from flask import Flask
from openapi_spec_validator import OpenAPIV30SpecValidator

from core import declare
from core.declare import SourcePolicy
from core.declare.subscriber import SUBSCRIPTIONS
from core.declare.words import number
from core.errors import Refused
from core.pipelines import PIPELINES
from core.pipelines.mpic_opt.declaration import PRESETS
from processes import manual, openapi
from server import views
from server.app import create_app
from server.callbacks import signature
from server.problems import status_of
from server.settings import PACKAGED, read_settings

ROOT = Path(__file__).parents[2]
PAIR = {"reference": {"href": "upload:1"}, "secondary": {"href": "upload:2"}}
FULL = {
    "mpic-opt": {
        **PAIR,
        "window": 15,
        "aoi": {"bbox": [1, 2, 3, 4]},
        "extras": ["raw", "pixels"],
        "preset": "glacier",
        "units": "m/day",
        "reference_date": "2020-01-01",
    },
    "dsm-opt": {
        "images": [{"href": "upload:1"}, {"href": "upload:2"}],
        "aoi": {"bbox": [1, 2, 3, 4]},
        "pairs": ["1-2"],
        "resolution": 0.5,
        "output_crs": "EPSG:32740",
        "datum": "egm96",
        "window": 3,
        "minimum_height": -10,
        "control_points": {"href": "upload:3"},
        "adjustment": "affine",
        "orthoimages": True,
    },
    "echo": {
        "stringInput": "x",
        "pause": 0,
        "arrayInput": [1],
        "bboxInput": {"bbox": [1, 2, 3, 4]},
        "objectInput": {"value": "x"},
        "mixedInput": 1.5,
        "imageInput": {
            "href": "https://example.org/a.tif",
            "type": "image/tiff",
            "rel": "data",
            "title": "An image",
            "hreflang": "en",
        },
    },
}
SERVICES = pytest.mark.parametrize("service", PIPELINES.values(), ids=list(PIPELINES))


@pytest.fixture(scope="module")
def document():
    return openapi.document(PIPELINES, "https://example.org/api")


@pytest.fixture
def app_document(tmp_path):
    """The document of a server that is known under an address."""

    def read(public_url, **more):
        settings = read_settings(PACKAGED, {}, data=tmp_path, public_url=public_url, **more)
        app = create_app(settings)
        return app.test_client().get("/openapi", base_url=public_url or None).json

    return read


def references(part):
    if isinstance(part, dict):
        if isinstance(part.get("$ref"), str):
            yield part["$ref"]
        for value in part.values():
            yield from references(value)
    elif isinstance(part, list):
        for value in part:
            yield from references(value)


def test_the_document_is_valid_openapi_3_0(document):
    assert [error.message for error in OpenAPIV30SpecValidator(document).iter_errors()] == []


def test_no_reference_leaves_the_document_and_each_leads_somewhere(document):
    for reference in references(document):
        part = document
        for token in reference.removeprefix("#/").split("/"):
            part = part[token]
        assert part


def test_a_document_leads_to_its_server_by_a_path(app_document):
    for url, prefix in (("", ""), ("https://example.org/api/", "/api")):
        assert app_document(url)["servers"] == [{"url": prefix or "/"}]


@pytest.mark.parametrize("secret", ["", "sixteen letters!"])
def test_subscribers_are_described_where_they_are_told(app_document, secret):
    found = app_document("", callback_secret=secret)
    executions = [op for _, op in operations(found) if op["operationId"].startswith("execute-")]
    assert len(executions) == len(PIPELINES)
    assert {"callbacks" in operation for operation in executions} == {bool(secret)}
    schemas = found["components"]["schemas"]
    assert ("subscriber" in schemas) == bool(secret)
    for name in PIPELINES:
        assert ("subscriber" in schemas[f"{name}-request"]["properties"]) == bool(secret)
    assert [error.message for error in OpenAPIV30SpecValidator(found).iter_errors()] == []


def operations(document):
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield f"{method} {path}", operation


def answers(document, operation):
    """Status and answer, references followed."""
    known = document["components"]["responses"]
    for status, answer in operation["responses"].items():
        yield status, known[name_of(answer)] if "$ref" in answer else answer


def says_something(document, schema):
    """Whether a schema is more than "anything" or "any object"."""
    if "$ref" in schema:
        return says_something(document, document["components"]["schemas"][name_of(schema)])
    for key in ("anyOf", "oneOf"):
        if key in schema:
            return all(says_something(document, one) for one in schema[key])
    if "allOf" in schema:
        return any(says_something(document, one) for one in schema["allOf"])
    if schema.get("type") == "object":
        closed = schema.get("additionalProperties") is False
        return closed or any(key in schema for key in ("properties", "additionalProperties"))
    if schema.get("type") == "array":
        return says_something(document, schema["items"])
    return "type" in schema


def name_of(schema):
    return schema["$ref"].rpartition("/")[2]


def test_no_answer_with_a_body_is_just_anything(document):
    seen = 0
    for name, operation in operations(document):
        for status, answer in answers(document, operation):
            bodies = answer.get("content", {})
            assert bodies or status in ("204", "304"), (name, status)
            for media, body in bodies.items():
                assert says_something(document, body["schema"]), (name, status, media)
                seen += 1
    assert seen > 100


@pytest.mark.parametrize("schema", [{}, {"type": "object"}, {"anyOf": [{"type": "object"}]}])
def test_a_schema_that_says_nothing_is_found(document, schema):
    assert not says_something(document, schema)


@SERVICES
def test_each_process_has_its_own_request_and_results(document, service):
    execution = document["paths"][f"/processes/{service.id}/execution"]["post"]
    request = execution["requestBody"]["content"]["application/json"]["schema"]
    assert name_of(request) == f"{service.id}-request"
    properties = document["components"]["schemas"][f"{service.id}-results"]["properties"]
    assert list(properties) == [output.id for output in service.output_list]
    answer = execution["responses"].get("200")
    assert (answer is not None) == ("sync-execute" in service.modes)
    if answer is not None:
        forms = answer["content"]["application/json"]["schema"]["anyOf"]
        assert {name_of(form) for form in forms} == {f"{service.id}-results", f"{service.id}-value"}
    results = next(iter(execution["callbacks"]["success"].values()))["post"]["requestBody"]
    assert name_of(results["content"]["application/json"]["schema"]) == f"{service.id}-results"


@SERVICES
def test_callbacks_tell_whom_what_is_sent(document, service):
    execution = document["paths"][f"/processes/{service.id}/execution"]["post"]
    told = {
        expression: operation["post"]
        for callback in execution["callbacks"].values()
        for expression, operation in callback.items()
    }
    assert set(told) == {f"{{$request.body#/subscriber/{name}}}" for name in SUBSCRIPTIONS}
    for message in told.values():
        headers = {header["name"]: header["schema"] for header in message["parameters"]}
        assert set(headers) == {"webhook-id", "webhook-timestamp", "webhook-signature", "Link"}
        signed = signature(b"a secret of some length", "id", "1764000000", b"{}")
        assert re.search(headers["webhook-signature"]["pattern"], signed)
        assert message["security"] == []


def test_who_is_refused_for_now_is_told_when_to_come_back(document):
    """429 wherever a job is made, 503 wherever the store is asked; not in the answer of /health."""
    for name, operation in operations(document):
        for status, answer in answers(document, operation):
            told = "Retry-After" in answer.get("headers", {})
            assert told == (status in ("429", "503") and name != "get /health"), (name, status)
        assert ("429" in operation["responses"]) == name.startswith("post ")
    retry = document["components"]["headers"]["Retry-After"]
    assert (retry["required"], retry["schema"]["type"]) == (True, "integer")


def test_a_key_can_be_given_in_each_way_or_not_at_all(document):
    schemes = document["components"]["securitySchemes"]
    assert {(one["type"], one.get("scheme") or one["name"]) for one in schemes.values()} == {
        ("http", "bearer"),
        ("http", "basic"),
        ("apiKey", "X-API-Key"),
    }
    assert document["security"] == [{}, *({name: []} for name in schemes)]
    for name, operation in operations(document):
        unauthorized = dict(answers(document, operation))["401"]
        assert "WWW-Authenticate" in unauthorized["headers"], name


def test_links_lead_to_operations_with_parameters_that_these_have(document):
    known = {operation["operationId"]: operation for _, operation in operations(document)}
    led = set()
    for _, operation in operations(document):
        for _, answer in answers(document, operation):
            for link in answer.get("links", {}).values():
                target = known[link["operationId"]]
                names = {name_of(parameter) for parameter in target["parameters"]}
                assert set(link["parameters"]) <= names
                led.add(link["operationId"])
    assert {"job", "dismiss", "results", "result", "stac", "uploadedFile"} <= led


def test_pages_are_promised_just_where_one_can_ask_for_them(document):
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            parameters = [entry["$ref"] for entry in operation.get("parameters", ())]
            answer = operation["responses"].get("200", {})
            # A file of results may be a page, whatever one asks for.
            has_page = "text/html" in answer.get("content", {}) and "{outputID}" not in path
            assert has_page == ("#/components/parameters/f" in parameters), (path, method)


def test_no_operation_has_the_name_of_another(document):
    names = [
        operation["operationId"]
        for path in document["paths"].values()
        for operation in path.values()
    ]
    assert len(names) == len(set(names))


def test_every_path_of_the_server_is_in_the_document_and_no_other(document):
    app = Flask("paths")
    views.register(app)
    served = {
        (re.sub(r"<(\w+:)?\w+>", "{}", str(rule)), method.lower())
        for rule in app.url_map.iter_rules()
        for method in rule.methods - {"HEAD", "OPTIONS"}
        if not str(rule).startswith("/static")
    }
    told = set()
    for path, operations in document["paths"].items():
        general = re.sub(r"\{\w+\}", "{}", path)
        for service in PIPELINES:
            general = general.replace(f"/processes/{service}", "/processes/{}")
        told |= {(general, method) for method in operations}
    assert served == told


def request_validator(document, service, json_schema):
    schema = json_schema(document)["components"]["schemas"]
    root = {"$ref": f"#/components/schemas/{service.id}-request"}
    return jsonschema.Draft4Validator({**root, "components": {"schemas": schema}})


@SERVICES
def test_a_request_with_inputs_of_every_kind_is_valid_in_both(document, service):
    request = {
        "inputs": FULL[service.id],
        "outputs": {service.output_list[0].id: {"transmissionMode": "reference"}},
        "response": "document",
    }
    validated = declare.validate(service, json.dumps(request), SourcePolicy())
    validator = request_validator(document, service, lambda same: same)
    assert [error.message for error in validator.iter_errors(request)] == []
    # So is the request that is stored to repeat the job.
    assert [error.message for error in validator.iter_errors(validated.document)] == []


@SERVICES
def test_the_example_of_a_request_is_one(document, service):
    validator = request_validator(document, service, lambda same: same)
    for way in ("execution", "inspect"):
        body = document["paths"][f"/processes/{service.id}/{way}"]["post"]["requestBody"]
        example = body["content"]["application/json"]["example"]
        assert [error.message for error in validator.iter_errors(example)] == []
        assert declare.validate(service, json.dumps(example), SourcePolicy()).parameters


@SERVICES
@pytest.mark.parametrize("change", [{"unknown": 1}, {"outputs": {"unknown": {}}}, {"inputs": []}])
def test_a_request_with_something_unknown_is_invalid(document, service, change):
    validator = request_validator(document, service, lambda same: same)
    assert not validator.is_valid({"inputs": FULL[service.id], **change})


TYPES = {
    "image/tiff": True,
    "image/tiff; application=geotiff": True,
    "image/tiff ;a": True,
    "": False,
    "image/tiffs": False,
    "image/png": False,
    "x/image/tiff": False,
}


@pytest.mark.parametrize(("media_type", "fits"), TYPES.items())
@pytest.mark.parametrize("form", ['{{"type": {}}}', '{{"format": {{"mediaType": {}}}}}'])
def test_references_of_other_types_are_invalid_in_both(document, media_type, fits, form):
    told = json.loads(form.format(json.dumps(media_type)))
    service = PIPELINES["echo"]
    image = {"href": "https://example.org/a.tif", **told}
    request = {"inputs": {"stringInput": "x", "imageInput": image}}
    assert request_validator(document, service, lambda same: same).is_valid(request) == fits
    refused = nullcontext() if fits else pytest.raises(Refused)
    with refused:
        declare.validate(service, json.dumps(request), SourcePolicy())


FORMATS = [
    ({"encoding": "utf-8", "schema": "https://example.org/a.json"}, True),
    ({"schema": {"type": "string"}}, True),
    ({"schema": ["string"]}, False),
    ({"schema": None}, False),
    ({"encoding": {}}, False),
    ({"encoding": 8}, False),
]


@SERVICES
@pytest.mark.parametrize(("format_", "fits"), FORMATS)
def test_formats_that_are_none_are_invalid_in_both(document, service, format_, fits):
    outputs = {service.output_list[0].id: {"format": format_}}
    request = {"inputs": FULL[service.id], "outputs": outputs}
    assert request_validator(document, service, lambda same: same).is_valid(request) == fits
    refused = nullcontext() if fits else pytest.raises(Refused)
    with refused:
        declare.validate(service, json.dumps(request), SourcePolicy())


def test_the_committed_files_are_those_that_would_be_generated():
    spec = importlib.util.spec_from_file_location("build", ROOT / "openapi/build.py")
    build = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(build)
    assert build.drift() == []


@SERVICES
def test_the_manual_has_every_input_and_every_output_with_its_text(service):
    page = manual.service(service)
    for entry in service.input_list:
        assert f"| `{entry.id}`" in page
        assert entry.text in page
    for output in service.output_list:
        assert f"| `{output.id}` |" in page
        assert output.text in page


def test_the_manual_tabulates_what_a_preset_decides():
    page = manual.service(PIPELINES["mpic-opt"])
    for preset, values in PRESETS.items():
        assert f"| `{preset}` | {' | '.join(number(value) for value in values.values())} |" in page


def test_the_page_of_errors_has_each_code_once_with_its_status():
    page = manual.errors(status_of)
    codes = re.findall(r"^\| `([a-z-]+)` \| \d{3} \|", page, re.MULTILINE)
    assert len(codes) == len(set(codes))
    assert "| `duplicate-key` | 400 |" in page
