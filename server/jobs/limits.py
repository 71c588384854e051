"""What a job may use, what it does use, and the reason when that is too much."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from core.errors import LimitReached
from server.jobs.process import Process, proportional_set_size, unlinked_bytes
from server.settings import GIB, MIB, Settings


@dataclass(frozen=True)
class Limits:
    """What one job may use.

    Parameters
    ----------
    wall_s
        Seconds from the start of its process.
    memory_bytes
        Proportional set size of all its processes.
    disk_bytes
        Blocks of all its files, nameless ones too.
    processes
        Number of its processes.
    """

    wall_s: float = 6 * 3600.0
    memory_bytes: int = 4 * GIB
    disk_bytes: int = 100 * GIB
    processes: int = 64


@dataclass(frozen=True)
class Usage:
    """What one job uses; the fields are those of :class:`Limits`."""

    wall_s: float
    memory_bytes: int
    disk_bytes: int
    processes: int


def limits_of(resources: Mapping[str, float], settings: Settings) -> Limits:
    """The limits of a job: the operator's, else what its process declares, else ours."""
    given = Limits()
    return Limits(
        wall_s=settings.wall_limit_s or resources.get("wall_s", given.wall_s),
        memory_bytes=settings.memory_limit
        or int(resources.get("memory_bytes", given.memory_bytes)),
        disk_bytes=settings.disk_limit or int(resources.get("disk_bytes", given.disk_bytes)),
        processes=settings.process_limit or int(resources.get("processes", given.processes)),
    )


def usage_of(members: Sequence[Process], directory: Path, wall_s: float, limits: Limits) -> Usage:
    """What the processes of a job and the files below `directory` use now.

    The kernel adds up shared pages slowly, so that is done only where the plain sum, which is
    never smaller, is above the limit.
    """
    memory = sum(member.rss for member in members)
    if memory > limits.memory_bytes:
        memory = proportional_set_size(members)
    disk = folder_bytes(directory) + unlinked_bytes(members)
    return Usage(wall_s, memory, disk, len(members))


def reached(usage: Usage, limits: Limits) -> LimitReached | None:
    """The first limit that is exceeded, as the reason for the end of the job."""
    if usage.processes > limits.processes:
        return _error("processes", f"{usage.processes}", f"{limits.processes}")
    if usage.memory_bytes > limits.memory_bytes:
        return _error("memory", _size(usage.memory_bytes), _size(limits.memory_bytes))
    if usage.disk_bytes > limits.disk_bytes:
        return _error("disk", _size(usage.disk_bytes), _size(limits.disk_bytes))
    if usage.wall_s > limits.wall_s:
        return _error("time", f"{usage.wall_s:.0f} s", f"{limits.wall_s:.0f} s")
    return None


def folder_bytes(folder: Path) -> int:
    """Bytes on disk of everything below a folder; what vanishes meanwhile does not count."""
    total = 0
    try:
        entries = list(os.scandir(folder))
    except OSError:
        return 0
    for entry in entries:
        try:
            if entry.is_dir(follow_symlinks=False):
                total += folder_bytes(Path(entry.path))
            else:
                total += entry.stat(follow_symlinks=False).st_blocks * 512
        except OSError:
            continue
    return total


def _error(what: str, used: str, allowed: str) -> LimitReached:
    return LimitReached(
        f"The job was ended at its limit of {what}: it used {used}, allowed are {allowed}.",
        value=used,
        allowed=f"at most {allowed}",
    )


def _size(count: int) -> str:
    return f"{count / GIB:.1f} GiB" if count >= GIB else f"{count / MIB:.1f} MiB"
