"""Backup, check and migration of the store."""

import shutil
from pathlib import Path

import pytest
from sqlalchemy import text

from server.errors import StoreFault, WrongSchema
from server.jobs import care, schema
from server.jobs.claims import Claims, Places
from server.jobs.models import NewJob
from server.jobs.store import Store

ONE_STEP = (("ALTER TABLE jobs ADD COLUMN colour TEXT", "UPDATE jobs SET colour = 'red'"),)


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
    monkeypatch.setattr(schema.check, "__defaults__", (ONE_STEP,))
    monkeypatch.setattr(schema.migrate, "__defaults__", (ONE_STEP,))
    with pytest.raises(WrongSchema, match="migrate"):
        store.get("j1")
    assert care.migrate(store.database) == 1
    assert care.migrate(store.database) == 0
    assert store.get("j1") is not None
    with store.database.reading() as connection:
        assert connection.execute(text("SELECT colour FROM jobs")).scalar_one() == "red"


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
