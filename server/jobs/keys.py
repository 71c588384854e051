"""Requests that come again under the name that their client gave them (``Idempotency-Key``)."""

from sqlalchemy import Connection, RowMapping, delete, insert, select, tuple_

from server.errors import KeyReused
from server.jobs.database import Database
from server.jobs.models import Key
from server.jobs.records import clean
from server.jobs.schema import jobs, keys

_AT_ONCE = 200


def job_under(
    connection: Connection, database: Database, owner: str, key: Key
) -> RowMapping | None:
    """The row of the job that a user's request of this name made; None if there was none.

    Raises
    ------
    KeyReused
        The name stands for a request that asked for something else.
    """
    query = (
        select(keys.c.digest, *jobs.c)
        .join_from(keys, jobs, keys.c.job == jobs.c.id)
        .where(
            keys.c.owner == clean(owner),
            keys.c.name == key.name,
            keys.c.expires > database.now(),
        )
    )
    row = connection.execute(query).mappings().first()
    if row is not None and row["digest"] != key.digest:
        raise KeyReused("The Idempotency-Key came with another request before; take a new one.")
    return row


def remember(connection: Connection, database: Database, owner: str, key: Key, job_id: str) -> None:
    """Write down which job a request made.

    The transaction has to be alone: it looked with :func:`job_under` before.
    """
    # Its time may be over, and nobody has removed it yet.
    mine = (keys.c.owner == clean(owner), keys.c.name == key.name)
    connection.execute(delete(keys).where(*mine))
    connection.execute(
        insert(keys).values(
            owner=clean(owner),
            name=key.name,
            digest=key.digest,
            job=job_id,
            expires=database.now() + round(key.kept_s * 1e6),
        )
    )


def forget(database: Database) -> int:
    """Remove some of the names whose time is over; how many there were, up to a step's number.

    A day's names at once would hold up everyone who writes.
    """
    over = keys.c.expires <= database.now()
    with database.reading() as connection:
        if connection.execute(select(keys.c.expires).where(over).limit(1)).first() is None:
            return 0
    # Another dispatcher may be at the same work.
    some = (
        select(keys.c.owner, keys.c.name)
        .where(over)
        .order_by(keys.c.expires)
        .limit(_AT_ONCE)
        .with_for_update(skip_locked=True)
    )
    with database.writing() as connection:
        mine = tuple_(keys.c.owner, keys.c.name).in_(some)
        return connection.execute(delete(keys).where(mine, over)).rowcount
