"""One event that the tests of this folder look at."""

import pytest

from core.simulate import landslides


@pytest.fixture(scope="session")
def event() -> landslides.Event:
    return landslides.event(11, 320, pairs=6)
