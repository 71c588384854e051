"""The answers that several operations give, and the headers of answers."""

from typing import Any

from processes.components import Json, ref


def headers(*names: str) -> Json:
    """The headers of an answer, by their names."""
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}


def _text(description: str, **more: Any) -> Json:
    return {"description": description, "schema": {"type": "string"}, **more}


HEADERS: Json = {
    "Location": _text("Address of what was made.", required=True),
    "Link": _text("Links after RFC 8288: the job of the answer (rel=monitor), results, a page."),
    "Preference-Applied": _text("Which wishes of Prefer were followed (RFC 7240)."),
    "Retry-After": {
        "description": "Seconds after which the same request may be taken.",
        "required": True,
        "schema": {"type": "integer", "minimum": 1},
    },
    "WWW-Authenticate": _text("How a key is given.", required=True),
    "X-Request-Id": _text("Id of the request in the operator's log.", required=True),
    "ETag": _text("The file's SHA-256, in quotation marks."),
    "Last-Modified": _text("When the job ended."),
    "Content-Range": _text("Which bytes of the file these are, and how many it has."),
    "Content-Disposition": _text("Name under which the file is saved."),
}

_PROBLEM_BODY: Json = {
    "application/json": {"schema": ref("exception")},
    "text/html": {"schema": {"type": "string"}},
    "application/problem+json": {"schema": ref("exception")},
}


def _problem(description: str, *more: str) -> Json:
    """An answer that says what is wrong; `more` headers than all of these have."""
    return {
        "description": description,
        "headers": headers("X-Request-Id", *more),
        "content": _PROBLEM_BODY,
    }


RESPONSES: Json = {
    "BadRequest": _problem("The request cannot be used; all that is wrong with it is listed."),
    "NotAuthenticated": _problem("An API key is needed, or it is none.", "WWW-Authenticate"),
    "NotAllowed": _problem("Another site asked, or the key does not reach it."),
    "NotFound": _problem("There is no such thing, or not yet."),
    "Gone": _problem("The results were removed."),
    "Conflict": _problem("A job still needs it."),
    "OtherVersion": _problem("The file is another version than the one asked for."),
    "NoSuchRange": _problem("The range begins behind the end of the file.", "Content-Range"),
    "Failed": _problem("The job failed: nothing could be measured, or it came to a limit."),
    "NotCarriedOut": _problem(
        "The job failed: nothing could be measured, or it came to a limit; or the "
        "Idempotency-Key came before with another body or for another process."
    ),
    "Misdirected": _problem("The Host of the request is no name of this server."),
    "TooLarge": _problem("The body is larger than allowed."),
    "WrongMediaType": _problem("The body has to be of another media type."),
    "QueueFull": _problem(
        "Too many jobs are waiting, of this user or of all; or callbacks of this user; or too many "
        "requests come from one address.",
        "Retry-After",
    ),
    "TooMany": _problem("Too many requests come from one address.", "Retry-After"),
    "Busy": _problem("Too many requests of this kind, or the store is down.", "Retry-After"),
    "NoSpace": _problem("The server is short of disk space."),
    "Fault": _problem("A fault of the server; error_id names it in the operator's log."),
}
