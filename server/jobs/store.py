"""The store as the web process sees it: jobs are put in, looked up, listed and dismissed.

What a dispatcher does with the same tables stands in :mod:`server.jobs.claims`.
"""

import time
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    RowMapping,
    Select,
    delete,
    exists,
    func,
    insert,
    select,
    update,
)
from sqlalchemy.exc import SQLAlchemyError

from server.errors import NoSuchJob, NoSuchUpload, QueueFull, UploadInUse
from server.jobs import keys
from server.jobs.allowance import Allowance
from server.jobs.database import Database, microseconds
from server.jobs.models import Job, Key, NewJob, Status, Transition, Upload
from server.jobs.outbox import subscribe
from server.jobs.process import kernel_boot
from server.jobs.records import (
    as_json,
    clean,
    job_of,
    safe_document,
    transition_of,
    upload_of,
    write_transition,
)
from server.jobs.schema import SWEEP, dispatchers, jobs, properties, transitions, uploads, uses

ACTIVE: tuple[Status, ...] = ("accepted", "running")


class Store:
    """Jobs, transitions and uploads in one database.

    Parameters
    ----------
    url
        SQLAlchemy URL, SQLite or PostgreSQL.  Nothing is opened before the first use.
    queue_limit, user_queue_limit
        Jobs that may wait, of all users and of one.
    user_callback_limit
        What the subscribers of one user's jobs may still have to be told.
    """

    def __init__(
        self,
        url: str,
        *,
        queue_limit: int = 2000,
        user_queue_limit: int = 1000,
        user_callback_limit: int = 1000,
    ) -> None:
        self.database = Database(url)
        self._queue_limit = queue_limit
        self._user_queue_limit = user_queue_limit
        self._user_callback_limit = user_callback_limit
        self._allowance = Allowance()

    def create(self, new: NewJob) -> Job:
        """Put a job into the queue; where its key came before, the job that was made then.

        Raises
        ------
        KeyReused
            The key came before, and what was asked for was something else.
        QueueFull
            Too many jobs are waiting, or too many callbacks where this one has a subscriber.
        NoSuchUpload, NoSuchJob
            A file that the job reads was removed meanwhile.
        """
        counts = not self._allowance.take(new.owner)
        # What is looked at here may not change before the job is there.
        looks = counts or new.key or new.subscriber or new.uploads_used or new.jobs_used
        with self.database.writing(alone=bool(looks)) as connection:
            if new.key and (known := keys.job_under(connection, self.database, new.owner, new.key)):
                return job_of(known)
            if counts:
                self._check_queue(connection, new.owner)
            self._check_inputs(connection, new)
            now = self.database.now()
            row = (
                connection.execute(
                    insert(jobs).values(**_columns(new), created=now, updated=now).returning(jobs)
                )
                .mappings()
                .one()
            )
            for kind, used in _uses(new):
                connection.execute(insert(uses).values(job=new.id, kind=kind, used=used))
            limit = self._user_callback_limit
            subscribe(connection, new.id, clean(new.owner), new.subscriber, limit)
            write_transition(connection, now, {**row, "status": None}, "accepted", "web")
            if new.key:
                keys.remember(connection, self.database, new.owner, new.key, new.id)
        return job_of(row)

    def made_under(self, owner: str, key: Key) -> Job | None:
        """The job that a request of this user under this key made before, if there is one.

        Raises
        ------
        KeyReused
            What was asked for then was something else.
        """
        with self.database.reading() as connection:
            row = keys.job_under(connection, self.database, owner, key)
        return job_of(row) if row else None

    def get(self, job_id: str) -> Job | None:
        """The job of this id, if there is one."""
        with self.database.reading() as connection:
            row = connection.execute(select(jobs).where(jobs.c.id == job_id)).mappings().first()
        return job_of(row) if row else None

    def list(
        self,
        *,
        owner: str | None = None,
        process_id: str | Sequence[str] | None = None,
        statuses: Sequence[Status] = (),
        created_from: datetime | None = None,
        created_to: datetime | None = None,
        min_duration: float | None = None,
        max_duration: float | None = None,
        limit: int = 20,
        offset: int = 0,
    ) -> tuple[tuple[Job, ...], int]:
        """The jobs that meet all conditions, newest first, and how many there are altogether.

        Parameters
        ----------
        created_from, created_to
            Both ends belong to the interval.
        min_duration, max_duration
            Seconds from start to end, or to now while a job runs; a job that has not started has
            no duration.
        """
        conditions: list[ColumnElement[bool]] = []
        if owner is not None:
            conditions.append(jobs.c.owner == owner)
        if process_id:
            ids = (process_id,) if isinstance(process_id, str) else tuple(process_id)
            conditions.append(jobs.c.process_id.in_(ids))
        if statuses:
            conditions.append(jobs.c.status.in_(tuple(statuses)))
        if created_from is not None:
            conditions.append(jobs.c.created >= microseconds(created_from))
        if created_to is not None:
            conditions.append(jobs.c.created <= microseconds(created_to))
        duration = func.coalesce(jobs.c.finished, self.database.now()) - jobs.c.started
        if min_duration is not None:
            conditions.append(duration >= round(min_duration * 1e6))
        if max_duration is not None:
            conditions.append(duration <= round(max_duration * 1e6))
        page = select(jobs).where(*conditions).order_by(jobs.c.created.desc(), jobs.c.seq.desc())
        with self.database.reading() as connection:
            total = connection.execute(_count(*conditions)).scalar_one()
            rows = connection.execute(page.limit(limit).offset(offset)).mappings().all()
        return tuple(job_of(row) for row in rows), total

    def dismiss(self, job_id: str, who: str) -> Job:
        """End a job that has not ended, or remove the results of one that has.

        The record says ``dismissed`` when this returns; the dispatcher kills the processes and
        removes the files.  A second call changes nothing.

        Raises
        ------
        NoSuchJob
            There is no such job.
        """
        with self.database.writing() as connection:
            row = _locked(connection, job_id)
            if row is None:
                raise NoSuchJob("There is no such job.", value=job_id)
            if row["status"] == "dismissed":
                return job_of(row)
            now = self.database.now()
            changed = (
                connection.execute(
                    update(jobs)
                    .where(jobs.c.id == job_id)
                    .values(
                        status="dismissed",
                        message="The job was dismissed.",
                        removed="The job was dismissed.",
                        directory=None,
                        outputs="{}",
                        document=safe_document(row["document"]),
                        finished=func.coalesce(jobs.c.finished, now),
                        updated=now,
                        expires=None,
                        untidy=1,
                    )
                    .returning(jobs)
                )
                .mappings()
                .one()
            )
            write_transition(connection, now, row, "dismissed", who)
        return job_of(changed)

    def transitions(self, job_id: str | None = None) -> tuple[Transition, ...]:
        """Every change of status of one job, or of all, in the order in which they happened."""
        query = select(transitions).order_by(transitions.c.seq)
        if job_id is not None:
            query = query.where(transitions.c.job == job_id)
        with self.database.reading() as connection:
            return tuple(transition_of(row) for row in connection.execute(query).mappings())

    def add_upload(self, upload: Upload) -> None:
        """Write down an uploaded file that lies complete at its path."""
        with self.database.writing() as connection:
            connection.execute(
                insert(uploads).values(
                    id=upload.id,
                    owner=clean(upload.owner),
                    name=clean(upload.name, 255),
                    path=str(upload.path),
                    size=upload.size,
                    sha256=upload.sha256,
                    created=microseconds(upload.created),
                    expires=microseconds(upload.expires),
                )
            )

    def get_upload(self, upload_id: str) -> Upload | None:
        """The uploaded file of this id, if there is one."""
        with self.database.reading() as connection:
            row = (
                connection.execute(select(uploads).where(uploads.c.id == upload_id))
                .mappings()
                .first()
            )
        return upload_of(row) if row else None

    def list_uploads(self, owner: str | None = None) -> tuple[Upload, ...]:
        """The uploaded files of one user, or of all, newest first."""
        query = select(uploads).order_by(uploads.c.created.desc(), uploads.c.id)
        if owner is not None:
            query = query.where(uploads.c.owner == owner)
        with self.database.reading() as connection:
            return tuple(upload_of(row) for row in connection.execute(query).mappings())

    def delete_upload(self, upload_id: str) -> Path | None:
        """Forget an uploaded file; its path, for the caller to remove, or None if unknown.

        Raises
        ------
        UploadInUse
            A job that has not ended reads it.
        """
        with self.database.writing(alone=True) as connection:
            if connection.execute(select(in_use("upload", upload_id))).scalar_one():
                raise UploadInUse(
                    "A job that has not ended needs this file.", pointer="", value=upload_id
                )
            path = connection.execute(
                delete(uploads).where(uploads.c.id == upload_id).returning(uploads.c.path)
            ).scalar_one_or_none()
        return Path(path) if path else None

    def is_writable(self) -> bool:
        """Whether the store takes a write right now."""
        try:
            with self.database.writing() as connection:
                connection.execute(
                    update(properties)
                    .where(properties.c.name == "probe")
                    .values(value=str(time.time_ns()))
                )
        except (SQLAlchemyError, OSError):
            return False
        return True

    def dispatcher_age_s(self) -> float | None:
        """Seconds since a dispatcher last reported; None if none ever did."""
        seen = select(func.max(dispatchers.c.seen))
        if self.database.is_sqlite:
            seen = seen.where(dispatchers.c.boot.startswith(kernel_boot()))
        with self.database.reading() as connection:
            last = connection.execute(seen).scalar_one_or_none()
            now = connection.execute(select(self.database.lapse())).scalar_one()
        return None if last is None else (now - last) / 1e6

    def sweep_fault(self) -> str | None:
        """What is wrong with removing files, as a dispatcher that is still there noted it."""
        noted = select(properties.c.value).join_from(
            properties, dispatchers, properties.c.name == SWEEP + dispatchers.c.id
        )
        with self.database.reading() as connection:
            return connection.execute(noted.limit(1)).scalar_one_or_none()

    def counts(self) -> dict[str, int]:
        """Number of jobs in each status."""
        query = select(jobs.c.status, func.count().label("number")).group_by(jobs.c.status)
        with self.database.reading() as connection:
            found = {row.status: row.number for row in connection.execute(query)}
        every = ("accepted", "running", "successful", "failed", "dismissed")
        return {status: found.get(status, 0) for status in every}

    def close(self) -> None:
        """Close the connections of this process."""
        self.database.close()

    def _check_queue(self, connection: Connection, owner: str) -> None:
        everyone, mine = connection.execute(waiting(clean(owner))).one()
        if everyone >= self._queue_limit:
            raise QueueFull(
                f"{self._queue_limit} jobs are waiting, more are not taken.",
                allowed=f"at most {self._queue_limit} waiting jobs",
            )
        if mine >= self._user_queue_limit:
            raise QueueFull(
                f"{mine} of your jobs are waiting, more are not taken.",
                allowed=f"at most {self._user_queue_limit} waiting jobs of one user",
            )
        # The job that is put in now is not among those counted.
        left = (self._queue_limit - everyone - 1, self._user_queue_limit - mine - 1)
        self._allowance.grant(owner, *left)

    def _check_inputs(self, connection: Connection, new: NewJob) -> None:
        for used in new.uploads_used:
            found = connection.execute(select(uploads.c.id).where(uploads.c.id == used)).first()
            if found is None:
                raise NoSuchUpload("The uploaded file is no longer there.", value=f"upload:{used}")
        for used in new.jobs_used:
            found = connection.execute(
                select(jobs.c.id).where(
                    jobs.c.id == used, jobs.c.status == "successful", jobs.c.removed.is_(None)
                )
            ).first()
            if found is None:
                raise NoSuchJob("The results of the job are no longer there.", value=f"job:{used}")


def in_use(kind: str, used: ColumnElement[str] | str) -> ColumnElement[bool]:
    """Whether a job that has not ended reads an upload or a job's results."""
    reader = jobs.alias("reader")
    return exists().where(
        uses.c.kind == kind,
        uses.c.used == used,
        uses.c.job == reader.c.id,
        reader.c.status.in_(ACTIVE),
    )


def waiting(owner: str) -> Select[int, int]:
    """How many jobs wait: of all users, and of one."""
    mine = func.count().filter(jobs.c.owner == owner)
    return select(func.count(), mine).select_from(jobs).where(jobs.c.status == "accepted")


def _count(*conditions: ColumnElement[bool]) -> Select[int]:
    return select(func.count()).select_from(jobs).where(*conditions)


def _locked(connection: Connection, job_id: str) -> RowMapping | None:
    query = select(jobs).where(jobs.c.id == job_id).with_for_update()
    return connection.execute(query).mappings().first()


def _uses(new: NewJob) -> list[tuple[str, str]]:
    named = [("upload", used) for used in new.uploads_used]
    return sorted({*named, *(("job", used) for used in new.jobs_used)})


def _columns(new: NewJob) -> dict[str, Any]:
    return {
        "id": new.id,
        "process_id": new.process_id,
        "owner": clean(new.owner),
        "mode": new.mode,
        "status": "accepted",
        "message": "waiting",
        "progress": 0,
        "document": as_json(dict(new.document)),
        "files": as_json(dict(new.files)),
        "resources": as_json(dict(new.resources)),
        "attempt": 0,
        "lost": 0,
        "outputs": "{}",
        "problems": "[]",
        "untidy": 0,
    }
