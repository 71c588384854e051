"""What the store keeps, as values: jobs, their transitions, uploaded files."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

Status = Literal["accepted", "running", "successful", "failed", "dismissed"]

FINAL: frozenset[Status] = frozenset({"successful", "failed", "dismissed"})


@dataclass(frozen=True)
class Key:
    """The name that a client gave to a request, to send it again without making a second job.

    Parameters
    ----------
    name
        Unique among the owner's requests as long as it is kept.
    digest
        SHA-256 (hex) of what was asked for.
    kept_s
        Seconds that the name is kept.
    """

    name: str
    digest: str
    kept_s: float


@dataclass(frozen=True)
class NewJob:
    """A job that was validated and is to be put into the queue.

    Parameters
    ----------
    id
        Unguessable, unique.
    process_id, owner, mode
        The process; the user it belongs to; ``async`` or ``sync``.
    document
        The validated request document, defaults filled in.
    files
        Local path of each reference of the kinds ``upload:ID`` and ``job:ID/OUTPUT``.
    resources
        The limits that the process declares: ``wall_s``, ``memory_bytes``, ``disk_bytes``,
        ``processes``.
    uploads_used
        Ids of the uploaded files among `files`.
    jobs_used
        Ids of the jobs whose results are among `files`.
    key
        The client's name of the request, if it gave one.
    subscriber
        Who is to be told: an address by ``successUri``, ``inProgressUri``, ``failedUri``.
    """

    id: str
    process_id: str
    owner: str
    document: Mapping[str, Any]
    mode: str = "async"
    files: Mapping[str, str] = field(default_factory=dict)
    resources: Mapping[str, float] = field(default_factory=dict)
    uploads_used: tuple[str, ...] = ()
    jobs_used: tuple[str, ...] = ()
    key: Key | None = None
    subscriber: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Job:
    """The record of a job; times are in UTC.

    Parameters
    ----------
    progress
        Percent.
    started
        Start of the first attempt.
    expires
        When the results will be removed; None as long as the job has not ended.
    attempt
        Number of the present or last attempt; 0 before the first.
    workdir
        Folder of that attempt, with ``log.txt`` in it.
    directory
        Folder of the published attempt, with ``output`` in it; None if there is none (any more).
    outputs
        As in ``result.json``.
    problems
        Why it failed, each as :class:`core.errors.Problem` as a dict.
    error_id
        Where to look in the operator's log.
    removed
        Why the results are gone; None if they are not.
    """

    id: str
    process_id: str
    owner: str
    mode: str
    status: Status
    message: str
    progress: int
    created: datetime
    started: datetime | None
    finished: datetime | None
    updated: datetime
    expires: datetime | None
    document: dict[str, Any]
    files: dict[str, str]
    resources: dict[str, float]
    attempt: int
    workdir: Path | None
    directory: Path | None
    outputs: dict[str, Any]
    problems: tuple[dict[str, Any], ...]
    error_id: str | None
    removed: str | None

    @property
    def final(self) -> bool:
        """Whether the job has ended."""
        return self.status in FINAL

    @property
    def log(self) -> Path | None:
        """The log for the user; the file need not be there."""
        return self.workdir / "log.txt" if self.workdir else None


@dataclass(frozen=True)
class Transition:
    """One change of a job's status, as it was written down when it happened."""

    job: str
    attempt: int
    before: Status | None
    after: Status
    who: str
    at: datetime


@dataclass(frozen=True)
class Upload:
    """An uploaded file."""

    id: str
    owner: str
    name: str
    path: Path
    size: int
    sha256: str
    created: datetime
    expires: datetime
