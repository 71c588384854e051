"""The store as a dispatcher sees it: jobs are claimed, watched, and ended, each by one statement.

Whoever answers for the processes of an attempt is the holder of its job, from the claim until the
processes are dead.  Every change of a job names its attempt and the status that it starts from, so
that what comes too late changes nothing.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import (
    ColumnElement,
    FromClause,
    RowMapping,
    String,
    Update,
    and_,
    case,
    cast,
    delete,
    func,
    insert,
    literal,
    select,
    true,
    update,
)

from server.jobs.database import Database
from server.jobs.models import FINAL, Job, Status
from server.jobs.process import Identity, boot_id, host_name
from server.jobs.records import as_json, clean, job_of, safe_document, write_transition
from server.jobs.schema import SWEEP, dispatchers, jobs, properties, turns

_DAY_US = 86_400_000_000


@dataclass(frozen=True)
class Places:
    """How many jobs may run at the same time: everywhere, on one host, of one user."""

    all: int
    host: int
    user: int


@dataclass(frozen=True)
class Held:
    """A job with a holder, as the store shows it now.

    Parameters
    ----------
    leader
        The process that runs the attempt; None if it was not written down yet.
    holder
        The dispatcher that answers for it.
    lost
        How many attempts were lost before this one.
    """

    job: Job
    holder: str
    host: str
    boot: str
    leader: Identity | None
    lost: int


class Claims:
    """What one dispatcher does in the store.

    Parameters
    ----------
    database
        Where the jobs are.
    me
        Id of the dispatcher, never used before.
    who
        How the dispatcher signs transitions.
    jobs_folder
        Where the attempts' folders are made.
    retention_days
        How long results are kept.
    """

    def __init__(
        self, database: Database, me: str, who: str, jobs_folder: Path, retention_days: float
    ) -> None:
        self._database = database
        self._me = me
        self._who = who
        self._folder = jobs_folder
        self._retention_us = round(retention_days * _DAY_US)

    def beat(self, identity: Identity) -> None:
        """Tell that this dispatcher is at work."""
        seen = self._database.lapse()
        with self._database.writing() as connection:
            known = connection.execute(
                update(dispatchers).where(dispatchers.c.id == self._me).values(seen=seen)
            )
            if known.rowcount == 0:
                connection.execute(
                    insert(dispatchers).values(
                        id=self._me,
                        host=identity.host,
                        boot=identity.boot,
                        pid=identity.pid,
                        ticks=identity.ticks,
                        seen=seen,
                    )
                )

    def leave(self) -> None:
        """Tell that this dispatcher stops: whoever comes next adopts what it held."""
        with self._database.writing() as connection:
            connection.execute(delete(dispatchers).where(dispatchers.c.id == self._me))
            connection.execute(delete(properties).where(properties.c.name == SWEEP + self._me))

    def waiting(self) -> bool:
        """Whether any job waits; a cheap look before :meth:`claim`, which locks."""
        with self._database.reading() as connection:
            query = select(jobs.c.seq).where(jobs.c.status == "accepted").limit(1)
            return connection.execute(query).first() is not None

    def claim(self, places: Places) -> Held | None:
        """Take the job whose turn it is, if there is a place for it.

        Users take turns; one who is at the limit is passed over, not waited for.
        """
        with self._database.writing(alone=True) as connection:
            now = self._database.now()
            row = connection.execute(self._claiming(places, now)).mappings().first()
            if row is None:
                return None
            self._note_turn(connection.execute, row["owner"])
            before = {**row, "status": "accepted"}
            write_transition(connection, now, before, "running", self._who)
        return _held_of(row)

    def record(self, job_id: str, attempt: int, leader: Identity) -> None:
        """Write down which process runs an attempt."""
        with self._database.writing() as connection:
            connection.execute(
                self._mine(job_id, attempt).values(pid=leader.pid, ticks=leader.ticks)
            )

    def held(self) -> tuple[Held, ...]:
        """All jobs that this dispatcher answers for."""
        return self._held(jobs.c.holder == self._me)

    def statuses(self) -> dict[tuple[str, int], Status]:
        """Status of each job that this dispatcher answers for, by id and attempt."""
        query = select(jobs.c.id, jobs.c.attempt, jobs.c.status).where(jobs.c.holder == self._me)
        with self._database.reading() as connection:
            return {(row.id, row.attempt): row.status for row in connection.execute(query)}

    def report(self, job_id: str, attempt: int, progress: int, message: str) -> None:
        """Copy a job's progress into its record."""
        with self._database.writing() as connection:
            connection.execute(
                self._mine(job_id, attempt)
                .where(jobs.c.status == "running")
                .values(progress=progress, message=clean(message), updated=self._database.now())
            )

    def publish(
        self, job_id: str, attempt: int, directory: Path, outputs: Mapping[str, Any], message: str
    ) -> bool:
        """End a job as successful; False if it was dismissed meanwhile.  Its processes are dead."""
        return self._end(
            job_id,
            attempt,
            status="successful",
            progress=100,
            message=clean(message),
            directory=str(directory),
            outputs=as_json(dict(outputs)),
        )

    def fail(
        self,
        job_id: str,
        attempt: int,
        problems: Sequence[Mapping[str, Any]],
        message: str,
        error_id: str | None = None,
    ) -> bool:
        """End a job as failed; False if it was dismissed meanwhile.  Its processes are dead."""
        return self._end(
            job_id,
            attempt,
            status="failed",
            message=clean(message),
            problems=as_json([dict(problem) for problem in problems]),
            error_id=error_id,
        )

    def requeue(self, job_id: str, attempt: int, message: str, *, lost: bool) -> bool:
        """Put a job back into the queue; False if it was dismissed meanwhile.

        Parameters
        ----------
        lost
            The attempt counts as lost.
        """
        values: dict[str, Any] = {"message": clean(message), "progress": 0}
        if lost:
            values["lost"] = jobs.c.lost + 1
        return self._change(job_id, attempt, status="accepted", **values)

    def release(self, job_id: str, attempt: int) -> None:
        """Tell that the processes of an attempt are dead whose job was dismissed."""
        with self._database.writing() as connection:
            connection.execute(self._mine(job_id, attempt).values(holder=None))

    def of_others(self) -> tuple[Held, ...]:
        """Jobs that other dispatchers answer for, dead ones included."""
        return self._held(jobs.c.holder.is_not(None), jobs.c.holder != self._me)

    def dispatchers(self) -> dict[str, tuple[Identity, float]]:
        """All dispatchers that have not left: their processes, and seconds since their last beat.

        Infinite if the clock of the beats was started anew meanwhile.
        """
        silence = (self._database.lapse() - dispatchers.c.seen).label("silence")
        with self._database.reading() as connection:
            rows = connection.execute(select(dispatchers, silence)).all()
        return {
            row.id: (
                Identity(row.host, row.boot, row.pid, row.ticks),
                row.silence / 1e6 if row.silence >= 0 else math.inf,
            )
            for row in rows
        }

    def adopt(self, held: Held) -> bool:
        """Answer for another dispatcher's job from now on; False if someone else was faster."""
        with self._database.writing() as connection:
            changed = connection.execute(
                update(jobs)
                .where(
                    jobs.c.id == held.job.id,
                    jobs.c.attempt == held.job.attempt,
                    jobs.c.holder == held.holder,
                )
                .values(holder=self._me)
            )
            return changed.rowcount == 1

    def bury(self, dispatcher: str) -> None:
        """Forget a dead dispatcher that holds no job any more."""
        holding = select(jobs.c.holder).where(jobs.c.holder.is_not(None))
        with self._database.writing() as connection:
            connection.execute(
                delete(dispatchers).where(
                    dispatchers.c.id == dispatcher, dispatchers.c.id.not_in(holding)
                )
            )

    def _claiming(self, places: Places, now: ColumnElement[int]) -> Any:
        one = jobs.alias("one")
        owners = select(one.c.owner).where(_waiting(one)).group_by(one.c.owner).subquery()
        turn = (
            select(owners.c.owner)
            .join_from(owners, turns, turns.c.owner == owners.c.owner, isouter=True)
            .where(
                _holding() < places.all,
                _holding(host=host_name()) < places.host,
                _holding(owner=owners.c.owner) < places.user,
            )
            .order_by(func.coalesce(turns.c.served, 0), owners.c.owner)
            .limit(1)
        )
        chosen = (
            select(one.c.seq)
            .where(_waiting(one), one.c.owner == turn.scalar_subquery())
            .order_by(one.c.seq)
            .limit(1)
            .with_for_update(skip_locked=True)
        )
        attempt = jobs.c.attempt + 1
        return (
            update(jobs)
            .where(jobs.c.seq == chosen.scalar_subquery())
            .values(
                status="running",
                message="starting",
                attempt=attempt,
                workdir=literal(f"{self._folder}/") + jobs.c.id + "/" + cast(attempt, String),
                started=func.coalesce(jobs.c.started, now),
                updated=now,
                holder=self._me,
                host=host_name(),
                boot=boot_id(),
                pid=None,
                ticks=None,
            )
            .returning(jobs)
        )

    def _note_turn(self, execute: Any, owner: str) -> None:
        following = select(func.coalesce(func.max(turns.c.served), 0) + 1).scalar_subquery()
        known = execute(update(turns).where(turns.c.owner == owner).values(served=following))
        if known.rowcount == 0:
            execute(insert(turns).values(owner=owner, served=following))

    def _held(self, *conditions: ColumnElement[bool]) -> tuple[Held, ...]:
        query = select(jobs).where(*conditions).order_by(jobs.c.seq)
        with self._database.reading() as connection:
            return tuple(_held_of(row) for row in connection.execute(query).mappings())

    def _end(self, job_id: str, attempt: int, **values: Any) -> bool:
        now = self._database.now()
        return self._change(
            job_id, attempt, finished=now, expires=now + self._retention_us, untidy=1, **values
        )

    def _change(self, job_id: str, attempt: int, *, status: Status, **values: Any) -> bool:
        """One compare-and-set from running to `status`, which gives the job up."""
        now = self._database.now()
        changing = (
            self._mine(job_id, attempt)
            .where(jobs.c.status == "running")
            .values(status=status, updated=now, holder=None, **values)
            .returning(jobs)
        )
        with self._database.writing() as connection:
            row = connection.execute(changing).mappings().first()
            if row is None:
                return False
            write_transition(connection, now, {**row, "status": "running"}, status, self._who)
            if status in FINAL:
                # No attempt follows, so nothing needs the credentials of the references.
                safe = update(jobs).where(jobs.c.seq == row["seq"])
                connection.execute(safe.values(document=safe_document(row["document"])))
        return True

    def _mine(self, job_id: str, attempt: int) -> Update:
        return update(jobs).where(
            jobs.c.id == job_id, jobs.c.attempt == attempt, jobs.c.holder == self._me
        )


def _waiting(table: FromClause) -> ColumnElement[bool]:
    return (table.c.status == "accepted") & table.c.holder.is_(None)


def _holding(**conditions: ColumnElement[str] | str) -> ColumnElement[int]:
    # A dismissed job counts until its processes are dead: they still use the machine.
    table = jobs.alias("running")
    counted = and_(true(), *(table.c[column] == value for column, value in conditions.items()))
    # Not in the WHERE clause, and an inequality: SQLite would go through all jobs of the owner, or
    # through all jobs, in place of the index of those that are held.
    held = select(func.coalesce(func.sum(case((counted, 1), else_=0)), 0))
    return held.where(table.c.holder > "").scalar_subquery()


def _held_of(row: RowMapping) -> Held:
    leader = None
    if row["pid"] is not None:
        leader = Identity(row["host"], row["boot"], row["pid"], row["ticks"])
    return Held(job_of(row), row["holder"], row["host"], row["boot"], leader, row["lost"])
