"""How many requests may wait for a job at the same time."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager


class WaitingRoom:
    """Places for requests that hold a thread of this worker while a job goes on.

    Measured with 24 synchronous waits on 2 workers of 8 threads: other requests took 19 s.  So at
    most half of a worker's threads may wait; who finds no place is answered at once.

    Parameters
    ----------
    threads
        Threads of one worker.
    """

    def __init__(self, threads: int) -> None:
        self._places = threading.BoundedSemaphore(threads // 2)

    @contextmanager
    def place(self) -> Iterator[bool]:
        """Take a place for as long as the block runs; False where there is none."""
        taken = self._places.acquire(blocking=False)
        try:
            yield taken
        finally:
            if taken:
                self._places.release()
