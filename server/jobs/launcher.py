"""Starts the process of an attempt, finds all that came of it, and ends them.

This one starts processes on the local host.  Another kind of launcher (a batch system) has the same
four verbs.
"""

import contextlib
import logging
import os
import resource
import signal
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from core.job.journal import OPERATOR_LOG
from server.jobs.limits import Limits
from server.jobs.process import Identity, Process, Table, identity, lives, marked

log = logging.getLogger(__name__)

MARKER = "OPTIGROUND_ATTEMPT"
_NICE = 10
"""Where jobs and requests want the same processor, the requests get nine tenths of it."""
_OPEN_FILES = 4096
# The kernel takes a job rather than the server when memory runs out.
_OOM_SCORE = "500"

Command = Callable[[Path], Sequence[str]]
"""Gives the command that runs the job in a directory."""


@dataclass(frozen=True)
class Attempt:
    """One try at a job.

    Parameters
    ----------
    job_id, number
        Which job, and which try.
    directory
        Where it works.
    limits
        What it may use.
    """

    job_id: str
    number: int
    directory: Path
    limits: Limits


Environment = Callable[[Attempt], Mapping[str, str]]
"""Gives the whole environment of an attempt's leader: an allow-list, without secrets."""


class Launcher(Protocol):
    """What the dispatcher needs of whoever runs jobs."""

    def start(self, attempt: Attempt) -> Identity:
        """Start an attempt; the process that leads it."""

    def find(self, attempt: Attempt) -> Identity | None:
        """The leader of an attempt whose start was not written down, if it lives."""

    def members(self, attempt: Attempt, leader: Identity | None) -> list[Process]:
        """All living processes of an attempt."""

    def leads(self, leader: Identity) -> bool:
        """Whether the leader of an attempt lives."""

    def signal(self, attempt: Attempt, leader: Identity | None, *, kill: bool) -> None:
        """Ask the leader to end, or kill all processes of the attempt."""


class LocalLauncher:
    """Runs attempts as processes of this host, each in a session of its own.

    Parameters
    ----------
    instance
        Name of the store, so that attempts of another server are never taken for ours.
    command, environment
        What is started, and with which environment.
    """

    def __init__(self, instance: str, command: Command, environment: Environment) -> None:
        self._instance = instance
        self._command = command
        self._environment = environment
        self._table = Table()
        self._children: dict[int, subprocess.Popen[bytes]] = {}
        self._eager: set[int] = set()

    def start(self, attempt: Attempt) -> Identity:
        """Start an attempt: own session, low priority, limited, nothing inherited but a log."""
        environment = dict(self._environment(attempt))
        name, _, value = self.marker(attempt).decode().partition("=")
        with (attempt.directory / OPERATOR_LOG).open("ab") as log:
            child = subprocess.Popen(
                list(self._command(attempt.directory)),
                cwd=attempt.directory,
                env=environment | {name: value},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                umask=0o077,
            )
        self._children[child.pid] = child
        try:
            _restrict(child.pid, attempt.limits)
            self._lower(child.pid)
            started = identity(child.pid)
            if started is None:
                raise ProcessLookupError(f"process {child.pid} vanished at its start")
        except BaseException:
            child.kill()
            raise
        return started

    def find(self, attempt: Attempt) -> Identity | None:
        """The leader of an attempt whose start was not written down, if it lives."""
        for member in self.members(attempt, None):
            if member.pid == member.session:
                return identity(member.pid)
        return None

    def members(self, attempt: Attempt, leader: Identity | None) -> list[Process]:
        """All living processes of an attempt; those that left the session by their marker."""
        if leader is not None:
            self._reap(leader.pid)
        found = self._table.members(leader, self.marker(attempt))
        if not found:
            self._table.forget(self.marker(attempt))
        return found

    def leads(self, leader: Identity) -> bool:
        """Whether the leader of an attempt lives."""
        self._reap(leader.pid)
        if leader.pid in self._eager:
            self._lower(leader.pid)
        return lives(leader)

    def signal(self, attempt: Attempt, leader: Identity | None, *, kill: bool) -> None:
        """Ask the leader to end, or kill all processes of the attempt."""
        if not kill:
            if leader is not None and lives(leader):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(leader.pid, signal.SIGTERM)
            return
        members = self.members(attempt, leader)
        # By groups: that is atomic, no fork escapes it.  0 would mean our own group.
        for group in {member.group for member in members} - {0, os.getpgrp()}:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(group, signal.SIGKILL)
        for member in members:
            with contextlib.suppress(ProcessLookupError):
                os.kill(member.pid, signal.SIGKILL)

    def end_strays(self, is_held: Callable[[str, int], bool]) -> None:
        """Kill processes of attempts for which no dispatcher answers.

        Parameters
        ----------
        is_held
            Whether a dispatcher answers for an attempt of this number of a job of this id.
        """
        prefix = f"{MARKER}={self._instance}/".encode()
        for stray, entry in marked(prefix):
            job_id, _, number = entry.removeprefix(prefix).decode(errors="replace").partition("/")
            if number.isdigit() and not is_held(job_id, int(number)):
                log.warning("ending a stray process of job %s, attempt %s", job_id, number)
                with contextlib.suppress(ProcessLookupError):
                    os.kill(stray.pid, signal.SIGKILL)

    def marker(self, attempt: Attempt) -> bytes:
        """What every process of an attempt has in its environment."""
        return f"{MARKER}={self._instance}/{attempt.job_id}/{attempt.number}".encode()

    def _reap(self, pid: int) -> None:
        child = self._children.get(pid)
        if child is not None and child.poll() is not None:
            del self._children[pid]
            self._eager.discard(pid)

    def _lower(self, pid: int) -> None:
        """Lower the priority of the session that a process leads.

        Where the kernel shares the processors out among sessions first, the niceness of a process
        counts within its own only.  It takes few such changes a second; the rest are made later.
        """
        try:
            Path(f"/proc/{pid}/autogroup").write_text(f"{_NICE}", encoding="ascii")
        except BlockingIOError:
            self._eager.add(pid)
        except OSError:  # This kernel does not, or the process has ended.
            self._eager.discard(pid)
        else:
            self._eager.discard(pid)


def _restrict(pid: int, limits: Limits) -> None:
    """Limit a process that has just begun to load its interpreter.

    Done from outside, not between fork and exec: Python code is not safe there in a process with
    threads.
    """
    open_files = min(_OPEN_FILES, resource.getrlimit(resource.RLIMIT_NOFILE)[1])
    with contextlib.suppress(ProcessLookupError, FileNotFoundError):
        resource.prlimit(pid, resource.RLIMIT_CORE, (0, 0))
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (open_files, open_files))
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (limits.disk_bytes, limits.disk_bytes))
        os.setpriority(os.PRIO_PROCESS, pid, _NICE)
        Path(f"/proc/{pid}/oom_score_adj").write_text(_OOM_SCORE, encoding="ascii")
