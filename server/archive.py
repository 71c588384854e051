"""A zip of a job's results, written while it is sent: stored, ZIP64, never whole in memory."""

import io
import zipfile
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

CHUNK = 1 << 20


class Member(NamedTuple):
    """A file of an archive: its name there, and where its bytes are (a path, or the bytes)."""

    name: str
    content: Path | bytes


def stream(members: Iterable[Member], written: datetime) -> Iterator[bytes]:
    """The bytes of the archive, in pieces of about a mebibyte.

    Rasters are compressed already, so members are stored.  The reader learns sizes and checksums
    from the descriptors behind each member and from the directory at the end.

    Raises
    ------
    FileNotFoundError
        A file was removed; the client sees a transfer cut short, not a short archive.
    """
    pipe = _Pipe()
    stamp = written.astimezone(UTC).timetuple()[:6]
    with zipfile.ZipFile(pipe, "w", zipfile.ZIP_STORED, allowZip64=True) as archive:
        for member in members:
            info = zipfile.ZipInfo(member.name, stamp)
            info.external_attr = 0o644 << 16
            with archive.open(info, "w", force_zip64=True) as target:
                for piece in _pieces(member.content):
                    target.write(piece)
                    yield from pipe.taken(CHUNK)
    yield from pipe.taken(0)


class _Pipe(io.RawIOBase):
    """A file that can only be written to, and gives back what was written."""

    def __init__(self) -> None:
        self._held: list[bytes] = []
        self._size = 0

    def writable(self) -> bool:
        return True

    def write(self, data: object) -> int:
        piece = bytes(memoryview(data))  # type: ignore[arg-type]
        self._held.append(piece)
        self._size += len(piece)
        return len(piece)

    def taken(self, least: int) -> Iterator[bytes]:
        """All that was written since the last call, if it is more than `least` bytes."""
        if self._size > least:
            yield b"".join(self._held)
            self._held.clear()
            self._size = 0


def _pieces(content: Path | bytes) -> Iterator[bytes]:
    if isinstance(content, bytes):
        yield content
        return
    with content.open("rb") as file:
        while piece := file.read(CHUNK):
            yield piece
