"""From how an attempt ended to what the store says about its job."""

import logging
import uuid
from collections.abc import Callable
from pathlib import Path

from core.errors import Internal, OptiGroundError, WorkerLost, problems_of
from server.jobs.claims import Claims
from server.jobs.results import Result, check_outputs
from server.jobs.watch import Verdict, Watch

RETRIES = 1
"""How many lost attempts a job survives."""

log = logging.getLogger(__name__)


def conclude(
    watch: Watch, lost_before: int, claims: Claims, discard: Callable[[Path], None]
) -> None:
    """Write down the end of an attempt that is over, in one statement.

    Where the job was dismissed meanwhile nothing is changed but that its processes are dead.

    Parameters
    ----------
    discard
        Frees the disk of an attempt's folder, before the next attempt needs it.
    """
    job_id, number = watch.attempt.job_id, watch.attempt.number
    if not _write(watch, lost_before, claims, discard):
        claims.release(job_id, number)
    fields = {"job": job_id, "duration_s": watch.usage.wall_s}
    log.info("attempt %d is over", number, extra=fields)


def fail(claims: Claims, job_id: str, number: int, error: Exception) -> bool:
    """Write down that an attempt failed; False if the job was dismissed meanwhile."""
    known = error if isinstance(error, OptiGroundError) else internal(error)
    problems = [problem.as_dict() for problem in problems_of(known)]
    error_id = str(known.value) if isinstance(known, Internal) and known.value else None
    return claims.fail(job_id, number, problems, known.message, error_id)


def internal(error: Exception) -> Internal:
    """The error for users that stands for one of ours; the operator's log has both."""
    error_id = uuid.uuid4().hex[:12]
    log.error("error %s", error_id, exc_info=error)
    return Internal(
        f"Something went wrong on our side; the operator finds it under {error_id}.",
        value=error_id,
    )


def _write(watch: Watch, lost_before: int, claims: Claims, discard: Callable[[Path], None]) -> bool:
    verdict = watch.verdict or Verdict("ended")
    if verdict.kind == "dismissed":
        return False
    job_id, number = watch.attempt.job_id, watch.attempt.number
    if verdict.kind == "failed" and verdict.error is not None:
        return fail(claims, job_id, number, verdict.error)
    try:
        result = watch.result()
        if result is not None and result.status == "successful":
            check_outputs(watch.attempt.directory, result.outputs)
            directory = watch.attempt.directory
            return claims.publish(job_id, number, directory, result.outputs, result.message)
    except Internal as error:
        return fail(claims, job_id, number, internal(error))
    if verdict.kind == "requeued":
        discard(watch.attempt.directory)
        return claims.requeue(job_id, number, "waiting: the server was stopped", lost=False)
    reason = _loss(verdict, result)
    if result is not None and reason is None:
        return claims.fail(job_id, number, result.problems, result.message, result.error_id)
    if lost_before < RETRIES:
        discard(watch.attempt.directory)
        return claims.requeue(job_id, number, "waiting: the worker was lost", lost=True)
    again = WorkerLost(f"{reason} This happened {lost_before + 1} times.")
    return fail(claims, job_id, number, again)


def _loss(verdict: Verdict, result: Result | None) -> str | None:
    """Why an attempt counts as lost; None if the job has come to its own end."""
    if verdict.error is not None:
        return verdict.error.message
    if result is None:
        return "The process that ran the job ended without a result."
    if result.lost:
        return result.message
    if result.status == "dismissed":
        return "The process that ran the job was stopped from outside."
    return None
