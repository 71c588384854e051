"""Watches one attempt from its start until no process of it lives, and tells how it ended."""

import time
from dataclasses import dataclass
from typing import Literal

from core.errors import Internal, OptiGroundError, WorkerLost
from core.job.journal import HEARTBEAT, STATUS
from server.jobs.launcher import Attempt, Launcher
from server.jobs.limits import Usage, reached, usage_of
from server.jobs.process import Identity, seconds_since
from server.jobs.results import Result, read_progress, read_result

_LOOK_S = 0.5
"""Seconds between two measurements of what a job uses."""
_GRACE_S = 4.0
"""Seconds from the request to end until the processes are killed."""
_FAREWELL_S = 2.0
"""Seconds that the leader may take to end after it has written its result."""
_LONGEST_GAP_S = 2.0


@dataclass(frozen=True)
class Verdict:
    """Why an attempt is over, or has to be.

    Parameters
    ----------
    kind
        ``ended`` by itself, with or without a result; ``dismissed`` by the user; ``requeued``
        because the dispatcher stops; ``failed`` because of `error`; ``lost`` because of `error`.
    """

    kind: Literal["ended", "dismissed", "requeued", "failed", "lost"]
    error: OptiGroundError | None = None


class Watch:
    """One attempt under the eyes of a dispatcher.

    Parameters
    ----------
    attempt, launcher
        What is watched; how to reach it.
    leader
        The process that leads it; None if it was never written down and lives no more.
    heartbeat_timeout_s
        Silence after which it is lost.
    """

    def __init__(
        self,
        attempt: Attempt,
        leader: Identity | None,
        launcher: Launcher,
        heartbeat_timeout_s: float,
    ) -> None:
        self.attempt = attempt
        self.leader = leader
        self.usage = Usage(0.0, 0, 0, 1)
        self.verdict: Verdict | None = None
        self.over = False
        self._launcher = launcher
        self._timeout_s = heartbeat_timeout_s
        self._looked = self._stepped = boottime()
        self._silence_s = 0.0
        self._beat = 0
        self._status = 0
        self._asked: float | None = None
        self._written: float | None = None

    def step(self) -> None:
        """Look once; sets `verdict` when the attempt has to end, `over` when it is over."""
        now = boottime()
        if self.verdict is None:
            self.verdict = self._judge(now)
        self._stepped = now
        if self.verdict is not None:
            self.over = self._finish(now)

    def end(self, verdict: Verdict, *, gently: bool) -> None:
        """Decide that the attempt has to end; the first decision holds.

        Parameters
        ----------
        gently
            Ask the leader to end, and kill only what lives after some seconds.
        """
        if self.verdict is None:
            self.verdict = verdict
            if gently:
                self._asked = boottime()
                self._launcher.signal(self.attempt, self.leader, kill=False)

    def news(self) -> tuple[int, str] | None:
        """Percent and message, if the job has told something new."""
        stamp = _modified(self.attempt, STATUS)
        if stamp == self._status:
            return None
        self._status = stamp
        return read_progress(self.attempt.directory)

    def result(self) -> Result | None:
        """What the attempt wrote at its end."""
        return read_result(self.attempt.directory)

    def _judge(self, now: float) -> Verdict | None:
        if not self._leads():
            return Verdict("ended")
        if self._has_result(now):
            return Verdict("ended")
        if self._is_silent(now):
            silent = WorkerLost(f"The worker gave no sign of life for {self._timeout_s:g} s.")
            return Verdict("lost", silent)
        if now - self._looked < _LOOK_S:
            return None
        self._looked = now
        error = self._measure(now)
        return Verdict("failed", error) if error else None

    def _measure(self, now: float) -> OptiGroundError | None:
        members = self._launcher.members(self.attempt, self.leader)
        wall_s = seconds_since(self.leader.ticks, now) if self.leader else 0.0
        limits = self.attempt.limits
        self.usage = usage_of(members, self.attempt.directory, wall_s, limits)
        return reached(self.usage, limits)

    def _has_result(self, now: float) -> bool:
        """Whether the leader wrote its result but does not come to its end."""
        if self._written is None:
            try:
                written = self.result() is not None
            except Internal:
                written = True
            self._written = now if written else None
        return self._written is not None and now - self._written > _FAREWELL_S

    def _is_silent(self, now: float) -> bool:
        beat = _modified(self.attempt, HEARTBEAT)
        if beat != self._beat:
            self._beat, self._silence_s = beat, 0.0
        else:
            # Where nobody looked (this process stood still, the machine slept), silence says
            # nothing about the job.
            self._silence_s += min(now - self._stepped, _LONGEST_GAP_S)
        return self._silence_s > self._timeout_s

    def _leads(self) -> bool:
        return self.leader is not None and self._launcher.leads(self.leader)

    def _finish(self, now: float) -> bool:
        """Kill what has to be killed; whether nothing lives any more."""
        patient = self._asked is not None and now - self._asked < _GRACE_S
        if patient and self._leads():
            return False
        if not self._launcher.members(self.attempt, self.leader):
            return True
        self._launcher.signal(self.attempt, self.leader, kill=True)
        return False


def boottime() -> float:
    """Seconds since the boot, the time asleep included."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def _modified(attempt: Attempt, name: str) -> int:
    try:
        return (attempt.directory / name).stat().st_mtime_ns
    except OSError:
        return 0
