"""Running a process, and looking at its inputs before."""

import time
import uuid
from dataclasses import asdict
from typing import Literal

from flask import Blueprint, Response, request

from core import declare
from core import job as job_module
from core.declare import Pipeline, Validated
from server import access, answers, references
from server.documents import status_info
from server.errors import ServerBusy
from server.jobs.models import Job, NewJob
from server.links import absolute
from server.preferences import LONGEST_WAIT_S, Preferences, preferences
from server.results import answer_to_execution
from server.services import services, user

blueprint = Blueprint("execution", __name__)

INSPECTIONS = "inspections"
"""Folder below the server's data where files are downloaded to be looked at."""

LOOK_AGAIN_S = 0.05
"""Between two looks at a job that a request waits for."""


@blueprint.post("/processes/<process_id>/execution")
def execute(process_id: str) -> Response:
    """Check a request, put a job into the queue, and answer with it or with its results."""
    pipeline, validated = _validated(process_id)
    answers.require_space()
    preferred = preferences(request.headers.getlist("Prefer"))
    synchronous = _is_synchronous(pipeline, preferred)
    job = _create(pipeline, validated, "sync" if synchronous else "async")
    wait_s = preferred.wait_s if preferred.wait_s is not None else LONGEST_WAIT_S * synchronous
    if wait_s > 0:
        with services().waiting.place() as waiting:
            if waiting:
                job = _wait_for(job, wait_s)
    if synchronous and job.final:
        return answer_to_execution(job, pipeline)
    return _accepted(job, preferred)


@blueprint.post("/processes/<process_id>/inspect")
def inspect(process_id: str) -> Response:
    """Look at the headers of the files that a request names, without making a job."""
    pipeline, validated = _validated(process_id)
    resolved = references.resolve(validated.document, services().store, user())
    with services().waiting.place() as place:
        if not place:
            raise ServerBusy("Too many inputs are being looked at; please try again in a moment.")
        scratch = services().settings.data / INSPECTIONS
        scratch.mkdir(parents=True, exist_ok=True, mode=0o700)
        found = job_module.inspect(
            pipeline.id,
            validated.document,
            services().settings.policy,
            resolved.files,
            scratch=scratch,
        )
    return answers.as_json(found)


def _validated(process_id: str) -> tuple[Pipeline, Validated]:
    pipeline = services().pipeline(process_id)
    access.require(user(), "submit")
    body = answers.require_json()
    return pipeline, declare.validate(pipeline, body, services().settings.policy)


def _is_synchronous(pipeline: Pipeline, preferred: Preferences) -> bool:
    """Whether the answer is to be the results: where the process can, and the client will wait."""
    if "sync-execute" not in pipeline.modes:
        return False
    return preferred.wait_s is not None or not preferred.respond_async


def _create(pipeline: Pipeline, validated: Validated, mode: Literal["sync", "async"]) -> Job:
    store = services().store
    resolved = references.resolve(validated.document, store, user())
    return store.create(
        NewJob(
            id=str(uuid.uuid4()),
            process_id=pipeline.id,
            owner=user().name,
            document=validated.document,
            mode=mode,
            files=resolved.files,
            resources=asdict(pipeline.resources),
            uploads_used=tuple(sorted(resolved.uploads)),
            jobs_used=tuple(sorted(resolved.jobs)),
        )
    )


def _wait_for(job: Job, wait_s: float) -> Job:
    end = time.monotonic() + wait_s
    while not job.final and time.monotonic() < end:
        time.sleep(LOOK_AGAIN_S)
        job = services().store.get(job.id) or job
    return job


def _accepted(job: Job, preferred: Preferences) -> Response:
    headers = {"Location": absolute(f"/jobs/{job.id}")}
    if preferred.respond_async:
        headers["Preference-Applied"] = "respond-async"
    return answers.as_json(status_info(job), 201, headers=headers)
