"""The store as the sweep sees it: what has expired, and whose files may go."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from sqlalchemy import delete, insert, or_, select, update

from server.jobs import keys, outbox, retention
from server.jobs.database import Database
from server.jobs.models import Job
from server.jobs.records import clean, job_of
from server.jobs.schema import SWEEP, jobs, properties, uploads
from server.jobs.store import in_use

_AT_ONCE = 20
_DAY_US = 86_400_000_000


class Upkeep:
    """What the sweep does in the store.

    Parameters
    ----------
    database
        Where the jobs are.
    """

    def __init__(self, database: Database) -> None:
        self.database = database

    def note_fault(self, dispatcher: str, fault: str | None) -> None:
        """Write down for ``/health`` that a dispatcher's sweep fails, or does so no more."""
        name = f"{SWEEP}{dispatcher}"
        with self.database.writing() as connection:
            connection.execute(delete(properties).where(properties.c.name == name))
            if fault is not None:
                connection.execute(insert(properties).values(name=name, value=clean(fault)))

    def untidy(self) -> tuple[Job, ...]:
        """Some jobs that have ended, whose files are still to be removed and read by nobody."""
        query = (
            select(jobs)
            .where(
                jobs.c.untidy == 1,
                jobs.c.holder.is_(None),
                # What a waiting job reads stays; of a success only the scratch folder goes.
                or_(jobs.c.status == "successful", ~in_use("job", jobs.c.id)),
            )
            .order_by(jobs.c.seq)
            .limit(_AT_ONCE)
        )
        with self.database.reading() as connection:
            return tuple(job_of(row) for row in connection.execute(query).mappings())

    def tidied(self, job: Job) -> None:
        """The files of this job, as it is known here, were removed."""
        with self.database.writing() as connection:
            connection.execute(
                update(jobs).where(jobs.c.id == job.id, _same(job.removed)).values(untidy=0)
            )

    def expire(self) -> int:
        """Give up the results whose time is over, unless a job that waits reads them."""
        return retention.expire(self.database)

    def forget_uploads(self) -> Iterator[Path]:
        """Forget uploads whose time is over and that no waiting job reads; their paths."""
        return retention.forget_uploads(self.database)

    def forget_jobs(self, kept_days: float) -> tuple[str, ...]:
        """Remove some records of jobs that ended so long ago and have no files; their ids."""
        return retention.forget_jobs(self.database, round(kept_days * _DAY_US))

    def give_up_callbacks(self) -> int:
        """Give up what was to be told so long ago that no sender is to try any more; how many."""
        return outbox.give_up(self.database)

    def forget_keys(self) -> int:
        """Forget some of the ``Idempotency-Key`` whose time is over; how many."""
        return keys.forget(self.database)

    def upload_paths(self) -> frozenset[Path]:
        """Where all uploads lie that are known."""
        with self.database.reading() as connection:
            return frozenset(
                Path(path) for path in connection.execute(select(uploads.c.path)).scalars()
            )

    def is_held(self, job_id: str, number: int) -> bool:
        """Whether a dispatcher answers for an attempt."""
        query = select(jobs.c.seq).where(
            jobs.c.id == job_id, jobs.c.attempt == number, jobs.c.holder.is_not(None)
        )
        with self.database.reading() as connection:
            return connection.execute(query).first() is not None

    def known(self, job_ids: Sequence[str]) -> dict[str, Job]:
        """Those of some jobs that the store knows, by id."""
        found: dict[str, Job] = {}
        with self.database.reading() as connection:
            for start in range(0, len(job_ids), 500):
                query = select(jobs).where(jobs.c.id.in_(job_ids[start : start + 500]))
                for row in connection.execute(query).mappings():
                    found[row["id"]] = job_of(row)
        return found


def _same(removed: str | None) -> Any:
    return jobs.c.removed.is_(None) if removed is None else jobs.c.removed == removed
