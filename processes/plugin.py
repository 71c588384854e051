"""What the plugins of all services share: a pygeoapi processor that runs a job.

The plugins work in an unmodified pygeoapi, with that server's own manager.  Such a server calls
``execute`` in a thread of a web worker, lends the processor neither its manager nor its output
folder, and serves no files.  So the job runs in a child process, in a folder of the settings, and
the answer is the results themselves, or links to them where the settings name an address.

Settings, all under ``processor`` in the resource's configuration::

    processor:
        name: processes.mpic_opt.MpicOptProcessor
        work_dir: /var/tmp/optiground      # default: the folder for temporary files
        sources: {roots: [/data/images]}   # a core.declare.SourcePolicy
        publish_dir: /srv/www/results      # answer with links: results are moved here,
        publish_url: https://example.org/results   # and some web server shows them here
        workers: 2                         # tiles worked on at once
        memory_mib: 1536                   # what a job may hold
        cache_dir: /var/cache/optiground   # of compiled kernels; default: the user's
        answer_mib: 1024                   # largest answer without publish_url
"""

import json
import logging
import shutil
import tempfile
import time
import uuid
from collections.abc import Iterable, Mapping
from copy import deepcopy
from pathlib import Path
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, Field
from pygeoapi.process.base import BaseProcessor, ProcessorExecuteError

from core.compute import MIB
from core.declare import Pipeline, SourcePolicy, validate
from core.errors import OptiGroundError, problems_of
from core.job import (
    JobRequest,
    child_environment,
    kernel_cache,
    prepare,
    run_in_child,
    user_cache,
)
from core.pipelines import PIPELINES
from processes.answers import Answer, archive, links, one, value, values
from processes.ogc import description

JOBS = "optiground-"
ABANDONED_S = 3600.0
"""Seconds without a heartbeat after which a job's folder is what a killed server left."""

log = logging.getLogger(__name__)


class Settings(BaseModel):
    """Settings of a plugin in a stock pygeoapi."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    work_dir: Path = Field(default_factory=lambda: Path(tempfile.gettempdir()))
    sources: SourcePolicy = SourcePolicy(schemes=("https", "file"))
    publish_dir: Path | None = None
    publish_url: str = ""
    workers: int = Field(default=2, ge=1)
    memory_mib: int = Field(default=1536, ge=512)
    cache_dir: Path = Field(default_factory=user_cache)
    answer_mib: int = Field(default=1024, ge=1)


class Service(BaseProcessor):
    """A service as a pygeoapi processor; a subclass names the service.

    Keeps nothing between calls: stock pygeoapi under threads may call one processor twice at once.

    Parameters
    ----------
    processor_def
        The ``processor`` part of the resource's configuration.
    """

    service: ClassVar[str]

    def __init__(self, processor_def: Mapping[str, Any]) -> None:
        self.pipeline = PIPELINES[self.service]
        super().__init__(dict(processor_def), metadata(self.pipeline))
        self.supports_outputs = True
        foreign = {"name", "allow_internal_requests"}
        given = {name: value for name, value in processor_def.items() if name not in foreign}
        self.settings = Settings.model_validate(given)

    def execute(self, data: Any, outputs: Any = None) -> Answer:
        """Run the service; the media type and the content of its answer.

        Parameters
        ----------
        data
            The inputs of the request.
        outputs
            Its outputs, if it names any.

        Raises
        ------
        ProcessorExecuteError
            The request was refused or the job failed; with all reasons.
        """
        document = {"inputs": data} | ({} if outputs is None else {"outputs": _named(outputs)})
        try:
            checked = validate(self.pipeline, json.dumps(document), self.settings.sources)
        except OptiGroundError as error:
            raise _refusal(problem.message for problem in problems_of(error)) from None
        _sweep(self.settings.work_dir)
        directory = self.settings.work_dir / f"{JOBS}{uuid.uuid4().hex}"
        try:
            result = self._result(directory, checked.document)
            return self._answer(directory, result["outputs"], checked.outputs)
        finally:
            shutil.rmtree(directory, ignore_errors=True)

    def _result(self, directory: Path, document: dict[str, Any]) -> dict[str, Any]:
        settings = self.settings
        memory = settings.memory_mib * MIB
        request = JobRequest(
            self.pipeline.id,
            document,
            settings.sources,
            compute={"workers": settings.workers, "memory": memory},
            job_id=directory.name,
        )
        prepare(directory, request)
        environment = child_environment(
            directory, cache=kernel_cache(settings.cache_dir), memory=memory
        )
        wall_s = self.pipeline.resources.wall_s
        result = run_in_child(directory, environment, wall_s=wall_s)
        if result["status"] != "successful":
            told = (directory / "operator.log").read_text(errors="replace")
            log.error("%s failed: %s\n%s", self.pipeline.id, result["message"], told[-10_000:])
            reasons = [problem["message"] for problem in result["problems"]]
            raise _refusal(reasons or [result["message"]])
        return result

    def _answer(
        self, directory: Path, outputs: Mapping[str, Any], chosen: tuple[str, ...] | None
    ) -> Answer:
        """The results in the form that the settings and the selection ask for."""
        made = {name: v for name, v in outputs.items() if chosen is None or name in chosen}
        alone = chosen is not None and len(chosen) == 1
        output = directory / "output"
        if not any(output.iterdir()):
            return value(made, self.pipeline) if alone else values(made)
        if self.settings.publish_url:
            return links(made, self._published(directory))
        largest = self.settings.answer_mib * MIB
        single = one(made, output, largest) if alone else None
        return single or archive(made, output, directory, largest)

    def _published(self, directory: Path) -> str:
        """Address of the folder to which the results were moved."""
        base = self.settings.publish_dir or self.settings.work_dir / "published"
        folder = base / directory.name.removeprefix(JOBS)
        base.mkdir(parents=True, exist_ok=True)
        made = base / f".{folder.name}"
        shutil.move(directory / "output", made)
        for path in (made, *made.rglob("*")):
            path.chmod(0o755 if path.is_dir() else 0o644)
        made.rename(folder)
        return f"{self.settings.publish_url.rstrip('/')}/{folder.name}"


def metadata(pipeline: Pipeline) -> dict[str, Any]:
    """The description of a service as far as it is true in a stock pygeoapi.

    Made anew at each call, since stock pygeoapi changes what it is given.  Its DELETE stops
    nothing, so dismissal is not offered, and what it transmits are values.
    """
    described = deepcopy(description(pipeline, lambda path: path))
    options = [mode for mode in pipeline.modes if mode != "dismiss"]
    return described | {
        "jobControlOptions": options,
        "outputTransmission": ["value"],
        "links": [],
        "example": example(pipeline),
    }


def example(pipeline: Pipeline) -> dict[str, Any]:
    """A request made of the examples of the inputs."""
    inputs = {entry.id: entry.example for entry in pipeline.input_list if entry.example is not None}
    return {"inputs": inputs}


def _named(outputs: Any) -> Any:
    """The outputs asked for as the standard writes them; pygeoapi also lets lists pass."""
    if isinstance(outputs, list) and all(isinstance(name, str) for name in outputs):
        return {name: {} for name in outputs}
    return outputs


def _refusal(reasons: Iterable[str]) -> ProcessorExecuteError:
    text = " ".join(reasons)
    return ProcessorExecuteError(text, user_msg=text)


def _sweep(work_dir: Path) -> None:
    """Remove the folders of jobs whose server was killed while they ran."""
    work_dir.mkdir(parents=True, exist_ok=True)
    for folder in work_dir.glob(f"{JOBS}*"):
        try:
            silent_s = time.time() - (folder / "heartbeat").stat().st_mtime
        except FileNotFoundError:
            continue
        if silent_s > ABANDONED_S:
            shutil.rmtree(folder, ignore_errors=True)
