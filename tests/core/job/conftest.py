"""Jobs of the services that only tests know."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from core.declare import SourcePolicy, validate_inputs
from core.job import JobRequest, prepare

HERE = Path(__file__).parent


@pytest.fixture
def order(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., Path]:
    """Prepares a job of ``trial_services`` and gives its directory."""
    monkeypatch.syspath_prepend(HERE)
    monkeypatch.setenv("PYTHONPATH", str(HERE), prepend=os.pathsep)

    def prepared(
        service: str = "TRIAL",
        *,
        compute: Any = None,
        policy: SourcePolicy = SourcePolicy(roots=("/",)),  # noqa: B008
        **inputs: Any,
    ) -> Path:
        import trial_services

        document = validate_inputs(getattr(trial_services, service), inputs, policy).document
        directory = tmp_path / "job"
        named = f"trial_services:{service}"
        prepare(
            directory,
            JobRequest("trial", document, policy, compute=compute or {}, pipeline=named),
        )
        return directory

    return prepared
