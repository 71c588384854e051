"""Processes as Linux shows them: who they are, whether they live, what they use."""

import os
import socket
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

PROC = Path("/proc")
_TICKS = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True)
class Identity:
    """A process, named so that no other process ever has the same name.

    Parameters
    ----------
    host
        Name of the host.
    boot
        Boot of the host and pid namespace in which the pid counts.
    pid
        Process id.
    ticks
        Start of the process in clock ticks since the boot.
    """

    host: str
    boot: str
    pid: int
    ticks: int


@dataclass(frozen=True)
class Process:
    """One line of the process table.

    Parameters
    ----------
    pid, parent, session
        Process id, the parent's, and that of the session's leader.
    state
        One letter; Z and X are dead.
    ticks
        Start in clock ticks since the boot.
    rss
        Bytes in memory, pages shared with others counted in full.
    """

    pid: int
    parent: int
    session: int
    state: str
    ticks: int
    rss: int

    @property
    def alive(self) -> bool:
        """Whether it can still do anything."""
        return self.state not in "ZX"


@cache
def boot_id() -> str:
    """The boot of this host, with the pid namespace: pids mean something within it only."""
    boot = (PROC / "sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    return f"{boot}:{(PROC / 'self/ns/pid').stat().st_ino}"


@cache
def host_name() -> str:
    """The name of this host."""
    return socket.gethostname()


def process(pid: int) -> Process | None:
    """The process of this id; None if there is none."""
    try:
        line = (PROC / str(pid) / "stat").read_bytes()
    except OSError:
        return None
    # The name stands in parentheses and may hold anything, parentheses too.
    fields = line[line.rindex(b")") + 2 :].split()
    return Process(
        pid=pid,
        state=fields[0].decode(),
        parent=int(fields[1]),
        session=int(fields[3]),
        ticks=int(fields[19]),
        rss=int(fields[21]) * _PAGE,
    )


def identity(pid: int) -> Identity | None:
    """The name of a living process; None if there is none of this id."""
    found = process(pid)
    return Identity(host_name(), boot_id(), pid, found.ticks) if found else None


def lives(who: Identity) -> bool:
    """Whether a process of this host lives."""
    if who.boot != boot_id():
        return False
    found = process(who.pid)
    return found is not None and found.ticks == who.ticks and found.alive


def processes() -> Iterator[Process]:
    """All processes that can be seen."""
    for entry in PROC.iterdir():
        if entry.name.isdigit() and (found := process(int(entry.name))) is not None:
            yield found


def seconds_since(ticks: int, boottime_s: float) -> float:
    """Seconds from the start of a process to a reading of CLOCK_BOOTTIME."""
    return boottime_s - ticks / _TICKS


def environment_has(pid: int, entry: bytes) -> bool:
    """Whether a process was started with this ``NAME=value`` in its environment."""
    try:
        environment = (PROC / str(pid) / "environ").read_bytes()
    except OSError:
        return False
    return entry in environment.split(b"\0")


def group(session: int, marker: bytes) -> list[Process]:
    """The living processes of a session, and those that left it but carry its marker.

    A process that leaves the session **and** clears its environment is not found.
    """
    return [
        found
        for found in processes()
        if found.alive and (found.session == session or environment_has(found.pid, marker))
    ]


def proportional_set_size(members: Iterable[Process]) -> int:
    """Bytes in memory of some processes, shared pages counted once among those who share them."""
    return sum(_pss(member) for member in members)


def _pss(member: Process) -> int:
    try:
        text = (PROC / str(member.pid) / "smaps_rollup").read_bytes()
    except OSError:
        return 0
    for line in text.splitlines():
        if line.startswith(b"Pss:"):
            return int(line.split()[1]) * 1024
    return 0
