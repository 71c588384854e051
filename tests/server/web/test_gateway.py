"""The one place where pygeoapi is touched."""

import ast
import importlib
import importlib.metadata
import inspect
import logging
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient

import server
from core.pipelines import PIPELINES
from server import gateway
from server.settings import Settings

REVIEWED = "0.24.0"
"""The version whose names and signatures were looked at; after an update, look again."""

NAMES = {
    "pygeoapi.api.API": "config, openapi, asyncapi={}",
    "pygeoapi.api.APIRequest": "request, supported_locales",
    "pygeoapi.api.APIRequest.from_flask": "request, supported_locales",
    "pygeoapi.api.conformance": "api, request",
    "pygeoapi.api.landing_page": "*args, **kwargs",
    "pygeoapi.api.processes.describe_processes": "api, request, process=None",
    "pygeoapi.process.manager.base.BaseManager": "manager_def",
    "pygeoapi.process.manager.base.BaseManager.get_processor": "self, process_id",
}


def test_pygeoapi_is_the_version_that_was_reviewed() -> None:
    assert importlib.metadata.version("pygeoapi") == REVIEWED


def test_signatures_are_those_that_were_reviewed() -> None:
    for name, signature in NAMES.items():
        parameters = inspect.signature(named(name)).parameters.values()
        bare = [parameter.replace(annotation=parameter.empty) for parameter in parameters]
        assert ", ".join(map(str, bare)) == signature, name


def test_the_gateway_imports_the_listed_names_and_is_short() -> None:
    source = Path(gateway.__file__).read_text()
    imported = {
        f"{node.module}.{alias.name}"
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("pygeoapi")
        for alias in node.names
    }
    methods = {name for name in NAMES if name.rsplit(".", 1)[0] in NAMES}
    assert imported == set(NAMES) - methods
    assert len(source.splitlines()) < 150


def test_no_other_module_of_the_server_imports_pygeoapi() -> None:
    for file in Path(server.__path__[0]).rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            modules = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom):
                modules.append(node.module or "")
            uses = [module for module in modules if module.split(".")[0] == "pygeoapi"]
            assert not uses or file.name == "gateway.py", file


def test_the_configured_processes_are_loaded(settings: Settings) -> None:
    made = gateway.Gateway(settings.configuration, "http://127.0.0.1:5000")
    assert set(made.process_ids) == set(PIPELINES)


def test_what_is_not_served_is_not_promised(client: FlaskClient) -> None:
    landing = client.get("/").json
    for link in landing["links"]:
        path = link["href"].removeprefix("http://127.0.0.1:5000")
        if path != link["href"]:
            expected = {200, 503} if path == "/health" else {200}
            assert client.get(path or "/").status_code in expected, link
    classes = client.get("/conformance").json["conformsTo"]
    assert not [name for name in classes if name.endswith(("collections", "callback"))]
    assert {name.rsplit("/", 1)[1] for name in classes} >= {
        "core",
        "json",
        "html",
        "oas30",
        "ogc-process-description",
        "job-list",
        "dismiss",
    }


def named(name: str) -> Any:
    """The object of this dotted name."""
    parts = name.split(".")
    for cut in range(len(parts), 0, -1):
        try:
            found = importlib.import_module(".".join(parts[:cut]))
        except ModuleNotFoundError:
            continue
        for part in parts[cut:]:
            found = getattr(found, part)
        return found
    raise LookupError(name)


def test_the_language_that_a_client_prefers_disturbs_nothing(
    client: FlaskClient, caplog: pytest.LogCaptureFixture
) -> None:
    for path in ("/", "/processes", "/processes/echo"):
        plain = client.get(path)
        other = client.get(path, headers={"Accept-Language": "fr-CA, fr;q=0.9, xx;q=0.1"})
        assert other.status_code == 200
        assert other.json == plain.json
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]
