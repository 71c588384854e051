"""What goes when its time is over: results, uploads, and at last the records of jobs themselves.

All of it in steps: whoever submits a job waits for the one that is going on, not for a whole burst
of a month or a year ago.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sqlalchemy import Table, delete, exists, select, update

from server.jobs.database import Database
from server.jobs.models import FINAL
from server.jobs.schema import (
    callbacks,
    jobs,
    keys,
    subscribers,
    transitions,
    uploads,
    uses,
)
from server.jobs.store import in_use

_AT_ONCE = 200
_OF_A_JOB: tuple[Table, ...] = (callbacks, keys, subscribers, uses, transitions)
"""What refers to a job, and goes before it."""


def expire(database: Database) -> int:
    """Give up the results whose time is over, unless a job that waits reads them; how many."""
    over = (
        jobs.c.expires < database.now(),
        jobs.c.removed.is_(None),
        jobs.c.status.in_(tuple(FINAL)),
        ~in_use("job", jobs.c.id),
    )
    given_up = update(jobs).values(
        removed="The time for which results are kept is over.",
        directory=None,
        outputs="{}",
        untidy=1,
    )
    number = 0
    for some in _steps(database, jobs.c.seq, *over):
        with database.writing(alone=True) as connection:
            number += connection.execute(given_up.where(jobs.c.seq.in_(some), *over)).rowcount
    return number


def forget_uploads(database: Database) -> Iterator[Path]:
    """Forget uploads whose time is over and that no waiting job reads; their paths."""
    over = (uploads.c.expires < database.now(), ~in_use("upload", uploads.c.id))
    for some in _steps(database, uploads.c.id, *over):
        forgotten = delete(uploads).where(uploads.c.id.in_(some), *over)
        with database.writing(alone=True) as connection:
            gone = connection.execute(forgotten.returning(uploads.c.path)).scalars().all()
        yield from map(Path, gone)


def forget_jobs(database: Database, kept_us: int) -> tuple[str, ...]:
    """Remove one step's records of jobs that ended long ago and have no files any more; their ids.

    A job stays for as long as a request that is sent again would lead to it.

    Parameters
    ----------
    kept_us
        Microseconds that a record is kept after the job's end.
    """
    until = database.now() - kept_us
    over = (
        # Says nothing more than the next, but there is an index.
        jobs.c.created < until,
        jobs.c.finished < until,
        jobs.c.status.in_(tuple(FINAL)),
        jobs.c.removed.is_not(None),
        jobs.c.untidy == 0,
        jobs.c.holder.is_(None),
        ~exists().where(keys.c.job == jobs.c.id, keys.c.expires > database.now()),
    )
    oldest = select(jobs.c.id).where(*over).order_by(jobs.c.created).limit(_AT_ONCE)
    with database.reading() as connection:
        seen = connection.execute(oldest).scalars().all()
    if not seen:
        return ()
    # Another dispatcher may be at the same work, and a user may dismiss one of them.
    mine = select(jobs.c.id).where(jobs.c.id.in_(seen), *over).with_for_update(skip_locked=True)
    with database.writing() as connection:
        ids = tuple(connection.execute(mine).scalars())
        for table in _OF_A_JOB:
            connection.execute(delete(table).where(table.c.job.in_(ids)))
        connection.execute(delete(jobs).where(jobs.c.id.in_(ids)))
    return ids


def _steps(database: Database, key: Any, *conditions: Any) -> Iterator[list[Any]]:
    """Keys of the rows that meet the conditions, a step's number at a time.

    Each step starts behind the one before, so that all of them together go through the table once,
    without a lock; the conditions have to be asked again with one.
    """
    query = select(key).where(*conditions).order_by(key).limit(_AT_ONCE)
    some: list[Any] = []
    while True:
        following = query.where(key > some[-1]) if some else query
        with database.reading() as connection:
            some = list(connection.execute(following).scalars())
        if not some:
            return
        yield some
