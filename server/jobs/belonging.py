"""Which store a data folder belongs to.

A store that does not know the jobs in a folder takes them for refuse.  The folder therefore names
its store in a file, and another store, or a new and empty one, is refused until the operator says
that it is to have the folder.
"""

import os
from pathlib import Path

from server.errors import StoreFault
from server.jobs.database import Database

INSTANCE = "instance"
"""File in the data folder: the name of the store that knows what lies there."""


def settle(database: Database, data: Path) -> None:
    """Make the data folder the store's where it is nobody's yet.

    The tables are made too, but never for a folder that another store may know.

    Raises
    ------
    StoreFault
        The folder belongs to another store.
    """
    if told := conflict(database, data):
        raise StoreFault(told)
    if _owner(data) is None:
        adopt(database, data)


def check(database: Database, data: Path) -> None:
    """Raise :class:`StoreFault` unless the data folder says that it belongs to this store."""
    if _owner(data) != database.instance():
        raise StoreFault(
            conflict(database, data) or f"{data} does not name the store that it belongs to."
        )


def conflict(database: Database, data: Path) -> str | None:
    """Why this store must not touch the folder; None if it may.  Nothing is made or changed."""
    owner, present = _owner(data), database.existing_instance()
    advice = (
        "Name the right `database`, restore its backup, or move what is in the folder away; "
        "`optiground-server store adopt` gives the folder to this store, which then removes the "
        "jobs and uploads that it does not know."
    )
    if owner is not None and present is None:
        return f"{data} belongs to the store {owner}, and the database is empty. {advice}"
    if owner is not None and owner != present:
        return f"{data} belongs to the store {owner}, and the database is {present}. {advice}"
    if owner is None and present is None and _is_in_use(data):
        return f"{data} holds jobs or uploads, and the database is empty. {advice}"
    return None


def adopt(database: Database, data: Path) -> str:
    """Give the folder to this store, whoever had it; the name of the store."""
    instance = database.instance()
    data.mkdir(mode=0o700, parents=True, exist_ok=True)
    written = data / f".{INSTANCE}.{os.getpid()}"
    written.touch(mode=0o600)
    written.write_text(f"{instance}\n", encoding="ascii")
    written.replace(data / INSTANCE)
    return instance


def _owner(data: Path) -> str | None:
    try:
        return (data / INSTANCE).read_text(encoding="ascii", errors="replace").strip()
    except FileNotFoundError:
        return None


def _is_in_use(data: Path) -> bool:
    folders = (data / "jobs", data / "uploads")
    return any(folder.is_dir() and any(folder.iterdir()) for folder in folders)
