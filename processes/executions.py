"""The OpenAPI operations of each process: describe, execute, inspect, and what subscribers get."""

from typing import Any

from core.declare import Pipeline
from processes.components import Json, ref
from processes.operations import (
    BINARY,
    FAILED,
    RAW,
    REFUSALS,
    TEXT,
    any_of,
    as_json,
    operation,
    or_page,
)
from processes.responses import headers
from processes.schemas import example_request, has_values

LINKED: Json = {
    "description": "The results are links in the header, or there are none.",
    "headers": headers("Link"),
}
"""The answer where nothing of the results is sent along."""

_INSPECTED = {"dsm-opt": "surfaceInspection"}
"""What the inspection of a service finds, where that is not displacements' images and pairs."""

_NEXT: dict[str, str] = {
    "job": "Status of the job.",
    "dismiss": "Stop the job, or remove its results.",
    "results": "The results, as soon as there are some.",
    "log": "Log of the job.",
    "request": "The request, to repeat it.",
    "archive": "All results in one file.",
}


def process_paths(services: list[Pipeline], *, callbacks: bool) -> Json:
    """The paths of all processes, and what subscribers are sent where there are callbacks."""
    paths: Json = {}
    for service in services:
        page = f"/processes/{service.id}"
        paths[page] = {"get": _describe(service)}
        paths[f"{page}/execution"] = {"post": _execute(service, callbacks=callbacks)}
        paths[f"{page}/inspect"] = {"post": _inspect(service)}
    return paths


def _describe(service: Pipeline) -> Json:
    return operation(
        f"describe-{service.id}",
        service.id,
        f"Inputs and outputs of {service.id}",
        parameters=("f",),
        responses={"200": or_page("The description", "process")},
        errors={"400": "BadRequest", "404": "NotFound"},
    )


def _execute(service: Pipeline, *, callbacks: bool) -> Json:
    created = {
        **as_json("A job was made", "statusInfo"),
        "headers": headers("Location", "Preference-Applied"),
        "links": _links(service),
    }
    answers: Json = {"201": created}
    if "sync-execute" in service.modes:
        answers["200"] = _results(service)
        answers["204"] = {
            **LINKED,
            "headers": {**LINKED["headers"], **headers("Preference-Applied")},
        }
    found = operation(
        f"execute-{service.id}",
        service.id,
        service.title,
        parameters=("Prefer", "Idempotency-Key"),
        responses=answers,
        errors={**FAILED, **REFUSALS, "422": "NotCarriedOut", "429": "QueueFull"},
        body=_request_body(service),
    )
    told = {"callbacks": _callbacks(service)} if callbacks else {}
    return {**found, "description": service.text, **told}


def _results(service: Pipeline) -> Json:
    """The answer with results: the document, or one value as it is."""
    answer = as_json("The results", results_schema([service]))
    answer["content"] |= raw_contents([service])
    answer["headers"] = headers("Link", "Preference-Applied")
    return answer


def raw_contents(services: list[Pipeline]) -> Json:
    """The types that results can have in raw form, beside JSON."""
    outputs = [output for service in services for output in service.output_list]
    return {**RAW, **{o.media_type: {"schema": BINARY} for o in outputs if o.binary}}


def results_schema(services: list[Pipeline]) -> Json:
    """The schema of results in JSON, document or raw."""
    documents = [ref(f"{service.id}-results") for service in services]
    return any_of([*documents, *value_schemas(services)])


def value_schemas(services: list[Pipeline]) -> list[Json]:
    """The schemas of single values that are sent as JSON."""
    return [ref(f"{service.id}-value") for service in services if has_values(service)]


def _links(service: Pipeline) -> Json:
    """What can be asked for next, made from the answer."""
    job = {"jobID": "$response.body#/jobID"}
    links: Json = {
        name: {"operationId": name, "description": text, "parameters": job}
        for name, text in _NEXT.items()
    }
    output = service.output_list[0].id
    links["result"] = {
        "operationId": "result",
        "description": f"The output {output}.",
        "parameters": {**job, "outputID": output},
    }
    if any(output.id == "stac" for output in service.output_list):
        links["stac"] = {
            "operationId": "stac",
            "description": "The results as STAC.",
            "parameters": job,
        }
    return links


def _inspect(service: Pipeline) -> Json:
    found = _INSPECTED.get(service.id, "inspection") if service.inspect else "nothing"
    return operation(
        f"inspect-{service.id}",
        service.id,
        f"Check a request for {service.id} and the headers of its files, without making a job",
        responses={"200": as_json("What was found", found)},
        errors=REFUSALS,
        body=_request_body(service),
    )


def _request_body(service: Pipeline) -> Json:
    media = {"schema": ref(f"{service.id}-request"), "example": example_request(service)}
    return {"required": True, "content": {"application/json": media}}


def _callbacks(service: Pipeline) -> Json:
    """What is sent to the addresses in the member ``subscriber`` of the request."""
    status, results = ref("statusInfo"), ref(f"{service.id}-results")
    told = {
        "success": ("successUri", "The results of a job that succeeded", results),
        "inProgress": ("inProgressUri", "The status of a job that has started", status),
        "failure": ("failedUri", "The status of a job that failed or was dismissed", status),
    }
    return {
        name: {f"{{$request.body#/subscriber/{member}}}": {"post": _message(text, schema)}}
        for name, (member, text, schema) in told.items()
    }


def _message(summary: str, schema: Json) -> Json:
    return {
        "summary": summary,
        "description": (
            "Sent once or, until it is answered with 2xx within 20 s, again and again for a day; "
            "webhook-id stays the same then. Redirects are not followed."
        ),
        "security": [],
        "parameters": [_sent(*header) for header in _SENT],
        "requestBody": {"required": True, "content": {"application/json": {"schema": schema}}},
        "responses": {
            "2XX": {"description": "It was taken."},
            "default": {"description": "It was not taken and is sent again, after a pause."},
        },
    }


_SENT: tuple[tuple[str, str, Json], ...] = (
    ("webhook-id", "Id of the event, the same each time it is sent.", TEXT),
    (
        "webhook-timestamp",
        "When it was sent: seconds since 1970, UTC.",
        {**TEXT, "pattern": "^[0-9]+$"},
    ),
    (
        "webhook-signature",
        (
            "v1, and the base64 of the HMAC-SHA256 of ID.TIMESTAMP.BODY under the secret that the "
            "operator of the server shares with the subscriber (after the Standard Webhooks "
            "specification; the secret's own bytes are the key)."
        ),
        {**TEXT, "pattern": "^v1,[A-Za-z0-9+/]{43}=$"},
    ),
    ("Link", 'The job of the event: <ADDRESS>; rel="monitor".', TEXT),
)


def _sent(name: str, description: str, schema: Any) -> Json:
    return {
        "name": name,
        "in": "header",
        "required": True,
        "description": description,
        "schema": schema,
    }
