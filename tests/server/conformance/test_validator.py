"""Whether the OpenAPI document would notice: each property it requires, taken away or mistyped."""

import copy
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest

Path = tuple[str | int, ...]
OTHER = {
    "string": 1,
    "integer": "text",
    "number": "text",
    "boolean": "text",
    "array": {"no": "array"},
    "object": ["no object"],
}
"""A value of another type, for each type."""


def resolved(schema: Mapping[str, Any], components: Mapping[str, Any]) -> Mapping[str, Any]:
    """The schema that a reference stands for."""
    while "$ref" in schema:
        schema = components["schemas"][schema["$ref"].rpartition("/")[2]]
    return schema


def branches(schema: Mapping[str, Any], components: Mapping[str, Any]) -> Iterator[Any]:
    """A schema and all those that hold together with it."""
    schema = resolved(schema, components)
    yield schema
    for part in schema.get("allOf", ()):
        yield from branches(part, components)


def required(
    schema: Mapping[str, Any], value: Any, components: Mapping[str, Any], at: Path = ()
) -> Iterator[tuple[Path, str]]:
    """Where in a value there is a property that the schema requires, and its type."""
    for part in branches(schema, components):
        properties = part.get("properties", {})
        if isinstance(value, dict):
            for name in part.get("required", ()):
                kind = next(
                    one["type"] for one in branches(properties[name], components) if "type" in one
                )
                # What may be null has two types, the other one first.
                yield (*at, name), kind if isinstance(kind, str) else kind[0]
            for name, inner in properties.items():
                if name in value:
                    yield from required(inner, value[name], components, (*at, name))
        if isinstance(value, list) and value and "items" in part:
            yield from required(part["items"], value[0], components, (*at, 0))


def parent(value: Any, path: Path) -> Any:
    """What holds the property at a path."""
    for step in path[:-1]:
        value = value[step]
    return value


def without(value: Any, path: Path) -> Any:
    changed = copy.deepcopy(value)
    del parent(changed, path)[path[-1]]
    return changed


def mistyped(value: Any, path: Path, kind: str) -> Any:
    changed = copy.deepcopy(value)
    parent(changed, path)[path[-1]] = OTHER[kind]
    return changed


@pytest.fixture(scope="module")
def answers(api: Any, ground: dict[str, Any]) -> dict[str, tuple[str, str, Any]]:
    """An answer of each kind, with the method and the path that gave it."""
    mapped = api.server.submit("mpic-opt", ground)
    api.server.wait(mapped, 300)
    job = api.server.submit("echo", {"stringInput": "x", "objectInput": {"value": "x"}})
    api.server.wait(job)
    octets = {"Content-Type": "application/octet-stream"}
    upload = api.ask("POST", "/uploads?name=a.bin", data=b"x", headers=octets)
    document = {"inputs": {"stringInput": "x", "objectInput": {"value": "x"}}}
    asked = [
        ("landingPage", "GET", "/", {}),
        ("openApi", "GET", "/openapi", {}),
        ("inspection", "POST", "/processes/mpic-opt/inspect", {"json": {"inputs": ground}}),
        ("stacItem", "GET", f"/jobs/{mapped}/stac", {}),
        ("confClasses", "GET", "/conformance", {}),
        ("processList", "GET", "/processes", {}),
        ("echo", "GET", "/processes/echo", {}),
        ("mpic-opt", "GET", "/processes/mpic-opt", {}),
        ("jobList", "GET", "/jobs", {}),
        ("statusInfo", "GET", f"/jobs/{job}", {}),
        ("results", "GET", f"/jobs/{job}/results", {}),
        (
            "execution",
            "POST",
            "/processes/echo/execution",
            {"json": {**document, "response": "document"}},
        ),
        (
            "job",
            "POST",
            "/processes/echo/execution",
            {"json": document, "headers": {"Prefer": "respond-async"}},
        ),
        ("refusal", "POST", "/processes/echo/execution", {"json": {"inputs": {"nothing": 1}}}),
        ("exception", "GET", "/jobs/none", {}),
        ("uploadList", "GET", "/uploads", {}),
        ("health", "GET", "/health", {}),
    ]
    found = {
        name: (method, path, api.ask(method, path, **options))
        for name, method, path, options in asked
    }
    found["upload"] = ("POST", "/uploads", upload)
    api.ask("DELETE", f"/uploads/{upload.json()['id']}")
    return found


KINDS = [
    *("landingPage", "confClasses", "processList", "echo", "mpic-opt", "jobList", "statusInfo"),
    *("job", "refusal", "exception", "upload", "uploadList", "health"),
    *("openApi", "inspection", "stacItem"),
]


@pytest.fixture
def promised(api: Any, answers: Any) -> Callable[[str], tuple[Any, Any]]:
    """The schema of an answer, and the answer, which is as promised."""

    def find(kind: str) -> tuple[Any, Any]:
        method, path, answer = answers[kind]
        schema = api.judge.promised(
            method, path, answer.status_code, answer.headers["Content-Type"]
        )
        assert api.judge.after_openapi(schema, answer.json()) == []
        return schema, answer.json()

    return find


@pytest.mark.parametrize("kind", KINDS)
def test_each_required_property_is_missed_and_its_type_is_looked_at(
    api: Any, promised: Callable[[str], tuple[Any, Any]], kind: str
) -> None:
    schema, value = promised(kind)
    found = sorted(set(required(schema, value, api.judge.document["components"])), key=str)
    assert found, f"nothing of {kind} is required"
    for path, type_ in found:
        wrong = (without(value, path), mistyped(value, path, type_))
        assert all(api.judge.after_openapi(schema, one) for one in wrong), path


@pytest.mark.parametrize("kind", ["results", "execution"])
@pytest.mark.parametrize("output", ["stringInput", "objectInput"])
def test_a_result_of_another_type_is_seen(
    api: Any, promised: Callable[[str], tuple[Any, Any]], kind: str, output: str
) -> None:
    schema, value = promised(kind)
    assert output in value
    assert api.judge.after_openapi(schema, {**value, output: [["no such type"]]})
