"""Stopping a job from outside: SIGTERM and SIGINT become ``Cancelled``."""

import signal
import threading
from types import FrameType
from typing import Any

from core.errors import Cancelled

SIGNALS = (signal.SIGTERM, signal.SIGINT)


class Interruption:
    """Raises ``Cancelled`` once in the main thread, and afterwards at every report of progress.

    Python code may swallow the first exception, and a tile may report from another thread, so
    the wish to stop is also remembered.  Used as a context manager around what may be stopped.
    """

    def __init__(self) -> None:
        self._wanted = threading.Event()
        self._armed = False
        self._former: dict[int, Any] = {}

    @property
    def wanted(self) -> bool:
        """Whether the job was asked to stop."""
        return self._wanted.is_set()

    def check(self) -> None:
        """Raise ``Cancelled`` if the job was asked to stop."""
        if self.wanted:
            raise Cancelled("The job was stopped.")

    def __enter__(self) -> "Interruption":
        if threading.current_thread() is threading.main_thread():
            self._former = {number: signal.signal(number, self._receive) for number in SIGNALS}
        self._armed = True
        return self

    def __exit__(self, *_: object) -> None:
        # From here on the ending is being written, which nothing may interrupt.
        self._armed = False

    def want(self) -> None:
        """Ask the job to stop, from any thread, as a signal from outside would."""
        self._wanted.set()
        if self._former:
            signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGTERM)

    def restore(self) -> None:
        """Give the signals back to whoever had them."""
        for number, handler in self._former.items():
            signal.signal(number, handler)
        self._former = {}

    def _receive(self, _number: int, _frame: FrameType | None) -> None:
        self._wanted.set()
        if self._armed:
            self._armed = False
            self.check()
