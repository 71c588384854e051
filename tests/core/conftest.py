"""What several folders of tests of the core use."""

from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest


@pytest.fixture
def decoded(beside: Callable[..., ModuleType], monkeypatch: pytest.MonkeyPatch) -> Any:
    """What is decoded from now on."""
    return beside(__file__, "decoded").Decoded(monkeypatch)
