"""A service as OGC API - Processes describes it."""

from collections.abc import Callable
from typing import Any

from core.declare import Input, Output, Pipeline, RasterProduct

Json = dict[str, Any]

Link = Callable[[str], str]
"""Makes the address of a path of the server, such as ``/processes/echo``."""

EXECUTE_REL = "http://www.opengis.net/def/rel/ogc/1.0/execute"


def summary(pipeline: Pipeline, link: Link) -> Json:
    """The service in a list of services."""
    page = f"/processes/{pipeline.id}"
    return {
        "id": pipeline.id,
        "title": pipeline.title,
        "description": pipeline.text,
        "version": pipeline.version,
        "keywords": list(pipeline.keywords),
        "jobControlOptions": list(pipeline.modes),
        "outputTransmission": list(pipeline.transmission),
        "links": [
            {
                "href": link(page),
                "rel": "self",
                "type": "application/json",
                "title": f"Description of {pipeline.id}",
            },
            {
                "href": f"{link(page)}?f=html",
                "rel": "alternate",
                "type": "text/html",
                "title": f"Description of {pipeline.id} (page)",
            },
            {
                "href": link(f"{page}/execution"),
                "rel": EXECUTE_REL,
                "type": "application/json",
                "title": f"Execution of {pipeline.id}",
            },
        ],
    }


def description(pipeline: Pipeline, link: Link) -> Json:
    """The service with all its inputs and outputs; valid after the standard's ``process.yaml``."""
    return {
        **summary(pipeline, link),
        "inputs": {entry.id: input_description(entry) for entry in pipeline.input_list},
        "outputs": {output.id: output_description(output) for output in pipeline.output_list},
    }


def input_description(entry: Input) -> Json:
    """One input.

    Unit, group, example and the like stand in ``additionalParameters``: keys that the standard does
    not know would make the schema invalid.
    """
    schema = dict(entry.schema)
    if entry.default not in (None, []):
        schema["default"] = entry.default
    if entry.example is not None:
        schema["example"] = entry.example
    found: Json = {
        "title": entry.title,
        "description": described(entry),
        "schema": schema,
        "minOccurs": entry.min_occurs,
        "maxOccurs": "unbounded" if entry.max_occurs is None else entry.max_occurs,
    }
    marks = {
        "unit": [entry.unit] if entry.unit else [],
        "group": [entry.group],
        "level": ["advanced" if entry.advanced else "simple"],
        "decidedBy": [entry.decided.input] if entry.decided else [],
    }
    found["additionalParameters"] = _parameters(marks)
    return found


def described(entry: Input) -> str:
    """The text of an input with the text of each value it may have."""
    values = [f"{value.value}: {value.text}" for value in entry.values]
    return "\n".join([entry.text, *(f"* {value}" for value in values)])


def output_description(output: Output) -> Json:
    """One output."""
    found: Json = {
        "title": output.title,
        "description": output.text,
        "schema": output.schema,
    }
    product = output.product
    if isinstance(product, RasterProduct):
        marks = {
            "unit": [product.unit] if product.unit else [],
            "sign": [product.sign] if product.sign else [],
            "dataType": [product.dtype],
            "missingValue": [f"{product.nodata:g}"],
        }
        found["additionalParameters"] = _parameters(marks)
    return found


def _parameters(marks: dict[str, list[str]]) -> Json:
    return {
        "parameters": [{"name": name, "value": value} for name, value in marks.items() if value]
    }
