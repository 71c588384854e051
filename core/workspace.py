"""A job's directory: scratch space, checkpoints, and outputs published whole or not at all."""

import hashlib
import os
import shutil
import uuid
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Executor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from threading import Lock
from typing import TYPE_CHECKING

from core.compute import Compute
from core.declare import File, Pipeline
from core.io.checksum import checksum
from core.progress import Progress

if TYPE_CHECKING:
    from core.io.sources import Sources


class Workspace:
    """Folders of one job, all on one file system, so that a rename publishes.

    Parameters
    ----------
    root
        The job's directory; ``scratch/`` and ``output/`` are made in it.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.scratch = root / "scratch"
        self.output = root / "output"
        self._locks: dict[str, Lock] = {}
        for folder in (self.scratch, self.output):
            folder.mkdir(parents=True, exist_ok=True)

    def once(self, key: str, produce: Callable[[Path], None], suffix: str = "") -> Path:
        """The file or folder that `produce` makes, made only if it is not there yet.

        Parameters
        ----------
        key
            Everything that the content follows from: the step, its parameters, the checksums of
            its sources, the version of the code.
        produce
            Writes to the path it is given; if it raises, nothing is kept.
        suffix
            Ending of the name (``.tif``), for drivers that look at it.
        """
        path = self._checkpoint(key, suffix)
        with self._locks.setdefault(key, Lock()):
            if not path.exists():
                path.parent.mkdir(exist_ok=True)
                with _unpublished(self.scratch, path.name) as made:
                    produce(made)
                    synchronise(made)
                    made.rename(path)
        return path

    def begin(self) -> None:
        """Remove what an earlier run of the job left half done; its checkpoints stay."""
        for path in self.output.iterdir():
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        for path in self.scratch.glob("unpublished-*"):
            shutil.rmtree(path)

    def kept(self, key: str, suffix: str = "") -> Path | None:
        """What :meth:`once` made earlier for this key; None if it did not."""
        path = self._checkpoint(key, suffix)
        return path if path.exists() else None

    def _checkpoint(self, key: str, suffix: str) -> Path:
        name = hashlib.sha256(key.encode()).hexdigest()[:32] + suffix
        return self.scratch / "checkpoints" / name

    def publish(
        self,
        relative: str,
        produce: Callable[[Path], None],
        *,
        type: str,  # noqa: A002
        key: str = "",
        title: str = "",
    ) -> File:
        """Write one file of the results: it appears in ``output/`` complete, or not at all.

        Parameters
        ----------
        relative
            Path below ``output/``, with slashes (``score/20160529_20160608.tif``).
        produce
            Writes to the path it is given, which ends in the same name.  Files that it leaves
            beside that path are dropped.
        type
            Media type.
        key
            Name among several files of one output.
        title
            What people see.

        Raises
        ------
        ValueError
            The path leads outside ``output/``, or a file of this name was published before.
        """
        destination = self._destination(relative)
        with _unpublished(self.scratch, destination.name) as made:
            produce(made)
            synchronise(made)
            published = File(
                path=relative,
                type=type,
                key=key,
                title=title,
                size=made.stat().st_size,
                sha256=checksum(made),
            )
            destination.parent.mkdir(parents=True, exist_ok=True)
            if destination.exists():
                raise ValueError(f"{relative} was published before")
            made.rename(destination)
        return published

    def _destination(self, relative: str) -> Path:
        parts = PurePosixPath(relative).parts
        if not parts or ".." in parts or relative.startswith("/") or "\\" in relative:
            raise ValueError(f"{relative!r} is no path below the output folder")
        return self.output.joinpath(*parts)


@dataclass(frozen=True)
class Context:
    """What a pipeline works with besides its parameters.

    Parameters
    ----------
    sources
        Opens references to files.
    workspace
        The job's folders.
    progress
        To be told how far the work is; raises ``Cancelled`` when the job must stop.
    executor
        Carries tiles.
    compute
        Workers and memory that may be used.
    document
        The validated request with defaults filled in, as it can be sent again.
    pipeline
        Declaration of the service that runs.
    job_link
        Address of the job, for records; None where it has none that lasts.
    """

    sources: "Sources"
    workspace: Workspace
    progress: Progress
    executor: Executor
    compute: Compute
    document: Mapping[str, object]
    pipeline: Pipeline
    job_link: str | None = None


@contextmanager
def _unpublished(scratch: Path, name: str) -> Iterator[Path]:
    """A path of the right name in a folder of its own, which goes away with all that is left."""
    folder = scratch / f"unpublished-{uuid.uuid4().hex}"
    folder.mkdir()
    try:
        yield folder / name
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def write_whole(path: Path, content: bytes, *, durable: bool = False, mode: int = 0o666) -> None:
    """Replace a small file such that a reader sees the old content or the new, never a part.

    Parameters
    ----------
    durable
        Wait until it is on the disk.
    mode
        Permissions, before the process's mask.
    """
    made = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
    try:
        with os.fdopen(os.open(made, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as stream:
            stream.write(content)
        if durable:
            synchronise(made)
        made.rename(path)
    finally:
        made.unlink(missing_ok=True)


def synchronise(path: Path) -> None:
    """Wait until a file's content is on the disk; folders are left to the file system."""
    if path.is_file():
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
