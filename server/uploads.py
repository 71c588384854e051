"""Taking a file from a request: streamed to disk, counted, whole or not at all."""

import errno
import hashlib
import io
import os
import re
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import IO, BinaryIO, cast

from flask import Request
from werkzeug.formparser import FormDataParser
from werkzeug.http import parse_options_header

from server.errors import BadRequest, BodyTooLarge, ServerFull, UnsupportedMediaType
from server.incoming import within
from server.jobs.models import Upload

TYPES = ("application/octet-stream", "multipart/form-data")
CHUNK = 1 << 18
PIECE_S = 60.0
"""Seconds in which each piece of a file, `CHUNK` at most, has to arrive: a byte now and then would
hold a thread for as long as the client likes."""
SPACE_CHECK = 64 << 20
"""Bytes between two looks at the free space."""

_FORM_OVERHEAD = 1 << 16
_FORM_MEMORY = 1 << 20
"""Bytes that the form parser may hold: several of its reads of 64 KiB, since it keeps back what may
be the beginning of a boundary."""
_LONGEST_NAME, _LONGEST_ENDING = 200, 20
"""Bytes; Linux takes 255 for a whole name."""
_NAME = re.compile(r"[^\w.()+@=-]+")


@dataclass(frozen=True)
class Limits:
    """How much is taken.

    Parameters
    ----------
    size
        Bytes of one file.
    free
        Bytes that stay free on the disk.
    keep
        How long the file is kept.
    """

    size: int
    free: int
    keep: timedelta


def receive(incoming: Request, folder: Path, limits: Limits, owner: str) -> Upload:
    """Write the file in a request into `folder`, as ``ID/NAME``: readers look at the name, too.

    Raises
    ------
    UnsupportedMediaType, BadRequest, BodyTooLarge, ServerFull
        Nothing is left behind then.
    """
    if incoming.mimetype not in TYPES or incoming.content_encoding:
        raise UnsupportedMediaType(
            "A file has to be sent as application/octet-stream, or in a multipart/form-data form.",
            value=incoming.headers.get("Content-Type", "")[:100],
            allowed=", ".join(TYPES),
        )
    if (incoming.content_length or 0) > limits.size + _FORM_OVERHEAD:
        raise _too_large(limits)
    upload_id = str(uuid.uuid4())
    body = _Body(incoming)
    with _whole_or_nothing(folder / upload_id, limits) as sink:
        take = _plain if incoming.mimetype == TYPES[0] else _from_form
        name = take(incoming, body, sink)
        body.check_complete()
        if sink.size == 0:
            raise BadRequest("The file is empty, or there is none in the request.")
        path = sink.keep_as(name)
    now = datetime.now(UTC)
    return Upload(
        id=upload_id,
        owner=owner,
        name=name,
        path=path,
        size=sink.size,
        sha256=sink.checksum.hexdigest(),
        created=now,
        expires=now + limits.keep,
    )


def plain_name(given: str | None) -> str:
    r"""The last part of a file name as a client gave it, without what means something to a shell.

    Examples
    --------
    >>> plain_name("C:\\images\\a b.tif"), plain_name("../../etc/passwd"), plain_name(None)
    ('a_b.tif', 'passwd', 'upload')
    """
    last = re.split(r"[/\\]", given or "")[-1]
    return _cut(_NAME.sub("_", last).strip("._")) or "upload"


def _cut(name: str) -> str:
    """A name that file systems take, which count bytes; readers look at its ending."""
    if len(name.encode()) <= _LONGEST_NAME:
        return name
    stem, dot, ending = name.rpartition(".")
    if not stem or len(ending.encode()) > _LONGEST_ENDING:
        stem, dot, ending = name, "", ""
    room = _LONGEST_NAME - len((dot + ending).encode())
    return stem.encode()[:room].decode(errors="ignore") + dot + ending


class _Body(io.RawIOBase):
    """The body of a request, counted.

    gunicorn ends it without a word where the client went away, so its length has to be compared
    with what was announced.  One in chunks that breaks off raises by itself.
    """

    def __init__(self, incoming: Request) -> None:
        # Not every server ends a body in chunks; reading on would wait for the next request.
        endless = "wsgi.input_terminated" not in incoming.environ
        self._announced = incoming.content_length or (0 if endless else incoming.content_length)
        self._environ = incoming.environ
        self._stream = incoming.environ["wsgi.input"]
        self._taken = 0

    def readable(self) -> bool:
        """It is read."""
        return True

    def read(self, size: int = CHUNK) -> bytes:
        """The next bytes, at most `size`; none at the end."""
        left = size if self._announced is None else min(size, self._announced - self._taken)
        try:
            with within(self._environ, PIECE_S):
                data: bytes = self._stream.read(left) if left > 0 else b""
        except OSError as error:
            raise _broken_off() from error
        self._taken += len(data)
        return data

    def check_complete(self) -> None:
        """Refuse a body that ended before it should."""
        if self._announced is not None and self._taken < self._announced:
            raise _broken_off()


class _Sink:
    """A file being written: counted, summed, within limits."""

    def __init__(self, file: BinaryIO, limits: Limits) -> None:
        self.size = 0
        self.checksum = hashlib.sha256()
        self._file = file
        self._limits = limits
        self._looked = 0

    def write(self, data: bytes) -> int:
        self.size += len(data)
        if self.size > self._limits.size:
            raise _too_large(self._limits)
        if self.size - self._looked >= SPACE_CHECK:
            self._looked = self.size
            if shutil.disk_usage(self._file.name).free < self._limits.free:
                raise ServerFull("The server is short of disk space; the file was not kept.")
        self.checksum.update(data)
        return self._file.write(data)

    def seek(self, _offset: int, _whence: int = 0) -> int:
        """Nothing: the form parser rewinds what it has written, which is read no more."""
        return 0

    def close(self) -> None:
        """Nothing: the file is closed by who opened it."""

    def keep_as(self, name: str) -> Path:
        """Give the complete file its name beside the present one."""
        self._file.flush()
        os.fsync(self._file.fileno())
        path = Path(self._file.name)
        return path.rename(path.with_name(name))


@contextmanager
def _whole_or_nothing(folder: Path, limits: Limits) -> Iterator[_Sink]:
    folder.mkdir(parents=True, mode=0o700)
    try:
        # The name of no file: `plain_name` begins with no dot.
        with (folder / ".part").open("xb") as file:
            yield _Sink(file, limits)
    except BaseException as error:
        shutil.rmtree(folder, ignore_errors=True)
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise ServerFull("The server's disk is full; the file was not kept.") from error
        raise


def _plain(incoming: Request, body: _Body, sink: _Sink) -> str:
    while chunk := body.read(CHUNK):
        sink.write(chunk)
    _, options = parse_options_header(incoming.headers.get("Content-Disposition"))
    return plain_name(incoming.args.get("name") or options.get("filename"))


def _from_form(incoming: Request, body: _Body, sink: _Sink) -> str:
    names: list[str | None] = []

    def target(
        total_content_length: int | None,  # noqa: ARG001
        content_type: str | None,  # noqa: ARG001
        filename: str | None,
        content_length: int | None = None,  # noqa: ARG001
    ) -> IO[bytes]:
        names.append(filename)
        if len(names) > 1:
            raise BadRequest("One file at a time: the form has several.")
        return cast("IO[bytes]", sink)

    parser = FormDataParser(
        stream_factory=target,
        max_form_memory_size=_FORM_MEMORY,
        max_form_parts=20,
        silent=False,
    )
    try:
        parser.parse(
            cast("IO[bytes]", body),
            incoming.mimetype,
            incoming.content_length,
            incoming.mimetype_params,
        )
    except ValueError as error:
        body.check_complete()
        raise BadRequest("The multipart form cannot be read.") from error
    return plain_name(names[0] if names else None)


def _broken_off() -> BadRequest:
    return BadRequest(
        "The connection ended before the whole file was there, "
        f"or a piece of it took longer than {PIECE_S:.0f} s.",
        allowed=f"{CHUNK // 1024} KiB within {PIECE_S:.0f} s",
    )


def _too_large(limits: Limits) -> BodyTooLarge:
    return BodyTooLarge(
        f"The file is larger than the {limits.size} bytes that this server takes.",
        allowed=f"at most {limits.size} bytes",
    )
