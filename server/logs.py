"""The server's own log: lines of text or of JSON, to stderr or to a file of bounded size.

No line holds the query of an address, a header or a body: secrets stand there.
"""

import fcntl
import json
import logging
import os
import sys
import threading
from contextvars import ContextVar
from datetime import UTC, datetime
from pathlib import Path

from server.settings import Settings

FIELDS = ("request", "user", "job", "client", "route", "method", "status", "duration_s")
"""What a record may carry beside its message (``extra=``)."""

request_id: ContextVar[str] = ContextVar("request_id", default="")
"""Id of the request that is being answered; "" outside of one."""

_CONTROLS = {number: f"\\x{number:02x}" for number in (*range(32), 127)}
_PRIVATE = 0o600


def install(settings: Settings) -> None:
    """Let all records of this process go where the settings say."""
    file = settings.log_file
    handler: logging.Handler = (
        logging.StreamHandler(sys.stderr) if file is None else CappedFile(file, settings.log_limit)
    )
    handler.setFormatter(JsonLines() if settings.log_format == "json" else TextLines())
    handler.addFilter(_with_request)
    root = logging.getLogger()
    for present in root.handlers[:]:
        root.removeHandler(present)
    root.addHandler(handler)
    root.setLevel(logging.INFO)


def _with_request(record: logging.LogRecord) -> bool:
    if not hasattr(record, "request"):
        record.request = request_id.get()
    return True


def _fields(record: logging.LogRecord) -> dict[str, object]:
    """Those of `FIELDS` that are known."""
    found = {name: getattr(record, name, None) for name in FIELDS}
    return {name: value for name, value in found.items() if value not in (None, "")}


class TextLines(logging.Formatter):
    """Lines for people; nothing in a message can begin a line of its own."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(process)d %(levelname)s %(name)s: %(message)s")

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 -- logging's name
        """The line before a traceback."""
        told = "".join(f" {name}={value}" for name, value in _fields(record).items())
        return (super().formatMessage(record) + told).translate(_CONTROLS)


class JsonLines(logging.Formatter):
    """Lines for programs: one JSON object each."""

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
        moment = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        line: dict[str, object] = {
            "time": moment.replace("+00:00", "Z"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "process": record.process,
            "message": record.getMessage(),
            **_fields(record),
        }
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str)


class CappedFile(logging.Handler):
    """A log file that several processes write; full, it becomes ``NAME.1`` and a new one begins.

    Parameters
    ----------
    path
        The file.
    limit
        Bytes of both files together.
    """

    def __init__(self, path: Path, limit: int) -> None:
        super().__init__()
        self._path = path
        self._half = limit // 2
        self._writing = threading.Lock()
        for folder in reversed([folder for folder in path.parents if not folder.exists()]):
            folder.mkdir(0o700, exist_ok=True)

    def emit(self, record: logging.LogRecord) -> None:
        """Write the record."""
        try:
            line = self.format(record).encode("utf-8", "backslashreplace")[: self._half - 1] + b"\n"
            # The lock file stays, so that whoever holds it holds it for the present log file.
            with self._writing, open(f"{self._path}.lock", "a", opener=_private) as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)
                self._write(line)
        except Exception:
            self.handleError(record)

    def _write(self, line: bytes) -> None:
        if self._path.exists() and self._path.stat().st_size + len(line) > self._half:
            self._path.replace(f"{self._path}.1")
        with open(self._path, "ab", opener=_private) as stream:
            stream.write(line)


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, _PRIVATE)
