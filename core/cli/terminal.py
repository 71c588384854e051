"""What people see: a live line on a terminal, plain lines elsewhere; problems, one a line."""

import shutil
import sys
from collections.abc import Iterable, Mapping
from typing import Any, TextIO

BAR = 20
STEP = 5
"""Percent between two plain lines of the same message."""


class ProgressLine:
    """Shows how far a job is.

    Parameters
    ----------
    stream
        Where to; a live line if it is a terminal.
    """

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = sys.stderr if stream is None else stream
        self._live = self._stream.isatty()
        self._shown = ""
        self._percent = -STEP

    def show(self, status: Mapping[str, Any]) -> None:
        """Show the content of ``status.json``."""
        percent, message = int(status["progress"]), str(status["message"])
        if self._live:
            self._rewrite(percent, message)
        elif percent >= self._percent + STEP or _step(message) != _step(self._shown):
            self._write(f"{percent:3d} % {message}\n")
            self._percent = percent
        self._shown = message

    def end(self) -> None:
        """Take the live line away."""
        if self._live and self._shown:
            self._write("\r\x1b[K")

    def _rewrite(self, percent: int, message: str) -> None:
        done = BAR * percent // 100
        line = f"[{'#' * done}{'.' * (BAR - done)}] {percent:3d} % {message}"
        width = shutil.get_terminal_size().columns - 1
        self._write(f"\r{line[:width]}\x1b[K")

    def _write(self, text: str) -> None:
        self._stream.write(text)
        self._stream.flush()


def _step(message: str) -> str:
    """A message without the number of the tile."""
    return message.partition(", tile")[0]


def complain(problems: Iterable[Mapping[str, Any]]) -> None:
    """Write each problem on a line of standard error."""
    for problem in problems:
        sys.stderr.write(f"optiground: {problem['message']}\n")
