"""Removes files: of jobs that have ended, of what has expired, and of what no record knows."""

import contextlib
import logging
import queue
import shutil
import threading
import time
from collections.abc import Callable, Collection
from pathlib import Path

from sqlalchemy.exc import SQLAlchemyError

from core.errors import OptiGroundError
from core.job.journal import LOG, OPERATOR_LOG, cut
from core.job.request import REQUEST
from server.jobs.belonging import check
from server.jobs.launcher import LocalLauncher
from server.jobs.models import Job
from server.jobs.upkeep import Upkeep
from server.settings import Settings

_GRACE_S = 3600.0
"""What is younger may belong to a record that is just being written."""
_LOGS = frozenset({LOG, OPERATOR_LOG})
_TIDY_S = 0.5
_PAUSE_S = 10.0
"""Until the next round, where the last one failed."""
_SWEEP_S = 3600.0

log = logging.getLogger(__name__)


class Sweep:
    """Keeps the folders of jobs and uploads as the store says they should be.

    Parameters
    ----------
    upkeep
        The store.
    launcher
        Finds processes that belong to no attempt any more.
    settings
        Which folders are swept.
    """

    def __init__(self, upkeep: Upkeep, launcher: LocalLauncher, settings: Settings) -> None:
        self._upkeep = upkeep
        self._launcher = launcher
        self._data = settings.data
        self._jobs = settings.jobs_folder
        self._uploads = settings.uploads_folder
        self._inspections = settings.inspections_folder
        # Records go with the results at the earliest.
        self._record_days = max(settings.record_days, settings.retention_days)
        self._has_old = False

    def tidy(self) -> None:
        """Remove what the jobs that have just ended leave behind, and some old keys and records."""
        self._upkeep.forget_keys()
        if self._has_old:
            self._forget_jobs()
        for job in self._upkeep.untidy():
            if job.workdir is not None:
                _tidy(job, job.workdir)
            self._upkeep.tidied(job)

    def sweep(self) -> None:
        """Remove what has expired and what no record knows: processes, folders, files.

        Raises
        ------
        StoreFault
            The data folder belongs to another store, whose jobs this one does not know.
        """
        check(self._upkeep.database, self._data)
        self._launcher.end_strays(self._is_held)
        expired = self._upkeep.expire()
        if expired:
            log.info("the results of %d jobs have expired", expired)
        given_up = self._upkeep.give_up_callbacks()
        if given_up:
            log.warning("%d callbacks are given up that were never sent", given_up)
        self._has_old = True
        self._sweep_jobs()
        for path in self._upkeep.forget_uploads():
            remove(path)
        self._sweep_uploads()
        # Each is removed by the request that made it, unless that one was killed.
        for folder in _children(self._inspections):
            if _is_old(folder):
                remove(folder)

    def _is_held(self, job_id: str, number: int) -> bool:
        return self._upkeep.is_held(job_id, number)

    def _forget_jobs(self) -> None:
        """Remove a step's number of old records, in each round until there are no more."""
        gone = self._upkeep.forget_jobs(self._record_days)
        for job_id in gone:
            remove(self._jobs / job_id)
        if gone:
            log.info("the records of %d jobs were removed", len(gone))
        self._has_old = bool(gone)

    def _sweep_jobs(self) -> None:
        folders = _children(self._jobs)
        known = self._upkeep.known([folder.name for folder in folders])
        for folder in folders:
            job = known.get(folder.name)
            if job is None and _is_old(folder):
                log.info("removing the folder of an unknown job: %s", folder.name)
                remove(folder)
            elif job is not None:
                for attempt in _children(folder):
                    if attempt.name in (str(number) for number in range(job.attempt)):
                        _clear(attempt, job)

    def _sweep_uploads(self) -> None:
        entries = _children(self._uploads)
        known = self._upkeep.upload_paths()
        needed = known | {parent for path in known for parent in path.parents}
        for entry in entries:
            if entry not in needed and _is_old(entry):
                log.info("removing an unknown upload: %s", entry.name)
                remove(entry)


class Sweeper(threading.Thread):
    """Sweeps in the background, so that the dispatcher never waits for a file to be removed.

    Parameters
    ----------
    sweep
        What is done: tidying all the time, sweeping at the start and every hour.
    note
        Takes what is wrong while rounds fail, and None when one succeeds again.
    """

    def __init__(self, sweep: Sweep, note: Callable[[str | None], None]) -> None:
        super().__init__(name="sweep", daemon=True)
        self._sweep = sweep
        self._note = note
        self._fault: str | None = None
        self._noted: str | None = None
        self._folders: queue.SimpleQueue[Path] = queue.SimpleQueue()
        self._over = threading.Event()
        self._next = time.monotonic()

    def remove(self, folder: Path) -> None:
        """Remove a folder soon."""
        self._folders.put(folder)

    def strip(self, attempt: Path) -> None:
        """Remove all but the logs of an attempt soon."""
        for entry in _children(attempt):
            if entry.name not in _LOGS:
                self.remove(entry)

    def run(self) -> None:
        """Work until :meth:`stop`."""
        while True:
            self.turn()
            if self._over.wait(_PAUSE_S if self._fault else _TIDY_S):
                return

    def turn(self) -> None:
        """One round; what fails is tried again in the next."""
        try:
            while not self._folders.empty():
                remove(self._folders.get())
            self._sweep.tidy()
            if time.monotonic() >= self._next:
                self._sweep.sweep()
                self._next = time.monotonic() + _SWEEP_S
            self._tell(None)
        except Exception as error:  # the thread has to live on, whatever it meets
            log.exception("sweeping failed")
            self._tell(type(error).__name__)

    def _tell(self, fault: str | None) -> None:
        self._fault = fault
        if fault != self._noted:
            # Where the store does not answer, that is what `/health` tells.
            with contextlib.suppress(SQLAlchemyError, OptiGroundError, OSError):
                self._note(fault)
                self._noted = fault

    def stop(self) -> None:
        """End after the present round."""
        self._over.set()


def remove(path: Path) -> None:
    """Remove a file or a whole folder, if it is there."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def _tidy(job: Job, workdir: Path) -> None:
    for log_file in _LOGS:
        # A job that was killed did not do it by itself.
        cut(workdir / log_file)
    for attempt in _children(workdir.parent):
        if attempt != workdir:
            _clear(attempt, job)
    if job.status == "successful" and job.removed is None:
        remove(workdir / "scratch")
        # It holds the references as they came, with their credentials.
        remove(workdir / REQUEST)
        return
    _strip(workdir, _LOGS if job.removed is None else {LOG})


def _clear(lost: Path, job: Job) -> None:
    """Leave the logs of a lost attempt, which tell why, for as long as there are results."""
    if job.removed is not None:
        remove(lost)
        return
    # A dispatcher that was killed did not come to it.
    _strip(lost, _LOGS)
    for log_file in _LOGS:
        cut(lost / log_file)


def _strip(attempt: Path, kept: Collection[str]) -> None:
    for entry in _children(attempt):
        if entry.name not in kept:
            remove(entry)


def _children(folder: Path) -> list[Path]:
    return sorted(folder.iterdir()) if folder.is_dir() else []


def _is_old(path: Path) -> bool:
    """Whether neither a file or folder nor anything directly in it was changed for an hour."""
    try:
        members = [path] if path.is_symlink() else [path, *_children(path)]
        newest = max(member.lstat().st_mtime for member in members)
    except FileNotFoundError:
        return False
    return time.time() - newest > _GRACE_S
