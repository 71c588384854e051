"""Folders, zip and tar files of a product, read without trust.

Links, devices, absolute paths, ``..``, doubled names, nested and encrypted archives are refused in
all three.  What a member unpacks to is counted while it is unpacked, whatever its header says.
"""

import bz2
import errno
import gzip
import hashlib
import io
import lzma
import shutil
import stat
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import IO, Any, Protocol

from core.errors import SourceTooLarge
from core.io.archive_checks import HEAD, MAX_MEMBERS, Checks, bad, check_head, shown

MAX_UNPACKED = 16 << 30
"""Bytes that an archive may unpack to, by default."""

Wanted = Callable[[str], bool]
"""Whether a member is needed; others of a tar file are checked but not unpacked."""


class Members(Protocol):
    """The files of a product, by their paths inside it."""

    @property
    def names(self) -> tuple[str, ...]:
        """Paths of the files, with ``/``, sorted."""

    @property
    def source(self) -> Path:
        """The archive, or the folder."""

    def size(self, name: str) -> int:
        """Bytes of a file, unpacked."""

    def read(self, name: str, limit: int) -> bytes:
        """A small file as a whole; refuses what is larger than `limit` bytes."""

    def location(self, name: str) -> str:
        """A path that GDAL opens."""


def members(
    path: Path,
    scratch: Path,
    wanted: Wanted,
    *,
    pointer: str = "",
    max_unpacked: int = MAX_UNPACKED,
) -> Members | None:
    """The files of a folder or archive; None if `path` is neither.

    Parameters
    ----------
    path
        A local folder or file.
    scratch
        Folder into which a tar file's wanted members are unpacked.
    wanted
        Tells by the name whether a member will be needed.
    pointer
        Where the request names the product.
    max_unpacked
        Bytes that an archive may unpack to.
    """
    if path.is_dir():
        return Folder(path, pointer)
    with path.open("rb") as file:
        head = file.read(512)
    if head.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        return _checked_zip(path, pointer, max_unpacked)
    opener = _opener(head)
    if opener is None:
        return None
    folder = scratch / f"unpacked-{hashlib.sha256(str(path).encode()).hexdigest()[:16]}"
    shutil.rmtree(folder, ignore_errors=True)
    checks = Checks(path.stat().st_size, max_unpacked, pointer)
    _unpack_tar(path, opener, folder, wanted, checks)
    return Folder(folder, pointer, archive=path)


class Folder:
    """A folder on this machine; a link in it is refused wherever it leads."""

    def __init__(self, root: Path, pointer: str, *, archive: Path | None = None) -> None:
        self.source = archive or root
        self._root = root
        self._pointer = pointer
        names = []
        for folder, subfolders, files in root.walk():
            for name in (*subfolders, *files):
                entry = folder / name
                if entry.is_symlink() or not (entry.is_file() or entry.is_dir()):
                    raise bad(f"holds {name!r}, which is a link or no plain file", pointer)
            names += [(folder / name).relative_to(root).as_posix() for name in files]
            if len(names) > MAX_MEMBERS:
                raise bad(f"holds more than {MAX_MEMBERS} files", pointer)
        self.names = tuple(sorted(names))

    def size(self, name: str) -> int:
        """Bytes of a file."""
        return (self._root / name).stat().st_size

    def read(self, name: str, limit: int) -> bytes:
        """A small file as a whole."""
        if self.size(name) > limit:
            raise _too_large(name, limit, self._pointer)
        return (self._root / name).read_bytes()

    def location(self, name: str) -> str:
        """The file's path."""
        return str(self._root / name)


class Zip:
    """A zip file, read in place."""

    def __init__(self, path: Path, pointer: str, max_unpacked: int = MAX_UNPACKED) -> None:
        self.source = path
        self._pointer = pointer
        with _reading(pointer), zipfile.ZipFile(path) as file:
            entries = file.infolist()
        _check_entries(entries, path.stat().st_size, max_unpacked, pointer)
        self._sizes = {e.filename: e.file_size for e in entries if not e.is_dir()}
        self.names = tuple(sorted(self._sizes))

    def size(self, name: str) -> int:
        """Bytes of a file, unpacked, as the directory says."""
        return self._sizes[name]

    def read(self, name: str, limit: int) -> bytes:
        """A small file as a whole."""
        with _reading(self._pointer), zipfile.ZipFile(self.source) as file, file.open(name) as part:
            data = part.read(limit + 1)
        if len(data) > limit:
            raise _too_large(name, limit, self._pointer)
        return data

    def location(self, name: str) -> str:
        """The member's path for GDAL; the braces allow any name of the archive."""
        return f"/vsizip/{{{self.source}}}/{name}"


def _checked_zip(path: Path, pointer: str, max_unpacked: int) -> Zip:
    """A zip whose members are no archives, whatever they are called."""
    files = Zip(path, pointer, max_unpacked)
    with _reading(pointer), zipfile.ZipFile(path) as file:
        for name in files.names:
            if files.size(name):
                with file.open(name) as part:
                    check_head(part.read(HEAD), name, pointer)
    return files


def unpack_member(location: str, path: Path, *, pointer: str = "") -> None:
    """Unpack the member of a zip, named as :meth:`Zip.location` does, into a file."""
    archive, name = split(location)
    with _reading(pointer), zipfile.ZipFile(archive) as file:
        left = file.getinfo(name).file_size
        with file.open(name) as part, path.open("wb") as target:
            while block := part.read(1 << 20):
                left -= len(block)
                if left < 0:
                    raise bad(f"holds {name!r}, which is larger than it says", pointer)
                target.write(block)


@contextmanager
def unpacked(location: str, path: Path, *, pointer: str = "") -> Iterator[str]:
    """What GDAL opens quickly: a member of a zip lies at `path` as long as it is needed."""
    if not location.startswith("/vsizip/"):
        yield location
        return
    try:
        unpack_member(location, path, pointer=pointer)
        yield str(path)
    finally:
        path.unlink(missing_ok=True)


def split(location: str) -> tuple[Path, str]:
    """The archive and the member that a ``/vsizip/{archive}/member`` path names."""
    archive, _, name = location.removeprefix("/vsizip/{").partition("}/")
    return Path(archive), name


def read_location(location: str, limit: int, *, pointer: str = "") -> bytes:
    """A small file as a whole, named as :meth:`Members.location` does."""
    if location.startswith("/vsizip/"):
        archive, name = split(location)
        return Zip(archive, pointer).read(name, limit)
    path = Path(location)
    if path.stat().st_size > limit:
        raise _too_large(path.name, limit, pointer)
    return path.read_bytes()


def _too_large(name: str, limit: int, pointer: str) -> SourceTooLarge:
    return SourceTooLarge(
        f"{PurePosixPath(name).name} is larger than {limit >> 20} MiB.", pointer=pointer
    )


@contextmanager
def _reading(pointer: str) -> Iterator[None]:
    try:
        yield
    except (
        zipfile.BadZipFile,
        tarfile.TarError,
        zlib.error,
        lzma.LZMAError,
        EOFError,
        NotImplementedError,
        # What the unpackers let through of malformed numbers, sparse maps and chains of headers.
        ValueError,
        OverflowError,
        LookupError,
        RecursionError,
        struct.error,
    ) as error:
        raise bad("is damaged or truncated", pointer) from error
    except OSError as error:
        # The unpackers say "invalid data" without a number, and the system EINVAL where a zip
        # points before its begin; a full disk has another one.
        if error.errno not in (None, errno.EINVAL):
            raise
        raise bad("is damaged or truncated", pointer) from error


def _check_entries(
    entries: list[zipfile.ZipInfo], packed: int, max_unpacked: int, pointer: str
) -> None:
    checks = Checks(packed, max_unpacked, pointer)
    # Entries that share their bytes are a bomb whose size no single one shows.
    if sum(entry.compress_size for entry in entries) > packed:
        raise bad("has members that overlap", pointer)
    for entry in entries:
        mode = entry.external_attr >> 16
        if stat.S_IFMT(mode) not in (0, stat.S_IFREG, stat.S_IFDIR):
            raise bad(f"holds {shown(entry.filename)}, which is a link or a device", pointer)
        if entry.flag_bits & 0x1:
            raise bad("is encrypted", pointer)
        if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise bad("is packed with an unusual method", pointer)
        checks.name(entry.filename, folder=entry.is_dir())
        checks.size(entry.file_size)


def _opener(head: bytes) -> Callable[[Path], Any] | None:
    """How a tar file that begins with `head` is unpacked; None if it is none."""
    if head.startswith(b"\x1f\x8b"):
        return gzip.open
    if head.startswith(b"BZh"):
        return bz2.open
    if head.startswith(b"\xfd7zXZ\0"):
        return lzma.open
    return io.FileIO if head[257:262] == b"ustar" else None


class _Metered(io.RawIOBase):
    """A stream that ends in an error beyond what the members accepted so far account for.

    The headers of a tar file may themselves be as large as they like.
    """

    SLACK = 1 << 20

    def __init__(self, stream: IO[bytes], pointer: str) -> None:
        self._stream = stream
        self._pointer = pointer
        self._position = 0
        self.accounted = 0

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1, /) -> bytes:
        data = self._stream.read(size)
        self._position += len(data)
        if self._position > self.accounted + self.SLACK:
            raise bad("has headers of an unusual size", self._pointer)
        return data


def _unpack_tar(
    path: Path, opener: Callable[[Path], Any], folder: Path, wanted: Wanted, checks: Checks
) -> None:
    pointer = checks.pointer
    with _reading(pointer), opener(path) as stream:
        metered = _Metered(stream, pointer)
        with tarfile.open(fileobj=metered, mode="r|") as tar:
            for member in tar:
                checks.name(member.name, folder=member.isdir())
                if not (member.isreg() or member.isdir()) or member.issparse():
                    raise bad(f"holds {shown(member.name)}, which is a link or a device", pointer)
                checks.size(member.size)
                metered.accounted = member.offset_data + member.size
                part = tar.extractfile(member)
                if part is None:
                    continue
                with part:
                    head = part.read(HEAD)
                    check_head(head, member.name, pointer)
                    if wanted(member.name):
                        _unpack_one(head, part, folder / PurePosixPath(member.name))


def _unpack_one(head: bytes, rest: IO[bytes], target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    with target.open("xb") as file:
        file.write(head)
        shutil.copyfileobj(rest, file, 1 << 20)
