"""What a job may use of the machine."""

from dataclasses import dataclass, field
from pathlib import Path
from tempfile import gettempdir

MIB = 1 << 20


@dataclass(frozen=True)
class Compute:
    """Workers, memory and scratch space of one job.

    Parameters
    ----------
    workers
        Tiles that are worked on at the same time.
    memory
        Bytes that the whole job may hold, shared out among the workers.
    scratch
        Folder for temporary files.
    executor
        ``threads`` (default), ``spawn`` (processes) or ``dask`` (needs `scheduler`).
    scheduler
        Address of a Dask scheduler.
    """

    workers: int = 2
    memory: int = 1536 * MIB
    scratch: Path = field(default_factory=lambda: Path(gettempdir()))
    executor: str = "threads"
    scheduler: str = ""
