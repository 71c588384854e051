"""What carries a job's tiles: threads, processes, or a Dask cluster."""

from collections.abc import Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

from core.compute import Compute


@contextmanager
def executor(compute: Compute) -> Iterator[Executor]:
    """The executor that `compute` asks for; at the end what waits is dropped, what runs is awaited.

    Raises
    ------
    ValueError
        There is no executor of this name.
    """
    if compute.executor == "threads":
        with _pool(ThreadPoolExecutor(compute.workers)) as pool:
            yield pool
    elif compute.executor == "spawn":
        from concurrent.futures import ProcessPoolExecutor
        from multiprocessing import get_context

        with _pool(ProcessPoolExecutor(compute.workers, get_context("spawn"))) as pool:
            yield pool
    elif compute.executor == "dask":
        with _dask(compute.scheduler) as pool:
            yield pool
    else:
        raise ValueError(f"executor is {compute.executor!r}; there are threads, spawn and dask")


@contextmanager
def _pool(pool: Executor) -> Iterator[Executor]:
    try:
        yield pool
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


@contextmanager
def _dask(scheduler: str) -> Iterator[Executor]:
    """An executor on a running Dask cluster, which must see the job's directory."""
    from distributed import Client

    client_of: Any = Client  # It has no types.
    with client_of(scheduler, set_as_default=False) as client:
        # Tiles write files: a second call with equal arguments must run again.
        pool: Executor = client.get_executor(pure=False)
        try:
            yield pool
        finally:
            pool.shutdown(wait=False)
