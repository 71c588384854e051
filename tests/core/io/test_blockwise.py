import os
import signal
import time
from concurrent.futures import BrokenExecutor, ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import pytest

from core.io import blockwise
from core.io.blockwise import spread, spread_over_threads


def square(number: int) -> int:
    return number * number


# Another process cannot import a test module by name: what it runs has to come from elsewhere.
TELL_AND_HANG = "__import__('pathlib').Path({path!r}).write_text(str(__import__('os').getpid()))"
HANG = "__import__('time').sleep(600)"


def test_results_come_in_the_order_of_the_pieces() -> None:
    with ThreadPoolExecutor(2) as pool:
        assert list(spread(square, range(20), pool, 2)) == [(n, n * n) for n in range(20)]
    assert list(spread_over_threads(square, range(3), 2)) == [(0, 0), (1, 1), (2, 4)]


def test_only_a_few_pieces_are_under_way_at_a_time() -> None:
    begun = []

    def pieces():  # type: ignore[no-untyped-def]
        for number in range(100):
            begun.append(number)
            yield number

    with ThreadPoolExecutor(2) as pool:
        results = spread(square, pieces(), pool, 2)
        next(results)
        assert len(begun) <= 2 * blockwise.AHEAD
        results.close()


def test_an_error_ends_everything() -> None:
    def fail(number: int) -> int:
        raise ValueError(number)

    with ThreadPoolExecutor(2) as pool, pytest.raises(ValueError, match="0"):
        list(spread(fail, range(50), pool, 2))


def test_a_killed_worker_is_noticed_although_nothing_more_is_submitted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(blockwise, "WAKE_S", 0.2)
    paths = [tmp_path / "one", tmp_path / "two"]
    with ProcessPoolExecutor(2, get_context("spawn")) as pool:
        orders = [f"({TELL_AND_HANG.format(path=str(path))}, {HANG})" for path in paths]
        results = spread(eval, orders, pool, 2)
        with ThreadPoolExecutor(1) as waiter:
            outcome = waiter.submit(lambda: list(results))
            end = time.monotonic() + 60
            while not all(path.exists() and path.read_text() for path in paths):
                assert time.monotonic() < end
                time.sleep(0.02)
            for path in paths:
                os.kill(int(path.read_text()), signal.SIGKILL)
            with pytest.raises(BrokenExecutor):
                outcome.result(60)
