"""Results of a job in the forms that OGC API - Processes has for them: document, or raw."""

import base64
import json
import re
import secrets
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from flask import Response

from core.declare import Output, Pipeline, ValueProduct
from server import problems
from server.answers import as_json, without_body
from server.documents import (
    file_link,
    files_of,
    is_by_reference,
    results,
    selected,
    value_link,
)
from server.errors import ResultNotReady, ResultsGone
from server.jobs.models import Job
from server.links import absolute, in_header

_MEDIA_TYPE = re.compile(r"[\w!#$&^.+-]+/[\w!#$&^.+-]+(; ?[\w-]+=[\w.:/+-]+)*", re.ASCII)


class Part(NamedTuple):
    """One result in raw form: bytes, or only where they are."""

    output: str
    type: str
    content: bytes
    location: str


def check_there(job: Job) -> None:
    """Refuse where a job has no results to give.

    Raises
    ------
    ResultNotReady, ResultsGone
        It has not ended; it was dismissed or its results have expired.
    """
    if not job.final:
        raise ResultNotReady(f"The job is {job.status}: {job.message}")
    if job.removed is not None or job.status == "dismissed":
        raise ResultsGone(job.removed or "The job was dismissed.")


def answer_to_failure(job: Job) -> problems.Answer:
    """The answer to who wants the results of a job that failed: the reason, with its status."""
    code = str(job.problems[0]["code"]) if job.problems else "internal-error"
    made = problems.document(code, job.message, problems=job.problems, error_id=job.error_id)
    return problems.Answer(made, problems.status_of(code), {})


def answer_to_execution(job: Job, pipeline: Pipeline) -> Response:
    """The results as the answer to a synchronous execution: raw unless the request says document.

    Raises
    ------
    ResultsGone
        The job was dismissed while the client waited.
    """
    if job.status == "failed":
        response = problems.respond(answer_to_failure(job))
    else:
        check_there(job)
        raw = job.document.get("response", "raw") == "raw"
        response = as_raw(job, pipeline) if raw else as_document(job, pipeline)
    link_monitor(response, absolute(f"/jobs/{job.id}"))
    return response


def link_monitor(response: Response, address: str) -> None:
    """Name the job of an answer, last of its links, and twice: see docs/decisions/0010."""
    response.headers.add("Link", f'<{address}>; rel="monitor"')
    response.headers.add("Link", f"{address}; rel=monitor")


def as_document(job: Job, pipeline: Pipeline, wanted: tuple[str, ...] = ()) -> Response:
    """The results as one JSON object; `wanted` goes before the outputs that the request named."""
    return as_json(results(job, selected(job, pipeline, wanted)))


def as_raw(job: Job, pipeline: Pipeline, wanted: tuple[str, ...] = ()) -> Response:
    """The results as they are; `wanted` goes before the outputs that the request named.

    One value is the body itself; files are links in the header of an empty answer; values together
    with others are the parts of a multipart body, files among them parts that say where they are.
    """
    parts = [part for output in selected(job, pipeline, wanted) for part in _parts(job, output)]
    if all(part.location for part in parts):
        response = without_body()
        for part in parts:
            place = in_header(part.location)
            target = f'<{place}>; rel="related"; type="{part.type}"; title="{part.output}"'
            response.headers.add("Link", target)
    elif len(parts) == 1:
        response = Response(parts[0].content, content_type=parts[0].type)
    else:
        boundary = secrets.token_hex(16)
        response = Response(
            b"".join(_multipart(parts, boundary)),
            content_type=f'multipart/related; boundary="{boundary}"; type="{parts[0].type}"',
        )
    response.headers["Cache-Control"] = "no-store"
    return response


def value_part(output: Output, value: object) -> Part:
    """A value in raw form: a text as it is, bytes without their base64, anything else as JSON."""
    if isinstance(value, Mapping) and isinstance(value.get("href"), str):
        # It came with the request, and goes into a header.
        given = str(value.get("type") or "")
        type_ = given if _MEDIA_TYPE.fullmatch(given) else output.media_type
        return Part(output.id, type_, b"", str(value["href"]))
    if isinstance(value, str) and output.binary:
        return Part(output.id, output.media_type, base64.b64decode(value), "")
    if isinstance(value, str):
        return Part(output.id, "text/plain; charset=utf-8", value.encode(), "")
    body = json.dumps(value, ensure_ascii=False, allow_nan=False)
    return Part(output.id, "application/json", body.encode(), "")


def _parts(job: Job, output: Output) -> Iterator[Part]:
    if isinstance(output.product, ValueProduct):
        if is_by_reference(job, output):
            link = value_link(job, output)
            yield Part(output.id, link["type"], b"", link["href"])
        else:
            yield value_part(output, job.outputs[output.id])
        return
    for file in files_of(job, output.id):
        yield Part(output.id, file.type, b"", file_link(job, file)["href"])


def _multipart(parts: list[Part], boundary: str) -> Iterator[bytes]:
    for part in parts:
        yield f"--{boundary}\r\nContent-ID: <{part.output}>\r\n".encode()
        yield f"Content-Type: {part.type}\r\n".encode()
        if part.location:
            yield f"Content-Location: {in_header(part.location)}\r\n".encode()
        yield b"\r\n" + part.content + b"\r\n"
    yield f"--{boundary}--\r\n".encode()
