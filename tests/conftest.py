"""Options and fixtures of the whole test suite; the standard's schemas, their slips corrected."""

import os
from collections.abc import Callable, Mapping
from datetime import datetime
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any
from urllib.parse import urlsplit

import psutil
import pytest
import yaml
from hypothesis import HealthCheck, settings
from jsonschema import Draft4Validator, FormatChecker
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT4

Json = dict[str, Any]

# A machine that is busy makes no test fail.
settings.register_profile(
    "any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("any machine")

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


@pytest.fixture(scope="session")
def beside() -> Callable[[str, str], ModuleType]:
    """Imports a helper by its name from beside a file of tests."""

    def helper(file: str, name: str) -> ModuleType:
        with pytest.MonkeyPatch.context() as patch:
            patch.syspath_prepend(Path(file).parent)
            return import_module(name)

    return helper


@pytest.fixture(scope="session")
def ended() -> Callable[[psutil.Process], bool]:
    """Whether a process runs no more; it may vanish while it is looked at."""

    def gone(process: psutil.Process) -> bool:
        try:
            return bool(process.status() == psutil.STATUS_ZOMBIE)
        except psutil.NoSuchProcess:
            return True

    return gone


RAW_OR_DOCUMENT = {"type": "string", "enum": ["raw", "document"], "default": "raw"}
CORRECTIONS: list[tuple[str, str, Callable[[Json], None]]] = [
    (
        "subscriber.yaml",
        "requires successUrl, while its property is successUri",
        lambda schema: schema.update(required=["successUri"]),
    ),
    (
        "execute.yaml",
        "has no response, which the standard's text defines (requirement 19)",
        lambda schema: schema["properties"].update(response=RAW_OR_DOCUMENT),
    ),
    (
        "inputValueNoObject.yaml",
        "wants just one of number and integer, of text and base64: no whole number and no text is",
        lambda schema: schema.update(anyOf=schema.pop("oneOf")),
    ),
]
"""The known slips of the published schemas: file, what is wrong, and how it is put right."""

FORMATS = FormatChecker(())


@FORMATS.checks("date-time", raises=ValueError)
def is_moment(value: object) -> bool:
    return not isinstance(value, str) or datetime.fromisoformat(value).tzinfo is not None


@FORMATS.checks("uri")
def is_uri(value: object) -> bool:
    return not isinstance(value, str) or bool(urlsplit(value).scheme)


@pytest.fixture(scope="session")
def complaints() -> Callable[..., list[str]]:
    """What is wrong with a value after a schema, formats included."""

    def found(schema: Json, value: Any, registry: Registry[Any] | None = None) -> list[str]:
        known = Registry() if registry is None else registry
        validator = Draft4Validator(schema, registry=known, format_checker=FORMATS)
        return [f"{error.json_path}: {error.message}" for error in validator.iter_errors(value)]

    return found


@pytest.fixture(scope="session")
def plain_schema() -> Callable[[Json], Json]:
    """Turns schemas of OpenAPI 3.0 into JSON Schema."""
    return without_nullable


def without_nullable(part: Any) -> Any:
    """A schema of OpenAPI 3.0 as JSON Schema, which has the type null instead of ``nullable``."""
    if isinstance(part, list):
        return [without_nullable(value) for value in part]
    if not isinstance(part, dict):
        return part
    found = {key: without_nullable(value) for key, value in part.items()}
    if found.get("nullable") is True and isinstance(found.get("type"), str):
        found["type"] = [found["type"], "null"]
    return found


def published(folder: Path) -> Mapping[str, Json]:
    """The published schemas by file name, their known slips corrected."""
    schemas = {path.name: yaml.safe_load(path.read_text()) for path in folder.glob("*.yaml")}
    for name, _, correct in CORRECTIONS:
        correct(schemas[name])
    return schemas


@pytest.fixture(scope="session")
def published_folder(shared_data: Path) -> Path:
    folder = shared_data.parent / "schemas/ogcapi-processes-1.0/core/openapi/schemas"
    if not folder.is_dir():
        pytest.skip("the standard's schemas are not there (OPTIGROUND_SHARED names their folder)")
    return folder


@pytest.fixture(scope="session")
def standard(
    published_folder: Path, complaints: Callable[..., list[str]]
) -> Callable[[str, Any], list[str]]:
    """What is wrong with a document after a schema of the standard; skips where they are not."""
    schemas = published(published_folder)
    registry: Registry[Any] = Registry().with_resources(
        (name, Resource(schema, DRAFT4)) for name, schema in schemas.items()
    )

    def errors(name: str, document: Any) -> list[str]:
        return complaints({"$ref": f"{name}.yaml"}, document, registry)

    return errors


@pytest.fixture(scope="session")
def uncorrected(published_folder: Path) -> Callable[[str], Json]:
    """A schema of the standard as it was published."""

    def read(name: str) -> Json:
        schema: Json = yaml.safe_load((published_folder / name).read_text())
        return schema

    return read
