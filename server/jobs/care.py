"""Looking after the store: backup, migration, and a check of what it says against itself."""

import os
import shutil
import sqlite3
import subprocess
from collections.abc import Iterator
from pathlib import Path

from sqlalchemy import select

from server.errors import StoreFault
from server.jobs import schema
from server.jobs.database import Database
from server.jobs.models import FINAL
from server.jobs.schema import dispatchers, jobs, transitions


def backup(database: Database, target: Path) -> None:
    """Copy the store while it is in use: an SQLite file, or an archive for ``pg_restore``.

    Raises
    ------
    StoreFault
        The target exists, there is no store, or PostgreSQL's ``pg_dump`` is missing or fails.
    """
    if target.exists():
        raise StoreFault(f"{target} exists already.")
    _require_store(database)
    if database.file is not None:
        # Before SQLite makes it, with a mode that lets others read it.
        target.touch(mode=0o600, exist_ok=False)
        with (
            sqlite3.connect(database.file) as source,
            sqlite3.connect(target) as copy,
        ):
            source.backup(copy)
        copy.close()
        source.close()
        return
    _dump(database, target)


def migrate(database: Database) -> int:
    """Lead the store forward to this version of the server; the number of steps taken.

    Raises
    ------
    StoreFault
        There is no store.
    """
    _require_store(database)
    engine = database.bare_engine()
    try:
        with database.writing_with(engine, alone=True) as connection:
            return schema.migrate(connection)
    finally:
        engine.dispose()


def findings(database: Database) -> tuple[str, ...]:
    """What is wrong with the store, one sentence each; nothing if all is well.

    Raises
    ------
    StoreFault
        There is no store.
    """
    _require_store(database)
    return (*_damage(database), *_broken_chains(database), *_missing_files(database))


def _require_store(database: Database) -> None:
    if database.existing_instance() is None:
        named = database.file or database.url.render_as_string(hide_password=True)
        raise StoreFault(f"There is no store yet: {named}.")


def _dump(database: Database, target: Path) -> None:
    program = shutil.which("pg_dump")
    if program is None:
        raise StoreFault("pg_dump is not installed; it comes with PostgreSQL's client.")
    url = database.url
    # The password goes by the environment: a command line can be read by everyone.
    environment = {**os.environ, "PGPASSWORD": url.password or ""}
    plain = url.set(drivername="postgresql", password=None).render_as_string(hide_password=False)
    command = [program, "--format=custom", f"--file={target}", f"--dbname={plain}"]
    if subprocess.run(command, env=environment, check=False, umask=0o077).returncode != 0:
        raise StoreFault("pg_dump failed.")


def _damage(database: Database) -> Iterator[str]:
    if not database.is_sqlite:
        return
    with database.reading() as connection:
        for (line,) in connection.exec_driver_sql("PRAGMA integrity_check"):
            if line != "ok":
                yield f"SQLite finds damage: {line}"


def _broken_chains(database: Database) -> Iterator[str]:
    """Jobs whose transitions do not lead from one to the next and to what the record says."""
    last: dict[str, str] = {}
    with database.reading() as connection:
        for row in connection.execute(select(transitions).order_by(transitions.c.seq)):
            before = last.get(row.job)
            if row.before != before:
                yield f"Job {row.job}: a transition starts at {row.before}, not at {before}."
            last[row.job] = row.after
        for row in connection.execute(select(jobs.c.id, jobs.c.status, jobs.c.holder)):
            if last.get(row.id) != row.status:
                yield f"Job {row.id} is {row.status}, its transitions end at {last.get(row.id)}."
            if row.status == "running" and row.holder is None:
                yield f"Job {row.id} is running, and nobody answers for it."
        known = set(connection.execute(select(dispatchers.c.id)).scalars())
        held = select(jobs.c.id, jobs.c.holder).where(jobs.c.holder.is_not(None))
        for row in connection.execute(held):
            if row.holder not in known:
                yield f"Job {row.id} waits for a dispatcher that adopts it."


def _missing_files(database: Database) -> Iterator[str]:
    ended = select(jobs.c.id, jobs.c.directory).where(
        jobs.c.status.in_(tuple(FINAL)), jobs.c.directory.is_not(None)
    )
    with database.reading() as connection:
        for row in connection.execute(ended):
            if not (Path(row.directory) / "output").is_dir():
                yield f"Job {row.id}: its results are not where the record says."
