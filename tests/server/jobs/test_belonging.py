"""A data folder belongs to one store; no other one removes what lies there."""

from collections.abc import Callable
from pathlib import Path

import pytest

from server.errors import StoreFault
from server.jobs.belonging import adopt, check, conflict, settle
from server.jobs.database import Database
from server.jobs.dispatcher import Dispatcher
from server.settings import Settings


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tmp_path / "data"


@pytest.fixture
def database(tmp_path: Path) -> Database:
    return Database(f"sqlite:///{tmp_path / 'store'}")


@pytest.fixture
def other(tmp_path: Path) -> Database:
    return Database(f"sqlite:///{tmp_path / 'other'}")


def test_a_new_folder_is_taken_by_the_store_that_comes_first(
    data: Path, database: Database, other: Database
) -> None:
    settle(database, data)
    settle(database, data)
    check(database, data)
    other.instance()
    with pytest.raises(StoreFault, match=database.instance()):
        settle(other, data)


def test_a_store_that_has_vanished_is_not_made_anew(data: Path, database: Database) -> None:
    settle(database, data)
    database.close()
    for file in data.parent.glob("store*"):
        file.unlink()
    with pytest.raises(StoreFault, match="empty"):
        settle(database, data)
    assert not list(data.parent.glob("store*"))


def test_jobs_of_an_unknown_store_are_not_left_to_an_empty_one(
    data: Path, database: Database
) -> None:
    (data / "jobs" / "j1").mkdir(parents=True)
    with pytest.raises(StoreFault, match="holds jobs"):
        settle(database, data)


def test_the_operator_may_give_the_folder_to_another_store(
    data: Path, database: Database, other: Database
) -> None:
    settle(database, data)
    adopt(other, data)
    assert conflict(other, data) is None
    assert conflict(database, data) is not None
    assert (data / "instance").stat().st_mode & 0o777 == 0o600


def test_a_dispatcher_on_another_database_does_not_start_and_touches_nothing(
    make_engine: Callable[..., object], settings: Settings, tmp_path: Path
) -> None:
    make_engine(settings)
    (settings.jobs_folder / "j1").mkdir()
    wrong = settings.model_copy(update={"database": f"sqlite:///{tmp_path / 'wrong'}"})
    with pytest.raises(StoreFault, match="adopt"):
        Dispatcher(wrong)
    assert (settings.jobs_folder / "j1").exists()
