"""The server as an OpenAPI 3.0 document: typed requests and results, no remote references."""

from collections.abc import Iterable, Mapping
from typing import Any

from core import __version__
from core.declare import Input, Output, Pipeline, ValueProduct
from processes.components import PARAMETERS, RESPONSES, SCHEMAS, SECURITY_SCHEMES, Json, ref
from processes.ogc import described

_DESCRIPTION = (
    "Ground displacement, surface models and landslides from optical images. OGC API - Processes "
    "1.0: send a request to a process, watch its job, fetch its results."
)


def document(pipelines: Mapping[str, Pipeline], server_url: str = "/") -> Json:
    """The OpenAPI document of a server with these services.

    Parameters
    ----------
    server_url
        Where the paths begin.
    """
    services = list(pipelines.values())
    return {
        "openapi": "3.0.3",
        "info": {
            "title": "OptiGround",
            "description": _DESCRIPTION,
            "version": __version__,
            "license": {"name": "Apache-2.0"},
        },
        "servers": [{"url": server_url or "/"}],
        # A server without access control takes everybody, one with it any of the schemes.
        "security": [{}, *({name: []} for name in SECURITY_SCHEMES)],
        "tags": _tags(services),
        "paths": {
            **_server_paths(),
            **_process_paths(services),
            **_job_paths(services),
            **_upload_paths(),
        },
        "components": {
            "schemas": {**SCHEMAS, **_service_schemas(services)},
            "responses": RESPONSES,
            "parameters": PARAMETERS,
            "securitySchemes": SECURITY_SCHEMES,
        },
    }


def _tags(services: list[Pipeline]) -> list[Json]:
    own = [{"name": service.id, "description": service.title} for service in services]
    return [
        {"name": "server", "description": "The server and what it offers"},
        *own,
        {"name": "jobs", "description": "Jobs and their results"},
        {"name": "uploads", "description": "Files to work on"},
    ]


def _operation(
    id_: str,
    tag: str,
    summary: str,
    *,
    parameters: Iterable[str] = (),
    responses: Mapping[str, Json],
    errors: Mapping[str, str] | None = None,
    body: Json | None = None,
) -> Json:
    """An operation; `errors` from status to the name of a response."""
    named = {**(errors or {}), "401": "NotAllowed", "500": "Fault"}
    found: Json = {"operationId": id_, "tags": [tag], "summary": summary}
    if parameters:
        found["parameters"] = [{"$ref": f"#/components/parameters/{name}"} for name in parameters]
    if body is not None:
        found["requestBody"] = body
    found["responses"] = {
        **responses,
        **{status: {"$ref": f"#/components/responses/{named[status]}"} for status in sorted(named)},
    }
    return found


def _json(description: str, schema: str | Json, media: str = "application/json") -> Json:
    content: Json = {media: {"schema": ref(schema) if isinstance(schema, str) else schema}}
    if media == "application/json":
        content["text/html"] = {"schema": {"type": "string"}}
    return {"description": description, "content": content}


def _file(description: str, *media: str) -> Json:
    content = {one: {"schema": {"type": "string", "format": "binary"}} for one in media}
    return {"description": description, "content": content}


def _server_paths() -> Json:
    def get(id_: str, summary: str, schema: str | Json, *more: str) -> Json:
        answers = {"200": _json(summary, schema)}
        errors = {"400": "BadRequest"}
        return {
            "get": _operation(
                id_, "server", summary, parameters=("f", *more), responses=answers, errors=errors
            )
        }

    health = get("health", "Whether jobs are taken and run", "health")
    health["get"]["responses"]["503"] = _json("They are not", "health")
    return {
        "/": get("landing", "What this server is", "landingPage"),
        "/conformance": get("conformance", "The conformance classes", "confClasses"),
        "/openapi": get("openapi", "This document", {"type": "object"}),
        "/processes": get("processes", "The processes", "processList", "processLimit"),
        "/health": health,
    }


def _process_paths(services: list[Pipeline]) -> Json:
    paths: Json = {}
    for service in services:
        page = f"/processes/{service.id}"
        paths[page] = {"get": _describe(service)}
        paths[f"{page}/execution"] = {"post": _execute(service)}
        paths[f"{page}/inspect"] = {"post": _inspect(service)}
    return paths


def _describe(service: Pipeline) -> Json:
    return _operation(
        f"describe-{service.id}",
        service.id,
        f"Inputs and outputs of {service.id}",
        parameters=("f",),
        responses={"200": _json("The description", "process")},
        errors={"400": "BadRequest"},
    )


_REFUSALS = {
    "400": "BadRequest",
    "403": "NotAllowed",
    "413": "TooLarge",
    "415": "WrongMediaType",
    "503": "Busy",
    "507": "NoSpace",
}


def _request_body(service: Pipeline) -> Json:
    schema = ref(f"{service.id}-request")
    return {"required": True, "content": {"application/json": {"schema": schema}}}


def _execute(service: Pipeline) -> Json:
    created = {
        **_json("A job was made", "statusInfo"),
        "headers": {
            "Location": {"description": "Address of the job.", "schema": {"type": "string"}}
        },
    }
    answers: Json = {"201": created}
    if "sync-execute" in service.modes:
        results = _json("The results", f"{service.id}-results")
        results["content"]["multipart/related"] = {"schema": {"type": "string"}}
        answers["200"] = results
        answers["204"] = {"description": "The results are links in the header."}
    operation = _operation(
        f"execute-{service.id}",
        service.id,
        service.title,
        parameters=("Prefer",),
        responses=answers,
        errors={**_REFUSALS, "429": "Busy"},
        body=_request_body(service),
    )
    return {**operation, "description": service.text}


def _inspect(service: Pipeline) -> Json:
    found = {"type": "object", "description": "What was found in the files' headers."}
    return _operation(
        f"inspect-{service.id}",
        service.id,
        f"Check a request for {service.id} and the headers of its files, without making a job",
        responses={"200": _json("What was found", found)},
        errors=_REFUSALS,
        body=_request_body(service),
    )


def _job_paths(services: list[Pipeline]) -> Json:
    missing = {"404": "NotFound"}
    gone = {"404": "NotFound", "410": "Gone"}
    any_results = {"anyOf": [ref(f"{service.id}-results") for service in services]}

    def get(
        id_: str, summary: str, answer: Json, *parameters: str, errors: Mapping[str, str]
    ) -> Json:
        return _operation(
            id_, "jobs", summary, parameters=parameters, responses={"200": answer}, errors=errors
        )

    jobs = get(
        "jobs",
        "The jobs, newest first",
        _json("Jobs", "jobList"),
        *("f", "jobLimit", "offset", "type", "processID", "status", "datetime"),
        *("minDuration", "maxDuration"),
        errors={"400": "BadRequest"},
    )
    job = _json("The job", "statusInfo")
    media = sorted({output.media_type for service in services for output in service.output_list})
    whole = _file("The file, or a part of it (Range)", *media)
    archive = _file("Everything", "application/zip")
    log = _file("Text", "text/plain")
    request = _json("The request", {"type": "object"})
    results = _json("From output to value, link, or list of links", any_results)
    stac = _json("A STAC document", {"type": "object"}, "application/geo+json")
    page = "/jobs/{jobID}"
    one, each = ("jobID", "outputID"), ("jobID", "outputID", "key")
    return {
        "/jobs": {"get": jobs},
        page: {
            "get": get("job", "Status of a job", job, "jobID", "f", errors=missing),
            "delete": _operation(
                "dismiss",
                "jobs",
                "Stop a job, or remove the results of one that has ended",
                parameters=("jobID",),
                responses={"200": job},
                errors={**missing, "403": "NotAllowed"},
            ),
        },
        f"{page}/results": {
            "get": get("results", "The results", results, "jobID", "f", errors=gone)
        },
        f"{page}/results/{{outputID}}": {
            "get": get("result", "One output", whole, *one, errors=gone)
        },
        f"{page}/results/{{outputID}}/{{key}}": {
            "get": get("keyedResult", "One of several files", whole, *each, errors=gone)
        },
        f"{page}/log": {"get": get("log", "Log of a job", log, "jobID", errors=missing)},
        f"{page}/stac": {"get": get("stac", "Results as STAC", stac, "jobID", errors=gone)},
        f"{page}/archive.zip": {
            "get": get("archive", "All results", archive, "jobID", errors=gone)
        },
        f"{page}/request.json": {
            "get": get("request", "The request, to repeat it", request, "jobID", errors=missing)
        },
    }


def _upload_paths() -> Json:
    binary = {"type": "string", "format": "binary"}
    form = {"type": "object", "required": ["file"], "properties": {"file": binary}}
    body: Json = {
        "required": True,
        "content": {
            "application/octet-stream": {"schema": binary},
            "multipart/form-data": {"schema": form},
        },
    }
    upload = _json("The file", "upload")
    missing = {"404": "NotFound"}
    return {
        "/uploads": {
            "get": _operation(
                "uploads",
                "uploads",
                "The uploaded files",
                parameters=("f",),
                responses={"200": _json("Files", "uploadList")},
            ),
            "post": _operation(
                "upload",
                "uploads",
                "Upload a file",
                responses={"201": upload},
                errors={key: name for key, name in _REFUSALS.items() if key != "503"},
                body=body,
            ),
        },
        "/uploads/{uploadID}": {
            "get": _operation(
                "uploadedFile",
                "uploads",
                "An uploaded file",
                parameters=("uploadID",),
                responses={"200": upload},
                errors=missing,
            ),
            "delete": _operation(
                "removeUpload",
                "uploads",
                "Remove an uploaded file",
                parameters=("uploadID",),
                responses={"204": {"description": "It is removed."}},
                errors={**missing, "403": "NotAllowed", "409": "Conflict"},
            ),
        },
    }


def _service_schemas(services: list[Pipeline]) -> Json:
    schemas: Json = {}
    for service in services:
        schemas[f"{service.id}-inputs"] = inputs_schema(service)
        schemas[f"{service.id}-request"] = _request_schema(service)
        schemas[f"{service.id}-results"] = _results_schema(service)
    return schemas


def inputs_schema(service: Pipeline) -> Json:
    """The schema of the member ``inputs`` of a request, values as they stand (not qualified)."""
    found: Json = {
        "type": "object",
        "additionalProperties": False,
        "properties": {entry.id: _input_schema(entry) for entry in service.input_list},
    }
    required = [entry.id for entry in service.input_list if entry.required]
    return {**found, "required": required} if required else found


def _input_schema(entry: Input) -> Json:
    schema: Json = {"title": entry.title, "description": described(entry)}
    if entry.kind == "binary":
        # The standard describes the value; in a request a reference may stand for it.
        schema["anyOf"] = [_plain(entry.schema), ref("link")]
    else:
        schema.update(_plain(entry.request_schema))
    if entry.default not in (None, []):
        schema["default"] = entry.default
    if entry.example is not None:
        schema["example"] = entry.example
    return schema


def _request_schema(service: Pipeline) -> Json:
    modes = {"type": "string", "enum": list(service.transmission)}
    format_ = {
        "type": "object",
        "additionalProperties": False,
        "properties": {name: {"type": "string"} for name in ("mediaType", "encoding", "schema")},
    }
    asked = {
        "type": "object",
        "additionalProperties": False,
        "properties": {"transmissionMode": modes, "format": format_},
    }
    outputs = {
        "type": "object",
        "description": "The outputs that are wanted; all if none is named.",
        "additionalProperties": False,
        "properties": {output.id: asked for output in service.output_list},
    }
    return {
        "type": "object",
        "additionalProperties": False,
        "required": ["inputs"],
        "properties": {
            "inputs": ref(f"{service.id}-inputs"),
            "outputs": outputs,
            "response": {"type": "string", "enum": ["raw", "document"]},
            "process": {"type": "string", "enum": [service.id]},
            "version": {"type": "string", "description": "Version the request was made with."},
        },
    }


def _results_schema(service: Pipeline) -> Json:
    return {
        "type": "object",
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
