"""How many jobs a process may put into the queue before somebody has to count it again."""

import threading
import time
from dataclasses import dataclass

_AMPLE = 500
"""More than all processes together can put into the queue while an allowance lasts."""
_LASTS_S = 0.25
_PART = 16
"""Processes that may use theirs up at the same time, and still keep to the limit."""
_MOST_OWNERS = 1000


@dataclass
class _Left:
    number: int
    until: float


class Allowance:
    """Lets one who is far from a limit go on for a moment without counting.

    To count is to look at each job that waits, while all others who want to count wait their turn.
    A count that finds ample room therefore allows a part of it, for a moment; one that finds less
    allows nothing, so that it is always a count that meets the limit.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._everyone = _Left(0, 0.0)
        self._owners: dict[str, _Left] = {}

    def take(self, owner: str) -> bool:
        """Whether this owner may put one more job in; if not, count and :meth:`grant`."""
        now = time.monotonic()
        with self._lock:
            both = (self._everyone, self._owners.get(owner, _Left(0, 0.0)))
            if not all(left.number > 0 and now < left.until for left in both):
                return False
            for left in both:
                left.number -= 1
        return True

    def grant(self, owner: str, everyone: int, mine: int) -> None:
        """Tell how many more jobs of everyone, and of this owner, a count left room for."""
        until = time.monotonic() + _LASTS_S
        with self._lock:
            if len(self._owners) >= _MOST_OWNERS:
                self._owners.clear()
            self._everyone = _Left(_allowed(everyone), until)
            self._owners[owner] = _Left(_allowed(mine), until)


def _allowed(left: int) -> int:
    return left // _PART if left >= _AMPLE else 0
