"""Options and fixtures of the whole test suite."""

import os
from pathlib import Path

import pytest

SHARED = Path(os.environ.get("OPTIGROUND_SHARED", Path(__file__).parents[2] / "shared"))


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--slow", action="store_true", help="also run full tiles, long loads and kills"
    )


def pytest_ignore_collect(collection_path: Path) -> bool | None:
    """Whether a file is no test: helpers are scripts that the doctest collector must not run."""
    helper = collection_path.suffix == ".py" and not collection_path.name.startswith("test_")
    return True if helper and collection_path.is_file() else None


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.getoption("--slow"):
        return
    skip = pytest.mark.skip(reason="slow: run with --slow")
    for item in items:
        if item.get_closest_marker("slow"):
            item.add_marker(skip)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real images beside the project (its `data`)."""
    folder = SHARED / "data"
    if not folder.is_dir():
        pytest.skip("the shared data is not there (OPTIGROUND_SHARED names its folder)")
    return folder
