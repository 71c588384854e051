"""How a job ended, and which ending an exception stands for."""

import errno
import shutil
import traceback
import uuid
from collections.abc import Iterator
from concurrent.futures import BrokenExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from core.errors import (
    Cancelled,
    DiskFull,
    InputError,
    Internal,
    LimitReached,
    OptiGroundError,
    WorkerLost,
    problems_of,
)

NO_SPACE = {errno.ENOSPC, errno.EDQUOT}
SPARE = 1 << 20
"""Bytes; with less left on the disk, an error without a reason of its own is a full disk."""


@dataclass(frozen=True)
class Ending:
    """The last word on a job, as it stands in ``result.json``.

    Parameters
    ----------
    status
        ``successful``, ``failed`` or ``dismissed``.
    message
        One sentence for the user.
    outputs
        Value, file or files by output id.
    problems
        What was wrong, each as :meth:`core.errors.Problem.as_dict`.
    error_id
        Under which the operator's log tells more.
    refused
        Whether it failed because of the input, so that trying again cannot help.
    """

    status: str
    message: str
    outputs: dict[str, Any] = field(default_factory=dict)
    problems: tuple[dict[str, Any], ...] = ()
    error_id: str | None = None
    refused: bool = False

    @property
    def exit_code(self) -> int:
        """0 successful, 2 refused input, 1 anything else."""
        return 0 if self.status == "successful" else 2 if self.refused else 1

    def as_dict(self) -> dict[str, Any]:
        """The content of ``result.json``, dated now."""
        return {**vars(self), "problems": list(self.problems), "finished": now()}


def ending_of(error: BaseException, directory: Path) -> Ending:
    """The ending that an exception means; never tells a path or a line of code."""
    known = _known(error, directory)
    if isinstance(known, Cancelled):
        return Ending("dismissed", known.message)
    return Ending(
        "failed",
        known.message,
        problems=tuple(problem.as_dict() for problem in problems_of(known)),
        error_id=str(known.value) if isinstance(known, Internal) else None,
        refused=isinstance(known, InputError),
    )


def _known(error: BaseException, directory: Path) -> OptiGroundError:
    causes = tuple(_causes(error))
    if any(isinstance(cause, Cancelled | KeyboardInterrupt) for cause in causes):
        return Cancelled("The job was stopped.")
    if any(_is_no_space(cause) for cause in causes):
        return _disk_full()
    if isinstance(error, OptiGroundError):
        return error
    if any(isinstance(cause, MemoryError) for cause in causes):
        return LimitReached("The job needed more memory than there is.")
    if any(isinstance(cause, OSError) and cause.errno == errno.EFBIG for cause in causes):
        return LimitReached("A file was about to become larger than it may.")
    if any(_is_lost_worker(cause) for cause in causes):
        return WorkerLost("A process that worked on a part of the job was lost.")
    if shutil.disk_usage(directory).free < SPARE:
        return _disk_full()
    error_id = uuid.uuid4().hex[:12]
    return Internal(
        f"Something went wrong on our side; the operator finds it under {error_id}.",
        value=error_id,
    )


def _disk_full() -> DiskFull:
    return DiskFull("The disk is full: there is no space left for the job's files.")


def _is_no_space(error: BaseException) -> bool:
    if isinstance(error, OSError) and error.errno in NO_SPACE:
        return True
    return "no space left on device" in str(error).lower()


def _is_lost_worker(error: BaseException) -> bool:
    # Dask's own class is known by its name, so that it need not be imported.
    return isinstance(error, BrokenExecutor) or type(error).__name__ == "KilledWorker"


def _causes(error: BaseException) -> Iterator[BaseException]:
    """The exception and those that it arose from."""
    seen: set[int] = set()
    found: BaseException | None = error
    while found is not None and id(found) not in seen:
        seen.add(id(found))
        yield found
        found = found.__cause__ or (None if found.__suppress_context__ else found.__context__)


def is_file(value: object) -> bool:
    """Whether a value among the outputs in ``result.json`` stands for a file."""
    return isinstance(value, dict) and {"path", "sha256"} <= value.keys()


def now() -> str:
    """The present moment in UTC as records show it."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def told_in_full(error: BaseException) -> str:
    """The traceback, for the operator."""
    return "".join(traceback.format_exception(error))
