"""A job in a process of its own, for callers without a dispatcher: command line and plugins."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from core.errors import LimitReached, WorkerLost
from core.job.ending import ending_of
from core.job.journal import OPERATOR_LOG, RESULT, STATUS

Watcher = Callable[[Mapping[str, Any]], None]
"""Takes the content of ``status.json``."""

GRACE_S = 10.0
"""How long a job that was asked to stop may take before it is killed."""
POLL_S = 0.05


def command(directory: Path) -> list[str]:
    """The command that runs the job in `directory`."""
    return [sys.executable, "-m", "core", "run", "--job", str(directory)]


def run_in_child(
    directory: Path,
    environment: Mapping[str, str],
    *,
    watch: Watcher = lambda status: None,  # noqa: ARG005
    wall_s: float | None = None,
) -> dict[str, Any]:
    """Run a prepared job and wait for its end; nothing of it is left running.

    Parameters
    ----------
    directory
        As :func:`core.job.prepare` made it.
    environment
        As :func:`core.job.child_environment` makes it.
    watch
        Told the status whenever it changes.
    wall_s
        Seconds after which the job is stopped.

    Returns
    -------
    dict
        What stands in ``result.json``.  A job that died without one has failed as lost.

    Notes
    -----
    An exception raised meanwhile, a KeyboardInterrupt for one, stops the job: it is asked to end,
    waited for, and the exception goes on.
    """
    process = _start(directory, environment)
    try:
        ended = _wait(process, directory, watch, wall_s)
    finally:
        _stop(process)
    if not ended:
        late = LimitReached(f"The job took longer than {wall_s:.0f} s.")
        return ending_of(late, directory).as_dict()
    return result_of(directory)


def result_of(directory: Path) -> dict[str, Any]:
    """The content of ``result.json``, or a failure as lost where there is none."""
    try:
        result: dict[str, Any] = json.loads((directory / RESULT).read_bytes())
    except FileNotFoundError:
        lost = WorkerLost("The process that ran the job ended without a result.")
        return ending_of(lost, directory).as_dict()
    return result


def _start(directory: Path, environment: Mapping[str, str]) -> subprocess.Popen[bytes]:
    with (directory / OPERATOR_LOG).open("ab") as log:
        return subprocess.Popen(
            [*command(directory), "--attached"],
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )


def _wait(
    process: subprocess.Popen[bytes], directory: Path, watch: Watcher, wall_s: float | None
) -> bool:
    """Whether the process ended by itself in time."""
    end = None if wall_s is None else time.monotonic() + wall_s
    seen = b""
    while True:
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(POLL_S)
        with contextlib.suppress(FileNotFoundError):
            now = (directory / STATUS).read_bytes()
            if now != seen:
                seen = now
                watch(json.loads(now))
        if process.returncode is not None:
            return True
        if end is not None and time.monotonic() > end:
            return False


def _stop(process: subprocess.Popen[bytes]) -> None:
    """Ask a job that still runs to end, wait, and kill whatever is left of its session."""
    try:
        if process.poll() is None:
            process.terminate()
            process.wait(GRACE_S)
    except subprocess.TimeoutExpired:
        pass
    finally:  # A second Ctrl-C does not wait any longer.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
