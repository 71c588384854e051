"""Numbers of requests that all web workers of one server count together.

They lie in memory that the workers share since before they were forked, so that each of them can
tell the numbers of all, and those of a worker that has ended are kept.
"""

import fcntl
import mmap
import os
import threading
import weakref
from bisect import bisect_left
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

BOUNDS_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
"""Upper ends of the classes of duration; one more class has none."""
OTHER = "other"
"""In place of a method that the server does not know."""
_METHODS = ("GET", "HEAD", "OPTIONS", "POST", "DELETE", OTHER)
_STATUSES = ("1xx", "2xx", "3xx", "4xx", "5xx")
_CLASSES = len(BOUNDS_S) + 1
_WIDTH = _CLASSES + 1
"""Numbers of one kind of request: one per class, and the sum of durations in microseconds."""


class Row(NamedTuple):
    """The requests of one route, method and class of status.

    Parameters
    ----------
    classes
        Number of requests in each class of duration.
    seconds
        Sum of their durations.
    """

    route: str
    method: str
    status: str
    classes: tuple[int, ...]
    seconds: float


class Tally:
    """Counters for a fixed set of routes; made before the workers are forked.

    Parameters
    ----------
    routes
        Whatever is counted under another name counts as "".
    """

    def __init__(self, routes: Iterable[str]) -> None:
        self._routes = tuple(dict.fromkeys(("", *routes)))
        self._place = {route: place for place, route in enumerate(self._routes)}
        size = 8 * _WIDTH * len(self._routes) * len(_METHODS) * len(_STATUSES)
        self._file = os.memfd_create("requests")
        weakref.finalize(self, os.close, self._file)
        os.ftruncate(self._file, size)
        self._numbers = memoryview(mmap.mmap(self._file, size)).cast("Q")
        self._lock = threading.Lock()

    def count(self, route: str, method: str, status: int, seconds: float) -> None:
        """Count one request that was answered with `status` after `seconds`."""
        kind = _METHODS.index(method if method in _METHODS else OTHER)
        group = min(max(status // 100, 1), len(_STATUSES)) - 1
        place = (self._place.get(route, 0) * len(_METHODS) + kind) * len(_STATUSES) + group
        first = place * _WIDTH
        with self._alone():
            self._numbers[first + bisect_left(BOUNDS_S, seconds)] += 1
            self._numbers[first + _CLASSES] += round(1e6 * seconds)

    def rows(self) -> Iterator[Row]:
        """What was counted, by route, method and class of status."""
        with self._alone():
            numbers = self._numbers.tolist()
        first = 0
        for route in self._routes:
            for method in _METHODS:
                for status in _STATUSES:
                    classes = tuple(numbers[first : first + _CLASSES])
                    if any(classes):
                        seconds = numbers[first + _CLASSES] / 1e6
                        yield Row(route, method, status, classes, seconds)
                    first += _WIDTH

    @contextmanager
    def _alone(self) -> Iterator[None]:
        # The kernel's lock is one of processes, and ends with a process that is killed.
        with self._lock:
            fcntl.lockf(self._file, fcntl.LOCK_EX)
            try:
                yield
            finally:
                fcntl.lockf(self._file, fcntl.LOCK_UN)
