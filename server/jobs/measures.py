"""What an operator wants to measure of the store, in a few queries."""

from collections.abc import Mapping
from typing import NamedTuple

from sqlalchemy import func, select

from server.jobs.database import Database
from server.jobs.schema import callbacks, jobs, tries, uploads


class Measures(NamedTuple):
    """The state of the store at one moment.

    Parameters
    ----------
    jobs
        Their number by process and status.
    oldest_waiting_s
        Seconds since the longest waiting job was submitted; 0 if none waits.
    uploads, uploads_bytes
        Number and size of the uploaded files.
    callbacks
        What subscribers are still to be told.
    oldest_callback_s
        Seconds since the oldest of it happened; 0 if there is none.
    tries
        Tries to send a callback so far, by their outcome.
    """

    jobs: Mapping[tuple[str, str], int]
    oldest_waiting_s: float
    uploads: int
    uploads_bytes: int
    callbacks: int
    oldest_callback_s: float
    tries: Mapping[str, int]


def measure(database: Database) -> Measures:
    """Measure the store."""
    numbers = select(jobs.c.process_id, jobs.c.status, func.count().label("number"))
    since = select(database.now() - func.min(jobs.c.created)).where(jobs.c.status == "accepted")
    files = select(func.count().label("number"), func.coalesce(func.sum(uploads.c.size), 0))
    untold = select(func.count().label("number"), database.now() - func.min(callbacks.c.at))
    with database.reading() as connection:
        by_kind = connection.execute(numbers.group_by(jobs.c.process_id, jobs.c.status))
        found = {(row.process_id, row.status): row.number for row in by_kind}
        waited = connection.execute(since).scalar_one()
        number, size = connection.execute(files).one()
        open_ones, happened = connection.execute(untold).one()
        outcomes = {row.outcome: row.number for row in connection.execute(select(tries))}
    # Clocks of several hosts may differ a little.
    return Measures(
        found,
        max(waited or 0, 0) / 1e6,
        number,
        int(size),
        open_ones,
        max(happened or 0, 0) / 1e6,
        outcomes,
    )
