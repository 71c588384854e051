"""The OpenAPI schemas of a service's requests and results."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from core.declare import Input, Output, Pipeline, ValueProduct
from processes.components import Json, ref, reference, text
from processes.ogc import described


def service_schemas(services: Iterable[Pipeline], *, callbacks: bool) -> Json:
    """Inputs, request and results of each service; a subscriber only where there are callbacks."""
    schemas: Json = {}
    for service in services:
        schemas[f"{service.id}-inputs"] = inputs_schema(service)
        schemas[f"{service.id}-request"] = _request_schema(service, callbacks=callbacks)
        schemas[f"{service.id}-results"] = _results_schema(service)
        if has_values(service):
            schemas[f"{service.id}-value"] = {"anyOf": list(_json_values(service))}
    return schemas


def has_values(service: Pipeline) -> bool:
    """Whether a result of the service can be the body of an answer in JSON."""
    return any(True for _ in _json_values(service))


def _json_values(service: Pipeline) -> Iterator[Json]:
    """The values that results can be in raw form, but for texts, which are sent as text."""
    for output in service.output_list:
        if isinstance(output.product, ValueProduct):
            forms = output.schema.get("oneOf", [output.schema])
            yield from (_plain(form) for form in forms if form.get("type") != "string")


def inputs_schema(service: Pipeline) -> Json:
    """The schema of the member ``inputs`` of a request, values as they stand (not qualified)."""
    found: Json = {
        "type": "object",
        "additionalProperties": False,
        "properties": {entry.id: _input_schema(entry) for entry in service.input_list},
    }
    required = [entry.id for entry in service.input_list if entry.required]
    return {**found, "required": required} if required else found


def example_request(service: Pipeline) -> Json:
    """A request that shows the required inputs, or the first ones where none is required."""
    tried = [entry for entry in service.input_list if entry.example is not None]
    required = [entry for entry in tried if entry.required] or tried[:2]
    return {"inputs": {entry.id: entry.example for entry in required}}


def _input_schema(entry: Input) -> Json:
    schema: Json = {"title": entry.title, "description": described(entry)}
    if entry.kind == "binary":
        # The standard describes the value; in a request a reference may stand for it.
        schema["anyOf"] = [_plain(entry.schema), reference(entry.schema["contentMediaType"])]
    else:
        schema.update(_plain(entry.request_schema))
    if entry.default not in (None, []):
        schema["default"] = entry.default
    if entry.example is not None:
        schema["example"] = entry.example
    return schema


def _request_schema(service: Pipeline, *, callbacks: bool) -> Json:
    outputs = {
        "type": "object",
        "description": "The outputs that are wanted; all if none is named.",
        "additionalProperties": False,
        "properties": {output.id: _asked_schema(service, output) for output in service.output_list},
    }
    return {
        "type": "object",
        "description": "A request; no text in it holds NUL.",
        "additionalProperties": False,
        "required": ["inputs"],
        "properties": {
            "inputs": ref(f"{service.id}-inputs"),
            "outputs": outputs,
            "response": {"type": "string", "enum": ["raw", "document"]},
            "process": {"type": "string", "enum": [service.id]},
            **({"subscriber": ref("subscriber")} if callbacks else {}),
            "version": {"type": "string", "description": "Version the request was made with."},
        },
    }


def _asked_schema(service: Pipeline, output: Output) -> Json:
    """How an output is wanted."""
    bare = output.media_type.partition(";")[0]
    media = {"type": "string", "enum": sorted({output.media_type, bare, "*/*"})}
    format_ = {
        "type": "object",
        "additionalProperties": False,
        "properties": {
            "mediaType": media,
            "encoding": text("Of no effect."),
            "schema": {
                "description": "Of no effect.",
                "anyOf": [{"type": "string"}, {"type": "object"}],
            },
        },
    }
    modes = {"type": "string", "enum": list(service.transmission)}
    return {
        "type": "object",
        "additionalProperties": False,
        "properties": {"transmissionMode": modes, "format": format_},
    }


def _results_schema(service: Pipeline) -> Json:
    return {
        "type": "object",
        # Closed, or else each service's results would pass for any other's.
        "additionalProperties": False,
        "properties": {
            output.id: _result_schema(output, linked="reference" in service.transmission)
            for output in service.output_list
        },
    }


def _result_schema(output: Output, *, linked: bool) -> Json:
    about: dict[str, Any] = {"title": output.title, "description": output.text}
    one = ref("link")
    if isinstance(output.product, ValueProduct):
        value = _plain(output.schema)
        if value.get("type") == "object":
            # The standard's results document has objects as the `value` of an object.
            value = {"type": "object", "required": ["value"], "properties": {"value": value}}
        return {**about, "anyOf": [value, one]} if linked else {**value, **about}
    return {**about, **({"type": "array", "items": one} if output.many else {"allOf": [one]})}


def _plain(schema: Mapping[str, Any]) -> Json:
    """A schema without the two keys that process descriptions have and OpenAPI 3.0 lacks."""
    plain = {key: value for key, value in schema.items() if not key.startswith("content")}
    return {**plain, "format": "byte"} if plain != schema else plain
