"""Brings jobs from the queue to their ends.

A dispatcher claims jobs, starts an attempt of each, watches it, and writes down how it ended.  It
is the only writer of running jobs' records.  When it is gone its jobs go on; the next dispatcher on
the same host adopts them.
"""

import errno
import logging
import os
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from sqlalchemy.exc import SQLAlchemyError

from core.errors import DiskFull
from core.job import JobRequest, child_environment, command, kernel_cache, prepare
from server.callbacks import Messenger
from server.jobs.belonging import settle
from server.jobs.claims import Claims, Held, Places
from server.jobs.conclusion import conclude, fail
from server.jobs.kernels import warm
from server.jobs.launcher import Attempt, Command, LocalLauncher
from server.jobs.limits import Limits, limits_of
from server.jobs.outbox import Outbox
from server.jobs.process import Identity, boot_id, host_name, identity, lives
from server.jobs.space import Reserve, free_bytes
from server.jobs.store import Store
from server.jobs.sweep import Sweep, Sweeper
from server.jobs.upkeep import Upkeep
from server.jobs.watch import Verdict, Watch
from server.settings import Settings

_BEAT_S = 2.0
_SECOND = 1.0
_TAKE_DOWN_S = 20.0
_MESSENGERS = 4
"""Subscribers that are called at the same time; one user's have all of them but one at most."""
_FAREWELL_S = 1.0
_MOST_STARTS = 5
"""Attempts from which on one that never started counts as lost, lest a job kill dispatchers."""
_NAMESPACE_TIMEOUT_S = 30.0
"""Silence after which a dispatcher of this host counts as dead whose process cannot be seen."""

log = logging.getLogger(__name__)


@dataclass
class _Running:
    held: Held
    watch: Watch
    recorded: bool = True
    reported: float = 0.0


class Dispatcher:
    """One dispatcher.

    Parameters
    ----------
    settings
        Limits, folders, time-outs.
    run_job
        Gives the command that runs the job in a directory.
    """

    def __init__(self, settings: Settings, run_job: Command = command) -> None:
        self._settings = settings
        self._id = uuid.uuid4().hex
        self._store = Store(settings.database_url)
        database = self._store.database
        settle(database, settings.data)
        for folder in (settings.jobs_folder, settings.uploads_folder):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        who = f"dispatcher {host_name()}:{os.getpid()}"
        self._claims = Claims(
            database, self._id, who, settings.jobs_folder, settings.retention_days
        )
        self._cache = kernel_cache(settings.numba_cache)
        self._launcher = LocalLauncher(database.instance(), run_job, self._environment)
        upkeep = Upkeep(database)
        self.sweeper = Sweeper(
            Sweep(upkeep, self._launcher, settings), partial(upkeep.note_fault, self._id)
        )
        senders = _MESSENGERS if settings.callback_secret else 0
        outbox = Outbox(database, senders)
        self._messengers = [Messenger(self._store, outbox, settings) for _ in range(senders)]
        self._reserve = Reserve(settings.data / "reserve")
        self._places = Places(
            settings.running_limit, settings.host_running_limit, settings.user_running_limit
        )
        self._me = _own_identity()
        self._running: list[_Running] = []
        self._due: dict[str, float] = {}
        self._stopping = False

    def run(self) -> None:
        """Work until :meth:`stop`."""
        warm(self._cache, lambda: self._stopping)
        self.sweeper.start()
        for messenger in self._messengers:
            messenger.start()
        while not self._stopping:
            self._guarded(self.turn)
        if self._settings.on_stop == "requeue":
            self.take_down()
        elif self._running:
            log.warning("%d jobs keep running; the next start adopts them", len(self._running))
        for messenger in self._messengers:
            messenger.stop()
        self.sweeper.stop()
        self.sweeper.join()
        for messenger in self._messengers:
            # What one is just sending is due again when its lease is over.
            messenger.join(_FAREWELL_S)
        self._guarded(self.leave)

    def stop(self) -> None:
        """Claim no more jobs and come to an end; may be called from a signal handler."""
        self._stopping = True

    def leave(self) -> None:
        """Give up what runs, for another dispatcher to adopt."""
        self._claims.leave()
        self._store.close()

    def turn(self) -> None:
        """One round: report, adopt, watch, claim."""
        if self._is_due("beat", _BEAT_S):
            self._claims.beat(self._me)
            self._reserve.keep()
        if self._is_due("adopt", _BEAT_S):
            self._adopt()
        self._watch()
        if self._is_due("space", _SECOND):
            self._watch_space()
        self._claim()

    def take_down(self) -> None:
        """End all attempts and put their jobs back into the queue."""
        for running in self._running:
            running.watch.end(Verdict("requeued"), gently=True)
        end = time.monotonic() + _TAKE_DOWN_S
        while self._running and time.monotonic() < end:
            self._guarded(self._watch)

    @property
    def idle(self) -> bool:
        """Whether it answers for no job."""
        return not self._running

    def _guarded(self, work: Callable[[], None]) -> None:
        """Do something and wait a moment; where the store does not answer, wait longer."""
        try:
            work()
            time.sleep(self._settings.poll_s)
        except SQLAlchemyError:
            log.exception("the store does not answer")
            self._reserve.give_up()
            time.sleep(_SECOND)

    def _is_due(self, what: str, seconds: float) -> bool:
        now = time.monotonic()
        if now < self._due.get(what, now):
            return False
        self._due[what] = now + seconds
        return True

    def _claim(self) -> None:
        settings = self._settings
        while len(self._running) < settings.host_running_limit and self._claims.waiting():
            if free_bytes(settings.data) < settings.free_space_min:
                return
            held = self._claims.claim(self._places)
            if held is None:
                return
            self._start(held)

    def _start(self, held: Held) -> None:
        attempt = self._attempt(held)
        try:
            prepare(attempt.directory, self._request(held, attempt.limits))
            leader = self._launcher.start(attempt)
        except Exception as error:  # whatever it is, the job has to end
            full = isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)
            known = DiskFull("The server's disk is full.") if full else error
            self.sweeper.remove(attempt.directory / "scratch")
            if not fail(self._claims, attempt.job_id, attempt.number, known):
                self._claims.release(attempt.job_id, attempt.number)
            return
        watch = Watch(attempt, leader, self._launcher, self._settings.heartbeat_timeout_s)
        running = _Running(held, watch, recorded=False)
        self._running.append(running)
        self._record(running)

    def _record(self, running: _Running) -> None:
        attempt, leader = running.watch.attempt, running.watch.leader
        if leader is not None:
            self._claims.record(attempt.job_id, attempt.number, leader)
        running.recorded = True

    def _watch(self) -> None:
        if not self._running:
            return
        statuses = self._claims.statuses()
        for running in tuple(self._running):
            attempt = running.watch.attempt
            status = statuses.get((attempt.job_id, attempt.number))
            # Without a status, someone else took this silent dispatcher's job over.
            if status != "running":
                running.watch.end(Verdict("dismissed"), gently=status is not None)
            if not running.recorded:
                self._record(running)
            self._report(running)
            running.watch.step()
            if running.watch.over:
                self._conclude(running)

    def _report(self, running: _Running) -> None:
        now = time.monotonic()
        if now - running.reported < _SECOND:
            return
        news = running.watch.news()
        if news is not None:
            attempt = running.watch.attempt
            self._claims.report(attempt.job_id, attempt.number, *news)
            running.reported = now

    def _conclude(self, running: _Running) -> None:
        verdict = running.watch.verdict
        directory = running.watch.attempt.directory
        if verdict is not None and verdict.kind == "failed":
            # Before the record is written, which a full disk may not allow.
            self.sweeper.remove(directory / "scratch")
            self.sweeper.remove(directory / "output")
        conclude(running.watch, running.held.lost, self._claims, self.sweeper.strip)
        self._running.remove(running)

    def _watch_space(self) -> None:
        """End the job with the most files when the disk is nearly full."""
        settings = self._settings
        candidates = [one for one in self._running if one.watch.verdict is None]
        if not candidates or free_bytes(settings.data) >= settings.free_space_min // 2:
            return
        largest = max(candidates, key=lambda one: one.watch.usage.disk_bytes)
        full = DiskFull("The disk is full: the job was ended to leave room for the server.")
        largest.watch.end(Verdict("failed", full), gently=False)

    def _adopt(self) -> None:
        watched = {(one.held.job.id, one.held.job.attempt) for one in self._running}
        for held in self._claims.held():
            # Claimed, but the store did not answer in time, or not when the start had failed.
            if (held.job.id, held.job.attempt) not in watched:
                self._take_over(held)
        known = self._claims.dispatchers()
        for held in self._claims.of_others():
            holder = known.get(held.holder)
            dead = holder is None or self._is_dead(*holder)
            if dead and self._claims.adopt(held):
                log.warning("adopting job %s, attempt %d", held.job.id, held.job.attempt)
                self._take_over(held)
        for dispatcher, holder in known.items():
            if dispatcher != self._id and self._is_dead(*holder):
                self._claims.bury(dispatcher)

    def _is_dead(self, holder: Identity, silence_s: float) -> bool:
        if holder.host != host_name():
            return silence_s > self._settings.host_timeout_s
        if holder.boot != boot_id():
            return silence_s > _NAMESPACE_TIMEOUT_S
        return not lives(holder)

    def _take_over(self, held: Held) -> None:
        attempt = self._attempt(held)
        leader = held.leader or self._launcher.find(attempt)
        watch = Watch(attempt, leader, self._launcher, self._settings.heartbeat_timeout_s)
        if leader is None and held.job.attempt < _MOST_STARTS:
            # The dispatcher died between claim and start, which is no loss of a worker.
            watch.end(Verdict("requeued"), gently=False)
        self._running.append(_Running(held, watch, recorded=held.leader is not None))

    def _attempt(self, held: Held) -> Attempt:
        job = held.job
        directory = job.workdir or self._settings.jobs_folder / job.id / str(job.attempt)
        return Attempt(job.id, job.attempt, directory, limits_of(job.resources, self._settings))

    def _request(self, held: Held, limits: Limits) -> JobRequest:
        settings, job = self._settings, held.job
        return JobRequest(
            process=job.process_id,
            document=job.document,
            policy=settings.policy,
            files=job.files,
            compute=settings.job_compute(limits.memory_bytes),
            job_id=job.id,
            attempt=job.attempt,
            links={"self": settings.public_link(f"/jobs/{job.id}")},
        )

    def _environment(self, attempt: Attempt) -> dict[str, str]:
        memory = min(self._settings.job_memory, attempt.limits.memory_bytes)
        return child_environment(attempt.directory, cache=self._cache, memory=memory)


def _own_identity() -> Identity:
    me = identity(os.getpid())
    if me is None:
        raise ProcessLookupError("this process is not in /proc")
    return me
