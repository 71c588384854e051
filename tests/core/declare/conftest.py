"""Schemas of process descriptions as JSON Schema, which has validators; a trial declaration."""

from collections.abc import Callable, Mapping
from types import ModuleType
from typing import Any

import pytest


def as_json_schema(schema: Any) -> Any:
    """OpenAPI 3.0 says that a bound is exclusive with a boolean; JSON Schema with the number."""
    if isinstance(schema, list):
        return [as_json_schema(item) for item in schema]
    if not isinstance(schema, Mapping):
        return schema
    found = {key: as_json_schema(value) for key, value in schema.items()}
    for bound in ("Minimum", "Maximum"):
        if found.get(f"exclusive{bound}") is True:
            found[f"exclusive{bound}"] = found.pop(bound.lower())
    return found


@pytest.fixture(scope="session")
def json_schema() -> Callable[[Any], Any]:
    return as_json_schema


@pytest.fixture(scope="session")
def trial(beside: Callable[..., ModuleType]) -> ModuleType:
    """A declaration to try requests on."""
    return beside(__file__, "trial_inputs")
