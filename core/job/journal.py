"""What a job tells while it runs: status, heartbeat, two logs, and at last its result."""

import contextlib
import json
import logging
import os
import re
import shutil
import threading
import time
from datetime import UTC, datetime
from pathlib import Path

from core.job.ending import Ending, now
from core.job.interruption import Interruption
from core.workspace import write_whole

STATUS = "status.json"
RESULT = "result.json"
HEARTBEAT = "heartbeat"
LOG = "log.txt"
OPERATOR_LOG = "operator.log"

TICK = 0.5
"""Seconds between heartbeats."""
PACE = 0.25
"""Seconds that lie at least between two writings of the status."""
LOG_KEPT = 100_000
"""Bytes of each log that are kept, the last ones; a log grows to twice as many before it is cut."""
RESERVE = 1 << 16
"""Bytes kept for ``result.json``, so that a full disk can still be reported."""

_FOLDERS = re.compile(r"(?<![\w:/.])/(?:[^\s/'\"<>:,;]+/+)+")


class Journal:
    """Keeps the files by which others see a running job.

    Used as a context manager; :meth:`close` has the last word.

    Parameters
    ----------
    directory
        The job's directory.
    interruption
        Asked at every report whether the job has to stop.
    attached
        Stop the job when the process that started it is gone.
    """

    def __init__(
        self, directory: Path, interruption: Interruption, *, attached: bool = False
    ) -> None:
        self.directory = directory
        self._interruption = interruption
        self._parent = os.getppid() if attached else 0
        self._lock = threading.Lock()
        self._over = threading.Event()
        self._fraction = 0.0
        self._message = "starting"
        self._written = 0.0
        self._stale = True
        self._pulse = threading.Thread(target=self._beat, name="heartbeat", daemon=True)
        self._handlers: list[logging.Handler] = []

    def __enter__(self) -> "Journal":
        reserve(self.directory)
        self._handlers = [_user_log(self.directory), _operator_log(self.directory)]
        root = logging.getLogger()
        self._level = root.level
        root.setLevel(logging.INFO)
        for handler in self._handlers:
            root.addHandler(handler)
        (self.directory / HEARTBEAT).touch()
        self._write_status()
        self._pulse.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._pulse.join()
        root = logging.getLogger()
        root.setLevel(self._level)
        for handler in self._handlers:
            root.removeHandler(handler)
            handler.close()
        self._cut_logs(LOG_KEPT)

    def listen(self, fraction: float, message: str) -> None:
        """Take a report of progress, a :data:`core.progress.Listener`; it never goes backwards."""
        self._interruption.check()
        with self._lock:
            self._fraction = max(self._fraction, fraction)
            self._message = message
            self._stale = True
            if time.monotonic() - self._written >= PACE:
                self._write_status()

    def close(self, ending: Ending) -> None:
        """Write ``result.json``, whole, as the last of all files.

        Scratch files go before; a job that did not succeed leaves no outputs either.
        """
        _empty(self.directory / "scratch")
        if ending.status != "successful":
            _empty(self.directory / "output")
        content = json.dumps(ending.as_dict(), ensure_ascii=False, allow_nan=False).encode()
        reserved = self.directory / f".{RESULT}"
        with reserved.open("r+b") as stream:
            stream.write(content)
            stream.truncate()
            stream.flush()
            os.fsync(stream.fileno())
        reserved.rename(self.directory / RESULT)

    def _beat(self) -> None:
        while not self._over.wait(TICK):
            # Both may fail on a full or vanished disk, which the job itself will notice.
            try:
                os.utime(self.directory / HEARTBEAT)
            except OSError:
                continue
            with self._lock:
                if self._stale:
                    self._write_status()
            self._cut_logs(2 * LOG_KEPT)
            if self._parent and os.getppid() != self._parent:
                self._parent = 0
                self._interruption.want()

    def _cut_logs(self, longest: int) -> None:
        for name in (LOG, OPERATOR_LOG):
            # On a full or vanished disk too, that is for the job to notice.
            with contextlib.suppress(OSError):
                cut(self.directory / name, longest)

    def _write_status(self) -> None:
        status = {
            "progress": int(100 * self._fraction),
            "message": self._message,
            "updated": now(),
        }
        try:
            write_whole(self.directory / STATUS, json.dumps(status).encode())
        except OSError:
            return
        self._written = time.monotonic()
        self._stale = False


class _ForUsers(logging.Formatter):
    """Messages without tracebacks, and without the folders of this machine."""

    def format(self, record: logging.LogRecord) -> str:
        moment = datetime.fromtimestamp(record.created, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        return f"{moment} {record.levelname.lower()}: {without_folders(record.getMessage())}"


def without_folders(text: str) -> str:
    """The text with absolute paths cut down to their last name; addresses are kept.

    >>> without_folders("cannot read /srv/jobs/4/a.tif of https://example.org/b/a.tif")
    'cannot read a.tif of https://example.org/b/a.tif'
    """
    return _FOLDERS.sub("", text)


def cut(path: Path, longest: int = LOG_KEPT) -> None:
    """Shorten a log that is longer than `longest` to its last lines, `LOG_KEPT` bytes of them.

    It stays the same file, since programs that were started for the job append to it by themselves.
    """
    if path.is_symlink() or not path.is_file() or path.stat().st_size <= longest:
        return
    with path.open("r+b") as stream:
        stream.seek(-LOG_KEPT, os.SEEK_END)
        tail = stream.read()
        kept = tail[tail.find(b"\n") + 1 :]
        stream.seek(0)
        stream.write(kept)
        stream.truncate()


def _user_log(directory: Path) -> logging.Handler:
    handler = logging.FileHandler(directory / LOG, encoding="utf-8", errors="backslashreplace")
    handler.setFormatter(_ForUsers())
    handler.addFilter(logging.Filter("core"))
    return handler


def _operator_log(directory: Path) -> logging.Handler:
    handler = logging.FileHandler(
        directory / OPERATOR_LOG, encoding="utf-8", errors="backslashreplace"
    )
    handler.setFormatter(
        logging.Formatter("%(asctime)s %(process)d %(levelname)s %(name)s: %(message)s")
    )
    return handler


def reserve(directory: Path) -> None:
    """Take the disk space that the result will need, if it is not taken yet."""
    path = directory / f".{RESULT}"
    if path.exists():
        return
    with path.open("wb") as stream:
        stream.write(bytes(RESERVE))
        stream.flush()
        os.fsync(stream.fileno())


def _empty(folder: Path) -> None:
    for entry in folder.iterdir() if folder.is_dir() else ():
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry, ignore_errors=True)
        else:
            entry.unlink(missing_ok=True)
