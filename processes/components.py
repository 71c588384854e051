"""The parts of the OpenAPI document that do not depend on a service."""

from typing import Any

Json = dict[str, Any]


def ref(name: str) -> Json:
    """A reference to a schema of the document."""
    return {"$ref": f"#/components/schemas/{name}"}


def listed(name: str, noun: str) -> Json:
    """The schema of a list document: its members, and links."""
    return {
        "type": "object",
        "required": [noun, "links"],
        "properties": {
            noun: {"type": "array", "items": ref(name)},
            "links": {"type": "array", "items": ref("link")},
        },
    }


def text(description: str, **more: Any) -> Json:
    """The schema of a text."""
    return {"type": "string", "description": description, **more}


_WHEN = {"type": "string", "format": "date-time"}
_LINKS = {"type": "array", "items": ref("link")}

_PROBLEM: Json = {
    "type": "object",
    "description": "One thing that is wrong.",
    "required": ["code", "pointer", "message"],
    "properties": {
        "code": text("Stable code, listed in docs/errors.md."),
        "pointer": text("RFC 6901 pointer into the request document."),
        "value": {"description": "What was given.", "nullable": True},
        "allowed": text("What would be accepted."),
        "message": text("All of it in one sentence."),
    },
}

_EXCEPTION: Json = {
    "type": "object",
    "description": "Why a request was not carried out (RFC 9457).",
    "required": ["type"],
    "properties": {
        "type": text("URI of the kind of problem; the standard's own where it has one."),
        "title": text("The kind of problem in words."),
        "status": {"type": "integer", "description": "HTTP status."},
        "detail": text("What happened."),
        "instance": text("Path of the request."),
        "code": text("Stable code, listed in docs/errors.md."),
        "problems": {"type": "array", "items": ref("problem")},
        "error_id": text("Id of a fault of ours in the operator's log."),
    },
}

_SUBSCRIBER: Json = {
    "type": "object",
    "description": "Who is told how the job goes, by POST; only on servers that declare callback.",
    "additionalProperties": False,
    "required": ["successUri"],
    "properties": {
        "successUri": text("Gets the results.", format="uri"),
        "inProgressUri": text("Gets the status when the job starts.", format="uri"),
        "failedUri": text("Gets the status if the job fails or is dismissed.", format="uri"),
    },
}

_STATUS_INFO: Json = {
    "type": "object",
    "description": "Status of a job.",
    "required": ["jobID", "status", "type"],
    "properties": {
        "processID": text("The process."),
        "type": {"type": "string", "enum": ["process"]},
        "jobID": text("Id of the job."),
        "status": {
            "type": "string",
            "enum": ["accepted", "running", "successful", "failed", "dismissed"],
        },
        "message": text("What the job does now, or how it ended."),
        "progress": {"type": "integer", "minimum": 0, "maximum": 100, "description": "Percent."},
        "created": _WHEN,
        "started": _WHEN,
        "finished": _WHEN,
        "updated": _WHEN,
        "expires": _WHEN,
        "problems": {"type": "array", "items": ref("problem")},
        "error_id": text("Id of a fault of ours in the operator's log."),
        "links": _LINKS,
    },
}

_SUMMARY: Json = {
    "type": "object",
    "description": "A process.",
    "required": ["id", "version"],
    "properties": {
        "id": text("Name of the process in addresses."),
        "title": text("Heading."),
        "description": text("What it does."),
        "version": text("Semantic version."),
        "keywords": {"type": "array", "items": {"type": "string"}},
        "jobControlOptions": {
            "type": "array",
            "items": {"type": "string", "enum": ["sync-execute", "async-execute", "dismiss"]},
        },
        "outputTransmission": {
            "type": "array",
            "items": {"type": "string", "enum": ["value", "reference"]},
        },
        "links": _LINKS,
    },
}

_PROCESS: Json = {
    "allOf": [
        ref("processSummary"),
        {
            "type": "object",
            "properties": {
                "inputs": {"type": "object", "additionalProperties": {"type": "object"}},
                "outputs": {"type": "object", "additionalProperties": {"type": "object"}},
            },
        },
    ]
}

_UPLOAD: Json = {
    "type": "object",
    "description": "An uploaded file; a request refers to it by its href.",
    "required": ["id", "href", "name", "size", "sha256"],
    "properties": {
        "id": text("Id of the file."),
        "href": text("What a request gives as href: upload:ID."),
        "name": text("Name of the file."),
        "size": {"type": "integer", "description": "Bytes."},
        "sha256": text("Checksum, hexadecimal."),
        "created": _WHEN,
        "expires": _WHEN,
        "links": _LINKS,
    },
}

_HEALTH: Json = {
    "type": "object",
    "required": ["status"],
    "properties": {
        "status": {"type": "string", "enum": ["ok", "unavailable"]},
        "store": text("Whether the job store can be written."),
        "dispatcher": text("Whether the dispatcher runs jobs."),
        "dispatcher_silence_s": {
            "type": "number",
            "nullable": True,
            "description": "Seconds since the dispatcher was last heard of.",
        },
        "sweep": text("What is wrong with removing files that nobody needs; absent if nothing is."),
    },
}

SCHEMAS: Json = {
    "link": {
        "type": "object",
        "required": ["href"],
        "properties": {
            "href": text("Address."),
            "rel": text("Relation."),
            "type": text("Media type."),
            "hreflang": text("Language."),
            "title": text("Label."),
        },
    },
    "landingPage": {
        "type": "object",
        "required": ["links"],
        "properties": {
            "title": text("Name of the server."),
            "description": text("What it offers."),
            "links": _LINKS,
        },
    },
    "confClasses": {
        "type": "object",
        "required": ["conformsTo"],
        "properties": {"conformsTo": {"type": "array", "items": {"type": "string"}}},
    },
    "processSummary": _SUMMARY,
    "processList": listed("processSummary", "processes"),
    "process": _PROCESS,
    "statusInfo": _STATUS_INFO,
    "subscriber": _SUBSCRIBER,
    "jobList": listed("statusInfo", "jobs"),
    "upload": _UPLOAD,
    "uploadList": listed("upload", "uploads"),
    "health": _HEALTH,
    "problem": _PROBLEM,
    "exception": _EXCEPTION,
}

SECURITY_SCHEMES: Json = {
    "bearer": {
        "type": "http",
        "scheme": "bearer",
        "description": "An API key, on servers with access control.",
    },
    "apiKey": {
        "type": "apiKey",
        "in": "header",
        "name": "X-API-Key",
        "description": "The same key in a header of its own.",
    },
    "basic": {
        "type": "http",
        "scheme": "basic",
        "description": "The same key as the password, for browsers; any user name.",
    },
}

_PROBLEM_BODY: Json = {
    "application/json": {"schema": ref("exception")},
    "text/html": {"schema": {"type": "string"}},
    "application/problem+json": {"schema": ref("exception")},
}

RESPONSES: Json = {
    "BadRequest": {
        "description": "The request cannot be used; all that is wrong with it is listed.",
        "content": _PROBLEM_BODY,
    },
    "NotAllowed": {
        "description": (
            "An API key is needed (401); another site asked, or the key does not reach it (403)."
        ),
        "content": _PROBLEM_BODY,
    },
    "NotFound": {"description": "There is no such thing, or not yet.", "content": _PROBLEM_BODY},
    "Gone": {"description": "The results were removed.", "content": _PROBLEM_BODY},
    "Conflict": {"description": "A job still needs it.", "content": _PROBLEM_BODY},
    "OtherVersion": {
        "description": "The file is another version than the one asked for.",
        "content": _PROBLEM_BODY,
    },
    "NoSuchRange": {
        "description": "The range begins behind the end of the file.",
        "content": _PROBLEM_BODY,
    },
    "Failed": {
        "description": "The job failed: nothing could be measured, or it came to a limit.",
        "content": _PROBLEM_BODY,
    },
    "NotCarriedOut": {
        "description": (
            "The job failed: nothing could be measured, or it came to a limit; or the "
            "Idempotency-Key came before with another body or for another process."
        ),
        "content": _PROBLEM_BODY,
    },
    "Misdirected": {
        "description": "The Host of the request is no name of this server.",
        "content": _PROBLEM_BODY,
    },
    "TooLarge": {"description": "The body is larger than allowed.", "content": _PROBLEM_BODY},
    "WrongMediaType": {
        "description": "The body has to be of another media type.",
        "content": _PROBLEM_BODY,
    },
    "Busy": {
        "description": (
            "Too many jobs are waiting (429); too many requests, or the store is down (503)."
        ),
        "content": _PROBLEM_BODY,
    },
    "NoSpace": {"description": "The server is short of disk space.", "content": _PROBLEM_BODY},
    "Fault": {
        "description": "A fault of the server; error_id names it in the operator's log.",
        "content": _PROBLEM_BODY,
    },
}


def _path(name: str, description: str) -> Json:
    schema = {"type": "string"}
    return {
        "name": name,
        "in": "path",
        "required": True,
        "description": description,
        "schema": schema,
    }


def _query(name: str, description: str, schema: Json) -> Json:
    return {"name": name, "in": "query", "description": description, "schema": schema}


def _whole(low: int, high: int, default: int | None = None) -> Json:
    schema: Json = {"type": "integer", "minimum": low, "maximum": high}
    return schema if default is None else {**schema, "default": default}


def _header(name: str, description: str) -> Json:
    schema = {"type": "string"}
    return {"name": name, "in": "header", "description": description, "schema": schema}


PARAMETERS: Json = {
    "jobID": _path("jobID", "Id of a job."),
    "outputID": _path("outputID", "Id of an output."),
    "key": _path("key", "Which of several files: 20160529_20160608, pair001, …"),
    "uploadID": _path("uploadID", "Id of an uploaded file."),
    "uploadName": _query(
        "name",
        "Name of a file that is sent as it is; readers look at its ending. A form has it itself.",
        {"type": "string"},
    ),
    "f": _query(
        "f",
        "Form of the answer; without it the Accept header decides, and JSON is the default.",
        {"type": "string", "enum": ["json", "html"]},
    ),
    "processLimit": _query("limit", "Processes in the answer.", _whole(1, 1000, 1000)),
    "jobLimit": _query("limit", "Jobs in the answer.", _whole(1, 1000, 20)),
    "offset": _query("offset", "Jobs to leave out first.", _whole(0, 10**9, 0)),
    "type": _query("type", "Kind of job.", {"type": "string", "enum": ["process"]}),
    "status": _query("status", "States, separated by commas.", {"type": "string"}),
    "processID": _query("processID", "Processes, separated by commas.", {"type": "string"}),
    "datetime": _query(
        "datetime",
        "When the job was made: an RFC 3339 time, or START/END with .. for an open end.",
        {"type": "string"},
    ),
    "minDuration": _query("minDuration", "Shortest run in seconds.", _whole(0, 10**9)),
    "maxDuration": _query("maxDuration", "Longest run in seconds.", _whole(0, 10**9)),
    "Prefer": _header(
        "Prefer",
        "RFC 7240: respond-async for a job at once; wait=N to wait up to N seconds (20 at most) "
        "for the results. Preference-Applied in the answer tells what was done.",
    ),
    "Idempotency-Key": {
        **_header(
            "Idempotency-Key",
            "A name of your choice for this request. Sent again with the same body while the name "
            "is kept (a day, unless the operator says otherwise), it gives the same job.",
        ),
        "schema": {"type": "string", "pattern": "^[!-~]{1,255}$"},
    },
    "Range": _header("Range", "One range of bytes."),
    "If-None-Match": _header("If-None-Match", "ETags that the client has: 304 if one still holds."),
    "If-Match": _header("If-Match", "ETags that the client wants: 412 if none holds."),
    "If-Range": _header("If-Range", "ETag of which Range asks a part: the whole if it is another."),
}
