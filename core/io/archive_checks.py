"""What members of an archive must fulfil, of whatever kind it is."""

import re
from pathlib import PurePosixPath

from core.errors import BadArchive, SourceTooLarge

MAX_MEMBERS = 20_000
"""Sentinel-2 products have about 120 members, the largest old ones 15 times as many."""
FREE_BYTES = 1 << 30
MAX_RATIO = 100
"""An archive may unpack to 1 GiB, or to a hundred times its size; images are packed already."""

MAX_NAME = 512
MAX_PART = 255
"""Bytes of a member's path, and of each part of it: file systems take no longer name.  The old
Sentinel-2 products have paths of 250."""
MAX_DEPTH = 20
HEAD = 262
"""Bytes at the begin of a file that tell whether it is an archive."""

_NESTED = re.compile(r"\.(zip|tar|tgz|tbz2?|txz|gz|bz2|xz|zst|7z|rar)$", re.IGNORECASE)
_MAGIC = (
    b"PK\x03\x04",
    b"PK\x05\x06",
    b"\x1f\x8b\x08",
    b"BZh",
    b"\xfd7zXZ\0",
    b"7z\xbc\xaf\x27\x1c",
    b"Rar!\x1a\x07",
    b"\x28\xb5\x2f\xfd",
)
_UNUSUAL = re.compile(r"[\x00-\x1f\x7f\\{}!\ud800-\udfff]|^[A-Za-z]:")


class Checks:
    """What all members of an archive must fulfil, one after the other.

    Parameters
    ----------
    packed
        Bytes of the archive.
    max_unpacked
        Bytes that it may unpack to.
    pointer
        Where the request names it.
    """

    def __init__(self, packed: int, max_unpacked: int, pointer: str) -> None:
        self.pointer = pointer
        self.limit = min(max_unpacked, max(FREE_BYTES, MAX_RATIO * packed))
        self.total = 0
        self.members = 0
        self.seen: set[str] = set()
        self.folders: set[str] = set()

    def name(self, name: str, *, folder: bool) -> None:
        """Refuse a name that leads elsewhere, that is taken, or that no file system takes."""
        parts = PurePosixPath(name).parts
        nameless = not parts and not folder
        if name.startswith("/") or ".." in parts or nameless or _UNUSUAL.search(name):
            raise bad(f"holds {shown(name)}, which is no plain relative path", self.pointer)
        sizes = [len(part.encode()) for part in parts]
        if len(parts) > MAX_DEPTH or max(sizes, default=0) > MAX_PART or sum(sizes) > MAX_NAME:
            raise bad(f"holds {shown(name)}, a path that is too long", self.pointer)
        self.members += 1
        if self.members > MAX_MEMBERS:
            raise bad(f"holds more than {MAX_MEMBERS} files", self.pointer)
        self._place(name, [part.casefold() for part in parts], folder=folder)
        if not folder and _NESTED.search(name):
            raise bad(f"holds the archive {shown(name)}", self.pointer)

    def _place(self, name: str, parts: list[str], *, folder: bool) -> None:
        """Each name stands for one file, or for a folder."""
        above = ["/".join(parts[:depth]) for depth in range(1, len(parts) + folder)]
        self.folders.update(above)
        if not self.seen.isdisjoint(above):
            raise bad(f"holds {shown(name)}, below a name that is a file", self.pointer)
        if folder:
            return
        key = "/".join(parts)
        if key in self.seen:
            raise bad(f"holds {shown(name)} twice", self.pointer)
        if key in self.folders:
            raise bad(f"holds {shown(name)} as a file and as a folder", self.pointer)
        self.seen.add(key)

    def size(self, size: int) -> None:
        """Count what a member unpacks to."""
        if size < 0:
            raise bad("has a member of a negative size", self.pointer)
        self.total += size
        if self.total > self.limit:
            raise SourceTooLarge(
                f"The archive unpacks to more than {self.limit >> 20} MiB.",
                pointer=self.pointer,
                allowed=f"at most {self.limit} bytes, unpacked",
            )


def check_head(head: bytes, name: str, pointer: str) -> None:
    """Refuse a member that begins as archives do."""
    if head.startswith(b"PK\x03\x04") and name.lower().endswith(".kmz"):
        # Deliveries come with a picture for globes, which is a zip by nature; nothing opens it.
        return
    if head.startswith(_MAGIC) or head[257:262] == b"ustar":
        raise bad(f"holds the archive {shown(name)}", pointer)


def shown(name: str) -> str:
    """A name of a stranger fit for a message."""
    return repr(name if len(name) <= 100 else name[:99] + "…")


def bad(what: str, pointer: str) -> BadArchive:
    """The error for an archive of which `what` is told."""
    return BadArchive(
        f"The archive or folder {what}.",
        pointer=pointer,
        allowed="plain files with relative paths, each once, and no archive inside",
    )
