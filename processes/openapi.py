"""The server as an OpenAPI 3.0 document: typed requests and results, no remote references."""

from collections.abc import Iterable, Mapping

from core import __version__
from core.declare import Pipeline
from processes.components import PARAMETERS, RESPONSES, SCHEMAS, SECURITY_SCHEMES, Json, ref
from processes.schemas import example_request, service_schemas

OPENAPI_TYPE = "application/vnd.oai.openapi+json;version=3.0"
"""Media type of the document."""

_DESCRIPTION = (
    "Ground displacement, surface models and landslides from optical images. OGC API - Processes "
    "1.0: send a request to a process, watch its job, fetch its results. Methods that a path does "
    "not list are answered with 405; HEAD goes wherever GET does, and OPTIONS everywhere."
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
            "schemas": {**SCHEMAS, **service_schemas(services)},
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


_ALWAYS = {"401": "NotAllowed", "421": "Misdirected", "500": "Fault", "503": "Busy"}
"""What any operation may answer."""

_TEXT: Json = {"type": "string"}

_FAILED = {"400": "BadRequest", "410": "Gone", "422": "Failed", "507": "NoSpace"}
"""What asking for the results of a job may answer where it failed, by the reason."""


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
    named = {**_ALWAYS, **(errors or {})}
    named = {status: name for status, name in named.items() if status not in responses}
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
    return {"description": description, "content": content}


def _or_page(description: str, schema: str | Json, **more: Json) -> Json:
    """JSON, or a page for a browser; `more` from another name of the type to a schema."""
    answer = _json(description, schema)
    answer["content"] |= {**more, "text/html": {"schema": _TEXT}}
    return answer


def _file(description: str, *media: str) -> Json:
    content = {one: {"schema": {"type": "string", "format": "binary"}} for one in media}
    return {"description": description, "content": content}


def _read(
    id_: str,
    tag: str,
    summary: str,
    answer: Json,
    *parameters: str,
    errors: Mapping[str, str],
    more: Mapping[str, Json] | None = None,
) -> Json:
    """A path that can only be read; `more` from further statuses to answers."""
    operation = _operation(
        id_,
        tag,
        summary,
        parameters=parameters,
        responses={"200": answer, **(more or {})},
        errors=errors,
    )
    return {"get": operation}


def _server_paths() -> Json:
    def get(id_: str, summary: str, schema: str | Json, *more: str) -> Json:
        answer = _or_page(summary, schema)
        return _read(id_, "server", summary, answer, "f", *more, errors={"400": "BadRequest"})

    open_api = get("openapi", "This document", {"type": "object"})
    content = open_api["get"]["responses"]["200"]["content"]
    content[OPENAPI_TYPE] = content["application/json"]
    works = {"200": _json("They are", "health"), "503": _json("They are not", "health")}
    health = _operation("health", "server", "Whether jobs are taken and run", responses=works)
    return {
        "/": get("landing", "What this server is", "landingPage"),
        "/conformance": get("conformance", "The conformance classes", "confClasses"),
        "/openapi": open_api,
        "/processes": get("processes", "The processes", "processList", "processLimit"),
        "/health": {"get": health},
        "/metrics": _read(
            "metrics",
            "server",
            "Measurements for operators, in the text format of Prometheus",
            _json("Jobs, queue, disk and requests", _TEXT, "text/plain"),
            errors={"403": "NotAllowed"},
        ),
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
        responses={"200": _or_page("The description", "process")},
        errors={"400": "BadRequest", "404": "NotFound"},
    )


_REFUSALS = {
    "400": "BadRequest",
    "403": "NotAllowed",
    "413": "TooLarge",
    "415": "WrongMediaType",
    "507": "NoSpace",
}


_RAW = {media: {"schema": _TEXT} for media in ("text/plain", "multipart/related")}
"""Types of results in raw form, beside JSON."""

_LINKS = {"description": "The results are links in the header."}


def _request_body(service: Pipeline) -> Json:
    media = {"schema": ref(f"{service.id}-request"), "example": example_request(service)}
    return {"required": True, "content": {"application/json": media}}


def _execute(service: Pipeline) -> Json:
    created = {
        **_json("A job was made", "statusInfo"),
        "headers": {
            "Location": {"description": "Address of the job.", "schema": {"type": "string"}}
        },
    }
    answers: Json = {"201": created}
    if "sync-execute" in service.modes:
        answers["200"] = _json("The results", f"{service.id}-results")
        answers["200"]["content"] |= _RAW
        answers["204"] = _LINKS
    operation = _operation(
        f"execute-{service.id}",
        service.id,
        service.title,
        parameters=("Prefer", "Idempotency-Key"),
        responses=answers,
        errors={**_FAILED, **_REFUSALS, "422": "NotCarriedOut", "429": "Busy"},
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
    bad, missing = {"400": "BadRequest"}, {"404": "NotFound"}
    page = "/jobs/{jobID}"
    query = ("jobLimit", "offset", "type", "processID", "status", "datetime")
    jobs, job = _or_page("Jobs", "jobList"), _or_page("The job", "statusInfo")
    log = _file("Text", "text/plain")
    request = _json("The request", {"type": "object"})
    return {
        "/jobs": _read(
            "jobs",
            "jobs",
            "The jobs, newest first",
            jobs,
            *("f", *query, "minDuration", "maxDuration"),
            errors=bad,
        ),
        page: {
            **_read("job", "jobs", "Status of a job", job, "jobID", "f", errors=bad | missing),
            "delete": _operation(
                "dismiss",
                "jobs",
                "Stop a job, or remove the results of one that has ended",
                parameters=("jobID",),
                responses={"200": _json("The job", "statusInfo")},
                errors={**missing, "403": "NotAllowed"},
            ),
        },
        f"{page}/log": _read("log", "jobs", "Log of a job", log, "jobID", errors=missing),
        f"{page}/request.json": _read(
            "request", "jobs", "The request, to repeat it", request, "jobID", errors=missing
        ),
        **_result_paths(page, services),
    }


def _result_paths(page: str, services: list[Pipeline]) -> Json:
    gone = {"404": "NotFound", "410": "Gone"}
    unchanged = {"304": {"description": "The copy that the client has is good."}}
    any_results = {"anyOf": [ref(f"{service.id}-results") for service in services]}
    results = _or_page("From output to value, link, or list of links", any_results, **_RAW)
    media = {output.media_type for service in services for output in service.output_list}
    whole = _file("The value or the file", *sorted(media | {"application/json", "text/plain"}))
    part = _file("The part of the file that was asked for (Range)", *sorted(media))
    stac = _json("A STAC document", {"type": "object"}, "application/geo+json")
    stac["content"]["application/json"] = stac["content"]["application/geo+json"]
    archive = _file("Everything", "application/zip")

    def file(id_: str, summary: str, *parameters: str) -> Json:
        conditions = ("Range", "If-None-Match", "If-Match", "If-Range")
        return _read(
            id_,
            "jobs",
            summary,
            whole,
            *(*parameters, *conditions),
            errors={**gone, "412": "OtherVersion", "416": "NoSuchRange"},
            more={"206": part, **unchanged},
        )

    return {
        f"{page}/results": _read(
            "results",
            "jobs",
            "The results, or why there are none",
            results,
            *("jobID", "f"),
            errors={**_FAILED, **gone},
            more={"204": _LINKS},
        ),
        f"{page}/results/{{outputID}}": file("result", "One output", "jobID", "outputID"),
        f"{page}/results/{{outputID}}/{{key}}": file(
            "keyedResult", "One of several files", "jobID", "outputID", "key"
        ),
        f"{page}/stac": _read("stac", "jobs", "Results as STAC", stac, "jobID", errors=gone),
        f"{page}/archive.zip": _read(
            "archive", "jobs", "All results", archive, "jobID", errors=gone
        ),
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
                responses={"200": _or_page("Files", "uploadList")},
                errors={"400": "BadRequest"},
            ),
            "post": _operation(
                "upload",
                "uploads",
                "Upload a file",
                parameters=("uploadName",),
                responses={"201": upload},
                errors=_REFUSALS,
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
