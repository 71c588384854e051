"""How many requests may hold a thread at the same time while they wait."""

import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Literal

Kind = Literal["job", "upload", "rest"]
"""What a request waits for: a job or the files of one, a file that is being sent, the rest of a
body that nobody wants."""


class WaitingRoom:
    """Places for requests that hold a thread of this worker while something else goes on.

    Measured with 24 synchronous waits on 2 workers of 8 threads: other requests took 19 s.  So at
    most half of a worker's threads may wait for the same kind of thing, and a quarter always stays
    free; who finds no place is answered at once.

    Parameters
    ----------
    threads
        Threads of one worker.
    """

    def __init__(self, threads: int) -> None:
        half, quarter = max(1, threads // 2), max(1, threads // 4)
        self._all = threading.BoundedSemaphore(max(1, threads - quarter))
        sizes: dict[Kind, int] = {"job": half, "upload": half, "rest": quarter}
        self._kinds = {kind: threading.BoundedSemaphore(size) for kind, size in sizes.items()}

    @contextmanager
    def place(self, kind: Kind) -> Iterator[bool]:
        """Take a place for as long as the block runs; False where there is none."""
        with ExitStack() as held:
            for places in (self._kinds[kind], self._all):
                if not places.acquire(blocking=False):
                    held.close()
                    yield False
                    return
                held.callback(places.release)
            yield True
