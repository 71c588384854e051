"""What a pipeline is given: its parameters, and the context in which it runs."""

import json
from collections.abc import Iterator
from concurrent.futures import Executor
from typing import Any

from core.compute import Compute
from core.declare import Parameters, Pipeline, Source, validate
from core.job.request import JobRequest, pipeline_of
from core.progress import Progress
from core.workspace import Context, Workspace


def parameters_of(request: JobRequest) -> Any:
    """The parameters in a job's document, checked once more, with everything filled in."""
    raw = json.dumps(request.document)
    return validate(pipeline_of(request), raw, request.policy).parameters


def context_of(
    request: JobRequest,
    pipeline: Pipeline,
    workspace: Workspace,
    compute: Compute,
    pool: Executor,
    progress: Progress,
    *,
    downloads: int | None = None,
) -> Context:
    """The context of a job; files that have to be fetched go to the scratch folder.

    `downloads` limits their bytes, all together, where there is only an inspection.
    """
    from core.io.sources import Sources

    folder = workspace.scratch / "sources"
    sources = Sources(request.policy, request.files, folder, downloads)
    return Context(
        sources=sources,
        workspace=workspace,
        progress=progress,
        executor=pool,
        compute=compute,
        document=request.document,
        pipeline=pipeline,
        job_link=request.links.get("self"),
    )


def fetch_all(parameters: Parameters, context: Context, progress: Progress) -> None:
    """Bring every file that the parameters refer to onto this machine.

    Done before the inspection, so that the limits of that one need not allow for a slow network.
    """
    wanted = tuple(_sources(parameters))
    for number, (pointer, source) in enumerate(wanted):
        progress.report(number / len(wanted), f"fetching file {number + 1} of {len(wanted)}")
        context.sources.fetch(source, pointer)


def _sources(parameters: Parameters) -> Iterator[tuple[str, Source]]:
    """The references among the inputs, with their pointers."""
    for name in type(parameters).model_fields:
        value = getattr(parameters, name)
        if isinstance(value, Source):
            yield f"/inputs/{name}", value
        elif isinstance(value, tuple):
            for number, item in enumerate(value):
                if isinstance(item, Source):
                    yield f"/inputs/{name}/{number}", item
