"""What subscribers of jobs are still to be told: written with the transition, sent afterwards."""

import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast

from sqlalchemy import ColumnElement, Connection, RowMapping, delete, insert, select, update

from server.jobs.database import Database, moment
from server.jobs.models import FINAL, Status
from server.jobs.schema import callbacks, subscribers

_MEMBERS: Mapping[Status, str] = {
    "running": "inProgressUri",
    "successful": "successUri",
    "failed": "failedUri",
    "dismissed": "failedUri",
}
LEASE_S = 120
"""Seconds after which one that was taken and neither sent nor put back is due again."""
FIRST_PAUSE_S, LONGEST_PAUSE_S, KEPT_S = 5, 3600, 86_400


@dataclass(frozen=True)
class Event:
    """One thing to tell.

    Parameters
    ----------
    id
        The same each time that it is sent.
    status
        What the job came to.
    attempts
        How many times it was taken to be sent, this one included.
    """

    id: str
    job: str
    status: Status
    uri: str
    at: datetime
    attempts: int


def subscribe(connection: Connection, job_id: str, uris: Mapping[str, str]) -> None:
    """Write down who is to be told of a job."""
    if uris:
        connection.execute(insert(subscribers).values(job=job_id, uris=json.dumps(dict(uris))))


def announce(
    connection: Connection,
    at: ColumnElement[int],
    row: RowMapping | Mapping[str, Any],
    after: Status,
) -> None:
    """Put into the outbox what a transition means to the job's subscriber, if it has one."""
    if after not in _MEMBERS or row["status"] in FINAL:
        return
    mine = subscribers.c.job == row["id"]
    uris = connection.execute(select(subscribers.c.uris).where(mine)).scalar_one_or_none()
    if uris is None:
        return
    if uri := json.loads(uris).get(_MEMBERS[after]):
        connection.execute(
            insert(callbacks).values(
                id=uuid.uuid4().hex,
                job=row["id"],
                status=after,
                uri=uri,
                at=at,
                due=at,
                attempts=0,
            )
        )
    if after in FINAL:
        connection.execute(delete(subscribers).where(mine))


class Outbox:
    """What is due, for any number of senders at the same time.

    Parameters
    ----------
    database
        Where the jobs are.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def take(self) -> Event | None:
        """One that is due, which nobody else gets while the lease holds."""
        due = select(callbacks.c.id).where(callbacks.c.due <= self._database.now())
        with self._database.reading() as connection:
            if connection.execute(due.limit(1)).first() is None:
                return None
        chosen = due.order_by(callbacks.c.due).limit(1).with_for_update(skip_locked=True)
        taking = (
            update(callbacks)
            .where(callbacks.c.id == chosen.scalar_subquery())
            .values(
                due=self._database.now() + LEASE_S * 1_000_000,
                attempts=callbacks.c.attempts + 1,
            )
            .returning(callbacks)
        )
        with self._database.writing() as connection:
            row = connection.execute(taking).mappings().first()
        return _event_of(row) if row else None

    def done(self, event: Event) -> None:
        """It was sent, or never will be."""
        with self._database.writing() as connection:
            connection.execute(delete(callbacks).where(callbacks.c.id == event.id))

    def put_back(self, event: Event) -> bool:
        """Try it again later, each time after a longer pause; False if its time is over."""
        pause_s = min(FIRST_PAUSE_S * 2 ** min(event.attempts - 1, 20), LONGEST_PAUSE_S)
        now, mine = self._database.now(), callbacks.c.id == event.id
        with self._database.writing() as connection:
            later = update(callbacks).where(mine, callbacks.c.at > now - KEPT_S * 1_000_000)
            changed = connection.execute(later.values(due=now + pause_s * 1_000_000))
            if changed.rowcount == 0:
                connection.execute(delete(callbacks).where(mine))
        return changed.rowcount == 1


def _event_of(row: RowMapping) -> Event:
    at = cast("datetime", moment(row["at"]))
    return Event(row["id"], row["job"], row["status"], row["uri"], at, row["attempts"])
