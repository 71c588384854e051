"""The database under the store: SQLite in WAL mode, or PostgreSQL; and its clock."""

import os
import sqlite3
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    Engine,
    create_engine,
    event,
    func,
    literal,
    select,
)
from sqlalchemy import cast as sql_cast
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, SQLAlchemyError

from server.errors import StoreFault
from server.jobs import schema

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_BUSY_S = 60
# Any number does that no one else uses for advisory locks in the same database.
_LOCK = 0x0971_6700


class Database:
    """Connections to the database, made when they are first needed.

    gunicorn forks its workers: a connection that two processes share is broken, so each process
    makes an engine of its own.

    Parameters
    ----------
    url
        SQLAlchemy URL.

    Raises
    ------
    StoreFault
        The URL is none, or of another kind of database.
    """

    def __init__(self, url: str) -> None:
        self.url = _parsed(url)
        self.is_sqlite = self.url.get_backend_name() == "sqlite"
        self._engine: Engine | None = None
        self._pid = 0
        self._making = threading.Lock()
        self._turn = threading.Lock()

    @property
    def file(self) -> Path | None:
        """The file of an SQLite database."""
        name = self.url.database
        return Path(name) if self.is_sqlite and name else None

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A connection that sees one state of the database; on PostgreSQL one per statement."""
        engine = self.engine()
        with engine.connect() if self.is_sqlite else _without_transaction(engine) as connection:
            yield connection

    @contextmanager
    def writing(self, *, alone: bool = False) -> Iterator[Connection]:
        """A transaction, committed at the end of the block, rolled back if it raises.

        Parameters
        ----------
        alone
            No other transaction with `alone` runs at the same time: for those that count first.
            SQLite has one writer at a time anyway.
        """
        with self._taking_turns(), self.writing_with(self.engine(), alone=alone) as connection:
            yield connection

    @contextmanager
    def _taking_turns(self) -> Iterator[None]:
        """Let the threads of this process write to SQLite one after the other.

        SQLite lets who finds it busy sleep, up to 0.1 s, and whoever happens to wake goes next;
        a thread that waits here is woken in time.
        """
        mine = self.is_sqlite and self._turn.acquire(timeout=_BUSY_S)
        try:
            yield
        finally:
            if mine:
                self._turn.release()

    @contextmanager
    def writing_with(self, engine: Engine, *, alone: bool = False) -> Iterator[Connection]:
        """As :meth:`writing`, on an engine of the caller, whatever the state of the database."""
        with _immediate(engine) as connection, connection.begin():
            if alone:
                _lock(connection)
            yield connection

    def now(self) -> ColumnElement[int]:
        """The present time in microseconds, by the one clock that all hosts share."""
        if self.is_sqlite:
            return literal(time.time_ns() // 1000, BigInteger)
        seconds = func.extract("epoch", func.clock_timestamp())
        return sql_cast(func.floor(seconds * 1_000_000), BigInteger)

    def lapse(self) -> ColumnElement[int]:
        """Microseconds for durations between processes: never set back, counting through sleep."""
        if self.is_sqlite:
            return literal(time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1000, BigInteger)
        return self.now()

    def instance(self) -> str:
        """The name of this store, which no other store has."""
        with self.reading() as connection:
            return schema.instance(connection)

    def existing_instance(self) -> str | None:
        """The same where there is a store; it is not made."""
        if self.file is not None and not self.file.is_file():
            return None
        engine = self.bare_engine()
        try:
            with engine.connect() as connection:
                found = schema.version(connection) is not None
                return schema.instance(connection) if found else None
        finally:
            engine.dispose()

    def close(self) -> None:
        """Close all connections of this process."""
        if self._engine is not None and self._pid == os.getpid():
            self._engine.dispose()
        self._engine = None

    def engine(self) -> Engine:
        """The engine of this process; the tables are there."""
        with self._making:
            if self._engine is None or self._pid != os.getpid():
                engine = self.bare_engine()
                _prepare(engine)
                self._engine, self._pid = engine, os.getpid()
            return self._engine

    def bare_engine(self) -> Engine:
        """A new engine, whatever the state of the database."""
        if not self.is_sqlite:
            return _postgresql(self.url)
        if self.file is not None:
            self.file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            # SQLite gives the files beside it (-wal, -shm) the mode of this one.
            self.file.touch(mode=0o600)
        engine = create_engine(self.url, connect_args={"timeout": _BUSY_S})
        event.listen(engine, "connect", _configure_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
        return engine


def fault_of(error: SQLAlchemyError) -> StoreFault:
    """An error of the database in one line for the operator, without the statement."""
    told = str(getattr(error, "orig", None) or error).strip() or type(error).__name__
    return StoreFault(f"The job store cannot be used: {told.splitlines()[0]}")


def _parsed(url: str) -> URL:
    try:
        parsed = make_url(url)
        backend = parsed.get_backend_name()
    except (ArgumentError, ValueError):
        # The text may hold a password, so it is not repeated.
        raise StoreFault("The setting `database` is no URL of a database.") from None
    if backend not in ("sqlite", "postgresql"):
        raise StoreFault(f"The setting `database` is for {backend}, not sqlite or postgresql.")
    if backend == "sqlite" and parsed.database in (None, "", ":memory:"):
        raise StoreFault("The setting `database` names no file; each process would have its own.")
    if parsed.drivername == "postgresql":
        return parsed.set(drivername="postgresql+psycopg")
    return parsed


def _postgresql(url: URL) -> Engine:
    try:
        return create_engine(url, pool_pre_ping=True, pool_size=5, max_overflow=20)
    except ImportError as error:
        raise StoreFault(
            f"The Python package {error.name} is missing: install the extra `postgresql`."
        ) from None


def _prepare(engine: Engine) -> None:
    """Make the tables where there are none; refuse a store of another version."""
    with engine.connect() as connection:
        if schema.version(connection) is not None:
            schema.check(connection)
            return
    with _immediate(engine) as connection, connection.begin():
        _lock(connection)
        # Another process may have been faster.
        if schema.version(connection) is None:
            schema.create(connection, uuid.uuid4().hex)


def _without_transaction(engine: Engine) -> Connection:
    # To begin and to end one takes two messages more than the statement itself, and its isolation
    # ("read committed") would show each statement another state all the same.
    return engine.connect().execution_options(isolation_level="AUTOCOMMIT")


def _immediate(engine: Engine) -> Connection:
    return engine.connect().execution_options(immediate=True)


def _lock(connection: Connection) -> None:
    """Wait until no other transaction holds this lock, and hold it until the end of this one."""
    if connection.dialect.name != "sqlite":
        connection.execute(select(func.pg_advisory_xact_lock(_LOCK)))


def _configure_sqlite(connection: Any, record: object) -> None:  # noqa: ARG001
    # The driver's own transactions begin too late; ours are begun by the event below.
    connection.isolation_level = None
    cursor = connection.cursor()
    cursor.execute(f"PRAGMA busy_timeout={_BUSY_S * 1000}")
    _write_ahead(cursor)
    cursor.execute("PRAGMA synchronous=NORMAL")
    cursor.execute("PRAGMA foreign_keys=ON")
    cursor.close()


def _write_ahead(cursor: Any) -> None:
    """Switch to the write-ahead log; a switch that meets another one is refused without waiting."""
    end = time.monotonic() + _BUSY_S
    while True:
        try:
            cursor.execute("PRAGMA journal_mode=WAL")
        except sqlite3.OperationalError:
            if time.monotonic() > end:
                raise
            time.sleep(0.01)
        else:
            return


def _begin_sqlite(connection: Connection) -> None:
    # A deferred transaction that reads and then writes fails at once when another has written in
    # between, whatever the time-out; an immediate one waits for its turn.
    immediate = connection.get_execution_options().get("immediate", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if immediate else "BEGIN")


def moment(microseconds: int | None) -> datetime | None:
    """A time of the database as an aware datetime."""
    return None if microseconds is None else _EPOCH + timedelta(microseconds=microseconds)


def microseconds(when: datetime) -> int:
    """An aware datetime as a time of the database."""
    return (when - _EPOCH) // timedelta(microseconds=1)
