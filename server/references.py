"""References of a request to what this server already has: uploads and results of earlier jobs."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from core.errors import Problem, Refused, SourceRefused
from server.access import User, may
from server.errors import ResultsGone
from server.files import inside
from server.jobs.models import Job
from server.jobs.store import Store

_UPLOAD = re.compile(r"upload:([0-9a-zA-Z-]{1,64})")
_RESULT = re.compile(r"job:([0-9a-zA-Z-]{1,64})/([\w-]{1,64})(?:/([\w.-]{1,128}))?")


@dataclass
class Resolved:
    """Local files behind the references of one request.

    Parameters
    ----------
    files
        Local path by reference.
    uploads, jobs
        Ids of the uploads and the jobs these belong to: both are kept until the new job ends.
    """

    files: dict[str, str] = field(default_factory=dict)
    uploads: set[str] = field(default_factory=set)
    jobs: set[str] = field(default_factory=set)


def resolve(document: Mapping[str, Any], store: Store, user: User) -> Resolved:
    """Find the files behind all ``upload:`` and ``job:`` references in a validated document.

    Raises
    ------
    Refused
        Lists every reference that leads nowhere, or to what belongs to someone else.
    """
    resolved = Resolved()
    problems: list[Problem] = []
    for pointer, href in _references(document.get("inputs", {}), "/inputs"):
        try:
            if href.startswith("upload:"):
                _resolve_upload(href, store, user, resolved)
            elif href.startswith("job:"):
                _resolve_result(href, store, user, resolved)
        except SourceRefused as error:
            problems.append(Problem(error.code, pointer, href, error.allowed, error.message))
    if problems:
        raise Refused(problems)
    return resolved


def _references(value: object, pointer: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, Mapping):
        href = value.get("href")
        if isinstance(href, str):
            yield f"{pointer}/href", href
        for key, item in value.items():
            escaped = str(key).replace("~", "~0").replace("/", "~1")
            yield from _references(item, f"{pointer}/{escaped}")
    elif isinstance(value, list | tuple):
        for index, item in enumerate(value):
            yield from _references(item, f"{pointer}/{index}")


def _resolve_upload(href: str, store: Store, user: User, resolved: Resolved) -> None:
    match = _UPLOAD.fullmatch(href)
    upload = store.get_upload(match[1]) if match else None
    if upload is None or not may(user, "read", upload):
        raise SourceRefused(
            f"There is no uploaded file {href[:100]!r}.", allowed="upload:ID of a file of yours"
        )
    resolved.files[href] = str(upload.path)
    resolved.uploads.add(upload.id)


def _resolve_result(href: str, store: Store, user: User, resolved: Resolved) -> None:
    match = _RESULT.fullmatch(href)
    job = store.get(match[1]) if match else None
    if match is None or job is None or not may(user, "read", job):
        raise SourceRefused(
            f"There is no result {href[:100]!r}.", allowed="job:ID/OUTPUT of a job of yours"
        )
    entry = _one_file(job, match[2], match[3])
    if job.directory is None:
        raise SourceRefused(f"The results of job {job.id} were removed.")
    try:
        resolved.files[href] = str(inside(job.directory / "output", entry["path"]))
    except ResultsGone as error:
        raise SourceRefused(f"The results of job {job.id} were removed.") from error
    resolved.jobs.add(job.id)


def _one_file(job: Job, output: str, key: str | None) -> Mapping[str, Any]:
    found = job.outputs.get(output)
    entries = found if isinstance(found, list) else [found]
    files = [entry for entry in entries if isinstance(entry, dict) and "path" in entry]
    keys = ", ".join(str(entry["key"]) for entry in files)
    chosen = [entry for entry in files if key is None or entry["key"] == key]
    if len(chosen) != 1:
        raise SourceRefused(
            f"Output {output} of job {job.id} has {len(files)} files; one has to be named by its "
            "key, as job:ID/OUTPUT/KEY.",
            allowed=keys,
        )
    return chosen[0]
