"""Backup, check and migration of the store."""

import shutil
from pathlib import Path

import pytest
from sqlalchemy import inspect, text

from server.errors import StoreFault, WrongSchema
from server.jobs import care, schema
from server.jobs.claims import Claims, Places
from server.jobs.models import Key, NewJob
from server.jobs.store import Store

COLOUR = ("ALTER TABLE jobs ADD COLUMN colour TEXT", "UPDATE jobs SET colour = 'red'")
ONE_MORE = (*schema.STEPS, COLOUR)


def set_version(store: Store, version: int) -> None:
    with store.database.writing() as connection:
        connection.execute(
            text("UPDATE properties SET value = :v WHERE name = 'schema'"), {"v": str(version)}
        )


def test_a_backup_holds_what_the_store_held_and_never_overwrites(
    store: Store, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    store.create(NewJob("j1", "echo", "ana", {"inputs": {}}))
    target = tmp_path / "backup"
    if not store.database.is_sqlite and shutil.which("pg_dump") is None:
        pytest.skip("pg_dump is not on PATH")
    care.backup(store.database, target)
    with pytest.raises(StoreFault, match="exists"):
        care.backup(store.database, target)
    if store.database.is_sqlite:
        copy = Store(f"sqlite:///{target}")
        assert copy.get("j1") == store.get("j1")
        copy.close()
    else:
        assert target.read_bytes().startswith(b"PGDMP")


def test_a_store_that_does_not_exist_cannot_be_backed_up(tmp_path: Path) -> None:
    with pytest.raises(StoreFault, match="no store"):
        care.backup(Store(f"sqlite:///{tmp_path / 'none'}").database, tmp_path / "backup")


def test_a_sound_store_has_no_findings(store: Store) -> None:
    store.create(NewJob("j1", "echo", "ana", {}))
    assert care.findings(store.database) == ()


def test_the_check_finds_a_broken_chain_and_missing_files(store: Store, tmp_path: Path) -> None:
    for name in ("j1", "j2"):
        store.create(NewJob(name, "echo", "ana", {}))
    claims = Claims(store.database, "d", "d", tmp_path, 1.0)
    claims.claim(Places(9, 9, 9))
    claims.publish("j1", 1, tmp_path / "nothing", {}, "done")
    with store.database.writing() as connection:
        connection.execute(text("UPDATE jobs SET status = 'failed' WHERE id = 'j2'"))
    found = care.findings(store.database)
    assert len(found) == 2
    assert any("j2 is failed" in line for line in found)
    assert any("j1" in line and "results" in line for line in found)


def test_an_older_store_is_refused_until_it_was_led_forward(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.create(NewJob("j1", "echo", "ana", {}))
    store.close()
    monkeypatch.setattr(schema.check, "__defaults__", (ONE_MORE,))
    monkeypatch.setattr(schema.migrate, "__defaults__", (ONE_MORE,))
    with pytest.raises(WrongSchema, match="migrate"):
        store.get("j1")
    assert care.migrate(store.database) == 1
    assert care.migrate(store.database) == 0
    assert store.get("j1") is not None
    with store.database.reading() as connection:
        assert connection.execute(text("SELECT colour FROM jobs")).scalar_one() == "red"


def tables(store: Store) -> dict[str, object]:
    """What each table has, as the database tells it."""
    with store.database.reading() as connection:
        look = inspect(connection)
        return {
            name: (
                [(c["name"], str(c["type"]), c["nullable"]) for c in look.get_columns(name)],
                look.get_pk_constraint(name)["constrained_columns"],
                [
                    (f["constrained_columns"], f["referred_table"])
                    for f in look.get_foreign_keys(name)
                ],
                sorted((i["name"], i["column_names"]) for i in look.get_indexes(name)),
            )
            for name in look.get_table_names()
        }


def test_a_store_of_version_1_is_led_to_the_tables_of_a_new_one(store: Store) -> None:
    made = store.create(NewJob("j1", "echo", "ana", {}))
    new = tables(store)
    with store.database.writing() as connection:
        for name in ("idempotency_keys", "subscribers", "callbacks", "callback_tries"):
            connection.execute(text(f"DROP TABLE {name}"))
    set_version(store, 1)
    store.close()
    with pytest.raises(WrongSchema, match="migrate"):
        store.get("j1")
    assert care.migrate(store.database) == len(schema.STEPS)
    assert tables(store) == new
    assert store.get("j1") == made
    again = NewJob("j2", "echo", "ana", {}, key=Key("k", "0" * 64, 60.0))
    assert store.create(again) == store.create(again)


def test_a_newer_store_is_refused_and_left_alone(store: Store) -> None:
    store.counts()
    set_version(store, 99)
    store.close()
    with pytest.raises(WrongSchema, match="newer"):
        store.counts()
    with pytest.raises(WrongSchema, match="newer"):
        care.migrate(store.database)


def test_where_there_is_no_store_nothing_is_checked_or_made(store: Store) -> None:
    for work in (care.migrate, care.findings):
        with pytest.raises(StoreFault, match="no store"):
            work(store.database)
    assert store.database.existing_instance() is None


def test_a_backup_can_be_read_by_its_owner_only(tmp_path: Path) -> None:
    store = Store(f"sqlite:///{tmp_path / 'store'}")
    store.counts()
    care.backup(store.database, tmp_path / "backup")
    assert (tmp_path / "backup").stat().st_mode & 0o777 == 0o600
    store.close()
