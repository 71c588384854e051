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

    def tile_side(self, bytes_per_pixel: int, halo: int, *, base: int = 320 * MIB) -> int:
        """Side in pixels of a square tile's core such that all workers' tiles fit the memory.

        A multiple of 64 between 128 and 2048.  `base` bytes are kept for the libraries themselves.
        """
        share = max(self.memory - base, 64 * MIB) / self.workers
        side = int((share / bytes_per_pixel) ** 0.5) - 2 * halo
        return max(128, min(2048, side // 64 * 64))
