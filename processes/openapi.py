"""The server as an OpenAPI 3.0 document: typed requests and results, no remote references."""

from collections.abc import Mapping

from core import __version__
from core.declare import Pipeline
from processes.components import PARAMETERS, SCHEMAS, SECURITY_SCHEMES, Json, ref
from processes.contents import CONTENTS
from processes.executions import (
    LINKED,
    process_paths,
    raw_contents,
    results_schema,
    value_schemas,
)
from processes.operations import (
    BINARY,
    FAILED,
    REFUSALS,
    TEXT,
    any_of,
    as_json,
    file,
    operation,
    or_page,
    read,
)
from processes.responses import HEADERS, RESPONSES, headers
from processes.schemas import service_schemas

OPENAPI_TYPE = "application/vnd.oai.openapi+json;version=3.0"
"""Media type of the document."""

_DESCRIPTION = (
    "Ground displacement, surface models and landslides from optical images. OGC API - Processes "
    "1.0: send a request to a process, watch its job, fetch its results. Methods that a path does "
    "not list are answered with 405; HEAD goes wherever GET does, and OPTIONS everywhere."
)


def document(
    pipelines: Mapping[str, Pipeline], server_url: str = "/", *, callbacks: bool = True
) -> Json:
    """The OpenAPI document of a server with these services.

    Parameters
    ----------
    server_url
        Where the paths begin.
    callbacks
        Whether subscribers of jobs are told.
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
            **process_paths(services, callbacks=callbacks),
            **_job_paths(services),
            **_upload_paths(),
        },
        "components": {
            "schemas": _schemas(services, callbacks=callbacks),
            "responses": RESPONSES,
            "headers": HEADERS,
            "parameters": _parameters(services),
            "securitySchemes": SECURITY_SCHEMES,
        },
    }


def _schemas(services: list[Pipeline], *, callbacks: bool) -> Json:
    """All schemas with a name; none is left out that another one leads to."""
    found = {**SCHEMAS, **CONTENTS, **service_schemas(services, callbacks=callbacks)}
    if not callbacks:
        del found["subscriber"]
    return found


def _parameters(services: list[Pipeline]) -> Json:
    """All parameters, and which outputs there are to name."""
    named = sorted({output.id for service in services for output in service.output_list})
    output: Json = {"type": "string", "enum": named}
    parameters = {**PARAMETERS, "outputID": {**PARAMETERS["outputID"], "schema": output}}
    several = {"type": "array", "items": output}
    return {**parameters, "outputs": {**PARAMETERS["outputs"], "schema": several}}


def _tags(services: list[Pipeline]) -> list[Json]:
    own = [{"name": service.id, "description": service.title} for service in services]
    return [
        {"name": "server", "description": "The server and what it offers"},
        *own,
        {"name": "jobs", "description": "Jobs and their results"},
        {"name": "uploads", "description": "Files to work on"},
    ]


_UPLOAD_LINKS: Json = {
    name: {
        "operationId": name,
        "description": text,
        "parameters": {"uploadID": "$response.body#/id"},
    }
    for name, text in (
        ("uploadedFile", "What is known of the file."),
        ("removeUpload", "Remove the file."),
    )
}
"""What can be asked for next, made from the answer to an upload."""


def _server_paths() -> Json:
    def get(id_: str, summary: str, schema: str | Json, *more: str) -> Json:
        answer = or_page(summary, schema)
        return read(id_, "server", summary, answer, "f", *more, errors={"400": "BadRequest"})

    open_api = get("openapi", "This document", "openApi")
    content = open_api["get"]["responses"]["200"]["content"]
    content[OPENAPI_TYPE] = content["application/json"]
    works = {"200": as_json("They are", "health"), "503": as_json("They are not", "health")}
    health = operation("health", "server", "Whether jobs are taken and run", responses=works)
    return {
        "/": get("landing", "What this server is", "landingPage"),
        "/conformance": get("conformance", "The conformance classes", "confClasses"),
        "/openapi": open_api,
        "/processes": get("processes", "The processes", "processList", "processLimit", "offset"),
        "/health": {"get": health},
        "/metrics": read(
            "metrics",
            "server",
            "Measurements for operators, in the text format of Prometheus",
            as_json("Jobs, queue, disk and requests", TEXT, "text/plain"),
            errors={"403": "NotAllowed"},
        ),
    }


def _job_paths(services: list[Pipeline]) -> Json:
    bad, missing = {"400": "BadRequest"}, {"404": "NotFound"}
    page = "/jobs/{jobID}"
    query = ("jobLimit", "offset", "type", "processID", "status", "datetime")
    jobs, job = or_page("Jobs", "jobList"), or_page("The job", "statusInfo")
    log = file("Text", "text/plain")
    request = as_json("The request", any_of(ref(f"{one.id}-request") for one in services))
    return {
        "/jobs": read(
            "jobs",
            "jobs",
            "The jobs, newest first",
            jobs,
            *("f", *query, "minDuration", "maxDuration"),
            errors=bad,
        ),
        page: {
            **read("job", "jobs", "Status of a job", job, "jobID", "f", errors=bad | missing),
            "delete": operation(
                "dismiss",
                "jobs",
                "Stop a job, or remove the results of one that has ended",
                parameters=("jobID",),
                responses={"200": as_json("The job", "statusInfo")},
                errors={**missing, "403": "NotAllowed"},
            ),
        },
        f"{page}/log": read("log", "jobs", "Log of a job", log, "jobID", errors=missing),
        f"{page}/request.json": read(
            "request", "jobs", "The request, to repeat it", request, "jobID", errors=missing
        ),
        **_result_paths(page, services),
    }


def _result_paths(page: str, services: list[Pipeline]) -> Json:
    gone = {"404": "NotFound", "410": "Gone"}
    results = or_page(
        "From output to value, link, or list of links; or one value as it is",
        results_schema(services),
        **raw_contents(services),
    )
    results["headers"] = headers("Link")
    named = headers("Content-Disposition")
    stac = as_json("A STAC item", "stacItem", "application/geo+json")
    stac["content"] |= as_json("", "stacCollection")["content"]
    archive = {**file("Everything", "application/zip"), "headers": named}

    return {
        f"{page}/results": read(
            "results",
            "jobs",
            "The results, or why there are none",
            results,
            *("jobID", "f", "outputs"),
            errors={**FAILED, **gone},
            more={"204": LINKED},
        ),
        f"{page}/results/{{outputID}}": _kept(
            "result", "One output", services, "jobID", "outputID"
        ),
        f"{page}/results/{{outputID}}/{{key}}": _kept(
            "keyedResult", "One of several files", services, "jobID", "outputID", "key"
        ),
        f"{page}/stac": read("stac", "jobs", "Results as STAC", stac, "jobID", errors=gone),
        f"{page}/archive.zip": read(
            "archive", "jobs", "All results", archive, "jobID", errors=gone
        ),
    }


def _kept(id_: str, summary: str, services: list[Pipeline], *parameters: str) -> Json:
    """A path under which a file of the results, or a value, is kept."""
    told = headers("ETag", "Last-Modified", "Content-Disposition")
    media = {output.media_type for service in services for output in service.output_list}
    part = file("The part of the file that was asked for (Range)", *sorted(media))
    part["headers"] = told | headers("Content-Range")
    return read(
        id_,
        "jobs",
        summary,
        {**_value_or_file(services, media), "headers": told},
        *parameters,
        *("Range", "If-None-Match", "If-Match", "If-Range"),
        errors={"404": "NotFound", "410": "Gone", "412": "OtherVersion", "416": "NoSuchRange"},
        more={
            "206": part,
            "304": {
                "description": "The copy that the client has is good.",
                "headers": headers("ETag", "Last-Modified"),
            },
        },
    )


def _value_or_file(services: list[Pipeline], media: set[str]) -> Json:
    links = {"type": "array", "items": ref("link")}
    requests = [ref(f"{service.id}-request") for service in services]
    documents = [ref("statistics"), ref("pairs"), *requests]
    answer = file("The value, the file, or links to several files", *sorted(media))
    json = any_of([*value_schemas(services), ref("link"), links, *documents])
    answer["content"] |= {
        "application/json": {"schema": json},
        "application/geo+json": {"schema": any_of([ref("stacItem"), ref("stacCollection")])},
        "text/plain": {"schema": TEXT},
    }
    return answer


def _upload_paths() -> Json:
    binary = {**BINARY, "minLength": 1}
    form = {"type": "object", "required": ["file"], "properties": {"file": binary}}
    body: Json = {
        "required": True,
        "content": {
            "application/octet-stream": {"schema": binary},
            "multipart/form-data": {"schema": form},
        },
    }
    upload, missing = as_json("The file", "upload"), {"404": "NotFound"}
    taken = {**upload, "headers": headers("Location"), "links": _UPLOAD_LINKS}
    return {
        "/uploads": {
            "get": operation(
                "uploads",
                "uploads",
                "The uploaded files",
                parameters=("f",),
                responses={"200": or_page("Files", "uploadList")},
                errors={"400": "BadRequest"},
            ),
            "post": operation(
                "upload",
                "uploads",
                "Upload a file",
                parameters=("uploadName",),
                responses={"201": taken},
                errors=REFUSALS,
                body=body,
            ),
        },
        "/uploads/{uploadID}": {
            "get": operation(
                "uploadedFile",
                "uploads",
                "An uploaded file",
                parameters=("uploadID",),
                responses={"200": upload},
                errors=missing,
            ),
            "delete": operation(
                "removeUpload",
                "uploads",
                "Remove an uploaded file",
                parameters=("uploadID",),
                responses={"204": {"description": "It is removed."}},
                errors={**missing, "403": "NotAllowed", "409": "Conflict"},
            ),
        },
    }
