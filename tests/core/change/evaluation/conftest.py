from collections.abc import Callable
from pathlib import Path

import pytest

from core.change.learning.model import Samples


@pytest.fixture(scope="session")
def event(beside: Callable) -> Callable[..., Samples]:
    return beside(str(Path(__file__).parents[1] / "learning" / "conftest.py"), "events").event
