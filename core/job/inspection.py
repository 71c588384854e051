"""Looking at a job's inputs before its work: headers only, in a child process with limits.

Files of strangers are parsed here first.  A file that makes the reader crash, hang or swell ends
this process and not the one that answers users.
"""

import contextlib
import json
import logging
import os
import signal
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from core.compute import MIB
from core.declare import SourcePolicy
from core.errors import (
    BadRaster,
    Internal,
    LimitReached,
    OptiGroundError,
    Problem,
    Refused,
    error_classes,
)
from core.job.bounds import Bounds, bytes_below, die_with
from core.job.context import context_of, parameters_of
from core.job.ending import ending_of, told_in_full
from core.job.environment import child_environment
from core.job.request import JobRequest, compute_of, function, load, pipeline_of, prepare
from core.progress import Progress
from core.workspace import Workspace, write_whole

INSPECTION = "inspection.json"
TIMEOUT_S = 30.0
MEMORY = 1024 * MIB
POLL_S = 0.2
"""Between two looks at how much an inspection has written."""
CRASHES = {-signal.SIGSEGV, -signal.SIGABRT, -signal.SIGBUS, -signal.SIGFPE, -signal.SIGILL}

log = logging.getLogger(__name__)


class Inspector:
    """The child process that inspects the inputs of the job in a directory.

    Parameters
    ----------
    directory
        A prepared job.
    timeout_s, memory
        Seconds, and bytes of data, that it may use.
    disk
        Bytes that it may download, and that the directory may hold; None: what the job may.
    environment
        Of the child; None: that of the present process, which is one already.
    """

    def __init__(
        self,
        directory: Path,
        *,
        timeout_s: float = TIMEOUT_S,
        memory: int = MEMORY,
        disk: int | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.directory = directory
        self.timeout_s = timeout_s
        self.disk = disk
        self.errors = directory / "inspection.log"
        limits = ["--seconds", str(timeout_s), "--memory", str(memory)]
        limits += [] if disk is None else ["--disk", str(disk)]
        limits += ["--parent", str(os.getpid())]
        with self.errors.open("wb") as stream:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "core", "inspect", "--job", str(directory), *limits],
                env=None if environment is None else dict(environment),
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=stream,
            )

    def report(self) -> dict[str, Any]:
        """What the inspection found, when it is done.

        Raises
        ------
        Refused
            With what is wrong with the inputs.
        LimitReached, BadRaster, Internal
            The child did not come to an end of its own.
        """
        try:
            self._wait()
        finally:
            self.stop()
        found = self.directory / INSPECTION
        if not found.exists():
            raise self._death()
        answer: dict[str, Any] = json.loads(found.read_bytes())
        if answer["refused"]:
            raise Refused(Problem(**problem) for problem in answer["problems"])
        if answer["problems"]:
            problem = answer["problems"][0]
            log.error("the inspection failed: %s\n%s", problem["message"], self._told())
            raise _error(problem, answer["error_id"])
        report: dict[str, Any] = answer["report"]
        return report

    def stop(self) -> None:
        """End the child if it still runs."""
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    def _wait(self) -> None:
        end = time.monotonic() + self.timeout_s
        while (left := end - time.monotonic()) > 0:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(left if self.disk is None else min(left, POLL_S))
                return
            if self.disk is not None and bytes_below(self.directory) > self.disk:
                raise self._too_much(self.disk)
        raise self._late()

    def _late(self) -> LimitReached:
        return LimitReached(f"Looking at the inputs took longer than {self.timeout_s:.0f} s.")

    @staticmethod
    def _too_much(disk: int) -> LimitReached:
        return LimitReached(
            f"Looking at the inputs takes more than {disk} bytes of disk, downloads included; "
            "a job may take more.",
            allowed=f"at most {disk} bytes",
        )

    def _death(self) -> OptiGroundError:
        code = self.process.returncode
        if code in CRASHES:
            log.error("the inspection crashed (%s)\n%s", code, self._told())
            return BadRaster("An input is damaged such that it cannot be read at all.")
        if code == -signal.SIGALRM:
            return self._late()
        if code in {-signal.SIGXCPU, -signal.SIGKILL}:
            return LimitReached("Looking at the inputs took more time or memory than it may.")
        error_id = uuid.uuid4().hex[:12]
        log.error("error %s: the inspection ended with %s\n%s", error_id, code, self._told())
        return Internal(
            f"Something went wrong on our side; the operator finds it under {error_id}.",
            value=error_id,
        )

    def _told(self) -> str:
        return self.errors.read_text(errors="replace")[-10_000:]


def inspect(
    process: str,
    document: dict[str, Any],
    policy: SourcePolicy,
    files: Mapping[str, str],
    *,
    timeout_s: float = TIMEOUT_S,
    memory: int = MEMORY,
    scratch: Path | None = None,
    pipeline: str = "",
    compute: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """What a job with these inputs would find in their headers; {} if the service looks at none.

    Parameters
    ----------
    process, document, policy, files, pipeline, compute
        As in :class:`core.job.JobRequest`.
    timeout_s, memory
        Limits of the child process that looks.
    scratch
        Folder for what has to be downloaded; it is emptied again.  How much that may be is the
        policy's `max_inspected`.

    Raises
    ------
    OptiGroundError
        As :meth:`Inspector.report`.
    """
    request = JobRequest(process, document, policy, files, pipeline=pipeline, compute=compute or {})
    if pipeline_of(request).inspect is None:
        return {}
    with tempfile.TemporaryDirectory(dir=scratch, prefix="inspect-") as folder:
        directory = Path(folder)
        prepare(directory, request)
        environment = child_environment(directory, memory=memory)
        inspector = Inspector(
            directory,
            timeout_s=timeout_s,
            memory=memory,
            disk=policy.max_inspected,
            environment=environment,
        )
        return inspector.report()


def inspect_here(directory: Path, bounds: Bounds, *, parent: int | None = None) -> int:
    """Inspect the inputs of the job in `directory` in the present process, under limits.

    It ends with the process `parent`, if one is named.  Writes ``inspection.json``: ``report``,
    ``problems``, ``refused``, ``error_id``.
    """
    bounds.impose()
    if parent is not None:
        die_with(parent)
    code = 0
    plain: dict[str, Any] = {"report": {}, "problems": [], "refused": False, "error_id": None}
    try:
        answer = json.dumps(plain | {"report": _look(directory, bounds.disk)}, allow_nan=False)
    except Exception as error:
        sys.stderr.write(told_in_full(error))
        ending = ending_of(error, directory)
        code = ending.exit_code
        found = {name: getattr(ending, name) for name in ("problems", "refused", "error_id")}
        answer = json.dumps(plain | found)
    write_whole(directory / INSPECTION, answer.encode())
    return code


def _look(directory: Path, downloads: int | None) -> dict[str, Any]:
    request = load(directory)
    pipeline = pipeline_of(request)
    if pipeline.inspect is None:
        return {}
    workspace = Workspace(directory)
    # The job's own resources: what it will take is told from them.
    compute = compute_of(request, workspace.scratch)
    with ThreadPoolExecutor(1) as pool:
        context = context_of(
            request, pipeline, workspace, compute, pool, Progress(), downloads=downloads
        )
        report: dict[str, Any] = function(pipeline.inspect)(parameters_of(request), context)
    return report


def _error(problem: Mapping[str, Any], error_id: str | None) -> OptiGroundError:
    """The error that a problem told of, in this process."""
    classes = {kind.code: kind for kind in error_classes()}
    kind = classes.get(problem["code"], Internal)
    return kind(
        problem["message"],
        pointer=problem["pointer"],
        value=error_id or problem["value"],
        allowed=problem["allowed"],
    )
