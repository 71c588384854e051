"""Runs a program to its end and says what it took: time, and memory of all its processes."""

import os
import select
import signal
import subprocess
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from server.jobs.process import (
    Process,
    Table,
    identity,
    processes,
    proportional_set_size,
)

SAMPLE_S = 0.2
"""Between two looks at the memory."""
MARK = "OPTIGROUND_BENCHMARK"


class Cost(NamedTuple):
    """What a program took.

    Parameters
    ----------
    cpu_s
        Of the program and of all processes that it waited for.
    wall_s
        From its start to its end.
    peak_mb
        Largest sum of the proportional set sizes (PSS) of its living processes, megabytes.
    """

    cpu_s: float
    wall_s: float
    peak_mb: float


class Failed(Exception):
    """A program ended with an error; the message holds the last lines that it wrote."""


def run(
    command: Sequence[str | Path],
    log: Path,
    environment: Mapping[str, str],
    look: Callable[[], None] = lambda: None,
) -> Cost:
    """Run a command in a session of its own, both its outputs into a file.

    `look` is called again and again while it runs.
    """
    mark = f"{MARK}={uuid.uuid4().hex}"
    name, _, value = mark.partition("=")
    start = time.monotonic()
    with log.open("wb") as stream:
        program = subprocess.Popen(
            [str(part) for part in command],
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=subprocess.STDOUT,
            env={**os.environ, **environment, name: value},
            start_new_session=True,
        )
    try:
        peak = _peak(program.pid, mark.encode(), look)
        _, status, usage = os.wait4(program.pid, 0)
    except BaseException:
        program.kill()
        program.wait()
        raise
    finally:
        # Its session outlives a program that did not clean up.
        with suppress(ProcessLookupError):
            os.killpg(program.pid, signal.SIGKILL)
    program.returncode = os.waitstatus_to_exitcode(status)
    if program.returncode:
        last = log.read_text(errors="replace").splitlines()[-5:]
        message = f"{command[0]} ended with {program.returncode}: " + " / ".join(last)
        raise Failed(message)
    return Cost(usage.ru_utime + usage.ru_stime, time.monotonic() - start, peak / 1e6)


def _family(pid: int, members: Sequence[Process]) -> list[Process]:
    """A program's processes with all that descend from it: some are in another session."""
    found = {one.pid: one for one in members}
    others = {one.pid: one for one in processes() if one.alive}
    below = {pid}
    while more := {one.pid for one in others.values() if one.parent in below} - below:
        below |= more
    return list((found | {number: others[number] for number in below & others.keys()}).values())


def _peak(pid: int, mark: bytes, look: Callable[[], None]) -> float:
    """Bytes at the most, looked at until the process ends; it is left to be waited for."""
    leader, table, peak = identity(pid), Table(), 0
    ended = os.pidfd_open(pid)
    try:
        while not select.select([ended], [], [], SAMPLE_S)[0]:
            look()
            peak = max(peak, proportional_set_size(_family(pid, table.members(leader, mark))))
    finally:
        os.close(ended)
    return peak
