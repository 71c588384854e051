"""Requests that come again under the name that their client gave them (``Idempotency-Key``)."""

from sqlalchemy import Connection, RowMapping, and_, delete, insert, or_, select

from server.errors import KeyReused
from server.jobs.database import Database
from server.jobs.models import Key
from server.jobs.records import clean
from server.jobs.schema import jobs, keys


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
    """Write down which job a request made, and forget the names whose time is over.

    The transaction has to be alone: it looked with :func:`job_under` before.
    """
    mine = and_(keys.c.owner == clean(owner), keys.c.name == key.name)
    connection.execute(delete(keys).where(or_(keys.c.expires <= database.now(), mine)))
    connection.execute(
        insert(keys).values(
            owner=clean(owner),
            name=key.name,
            digest=key.digest,
            job=job_id,
            expires=database.now() + round(key.kept_s * 1e6),
        )
    )
