"""Running a process, and looking at its inputs before."""

import hashlib
import re
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
from server.errors import BadRequest, ServerBusy
from server.jobs.models import Job, Key, NewJob
from server.links import absolute
from server.preferences import LONGEST_WAIT_S, Preferences, preferences
from server.results import answer_to_execution
from server.services import services, user

blueprint = Blueprint("execution", __name__)

_KEY = re.compile(r"[\x21-\x7e]{1,255}")

LOOK_AGAIN_S, LONGEST_LOOK_S = 0.05, 0.5
"""Between two looks at a job that a request waits for, at first and at last."""


@blueprint.post("/processes/<process_id>/execution")
def execute(process_id: str) -> Response:
    """Check a request, put a job into the queue, and answer with it or with its results."""
    pipeline, body, validated = _validated(process_id)
    preferred = preferences(request.headers.getlist("Prefer"))
    synchronous = _is_synchronous(pipeline, preferred)
    key = _key(pipeline, body)
    # Before anything that could refuse what was taken once: files used then may be gone by now.
    job = services().store.made_under(user().name, key) if key else None
    job = job or _create(pipeline, validated, "sync" if synchronous else "async", key)
    wait_s = preferred.wait_s if preferred.wait_s is not None else LONGEST_WAIT_S * synchronous
    waited = False
    if wait_s > 0:
        with services().waiting.place("job") as waited:
            if waited:
                job = _wait_for(job, wait_s)
    with_results = synchronous and job.final
    response = answer_to_execution(job, pipeline) if with_results else _accepted(job)
    applied = []
    if preferred.respond_async and not with_results:
        applied.append("respond-async")
    if preferred.wait_s is not None and waited:
        applied.append(f"wait={preferred.wait_s:.0f}")
    if applied:
        response.headers["Preference-Applied"] = ", ".join(applied)
    return response


@blueprint.post("/processes/<process_id>/inspect")
def inspect(process_id: str) -> Response:
    """Look at the headers of the files that a request names, without making a job."""
    pipeline, _, validated = _validated(process_id)
    answers.require_space()
    resolved = references.resolve(validated.document, services().store, user())
    with services().waiting.place("job") as place:
        if not place:
            raise ServerBusy("Too many inputs are being looked at; please try again in a moment.")
        scratch = services().settings.inspections_folder
        scratch.mkdir(parents=True, exist_ok=True, mode=0o700)
        found = job_module.inspect(
            pipeline.id,
            validated.document,
            services().settings.policy,
            resolved.files,
            scratch=scratch,
            compute=services().settings.job_compute(),
        )
    return answers.as_json(found)


def _validated(process_id: str) -> tuple[Pipeline, bytes, Validated]:
    pipeline = services().pipeline(process_id)
    access.require(user(), "submit")
    body = answers.require_json()
    settings = services().settings
    callbacks = bool(settings.callback_secret)
    return pipeline, body, declare.validate(pipeline, body, settings.policy, callbacks=callbacks)


def _is_synchronous(pipeline: Pipeline, preferred: Preferences) -> bool:
    """Whether the answer is to be the results: where the process can, and the client will wait."""
    if "sync-execute" not in pipeline.modes:
        return False
    return preferred.wait_s is not None or not preferred.respond_async


def _key(pipeline: Pipeline, body: bytes) -> Key | None:
    """The client's name of this request; the same body for another process is another request."""
    name = request.headers.get("Idempotency-Key")
    if name is None:
        return None
    if not _KEY.fullmatch(name):
        raise BadRequest("An Idempotency-Key has 1 to 255 visible ASCII characters, no spaces.")
    asked = pipeline.id.encode() + b"\0" + body
    kept_s = services().settings.idempotency_hours * 3600
    return Key(name, hashlib.sha256(asked).hexdigest(), kept_s)


def _create(
    pipeline: Pipeline, validated: Validated, mode: Literal["sync", "async"], key: Key | None
) -> Job:
    answers.require_space()
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
            key=key,
            subscriber=validated.subscriber,
        )
    )


def _wait_for(job: Job, wait_s: float) -> Job:
    begun = time.monotonic()
    while not job.final and (waited := time.monotonic() - begun) < wait_s:
        # A twentieth late is soon enough; what many wait for is not to be all that the store does.
        pause = min(max(LOOK_AGAIN_S, waited / 20), LONGEST_LOOK_S)
        time.sleep(min(pause, wait_s - waited))
        job = services().store.get(job.id) or job
    return job


def _accepted(job: Job) -> Response:
    headers = {"Location": absolute(f"/jobs/{job.id}")}
    return answers.as_json(status_info(job), 201, headers=headers)
