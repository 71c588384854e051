"""Whether a file of pixels is all there, told from its structure without decoding anything.

GDAL opens images that end too early, and fails or reads zeros only where the pixels are needed.
"""

import struct
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from core.errors import BadRaster
from core.io.archives import split

SEEKABLE = 64 << 20
"""Bytes of a packed member up to which it is unpacked only to be checked."""
JP2_HEAD = b"\x00\x00\x00\x0cjP  "
CODESTREAM_HEAD = b"\xff\x4f\xff\x51"
_START_OF_TILE = 0xFF90
_END = b"\xff\xd9"


def check_whole(location: str, name: str, *, pointer: str = "") -> None:
    """Refuse a JPEG 2000 or NITF file that ends before it should.

    Large packed members of a zip are left to the moment when they are unpacked.
    """
    size = _cheap_size(location)
    if size is None:
        return
    with _opened(location) as file:
        head = file.read(16)
        if head.startswith(JP2_HEAD):
            whole = _jp2_is_whole(file, size)
        elif head.startswith(CODESTREAM_HEAD):
            whole = _codestream_is_whole(file, 0, size)
        elif head.startswith(b"NITF02.10"):
            file.seek(342)
            length = file.read(12)
            whole = length.isdigit() and int(length) <= size
        else:
            return
    if not whole:
        raise truncated(name, pointer)


def check_blocks(dataset: Any, size: int, name: str, *, pointer: str = "") -> None:
    """Refuse a TIFF whose last blocks lie beyond its end."""
    rows, cols = dataset.block_shapes[0]
    last = (dataset.height - 1) // rows
    for band in {1, dataset.count}:
        for across in range(-(-dataset.width // cols)):
            where = [
                dataset.get_tag_item(f"BLOCK_{what}_{across}_{last}", "TIFF", bidx=band)
                for what in ("OFFSET", "SIZE")
            ]
            if None not in where and sum(map(int, where)) > size:
                raise truncated(name, pointer)


def truncated(name: str, pointer: str) -> BadRaster:
    """The error for a file that ends too early."""
    return BadRaster(
        f"{name} is truncated: it ends before its last pixels.",
        pointer=pointer,
        allowed="the file as it was delivered",
    )


def _cheap_size(location: str) -> int | None:
    """Bytes of a file in which one can jump; None where that means to unpack much."""
    if not location.startswith("/vsizip/"):
        return Path(location).stat().st_size
    archive, member = split(location)
    with zipfile.ZipFile(archive) as packed:
        entry = packed.getinfo(member)
    stored = entry.compress_type == zipfile.ZIP_STORED
    return entry.file_size if stored or entry.file_size <= SEEKABLE else None


@contextmanager
def _opened(location: str) -> Iterator[IO[bytes]]:
    if not location.startswith("/vsizip/"):
        with Path(location).open("rb") as file:
            yield file
        return
    archive, member = split(location)
    with zipfile.ZipFile(archive) as packed, packed.open(member) as part:
        yield part


def _jp2_is_whole(file: IO[bytes], size: int) -> bool:
    """Follow the boxes to the code stream, and that to its end."""
    place = 0
    while place + 8 <= size:
        file.seek(place)
        head = file.read(16)
        length, kind = struct.unpack(">I4s", head[:8])
        start = 8
        if length == 1:
            if len(head) < 16:
                return False
            (length,) = struct.unpack(">Q", head[8:])
            start = 16
        end = size if length == 0 else place + length
        if end > size or end < place + start:
            return False
        if kind == b"jp2c":
            return _codestream_is_whole(file, place + start, end)
        place = end
    return False


def _codestream_is_whole(file: IO[bytes], start: int, end: int) -> bool:
    """Follow the lengths of the tile parts; the last one ends where the stream does."""
    place = start + 2
    while place + 2 <= end:
        file.seek(place)
        head = file.read(12)
        if head[:2] == _END:
            return True
        if len(head) < 12:
            return False
        marker, length = struct.unpack(">HH", head[:4])
        if marker == _START_OF_TILE:
            (part,) = struct.unpack(">I", head[6:10])
            if part == 0:
                file.seek(end - 2)
                return file.read(2) == _END
            length = part - 2
        if length < 2:
            return False
        place += 2 + length
    return False
