"""Errors as answers: the one table from code to HTTP status, and the document of RFC 9457."""

import json
import logging
import uuid
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import NamedTuple

from flask import Flask, Response, render_template, request
from sqlalchemy import exc
from sqlalchemy.exc import (
    DataError,
    DBAPIError,
    IntegrityError,
    ProgrammingError,
    SQLAlchemyError,
)
from werkzeug.exceptions import HTTPException

from core import errors as core_errors
from core.errors import OptiGroundError, error_classes, problems_of
from server import errors, incoming
from server.preferences import wanted_format, wants_problem_json
from server.services import services

log = logging.getLogger(__name__)

STATUS: Mapping[str, HTTPStatus] = {
    "bad-query": HTTPStatus.BAD_REQUEST,
    "bad-request": HTTPStatus.BAD_REQUEST,
    "body-too-large": HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    "cancelled": HTTPStatus.GONE,
    "cross-site": HTTPStatus.FORBIDDEN,
    "disk-full": HTTPStatus.INSUFFICIENT_STORAGE,
    "idempotency-key-reused": HTTPStatus.UNPROCESSABLE_ENTITY,
    "limit-reached": HTTPStatus.UNPROCESSABLE_ENTITY,
    "method-not-allowed": HTTPStatus.METHOD_NOT_ALLOWED,
    "misdirected": HTTPStatus.MISDIRECTED_REQUEST,
    "no-such-job": HTTPStatus.NOT_FOUND,
    "no-such-result": HTTPStatus.NOT_FOUND,
    "no-such-upload": HTTPStatus.NOT_FOUND,
    "not-authenticated": HTTPStatus.UNAUTHORIZED,
    "not-found": HTTPStatus.NOT_FOUND,
    "not-permitted": HTTPStatus.FORBIDDEN,
    "nothing-measured": HTTPStatus.UNPROCESSABLE_ENTITY,
    "precondition-failed": HTTPStatus.PRECONDITION_FAILED,
    "queue-full": HTTPStatus.TOO_MANY_REQUESTS,
    "range-not-satisfiable": HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE,
    "result-not-ready": HTTPStatus.NOT_FOUND,
    "results-gone": HTTPStatus.GONE,
    "server-busy": HTTPStatus.SERVICE_UNAVAILABLE,
    "server-full": HTTPStatus.INSUFFICIENT_STORAGE,
    "store-unavailable": HTTPStatus.SERVICE_UNAVAILABLE,
    "too-many-requests": HTTPStatus.TOO_MANY_REQUESTS,
    "unknown-process": HTTPStatus.NOT_FOUND,
    "unsupported-media-type": HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    "upload-in-use": HTTPStatus.CONFLICT,
}
"""Codes that stand here have their own status; any other input error is a 400, the rest 500."""

OGC_EXCEPTION = "http://www.opengis.net/def/exceptions/ogcapi-processes-1/1.0/"
OGC_TYPES: Mapping[str, str] = {
    "unknown-process": OGC_EXCEPTION + "no-such-process",
    "no-such-job": OGC_EXCEPTION + "no-such-job",
    "result-not-ready": OGC_EXCEPTION + "result-not-ready",
}
"""The problem types to which OGC API - Processes 1.0 gives a URI of its own."""

_HTTP_CODES: Mapping[int, type[OptiGroundError]] = {
    404: errors.NotFound,
    405: errors.MethodNotAllowed,
    413: errors.BodyTooLarge,
    415: errors.UnsupportedMediaType,
}


_OUR_FAULTS = (DataError, IntegrityError, ProgrammingError)
"""Failures of the database that mean a wrong statement, and would come again."""


class Answer(NamedTuple):
    """A problem document with the status and the headers that go with it."""

    document: dict[str, object]
    status: HTTPStatus
    headers: dict[str, str]


def status_of(code: str) -> HTTPStatus:
    """The HTTP status of an error code, also of one that a job left in its record."""
    if code in STATUS:
        return STATUS[code]
    kind = _class_of(code)
    refused = kind is not None and issubclass(kind, core_errors.InputError)
    return HTTPStatus.BAD_REQUEST if refused else HTTPStatus.INTERNAL_SERVER_ERROR


def document(
    code: str,
    detail: str,
    *,
    problems: Sequence[Mapping[str, object]] = (),
    error_id: str | None = None,
) -> dict[str, object]:
    """A problem document: the members of RFC 9457, our code, and each problem found."""
    kind = _class_of(code)
    summary = ((kind.__doc__ if kind else None) or code).strip().splitlines()[0].rstrip(".")
    made: dict[str, object] = {
        "type": OGC_TYPES.get(code, f"urn:optiground:error:{code}"),
        "title": summary,
        "status": int(status_of(code)),
        "detail": detail,
        "instance": request.path,
        "code": code,
    }
    if problems:
        made["problems"] = [dict(problem) for problem in problems]
    if error_id:
        made["error_id"] = error_id
    return made


def answer_to(error: OptiGroundError) -> Answer:
    """The answer to an error that we raised."""
    listed = [problem.as_dict() for problem in problems_of(error)]
    # An error of the request as a whole has nothing to point at.
    told = listed if isinstance(error, core_errors.Refused) or error.pointer else []
    headers = {}
    if isinstance(error, errors.ServerBusy | errors.QueueFull):
        headers["Retry-After"] = str(error.retry_after_s)
    if isinstance(error, errors.NotAuthenticated):
        headers["WWW-Authenticate"] = 'Bearer realm="OptiGround", Basic realm="OptiGround"'
    if isinstance(error, errors.RangeNotSatisfiable):
        headers["Content-Range"] = f"bytes */{error.value}"
    error_id = str(error.value) if isinstance(error, core_errors.Internal) else None
    made = document(error.code, error.message, problems=told, error_id=error_id)
    return Answer(made, status_of(error.code), headers)


def answer_to_http(error: HTTPException) -> Answer:
    """The answer to an error that Flask raised: no such path, a body too large, and the like."""
    status = HTTPStatus(error.code or 500)
    kind = _HTTP_CODES.get(status, errors.BadRequest)
    if status >= 500:
        kind = core_errors.Internal
    headers = {}
    allowed: Sequence[str] | None = getattr(error, "valid_methods", None)
    if allowed:
        headers["Allow"] = ", ".join(sorted(allowed))
    made = document(kind.code, (kind.__doc__ or status.phrase).strip())
    return Answer(made | {"status": int(status)}, status, headers)


def answer_to_fault(error: Exception) -> Answer:
    """The answer to a fault of ours: its traceback goes to the log under an id, only that is sent.

    Any text of the exception may hold paths or data, so none of it is shown.
    """
    error_id = uuid.uuid4().hex[:12]
    log.error("error %s at %s", error_id, request.path, exc_info=error)
    detail = f"Something went wrong on the server. Its log has the details under {error_id}."
    code = core_errors.Internal.code
    return Answer(document(code, detail, error_id=error_id), status_of(code), {})


def answer_to_store(error: SQLAlchemyError) -> Answer:
    """The answer where the database failed: it may be back soon, unless the statement was wrong."""
    outage = isinstance(error, DBAPIError | exc.TimeoutError)
    if not outage or isinstance(error, _OUR_FAULTS):
        return answer_to_fault(error)
    # One line each: while the store is down there may be many.  The text may hold the address.
    log.warning("the store failed at %s: %s", request.path, type(error).__name__)
    return answer_to(errors.StoreUnavailable("The job store does not answer; try again shortly."))


def respond(answer: Answer) -> Response:
    """Send a problem as the client would read it: JSON by default, a page to browsers."""
    try:
        page = wanted_format(request) == "html"
    except errors.BadQuery:
        page = False
    if page:
        body = render_template("error.html", problem=answer.document)
        response = Response(body, status=answer.status, mimetype="text/html")
    else:
        problem_json = wants_problem_json(request)
        response = Response(
            json.dumps(answer.document, ensure_ascii=True),
            status=answer.status,
            mimetype="application/problem+json" if problem_json else "application/json",
        )
    _drain()
    response.headers.update(answer.headers)
    response.headers["Cache-Control"] = "no-store"
    return response


def _drain() -> None:
    """Let the client send to the end, so that it reads the answer; but never hold up others."""
    if not incoming.has_body(request.environ):
        return
    with services().waiting.place("rest") as place:
        if not (place and incoming.drain(request.environ)):
            incoming.stop_reading(request.environ)


def install(app: Flask) -> None:
    """Let every error of `app` be answered by the functions above."""

    def known(error: OptiGroundError) -> Response:
        logged = isinstance(error, core_errors.Internal) and isinstance(error.value, str)
        if status_of(error.code) >= 500 and error.code not in STATUS and not logged:
            return respond(answer_to_fault(error))
        return respond(answer_to(error))

    def http(error: HTTPException) -> Response:
        return respond(answer_to_http(error))

    def store(error: SQLAlchemyError) -> Response:
        return respond(answer_to_store(error))

    def fault(error: Exception) -> Response:
        return respond(answer_to_fault(error))

    app.register_error_handler(OptiGroundError, known)
    app.register_error_handler(HTTPException, http)
    app.register_error_handler(SQLAlchemyError, store)
    app.register_error_handler(Exception, fault)


def _class_of(code: str) -> type[OptiGroundError] | None:
    return next((kind for kind in error_classes() if kind.code == code), None)
