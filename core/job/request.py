"""What a job has to do, as it stands in its directory."""

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any

from core.compute import MIB, Compute
from core.declare import Pipeline, SourcePolicy
from core.job.journal import reserve
from core.workspace import write_whole

REQUEST = "job.json"


@dataclass(frozen=True)
class JobRequest:
    """Everything that a job needs to know; it reads nothing but this and the files named in it.

    Parameters
    ----------
    process
        Id of the service.
    document
        The request after validation, defaults filled in.
    policy
        Which references may be opened.
    files
        Local paths of ``upload:…`` and ``job:…`` references.
    compute
        ``workers``, ``memory`` (bytes), ``executor`` and ``scheduler`` of
        :class:`core.compute.Compute`, as far as they differ from its defaults.
    job_id, attempt
        Name of the job, and which try this is.
    links
        Address of the job for records (``self``), if it has one.
    pipeline
        ``module:NAME`` of the service's declaration, if it is none of ours.
    """

    process: str
    document: dict[str, Any]
    policy: SourcePolicy = field(default_factory=SourcePolicy)
    files: Mapping[str, str] = field(default_factory=dict)
    compute: Mapping[str, Any] = field(default_factory=dict)
    job_id: str = "job"
    attempt: int = 1
    links: Mapping[str, str | None] = field(default_factory=dict)
    pipeline: str = ""


def prepare(directory: Path, request: JobRequest) -> None:
    """Make a job's directory and write ``job.json``, which only the owner may read.

    The disk space of ``result.json`` is taken too, so that a full disk can be reported.
    """
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    for folder in ("scratch", "output"):
        (directory / folder).mkdir(mode=0o700, exist_ok=True)
    reserve(directory)
    fields = asdict(request) | {"policy": request.policy.model_dump(mode="json")}
    write_whole(directory / REQUEST, json.dumps(fields).encode(), mode=0o600)


def load(directory: Path) -> JobRequest:
    """The request in a job's directory."""
    fields = json.loads((directory / REQUEST).read_bytes())
    policy = SourcePolicy.model_validate_json(json.dumps(fields.pop("policy")))
    return JobRequest(policy=policy, **fields)


def pipeline_of(request: JobRequest) -> Pipeline:
    """Declaration of the service that a job runs."""
    if request.pipeline:
        found = imported(request.pipeline)
        if not isinstance(found, Pipeline):
            raise TypeError(f"{request.pipeline} is no Pipeline")
        return found
    from core.pipelines import PIPELINES

    return PIPELINES[request.process]


def compute_of(request: JobRequest, scratch: Path) -> Compute:
    """Workers and memory that a job may use."""
    given = request.compute
    return Compute(
        workers=int(given.get("workers") or 2),
        memory=int(given.get("memory") or 1536 * MIB),
        scratch=scratch,
        executor=str(given.get("executor") or "threads"),
        scheduler=str(given.get("scheduler") or ""),
    )


def imported(path: str) -> Any:
    """The object that ``module:name`` names."""
    module, _, name = path.partition(":")
    return getattr(import_module(module), name)


def function(path: str) -> Callable[..., Any]:
    """The function that ``module:name`` names."""
    found = imported(path)
    if not callable(found):
        raise TypeError(f"{path} cannot be called")
    result: Callable[..., Any] = found
    return result
