"""What subscribers of jobs are still to be told: written with the transition, sent afterwards."""

import json
import threading
import uuid
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, cast

from sqlalchemy import (
    ColumnElement,
    Connection,
    RowMapping,
    case,
    delete,
    func,
    insert,
    literal,
    select,
    update,
)

from server.errors import QueueFull
from server.jobs.database import Database, moment
from server.jobs.models import FINAL, Status
from server.jobs.schema import callbacks, subscribers, tries

_MEMBERS: Mapping[Status, str] = {
    "running": "inProgressUri",
    "successful": "successUri",
    "failed": "failedUri",
    "dismissed": "failedUri",
}
LEASE_S = 120
"""Seconds after which one that was taken and neither sent nor put back is due again."""
FIRST_PAUSE_S, LONGEST_PAUSE_S, KEPT_S = 5, 3600, 86_400
_PENALTY_S, _MOST_PENALTIES = 60, 10
"""What was tried goes behind what became due so many seconds later, for each of its tries."""
_AT_ONCE = 200


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
    owner: str
    status: Status
    uri: str
    at: datetime
    attempts: int


def subscribe(
    connection: Connection, job_id: str, owner: str, uris: Mapping[str, str], limit: int
) -> None:
    """Write down who is to be told of a job.

    Raises
    ------
    QueueFull
        The owner's subscribers take so little that `limit` events are still to be told.
    """
    if not uris:
        return
    mine = select(func.count()).select_from(callbacks).where(callbacks.c.owner == owner)
    if connection.execute(mine).scalar_one() >= limit:
        raise QueueFull(
            f"{limit} callbacks of your jobs are still to be sent; without a subscriber the "
            "request is taken.",
            allowed=f"at most {limit} open callbacks of one user",
        )
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
    open_one = select(callbacks.c.id).where(
        callbacks.c.owner == row["owner"],
        callbacks.c.job == row["id"],
        callbacks.c.status == after,
    )
    # A job that starts again and again is told once until the subscriber has taken it.
    if (uri := json.loads(uris).get(_MEMBERS[after])) and not connection.execute(open_one).first():
        connection.execute(
            insert(callbacks).values(
                id=uuid.uuid4().hex,
                job=row["id"],
                owner=row["owner"],
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
    """What is due, for any number of senders of this process and of others at the same time.

    Owners take turns, and none has all the senders of a process: who has a thousand subscribers
    that do not answer delays nobody else's.  Two such users have all the senders, though, and a
    third waits until one of these has waited for its answer in vain.

    Parameters
    ----------
    database
        Where the jobs are.
    senders
        How many take from this object at the same time.
    """

    def __init__(self, database: Database, senders: int = 1) -> None:
        self._database = database
        self._at_once = max(1, senders - 1)
        self._lock = threading.Lock()
        self._sending: Counter[str] = Counter()
        self._served: dict[str, int] = {}
        self._turn = 0

    def take(self) -> Event | None:
        """One that is due, which nobody else gets while the lease holds; :meth:`free` it."""
        with self._lock:
            for owner in self._next_owners():
                if event := self._take_of(owner):
                    self._turn += 1
                    self._served[owner] = self._turn
                    self._sending[owner] += 1
                    return event
        return None

    def free(self, event: Event) -> None:
        """Nobody here sends it any more."""
        with self._lock:
            self._sending[event.owner] -= 1

    def done(self, event: Event, outcome: Literal["delivered", "outdated"]) -> None:
        """It was sent, or never will be since there is nothing to tell any more."""
        with self._database.writing() as connection:
            _count(connection, outcome)
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
            _count(connection, "retried" if changed.rowcount else "given_up")
        return changed.rowcount == 1

    def _next_owners(self) -> list[str]:
        """Who has something due and a sender to have, the one first that waited for longest."""
        due = callbacks.c.due <= self._database.now()
        with self._database.reading() as connection:
            if connection.execute(select(literal(1)).where(due).limit(1)).first() is None:
                self._served.clear()
                return []
            found = connection.execute(select(callbacks.c.owner).where(due).distinct()).scalars()
            owners = [one for one in found if self._sending[one] < self._at_once]
        return sorted(owners, key=lambda one: self._served.get(one, 0))

    def _take_of(self, owner: str) -> Event | None:
        now = self._database.now()
        chosen = (
            select(callbacks.c.id)
            .where(callbacks.c.owner == owner, callbacks.c.due <= now)
            .order_by(_rank())
            .limit(1)
            .with_for_update(skip_locked=True)
        )
        taking = (
            update(callbacks)
            .where(callbacks.c.id == chosen.scalar_subquery())
            .values(due=now + LEASE_S * 1_000_000, attempts=callbacks.c.attempts + 1)
            .returning(callbacks)
        )
        with self._database.writing() as connection:
            row = connection.execute(taking).mappings().first()
        return _event_of(row) if row else None


def give_up(database: Database) -> int:
    """Remove what nobody tries any more though its time has long been over; how many there were.

    So it is where a server takes no subscribers any more, or where each try ends with its sender.
    """
    old = callbacks.c.at <= database.now() - 2 * KEPT_S * 1_000_000
    some = select(callbacks.c.id).where(old).limit(_AT_ONCE).with_for_update(skip_locked=True)
    number = 0
    while True:
        with database.writing() as connection:
            gone = connection.execute(delete(callbacks).where(callbacks.c.id.in_(some))).rowcount
            _count(connection, "given_up", gone)
        if not gone:
            return number
        number += gone


def _rank() -> ColumnElement[int]:
    """What fails again and again does not hold up what was never tried, nor is it held up for long.

    Ten minutes at most: a steady flow of new ones would have it wait until its day is over.
    """
    tried = callbacks.c.attempts
    penalties = case((tried < _MOST_PENALTIES, tried), else_=_MOST_PENALTIES)
    return callbacks.c.due + penalties * (_PENALTY_S * 1_000_000)


def _count(connection: Connection, outcome: str, number: int = 1) -> None:
    mine = tries.c.outcome == outcome
    connection.execute(update(tries).where(mine).values(number=tries.c.number + number))


def _event_of(row: RowMapping) -> Event:
    at = cast("datetime", moment(row["at"]))
    return Event(
        row["id"], row["job"], row["owner"], row["status"], row["uri"], at, row["attempts"]
    )
