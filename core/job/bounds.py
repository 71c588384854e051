"""Limits that the kernel keeps on the present process, whoever else is still there to look."""

import contextlib
import ctypes
import os
import resource
import signal
from dataclasses import dataclass
from pathlib import Path

_PR_SET_PDEATHSIG = 1


@dataclass(frozen=True)
class Bounds:
    """What one inspection may use.

    Parameters
    ----------
    seconds
        Of the clock, and of the processor.
    memory
        Bytes of data.
    disk
        Bytes of its files; None where another one looks after that.
    """

    seconds: float
    memory: int
    disk: int | None = None

    def impose(self) -> None:
        """Keep the present process within the bounds.

        The alarm ends it even if it hangs in compiled code and nobody waits for it any more.
        """
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGALRM})
        signal.setitimer(signal.ITIMER_REAL, self.seconds)
        _limit(resource.RLIMIT_CPU, int(self.seconds) + 1)
        _limit(resource.RLIMIT_DATA, self.memory)
        _limit(resource.RLIMIT_CORE, 0)
        if self.disk is not None:
            # Above it a write fails with EFBIG: Python ignores the signal.
            _limit(resource.RLIMIT_FSIZE, self.disk)


def _limit(what: int, limit: int) -> None:
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(what, (limit, limit))


def die_with(parent: int) -> None:
    """Let the kernel kill the present process when the thread that started it ends.

    Linux only; elsewhere the alarm of :class:`Bounds` is what ends an orphan.

    Parameters
    ----------
    parent
        The process that started this one; if it is gone already, so is this one.
    """
    with contextlib.suppress(AttributeError):
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        signal.raise_signal(signal.SIGKILL)


def bytes_below(folder: Path) -> int:
    """Bytes on disk of everything below a folder; what vanishes meanwhile does not count."""
    total = 0
    for parent, _, names in folder.walk():
        for name in names:
            with contextlib.suppress(OSError):
                total += (parent / name).lstat().st_blocks * 512
    return total
