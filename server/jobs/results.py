"""What a job left in its directory: its progress, and its result, which is not trusted blindly.

The process that wrote them has parsed files of strangers.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core.errors import Internal, WorkerLost
from core.job.journal import RESULT, STATUS

_LARGEST = 16 << 20


@dataclass(frozen=True)
class Result:
    """The content of ``result.json``.

    Parameters
    ----------
    status
        ``successful``, ``failed`` or ``dismissed``.
    """

    status: str
    message: str
    outputs: dict[str, Any]
    problems: tuple[dict[str, Any], ...]
    error_id: str | None

    @property
    def lost(self) -> bool:
        """Whether a process that worked on a part of the job was lost."""
        return any(problem.get("code") == WorkerLost.code for problem in self.problems)


def read_result(directory: Path) -> Result | None:
    """The result of an attempt; None if it wrote none.

    Raises
    ------
    Internal
        It is not what a job writes.
    """
    document = _document(directory / RESULT)
    if document is None:
        return None
    outputs = document.get("outputs")
    problems = document.get("problems")
    if not isinstance(outputs, dict) or not isinstance(problems, list):
        raise Internal("The result of the job cannot be read.")
    error_id = document.get("error_id")
    return Result(
        status=str(document.get("status")),
        message=str(document.get("message", "")),
        outputs=outputs,
        problems=tuple(problem for problem in problems if isinstance(problem, dict)),
        error_id=str(error_id)[:64] if error_id else None,
    )


def read_progress(directory: Path) -> tuple[int, str] | None:
    """Percent and message of a running attempt; None if there is nothing to read."""
    try:
        document = _document(directory / STATUS)
    except Internal:
        return None
    if document is None:
        return None
    percent, message = document.get("progress"), document.get("message")
    if not isinstance(percent, int | float) or not isinstance(message, str):
        return None
    return max(0, min(100, int(percent))), message


def check_outputs(directory: Path, outputs: Mapping[str, Any]) -> None:
    """Raise :class:`Internal` unless every file of a result lies in ``output``, whole."""
    folder = (directory / "output").resolve()
    for file in _files(outputs):
        path = folder / str(file["path"])
        inside = path.resolve() == path and path.is_relative_to(folder)
        if not inside or not path.is_file() or path.stat().st_size != file.get("size"):
            raise Internal(f"The file of an output is not there: {path.name}.")


def _files(value: object) -> Iterator[Mapping[str, Any]]:
    if isinstance(value, Mapping) and {"path", "sha256"} <= value.keys():
        yield value
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from _files(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _files(item)


def _document(path: Path) -> dict[str, Any] | None:
    try:
        with path.open("rb") as stream:
            raw = stream.read(_LARGEST + 1)
        document = json.loads(raw) if len(raw) <= _LARGEST else None
    except FileNotFoundError:
        return None
    except (OSError, ValueError, RecursionError) as error:
        raise Internal("A file that the job wrote cannot be read.") from error
    if not isinstance(document, dict):
        raise Internal("A file that the job wrote is not what it should be.")
    return document
