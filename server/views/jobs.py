"""The jobs: list, status, dismissal, log, request."""

import re
from collections.abc import Mapping

from flask import Blueprint, Response, request

from server import access
from server.answers import as_json, as_page, is_page_wanted
from server.documents import files_of, redacted, status_info
from server.errors import NoSuchJob
from server.jobs.models import Job, Status
from server.links import pages, representations, starts
from server.query import interval, joined, names, whole_number, words
from server.services import services, user

blueprint = Blueprint("jobs", __name__)

STATUSES: tuple[Status, ...] = ("accepted", "running", "successful", "failed", "dismissed")
FEW, MOST = 20, 1000
LOG_SHOWN = 100_000
"""Bytes of a log that are sent: its end."""

_ID = re.compile(r"[0-9a-f-]{36}")


def find(job_id: str, action: access.Action = "read") -> Job:
    """The job of this id, if the present user may do `action` to it.

    Raises
    ------
    NoSuchJob
        There is none, or it is someone else's: which of the two stays untold.
    """
    access.require(user(), "list")
    # Anything else, NUL included, is no business of the database.
    job = services().store.get(job_id) if _ID.fullmatch(job_id) else None
    if job is None or not access.may(user(), action, job):
        raise NoSuchJob(f"There is no job {job_id[:100]!r}.", value=job_id[:100])
    return job


@blueprint.get("/jobs")
def job_list() -> Response:
    """The jobs of the user, newest first."""
    access.require(user(), "list")
    query = joined(request.args)
    limit = whole_number(query, "limit", low=1, high=MOST, default=FEW)
    offset = whole_number(query, "offset", low=0, high=10**9, default=0)
    start, end = interval(query, "datetime")
    words(query, "type", ("process",))
    jobs, total = services().store.list(
        owner=user().sees,
        process_id=names(query, "processID"),
        statuses=words(query, "status", STATUSES),
        created_from=start,
        created_to=end,
        min_duration=_seconds(query, "minDuration"),
        max_duration=_seconds(query, "maxDuration"),
        limit=limit,
        offset=offset,
    )
    if is_page_wanted():
        around = starts(limit=limit, offset=offset, total=total)
        return as_page(
            "jobs.html", jobs=jobs, total=total, offset=offset, limit=limit, starts=around
        )
    document = {
        "jobs": [status_info(job) for job in jobs],
        "links": [
            *representations("/jobs", "Jobs", query),
            *pages("/jobs", "More jobs", query, limit=limit, offset=offset, total=total),
        ],
        "numberMatched": total,
        "numberReturned": len(jobs),
    }
    return as_json(document)


@blueprint.get("/jobs/<job_id>")
def status(job_id: str) -> Response:
    """Status of a job."""
    job = find(job_id)
    if is_page_wanted():
        pictures = [file for output in job.outputs for file in files_of(job, output)]
        return as_page(
            "job.html",
            job=job,
            request_document=redacted(job.document),
            pictures=[file for file in pictures if file.type == "image/png"],
        )
    return as_json(status_info(job))


@blueprint.delete("/jobs/<job_id>")
def dismiss(job_id: str) -> Response:
    """Stop a job, or remove the results of one that has ended; again it answers the same."""
    job = find(job_id, "dismiss")
    return as_json(status_info(services().store.dismiss(job.id, f"user {user().name}")))


@blueprint.get("/jobs/<job_id>/log")
def log(job_id: str) -> Response:
    """The end of a job's log."""
    job = find(job_id)
    text = b""
    if job.log is not None and job.log.is_file():
        with job.log.open("rb") as file:
            file.seek(max(0, job.log.stat().st_size - LOG_SHOWN))
            text = file.read(LOG_SHOWN)
    response = Response(text, content_type="text/plain; charset=utf-8")
    response.headers["Cache-Control"] = "no-store"
    return response


@blueprint.get("/jobs/<job_id>/request.json")
def request_document(job_id: str) -> Response:
    """The request as it was understood: sent again, it makes the same job."""
    job = find(job_id)
    name = f"{job.process_id}_{job.id[:8]}_request.json"
    return as_json(
        redacted(job.document), headers={"Content-Disposition": f'inline; filename="{name}"'}
    )


def _seconds(query: Mapping[str, str], name: str) -> int | None:
    found = whole_number(query, name, low=0, high=10**9, default=-1)
    return None if found < 0 else found
