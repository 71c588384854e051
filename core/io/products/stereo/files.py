"""Where a delivery's files are looked for: in an archive, in a folder, or among single files.

Metadata name files; a name only ever selects one of the files that are there, whatever it says.
"""

from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Protocol

from core.errors import SourceTooLarge
from core.io.archives import Members

MAX_TEXT = 32 << 20
"""Bytes of a file of metadata; a WorldView's XML with attitudes and ephemerides has a few MB."""
_ENDINGS = (
    ".xml .tif .tiff .jp2 .j2k .ntf .nitf .til .imd .rpb .txt .gml".split()  # noqa: SIM905
)


def wanted(name: str) -> bool:
    """Whether a member of an archive may be needed: metadata, masks and pixels, not pictures."""
    return PurePosixPath(name).suffix.lower() in _ENDINGS


@dataclass(frozen=True)
class Entry:
    """One file of a delivery.

    Parameters
    ----------
    members
        Where it lies.
    name
        Its path in there.
    pointer
        Where the request names the delivery.
    """

    members: Members
    name: str
    pointer: str = ""

    @property
    def base(self) -> str:
        """Its name without folders."""
        return PurePosixPath(self.name).name

    @property
    def stem(self) -> str:
        """Its name without folders and ending."""
        return PurePosixPath(self.name).stem

    @property
    def suffix(self) -> str:
        """Its ending in small letters, with the dot."""
        return PurePosixPath(self.name).suffix.lower()

    @property
    def size(self) -> int:
        """Bytes, unpacked."""
        return self.members.size(self.name)

    @property
    def location(self) -> str:
        """A path that GDAL opens."""
        return self.members.location(self.name)

    @property
    def source(self) -> Path:
        """The file as it came: itself, or the archive."""
        return self.members.source if self.members.source.is_file() else Path(self.location)

    def read(self) -> bytes:
        """A file of metadata as a whole."""
        return self.members.read(self.name, MAX_TEXT)


class Files(Protocol):
    """What belongs together: a delivery, or all files that were given one by one."""

    @property
    def entries(self) -> tuple[Entry, ...]:
        """The files known by their names."""

    def find(self, href: str, beside: Entry) -> Entry | None:
        """The file that another one names, in letters of any case."""


class Delivery:
    """The files of an archive or a folder."""

    def __init__(self, members: Members, pointer: str) -> None:
        self.entries = tuple(Entry(members, name, pointer) for name in members.names)
        self._paths = {entry.name.casefold(): entry for entry in self.entries}
        self._bases: dict[str, list[Entry]] = {}
        for entry in self.entries:
            self._bases.setdefault(entry.base.casefold(), []).append(entry)

    def find(self, href: str, beside: Entry) -> Entry | None:
        """The file of that path beside another, else the only one of that name."""
        path = (PurePosixPath(beside.name).parent / href).as_posix()
        if found := self._paths.get(path.casefold()):
            return found
        # Whoever packs anew may leave out folders.
        same = self._bases.get(PurePosixPath(href).name.casefold(), [])
        return same[0] if len(same) == 1 else None


class Single:
    """One file on this machine as :class:`~core.io.archives.Members`."""

    def __init__(self, path: Path, pointer: str = "") -> None:
        self.source = path
        self.names = (path.name,)
        self._pointer = pointer

    def size(self, _name: str) -> int:
        """Bytes."""
        return self.source.stat().st_size

    def read(self, name: str, limit: int) -> bytes:
        """The file as a whole."""
        if self.size(name) > limit:
            raise SourceTooLarge(f"{name} is larger than {limit >> 20} MiB.", pointer=self._pointer)
        return self.source.read_bytes()

    def location(self, _name: str) -> str:
        """Its path."""
        return str(self.source)


class Loose:
    """Files given one by one, and those beside them that they name.

    Parameters
    ----------
    given
        Paths, each with where the request names it.
    """

    def __init__(self, given: list[tuple[Path, str]]) -> None:
        self.entries = tuple(
            Entry(Single(path, pointer), path.name, pointer) for path, pointer in given
        )

    def find(self, href: str, beside: Entry) -> Entry | None:
        """The file of that path beside another, else the only one of that name that was given."""
        path = _on_disk(beside.members.source.parent, href)
        if path is not None:
            for entry in self.entries:
                if entry.members.source == path:
                    return entry
            return Entry(Single(path, beside.pointer), path.name, beside.pointer)
        base = PurePosixPath(href).name.casefold()
        same = [entry for entry in self.entries if entry.base.casefold() == base]
        return same[0] if len(same) == 1 else None


def _on_disk(folder: Path, href: str) -> Path | None:
    """A plain file below a folder, in letters of any case; links lead elsewhere and are none."""
    parts = PurePosixPath(href).parts
    if not parts or href.startswith("/") or ".." in parts:
        return None
    path = folder
    for part in parts:
        exact = path / part
        try:
            found = exact if exact.exists() else _same_but_for_case(path, part)
        except (OSError, ValueError):
            return None
        if found is None or found.is_symlink():
            return None
        path = found
    return path if path.is_file() else None


def _same_but_for_case(folder: Path, name: str) -> Path | None:
    if not folder.is_dir():
        return None
    key = name.casefold()
    return next((path for path in folder.iterdir() if path.name.casefold() == key), None)
