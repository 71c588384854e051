"""Processes as Linux shows them: who they are, whether they live, what they use."""

import os
import socket
import stat
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
    pid, parent, group, session
        Process id, and those of its parent and of the group's and the session's leader.
    state
        One letter; Z and X are dead.
    ticks
        Start in clock ticks since the boot.
    rss
        Bytes in memory, pages shared with others counted in full.
    """

    pid: int
    parent: int
    group: int
    session: int
    state: str
    ticks: int
    rss: int

    @property
    def alive(self) -> bool:
        """Whether it can still do anything."""
        return self.state not in "ZX"


@cache
def kernel_boot() -> str:
    """The boot of this host."""
    return (PROC / "sys/kernel/random/boot_id").read_text(encoding="ascii").strip()


@cache
def boot_id() -> str:
    """The boot of this host, with the pid namespace: pids mean something within it only."""
    return f"{kernel_boot()}:{(PROC / 'self/ns/pid').stat().st_ino}"


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
        group=int(fields[2]),
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
    """All processes that can be seen, one after the other."""
    for entry in PROC.iterdir():
        if entry.name.isdigit() and (found := process(int(entry.name))) is not None:
            yield found


def seconds_since(ticks: int, boottime_s: float) -> float:
    """Seconds from the start of a process to a reading of CLOCK_BOOTTIME."""
    return boottime_s - ticks / _TICKS


def marked(prefix: bytes) -> Iterator[tuple[Process, bytes]]:
    """All living processes with an entry in their environment that starts so, and that entry."""
    for found in processes():
        for entry in _environment(found.pid):
            if entry.startswith(prefix) and found.alive:
                yield found, entry


def _environment(pid: int) -> list[bytes]:
    """The environment that a process was started with; empty where it may not be read."""
    try:
        return (PROC / str(pid) / "environ").read_bytes().split(b"\0")
    except OSError:
        return []


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


class Table:
    """Finds the processes of an attempt among all others."""

    def __init__(self) -> None:
        # An entry of the environment is inherited and never acquired, so that whoever lacks it
        # once lacks it for ever, and need not be read again.
        self._strangers: dict[bytes, set[tuple[int, int]]] = {}

    def members(self, leader: Identity | None, marker: bytes) -> list[Process]:
        """The living processes of a leader's session, and those outside it that carry its marker.

        Not found is who leaves the session **and** clears its environment.

        Parameters
        ----------
        leader
            The session's leader, dead or alive; None to go by the marker alone.
        marker
            ``NAME=value`` in the environment.
        """
        session = _session_of(leader)
        known = self._strangers.get(marker, set())
        strangers: set[tuple[int, int]] = set()
        found = []
        for one in processes():
            name = (one.pid, one.ticks)
            if one.session == session or (name not in known and marker in _environment(one.pid)):
                found.append(one)
            else:
                strangers.add(name)
        self._strangers[marker] = strangers
        return [one for one in found if one.alive]

    def forget(self, marker: bytes) -> None:
        """The attempt with this marker is over."""
        self._strangers.pop(marker, None)


def _session_of(leader: Identity | None) -> int | None:
    """The session's id; None if the session is certainly gone.

    The kernel gives a pid to someone else only when no session of that number is left.
    """
    if leader is None or leader.boot != boot_id():
        return None
    head = process(leader.pid)
    return None if head is not None and head.ticks != leader.ticks else leader.pid


def unlinked_bytes(members: Iterable[Process]) -> int:
    """Bytes on disk of files that processes hold open after their names were removed."""
    sizes: dict[tuple[int, int], int] = {}
    for member in members:
        try:
            handles = list((PROC / str(member.pid) / "fd").iterdir())
        except OSError:
            continue
        for handle in handles:
            try:
                status = handle.stat()
            except OSError:
                continue
            if stat.S_ISREG(status.st_mode) and status.st_nlink == 0:
                sizes[status.st_dev, status.st_ino] = status.st_blocks * 512
    return sum(sizes.values())
