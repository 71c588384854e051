"""Runs the web server and the dispatcher, and starts again what ends.

A part that ends soon after its start is started again after a pause, which doubles each time.  When
this process is asked to stop, so are they; when it is killed, they are asked by the kernel.
"""

import contextlib
import ctypes
import http.client
import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from server.settings import Settings

_SET_PARENT_DEATH_SIGNAL = 1
_FIRST_PAUSE_S = 0.5
_LONGEST_PAUSE_S = 5.0
"""Shorter than the silence after which `/health` misses the dispatcher.  Measured with half a
minute: ten kills of the dispatcher in four minutes held up jobs for 31 s again and again."""
_STEADY_S = 10.0
"""Who has run for so long is started again without a pause."""
_STOP_S = 40.0
_TICK_S = 0.1
_READY_S = 0.5

log = logging.getLogger(__name__)
_libc = ctypes.CDLL(None, use_errno=True)


@dataclass
class Part:
    """One program that is kept running.

    Parameters
    ----------
    name
        For the log.
    command
        What is started.
    """

    name: str
    command: Sequence[str]
    pid: int | None = None
    pause_s: float = 0.0
    started: float = 0.0
    due: float = field(default_factory=time.monotonic)

    def start(self) -> None:
        """Start it, in a process group of its own: a Ctrl-C is for the supervisor."""
        child = subprocess.Popen(
            list(self.command),
            stdin=subprocess.DEVNULL,
            process_group=0,
            preexec_fn=_die_with_parent,  # noqa: PLW1509 -- this process has one thread
        )
        # It is waited for together with all other children, not through this object.
        child.returncode = 0
        self.pid, self.started = child.pid, time.monotonic()

    def ended(self, status: int) -> None:
        """Note that it ended, and when it is to be started again."""
        now = time.monotonic()
        longer = min(max(_FIRST_PAUSE_S, 2 * self.pause_s), _LONGEST_PAUSE_S)
        self.pause_s = 0.0 if now - self.started > _STEADY_S else longer
        self.pid, self.due = None, now + self.pause_s
        code = os.waitstatus_to_exitcode(status)
        log.warning("%s ended with %d, starting it in %.1f s", self.name, code, self.pause_s)


class Supervisor:
    """Keeps parts running until it is asked to stop.

    Parameters
    ----------
    parts
        What is kept running.
    """

    def __init__(self, parts: Sequence[Part]) -> None:
        self.parts = tuple(parts)
        self._stopping = False

    def run(self, settings: Settings) -> None:
        """Work until SIGTERM or SIGINT."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: self.stop())
        announced, next_look = False, 0.0
        while not self._stopping:
            self.turn()
            if not announced and time.monotonic() >= next_look:
                announced = _is_healthy(settings)
                next_look = time.monotonic() + _READY_S
                if announced:
                    print(f"OptiGround is ready at {settings.base_url}/", flush=True)  # noqa: T201
            time.sleep(_TICK_S)
        self._end()

    def stop(self) -> None:
        """Come to an end."""
        self._stopping = True

    def turn(self) -> None:
        """Start what is due, note what has ended."""
        self._reap()
        for part in self.parts:
            if part.pid is None and time.monotonic() >= part.due and not self._stopping:
                part.start()

    def _reap(self) -> None:
        # Orphans of jobs too, where this is the first process of a container.
        with contextlib.suppress(ChildProcessError):
            while True:
                pid, status = os.waitpid(-1, os.WNOHANG)
                if pid == 0:
                    return
                for part in self.parts:
                    if part.pid == pid and self._stopping:
                        part.pid = None
                    elif part.pid == pid:
                        part.ended(status)

    def _end(self) -> None:
        end = time.monotonic() + _STOP_S
        self._signal(signal.SIGTERM)
        while any(part.pid for part in self.parts) and time.monotonic() < end:
            self._reap()
            time.sleep(_TICK_S)
        self._signal(signal.SIGKILL)

    def _signal(self, number: signal.Signals) -> None:
        for part in self.parts:
            if part.pid is not None:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(part.pid, number)


def server_parts() -> tuple[Part, Part]:
    """The parts of a server on one machine."""
    program = (sys.executable, "-m", "server.cli")
    return Part("the web server", (*program, "web")), Part("the dispatcher", (*program, "dispatch"))


def _die_with_parent() -> None:
    _libc.prctl(_SET_PARENT_DEATH_SIGNAL, signal.SIGTERM)


def _is_healthy(settings: Settings) -> bool:
    host = settings.host if settings.host not in ("0.0.0.0", "::") else "localhost"  # noqa: S104
    connection = http.client.HTTPConnection(host, settings.port, timeout=2)
    try:
        # The address to listen on need not be among the allowed hosts; that of the links always is.
        own = {"Accept": "application/json", "Host": urlsplit(settings.base_url).netloc}
        connection.request("GET", "/health", headers=own)
        return connection.getresponse().status == http.HTTPStatus.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
