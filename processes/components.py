"""The parts of the OpenAPI document that do not depend on a service."""

import re
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


def reference(media_type: str) -> Json:
    """The schema of a reference to a value of a media type, which may have parameters."""
    short: Json = {"type": "string", "maxLength": 255}
    media = {**short, "pattern": f"^{re.escape(media_type)} *(;.*)?$"}
    return {
        "type": "object",
        "description": "Where the value is.",
        "additionalProperties": False,
        "required": ["href"],
        "properties": {
            "href": text("Address.", minLength=1, maxLength=4096),
            "type": media,
            **dict.fromkeys(("title", "rel", "hreflang"), short),
            "format": {
                "type": "object",
                "additionalProperties": False,
                "properties": {"mediaType": media, "encoding": short},
            },
        },
    }


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

_ADDED: Json = {
    "type": "object",
    "description": "Unit, group and the like.",
    "required": ["parameters"],
    "properties": {
        "parameters": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["name", "value"],
                "properties": {
                    "name": text("What is told."),
                    "value": {"type": "array", "items": {"type": "string"}},
                },
            },
        }
    },
}

_OUTPUT: Json = {
    "type": "object",
    "required": ["schema"],
    "properties": {
        "title": text("Heading."),
        "description": text("What it is."),
        "schema": {
            "type": "object",
            "description": "JSON schema of the value, in the dialect of OpenAPI 3.0.",
        },
        "additionalParameters": _ADDED,
    },
}

_INPUT: Json = {
    **_OUTPUT,
    "properties": {
        **_OUTPUT["properties"],
        "minOccurs": {"type": "integer", "minimum": 0},
        "maxOccurs": {
            "oneOf": [
                {"type": "integer", "minimum": 1},
                {"type": "string", "enum": ["unbounded"]},
            ]
        },
    },
}

_PROCESS: Json = {
    "allOf": [
        ref("processSummary"),
        {
            "type": "object",
            "required": ["inputs", "outputs"],
            "properties": {
                "inputs": {"type": "object", "additionalProperties": _INPUT},
                "outputs": {"type": "object", "additionalProperties": _OUTPUT},
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


def _path(name: str, description: str, **more: Any) -> Json:
    return {
        "name": name,
        "in": "path",
        "required": True,
        "description": description,
        "schema": {"type": "string", **more},
    }


def _query(name: str, description: str, schema: Json) -> Json:
    return {"name": name, "in": "query", "description": description, "schema": schema}


def _any_of(name: str, description: str, item: Json) -> Json:
    told = f"{description}: given several times, or separated by commas."
    return _query(name, told, {"type": "array", "items": item})


def _whole(low: int, **more: int) -> Json:
    return {"type": "integer", "minimum": low, **more}


def _limit(noun: str, default: int) -> Json:
    told = f"{noun} in the answer; more than 1000 count as 1000."
    return _query("limit", told, _whole(1, maximum=1000, default=default))


def _header(name: str, description: str) -> Json:
    schema = {"type": "string"}
    return {"name": name, "in": "header", "description": description, "schema": schema}


PARAMETERS: Json = {
    "jobID": _path("jobID", "Id of a job.", format="uuid"),
    "outputID": _path("outputID", "Id of an output."),
    "key": _path("key", "Which of several files: 20160529_20160608, pair001, …"),
    "uploadID": _path("uploadID", "Id of an uploaded file.", format="uuid"),
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
    "processLimit": _limit("Processes", 1000),
    "jobLimit": _limit("Jobs", 20),
    "offset": _query("offset", "How many to leave out first.", _whole(0, default=0)),
    "type": _any_of("type", "Kinds of job", {"type": "string", "enum": ["process"]}),
    "status": _any_of("status", "States", _STATUS_INFO["properties"]["status"]),
    "processID": _any_of(
        "processID", "Processes", {"type": "string", "pattern": "^[A-Za-z0-9._-]{1,128}$"}
    ),
    "outputs": _any_of(
        "outputs", "Outputs that are wanted, in place of those in the request", {"type": "string"}
    ),
    "datetime": _query(
        "datetime",
        "When the job was made: an RFC 3339 time, or START/END with .. for an open end.",
        {"type": "string"},
    ),
    "minDuration": _query("minDuration", "Shortest run in seconds.", _whole(0)),
    "maxDuration": _query("maxDuration", "Longest run in seconds.", _whole(0)),
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
    "Range": {**_header("Range", "One range of bytes."), "example": "bytes=0-1023"},
    "If-None-Match": _header("If-None-Match", "ETags that the client has: 304 if one still holds."),
    "If-Match": _header("If-Match", "ETags that the client wants: 412 if none holds."),
    "If-Range": _header("If-Range", "ETag of which Range asks a part: the whole if it is another."),
}
