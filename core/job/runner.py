"""Running a job in the present process, from ``job.json`` to ``result.json``."""

import json
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

from core.declare import Outputs, Pipeline
from core.errors import Cancelled
from core.job.context import context_of, fetch_all, parameters_of
from core.job.ending import Ending, ending_of, is_file
from core.job.executors import executor
from core.job.inspection import Inspector
from core.job.interruption import Interruption
from core.job.journal import Journal
from core.job.request import compute_of, function, load, pipeline_of
from core.progress import Progress
from core.workspace import Workspace

INSPECTION_S = 60.0
"""Wall-clock seconds for the inspection at the start of a job, whose files are here already."""
PRELUDE = 0.02
"""Part of the progress that fetching and inspecting take where there is an inspection."""

log = logging.getLogger(__name__)


def run(directory: Path, *, attached: bool = False) -> int:
    """Run the job that :func:`core.job.prepare` put into `directory`.

    Parameters
    ----------
    directory
        The job's directory.
    attached
        Stop when the process that started this one is gone.

    Returns
    -------
    int
        0 successful, 2 refused because of its input, 1 failed otherwise or dismissed.  The whole
        story stands in ``result.json``.
    """
    interruption = Interruption()
    try:
        with Journal(directory, interruption, attached=attached) as journal:
            ending = _ending(directory, interruption, journal)
            journal.close(ending)
    finally:
        interruption.restore()
    return ending.exit_code


def _ending(directory: Path, interruption: Interruption, journal: Journal) -> Ending:
    try:
        with interruption:
            outputs = _carry_out(directory, Progress(journal.listen))
    except BaseException as error:
        if interruption.wanted and not isinstance(error, Cancelled):
            log.info("the job was stopped", exc_info=error)
            return ending_of(Cancelled("The job was stopped."), directory)
        ending = ending_of(error, directory)
        log.error("the job ended as %s: %s", ending.status, ending.message, exc_info=error)
        return ending
    log.info("the job was successful")
    return Ending("successful", "Done.", outputs)


def _carry_out(directory: Path, progress: Progress) -> dict[str, Any]:
    request = load(directory)
    pipeline = pipeline_of(request)
    log.info("%s %s, attempt %d", pipeline.id, pipeline.version, request.attempt)
    parameters = parameters_of(request)
    workspace = Workspace(directory)
    workspace.begin()
    compute = compute_of(request, workspace.scratch)
    prelude, rest = (PRELUDE, progress.part(PRELUDE, 1)) if pipeline.inspect else (0.0, progress)
    with executor(compute) as pool:
        context = context_of(request, pipeline, workspace, compute, pool, rest)
        fetch_all(parameters, context, progress.part(0, prelude))
        work = _inspected(directory, pipeline, progress.part(prelude, prelude))
        outputs = work(parameters, context)
    return _delivered(outputs, pipeline, workspace)


def _inspected(directory: Path, pipeline: Pipeline, progress: Progress) -> Callable[..., Any]:
    """The function that does the work, imported while the inputs are being inspected."""
    if pipeline.inspect is None:
        return function(pipeline.run)
    progress.report(0, "looking at the inputs")
    inspector = Inspector(directory, timeout_s=INSPECTION_S)
    try:
        work = function(pipeline.run)
        inspector.report()
    finally:
        inspector.stop()
    log.info("the inputs were inspected")
    return work


def _delivered(outputs: Outputs, pipeline: Pipeline, workspace: Workspace) -> dict[str, Any]:
    """What was made, as JSON; what these parameters do not make is left out."""
    several = {output.id for output in pipeline.output_list if output.many}
    made = outputs.model_dump(mode="json", exclude_none=True)
    made = {name: value for name, value in made.items() if value or name not in several}
    for name, value in made.items():
        for file in value if name in several else [value]:
            if is_file(file) and not (workspace.output / file["path"]).is_file():
                raise FileNotFoundError(f"output {name}: {file['path']} was not published")
    json.dumps(made, allow_nan=False)
    return made
