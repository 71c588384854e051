from collections.abc import Callable

import pytest

from core.change.learning.model import Samples


@pytest.fixture(scope="session")
def event(beside: Callable) -> Callable[..., Samples]:
    return beside(__file__, "events").event
