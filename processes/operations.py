"""What operations of the OpenAPI document are put together from."""

from collections.abc import Iterable, Mapping

from processes.components import Json, ref

TEXT: Json = {"type": "string"}
BINARY: Json = {"type": "string", "format": "binary"}

ALWAYS = {
    "400": "BadRequest",
    "401": "NotAuthenticated",
    "421": "Misdirected",
    "500": "Fault",
    "503": "Busy",
}
"""What any operation may answer."""

FAILED = {"400": "BadRequest", "410": "Gone", "422": "Failed", "507": "NoSpace"}
"""What asking for the results of a job may answer where it failed, by the reason."""

REFUSALS = {
    "400": "BadRequest",
    "403": "NotAllowed",
    "413": "TooLarge",
    "415": "WrongMediaType",
    "429": "TooMany",
    "507": "NoSpace",
}
"""What an operation with a body may answer."""

RAW: Json = {media: {"schema": TEXT} for media in ("text/plain", "multipart/related")}
"""Types of results in raw form, beside JSON."""


def operation(
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
    named = {**ALWAYS, **(errors or {})}
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


def read(
    id_: str,
    tag: str,
    summary: str,
    answer: Json,
    *parameters: str,
    errors: Mapping[str, str],
    more: Mapping[str, Json] | None = None,
) -> Json:
    """A path that can only be read; `more` from further statuses to answers."""
    found = operation(
        id_,
        tag,
        summary,
        parameters=parameters,
        responses={"200": answer, **(more or {})},
        errors=errors,
    )
    return {"get": found}


def as_json(description: str, schema: str | Json, media: str = "application/json") -> Json:
    """An answer of one media type."""
    content: Json = {media: {"schema": ref(schema) if isinstance(schema, str) else schema}}
    return {"description": description, "content": content}


def or_page(description: str, schema: str | Json, **more: Json) -> Json:
    """JSON, or a page for a browser; `more` from another name of the type to a schema."""
    answer = as_json(description, schema)
    answer["content"] |= {**more, "text/html": {"schema": TEXT}}
    return answer


def file(description: str, *media: str) -> Json:
    """A file of one of several media types."""
    return {"description": description, "content": {one: {"schema": BINARY} for one in media}}


def any_of(schemas: Iterable[Json]) -> Json:
    """A schema that one of several has to agree with, each named once."""
    found: list[Json] = []
    for schema in schemas:
        if schema not in found:
            found.append(schema)
    return found[0] if len(found) == 1 else {"anyOf": found}
