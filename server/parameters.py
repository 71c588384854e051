"""Which parameters the query of an address may have: those that the OpenAPI document lists.

A filter that is written wrongly would otherwise be none, and its answer look like the right one.
"""

import re
from collections.abc import Mapping
from typing import Any

from flask import Flask, current_app, request
from werkzeug.exceptions import HTTPException

from processes import openapi
from server.errors import BadQuery
from server.services import services

_KEY = "optiground_parameters"

Known = Mapping[tuple[str, str], Mapping[str, bool]]
"""By endpoint and method the names of the parameters, and whether one may be given repeatedly."""


def install(app: Flask) -> None:
    """Refuse requests to `app` whose query has a parameter too many."""
    app.before_request(_check)


def listed(app: Flask, document: Mapping[str, Any]) -> Known:
    """The parameters of each operation of an OpenAPI document of this application."""
    adapter = app.url_map.bind("")
    components = document["components"]["parameters"]
    found: dict[tuple[str, str], dict[str, bool]] = {}
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            names = [use["$ref"].rpartition("/")[2] for use in operation.get("parameters", [])]
            try:
                endpoint, _ = adapter.match(re.sub(r"\{\w+\}", "x", path), method.upper())
            except HTTPException:
                continue
            found[endpoint, method.upper()] = {
                components[name]["name"]: components[name]["schema"]["type"] == "array"
                for name in names
                if components[name]["in"] == "query"
            }
    return found


def _check() -> None:
    if not request.args or request.url_rule is None:
        return
    if _KEY not in current_app.extensions:
        document = openapi.document(services().pipelines)
        current_app.extensions[_KEY] = listed(current_app, document)
    known = current_app.extensions[_KEY].get(
        (request.url_rule.endpoint, "GET" if request.method == "HEAD" else request.method)
    )
    if known is None:
        return
    for name, values in request.args.lists():
        shown = name[:40]
        if name not in known:
            there = ", ".join(sorted(known))
            raise BadQuery(
                f"There is no query parameter {shown!r} here; there is {there or 'none'}.",
                value=shown,
                allowed=there,
            )
        if len(values) > 1 and not known[name]:
            raise BadQuery(f"The query parameter {shown} can be given only once.", value=shown)
