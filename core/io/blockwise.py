"""Work spread over an executor: tiles of an image, files to write.  The only user of executors."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor, wait

from core.progress import Progress

AHEAD = 2
"""Pieces of work that wait beside each one that is worked on."""

WAKE_S = 5.0
"""Seconds without a result after which the executor is woken."""


def spread[Piece, Result](
    work: Callable[[Piece], Result],
    pieces: Iterable[Piece],
    executor: Executor,
    workers: int,
) -> Iterator[tuple[Piece, Result]]:
    """Each piece with its result, in the order of the pieces.

    Only a few pieces are under way at a time, so that results do not pile up.  Whatever is raised,
    here or where the results are used, the rest is cancelled and waited for.

    Parameters
    ----------
    work
        A function that other processes can be sent; it must not depend on the others' results.
    pieces
        What it is called with.
    executor, workers
        What carries the work, and how much of it at a time.
    """
    waiting: deque[tuple[Piece, Future[Result]]] = deque()
    try:
        for piece in pieces:
            waiting.append((piece, executor.submit(work, piece)))
            if len(waiting) >= AHEAD * workers:
                yield _first(waiting, executor)
        while waiting:
            yield _first(waiting, executor)
    finally:
        for _, future in waiting:
            future.cancel()
        for _, future in waiting:
            if not future.cancelled():
                future.exception()


def counted[Piece, Result](
    results: Iterable[tuple[Piece, Result]], total: int, progress: Progress, message: str
) -> Iterator[tuple[Piece, Result]]:
    """The same results, each reported: "`message` 12 of 30"."""
    for number, result in enumerate(results, 1):
        progress.report(number / total, f"{message} {number} of {total}")
        yield result


def _first[Piece, Result](
    waiting: deque[tuple[Piece, Future[Result]]], executor: Executor
) -> tuple[Piece, Result]:
    piece, future = waiting[0]
    while not wait((future,), WAKE_S).done:
        # A pool of processes looks for dead workers only when something is submitted or done.
        executor.submit(_nothing)
    result = future.result()
    waiting.popleft()
    return piece, result


def _nothing() -> None:
    """Wakes the pool."""


def spread_over_threads[Piece, Result](
    work: Callable[[Piece], Result], pieces: Iterable[Piece], workers: int
) -> Iterator[tuple[Piece, Result]]:
    """As :func:`spread`, over threads of this process: for work that cannot be sent elsewhere."""
    with ThreadPoolExecutor(workers) as pool:
        yield from spread(work, pieces, pool, workers)
